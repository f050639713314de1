//! Files of chunks: bytes one after another, and at the end a directory that says which are where.
//!
//! ```text
//! "YHSTATE2"                       8 bytes
//! chunks                           one after another
//! directory                        JSON
//! length of the directory          8 bytes, little-endian
//! "YHSTATE2"                       8 bytes
//! ```
//! A file appears under its name when it is whole, and is never changed after.

use std::{
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::QualityError;

const MAGIC: &[u8; 8] = b"YHSTATE2";
/// Largest directory that is read, in bytes.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

/// Where a chunk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub offset: u64,
    pub bytes: u64,
}

/// A file that is being written.
pub(super) struct ChunkWriter {
    path: PathBuf,
    out: BufWriter<tempfile::NamedTempFile>,
    offset: u64,
}

impl ChunkWriter {
    pub fn create(path: &Path) -> Result<Self, QualityError> {
        let failed = |source| QualityError::Io { doing: "write", path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::NamedTempFile::new_in(folder).map_err(failed)?);
        out.write_all(MAGIC).map_err(failed)?;
        Ok(Self { path: path.to_owned(), out, offset: MAGIC.len() as u64 })
    }

    /// Where the next byte goes.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<Chunk, QualityError> {
        let chunk = Chunk { offset: self.offset, bytes: bytes.len() as u64 };
        let failed = |source| QualityError::Io { doing: "write", path: self.path.clone(), source };
        self.out.write_all(bytes).map_err(failed)?;
        self.offset += chunk.bytes;
        Ok(chunk)
    }

    pub fn put_words(&mut self, words: &[u64]) -> Result<Chunk, QualityError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    pub fn put_bitmap(&mut self, rows: &mut RoaringBitmap) -> Result<Chunk, QualityError> {
        rows.optimize();
        let mut bytes = Vec::with_capacity(rows.serialized_size());
        rows.serialize_into(&mut bytes).map_err(|source| QualityError::Io {
            doing: "write",
            path: self.path.clone(),
            source,
        })?;
        self.put(&bytes)
    }

    /// Writes the directory, and lets the file appear under its name.
    pub fn close(self, directory: &impl Serialize) -> Result<(), QualityError> {
        let Self { path, mut out, .. } = self;
        let failed = |source| QualityError::Io { doing: "write", path: path.clone(), source };
        let written = serde_json::to_vec(directory).map_err(|error| failed(error.into()))?;
        out.write_all(&written).map_err(failed)?;
        out.write_all(&(written.len() as u64).to_le_bytes()).map_err(failed)?;
        out.write_all(MAGIC).map_err(failed)?;
        let part = out.into_inner().map_err(|error| failed(error.into_error()))?;
        part.as_file().sync_all().map_err(failed)?;
        part.persist(&path).map_err(|error| failed(error.error))?;
        if let Some(folder) = path.parent() {
            // The name is in the folder; without this a power cut could lose it after the tables are committed.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}

/// A file that is open for reading.
#[derive(Debug)]
pub(super) struct ChunkFile {
    path: PathBuf,
    file: File,
    /// Bytes of chunks, the magic in front included.
    end: u64,
}

impl ChunkFile {
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, T), QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut this = Self { path: path.to_owned(), file, end: 0 };
        if length < 24 {
            return Err(this.damaged(format!("found {length} bytes, expected a state")));
        }
        let mut head = [0; 8];
        let mut tail = [0; 16];
        this.file.read_exact_at(&mut head, 0).map_err(failed)?;
        this.file.read_exact_at(&mut tail, length - 16).map_err(failed)?;
        let mut size = [0; 8];
        size.copy_from_slice(&tail[..8]);
        let size = u64::from_le_bytes(size);
        if &head != MAGIC || &tail[8..] != MAGIC || size > DIRECTORY_BYTES_MAX.min(length - 24) {
            return Err(this.damaged("found other bytes at its ends than those of a state".to_owned()));
        }
        let mut written = vec![0; size as usize];
        this.end = length - 16 - size;
        this.file.read_exact_at(&mut written, this.end).map_err(failed)?;
        let directory = serde_json::from_slice(&written)
            .map_err(|error| this.damaged(format!("its directory is none: {error}")))?;
        Ok((this, directory))
    }

    /// `bytes` bytes from `from` of a chunk.
    pub fn read(&self, chunk: Chunk, from: u64, bytes: u64) -> Result<Vec<u8>, QualityError> {
        let begin = chunk.offset.saturating_add(from);
        if from.saturating_add(bytes) > chunk.bytes || begin.saturating_add(bytes) > self.end {
            return Err(self.damaged("its directory names bytes that it does not have".to_owned()));
        }
        let mut buffer = vec![0; bytes as usize];
        self.file.read_exact_at(&mut buffer, begin).map_err(|source| QualityError::Io {
            doing: "read",
            path: self.path.clone(),
            source,
        })?;
        Ok(buffer)
    }

    pub fn whole(&self, chunk: Chunk) -> Result<Vec<u8>, QualityError> {
        self.read(chunk, 0, chunk.bytes)
    }

    pub fn words(&self, chunk: Chunk) -> Result<Vec<u64>, QualityError> {
        Ok(words(&self.whole(chunk)?))
    }

    pub fn bitmap(&self, chunk: Chunk) -> Result<RoaringBitmap, QualityError> {
        if chunk.bytes == 0 {
            return Ok(RoaringBitmap::new());
        }
        RoaringBitmap::deserialize_from(self.whole(chunk)?.as_slice())
            .map_err(|error| self.damaged(format!("a bitmap is none: {error}")))
    }

    pub fn damaged(&self, reason: String) -> QualityError {
        QualityError::Damaged { path: self.path.clone(), reason }
    }
}

pub(super) fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

pub(super) fn halves(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}
