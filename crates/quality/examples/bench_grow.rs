//! Times the addition of one part to a table that was checked: `bench_grow DIR RULES.yaml PARTS`.
//!
//! Checks all row groups of `DIR/people.parquet` but the last 1/PARTS of them, keeps the state, then adds the rest.
//! Prints the CPU seconds of both.

#![expect(clippy::print_stdout, reason = "a developer's tool speaks on standard output")]

use std::{fs::File, path::PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use yihe_quality::{
    Checker, CodeTables, FaultFile, Finish, KeySet, References, RuleFile, SessionOptions, State, Surroundings,
    finish_with,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: bench_grow DIR RULES.yaml PARTS";
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(arguments.get(1).ok_or(usage)?);
    let parts: usize = arguments.get(3).ok_or(usage)?.parse()?;
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
    let checker = Checker::compile(&rules.rules, &schema, &around)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let groups = people()?.metadata().num_row_groups();
    let cut = groups - (groups / parts).max(1);

    let out = tempfile::tempdir()?;
    let mut before: Option<(State, FaultFile)> = None;
    for (version, range) in [0..cut, cut..groups].into_iter().enumerate() {
        let cpu = cpu_seconds()?;
        let first = before.as_ref().map_or(0, |(state, _)| state.rows());
        let mut session = checker.session(SessionOptions::default());
        let mut rows = 0;
        for batch in people()?.with_row_groups(range.collect()).build()? {
            let batch = batch?;
            session.check(&batch, first + rows)?;
            rows += batch.num_rows() as u64;
        }
        let scanned = cpu_seconds()? - cpu;
        let state_out = out.path().join(format!("v{version}.state"));
        let options = Finish {
            threads: 1,
            late: None,
            before: before.as_mut().map(|(state, faults)| (&*state, faults)),
            state_out: Some(&state_out),
        };
        let outcome = finish_with(&checker, vec![session], options)?;
        let faults_out = out.path().join(format!("v{version}.faults"));
        let ids = checker.rules().iter().map(|rule| rule.id.as_str()).zip(&outcome.failed);
        FaultFile::write(&faults_out, outcome.rows, ids)?;
        let failed: Vec<(String, u64)> = checker
            .rules()
            .iter()
            .map(|rule| rule.id.clone())
            .zip(outcome.counts.iter().map(|counts| counts.failed))
            .collect();
        println!(
            "{}",
            serde_json::json!({ "version": version, "rows_added": rows, "rows": outcome.rows, "cpu_s": cpu_seconds()? - cpu,
                "scan_cpu_s": scanned, "failed": failed })
        );
        before = Some((State::open(&state_out)?, FaultFile::open(&faults_out)?));
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
