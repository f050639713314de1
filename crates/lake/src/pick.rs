//! Some rows of a table: those with given keys, and those in which two versions differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use parquet::errors::ParquetError;
use xxhash_rust::xxh3::xxh3_128;

use crate::beside::{Chosen, FileRows, live_selection, only_in_one};
use crate::data_file::DataFile;
use crate::error::LakeError;
use crate::lake::{Lake, locked};
use crate::layout::bucket_of;
use crate::lookup::rows_where;
use crate::merge::{SortedFile, sorted_by};
use crate::name::TableName;
use crate::ordered::{has, meet_in_order};
use crate::pages::Bounds;
use crate::table::Table;
use crate::write::blocking;

/// Between the texts of a key of several columns.
const BETWEEN: &str = "\u{1f}";

/// The rows in which two versions of a table differ.
#[derive(Debug, Default)]
pub struct Differing {
    /// Rows of the older version that the newer has not.
    pub gone: Vec<RecordBatch>,
    /// Rows of the newer version that the older has not.
    pub came: Vec<RecordBatch>,
    /// Rows that went and were not read ([`Gone::Unreplaced`]): each has the key of one that came.
    pub replaced: u64,
}

/// Which rows of the older version are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// All that the newer version has not.
    All,
    /// Those whose key the newer version may lack. The old form of a row that came again under its key is left out
    /// where the log alone tells of it: they lie all over a large table, and to read them is most of the work.
    Unreplaced,
}

impl Lake {
    /// The rows with these business keys, with these columns; a key's parts are texts joined by U+001F, as Arrow
    /// writes them. In no particular order. Trusted.
    ///
    /// Reads the pages in which a key can lie, so its cost follows the number of keys, up to that of reading the
    /// columns whole.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for tables without a key; [`LakeError::NoColumn`], [`LakeError::NoTable`],
    /// [`LakeError::NoVersion`], [`LakeError::Parquet`], [`LakeError::File`].
    pub async fn pick(
        &self,
        name: &TableName,
        version: Option<i64>,
        columns: &[String],
        keys: impl IntoIterator<Item = String>,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let table = self.table(name, version).await?;
        if !table.layout.is_keyed() {
            return Err(LakeError::NotAllowed {
                table: name.clone(),
                operation: "pick rows by key",
                reason: "its rows have no key",
            });
        }
        let schema = projected(&table, columns)?;
        let mut wanted: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for key in keys {
            let parts: Vec<&str> = key.split(BETWEEN).collect();
            let bucket = bucket_of(&parts, table.layout.buckets);
            wanted.entry(bucket).or_default().push(key);
        }
        let mut tasks = Vec::new();
        for (bucket, keys) in wanted {
            let (lake, table, schema) = (self.clone(), Arc::clone(&table), Arc::clone(&schema));
            tasks.push(async move { blocking(move || pick_in(&lake, &table, &schema, bucket, keys)).await? });
        }
        let found: Vec<Vec<RecordBatch>> =
            stream::iter(tasks).buffered(self.inner.options.threads.max(1)).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The rows that differ between versions `from` and `to` in these columns, with these columns: both the old and
    /// the new form of a row that changed. `None` when there are more than `rows_max` of either.
    ///
    /// It compares files, bucket by bucket, so what was not rewritten costs nothing. Memory is one number for each
    /// row of one bucket, and the rows that differ.
    ///
    /// # Errors
    /// [`LakeError::NoColumn`], [`LakeError::NoTable`], [`LakeError::NoVersion`]; [`LakeError::File`] when a version
    /// was vacuumed.
    pub async fn differing(
        &self,
        name: &TableName,
        (from, to): (i64, i64),
        columns: &[String],
        gone: Gone,
        rows_max: u64,
    ) -> Result<Option<Differing>, LakeError> {
        let only_put = gone == Gone::Unreplaced && self.only_put(name, from, to)?;
        let old = self.table(name, Some(from)).await?;
        let new = self.table(name, Some(to)).await?;
        let schema = projected(&new, columns)?;
        let (before, after) = (by_bucket(&old), by_bucket(&new));
        let buckets: BTreeSet<Option<u32>> = before.keys().chain(after.keys()).copied().collect();
        let mut tasks = Vec::new();
        let mut whole = Differing::default();
        let nothing = Vec::new();
        for bucket in buckets {
            let (old_files, new_files) =
                (before.get(&bucket).unwrap_or(&nothing), after.get(&bucket).unwrap_or(&nothing));
            let (mut gone, came) = only_in_one((&old.folder, old_files), (&new.folder, new_files));
            if only_put {
                // Rows that were hidden since; rows of files that are gone may be in others as they were.
                gone.retain(|rows| match &rows.chosen {
                    Chosen::Only(places) => {
                        whole.replaced += places.len() as u64;
                        false
                    }
                    Chosen::Except(_) => true,
                });
            }
            if gone.is_empty() && came.is_empty() {
                continue;
            }
            let (schema, name) = (Arc::clone(&schema), name.clone());
            tasks.push(async move { blocking(move || differ(&name, &schema, &gone, &came, rows_max)).await? });
        }
        let rows = |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let mut parts = stream::iter(tasks).buffered(self.inner.options.threads.max(1));
        while let Some(part) = parts.next().await {
            let Some(part) = part? else { return Ok(None) };
            whole.gone.extend(part.gone);
            whole.came.extend(part.came);
            if rows(&whole.gone).max(rows(&whole.came)) > rows_max {
                return Ok(None);
            }
        }
        Ok(Some(whole))
    }

    /// Whether every commit after `from` up to `to` is one of ours, at hand, and only put rows: then a row that is
    /// hidden has a newer one of its key.
    fn only_put(&self, name: &TableName, from: i64, to: i64) -> Result<bool, LakeError> {
        for version in from.saturating_add(1)..=to {
            if self.changed_by(name, version)?.is_none_or(|changed| changed.deleted > 0) {
                return Ok(false);
            }
        }
        Ok(from <= to)
    }
}

fn projected(table: &Table, columns: &[String]) -> Result<SchemaRef, LakeError> {
    let field = |name: &String| {
        let absent = |_| LakeError::NoColumn { table: table.name.clone(), column: name.clone() };
        table.schema.field_with_name(name).cloned().map_err(absent)
    };
    Ok(Arc::new(Schema::new(columns.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
}

fn by_bucket(table: &Table) -> BTreeMap<Option<u32>, Vec<Arc<DataFile>>> {
    let mut found: BTreeMap<Option<u32>, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in &table.files {
        found.entry(file.bucket).or_default().push(Arc::clone(file));
    }
    found
}

/// The rows of one bucket with these keys.
///
/// The smallest files are asked first: they hold what changed last, and a key that was found is in no other file.
fn pick_in(
    lake: &Lake,
    table: &Table,
    schema: &SchemaRef,
    bucket: u32,
    mut keys: Vec<String>,
) -> Result<Vec<RecordBatch>, LakeError> {
    keys.sort_unstable();
    keys.dedup();
    let mut files: Vec<&Arc<DataFile>> = table.files.iter().filter(|file| file.bucket == Some(bucket)).collect();
    files.sort_by_key(|file| file.rows);
    let mut found = Vec::new();
    for file in files {
        if keys.is_empty() {
            break;
        }
        let path = table.folder.join(&file.path);
        let footer = lake.inner.footers.get(&path)?;
        let picked = read_picked(table, schema, &path, &file.hidden, &footer, &Arc::new(keys))
            .map_err(|source| LakeError::parquet("read", &path, source))?;
        found.extend(picked.rows);
        keys = picked.left;
    }
    Ok(found)
}

/// What one file had of the keys.
struct Picked {
    rows: Vec<RecordBatch>,
    /// The keys that it did not have, in order.
    left: Vec<String>,
}

fn read_picked(
    table: &Table,
    schema: &SchemaRef,
    path: &Path,
    hidden: &[u32],
    footer: &ArrowReaderMetadata,
    keys: &Arc<Vec<String>>,
) -> Result<Picked, ParquetError> {
    let met: Arc<Mutex<Vec<usize>>> = Arc::default();
    let mut among = Among {
        names: table.layout.key.clone(),
        keys: Arc::clone(keys),
        in_order: sorted_by(footer.metadata()) == table.layout.key,
        at: 0,
        met: Arc::clone(&met),
    };
    let chosen = candidates(table, hidden, footer, keys)?;
    let names: Vec<&str> = table.layout.key.iter().map(String::as_str).collect();
    // A key of one text is known once it was met, and need not be decoded again.
    let known = match names.as_slice() {
        [only] if schema.fields().len() > 1 => {
            schema.index_of(only).ok().filter(|at| schema.field(*at).data_type() == &DataType::Utf8)
        }
        _ => None,
    };
    let asked: Vec<usize> = (0..schema.fields().len()).filter(|at| Some(*at) != known).collect();
    let asked = Arc::new(schema.project(&asked)?);
    let mut rows = rows_where(path, footer, chosen, &names, &asked, move |batch| among.rows_of(&batch))?;
    let met = locked(&met);
    if let Some(at) = known {
        let mut next = met.iter().map(|key| keys[*key].as_str());
        for batch in &mut rows {
            let mut columns = batch.columns().to_vec();
            columns.insert(at, Arc::new(StringArray::from_iter_values(next.by_ref().take(batch.num_rows()))));
            *batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
        }
    }
    let mut is_met = vec![false; keys.len()];
    for key in met.iter() {
        is_met[*key] = true;
    }
    let left = keys.iter().zip(is_met).filter(|(_, met)| !met).map(|(key, _)| key.clone()).collect();
    Ok(Picked { rows, left })
}

/// Tells which rows have one of the keys.
struct Among {
    /// The key's columns.
    names: Vec<String>,
    /// In order.
    keys: Arc<Vec<String>>,
    /// Whether the rows are, too.
    in_order: bool,
    /// Where the last key was found.
    at: usize,
    /// Which keys were found, in the order of the rows that have them.
    met: Arc<Mutex<Vec<usize>>>,
}

impl Among {
    fn rows_of(&mut self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let columns = self
            .names
            .iter()
            .map(|name| Ok(batch.column(batch.schema().index_of(name)?)))
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let mut wanted = BooleanBufferBuilder::new(batch.num_rows());
        wanted.append_n(batch.num_rows(), false);
        let mut met = locked(&self.met);
        // Numbers lie in another order than their texts, and two parts in another than the joined text.
        if let ([only], true) = (columns.as_slice(), self.in_order)
            && let Some(texts) = only.as_string_opt::<i32>()
        {
            meet_in_order(&self.keys, texts, |row, key| {
                wanted.set_bit(row, true);
                met.push(key);
            });
            return Ok(BooleanArray::new(wanted.finish(), None));
        }
        let columns = columns.iter().map(|column| cast(column, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<&StringArray> = columns.iter().map(AsArray::as_string::<i32>).collect();
        let mut joined = String::new();
        for row in 0..batch.num_rows() {
            joined.clear();
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    joined.push_str(BETWEEN);
                }
                joined.push_str(text.value(row));
            }
            if has(&self.keys, &mut self.at, &joined) {
                wanted.set_bit(row, true);
                met.push(self.at);
            }
        }
        Ok(BooleanArray::new(wanted.finish(), None))
    }
}

/// Row groups and, within them, pages whose bounds hold the first part of some key. No selection: all pages.
fn candidates(
    table: &Table,
    hidden: &[u32],
    footer: &ArrowReaderMetadata,
    keys: &[String],
) -> Result<(Vec<usize>, RowSelection), ParquetError> {
    let first = &table.layout.key[0];
    let is_text = footer.schema().field_with_name(first).is_ok_and(|field| field.data_type() == &DataType::Utf8);
    if !is_text {
        let rows = usize::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or(usize::MAX);
        return Ok(((0..footer.metadata().num_row_groups()).collect(), live_selection(hidden, rows)));
    }
    let mut sought: Vec<&str> = keys.iter().map(|key| key.split(BETWEEN).next().unwrap_or_default()).collect();
    sought.sort_unstable();
    Bounds::of(footer, first)?.select(hidden, |lows, highs| {
        let within = |(low, high): (Option<&str>, Option<&str>)| {
            let (Some(low), Some(high)) = (low, high) else { return true };
            let next = sought.partition_point(|key| *key < low);
            sought.get(next).is_some_and(|key| *key <= high)
        };
        let bounds = lows.as_string::<i32>().iter().zip(highs.as_string::<i32>());
        Ok(bounds.map(|bounds| Some(within(bounds))).collect())
    })
}

/// Rows as numbers that are equal when the rows are.
struct Hasher(RowConverter);

impl Hasher {
    fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        Ok(Self(RowConverter::new(fields)?))
    }

    fn hashes(&self, batch: &RecordBatch) -> Result<Vec<u128>, ArrowError> {
        let rows = self.0.convert_columns(batch.columns())?;
        Ok(rows.iter().map(|row| xxh3_128(row.as_ref())).collect())
    }
}

/// The rows in which two sets of files differ.
fn differ(
    name: &TableName,
    schema: &SchemaRef,
    gone: &[FileRows],
    came: &[FileRows],
    rows_max: u64,
) -> Result<Option<Differing>, LakeError> {
    let failed = |source| LakeError::Arrow { action: "compare", table: name.clone(), source };
    let hasher = Hasher::new(schema).map_err(failed)?;
    // Rows of the old files that no new one has met yet.
    let mut left: HashMap<u128, u32> = HashMap::new();
    for rows in gone {
        let mut file = SortedFile::open(rows, schema)?;
        while let Some(batch) = file.next_batch().transpose()? {
            for hash in hasher.hashes(&batch).map_err(failed)? {
                *left.entry(hash).or_default() += 1;
            }
        }
    }
    let mut found = Differing::default();
    let mut rows = 0;
    for chosen in came {
        let mut file = SortedFile::open(chosen, schema)?;
        while let Some(batch) = file.next_batch().transpose()? {
            let mut places = Vec::new();
            for (row, hash) in (0_u32..).zip(hasher.hashes(&batch).map_err(failed)?) {
                match left.get_mut(&hash) {
                    Some(1) => {
                        left.remove(&hash);
                    }
                    Some(count) => *count -= 1,
                    None => places.push(row),
                }
            }
            rows += places.len() as u64;
            if rows > rows_max {
                return Ok(None);
            }
            if !places.is_empty() {
                found.came.push(take_record_batch(&batch, &UInt32Array::from(places)).map_err(failed)?);
            }
        }
    }
    if left.len() as u64 > rows_max {
        return Ok(None);
    }
    let gone = if left.is_empty() { &[] } else { gone };
    for rows in gone {
        let mut file = SortedFile::open(rows, schema)?;
        while let Some(batch) = file.next_batch().transpose()? {
            let mut places = Vec::new();
            for (row, hash) in (0_u32..).zip(hasher.hashes(&batch).map_err(failed)?) {
                if let Some(count) = left.get_mut(&hash)
                    && *count > 0
                {
                    *count -= 1;
                    places.push(row);
                }
            }
            if !places.is_empty() {
                found.gone.push(take_record_batch(&batch, &UInt32Array::from(places)).map_err(failed)?);
            }
        }
    }
    Ok(Some(found))
}
