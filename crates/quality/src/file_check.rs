//! Checking files without a data folder: Parquet, CSV, JSON and XLSX against a rule file.
//!
//! Parquet is shared among threads by row group; text is decoded by whichever thread comes, one at a time, while
//! the others check. Rows are numbered from 1 in each file, as people count them.

mod faults;
mod json_lines;
mod parquet_input;
mod rule_file;
mod text_input;
mod workbook;

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use arrow::{array::RecordBatch, datatypes::Schema};
use jiff::Timestamp;
use serde::Serialize;

pub use rule_file::{ReferenceFile, RuleFile};
pub use yihe_definitions::{Encoding, Format};

use crate::{
    checker::{Checker, Surroundings},
    column::Class,
    error::QualityError,
    outcome::{Baseline, Metric, Outcome},
    propose::{Profile, Proposal},
    rules::predicate::Predicates,
    session::{FaultBatch, LateFaults, Session, SessionOptions, finish},
};
use faults::FaultWriter;
use parquet_input::ParquetInput;
use text_input::TextInput;

/// Most files of one check.
pub const FILES_MAX: usize = 10_000;
/// Rows that are decoded and judged at once: their columns stay in the processor's cache.
pub(crate) const BATCH_ROWS: usize = 8192;

/// How to check files.
#[derive(Clone)]
pub struct CheckOptions<'a> {
    /// Threads, at least 1.
    pub threads: usize,
    /// Bytes for keys of uniqueness rules, all threads together.
    pub memory_bytes: usize,
    /// Folder for what does not fit.
    pub spill_dir: PathBuf,
    /// Container; `None`: by the file's ending.
    pub format: Option<Format>,
    /// Encoding of text files.
    pub encoding: Encoding,
    /// Field separator of CSV; `None`: a tab in `.tsv`, otherwise a comma.
    pub delimiter: Option<u8>,
    /// The moment of the check.
    pub now: Timestamp,
    /// The engine for SQL predicates.
    pub predicates: Option<&'a dyn Predicates>,
    /// The version before, for volume and drift.
    pub baseline: Option<&'a Baseline>,
}

impl CheckOptions<'_> {
    /// One thread, 128 MiB, everything else as the files say.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let session = SessionOptions::default();
        Self {
            threads: 1,
            memory_bytes: session.memory_bytes,
            spill_dir: session.spill_dir,
            format: None,
            encoding: Encoding::default(),
            delimiter: None,
            now,
            predicates: None,
            baseline: None,
        }
    }
}

impl std::fmt::Debug for CheckOptions<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CheckOptions")
            .field("threads", &self.threads)
            .field("memory_bytes", &self.memory_bytes)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// What a check of files found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Rows of all files.
    pub rows: u64,
    /// The files, in the order in which they were named.
    pub files: Vec<FileRows>,
    /// By rule, in the order of the rule file.
    pub rules: Vec<Metric>,
    /// What the next check can be judged against.
    #[serde(skip)]
    pub baseline: Baseline,
    /// Numbers of the failing rows by rule, 0-based, counted through all files.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// A file of a check.
#[derive(Debug, Clone, Serialize)]
pub struct FileRows {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
}

/// Checks files that have the same columns as one table. With `faults_out` every fault becomes a row
/// `file, row, rule, severity, column, found` of a Parquet file; rows are numbered from 1 in their file.
///
/// # Errors
/// The rules do not fit the files (every reason at once), a file cannot be read, or a bound is exceeded.
pub fn check_files(
    paths: &[PathBuf],
    rules: &RuleFile,
    faults_out: Option<&Path>,
    options: &CheckOptions<'_>,
) -> Result<Report, QualityError> {
    let mut inputs = Inputs::open(paths, options)?;
    let (codes, references) = rules.surroundings(options)?;
    let around =
        Surroundings { codes: &codes, references: &references, predicates: options.predicates, now: options.now };
    let checker = Checker::compile(&rules.rules, inputs.schema(), &around).map_err(QualityError::Rules)?;
    inputs.project(&checker)?;

    let writer = faults_out.map(|path| FaultWriter::create(path, paths, &checker)).transpose()?.map(Mutex::new);
    let threads = options.threads.max(1);
    let scan = Scan { checker: &checker, inputs: &inputs, writer: writer.as_ref(), stopped: AtomicBool::new(false) };
    let session_options = SessionOptions {
        memory_bytes: options.memory_bytes / threads,
        spill_dir: options.spill_dir.clone(),
        ..SessionOptions::default()
    };
    let sessions = if threads == 1 {
        vec![scan.run(checker.session(session_options))?]
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| {
                    let session = checker.session(session_options.clone());
                    let scan = &scan;
                    scope.spawn(move || {
                        let outcome = scan.run(session);
                        if outcome.is_err() {
                            scan.stopped.store(true, Ordering::Relaxed);
                        }
                        outcome
                    })
                })
                .collect();
            // Every thread is joined before the first error is handed on.
            let ended: Vec<_> = handles.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            ended.into_iter().map(|ended| ended.map_err(|_| QualityError::Thread)?).collect::<Result<Vec<_>, _>>()
        })?
    };
    let file_rows = inputs.file_rows();
    let mut late = writer.as_ref().map(|writer| LateWriter { writer, file_rows: &file_rows });
    let outcome = finish(&checker, sessions, threads, late.as_mut().map(|late| late as &mut dyn LateFaults))?;
    if let Some(writer) = writer {
        writer.into_inner().unwrap_or_else(PoisonError::into_inner).close()?;
    }
    let files = paths.iter().zip(&file_rows).map(|(path, rows)| FileRows { path: path.clone(), rows: *rows });
    Ok(Report {
        rows: outcome.rows,
        files: files.collect(),
        rules: outcome.metrics(&checker, options.baseline),
        baseline: outcome.baseline(&checker),
        outcome,
    })
}

/// Profiles files that have the same columns as one table, and proposes rules for them.
///
/// # Errors
/// A file cannot be read, or has other columns than the first.
pub fn propose_for_files(paths: &[PathBuf], options: &CheckOptions<'_>) -> Result<Vec<Proposal>, QualityError> {
    let inputs = Inputs::open(paths, options)?;
    let mut profile = Profile::new();
    inputs.each_batch(&AtomicBool::new(false), |batch, _, _, _| profile.add(batch))?;
    Ok(profile.proposals_on(crate::propose::day_of(options.now)))
}

/// What all threads of a scan share.
struct Scan<'a> {
    checker: &'a Checker,
    inputs: &'a Inputs,
    writer: Option<&'a Mutex<FaultWriter>>,
    stopped: AtomicBool,
}

impl Scan<'_> {
    fn run<'s>(&self, mut session: Session<'s>) -> Result<Session<'s>, QualityError> {
        self.inputs.each_batch(&self.stopped, |batch, file, row_in_file, row| {
            let faults = session.check(batch, row)?;
            self.write(batch, &faults, file, row_in_file)
        })?;
        Ok(session)
    }

    fn write(&self, batch: &RecordBatch, faults: &FaultBatch, file: usize, row: u64) -> Result<(), QualityError> {
        let Some(writer) = self.writer else { return Ok(()) };
        for rule in 0..self.checker.rules().len() {
            let Some(failed) = faults.failed(rule) else { continue };
            let found: Vec<_> =
                failed.iter().map(|at| (row + at as u64 + 1, self.checker.found(batch, rule, at))).collect();
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, found) in found {
                writer.push(file, row, rule, found)?;
            }
        }
        Ok(())
    }
}

/// Writes the faults of uniqueness rules, turning the scan's row numbers into those of the files.
struct LateWriter<'a> {
    writer: &'a Mutex<FaultWriter>,
    file_rows: &'a [u64],
}

impl LateFaults for LateWriter<'_> {
    fn fault(&mut self, rule: usize, mut row: u64, found: String) -> Result<(), QualityError> {
        let mut file = 0;
        while file + 1 < self.file_rows.len() && row >= self.file_rows[file] {
            row -= self.file_rows[file];
            file += 1;
        }
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).push(file, row + 1, rule, Some(found))
    }
}

/// The files of a check, opened, and where the threads stand in them.
enum Inputs {
    Parquet { files: Vec<ParquetInput>, units: Vec<Unit>, next: AtomicUsize },
    Text { state: Mutex<TextState>, schema: Schema },
}

/// A row group and the number of its first row.
struct Unit {
    file: usize,
    row_group: usize,
    row_in_file: u64,
    row: u64,
}

struct TextState {
    inputs: Vec<TextInput>,
    file: usize,
    row: u64,
    rows: Vec<u64>,
}

impl Inputs {
    fn open(paths: &[PathBuf], options: &CheckOptions<'_>) -> Result<Self, QualityError> {
        let Some(first) = paths.first() else {
            return Err(QualityError::Input { path: PathBuf::new(), reason: "found no file to check".to_owned() });
        };
        if paths.len() > FILES_MAX {
            let reason = format!("is one of {} files, expected at most {FILES_MAX}", paths.len());
            return Err(QualityError::Input { path: first.clone(), reason });
        }
        let mut formats = paths.iter().map(|path| options.format.map_or_else(|| format_of(path), Ok));
        let format = formats.next().unwrap_or(Ok(Format::Parquet))?;
        for (other, path) in formats.zip(&paths[1..]) {
            let other = other?;
            if other != format {
                let reason = format!("is {other:?}, expected {format:?} like the file before");
                return Err(QualityError::Input { path: path.clone(), reason });
            }
        }
        if format == Format::Parquet {
            let files = paths.iter().map(|path| ParquetInput::open(path)).collect::<Result<Vec<_>, _>>()?;
            let mut units = Vec::new();
            let mut row = 0;
            for (file, input) in files.iter().enumerate() {
                let mut row_in_file = 0;
                for (row_group, rows) in input.row_groups().enumerate() {
                    units.push(Unit { file, row_group, row_in_file, row });
                    row_in_file += rows;
                    row += rows;
                }
            }
            return Ok(Self::Parquet { files, units, next: AtomicUsize::new(0) });
        }
        let inputs = paths.iter().map(|path| {
            let tabs = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
            let delimiter = options.delimiter.unwrap_or(if tabs { b'\t' } else { b',' });
            TextInput::open(path, format, options.encoding, delimiter)
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let schema = inputs[0].schema().clone();
        let rows = vec![0; inputs.len()];
        Ok(Self::Text { state: Mutex::new(TextState { inputs, file: 0, row: 0, rows }), schema })
    }

    /// The schema against which rules are compiled: that of the first file.
    fn schema(&self) -> &Schema {
        match self {
            Self::Parquet { files, .. } => files[0].schema(),
            Self::Text { schema, .. } => schema,
        }
    }

    /// Restricts reading to what the rules read, in every file.
    fn project(&mut self, checker: &Checker) -> Result<(), QualityError> {
        let schema = self.schema().clone();
        let same = |path: &Path, other: &Schema| {
            for column in checker.columns() {
                let here = schema.field_with_name(column).map(|field| Class::of(field.data_type())).ok();
                let there = other.field_with_name(column).map(|field| Class::of(field.data_type())).ok();
                if here != there {
                    let there = there.map_or("nothing", |class| class.name());
                    let here = here.map_or("nothing", |class| class.name());
                    let reason = format!("its column `{column}` holds {there}, expected {here} as in the first file");
                    return Err(QualityError::Input { path: path.to_owned(), reason });
                }
            }
            Ok(())
        };
        match self {
            Self::Parquet { files, .. } => {
                for file in files {
                    same(file.path(), file.schema())?;
                    file.project(checker.columns())?;
                }
            }
            Self::Text { state, .. } => {
                let state = state.get_mut().unwrap_or_else(PoisonError::into_inner);
                for input in &mut state.inputs {
                    same(input.path(), input.schema())?;
                    input.project(checker.columns())?;
                }
            }
        }
        Ok(())
    }

    /// Calls `body` with batch, file, first row in the file and first row of the scan, until nothing is left.
    fn each_batch(
        &self,
        stopped: &AtomicBool,
        mut body: impl FnMut(&RecordBatch, usize, u64, u64) -> Result<(), QualityError>,
    ) -> Result<(), QualityError> {
        match self {
            Self::Parquet { files, units, next } => loop {
                let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
                let mut done = 0;
                for batch in files[unit.file].read(unit.row_group)? {
                    if stopped.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let batch = batch.map_err(|error| files[unit.file].error(&error))?;
                    body(&batch, unit.file, unit.row_in_file + done, unit.row + done)?;
                    done += batch.num_rows() as u64;
                }
            },
            Self::Text { state, .. } => loop {
                if stopped.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let (batch, file, row_in_file, row) = {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    let TextState { inputs, file, row, rows } = &mut *state;
                    let Some(input) = inputs.get_mut(*file) else { return Ok(()) };
                    let Some(batch) = input.next_batch(rows[*file])? else {
                        *file += 1;
                        continue;
                    };
                    let place = (batch, *file, rows[*file], *row);
                    rows[*file] += place.0.num_rows() as u64;
                    *row += place.0.num_rows() as u64;
                    place
                };
                body(&batch, file, row_in_file, row)?;
            },
        }
    }

    fn file_rows(&self) -> Vec<u64> {
        match self {
            Self::Parquet { files, .. } => files.iter().map(|file| file.row_groups().sum()).collect(),
            Self::Text { state, .. } => state.lock().unwrap_or_else(PoisonError::into_inner).rows.clone(),
        }
    }
}

/// The container that a file's ending names.
fn format_of(path: &Path) -> Result<Format, QualityError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "parquet" | "pq" => Ok(Format::Parquet),
        "csv" | "txt" | "tsv" => Ok(Format::Csv),
        "xlsx" => Ok(Format::Xlsx),
        "jsonl" | "ndjson" | "json" => Ok(Format::Jsonl),
        _ => {
            let reason = format!("found the ending `{ending}`, expected parquet, csv, tsv, jsonl, json or xlsx");
            Err(QualityError::Input { path: path.to_owned(), reason })
        }
    }
}
