//! Writing to a table: append, upsert, replace, delete. Rows go in, one commit comes out.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::protocol::SaveMode;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::commit::{Base, Changed, Commit, Draft, write_operation};
use crate::data_file::{BackgroundWriter, FileWriter, WrittenFile};
use crate::error::LakeError;
use crate::lake::Lake;
use crate::layout::buckets_of;
use crate::name::{CommitKey, TableName};
use crate::rewrite::Given;
use crate::spill::Spill;
use crate::table::{Table, fit_to};

/// Rows after which an appended file is closed and the next begins.
pub(crate) const FILE_ROWS: u64 = 2_097_152;
/// Attempts at an upsert whose table another engine changed meanwhile.
const REWRITES_MAX: u32 = 3;

/// Takes rows for one commit. Dropped without [`Writer::commit`] it changes nothing; files it may
/// leave are seen by nobody and taken by [`Lake::vacuum`].
pub struct Writer {
    pub(crate) lake: Lake,
    pub(crate) table: Arc<Table>,
    pub(crate) key: CommitKey,
    pub(crate) mode: Mode,
    done: Option<Commit>,
    rows: u64,
    stage: Stage,
}

#[derive(Debug, Clone)]
pub(crate) enum Mode {
    Append,
    Replace,
    Upsert {
        order: Vec<String>,
        /// Whether files that hold none of the keys given may stay beside the new one.
        beside: bool,
    },
    Delete,
}

/// Where the rows given so far are.
enum Stage {
    /// In files, as they came: tables without a key.
    Plain(Plain),
    /// By bucket: keyed tables.
    Keyed(Box<Keyed>),
    /// Lost with a write that failed or was cancelled.
    Broken,
}

/// Rows to put, and keys whose rows go.
struct Keyed {
    rows: Spill,
    gone: Spill,
}

#[derive(Default)]
struct Plain {
    open: Option<(BackgroundWriter, u64)>,
    written: Vec<WrittenFile>,
}

impl Lake {
    /// Adds rows to a table without a key.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for a keyed table, whose rows must be upserted;
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn appender(&self, table: &TableName, key: CommitKey) -> Result<Writer, LakeError> {
        self.writer(table, key, Mode::Append).await
    }

    /// Puts rows in a keyed table: a row whose key is known takes the old row's place.
    ///
    /// Of several rows given for one key, the one with the greatest `order` columns counts (empty
    /// values are smallest), and of equals the last one given.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for a table without a key; [`LakeError::NoColumn`] for an order
    /// column that is not there; [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn upserter(&self, table: &TableName, key: CommitKey, order: &[&str]) -> Result<Writer, LakeError> {
        let order = order.iter().map(|&name| name.to_owned()).collect();
        self.writer(table, key, Mode::Upsert { order, beside: false }).await
    }

    /// As [`Lake::upserter`], for tables that grow: a bucket's files stay as they are, and the new rows lie in a file
    /// of their own, until there is as much new as old. Adding or changing a hundredth then costs about a
    /// hundredth, whatever lies there already.
    ///
    /// Where keys are known, tables of [`crate::LakeOptions::beside_from`] rows and more hide the old rows. Until an
    /// eighth is hidden or new ([`crate::LakeOptions::beside_share`]) and the table is written anew, another engine
    /// sees it as it was before. In smaller ones the files that hold a known key are written anew.
    ///
    /// A scan in order gives such a bucket's rows file by file, each in key order.
    ///
    /// # Errors
    /// As [`Lake::upserter`].
    pub async fn grower(&self, table: &TableName, key: CommitKey, order: &[&str]) -> Result<Writer, LakeError> {
        let order = order.iter().map(|&name| name.to_owned()).collect();
        self.writer(table, key, Mode::Upsert { order, beside: true }).await
    }

    /// Puts the rows given in the place of all rows there are, in one commit.
    ///
    /// For a keyed table the last row given for a key counts.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn replacer(&self, table: &TableName, key: CommitKey) -> Result<Writer, LakeError> {
        self.writer(table, key, Mode::Replace).await
    }

    /// Removes the rows of a keyed table whose keys are given. Batches have the key's columns. In a large table the
    /// rows are hidden, as [`Lake::grower`] hides those it changes.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for a table without a key; [`LakeError::NoTable`], [`LakeError::Log`].
    pub async fn deleter(&self, table: &TableName, key: CommitKey) -> Result<Writer, LakeError> {
        self.writer(table, key, Mode::Delete).await
    }

    async fn writer(&self, name: &TableName, key: CommitKey, mode: Mode) -> Result<Writer, LakeError> {
        let table = self.table(name, None).await?;
        let keyed = table.layout.is_keyed();
        let refused = |operation, reason| Err(LakeError::NotAllowed { table: name.clone(), operation, reason });
        let schema = Arc::clone(&table.schema);
        match &mode {
            Mode::Append if keyed => return refused("append", "its rows have a key: upsert them"),
            Mode::Upsert { .. } if !keyed => return refused("upsert", "its rows have no key"),
            Mode::Delete if !keyed => return refused("delete by key", "its rows have no key"),
            Mode::Upsert { order, .. } => {
                if let Some(absent) = order.iter().find(|column| schema.field_with_name(column).is_err()) {
                    return Err(LakeError::NoColumn { table: name.clone(), column: absent.clone() });
                }
            }
            Mode::Append | Mode::Replace | Mode::Delete => {}
        }
        let done = self.committed_in(&table, &key).await?;
        let spill = |schema| Spill::new(&self.inner.options, name, schema, table.layout.buckets);
        let stage = if keyed {
            Stage::Keyed(Box::new(Keyed { rows: spill(schema), gone: spill(key_schema(&table)?) }))
        } else {
            Stage::Plain(Plain::default())
        };
        Ok(Writer { lake: self.clone(), table, key, mode, done, rows: 0, stage })
    }
}

fn key_schema(table: &Table) -> Result<SchemaRef, LakeError> {
    let fields = table
        .layout
        .key
        .iter()
        .map(|name| {
            table
                .schema
                .field_with_name(name)
                .cloned()
                .map_err(|_| LakeError::NoColumn { table: table.name.clone(), column: name.clone() })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

impl Writer {
    /// The commit that was made earlier with the same key. Writing more rows is then pointless,
    /// though harmless.
    #[must_use]
    pub const fn already_done(&self) -> Option<&Commit> {
        self.done.as_ref()
    }

    /// Rows given so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes rows. Columns go by name; nullable ones may be left out. Of a deleter, takes keys, as [`Writer::remove`].
    ///
    /// # Errors
    /// [`LakeError::Rows`] when the batch does not fit the table, among them rows of a keyed table
    /// that lack a part of their key; [`LakeError::StorageFull`], [`LakeError::File`].
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), LakeError> {
        if matches!(self.mode, Mode::Delete) {
            return self.remove(batch).await;
        }
        if self.done.is_some() || batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = fit_to(&self.table.name, &self.table.schema, &batch)?;
        let rows = self.begin(&batch);
        // Should what follows fail or be cancelled, the writer stays broken.
        self.stage = match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Plain(plain) => Stage::Plain(self.write_plain(plain, batch).await?),
            Stage::Keyed(keyed) => {
                let Keyed { rows, gone } = *keyed;
                Stage::Keyed(Box::new(Keyed { rows: self.write_keyed(rows, batch).await?, gone }))
            }
            Stage::Broken => return Err(LakeError::Broken),
        };
        self.rows += rows;
        Ok(())
    }

    /// Takes keys of a keyed table whose rows go; batches have the key's columns. A key that a row is given for, too,
    /// stays with that row, whichever was given first.
    ///
    /// # Errors
    /// As [`Writer::write`]; [`LakeError::NotAllowed`] for a table without a key, and when all rows are replaced.
    pub async fn remove(&mut self, keys: RecordBatch) -> Result<(), LakeError> {
        let refused =
            |reason| LakeError::NotAllowed { table: self.table.name.clone(), operation: "remove by key", reason };
        if matches!(self.mode, Mode::Replace) {
            return Err(refused("all of its rows are replaced"));
        }
        if self.done.is_some() || keys.num_rows() == 0 {
            return Ok(());
        }
        if matches!(self.stage, Stage::Plain(_)) {
            return Err(refused("its rows have no key"));
        }
        let keys = fit_to(&self.table.name, &key_schema(&self.table)?, &keys)?;
        let count = self.begin(&keys);
        self.stage = match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Keyed(keyed) => {
                let Keyed { rows, gone } = *keyed;
                Stage::Keyed(Box::new(Keyed { rows, gone: self.write_keyed(gone, keys).await? }))
            }
            Stage::Plain(_) | Stage::Broken => return Err(LakeError::Broken),
        };
        self.rows += count;
        Ok(())
    }

    /// The rows of a batch that is about to be taken.
    fn begin(&self, batch: &RecordBatch) -> u64 {
        if self.rows == 0 {
            self.lake.fault("lake.before_write");
        }
        batch.num_rows() as u64
    }

    async fn write_keyed(&self, mut spill: Spill, batch: RecordBatch) -> Result<Spill, LakeError> {
        let layout = &self.table.layout;
        let buckets = buckets_of(&self.table.name, &batch, &layout.key, layout.buckets)?;
        spill.push(batch, buckets);
        if !spill.is_full() {
            return Ok(spill);
        }
        let spill = blocking(move || spill.flush().map(|()| spill)).await??;
        self.lake.fault("lake.after_spill");
        Ok(spill)
    }

    async fn write_plain(&self, mut plain: Plain, batch: RecordBatch) -> Result<Plain, LakeError> {
        let (mut writer, rows) = if let Some(open) = plain.open.take() {
            open
        } else {
            let path = format!("part-{}.parquet", Uuid::now_v7());
            let file = FileWriter::create(&self.table.shape(), path, None)?;
            (BackgroundWriter::start(file), 0)
        };
        let rows = rows + batch.num_rows() as u64;
        writer.write(batch).await?;
        plain.open = Some((writer, rows));
        if rows >= FILE_ROWS {
            self.close_plain(&mut plain).await?;
        }
        Ok(plain)
    }

    async fn close_plain(&self, plain: &mut Plain) -> Result<(), LakeError> {
        if let Some((writer, _)) = plain.open.take() {
            plain.written.push(writer.finish().await?);
            self.lake.fault("lake.after_data_file");
        }
        Ok(())
    }

    /// Makes the rows visible, all at once, with `meta` beside them in the log.
    ///
    /// Zero rows are a commit too: an empty delivery is recognised when it is sent again.
    ///
    /// # Errors
    /// [`LakeError::Locked`] or [`LakeError::Contended`] when others keep the table;
    /// [`LakeError::StorageFull`], [`LakeError::File`], [`LakeError::Parquet`], [`LakeError::Log`].
    /// After an error nothing is visible and the whole may be repeated.
    pub async fn commit(mut self, meta: Map<String, Value>) -> Result<Commit, LakeError> {
        if let Some(done) = self.done.take() {
            return Ok(done);
        }
        let Keyed { rows, gone } = *match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Plain(mut plain) => {
                self.close_plain(&mut plain).await?;
                return self.commit_plain(plain.written, meta).await;
            }
            Stage::Keyed(keyed) => keyed,
            Stage::Broken => return Err(LakeError::Broken),
        };
        let given = Arc::new(blocking(move || Ok(Given { rows: rows.finish()?, gone: gone.finish()? })).await??);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.rewrite(&given, meta.clone()).await;
            match outcome {
                Err(LakeError::Contended { .. }) if attempt < REWRITES_MAX => {
                    tracing::warn!(table = %self.table.name, attempt, "rewriting once more");
                }
                outcome => return outcome,
            }
        }
    }

    async fn commit_plain(&self, written: Vec<WrittenFile>, meta: Map<String, Value>) -> Result<Commit, LakeError> {
        let name = &self.table.name;
        let writing = self.lake.writing(name).await?;
        let rows = self.rows;
        let mut draft = Draft {
            key: Some(self.key.clone()),
            adds: written,
            removes: Vec::new(),
            changed: Changed { inserted: rows, ..Changed::default() },
            data_change: true,
            operation: write_operation(SaveMode::Append, false),
            meta,
            put_beside: Vec::new(),
            beside_property: None,
        };
        let mut base = Base::Any;
        if matches!(self.mode, Mode::Replace) {
            let current = self.lake.table(name, None).await?;
            draft.changed.deleted = current.files.iter().map(|file| file.live()).sum();
            draft.removes.clone_from(&current.files);
            draft.operation = write_operation(SaveMode::Overwrite, false);
            base = Base::Version(current.version);
        }
        self.lake.commit(&writing, name, base, draft).await
    }
}

/// Runs blocking work on a thread meant for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LakeError::Task { detail: error.to_string() })
}
