//! What changed in a keyed table between two versions, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;

use crate::beside::{FileRows, only_in_one};
use crate::data_file::DataFile;
use crate::error::LakeError;
use crate::lake::{BatchStream, Lake};
use crate::merge::{KeyOrder, OldRows, SortedFile};
use crate::name::TableName;
use crate::table::Table;

/// The column that [`Lake::changes`] puts before the table's own: `insert`, `update` or `delete`.
pub const CHANGE_COLUMN: &str = "_change";

const INSERT: &str = "insert";
const UPDATE: &str = "update";
const DELETE: &str = "delete";

/// Batches waiting for whoever reads the changes.
const QUEUE_BATCHES: usize = 4;

impl Lake {
    /// Streams the rows that differ between versions `from` and `to`, bucket by bucket and by key
    /// within each: the column `_change`, then the columns of `to`. An update has the new row, a
    /// delete the old one. A row that was changed and changed back is none.
    ///
    /// It compares files, so what was not rewritten costs nothing; memory is a few batches of each file.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for tables without a key; [`LakeError::NoTable`],
    /// [`LakeError::NoVersion`]; while streaming [`LakeError::File`] when a version was vacuumed.
    pub async fn changes(&self, table: &TableName, from: i64, to: i64) -> Result<BatchStream, LakeError> {
        let old = self.table(table, Some(from)).await?;
        let new = self.table(table, Some(to)).await?;
        if !new.layout.is_keyed() {
            return Err(LakeError::NotAllowed {
                table: table.clone(),
                operation: "list changes",
                reason: "its rows have no key",
            });
        }
        let (sender, receiver) = mpsc::channel(QUEUE_BATCHES);
        tokio::task::spawn_blocking(move || {
            let outcome = all_buckets(&old, &new, &sender);
            if let Err(error) = outcome {
                // The reader may be gone; then nobody wants the error either.
                let _ = sender.blocking_send(Err(error));
            }
        });
        let batches =
            stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|batch| (batch, receiver)));
        Ok(batches.boxed())
    }
}

type Sender = mpsc::Sender<Result<RecordBatch, LakeError>>;

fn all_buckets(old: &Table, new: &Table, sender: &Sender) -> Result<(), LakeError> {
    let before = by_bucket(old);
    let after = by_bucket(new);
    let schema = change_schema(&new.schema);
    let buckets: BTreeSet<u32> = before.keys().chain(after.keys()).copied().collect();
    let nothing = Vec::new();
    for bucket in buckets {
        let (old_files, new_files) = (before.get(&bucket).unwrap_or(&nothing), after.get(&bucket).unwrap_or(&nothing));
        let (old_only, new_only) = only_in_one((&old.folder, old_files), (&new.folder, new_files));
        if old_only.is_empty() && new_only.is_empty() {
            continue;
        }
        let mut compare = Comparison::open(new, &old_only, &new_only)?;
        while let Some(batch) = compare.next_batch(&schema)? {
            if sender.blocking_send(Ok(batch)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn by_bucket(table: &Table) -> BTreeMap<u32, Vec<Arc<DataFile>>> {
    let mut found: BTreeMap<u32, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in &table.files {
        if let Some(bucket) = file.bucket {
            found.entry(bucket).or_default().push(Arc::clone(file));
        }
    }
    found
}

fn change_schema(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<FieldRef> = vec![Arc::new(Field::new(CHANGE_COLUMN, DataType::Utf8, false))];
    fields.extend(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

/// Two sorted sequences of rows, walked side by side.
struct Comparison<'a> {
    table: &'a Table,
    keys: KeyOrder,
    whole: RowConverter,
    old: Side,
    new: Side,
}

struct Side {
    rows: OldRows,
    current: Option<Current>,
}

struct Current {
    batch: RecordBatch,
    keys: Rows,
    whole: Rows,
    next: usize,
}

impl<'a> Comparison<'a> {
    fn open(table: &'a Table, old: &[FileRows], new: &[FileRows]) -> Result<Self, LakeError> {
        let failed = |source| comparing(table, source);
        let mut keys = KeyOrder::new(&table.schema, &table.layout.key).map_err(failed)?;
        let fields = table.schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let whole = RowConverter::new(fields).map_err(failed)?;
        let mut side = |files: &[FileRows]| -> Result<Side, LakeError> {
            let files = files.iter().map(|rows| SortedFile::open(rows, &table.schema)).collect::<Result<_, _>>()?;
            Ok(Side { rows: OldRows::new(files, &mut keys)?, current: None })
        };
        let (old, new) = (side(old)?, side(new)?);
        Ok(Self { table, keys, whole, old, new })
    }

    /// The next differing rows, or `None` at the end of both sides.
    fn next_batch(&mut self, schema: &SchemaRef) -> Result<Option<RecordBatch>, LakeError> {
        loop {
            let has_old = self.old.fill(&mut self.keys, &self.whole, self.table)?;
            let has_new = self.new.fill(&mut self.keys, &self.whole, self.table)?;
            if !has_old && !has_new {
                return Ok(None);
            }
            let (places, kinds) = self.walk();
            if places.is_empty() {
                continue;
            }
            let sources: Vec<&RecordBatch> =
                [&self.old.current, &self.new.current].into_iter().flatten().map(|current| &current.batch).collect();
            let failed = |source| comparing(self.table, source);
            let rows = interleave_record_batch(&sources, &places).map_err(failed)?;
            let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(kinds))];
            columns.extend(rows.columns().iter().cloned());
            return RecordBatch::try_new(Arc::clone(schema), columns).map(Some).map_err(failed);
        }
    }

    /// Walks until one side's batch is used up. Places are (side among those present, row).
    fn walk(&mut self) -> (Vec<(usize, usize)>, Vec<&'static str>) {
        use std::cmp::Ordering;
        let mut places = Vec::new();
        let mut kinds = Vec::new();
        let new_source = usize::from(self.old.current.is_some());
        loop {
            let old = self.old.current.as_ref().filter(|side| side.next < side.batch.num_rows());
            let new = self.new.current.as_ref().filter(|side| side.next < side.batch.num_rows());
            let order = match (old, new) {
                (Some(old), Some(new)) => old.keys.row(old.next).cmp(&new.keys.row(new.next)),
                // A side whose batch is used up may have more to come; one that is gone has not.
                (Some(_), None) if self.new.current.is_none() => Ordering::Less,
                (None, Some(_)) if self.old.current.is_none() => Ordering::Greater,
                _ => return (places, kinds),
            };
            let (old, new) = (self.old.current.as_mut(), self.new.current.as_mut());
            match (order, old, new) {
                (Ordering::Less, Some(old), _) => {
                    places.push((0, old.next));
                    kinds.push(DELETE);
                    old.next += 1;
                }
                (Ordering::Greater, _, Some(new)) => {
                    places.push((new_source, new.next));
                    kinds.push(INSERT);
                    new.next += 1;
                }
                (Ordering::Equal, Some(old), Some(new)) => {
                    if old.whole.row(old.next) != new.whole.row(new.next) {
                        places.push((new_source, new.next));
                        kinds.push(UPDATE);
                    }
                    old.next += 1;
                    new.next += 1;
                }
                _ => return (places, kinds),
            }
        }
    }
}

impl Side {
    /// Loads the next batch when the current one is used up; false at the end.
    fn fill(&mut self, keys: &mut KeyOrder, whole: &RowConverter, table: &Table) -> Result<bool, LakeError> {
        loop {
            if self.current.as_ref().is_some_and(|side| side.next < side.batch.num_rows()) {
                return Ok(true);
            }
            match self.rows.next_batch(keys).transpose()? {
                None => {
                    self.current = None;
                    return Ok(false);
                }
                Some((batch, key_rows)) => {
                    let failed = |source| comparing(table, source);
                    let whole = whole.convert_columns(batch.columns()).map_err(failed)?;
                    self.current = Some(Current { batch, keys: key_rows, whole, next: 0 });
                }
            }
        }
    }
}

fn comparing(table: &Table, source: ArrowError) -> LakeError {
    LakeError::Arrow { action: "compare", table: table.name.clone(), source }
}
