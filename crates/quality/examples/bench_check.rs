//! Times a check of Parquet files: `bench_check DIR RULES.yaml [THREADS] [FAULTS.parquet]`.
//!
//! Prints one JSON line: rows, wall and CPU seconds, rows per second and core, peak memory, faults by rule, and the
//! time to read the first page of failing rows of each rule from a fault file.

#![expect(clippy::print_stdout, reason = "a developer's tool speaks on standard output")]

use std::{path::PathBuf, time::Instant};

use yihe_quality::{CheckOptions, FaultFile, RuleFile, check_files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(arguments.get(1).ok_or("usage: bench_check DIR RULES.yaml [THREADS] [FAULTS]")?);
    let rules = arguments.get(2).ok_or("usage: bench_check DIR RULES.yaml [THREADS] [FAULTS]")?;
    let threads = arguments.get(3).map_or(Ok(1), |text| text.parse())?;
    let faults = arguments.get(4).map(PathBuf::from);

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
