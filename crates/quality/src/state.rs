//! What stands of a dataset, so that a delivery is judged against all of it and costs what it adds.
//!
//! A version of the state is a small file: figures, the rows that no longer stand, and the groups of rows that share
//! a key they may not share. The keys of all rows are in [runs](run), each written once; runs are written together
//! when a later one has grown to half of an earlier one, so a key is written again only as often as the table doubles.
//!
//! The law of what stands:
//! - A record is known by its business key. Delivered again in a later batch, the earlier row stands no longer; two
//!   rows of *one* batch with one business key both stand, and are the duplicate that a uniqueness rule finds.
//! - A delivery that is the whole table replaces all.
//! - A row without a business key stands until all is replaced.
//! - A uniqueness rule sees every standing row, and fails each one of a group.
//!
//! Versions name the batches they judged. A version of a check that did not end (its batches are not known as checked)
//! is passed over, and the one before it, which is kept as long, is built upon once more.

mod chunks;
mod grow;
mod run;

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    checker::{Checker, Demand},
    error::QualityError,
    key_store::{Keys, PARTITIONS},
    outcome::{Baseline, Counts},
    rules::table::Gathered,
};

use chunks::{Chunk, ChunkFile, ChunkWriter};
pub use grow::{Grown, Growth, Part, Turned, grow};
use run::{PlaceCache, Run};

/// Ending of a version's file.
const VERSION: &str = "version";
/// Most runs before they are written together whatever their size.
pub const RUNS_MAX: usize = 24;

/// A version, as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Version {
    /// Which rules the state is of.
    rules: String,
    /// The version it was built upon.
    before: Option<u64>,
    /// Batches that made it.
    judged: Vec<String>,
    /// What they were judged by, as its owner writes it.
    #[serde(default)]
    definition: String,
    /// Number of the next row.
    next_row: u64,
    /// Rows that stand.
    standing: u64,
    /// By rule, of the rows that stand.
    counts: Vec<Counts>,
    /// By rule, of all rows since the table was last replaced.
    gathered: Vec<Gathered>,
    /// Names of the runs, oldest rows first.
    runs: Vec<String>,
    /// Rows of runs that no longer stand.
    dead: Chunk,
    /// By rule: rows that share a key, partition by partition, and where each partition begins.
    groups: Vec<(Chunk, Chunk)>,
}

/// A version of the state of a dataset.
#[derive(Debug)]
pub struct State {
    number: u64,
    file: ChunkFile,
    version: Version,
    runs: Vec<Run>,
}

/// What made a version of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The batches.
    pub batches: Vec<String>,
    /// What they were judged by, as [`Growth::definition`] said.
    pub definition: String,
}

/// Where a row came from: its batch and its number there.
pub type Place = (String, u64);

impl State {
    /// Opens the newest version in `folder` none of whose batches `is_waiting`. `None`: there is none.
    ///
    /// # Errors
    /// A file cannot be read or is damaged, or the state is of other rules than the checker's.
    pub fn open(
        folder: &Path,
        checker: &Checker,
        is_waiting: impl Fn(&str) -> bool,
    ) -> Result<Option<Self>, QualityError> {
        for number in versions(folder)?.into_iter().rev() {
            let path = folder.join(format!("{number:08}.{VERSION}"));
            let (file, version) = ChunkFile::open::<Version>(&path)?;
            if version.judged.iter().any(|batch| is_waiting(batch)) {
                continue;
            }
            let rules = checker.rules().len();
            if [version.counts.len(), version.gathered.len(), version.groups.len()] != [rules; 3]
                || version.rules != fingerprint(checker)
            {
                return Err(QualityError::ForeignState {
                    found: format!("rules {}", version.rules),
                    expected: format!("rules {}", fingerprint(checker)),
                });
            }
            let runs = version.runs.iter().map(|name| {
                if name.contains(['/', '\\']) || name.starts_with('.') {
                    return Err(file.damaged(format!("it names `{name}`, expected a file of its folder")));
                }
                Run::open(folder, name)
            });
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            return Ok(Some(Self { number, file, version, runs }));
        }
        Ok(None)
    }

    /// What made the newest version in `folder`, whatever its rules. `None`: there is none that can be read.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn last_judged(folder: &Path) -> Result<Option<Judged>, QualityError> {
        let Some(number) = versions(folder)?.pop() else { return Ok(None) };
        let version = ChunkFile::open::<Version>(&folder.join(format!("{number:08}.{VERSION}")));
        Ok(version.ok().map(|(_, Version { judged, definition, .. })| Judged { batches: judged, definition }))
    }

    /// Forgets this version: what it judged is not taken in after all.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn discard(self, folder: &Path) -> Result<(), QualityError> {
        let path = folder.join(format!("{:08}.{VERSION}", self.number));
        fs::remove_file(&path).map_err(|source| QualityError::Io { doing: "remove", path, source })
    }

    /// Number of the next row; a delivery's first row has it.
    #[must_use]
    pub const fn next_row(&self) -> u64 {
        self.version.next_row
    }

    /// Rows that stand.
    #[must_use]
    pub const fn standing(&self) -> u64 {
        self.version.standing
    }

    /// Figures of the rows that stand, by rule.
    #[must_use]
    pub fn counts(&self) -> &[Counts] {
        &self.version.counts
    }

    /// What the next version is judged against.
    #[must_use]
    pub fn baseline(&self, checker: &Checker) -> Baseline {
        let gathered = checker.rules().iter().zip(&self.version.gathered);
        let gathered = gathered.filter(|(_, gathered)| **gathered != Gathered::default());
        Baseline {
            rows: self.version.standing,
            gathered: gathered.map(|(rule, gathered)| (rule.id.clone(), gathered.clone())).collect(),
        }
    }

    /// Numbers of the standing rows that fail a rule.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn failing(&self, checker: &Checker, rule: usize) -> Result<RoaringBitmap, QualityError> {
        let mut rows = RoaringBitmap::new();
        if matches!(checker.compiled()[rule].demand, Demand::Unique(_)) {
            let mut keys = Keys::default();
            for partition in 0..PARTITIONS {
                keys.clear();
                self.group(rule, partition, &mut keys)?;
                rows.extend(keys.rows.iter().copied());
                rows.extend(keys.records().map(|(_, row, _)| row));
            }
            return Ok(rows);
        }
        for run in &self.runs {
            rows |= run.bitmap(&run.directory.failed, rule)?;
        }
        Ok(rows - self.dead()?)
    }

    /// Where rows came from: by batch, their numbers there with those they have here.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn places(&self, rows: &RoaringBitmap) -> Result<BTreeMap<String, Vec<(u64, u32)>>, QualityError> {
        let mut found: BTreeMap<String, Vec<(u64, u32)>> = BTreeMap::new();
        let mut cache = PlaceCache::default();
        for row in rows {
            let at = self.runs.partition_point(|run| run.directory.end_row <= u64::from(row));
            let place = match self.runs.get(at) {
                Some(run) => run.place(row, &mut cache)?,
                None => None,
            };
            let Some((batch, number)) = place else {
                return Err(self.file.damaged(format!("no run has row {row}")));
            };
            found.entry(batch).or_default().push((number, row));
        }
        Ok(found)
    }

    fn dead(&self) -> Result<RoaringBitmap, QualityError> {
        self.file.bitmap(self.version.dead)
    }

    /// The rows of a partition that share a key.
    fn group(&self, rule: usize, partition: usize, keys: &mut Keys) -> Result<(), QualityError> {
        let (data, starts) = self.version.groups[rule];
        if starts.bytes == 0 {
            return Ok(());
        }
        // Two numbers for each partition: where it begins, and how many short keys it has.
        let head = chunks::words(&self.file.read(starts, partition as u64 * 16, 32)?);
        let &[from, numbers, to, _] = head.as_slice() else { return Ok(()) };
        if to < from || to - from < numbers * 12 {
            return Err(self.file.damaged("a group ends before it begins".to_owned()));
        }
        keys.add(&self.file.read(data, from, to - from)?, numbers as usize);
        Ok(())
    }
}

/// Writes the groups of one rule, partition after partition.
struct GroupWriter {
    begin: u64,
    heads: Vec<u64>,
}

impl GroupWriter {
    fn begin(out: &ChunkWriter) -> Self {
        Self { begin: out.offset(), heads: Vec::with_capacity(2 * PARTITIONS + 2) }
    }

    fn partition(&mut self, out: &mut ChunkWriter, keys: &Keys) -> Result<(), QualityError> {
        self.heads.extend([out.offset() - self.begin, keys.numbers.len() as u64]);
        let mut bytes = Vec::with_capacity(keys.numbers.len() * 12 + keys.longer.len());
        bytes.extend(keys.numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(keys.rows.iter().flat_map(|row| row.to_le_bytes()));
        bytes.extend_from_slice(&keys.longer);
        out.put(&bytes).map(drop)
    }

    fn end(mut self, out: &mut ChunkWriter) -> Result<(Chunk, Chunk), QualityError> {
        let data = Chunk { offset: self.begin, bytes: out.offset() - self.begin };
        self.heads.extend([data.bytes, 0]);
        Ok((data, out.put_words(&self.heads)?))
    }
}

/// Numbers of the versions in a folder, ascending.
fn versions(folder: &Path) -> Result<Vec<u64>, QualityError> {
    let failed = |source| QualityError::Io { doing: "list", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(&format!(".{VERSION}")));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes what no version of `kept` needs, among it what a process left that was killed while it wrote.
fn sweep(folder: &Path, kept: &[u64], runs: &[&str]) -> Result<(), QualityError> {
    let failed = |source| QualityError::Io { doing: "list", path: folder.to_owned(), source };
    let versions: Vec<String> = kept.iter().map(|number| format!("{number:08}.{VERSION}")).collect();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if versions.contains(&name) || runs.contains(&name.as_str()) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(QualityError::Io { doing: "remove", path: entry.path(), source }),
        }
    }
    Ok(())
}

/// Names a list of rules and the business key: whoever changes what one demands gets another name.
fn fingerprint(checker: &Checker) -> String {
    let demands: Vec<_> = checker.rules().iter().map(|rule| (&rule.id, &rule.kind, &rule.when)).collect();
    // Rules are plain data; if one could not be written, every state would be foreign, which is safe.
    let written = serde_json::to_vec(&(demands, checker.key())).unwrap_or_default();
    format!("{:016x}", xxh3_64(&written))
}
