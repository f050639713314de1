//! Rows beside a table: newer rows that stand in front of older ones, until there are so many that the table is
//! written anew.
//!
//! A changed row would call for its whole bucket to be written again. Instead the new row is put in a file of its own
//! and the old one is *hidden*: its place in its file is noted. Neither is in the log's list of files. The log's
//! properties name one note (`_beside/<id>.json`) which lists both, so a commit shows or drops all of it at once, and
//! every older version still finds its own.
//!
//! Whoever reads the table with another engine sees it as it was at its last commit without a note, whole and
//! never a mixture: while rows lie beside a table nothing of it changes in the log ([`crate::write`]). Deletion vectors
//! of the format would say the same to engines that know them; many do not, and the library refuses to write them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::data_file::{DataFile, WrittenFile, bounds_from_stats, hex};
use crate::error::LakeError;
use crate::name::TableName;

/// The folder of files and notes. Names that begin with an underscore are not data to any reader of the format.
pub(crate) const FOLDER: &str = "_beside";
/// The property of the log's metadata that names the note and its SHA-256; empty when nothing lies beside.
pub(crate) const PROPERTY: &str = "yihe.beside";
/// Largest note, in bytes: about a hundred million hidden rows.
const NOTE_BYTES_MAX: u64 = 256 << 20;

/// Which rows of a file are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// All but those at these places, ascending.
    Except(Arc<Vec<u32>>),
    /// Those at these places, ascending.
    Only(Vec<u32>),
}

/// Rows of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRows {
    pub path: PathBuf,
    pub chosen: Chosen,
}

impl FileRows {
    /// The rows of a file that count.
    pub(crate) fn live(folder: &Path, file: &DataFile) -> Self {
        Self { path: folder.join(&file.path), chosen: Chosen::Except(Arc::clone(&file.hidden)) }
    }

    /// What a reader of the file must be told; `None`: every row.
    pub(crate) fn selection(&self, rows: u64) -> Option<RowSelection> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        match &self.chosen {
            Chosen::Except(hidden) if hidden.is_empty() => None,
            Chosen::Except(hidden) => Some(live_selection(hidden, rows)),
            Chosen::Only(places) => {
                let mut selectors = Vec::with_capacity(places.len() * 2 + 1);
                let mut at = 0;
                for run in places.chunk_by(|one, next| one + 1 == *next) {
                    let first = run[0] as usize;
                    if first > at {
                        selectors.push(RowSelector::skip(first - at));
                    }
                    selectors.push(RowSelector::select(run.len()));
                    at = first + run.len();
                }
                if rows > at {
                    selectors.push(RowSelector::skip(rows - at));
                }
                Some(RowSelection::from(selectors))
            }
        }
    }
}

/// The rows of a file of `rows` rows that are not hidden.
pub(crate) fn live_selection(hidden: &[u32], rows: usize) -> RowSelection {
    let mut selectors = Vec::with_capacity(hidden.len() * 2 + 1);
    push_live(&mut selectors, hidden, 0, rows);
    RowSelection::from(selectors)
}

/// Selects the rows `first..first + rows` of a file, without the hidden ones.
pub(crate) fn push_live(selectors: &mut Vec<RowSelector>, hidden: &[u32], first: usize, rows: usize) {
    let end = first + rows;
    let mut at = first;
    let begin = hidden.partition_point(|place| (*place as usize) < first);
    for run in hidden[begin..].chunk_by(|one, next| one + 1 == *next) {
        let from = run[0] as usize;
        if from >= end {
            break;
        }
        if from > at {
            selectors.push(RowSelector::select(from - at));
        }
        let until = (from + run.len()).min(end);
        selectors.push(RowSelector::skip(until - from));
        at = until;
    }
    if end > at {
        selectors.push(RowSelector::select(end - at));
    }
}

/// The rows of either of two lists of files that the other has not, as far as files tell: a row that was written
/// again as it was is in both.
pub(crate) fn only_in_one(
    (old_folder, old): (&Path, &[Arc<DataFile>]),
    (new_folder, new): (&Path, &[Arc<DataFile>]),
) -> (Vec<FileRows>, Vec<FileRows>) {
    let other = |files: &[Arc<DataFile>]| -> HashMap<String, Arc<DataFile>> {
        files.iter().map(|file| (file.path.clone(), Arc::clone(file))).collect()
    };
    let side = |folder: &Path, files: &[Arc<DataFile>], other: &HashMap<String, Arc<DataFile>>| -> Vec<FileRows> {
        let mut found = Vec::new();
        for file in files {
            let Some(twin) = other.get(&file.path) else {
                found.push(FileRows::live(folder, file));
                continue;
            };
            // A file never changes: of one that both have, only what the other hides is on this side alone.
            let mine: BTreeSet<u32> = file.hidden.iter().copied().collect();
            let places: Vec<u32> = twin.hidden.iter().copied().filter(|place| !mine.contains(place)).collect();
            if !places.is_empty() {
                found.push(FileRows { path: folder.join(&file.path), chosen: Chosen::Only(places) });
            }
        }
        found
    };
    (side(old_folder, old, &other(new)), side(new_folder, new, &other(old)))
}

/// What lies beside a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// Files that the log does not list.
    pub files: Vec<WrittenFile>,
    /// For files of the log and of `files`, by path: the places of rows that count no more, ascending.
    pub hidden: BTreeMap<String, Arc<Vec<u32>>>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    files: Vec<WrittenFile>,
    hidden: Vec<HiddenNote>,
}

#[derive(Serialize, Deserialize)]
struct HiddenNote {
    path: String,
    /// The first place, then the steps to the next.
    steps: Vec<u32>,
}

impl Beside {
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.hidden.is_empty()
    }

    /// Rows beside and rows hidden: what readers have in addition.
    pub(crate) fn rows(&self) -> u64 {
        let hidden: u64 = self.hidden.values().map(|places| places.len() as u64).sum();
        self.files.iter().map(|file| file.rows).sum::<u64>() + hidden
    }

    /// Whether so much would lie beside `rows` rows of the table that it is better written anew: more than one for
    /// `share` of them.
    pub(crate) const fn is_too_much(beside: u64, rows: u64, share: u64) -> bool {
        beside.saturating_mul(share) > rows
    }

    /// Writes the note, durably, and returns the property that names it.
    pub(crate) fn write(&self, folder: &Path) -> Result<String, LakeError> {
        let note = Note {
            files: self.files.clone(),
            hidden: self
                .hidden
                .iter()
                .map(|(path, places)| {
                    let steps = places.iter().scan(0, |last, place| Some(place - std::mem::replace(last, *place)));
                    HiddenNote { path: path.clone(), steps: steps.collect() }
                })
                .collect(),
        };
        let name = format!("{FOLDER}/{}.json", Uuid::now_v7());
        let path = folder.join(&name);
        let failed = |source| LakeError::file("write", &path, source);
        fs::create_dir_all(folder.join(FOLDER)).map_err(failed)?;
        let text = serde_json::to_vec(&note).map_err(|source| failed(source.into()))?;
        if text.len() as u64 > NOTE_BYTES_MAX {
            return Err(LakeError::Bound { bound: format!("{NOTE_BYTES_MAX} bytes for the note of hidden rows") });
        }
        let mut file = File::options().write(true).create_new(true).open(&path).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        File::open(folder.join(FOLDER)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(format!("{name} {}", hex(&Sha256::digest(&text))))
    }

    /// Reads what a property names; nothing when it is empty.
    ///
    /// # Errors
    /// [`LakeError::File`] when the note is gone, was changed, or is no note.
    pub(crate) fn read(folder: &Path, property: &str) -> Result<Self, LakeError> {
        let Some((name, expected)) = property.split_once(' ') else { return Ok(Self::default()) };
        let path = folder.join(name);
        let failed = |source| LakeError::file("read", &path, source);
        let wrong = |detail: String| failed(io::Error::new(io::ErrorKind::InvalidData, detail));
        let length = fs::metadata(&path).map_err(failed)?.len();
        if length > NOTE_BYTES_MAX {
            return Err(wrong(format!("{length} bytes, the bound is {NOTE_BYTES_MAX}")));
        }
        let text = fs::read(&path).map_err(failed)?;
        let found = hex(&Sha256::digest(&text));
        if found != expected {
            return Err(wrong(format!("found SHA-256 {found}, the log says {expected}")));
        }
        let note: Note = serde_json::from_slice(&text).map_err(|source| failed(source.into()))?;
        let hidden = note.hidden.into_iter().map(|hidden| {
            let places = hidden.steps.iter().scan(0_u32, |last, step| {
                *last = last.saturating_add(*step);
                Some(*last)
            });
            (hidden.path, Arc::new(places.collect()))
        });
        Ok(Self { files: note.files, hidden: hidden.collect() })
    }

    /// The name of the note in a property.
    pub(crate) fn note_of(property: &str) -> Option<&str> {
        property.split_once(' ').map(|(name, _)| name)
    }

    /// The log's files with what is hidden of them, and the files beside.
    ///
    /// # Errors
    /// [`LakeError::Shape`] when rows are hidden of a file that the log does not list any more.
    pub(crate) fn applied(
        &self,
        table: &TableName,
        listed: Vec<Arc<DataFile>>,
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<DataFile>>, LakeError> {
        let mut files = listed;
        let mut left: BTreeSet<&str> = self.hidden.keys().map(String::as_str).collect();
        for file in &mut files {
            left.remove(file.path.as_str());
            match self.hidden.get(&file.path) {
                Some(hidden) if *hidden != file.hidden => {
                    *file = Arc::new(DataFile { hidden: Arc::clone(hidden), ..file.as_ref().clone() });
                }
                None if !file.hidden.is_empty() => {
                    *file = Arc::new(DataFile { hidden: Arc::default(), ..file.as_ref().clone() });
                }
                _ => {}
            }
        }
        for file in &self.files {
            left.remove(file.path.as_str());
            let (_, bounds) = bounds_from_stats(Some(&file.stats), schema, file.bucket);
            files.push(Arc::new(DataFile {
                path: file.path.clone(),
                size: file.size,
                rows: file.rows,
                bucket: file.bucket,
                bounds: Arc::new(bounds),
                hidden: self.hidden.get(&file.path).cloned().unwrap_or_default(),
                beside: true,
            }));
        }
        match left.first() {
            None => Ok(files),
            Some(path) => Err(LakeError::Shape {
                table: table.clone(),
                difference: format!(
                    "`{path}` was rewritten by another engine while newer rows lay beside the table; restore the \
                     version before, or build the table anew"
                ),
            }),
        }
    }

    /// What lies beside once `replaced` files are gone.
    pub(crate) fn without(&self, replaced: &[Arc<DataFile>]) -> Self {
        let gone: BTreeSet<&str> = replaced.iter().map(|file| file.path.as_str()).collect();
        Self {
            files: self.files.iter().filter(|file| !gone.contains(file.path.as_str())).cloned().collect(),
            hidden: self
                .hidden
                .iter()
                .filter(|(path, _)| !gone.contains(path.as_str()))
                .map(|(path, places)| (path.clone(), Arc::clone(places)))
                .collect(),
        }
    }

    /// Hides rows of a file in addition.
    pub(crate) fn hide(&mut self, path: &str, places: Vec<u32>) {
        if places.is_empty() {
            return;
        }
        let hidden = self.hidden.entry(path.to_owned()).or_default();
        let mut all: Vec<u32> = hidden.iter().copied().chain(places).collect();
        all.sort_unstable();
        all.dedup();
        *hidden = Arc::new(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(selection: &RowSelection) -> Vec<usize> {
        let mut at = 0;
        let mut found = Vec::new();
        for selector in selection.iter() {
            if !selector.skip {
                found.extend(at..at + selector.row_count);
            }
            at += selector.row_count;
        }
        found
    }

    #[test]
    fn what_is_hidden_is_left_out_and_nothing_else() {
        for hidden in [vec![], vec![0], vec![9], vec![0, 1, 2, 5, 9], (0..10).collect::<Vec<u32>>()] {
            let expected: Vec<usize> =
                (0..10).filter(|row| !hidden.contains(&u32::try_from(*row).expect("small"))).collect();
            assert_eq!(selected(&live_selection(&hidden, 10)), expected, "{hidden:?}");
            let rows = FileRows { path: PathBuf::new(), chosen: Chosen::Only(hidden.clone()) };
            let only: Vec<u32> = rows.selection(10).iter().flat_map(selected).map(|row| row as u32).collect();
            assert_eq!(only, hidden);
            let mut part = Vec::new();
            push_live(&mut part, &hidden, 4, 4);
            let part = selected(&RowSelection::from(part));
            let inside: Vec<usize> = expected.iter().filter(|row| (4..8).contains(*row)).map(|row| row - 4).collect();
            assert_eq!(part, inside, "{hidden:?}");
        }
    }

    #[test]
    fn a_note_reads_back_as_written_and_a_changed_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut beside = Beside::default();
        beside.hide("a.parquet", vec![7, 3]);
        beside.hide("a.parquet", vec![0, 7, 4_000_000_000]);
        let property = beside.write(folder.path()).expect("writes");
        let read = Beside::read(folder.path(), &property).expect("reads");
        assert_eq!(*read.hidden["a.parquet"], [0, 3, 7, 4_000_000_000]);
        assert_eq!(read.rows(), 4);
        assert!(Beside::read(folder.path(), "").expect("reads").is_empty());
        let path = folder.path().join(Beside::note_of(&property).expect("a name"));
        fs::write(&path, fs::read_to_string(&path).expect("text").replace('3', "2")).expect("writes");
        assert!(matches!(Beside::read(folder.path(), &property), Err(LakeError::File { .. })));
    }
}
