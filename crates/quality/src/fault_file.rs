//! The failing rows of a table version, in a file from which a page of any rule is read in milliseconds.
//!
//! ```text
//! "YHFAULT1"                                   8 bytes
//! bitmaps                                      one after another, portable Roaring format
//! directory                                    JSON: {rows, rules: [{id, segments: [{segment, rows, offset, bytes}]}]}
//! length of the directory                      8 bytes, little-endian
//! "YHFAULT1"                                   8 bytes
//! ```
//! A bitmap holds the failing rows of one rule in one segment of 2^20 rows, counted from the segment's first row.
//! Segments without a failing row are left out. So a page costs the directory and the one or two bitmaps in which
//! it lies (at most 128 KiB each), wherever in the table it is. The bitmaps are readable in any language that has
//! a Roaring library.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::error::QualityError;

const MAGIC: &[u8; 8] = b"YHFAULT1";
/// Rows of a segment, as a power of two.
const SEGMENT_BITS: u32 = 20;
/// Largest directory that is read, in bytes.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
/// Largest bitmap of a segment: one bit per row, and the heads of its containers.
const BITMAP_BYTES_MAX: u64 = (1 << (SEGMENT_BITS - 3)) + 4096;
/// Most rows of one page.
pub const PAGE_ROWS_MAX: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Directory {
    rows: u64,
    rules: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Segment {
    segment: u32,
    rows: u64,
    offset: u64,
    bytes: u64,
}

/// A fault file that is open for reading.
#[derive(Debug)]
pub struct FaultFile {
    path: PathBuf,
    file: File,
    directory: Directory,
}

impl FaultFile {
    /// Writes the failing rows of a version: `rules` are identifiers with their rows (0-based). The file appears
    /// under its name only when it is whole.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write<'a>(
        path: &Path,
        rows: u64,
        rules: impl IntoIterator<Item = (&'a str, &'a RoaringBitmap)>,
    ) -> Result<(), QualityError> {
        let failed = |source| QualityError::Io { doing: "write", path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut part = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut out = BufWriter::new(part.as_file_mut());
        out.write_all(MAGIC).map_err(failed)?;
        let mut offset = MAGIC.len() as u64;
        let mut directory = Directory { rows, rules: Vec::new() };
        for (id, failing) in rules {
            let mut entry = Entry { id: id.to_owned(), segments: Vec::new() };
            let mut rest = failing.iter().peekable();
            while let Some(first) = rest.peek() {
                let segment = first >> SEGMENT_BITS;
                let mut bitmap = RoaringBitmap::new();
                let rows = std::iter::from_fn(|| rest.next_if(|row| row >> SEGMENT_BITS == segment));
                // Rows of a bitmap ascend, which is all that `append` asks for.
                let _ = bitmap.append(rows.map(|row| row & ((1 << SEGMENT_BITS) - 1)));
                bitmap.optimize();
                bitmap.serialize_into(&mut out).map_err(failed)?;
                let bytes = bitmap.serialized_size() as u64;
                entry.segments.push(Segment { segment, rows: bitmap.len(), offset, bytes });
                offset += bytes;
            }
            directory.rules.push(entry);
        }
        let written = serde_json::to_vec(&directory).map_err(|error| failed(error.into()))?;
        out.write_all(&written).map_err(failed)?;
        out.write_all(&(written.len() as u64).to_le_bytes()).map_err(failed)?;
        out.write_all(MAGIC).map_err(failed)?;
        out.flush().map_err(failed)?;
        drop(out);
        part.as_file().sync_all().map_err(failed)?;
        part.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Opens a file and reads its directory.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of ours, or is damaged.
    pub fn open(path: &Path) -> Result<Self, QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
        let damaged = |reason: String| QualityError::Damaged { path: path.to_owned(), reason };
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut head = [0_u8; 8];
        let mut tail = [0_u8; 16];
        if length < 24 {
            return Err(damaged(format!("found {length} bytes, expected a fault file")));
        }
        file.read_exact(&mut head).map_err(failed)?;
        file.seek(SeekFrom::Start(length - 16)).map_err(failed)?;
        file.read_exact(&mut tail).map_err(failed)?;
        if &head != MAGIC || &tail[8..] != MAGIC {
            return Err(damaged("found other bytes than YHFAULT1 at its ends".to_owned()));
        }
        let mut directory_bytes = [0_u8; 8];
        directory_bytes.copy_from_slice(&tail[..8]);
        let directory_bytes = u64::from_le_bytes(directory_bytes);
        if directory_bytes > DIRECTORY_BYTES_MAX || directory_bytes > length - 24 {
            return Err(damaged(format!(
                "found a directory of {directory_bytes} bytes, expected at most {}",
                DIRECTORY_BYTES_MAX.min(length - 24)
            )));
        }
        file.seek(SeekFrom::Start(length - 16 - directory_bytes)).map_err(failed)?;
        let mut written = vec![0; directory_bytes as usize];
        file.read_exact(&mut written).map_err(failed)?;
        let directory: Directory =
            serde_json::from_slice(&written).map_err(|error| damaged(format!("its directory is none: {error}")))?;
        Ok(Self { path: path.to_owned(), file, directory })
    }

    /// Rows of the version.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.directory.rows
    }

    /// Identifiers of the rules, with the number of their failing rows.
    pub fn rules(&self) -> impl Iterator<Item = (&str, u64)> {
        let count = |entry: &Entry| entry.segments.iter().map(|segment| segment.rows).sum();
        self.directory.rules.iter().map(move |entry| (entry.id.as_str(), count(entry)))
    }

    /// Failing rows of a rule, ascending: at most `limit` from the `offset`th on. An unknown rule fails nowhere.
    ///
    /// # Errors
    /// The file cannot be read or is damaged; `limit` is beyond [`PAGE_ROWS_MAX`].
    pub fn failing(&mut self, rule: &str, offset: u64, limit: usize) -> Result<Vec<u64>, QualityError> {
        if limit > PAGE_ROWS_MAX {
            let reason = format!("was asked for a page of {limit} rows, expected at most {PAGE_ROWS_MAX}");
            return Err(QualityError::Input { path: self.path.clone(), reason });
        }
        let Some(entry) = self.directory.rules.iter().find(|entry| entry.id == rule) else { return Ok(Vec::new()) };
        let mut skip = offset;
        let mut wanted = Vec::new();
        let mut needed = limit as u64;
        for segment in &entry.segments {
            if needed == 0 {
                break;
            }
            if skip >= segment.rows {
                skip -= segment.rows;
                continue;
            }
            let taken = needed.min(segment.rows - skip);
            wanted.push((segment.clone(), skip, taken));
            needed -= taken;
            skip = 0;
        }
        let mut rows = Vec::with_capacity(limit.min(4096));
        for (segment, skip, taken) in wanted {
            let bitmap = self.bitmap(&segment)?;
            // Both are at most 2^20.
            let (skip, taken) = (skip as u32, taken as usize);
            let Some(first) = bitmap.select(skip) else { continue };
            let base = u64::from(segment.segment) << SEGMENT_BITS;
            rows.extend(bitmap.range(first..).take(taken).map(|row| base + u64::from(row)));
        }
        Ok(rows)
    }

    /// Every failing row of a rule.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn bitmap_of(&mut self, rule: &str) -> Result<RoaringBitmap, QualityError> {
        let segments = match self.directory.rules.iter().find(|entry| entry.id == rule) {
            Some(entry) => entry.segments.clone(),
            None => Vec::new(),
        };
        let mut all = RoaringBitmap::new();
        for segment in segments {
            let base = segment.segment << SEGMENT_BITS;
            let bitmap = self.bitmap(&segment)?;
            if all.append(bitmap.iter().map(|row| base | row)).is_err() {
                return Err(self.damaged("its segments are out of order"));
            }
        }
        Ok(all)
    }

    fn bitmap(&mut self, segment: &Segment) -> Result<RoaringBitmap, QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: self.path.clone(), source };
        if segment.bytes > BITMAP_BYTES_MAX || segment.segment >= 1 << (32 - SEGMENT_BITS) {
            return Err(self.damaged("a bitmap of its directory is beyond the bounds of a segment"));
        }
        let mut bytes = vec![0; segment.bytes as usize];
        self.file.seek(SeekFrom::Start(segment.offset)).map_err(failed)?;
        self.file.read_exact(&mut bytes).map_err(failed)?;
        let bitmap = RoaringBitmap::deserialize_from(bytes.as_slice())
            .map_err(|error| self.damaged(&format!("a bitmap is none: {error}")))?;
        if bitmap.len() != segment.rows || bitmap.max().is_some_and(|row| row >> SEGMENT_BITS != 0) {
            return Err(self.damaged("a bitmap holds other rows than its directory says"));
        }
        Ok(bitmap)
    }

    fn damaged(&self, reason: &str) -> QualityError {
        QualityError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rules: &[(&str, RoaringBitmap)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1.faults");
        FaultFile::write(&path, 5_000_000, rules.iter().map(|(id, rows)| (*id, rows))).unwrap();
        (folder, path)
    }

    #[test]
    fn any_page_of_any_rule_is_what_it_would_be_in_one_list() {
        let rows: RoaringBitmap = (0..5_000_000).step_by(7).collect();
        let (_folder, path) = written(&[("none", RoaringBitmap::new()), ("some", rows.clone())]);
        let mut file = FaultFile::open(&path).unwrap();
        assert_eq!(file.rules().collect::<Vec<_>>(), [("none", 0), ("some", rows.len())]);
        let all: Vec<u64> = rows.iter().map(u64::from).collect();
        for (offset, limit) in [(0, 100), (149_790, 20), (rows.len() - 3, 100), (rows.len(), 10), (5, 100_000)] {
            let page = file.failing("some", offset, limit).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert_eq!(page, all[start..all.len().min(start + limit)], "{offset} {limit}");
        }
        assert!(file.failing("none", 0, 10).unwrap().is_empty());
        assert!(file.failing("unknown", 0, 10).unwrap().is_empty());
        assert_eq!(file.bitmap_of("some").unwrap(), rows);
        assert!(file.failing("some", 0, PAGE_ROWS_MAX + 1).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn a_file_with_a_changed_end_is_refused() {
        let (_folder, path) = written(&[("a", RoaringBitmap::from([1]))]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(FaultFile::open(&path).unwrap_err().to_string().contains("damaged"));
        let mut long = whole.clone();
        let at = long.len() - 9;
        long[at] = 0x7f;
        std::fs::write(&path, &long).unwrap();
        assert!(FaultFile::open(&path).unwrap_err().to_string().contains("directory of"));
        std::fs::write(&path, b"").unwrap();
        assert!(FaultFile::open(&path).is_err());
    }
}
