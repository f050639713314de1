//! What was seen, by bucket of the history table: in memory while it is little, else on disk.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::error::QualityError;

/// One sight of one record under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    /// Number of the rule.
    pub rule: u16,
    /// Key of the record.
    pub key: String,
    /// Number of the batch within the scan; a later batch counts more.
    pub ordinal: u32,
    /// Row of the batch.
    pub row: i64,
    /// Columns looked at and value found; `None`: it passes.
    pub failing: Option<(String, Option<String>)>,
    /// The record's keys in the registries that the dataset feeds.
    pub entities: Vec<Option<String>>,
}

/// Events of one bucket, one for each rule and record.
pub(super) type Resolved = BTreeMap<(u16, String), Event>;

/// Events by bucket.
pub(super) struct Spool {
    parent: PathBuf,
    folder: Option<TempDir>,
    limit: usize,
    held: usize,
    waiting: BTreeMap<u32, Vec<Event>>,
    written: BTreeMap<u32, Vec<PathBuf>>,
    files: u64,
}

impl Spool {
    /// A spool that holds `limit` events in memory and the rest below `parent`.
    pub fn new(parent: &Path, limit: usize) -> Self {
        Self {
            parent: parent.to_path_buf(),
            folder: None,
            limit,
            held: 0,
            waiting: BTreeMap::new(),
            written: BTreeMap::new(),
            files: 0,
        }
    }

    /// Takes an event.
    pub fn push(&mut self, bucket: u32, event: Event) -> Result<(), QualityError> {
        self.waiting.entry(bucket).or_default().push(event);
        self.held += 1;
        if self.held >= self.limit { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), QualityError> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new()
                .prefix("faults-")
                .tempdir_in(&self.parent)
                .map_err(|source| QualityError::Io { doing: "create", path: self.parent.clone(), source })?,
        };
        for (bucket, events) in std::mem::take(&mut self.waiting) {
            let path = folder.path().join(format!("{bucket}-{}.jsonl", self.files));
            self.files += 1;
            let failed = |source| QualityError::Io { doing: "write", path: path.clone(), source };
            let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
            for event in &events {
                let line = serde_json::to_string(event).expect("events are always JSON");
                writeln!(file, "{line}").map_err(failed)?;
            }
            file.flush().map_err(failed)?;
            self.written.entry(bucket).or_default().push(path);
        }
        self.held = 0;
        self.folder = Some(folder);
        Ok(())
    }

    /// The events of a bucket, and forgets them. Of several sights of one record under one rule the last batch
    /// counts, within it a failing one, and of these the first row.
    pub fn take(&mut self, bucket: u32) -> Result<Resolved, QualityError> {
        let mut resolved = Resolved::new();
        for path in self.written.remove(&bucket).unwrap_or_default() {
            let failed = |source| QualityError::Io { doing: "read", path: path.clone(), source };
            for line in BufReader::new(File::open(&path).map_err(failed)?).lines() {
                let event = serde_json::from_str(&line.map_err(failed)?).map_err(|error| QualityError::Damaged {
                    path: path.clone(),
                    reason: format!("found a line that is no event ({error}), expected what was written before"),
                })?;
                add(&mut resolved, event);
            }
        }
        for event in self.waiting.remove(&bucket).unwrap_or_default() {
            add(&mut resolved, event);
        }
        Ok(resolved)
    }
}

fn add(resolved: &mut Resolved, event: Event) {
    let rank = |event: &Event| (event.ordinal, event.failing.is_some(), std::cmp::Reverse(event.row));
    match resolved.entry((event.rule, event.key.clone())) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(event);
        }
        std::collections::btree_map::Entry::Occupied(mut known) => {
            if rank(&event) > rank(known.get()) {
                known.insert(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ordinal: u32, row: i64, failing: bool) -> Event {
        Event {
            rule: 0,
            key: "[\"a\"]".to_owned(),
            ordinal,
            row,
            failing: failing.then(|| ("name".to_owned(), None)),
            entities: vec![None],
        }
    }

    #[test]
    fn the_last_batch_counts_and_in_it_a_failing_row() {
        for limit in [1, 2, 100] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut spool = Spool::new(folder.path(), limit);
            for event in
                [event(0, 3, true), event(1, 9, false), event(1, 7, true), event(1, 5, true), event(0, 1, true)]
            {
                spool.push(3, event).expect("there is room");
            }
            spool.push(4, event(0, 0, false)).expect("there is room");
            let found = spool.take(3).expect("readable");
            assert_eq!(found.values().collect::<Vec<_>>(), [&event(1, 5, true)], "limit {limit}");
            assert_eq!(spool.take(4).expect("readable").len(), 1);
            assert!(spool.take(3).expect("readable").is_empty());
        }
    }
}
