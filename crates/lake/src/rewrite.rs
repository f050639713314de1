//! New rows of a keyed table into its buckets: beside them where that is cheaper, else the touched buckets anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::beside::{self, Beside};
use crate::commit::{Base, Changed, Commit, Draft, Writing, write_operation};
use crate::data_file::{DataFile, WrittenFile};
use crate::error::LakeError;
use crate::lake::Lake;
use crate::layout::BUCKET_COLUMN;
use crate::merge::{BucketMerge, Effect, Merged, keys_of};
use crate::runs;
use crate::spill::Buckets;
use crate::table::Table;
use crate::write::{Mode, Writer, blocking};

/// How buckets are merged.
struct How {
    effect: Effect,
    order: Vec<String>,
    beside: bool,
}

/// The rows of one bucket that keys given are of.
struct Met {
    bucket: u32,
    /// Different keys given.
    keys: u64,
    /// For each file that has some of them, their places.
    places: Vec<(Arc<DataFile>, Vec<u32>)>,
}

impl Met {
    fn rows(&self) -> u64 {
        self.places.iter().map(|(_, places)| places.len() as u64).sum()
    }
}

impl Writer {
    /// Puts or removes the rows given and commits.
    pub(crate) async fn rewrite(&self, buckets: &Arc<Buckets>, meta: Map<String, Value>) -> Result<Commit, LakeError> {
        let name = &self.table.name;
        let writing = self.lake.writing(name).await?;
        let current = self.lake.table(name, None).await?;
        if let Some(done) = self.lake.committed_in(&current, &self.key).await? {
            return Ok(done);
        }
        let how = Arc::new(match &self.mode {
            Mode::Upsert { order, beside } => How { effect: Effect::Put, order: order.clone(), beside: *beside },
            Mode::Delete => How { effect: Effect::Delete, order: Vec::new(), beside: true },
            Mode::Append | Mode::Replace => How { effect: Effect::Put, order: Vec::new(), beside: false },
        });
        let rows: u64 = current.files.iter().map(|file| file.live()).sum();
        if how.beside
            && rows >= self.lake.inner.options.beside_from
            && let Some(commit) = self.put_beside(&writing, &current, buckets, &how, rows, &meta).await?
        {
            return Ok(commit);
        }
        self.write_anew(&writing, &current, buckets, how, meta).await
    }

    /// Leaves the buckets as they are. `None` when so much would lie beside them that they are better written anew,
    /// or when none of the keys is known: then other engines may see the new rows at once.
    async fn put_beside(
        &self,
        writing: &Writing,
        current: &Arc<Table>,
        buckets: &Arc<Buckets>,
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
        let tasks = buckets.occupied.iter().map(|&bucket| {
            let (lake, table, buckets, how) =
                (self.lake.clone(), Arc::clone(current), Arc::clone(buckets), Arc::clone(how));
            async move { blocking(move || meet(&lake, &table, &buckets, bucket, &how)).await? }
        });
        let met: Vec<Met> = stream::iter(tasks.collect::<Vec<_>>()).buffered(threads).try_collect().await?;
        let keys: u64 = met.iter().map(|met| met.keys).sum();
        let known: u64 = met.iter().map(Met::rows).sum();
        let changed = match how.effect {
            Effect::Put => Changed { inserted: keys - known.min(keys), updated: known, deleted: 0 },
            Effect::Delete => Changed { deleted: known, ..Changed::default() },
        };
        let new = if how.effect == Effect::Put { keys } else { 0 };
        if Beside::is_too_much(beside_now + new + known, rows, share)
            || (current.beside.is_empty() && known == 0 && new > 0)
        {
            return Ok(None);
        }
        let mut written = Vec::new();
        let mut absorbed = Vec::new();
        if how.effect == Effect::Put {
            let tasks = met.iter().map(|met| {
                let (table, buckets, how) = (Arc::clone(current), Arc::clone(buckets), Arc::clone(how));
                let (bucket, keys) = (met.bucket, met.keys);
                async move { blocking(move || write_beside(&table, &buckets, bucket, keys, &how)).await? }
            });
            let outcomes: Vec<(Option<WrittenFile>, Vec<Arc<DataFile>>)> = stream::iter(tasks.collect::<Vec<_>>())
                .buffered(threads)
                .inspect_ok(|_| self.lake.fault("lake.after_data_file"))
                .try_collect()
                .await?;
            for (file, gone) in outcomes {
                written.extend(file);
                absorbed.extend(gone);
            }
        }
        let mut beside = current.beside.without(&absorbed);
        let gone: BTreeSet<&str> = absorbed.iter().map(|file| file.path.as_str()).collect();
        for (file, places) in met.into_iter().flat_map(|met| met.places) {
            if !gone.contains(file.path.as_str()) {
                beside.hide(&file.path, places);
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
        buckets: &Arc<Buckets>,
        how: Arc<How>,
        meta: Map<String, Value>,
    ) -> Result<Commit, LakeError> {
        let name = &self.table.name;
        let replacing = matches!(self.mode, Mode::Replace);
        let mut touched: BTreeSet<u32> = buckets.occupied.iter().copied().collect();
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
            let (buckets, current, how) = (Arc::clone(buckets), Arc::clone(current), Arc::clone(&how));
            let lake = self.lake.clone();
            tasks.push(
                async move { blocking(move || rewrite_bucket(&lake, &current, &buckets, bucket, &how, old)).await? },
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
fn meet(lake: &Lake, table: &Table, buckets: &Buckets, bucket: u32, how: &How) -> Result<Met, LakeError> {
    let failed = |source| LakeError::Arrow { action: "merge", table: table.name.clone(), source };
    let shape = table.shape();
    let new = buckets.read(bucket)?;
    let sought = keys_of(&shape, &new, &how.order).map_err(failed)?;
    let mut places = Vec::new();
    for file in table.files.iter().filter(|file| file.bucket == Some(bucket)) {
        let found = runs::places_of(file, &table.folder, &lake.inner.footers, &sought)?;
        if !found.is_empty() {
            places.push((Arc::clone(file), found));
        }
    }
    Ok(Met { bucket, keys: sought.len() as u64, places })
}

/// Writes the rows given for a bucket to a file beside it, together with the files beside that are no larger.
fn write_beside(
    table: &Table,
    buckets: &Buckets,
    bucket: u32,
    keys: u64,
    how: &How,
) -> Result<(Option<WrittenFile>, Vec<Arc<DataFile>>), LakeError> {
    let files: Vec<Arc<DataFile>> = table.files.iter().filter(|file| file.bucket == Some(bucket)).cloned().collect();
    let old = runs::to_absorb(&files, keys);
    let shape = table.shape();
    let merged = BucketMerge {
        table: &table.name,
        shape: &shape,
        bucket,
        order: &how.order,
        effect: how.effect,
        old,
        new: rows_given(table, buckets, bucket, how)?,
        path: format!("{}/part-{}.parquet", beside::FOLDER, Uuid::now_v7()),
        beside: None,
        anyway: false,
    };
    let merged = merged.run()?;
    Ok((merged.written, merged.replaced))
}

/// The rows given for a bucket, with the table's columns as they are now.
fn rows_given(
    table: &Table,
    buckets: &Buckets,
    bucket: u32,
    how: &How,
) -> Result<Vec<arrow::array::RecordBatch>, LakeError> {
    let new = buckets.read(bucket)?;
    if how.effect == Effect::Put && buckets.schema() != table.schema {
        // Columns were added since the writer was opened.
        return new.iter().map(|batch| table.fit(batch)).collect();
    }
    Ok(new)
}

fn rewrite_bucket(
    lake: &Lake,
    table: &Table,
    buckets: &Buckets,
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
        effect: how.effect,
        old,
        new: rows_given(table, buckets, bucket, how)?,
        path: format!("{BUCKET_COLUMN}={bucket}/part-{}.parquet", Uuid::now_v7()),
        // A bucket that rows lie beside becomes one file again.
        beside: (how.beside && !is_beside).then_some(&lake.inner.footers),
        anyway: is_beside,
    }
    .run()
}
