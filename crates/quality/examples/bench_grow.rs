//! Times what a delivery adds to a table that was checked: `bench_grow DIR RULES.yaml PERCENT [KEY]`.
//!
//! Checks `DIR/people.parquet` but for the last PERCENT of its rows and keeps the state, then adds the rest. With a
//! column KEY the same rows are then delivered once more, each taking the place of its older version. Prints the CPU
//! seconds of each, and what part of them was the scan.

#![expect(clippy::print_stdout, reason = "a developer's tool speaks on standard output")]

use std::{fs::File, path::PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringBitmap;
use yihe_quality::{
    Checker, CodeTables, Growth, KeySet, Part, References, RuleFile, SessionOptions, State, Surroundings, grow,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: bench_grow DIR RULES.yaml PERCENT [KEY]";
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(arguments.get(1).ok_or(usage)?);
    let percent: f64 = arguments.get(3).ok_or(usage)?.parse()?;
    let key: Vec<String> = arguments.get(4).cloned().into_iter().collect();
    let rules = RuleFile::parse(&std::fs::read_to_string(arguments.get(2).ok_or(usage)?)?, &folder)?;
    let mut references = References::new();
    let mut keys = KeySet::new();
    let divisions = File::open(folder.join("divisions.parquet"))?;
    for batch in ParquetRecordBatchReaderBuilder::try_new(divisions)?.build()? {
        keys.add(&batch?, &["code".to_owned()])?;
    }
    references.insert("divisions", &["code".to_owned()], keys);

    let people = || -> Result<_, Box<dyn std::error::Error>> {
        Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(folder.join("people.parquet"))?)?.with_batch_size(8192))
    };
    let schema = people()?.schema().clone();
    let now = "2026-11-22T00:00:00Z".parse()?;
    let around = Surroundings { codes: &CodeTables::new(), references: &references, predicates: None, now };
    let checker = Checker::compile_keyed(&rules.rules, &key, &schema, &around)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let rows = u64::try_from(people()?.metadata().file_metadata().num_rows())?;
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    let cut = rows - (rows as f64 * percent / 100.0) as u64;

    let out = tempfile::tempdir()?;
    let mut before: Option<State> = None;
    let again = (!key.is_empty()).then_some((cut, rows));
    for (version, (from, to)) in [(0, cut), (cut, rows)].into_iter().chain(again).enumerate() {
        // What is before `from` is read outside the clock: a delivery is a file of its own.
        let mut reader =
            people()?.with_offset(usize::try_from(from)?).with_limit(usize::try_from(to - from)?).build()?.peekable();
        reader.peek();
        let cpu = cpu_seconds()?;
        let first = before.as_ref().map_or(0, State::next_row);
        let mut session = checker.session(SessionOptions { keep_skipped: true, ..SessionOptions::default() });
        let mut places = RoaringBitmap::new();
        let mut next = 0;
        for batch in reader {
            let batch = batch?;
            session.check(&batch, first + next)?;
            next += batch.num_rows() as u64;
        }
        places.insert_range(0..u32::try_from(next)?);
        let scanned = cpu_seconds()? - cpu;
        let parts = [Part { batch: format!("b{version}"), places }];
        let growth = Growth {
            folder: out.path(),
            before: before.as_ref(),
            replaces: false,
            parts: &parts,
            judged: &[],
            definition: "",
        };
        let grown = grow(&checker, vec![session], &growth)?;
        let failed: Vec<u64> = grown.whole.counts.iter().map(|counts| counts.failed).collect();
        println!(
            "{}",
            serde_json::json!({ "version": version, "rows_added": next, "rows": grown.whole.rows,
                "cpu_s": cpu_seconds()? - cpu, "scan_cpu_s": scanned, "failed": failed })
        );
        before = Some(grown.state);
    }
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
