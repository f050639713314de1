//! Keeping a table in order: small files made few, files that nobody reads any more removed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt;
use serde_json::Map;
use uuid::Uuid;

use crate::beside::{self, Beside, FileRows};
use crate::commit::{Base, Changed, Draft};
use crate::data_file::{DataFile, FileWriter, WrittenFile};
use crate::error::LakeError;
use crate::lake::Lake;
use crate::merge::SortedFile;
use crate::name::TableName;
use crate::table::Table;
use crate::write::{FILE_ROWS, blocking};

/// Files with fewer rows than this are worth merging.
const SMALL_ROWS: u64 = FILE_ROWS / 2;
/// Bytes to which Delta is told files are merged.
const TARGET_BYTES: i64 = 128 << 20;

/// What [`Lake::compact`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Small files before.
    pub files_before: usize,
    /// Files in their place.
    pub files_after: usize,
}

/// What [`Lake::vacuum`] or [`Lake::vacuum_orphans`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacuumed {
    /// Files removed.
    pub files: u64,
    /// Bytes freed.
    pub bytes: u64,
}

impl Lake {
    /// Merges the small files of a table without a key, in order. Rows and their order stay.
    ///
    /// Keyed tables need none: writing keeps the files of a bucket few by itself.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for keyed tables; [`LakeError::NoTable`], [`LakeError::Contended`],
    /// [`LakeError::Parquet`], [`LakeError::StorageFull`]. Groups merged before an error stay merged.
    pub async fn compact(&self, table: &TableName) -> Result<Compacted, LakeError> {
        let mut done = Compacted::default();
        let current = self.table(table, None).await?;
        if current.layout.is_keyed() {
            return Err(LakeError::NotAllowed {
                table: table.clone(),
                operation: "compact",
                reason: "writing keeps its buckets' files few already",
            });
        }
        for group in groups(&current.files) {
            // The lock is taken anew for each group, so that others may commit between.
            let writing = self.writing(table).await?;
            let current = self.table(table, None).await?;
            let live: HashSet<&str> = current.files.iter().map(|file| file.path.as_str()).collect();
            if !group.iter().all(|file| live.contains(file.path.as_str())) {
                continue;
            }
            let source = Arc::clone(&current);
            let files = group.clone();
            let written = blocking(move || merged(&source, &files)).await??;
            self.fault("lake.after_data_file");
            done.files_before += group.len();
            done.files_after += 1;
            let draft = Draft {
                key: None,
                adds: vec![written],
                removes: group,
                changed: Changed::default(),
                data_change: false,
                operation: DeltaOperation::Optimize { predicate: None, target_size: TARGET_BYTES },
                meta: Map::new(),
                put_beside: Vec::new(),
                beside_property: None,
            };
            self.commit(&writing, table, Base::Version(current.version), draft).await?;
        }
        Ok(done)
    }

    /// Removes files that no kept version reads: older versions can then not be read any more.
    ///
    /// Kept are the newest version, `pinned` ones, and all that were newest at some time during
    /// `retention` before `now`; also files younger than `retention`, which a writer may be about to commit.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::NoVersion`] for a pinned version that is not there,
    /// [`LakeError::Log`], [`LakeError::File`].
    pub async fn vacuum(
        &self,
        table: &TableName,
        now: SystemTime,
        retention: Duration,
        pinned: &[i64],
    ) -> Result<Vacuumed, LakeError> {
        let mut kept: HashSet<String> = HashSet::new();
        for version in pinned {
            let table = self.table(table, Some(*version)).await?;
            kept.extend(table.files.iter().map(|file| file.path.clone()));
            kept.extend(Beside::note_of(&table.beside_property).map(str::to_owned));
        }
        let cutoff = now.checked_sub(retention).unwrap_or(UNIX_EPOCH);
        let cutoff_millis =
            cutoff.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
        let current = self.table(table, None).await?;
        for (path, removed_at) in tombstones(&current).await? {
            if removed_at.is_none_or(|removed_at| removed_at > cutoff_millis) {
                kept.insert(path);
            }
        }
        self.keep_beside(&current, cutoff, &mut kept)?;
        sweep(current, kept, cutoff).await
    }

    /// Keeps the notes that were in force at `cutoff` or later, and the files they name. A note is in force until
    /// the next commit that names another or none.
    fn keep_beside(&self, table: &Table, cutoff: SystemTime, kept: &mut HashSet<String>) -> Result<(), LakeError> {
        let mut next_at: Option<SystemTime> = None;
        for version in (0..=table.version).rev() {
            let path = self.log_file(&table.name, version);
            let failed = |source| LakeError::file("read", &path, source);
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // Cleaned away behind a checkpoint, and all before it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(source) => return Err(failed(source)),
            };
            for line in text.lines().filter(|line| line.starts_with("{\"metaData\"")) {
                let action: serde_json::Value = serde_json::from_str(line).map_err(|source| failed(source.into()))?;
                let property = action["metaData"]["configuration"][beside::PROPERTY].as_str().unwrap_or_default();
                if next_at.is_none_or(|next_at| next_at > cutoff)
                    && let Some(note) = Beside::note_of(property)
                    && table.folder.join(note).exists()
                {
                    kept.insert(note.to_owned());
                    kept.extend(Beside::read(&table.folder, property)?.files.into_iter().map(|file| file.path));
                }
                next_at = Some(fs::metadata(&path).and_then(|metadata| metadata.modified()).map_err(failed)?);
            }
            if next_at.is_some_and(|next_at| next_at <= cutoff) {
                break;
            }
        }
        Ok(())
    }

    /// Removes files that were never part of the table and are older than `min_age` at `now`: what
    /// writers left that were dropped, or whose process ended, before they committed.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`], [`LakeError::File`].
    pub async fn vacuum_orphans(
        &self,
        table: &TableName,
        now: SystemTime,
        min_age: Duration,
    ) -> Result<Vacuumed, LakeError> {
        let current = self.table(table, None).await?;
        let mut kept = tombstones(&current).await?.into_iter().map(|(path, _)| path).collect();
        self.keep_beside(&current, UNIX_EPOCH, &mut kept)?;
        let cutoff = now.checked_sub(min_age).unwrap_or(UNIX_EPOCH);
        sweep(current, kept, cutoff).await
    }
}

/// Files once part of the table, with the time of their removal.
async fn tombstones(table: &Table) -> Result<Vec<(String, Option<i64>)>, LakeError> {
    let fail = |source| LakeError::log("read", &table.name, &table.folder, source);
    let state = table.delta.snapshot().map_err(fail)?;
    let log_store = table.delta.log_store();
    state
        .all_tombstones(log_store.as_ref())
        .map_ok(|tombstone| (tombstone.path().into_owned(), tombstone.deletion_timestamp()))
        .try_collect()
        .await
        .map_err(fail)
}

/// Removes the table's Parquet files that are neither live nor `kept` and older than `cutoff`.
async fn sweep(table: Arc<Table>, mut kept: HashSet<String>, cutoff: SystemTime) -> Result<Vacuumed, LakeError> {
    kept.extend(table.files.iter().map(|file| file.path.clone()));
    kept.extend(Beside::note_of(&table.beside_property).map(str::to_owned));
    blocking(move || {
        let mut done = Vacuumed::default();
        sweep_folder(&table.folder, "", &kept, cutoff, &mut done)?;
        Ok(done)
    })
    .await?
}

fn sweep_folder(
    folder: &Path,
    prefix: &str,
    kept: &HashSet<String>,
    cutoff: SystemTime,
    done: &mut Vacuumed,
) -> Result<(), LakeError> {
    let listing = |source| LakeError::file("list", folder, source);
    for entry in fs::read_dir(folder).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Another sweep was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(LakeError::file("read", &path, source)),
        };
        if metadata.is_dir() {
            // Buckets and what lies beside are the only folders with data, and they hold no folders.
            let has_data = name.starts_with(crate::layout::BUCKET_COLUMN) || name == beside::FOLDER;
            if prefix.is_empty() && has_data {
                sweep_folder(&path, &format!("{name}/"), kept, cutoff, done)?;
            }
            continue;
        }
        let relative = format!("{prefix}{name}");
        let is_note = prefix == format!("{}/", beside::FOLDER) && path.extension().is_some_and(|kind| kind == "json");
        let is_data = is_note || path.extension().is_some_and(|extension| extension == "parquet");
        let is_old = metadata.modified().is_ok_and(|modified| modified <= cutoff);
        if !is_data || !is_old || kept.contains(&relative) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => {
                done.files += 1;
                done.bytes += metadata.len();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LakeError::file("remove", &path, source)),
        }
    }
    Ok(())
}

/// Runs of small files that lie side by side, each to become one file.
fn groups(files: &[Arc<DataFile>]) -> Vec<Vec<Arc<DataFile>>> {
    let mut found = Vec::new();
    let mut open: Vec<Arc<DataFile>> = Vec::new();
    let mut rows = 0;
    let mut close = |open: &mut Vec<Arc<DataFile>>| {
        let group = std::mem::take(open);
        if group.len() > 1 {
            found.push(group);
        }
    };
    for file in files {
        if file.rows >= SMALL_ROWS || rows + file.rows > FILE_ROWS {
            close(&mut open);
            rows = 0;
        }
        if file.rows < SMALL_ROWS {
            rows += file.rows;
            open.push(Arc::clone(file));
        }
    }
    close(&mut open);
    found
}

fn merged(table: &Table, files: &[Arc<DataFile>]) -> Result<WrittenFile, LakeError> {
    // The first file's name keeps the place in the order; the second half makes it unique.
    let path = format!("{}-{}.parquet", first_part(&files[0].path), Uuid::now_v7().simple());
    let mut writer = FileWriter::create(&table.shape(), path, None)?;
    for file in files {
        let mut reader = SortedFile::open(&FileRows::live(&table.folder, file), &table.schema)?;
        while let Some(batch) = reader.next_batch() {
            writer.write(&batch?)?;
        }
    }
    writer.finish()
}

/// `part-<id>` of `part-<id>.parquet` or of an earlier merge's `part-<id>-<id>.parquet`.
fn first_part(path: &str) -> &str {
    const LENGTH: usize = "part-00000000-0000-0000-0000-000000000000".len();
    path.get(..LENGTH).unwrap_or("part")
}
