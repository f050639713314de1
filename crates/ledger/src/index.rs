//! Which entry has this id, and which was the last about this object.
//!
//! A cache of the log in a small embedded database, flushed when the log settles; what came since
//! is kept in memory. Lost or damaged, it is made again from the log.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use sha2::{Digest, Sha256};

use crate::error::LedgerError;

/// Sixteen bytes of SHA-256 over a kind of key and the key: ids and objects share one table.
pub(crate) type Key = [u8; 16];

const ENTRIES: TableDefinition<&[u8; 16], u64> = TableDefinition::new("entries");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const CACHE_BYTES: usize = 64 << 20;

pub(crate) struct Index {
    path: PathBuf,
    /// `None` after a failed write, until [`Self::revive`]: the library wants a fresh opening then.
    db: Option<Database>,
    recent: HashMap<Key, u64>,
    /// Entries `..flushed` are in the database.
    flushed: u64,
}

impl Index {
    /// Opens the index for a log of `size` entries; one that cannot be read, or knows more than the
    /// log does, is begun again.
    pub(crate) fn open(path: &Path, size: u64) -> Result<Self, LedgerError> {
        if let Ok(index) = Self::open_existing(path)
            && index.flushed <= size
        {
            return Ok(index);
        }
        if path.exists() {
            std::fs::remove_file(path).map_err(LedgerError::file("remove", path))?;
        }
        Self::open_existing(path)
    }

    fn open_existing(path: &Path) -> Result<Self, LedgerError> {
        let open = || -> Result<(Database, u64), redb::Error> {
            let db = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
            let transaction = db.begin_write()?;
            transaction.open_table(ENTRIES)?;
            let flushed = transaction.open_table(META)?.get("size")?.map_or(0, |size| size.value());
            transaction.commit()?;
            Ok((db, flushed))
        };
        let (db, flushed) = open().map_err(|source| LedgerError::Index { source: Box::new(source) })?;
        Ok(Self { path: path.to_owned(), db: Some(db), recent: HashMap::new(), flushed })
    }

    /// Opens the database again after a failed write. What was in memory is still there.
    pub(crate) fn revive(&mut self) -> Result<(), LedgerError> {
        if self.db.is_none() {
            let again = Self::open_existing(&self.path)?;
            self.flushed = again.flushed;
            self.db = again.db;
        }
        Ok(())
    }

    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Looks keys up as they stand now. One transaction serves a whole batch.
    pub(crate) fn reader(&self) -> Result<Reader<'_>, LedgerError> {
        let Some(db) = &self.db else { return Err(self.unavailable()) };
        let open = || -> Result<_, redb::Error> { Ok(db.begin_read()?.open_table(ENTRIES)?) };
        let table = open().map_err(|source| LedgerError::Index { source: Box::new(source) })?;
        Ok(Reader { recent: &self.recent, table: (self.flushed > 0).then_some(table) })
    }

    pub(crate) fn note(&mut self, id: Key, object: Key, index: u64) {
        self.recent.insert(id, index);
        self.recent.insert(object, index);
    }

    pub(crate) fn recent_count(&self) -> usize {
        self.recent.len()
    }

    /// Moves what is in memory to the database: entries `..size` are then known there.
    pub(crate) fn flush(&mut self, size: u64) -> Result<(), LedgerError> {
        self.revive()?;
        let Some(db) = &self.db else { return Err(self.unavailable()) };
        let mut sorted: Vec<_> = self.recent.iter().collect();
        // Neighbours in the tree are written together.
        sorted.sort_unstable();
        let write = || -> Result<(), redb::Error> {
            let transaction = db.begin_write()?;
            {
                let mut table = transaction.open_table(ENTRIES)?;
                for (key, index) in sorted {
                    table.insert(key, index)?;
                }
                transaction.open_table(META)?.insert("size", size)?;
            }
            transaction.commit()?;
            Ok(())
        };
        if let Err(source) = write() {
            self.db = None;
            return Err(LedgerError::Index { source: Box::new(source) });
        }
        self.recent.clear();
        self.flushed = size;
        Ok(())
    }

    fn unavailable(&self) -> LedgerError {
        LedgerError::Unreadable { path: self.path.clone(), expected: "the index; its last write failed" }
    }
}

/// A look at the index.
pub(crate) struct Reader<'a> {
    recent: &'a HashMap<Key, u64>,
    table: Option<ReadOnlyTable<&'static [u8; 16], u64>>,
}

impl Reader<'_> {
    /// Index of the entry with this id, or of the last about this object.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<u64>, LedgerError> {
        if let Some(index) = self.recent.get(key) {
            return Ok(Some(*index));
        }
        let Some(table) = &self.table else { return Ok(None) };
        let read = || -> Result<Option<u64>, redb::Error> { Ok(table.get(key)?.map(|index| index.value())) };
        read().map_err(|source| LedgerError::Index { source: Box::new(source) })
    }
}

/// What an entry's id is filed under.
pub(crate) fn id_key(id: &str) -> Key {
    key(b'i', id)
}

/// What an object is filed under.
pub(crate) fn object_key(object: &str) -> Key {
    key(b'o', object)
}

fn key(kind: u8, text: &str) -> Key {
    let digest = Sha256::new().chain_update([kind]).chain_update(text).finalize();
    digest[..16].try_into().expect("SHA-256 has 32 bytes")
}
