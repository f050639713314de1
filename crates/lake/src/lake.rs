//! The lake: a folder of tables, with the memory, threads and spill folder they share.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use futures::Stream;
use tokio::sync::Semaphore;

use crate::error::LakeError;
use crate::find::FilterCache;
use crate::layout::Layout;
use crate::lookup::FooterCache;
use crate::name::{TableName, Zone};
use crate::scan::trusted_state;
use crate::sql::restricted_state;
use crate::table::Table;

/// Rows as they come, a batch at a time. After an error nothing more comes.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, LakeError>> + Send>>;

/// Called at named points of a write; see [`FAULT_POINTS`]. The program's crash tests hand in a
/// function that ends the process at one of them; everyone else leaves the default, which does nothing.
pub type FaultHook = Arc<dyn Fn(&'static str) + Send + Sync>;

/// The points at which [`LakeOptions::faults`] is called, in the order in which a write meets them.
pub const FAULT_POINTS: [&str; 6] = [
    "lake.before_write",
    "lake.after_spill",
    "lake.after_data_file",
    "lake.before_log_commit",
    "lake.after_log_commit",
    "lake.after_checkpoint",
];

/// Callers' queries that may run at the same time; the next one waits within its own time.
const SQL_TURNS: usize = 8;

/// Bounds and places a lake works with.
#[derive(Clone)]
pub struct LakeOptions {
    /// Memory for sorts, joins and aggregates of trusted queries, in bytes.
    pub memory_limit: usize,
    /// Memory in which one upsert gathers rows before it spills them, in bytes.
    pub upsert_memory: usize,
    /// Folder for what does not fit in memory. Emptied when the lake opens.
    pub spill_dir: PathBuf,
    /// Most bytes of spilled data at any time.
    pub spill_limit: u64,
    /// Threads a scan, query or upsert may use.
    pub threads: usize,
    /// Rows of a keyed table from which on changes lie beside it instead of its buckets being written anew.
    pub beside_from: u64,
    /// With more than one row beside for so many in the table, it is written anew.
    pub beside_share: u64,
    /// Longest wait for another process's writer lock.
    pub lock_wait: Duration,
    /// Crash tests' hook.
    pub faults: FaultHook,
}

impl LakeOptions {
    /// One GiB of memory, 96 MiB of it for an upsert's gathering, 64 GiB of spill, two threads, changes beside
    /// tables of 65,536 rows and more, a minute's wait for locks.
    #[must_use]
    pub fn new(spill_dir: impl Into<PathBuf>) -> Self {
        Self {
            memory_limit: 1 << 30,
            upsert_memory: 96 << 20,
            spill_dir: spill_dir.into(),
            spill_limit: 64 << 30,
            threads: 2,
            beside_from: 65_536,
            beside_share: 8,
            lock_wait: Duration::from_mins(1),
            faults: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for LakeOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LakeOptions")
            .field("memory_limit", &self.memory_limit)
            .field("upsert_memory", &self.upsert_memory)
            .field("spill_dir", &self.spill_dir)
            .field("spill_limit", &self.spill_limit)
            .field("threads", &self.threads)
            .field("beside_from", &self.beside_from)
            .field("beside_share", &self.beside_share)
            .field("lock_wait", &self.lock_wait)
            .finish_non_exhaustive()
    }
}

/// A folder of tables. Cloning is cheap; clones share caches, memory and writer locks.
#[derive(Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub root: PathBuf,
    pub options: LakeOptions,
    pub runtime: Arc<RuntimeEnv>,
    /// Newest known state of each table, and a few older ones.
    pub tables: Mutex<HashMap<TableName, Arc<Table>>>,
    pub versions: Mutex<HashMap<(TableName, i64), Arc<Table>>>,
    /// One writer per table in this process; the file lock is for other processes.
    pub writers: Mutex<HashMap<TableName, Arc<tokio::sync::Mutex<()>>>>,
    /// Parquet footers with page indexes for look-ups.
    pub footers: FooterCache,
    /// Filters of columns that rows are found by.
    pub filters: FilterCache,
    /// The engine's session for trusted work, and the one for what callers write; each read
    /// begins with a copy.
    pub trusted: SessionState,
    pub restricted: SessionState,
    /// Callers' queries that may run at the same time.
    pub sql_turns: Semaphore,
}

impl fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lake").field("root", &self.inner.root).finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the lake in `root`, making the folder when it is not there.
    ///
    /// The spill folder is emptied, so two processes must not share one.
    ///
    /// # Errors
    /// [`LakeError::File`] or [`LakeError::StorageFull`] when a folder cannot be made or emptied.
    pub fn open(root: &Path, options: LakeOptions) -> Result<Self, LakeError> {
        fs::create_dir_all(root).map_err(|source| LakeError::file("create", root, source))?;
        let root = fs::canonicalize(root).map_err(|source| LakeError::file("find", root, source))?;
        let spill = &options.spill_dir;
        match fs::remove_dir_all(spill) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LakeError::file("empty", spill, source)),
        }
        fs::create_dir_all(spill).map_err(|source| LakeError::file("create", spill, source))?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill.clone()]))
            .with_max_temp_directory_size(options.spill_limit);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_limit)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|source| LakeError::engine("prepare the engine", source))?;
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                options,
                runtime: Arc::clone(&runtime),
                tables: Mutex::default(),
                versions: Mutex::default(),
                writers: Mutex::default(),
                footers: FooterCache::default(),
                filters: FilterCache::default(),
                trusted: trusted_state(&runtime),
                restricted: restricted_state(),
                sql_turns: Semaphore::new(SQL_TURNS),
            }),
        })
    }

    /// Removes a table with all of its versions: one that is derived from others and will be derived again.
    ///
    /// # Errors
    /// [`LakeError::Locked`], [`LakeError::File`].
    pub async fn forget(&self, table: &TableName) -> Result<(), LakeError> {
        let writing = self.writing(table).await?;
        let folder = self.folder(table);
        let failed = |source| LakeError::file("remove", &folder, source);
        // The log first: without its beginning it is no table, whatever else is left.
        fs::remove_file(self.log_file(table, 0)).map_err(failed)?;
        fs::remove_dir_all(&folder).map_err(failed)?;
        drop(writing);
        locked(&self.inner.tables).remove(table);
        locked(&self.inner.versions).retain(|(name, _), _| name != table);
        Ok(())
    }

    /// The options the lake was opened with.
    #[must_use]
    pub fn options(&self) -> &LakeOptions {
        &self.inner.options
    }

    /// Every table there is, by zone and name.
    ///
    /// # Errors
    /// [`LakeError::File`] when a folder cannot be listed.
    pub fn tables(&self) -> Result<Vec<TableName>, LakeError> {
        let mut found = Vec::new();
        for zone in Zone::ALL {
            let folder = self.inner.root.join(zone.folder());
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(LakeError::file("list", &folder, source)),
            };
            for entry in entries {
                let entry = entry.map_err(|source| LakeError::file("list", &folder, source))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(table) = TableName::new(zone, name) else { continue };
                if self.log_file(&table, 0).exists() {
                    found.push(table);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// True when the table has been created.
    #[must_use]
    pub fn exists(&self, table: &TableName) -> bool {
        self.log_file(table, 0).exists()
    }

    /// The table's newest version; 0 is its creation.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn version(&self, table: &TableName) -> Result<i64, LakeError> {
        Ok(self.table(table, None).await?.version)
    }

    /// The table's columns, without the bucket.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn schema(&self, table: &TableName) -> Result<SchemaRef, LakeError> {
        Ok(Arc::clone(&self.table(table, None).await?.schema))
    }

    /// The table's key and buckets.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn layout(&self, table: &TableName) -> Result<Layout, LakeError> {
        Ok(self.table(table, None).await?.layout.clone())
    }

    /// Rows of the table at `version`, or at its newest, from the log alone.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::NoVersion`], [`LakeError::Log`].
    pub async fn count(&self, table: &TableName, version: Option<i64>) -> Result<u64, LakeError> {
        Ok(self.table(table, version).await?.files.iter().map(|file| file.live()).sum())
    }

    /// Bytes of the table's data files at its newest version.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn bytes(&self, table: &TableName) -> Result<u64, LakeError> {
        Ok(self.table(table, None).await?.files.iter().map(|file| file.size).sum())
    }

    /// The table's folder.
    #[must_use]
    pub fn folder(&self, table: &TableName) -> PathBuf {
        self.inner.root.join(table.zone().folder()).join(table.name())
    }

    /// The log entry of one version.
    pub(crate) fn log_file(&self, table: &TableName, version: i64) -> PathBuf {
        self.folder(table).join("_delta_log").join(format!("{version:020}.json"))
    }

    /// Calls the crash tests' hook.
    pub(crate) fn fault(&self, point: &'static str) {
        debug_assert!(FAULT_POINTS.contains(&point), "{point} is listed");
        (self.inner.options.faults)(point);
    }
}

/// Locks a mutex whose guarded value stays sound when a holder panicked.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
