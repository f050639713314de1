//! One commit to a table's log: recognised by its key, alone at the table, durable.

use std::fs::{self, File, TryLockError};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Metadata, MetadataExt as _, Remove, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::beside::PROPERTY;
use crate::data_file::{DataFile, WrittenFile};
use crate::error::LakeError;
use crate::lake::{Lake, locked};
use crate::layout::BUCKET_COLUMN;
use crate::name::{CommitKey, TableName};
use crate::table::{Table, read_table};

/// Attempts to commit an append while other engines commit too.
const ATTEMPTS_MAX: u32 = 20;
/// Commits between two checkpoints of a log.
const CHECKPOINT_EVERY: i64 = 20;
/// The member of Delta's `commitInfo` that holds our record of a commit.
const RECORD: &str = "yihe";
/// The tag of a file's SHA-256 in the log.
const SHA256_TAG: &str = "sha256";
/// Largest log entry read back, in bytes; one file's entry is about a kilobyte.
const LOG_ENTRY_BYTES_MAX: u64 = 256 << 20;

/// What a commit did.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The version it made.
    pub version: i64,
    /// Rows written: for an append the rows given, else the rows of the files that were rewritten.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Files written.
    pub files: Vec<FileRecord>,
    /// What changed, counted in rows.
    pub changed: Changed,
    /// What the caller gave along.
    pub meta: Map<String, Value>,
    /// True when an earlier commit had the same key, so that this one did nothing.
    pub already_done: bool,
}

/// Rows that a commit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows that took the place of a row with the same key.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
}

/// A file a commit wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// Everything that goes into one log entry.
pub(crate) struct Draft {
    pub key: Option<CommitKey>,
    pub adds: Vec<WrittenFile>,
    pub removes: Vec<Arc<DataFile>>,
    pub changed: Changed,
    /// False when the same rows only lie differently afterwards.
    pub data_change: bool,
    pub operation: DeltaOperation,
    pub meta: Map<String, Value>,
    /// Files put beside the table.
    pub put_beside: Vec<WrittenFile>,
    /// The property that names what lies beside from now on; `None`: as before.
    pub beside_property: Option<String>,
}

/// What was read before a commit, and so must not have changed since.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing: new files only.
    Any,
    /// The version whose files are rewritten.
    Version(i64),
}

/// The right to write to a table, within the process and among processes.
pub(crate) struct Writing {
    _process: OwnedMutexGuard<()>,
    // Unlocked when closed; the file itself stays.
    _file: File,
}

impl Lake {
    /// Waits for the table's writer lock.
    pub(crate) async fn writing(&self, table: &TableName) -> Result<Writing, LakeError> {
        let wait = self.inner.options.lock_wait;
        let gave_up = || LakeError::Locked { table: table.clone(), seconds: wait.as_secs() };
        let mutex = Arc::clone(locked(&self.inner.writers).entry(table.clone()).or_default());
        let began = Instant::now();
        let process = tokio::time::timeout(wait, mutex.lock_owned()).await.map_err(|_| gave_up())?;
        let folder = self.folder(table);
        fs::create_dir_all(&folder).map_err(|source| LakeError::file("create", &folder, source))?;
        // Names that begin with an underscore are not data to any reader of the format.
        let path = folder.join("_writer.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| LakeError::file("open", &path, source))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Writing { _process: process, _file: file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(gave_up()),
                Err(TryLockError::Error(source)) => {
                    return Err(LakeError::file("lock", &path, source));
                }
            }
        }
    }

    /// The commit that was made with `key`, if there is one.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn committed(&self, table: &TableName, key: &CommitKey) -> Result<Option<Commit>, LakeError> {
        let current = self.table(table, None).await?;
        self.committed_in(&current, key).await
    }

    pub(crate) async fn committed_in(&self, table: &Table, key: &CommitKey) -> Result<Option<Commit>, LakeError> {
        let fail = |source| LakeError::log("read", &table.name, &table.folder, source);
        let state = table.delta.snapshot().map_err(fail)?;
        let version = state.transaction_version(table.delta.log_store().as_ref(), key.as_str()).await.map_err(fail)?;
        match version {
            Some(version) => self.read_commit(&table.name, version).map(Some),
            None => Ok(None),
        }
    }

    /// The newest commit that its maker gave `member` along with, among the newest `depth` versions. Commits that
    /// only lay rows differently (compaction) are passed over that way.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`], [`LakeError::File`].
    pub async fn newest_with(&self, table: &TableName, member: &str, depth: u32) -> Result<Option<Commit>, LakeError> {
        let newest = self.table(table, None).await?.version;
        for back in 0..i64::from(depth) {
            let version = newest - back;
            // An entry may have been cleaned away behind a checkpoint.
            if version < 0 || !self.log_file(table, version).exists() {
                break;
            }
            let commit = self.read_commit(table, version)?;
            if commit.meta.contains_key(member) {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// What a commit of ours changed; `None` when its log entry was cleaned away, or another engine wrote it.
    pub(crate) fn changed_by(&self, table: &TableName, version: i64) -> Result<Option<Changed>, LakeError> {
        if !self.log_file(table, version).exists() {
            return Ok(None);
        }
        let actions = self.log_entry(table, version)?;
        Ok(actions.iter().find_map(|action| action["commitInfo"].get(RECORD)).map(changed_in))
    }

    /// The actions of a log entry.
    fn log_entry(&self, table: &TableName, version: i64) -> Result<Vec<Value>, LakeError> {
        let path = self.log_file(table, version);
        let length = fs::metadata(&path).map_err(|source| LakeError::file("read", &path, source))?.len();
        if length > LOG_ENTRY_BYTES_MAX {
            let source = io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{length} bytes, the bound is {LOG_ENTRY_BYTES_MAX}"),
            );
            return Err(LakeError::file("read", &path, source));
        }
        let text = fs::read_to_string(&path).map_err(|source| LakeError::file("read", &path, source))?;
        let wrong = |source: serde_json::Error| LakeError::file("read", &path, source.into());
        text.lines().map(|line| serde_json::from_str(line).map_err(wrong)).collect()
    }

    /// Reads a commit of ours back from its log entry.
    fn read_commit(&self, table: &TableName, version: i64) -> Result<Commit, LakeError> {
        let mut commit = Commit {
            version,
            rows: 0,
            bytes: 0,
            files: Vec::new(),
            changed: Changed::default(),
            meta: Map::new(),
            already_done: true,
        };
        for action in self.log_entry(table, version)? {
            if let Some(record) = action["commitInfo"].get(RECORD) {
                commit.changed = changed_in(record);
                commit.meta = record["meta"].as_object().cloned().unwrap_or_default();
                for file in record["beside"].as_array().into_iter().flatten() {
                    let file = FileRecord {
                        path: file["path"].as_str().unwrap_or_default().to_owned(),
                        size: file["size"].as_u64().unwrap_or(0),
                        rows: file["rows"].as_u64().unwrap_or(0),
                        sha256: file["sha256"].as_str().unwrap_or_default().to_owned(),
                    };
                    commit.rows += file.rows;
                    commit.bytes += file.size;
                    commit.files.push(file);
                }
            }
            let add = &action["add"];
            if let Some(path) = add["path"].as_str() {
                let stats: Value =
                    add["stats"].as_str().and_then(|stats| serde_json::from_str(stats).ok()).unwrap_or(Value::Null);
                let file = FileRecord {
                    path: path.to_owned(),
                    size: add["size"].as_u64().unwrap_or(0),
                    rows: stats["numRecords"].as_u64().unwrap_or(0),
                    sha256: add["tags"][SHA256_TAG].as_str().unwrap_or_default().to_owned(),
                };
                commit.rows += file.rows;
                commit.bytes += file.size;
                commit.files.push(file);
            }
        }
        Ok(commit)
    }

    /// Commits `draft`. The caller holds the writer's lock.
    ///
    /// # Errors
    /// [`LakeError::Contended`] when another engine changed what was read, or won every attempt.
    pub(crate) async fn commit(
        &self,
        _writing: &Writing,
        name: &TableName,
        base: Base,
        draft: Draft,
    ) -> Result<Commit, LakeError> {
        for attempt in 1..=ATTEMPTS_MAX {
            let table = self.table(name, None).await?;
            if let Some(key) = &draft.key
                && let Some(done) = self.committed_in(&table, key).await?
            {
                return Ok(done);
            }
            if let Base::Version(version) = base
                && version != table.version
            {
                return Err(LakeError::Contended { table: name.clone(), attempts: attempt });
            }
            let version = table.version + 1;
            let fail = |source| LakeError::log("commit to", name, &table.folder, source);
            let properties = CommitProperties::default()
                .with_max_retries(0)
                // A checkpoint that fails must not fail the commit before it; see below.
                .with_create_checkpoint(false)
                .with_cleanup_expired_logs(Some(false))
                .with_metadata([(RECORD.to_owned(), record(&draft))])
                .with_application_transactions(
                    draft
                        .key
                        .iter()
                        .map(|key| {
                            // The transaction's number is the version it makes: where to look it up.
                            Transaction::new_with_last_update(key.as_str(), version, Some(now_millis()))
                        })
                        .collect(),
                );
            let state = table.delta.snapshot().map_err(fail)?;
            self.fault("lake.before_log_commit");
            let outcome = CommitBuilder::from(properties)
                .with_actions(actions(&draft, state.metadata()).map_err(fail)?)
                .build(Some(state), table.delta.log_store(), draft.operation.clone())
                .await;
            let finished = match outcome {
                Ok(finished) => finished,
                Err(error) if lost_the_race(&error) => {
                    tracing::warn!(table = %name, attempt, "another engine committed first");
                    tokio::time::sleep(Duration::from_millis(10 * u64::from(attempt))).await;
                    continue;
                }
                Err(error) => return Err(fail(error)),
            };
            self.fault("lake.after_log_commit");
            sync_log(self, name, version)?;
            let mut delta = DeltaTable::new(table.delta.log_store());
            delta.state = Some(finished.snapshot());
            let next = Arc::new(read_table(name, table.folder.clone(), delta, Some(&table))?);
            self.remember(&next);
            if version % CHECKPOINT_EVERY == 0 {
                let written = deltalake_core::checkpoints::create_checkpoint(&next.delta, None).await;
                if let Err(error) = written {
                    // Only reading gets slower; the next one may succeed.
                    tracing::warn!(table = %name, version, %error, "no checkpoint written");
                }
                self.fault("lake.after_checkpoint");
            }
            return Ok(summary(version, draft));
        }
        Err(LakeError::Contended { table: name.clone(), attempts: ATTEMPTS_MAX })
    }
}

/// True when the version was taken, which says nothing against trying the next.
fn lost_the_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) }
    )
}

/// Makes a log entry survive a power cut, as the data files already do.
fn sync_log(lake: &Lake, table: &TableName, version: i64) -> Result<(), LakeError> {
    let path = lake.log_file(table, version);
    let sync = |path: &std::path::Path| File::open(path)?.sync_all();
    sync(&path).map_err(|source| LakeError::file("write", &path, source))?;
    if let Some(folder) = path.parent() {
        sync(folder).map_err(|source| LakeError::file("write", folder, source))?;
    }
    Ok(())
}

/// What our record of a commit says that it changed.
fn changed_in(record: &Value) -> Changed {
    let count = |name: &str| record["changed"][name].as_u64().unwrap_or(0);
    Changed { inserted: count("inserted"), updated: count("updated"), deleted: count("deleted") }
}

fn record(draft: &Draft) -> Value {
    json!({
        "key": draft.key.as_ref().map(CommitKey::as_str),
        "changed": {
            "inserted": draft.changed.inserted,
            "updated": draft.changed.updated,
            "deleted": draft.changed.deleted,
        },
        "meta": draft.meta,
        "beside": draft.put_beside.iter().map(|file| json!({
            "path": file.path, "size": file.size, "rows": file.rows, "sha256": file.sha256,
        })).collect::<Vec<_>>(),
    })
}

fn actions(draft: &Draft, metadata: &Metadata) -> Result<Vec<Action>, DeltaTableError> {
    let now = now_millis();
    let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let partition = |bucket: Option<u32>| {
        bucket.map(|bucket| (BUCKET_COLUMN.to_owned(), Some(bucket.to_string()))).into_iter().collect()
    };
    let removes = draft.removes.iter().map(|file| {
        Action::Remove(Remove {
            path: file.path.clone(),
            data_change: draft.data_change,
            deletion_timestamp: Some(now),
            extended_file_metadata: Some(true),
            partition_values: Some(partition(file.bucket)),
            size: Some(signed(file.size)),
            ..Remove::default()
        })
    });
    let adds = draft.adds.iter().map(|file| {
        Action::Add(Add {
            path: file.path.clone(),
            partition_values: partition(file.bucket),
            size: signed(file.size),
            modification_time: now,
            data_change: draft.data_change,
            stats: Some(file.stats.clone()),
            tags: Some([(SHA256_TAG.to_owned(), Some(file.sha256.clone()))].into_iter().collect()),
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    });
    let mut actions: Vec<Action> = removes.chain(adds).collect();
    if let Some(property) = &draft.beside_property {
        let metadata = metadata.clone().add_config_key(PROPERTY.to_owned(), property.clone())?;
        actions.push(Action::Metadata(metadata));
    }
    Ok(actions)
}

fn summary(version: i64, draft: Draft) -> Commit {
    Commit {
        version,
        rows: draft.adds.iter().chain(&draft.put_beside).map(|file| file.rows).sum(),
        bytes: draft.adds.iter().chain(&draft.put_beside).map(|file| file.size).sum(),
        files: draft
            .adds
            .into_iter()
            .chain(draft.put_beside)
            .map(|file| FileRecord { path: file.path, size: file.size, rows: file.rows, sha256: file.sha256 })
            .collect(),
        changed: draft.changed,
        meta: draft.meta,
        already_done: false,
    }
}

/// Milliseconds since 1970, for the log's own bookkeeping; no rule of ours reads them.
#[expect(
    clippy::disallowed_methods,
    reason = "the table format writes the time beside every file; the library below takes it likewise"
)]
fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Delta's name for adding, rewriting or replacing rows.
pub(crate) fn write_operation(mode: SaveMode, keyed: bool) -> DeltaOperation {
    DeltaOperation::Write { mode, partition_by: keyed.then(|| vec![BUCKET_COLUMN.to_owned()]), predicate: None }
}
