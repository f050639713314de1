//! The journal: where a batch becomes durable with a single sync.
//!
//! A fixed file, filled with zeros once, so that writing into it changes no metadata. Records stand
//! one after another from the front; after a settle the front is written again. A record belongs to
//! the present when its first index continues where the settled log (or the record before) ends, so
//! records left from an earlier round are passed over without any counter. A torn record is one
//! that was never acknowledged.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    disk::{Disk, Step},
    error::LedgerError,
    tiles,
};

/// `YHJ1`, payload length (u32), xxh3 of the payload (u64).
const HEADER_BYTES: usize = 16;
/// First index (u64), number of entries (u32), then the entries as a bundle holds them.
const PAYLOAD_HEAD_BYTES: usize = 12;
const MAGIC: [u8; 4] = *b"YHJ1";

pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    capacity: usize,
    at: usize,
}

impl Journal {
    /// Opens the journal, or makes one of `capacity` bytes. An existing one keeps its capacity.
    pub(crate) fn open(path: PathBuf, capacity: usize) -> Result<Self, LedgerError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LedgerError::file("open", &path))?;
        let present = file.metadata().map_err(LedgerError::file("read", &path))?.len();
        let present = usize::try_from(present).expect("a journal fits memory");
        // A crash while the file was filled leaves it short; nothing was ever acknowledged from it.
        if present < capacity {
            let mut fill = || -> io::Result<()> {
                file.seek(SeekFrom::End(0))?;
                let zeros = vec![0; 65_536];
                let mut missing = capacity - present;
                while missing > 0 {
                    let part = missing.min(zeros.len());
                    file.write_all(&zeros[..part])?;
                    missing -= part;
                }
                file.sync_all()
            };
            fill().map_err(LedgerError::file("fill", &path))?;
        }
        Ok(Self { path, file, capacity: capacity.max(present), at: 0 })
    }

    /// Room for the bundle of one more record.
    pub(crate) fn room(&self) -> usize {
        (self.capacity - self.at).saturating_sub(HEADER_BYTES + PAYLOAD_HEAD_BYTES)
    }

    /// Share of the capacity in use, in percent.
    pub(crate) fn used_percent(&self) -> usize {
        self.at * 100 / self.capacity
    }

    /// Writes one record and syncs it. On an error nothing has changed that a later record would
    /// not overwrite.
    pub(crate) fn append(&mut self, disk: &Disk, start: u64, count: u32, bundle: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(HEADER_BYTES + PAYLOAD_HEAD_BYTES + bundle.len());
        record.extend_from_slice(&MAGIC);
        let length = u32::try_from(PAYLOAD_HEAD_BYTES + bundle.len()).expect("a batch is bounded");
        record.extend_from_slice(&length.to_be_bytes());
        record.extend_from_slice(&[0; 8]);
        record.extend_from_slice(&start.to_be_bytes());
        record.extend_from_slice(&count.to_be_bytes());
        record.extend_from_slice(bundle);
        let checksum = xxh3_64(&record[HEADER_BYTES..]);
        record[8..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
        disk.before(Step::JournalWrite, &self.path)?;
        self.file.seek(SeekFrom::Start(self.at as u64))?;
        self.file.write_all(&record)?;
        disk.before(Step::JournalSync, &self.path)?;
        self.file.sync_data()?;
        self.at += record.len();
        Ok(())
    }

    /// The entries that stand behind a settled log of `settled` entries, and places the journal to
    /// continue after them.
    pub(crate) fn replay(&mut self, settled: u64) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
        let mut bytes = Vec::with_capacity(self.capacity);
        let mut read = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.read_to_end(&mut bytes)?;
            Ok(())
        };
        read().map_err(LedgerError::file("read", &self.path))?;
        let mut records = Vec::new();
        let mut expected = settled;
        self.at = 0;
        while let Some((start, count, bundle, length)) = read_record(&bytes[self.at..]) {
            if start != expected {
                break;
            }
            expected += u64::from(count);
            records.push((start, bundle.to_vec()));
            self.at += length;
        }
        Ok(records)
    }

    /// Writes from the front again: everything before is settled.
    pub(crate) fn rewind(&mut self) {
        self.at = 0;
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn read_record(bytes: &[u8]) -> Option<(u64, u32, &[u8], usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length = usize::try_from(u32::from_be_bytes(header[4..8].try_into().ok()?)).ok()?;
    let payload = rest.get(..length)?;
    if xxh3_64(payload) != u64::from_be_bytes(header[8..].try_into().ok()?) {
        return None;
    }
    let (start, rest) = payload.split_first_chunk::<8>()?;
    let (count, bundle) = rest.split_first_chunk::<4>()?;
    let (start, count) = (u64::from_be_bytes(*start), u32::from_be_bytes(*count));
    let (entries, defect) = tiles::bundle_entries(bundle);
    (defect.is_none() && entries.len() == usize::try_from(count).ok()?).then_some((
        start,
        count,
        bundle,
        HEADER_BYTES + length,
    ))
}
