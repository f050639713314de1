//! Times a check of Parquet files: `bench_check DIR RULES.yaml [THREADS] [FAULTS.parquet]`; with `decode` for the
//! rules it only decodes the columns of the twelve checks, which is the floor.
//!
//! Prints one JSON line: rows, wall and CPU seconds, rows per second and core, peak memory, faults by rule, and the
//! time to read the first page of failing rows of each rule from a fault file.

#![expect(clippy::print_stdout, reason = "a developer's tool speaks on standard output")]

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};
use yihe_quality::{CheckOptions, FaultFile, RuleFile, check_files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(arguments.get(1).ok_or("usage: bench_check DIR RULES.yaml [THREADS] [FAULTS]")?);
    let rules = arguments.get(2).ok_or("usage: bench_check DIR RULES.yaml [THREADS] [FAULTS]")?;
    let threads = arguments.get(3).map_or(Ok(1), |text| text.parse())?;
    let faults = arguments.get(4).map(PathBuf::from);

    if rules == "decode" {
        return decode(&folder.join("people.parquet"));
    }
    let rules = RuleFile::parse(&std::fs::read_to_string(rules)?, &folder)?;
    let mut options = CheckOptions::new("2026-11-22T00:00:00Z".parse()?);
    options.threads = threads;
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let report = check_files(&[folder.join("people.parquet")], &rules, faults.as_deref(), &options)?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);

    let path = std::env::temp_dir().join(format!("bench-{}.faults", std::process::id()));
    let ids = report.rules.iter().map(|rule| rule.id.as_str()).zip(&report.outcome.failed);
    let write = Instant::now();
    FaultFile::write(&path, report.rows, ids)?;
    let write_ms = write.elapsed().as_secs_f64() * 1e3;
    let mut page_ms_max = 0.0_f64;
    for rule in &report.rules {
        let page = Instant::now();
        FaultFile::open(&path)?.failing(&rule.id, 0, 100)?;
        page_ms_max = page_ms_max.max(page.elapsed().as_secs_f64() * 1e3);
    }
    let fault_bytes = std::fs::metadata(&path)?.len();
    std::fs::remove_file(&path)?;

    let failed: serde_json::Map<String, serde_json::Value> = report
        .rules
        .iter()
        .map(|rule| (rule.id.clone(), rule.surplus.map_or(rule.failed.into(), |dup| vec![rule.failed, dup].into())))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = report.rows as f64 / cpu;
    let line = serde_json::json!({
        "rows": report.rows, "rules": report.rules.len(), "threads": threads, "wall_s": wall, "cpu_s": cpu,
        "rows_per_cpu_s": rate.round(), "peak_mib": peak_mib()?, "fault_file_write_ms": write_ms,
        "fault_file_bytes": fault_bytes, "first_page_ms_max": page_ms_max, "failed": failed,
    });
    println!("{line}");
    Ok(())
}

/// Decodes what the twelve checks read, in the layouts in which they read it, and looks at nothing.
fn decode(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let options = ArrowReaderOptions::new();
    let plain = ArrowReaderMetadata::load(&File::open(path)?, options.clone())?;
    let fields = plain.schema().fields().iter().map(|field| match field.name().as_str() {
        "status" | "div_code" => {
            let layout = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Field::new(field.name(), layout, true)
        }
        _ if field.data_type() == &DataType::Utf8 => Field::new(field.name(), DataType::Utf8View, true),
        _ => field.as_ref().clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let mut rows = 0;
    let groups = plain.metadata().num_row_groups();
    for group in 0..groups {
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(
            File::open(path)?,
            options.clone().with_schema(schema.clone()),
        )?;
        let without_rid = ProjectionMask::roots(builder.parquet_schema(), 1..schema.fields().len());
        for batch in builder.with_projection(without_rid).with_row_groups(vec![group]).with_batch_size(8192).build()? {
            rows += batch?.num_rows();
        }
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    println!(
        "{}",
        serde_json::json!({ "decode_only_rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak_mib()? })
    );
    Ok(())
}

/// User and system time of the process, in seconds.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of the whole line, in hundredths of a second.
    let (user, system): (f64, f64) = (fields[11].parse()?, fields[12].parse()?);
    Ok((user + system) / 100.0)
}

fn peak_mib() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).unwrap_or("0").parse::<u64>()? / 1024)
}
