//! New rows of a keyed table into its buckets: beside them where that is cheaper, else the touched buckets anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::beside::{self, Beside};
use crate::commit::{Base, Changed, Commit, Draft, Writing, write_operation};
use crate::data_file::DataFile;
use crate::error::LakeError;
use crate::lake::Lake;
use crate::layout::BUCKET_COLUMN;
use crate::merge::{BucketMerge, Merged, keys_of};
use crate::runs::{self, Met};
use crate::spill::Buckets;
use crate::table::Table;
use crate::write::{Mode, Writer, blocking};

/// How buckets are merged.
struct How {
    order: Vec<String>,
    beside: bool,
}

/// What was given, by bucket.
pub(crate) struct Given {
    /// Rows to put.
    pub rows: Buckets,
    /// Keys whose rows go, unless a row to put has the key.
    pub gone: Buckets,
}

impl Given {
    /// The buckets that something was given for.
    fn occupied(&self) -> BTreeSet<u32> {
        self.rows.occupied.iter().chain(&self.gone.occupied).copied().collect()
    }
}

/// The rows of one bucket that keys given are of.
struct MetHere {
    bucket: u32,
    /// Different keys of rows to put.
    new: u64,
    /// For each file that has some of the keys, their places.
    files: Vec<(Arc<DataFile>, Met)>,
}

impl MetHere {
    fn rows(&self) -> u64 {
        self.files.iter().map(|(_, met)| met.places.len() as u64).sum()
    }

    fn gone(&self) -> u64 {
        self.files.iter().map(|(_, met)| met.gone).sum()
    }
}

impl Writer {
    /// Puts or removes the rows given and commits.
    pub(crate) async fn rewrite(&self, given: &Arc<Given>, meta: Map<String, Value>) -> Result<Commit, LakeError> {
        let name = &self.table.name;
        let writing = self.lake.writing(name).await?;
        let current = self.lake.table(name, None).await?;
        if let Some(done) = self.lake.committed_in(&current, &self.key).await? {
            return Ok(done);
        }
        let how = Arc::new(match &self.mode {
            Mode::Upsert { order, beside } => How { order: order.clone(), beside: *beside },
            Mode::Delete => How { order: Vec::new(), beside: true },
            Mode::Append | Mode::Replace => How { order: Vec::new(), beside: false },
        });
        let rows: u64 = current.files.iter().map(|file| file.live()).sum();
        if how.beside
            && rows >= self.lake.inner.options.beside_from
            && let Some(commit) = self.put_beside(&writing, &current, given, &how, rows, &meta).await?
        {
            return Ok(commit);
        }
        self.write_anew(&writing, &current, given, how, meta).await
    }

    /// Leaves the buckets as they are. `None` when so much would lie beside them that they are better written anew,
    /// or when none of the keys is known: then other engines may see the new rows at once.
    async fn put_beside(
        &self,
        writing: &Writing,
        current: &Arc<Table>,
        given: &Arc<Given>,
        how: &Arc<How>,
        rows: u64,
        meta: &Map<String, Value>,
    ) -> Result<Option<Commit>, LakeError> {
        let beside_now = current.beside.rows();
        let share = self.lake.inner.options.beside_share;
        if Beside::is_too_much(beside_now + self.rows(), rows, share) {
            return Ok(None);
        }
        let threads = self.lake.inner.options.threads.max(1);
        let tasks = given.occupied().into_iter().map(|bucket| {
            let (lake, table, given) = (self.lake.clone(), Arc::clone(current), Arc::clone(given));
            async move { blocking(move || meet(&lake, &table, &given, bucket)).await? }
        });
        let met: Vec<MetHere> = stream::iter(tasks.collect::<Vec<_>>()).buffered(threads).try_collect().await?;
        let new: u64 = met.iter().map(|met| met.new).sum();
        let known: u64 = met.iter().map(MetHere::rows).sum();
        let deleted: u64 = met.iter().map(MetHere::gone).sum();
        let updated = known - deleted;
        let changed = Changed { inserted: new - updated.min(new), updated, deleted };
        if Beside::is_too_much(beside_now + new + known, rows, share)
            || (current.beside.is_empty() && known == 0 && new > 0)
        {
            return Ok(None);
        }
        let mut written = Vec::new();
        let mut absorbed = Vec::new();
        let tasks = met.iter().filter(|met| met.new > 0).map(|met| {
            let (table, given, how) = (Arc::clone(current), Arc::clone(given), Arc::clone(how));
            let (bucket, new) = (met.bucket, met.new);
            async move { blocking(move || write_beside(&table, &given, bucket, new, &how)).await? }
        });
        let outcomes: Vec<Merged> = stream::iter(tasks.collect::<Vec<_>>())
            .buffered(threads)
            .inspect_ok(|_| self.lake.fault("lake.after_data_file"))
            .try_collect()
            .await?;
        for merged in outcomes {
            written.extend(merged.written);
            absorbed.extend(merged.replaced);
        }
        let mut beside = current.beside.without(&absorbed);
        let gone: BTreeSet<&str> = absorbed.iter().map(|file| file.path.as_str()).collect();
        for (file, met) in met.into_iter().flat_map(|met| met.files) {
            if !gone.contains(file.path.as_str()) {
                beside.hide(&file.path, met.places);
            }
        }
        beside.files.extend(written.iter().cloned());
        let folder = current.folder.clone();
        let property = if beside.is_empty() {
            (!current.beside_property.is_empty()).then(String::new)
        } else {
            Some(blocking(move || beside.write(&folder)).await??)
        };
        let draft = Draft {
            key: Some(self.key.clone()),
            adds: Vec::new(),
            removes: Vec::new(),
            changed,
            data_change: true,
            operation: self.operation(),
            meta: meta.clone(),
            put_beside: written,
            beside_property: property,
        };
        self.lake.commit(writing, &self.table.name, Base::Version(current.version), draft).await.map(Some)
    }

    /// Writes every touched bucket anew, and every bucket that rows lie beside, so that nothing lies beside the table.
    async fn write_anew(
        &self,
        writing: &Writing,
        current: &Arc<Table>,
        given: &Arc<Given>,
        how: Arc<How>,
        meta: Map<String, Value>,
    ) -> Result<Commit, LakeError> {
        let name = &self.table.name;
        let replacing = matches!(self.mode, Mode::Replace);
        let mut touched = given.occupied();
        let is_beside = |file: &Arc<DataFile>| file.beside || !file.hidden.is_empty();
        if !replacing {
            touched.extend(current.files.iter().filter(|file| is_beside(file)).filter_map(|file| file.bucket));
        }
        let mut tasks = Vec::with_capacity(touched.len());
        for bucket in touched {
            let old: Vec<Arc<DataFile>> = if replacing {
                Vec::new()
            } else {
                current.files.iter().filter(|file| file.bucket == Some(bucket)).cloned().collect()
            };
            let (given, current, how) = (Arc::clone(given), Arc::clone(current), Arc::clone(&how));
            let lake = self.lake.clone();
            tasks.push(
                async move { blocking(move || rewrite_bucket(&lake, &current, &given, bucket, &how, old)).await? },
            );
        }
        let outcomes: Vec<Merged> = stream::iter(tasks)
            .buffer_unordered(self.lake.inner.options.threads.max(1))
            .inspect_ok(|_| self.lake.fault("lake.after_data_file"))
            .try_collect()
            .await?;
        let mut draft = Draft {
            key: Some(self.key.clone()),
            adds: Vec::new(),
            removes: Vec::new(),
            changed: Changed::default(),
            data_change: true,
            operation: self.operation(),
            meta,
            put_beside: Vec::new(),
            beside_property: (!current.beside_property.is_empty()).then(String::new),
        };
        for outcome in outcomes {
            draft.changed.inserted += outcome.changed.inserted;
            draft.changed.updated += outcome.changed.updated;
            draft.changed.deleted += outcome.changed.deleted;
            draft.adds.extend(outcome.written);
            draft.removes.extend(outcome.replaced);
        }
        if replacing {
            draft.changed.deleted = current.files.iter().map(|file| file.live()).sum();
            draft.removes.clone_from(&current.files);
        }
        // The log never listed what lay beside.
        draft.removes.retain(|file| !file.beside);
        // Buckets finish in any order; the log lists them in theirs.
        draft.adds.sort_by_key(|file| file.bucket);
        self.lake.commit(writing, name, Base::Version(current.version), draft).await
    }

    fn operation(&self) -> DeltaOperation {
        match &self.mode {
            Mode::Delete => DeltaOperation::Delete { predicate: None },
            Mode::Replace => write_operation(SaveMode::Overwrite, true),
            Mode::Append | Mode::Upsert { .. } => DeltaOperation::Merge {
                predicate: None,
                merge_predicate: Some(self.table.layout.key.join(", ")),
                matched_predicates: Vec::new(),
                not_matched_predicates: Vec::new(),
                not_matched_by_source_predicates: Vec::new(),
            },
        }
    }
}

/// Finds the rows of a bucket that the keys given are of.
fn meet(lake: &Lake, table: &Table, given: &Given, bucket: u32) -> Result<MetHere, LakeError> {
    let failed = |source| LakeError::Arrow { action: "merge", table: table.name.clone(), source };
    let sought = keys_of(&table.shape(), &given.rows.read(bucket)?, &given.gone.read(bucket)?).map_err(failed)?;
    let mut files = Vec::new();
    for file in table.files.iter().filter(|file| file.bucket == Some(bucket)) {
        let met = runs::places_of(file, &table.folder, &lake.inner.footers, &sought)?;
        if !met.places.is_empty() {
            files.push((Arc::clone(file), met));
        }
    }
    Ok(MetHere { bucket, new: sought.new_rows(), files })
}

/// Writes the rows given for a bucket to a file beside it, together with the files beside that are no larger.
fn write_beside(table: &Table, given: &Given, bucket: u32, keys: u64, how: &How) -> Result<Merged, LakeError> {
    let files: Vec<Arc<DataFile>> = table.files.iter().filter(|file| file.bucket == Some(bucket)).cloned().collect();
    let shape = table.shape();
    BucketMerge {
        table: &table.name,
        shape: &shape,
        bucket,
        order: &how.order,
        old: runs::to_absorb(&files, keys),
        new: rows_given(table, given, bucket)?,
        gone: given.gone.read(bucket)?,
        path: format!("{}/part-{}.parquet", beside::FOLDER, Uuid::now_v7()),
        beside: None,
        anyway: false,
    }
    .run()
}

/// The rows given for a bucket, with the table's columns as they are now.
fn rows_given(table: &Table, given: &Given, bucket: u32) -> Result<Vec<RecordBatch>, LakeError> {
    let rows = given.rows.read(bucket)?;
    if given.rows.schema() == table.schema {
        return Ok(rows);
    }
    // Columns were added since the writer was opened.
    rows.iter().map(|batch| table.fit(batch)).collect()
}

fn rewrite_bucket(
    lake: &Lake,
    table: &Table,
    given: &Given,
    bucket: u32,
    how: &How,
    old: Vec<Arc<DataFile>>,
) -> Result<Merged, LakeError> {
    let shape = table.shape();
    let is_beside = old.iter().any(|file| file.beside || !file.hidden.is_empty());
    BucketMerge {
        table: &table.name,
        shape: &shape,
        bucket,
        order: &how.order,
        old,
        new: rows_given(table, given, bucket)?,
        gone: given.gone.read(bucket)?,
        path: format!("{BUCKET_COLUMN}={bucket}/part-{}.parquet", Uuid::now_v7()),
        // A bucket that rows lie beside becomes one file again.
        beside: (how.beside && !is_beside).then_some(&lake.inner.footers),
        anyway: is_beside,
    }
    .run()
}
