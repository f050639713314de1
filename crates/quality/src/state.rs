//! What a scan leaves behind, so that adding a part to a table costs the part and not the table.
//!
//! ```text
//! "YHSTATE1"                       8 bytes
//! chunks                           per uniqueness rule and partition: numbers (8 bytes each), rows (4 each),
//!                                  records of longer keys; little-endian
//! directory                        JSON, see `Directory`
//! length of the directory          8 bytes, little-endian
//! "YHSTATE1"                       8 bytes
//! ```
//! The state of a table that grew is a chain: the last file names those before it, which stand in the same folder
//! and are never changed. A chain of [`CHAIN_MAX`] files is written together into one by the next addition.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;
use yihe_definitions::Rule;

use crate::{
    checker::Checker,
    error::QualityError,
    key_store::{Keys, PARTITIONS},
    outcome::{Baseline, Counts},
    rules::table::Gathered,
};

const MAGIC: &[u8; 8] = b"YHSTATE1";
/// Files of a chain.
pub const CHAIN_MAX: usize = 16;
/// Largest directory that is read, in bytes.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Directory {
    /// Which rules the state is of.
    rules: String,
    /// Rows of the table, all files of the chain together.
    rows: u64,
    counts: Vec<Counts>,
    gathered: Vec<Gathered>,
    /// Names of the files before this one.
    before: Vec<String>,
    /// Chunks of this file by rule; empty for rules of other kinds.
    chunks: Vec<Vec<Chunk>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Chunk {
    offset: u64,
    numbers: u64,
    longer_bytes: u64,
}

/// The state of a table.
#[derive(Debug)]
pub struct State {
    directory: Directory,
    files: Vec<StateFile>,
}

#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    name: String,
    length: u64,
    file: Mutex<File>,
    chunks: Vec<Vec<Chunk>>,
}

impl State {
    /// Opens a state and the files before it.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn open(path: &Path) -> Result<Self, QualityError> {
        let (file, directory) = StateFile::open(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if directory.before.len() > CHAIN_MAX {
            return Err(
                file.damaged(format!("it names {} files before it, expected {CHAIN_MAX}", directory.before.len()))
            );
        }
        let mut files = Vec::new();
        for name in &directory.before {
            if name.contains(['/', '\\']) || name == ".." {
                return Err(file.damaged(format!("it names `{name}` before it, expected a file of its folder")));
            }
            files.push(StateFile::open(&folder.join(name))?.0);
        }
        files.push(file);
        Ok(Self { directory, files })
    }

    /// Rows of the table; the first row of the next part has this number.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.directory.rows
    }

    /// What the next version is judged against.
    #[must_use]
    pub fn baseline(&self, checker: &Checker) -> Baseline {
        let gathered = checker.rules().iter().zip(&self.directory.gathered);
        let gathered = gathered.filter(|(_, gathered)| **gathered != Gathered::default());
        Baseline {
            rows: self.directory.rows,
            gathered: gathered.map(|(rule, gathered)| (rule.id.clone(), gathered.clone())).collect(),
        }
    }

    /// Refuses rules other than those of the state.
    pub(crate) fn belongs_to(&self, checker: &Checker) -> Result<(), QualityError> {
        let expected = fingerprint(checker.rules());
        let fits = self.directory.counts.len() == checker.rules().len()
            && self.files.iter().all(|file| file.chunks.len() == checker.rules().len());
        if self.directory.rules == expected && fits {
            return Ok(());
        }
        Err(QualityError::ForeignState {
            found: format!("rules {}", self.directory.rules),
            expected: format!("rules {expected}"),
        })
    }

    pub(crate) fn counts(&self) -> &[Counts] {
        &self.directory.counts
    }

    pub(crate) fn gathered(&self) -> &[Gathered] {
        &self.directory.gathered
    }

    /// Whether the next addition writes the chain together.
    pub(crate) fn is_long(&self) -> bool {
        self.files.len() >= CHAIN_MAX
    }

    fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    pub(crate) const fn files(&self) -> usize {
        self.files.len()
    }

    /// The keys of a partition in one file of the chain.
    pub(crate) fn keys(&self, file: usize, rule: usize, partition: usize, keys: &mut Keys) -> Result<(), QualityError> {
        let file = &self.files[file];
        let Some(chunk) = file.chunks[rule].get(partition) else { return Ok(()) };
        let bytes = chunk.numbers.saturating_mul(12).saturating_add(chunk.longer_bytes);
        if chunk.offset.saturating_add(bytes) > file.length {
            return Err(file.damaged("a chunk of its directory is beyond its end".to_owned()));
        }
        let mut buffer = vec![0; bytes as usize];
        let mut open = file.file.lock().unwrap_or_else(PoisonError::into_inner);
        open.seek(SeekFrom::Start(chunk.offset))
            .and_then(|_| open.read_exact(&mut buffer))
            .map_err(|source| QualityError::Io { doing: "read", path: file.path.clone(), source })?;
        drop(open);
        keys.add(&buffer, chunk.numbers as usize);
        Ok(())
    }
}

impl StateFile {
    fn open(path: &Path) -> Result<(Self, Directory), QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut state = Self {
            path: path.to_owned(),
            name,
            length,
            file: Mutex::new(file.try_clone().map_err(failed)?),
            chunks: Vec::new(),
        };
        if length < 24 {
            return Err(state.damaged(format!("found {length} bytes, expected a state")));
        }
        let mut head = [0; 8];
        let mut tail = [0; 16];
        file.read_exact(&mut head).map_err(failed)?;
        file.seek(SeekFrom::Start(length - 16)).map_err(failed)?;
        file.read_exact(&mut tail).map_err(failed)?;
        let mut size = [0; 8];
        size.copy_from_slice(&tail[..8]);
        let size = u64::from_le_bytes(size);
        if &head != MAGIC || &tail[8..] != MAGIC || size > DIRECTORY_BYTES_MAX.min(length - 24) {
            return Err(state.damaged("found other bytes at its ends than those of a state".to_owned()));
        }
        file.seek(SeekFrom::Start(length - 16 - size)).map_err(failed)?;
        let mut written = vec![0; size as usize];
        file.read_exact(&mut written).map_err(failed)?;
        let directory: Directory = serde_json::from_slice(&written)
            .map_err(|error| state.damaged(format!("its directory is none: {error}")))?;
        let rules = directory.counts.len();
        if directory.gathered.len() != rules || directory.chunks.len() != rules {
            return Err(state.damaged("its directory speaks of different numbers of rules".to_owned()));
        }
        state.chunks.clone_from(&directory.chunks);
        Ok((state, directory))
    }

    fn damaged(&self, reason: String) -> QualityError {
        QualityError::Damaged { path: self.path.clone(), reason }
    }
}

/// A state that is being written; it appears under its name when it is whole.
pub(crate) struct StateWriter {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    out: BufWriter<tempfile::NamedTempFile>,
    offset: u64,
    chunks: Vec<Vec<Chunk>>,
}

impl StateWriter {
    pub fn create(path: &Path, rules: usize) -> Result<Self, QualityError> {
        let failed = |source| QualityError::Io { doing: "write", path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::NamedTempFile::new_in(folder).map_err(failed)?);
        out.write_all(MAGIC).map_err(failed)?;
        let inner = Inner { out, offset: MAGIC.len() as u64, chunks: vec![Vec::new(); rules] };
        Ok(Self { path: path.to_owned(), inner: Mutex::new(inner) })
    }

    /// Adds the keys of a partition.
    pub fn add(&self, rule: usize, partition: usize, keys: &Keys) -> Result<(), QualityError> {
        let mut bytes = Vec::with_capacity(keys.numbers.len() * 12 + keys.longer.len());
        bytes.extend(keys.numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(keys.rows.iter().flat_map(|row| row.to_le_bytes()));
        bytes.extend_from_slice(&keys.longer);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk =
            Chunk { offset: inner.offset, numbers: keys.numbers.len() as u64, longer_bytes: keys.longer.len() as u64 };
        let chunks = &mut inner.chunks[rule];
        if chunks.is_empty() {
            chunks.resize(PARTITIONS, Chunk::default());
        }
        chunks[partition] = chunk;
        inner.offset += bytes.len() as u64;
        inner.out.write_all(&bytes).map_err(|source| QualityError::Io {
            doing: "write",
            path: self.path.clone(),
            source,
        })
    }

    pub fn close(
        self,
        checker: &Checker,
        rows: u64,
        (counts, gathered): (&[Counts], &[Gathered]),
        before: Option<&State>,
    ) -> Result<(), QualityError> {
        let failed = |source| QualityError::Io { doing: "write", path: self.path.clone(), source };
        let Inner { mut out, chunks, .. } = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let directory = Directory {
            rules: fingerprint(checker.rules()),
            rows,
            counts: counts.to_vec(),
            gathered: gathered.to_vec(),
            before: before.filter(|before| !before.is_long()).map(State::names).unwrap_or_default(),
            chunks,
        };
        let written = serde_json::to_vec(&directory).map_err(|error| failed(error.into()))?;
        out.write_all(&written).map_err(failed)?;
        out.write_all(&(written.len() as u64).to_le_bytes()).map_err(failed)?;
        out.write_all(MAGIC).map_err(failed)?;
        let part = out.into_inner().map_err(|error| failed(error.into_error()))?;
        part.as_file().sync_all().map_err(failed)?;
        part.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Names a list of rules: whoever changes a word of one gets another name.
fn fingerprint(rules: &[Rule]) -> String {
    // Rules are plain data; if one could not be written, every state would be foreign, which is safe.
    let written = serde_json::to_vec(rules).unwrap_or_default();
    format!("{:016x}", xxh3_64(&written))
}
