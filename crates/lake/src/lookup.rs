//! One row by its key, without planning: bucket, file, row group, page.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, Scalar, StringArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{CastOptions, and_kleene, cast, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use crate::error::LakeError;
use crate::lake::{Lake, locked};
use crate::layout::bucket_of;
use crate::merge::adapt;
use crate::name::TableName;
use crate::pages::Bounds;
use crate::table::Table;
use crate::write::blocking;

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;
/// Memory for Parquet footers with their page indexes, in bytes.
const FOOTER_BYTES: usize = 256 << 20;

impl Lake {
    /// The row with this key, its parts as text in the key's order: at most one, if the table was
    /// written by this crate. Trusted: callers' look-ups go through [`Lake::lookup_granted`].
    ///
    /// A part that is not a value of its column's type (letters for a number) finds nothing.
    ///
    /// # Errors
    /// [`LakeError::NotAllowed`] for tables without a key; [`LakeError::Rows`] when the number of
    /// parts is not the key's; [`LakeError::NoTable`], [`LakeError::Parquet`], [`LakeError::File`].
    pub async fn lookup(&self, table: &TableName, key: &[&str]) -> Result<Vec<RecordBatch>, LakeError> {
        let table = self.table(table, None).await?;
        self.lookup_in(table, key).await
    }

    pub(crate) async fn lookup_in(&self, table: Arc<Table>, key: &[&str]) -> Result<Vec<RecordBatch>, LakeError> {
        if !table.layout.is_keyed() {
            return Err(LakeError::NotAllowed {
                table: table.name.clone(),
                operation: "look up by key",
                reason: "its rows have no key",
            });
        }
        if key.len() != table.layout.key.len() {
            return Err(LakeError::Rows {
                table: table.name.clone(),
                difference: format!("a key of {} parts was given, expected {}", key.len(), table.layout.key.len()),
            });
        }
        let Some(sought) = Sought::new(&table, key)? else { return Ok(Vec::new()) };
        let lake = self.clone();
        blocking(move || {
            let mut found = Vec::new();
            for file in table.files.iter().filter(|file| file.bucket == Some(sought.bucket)) {
                let path = table.folder.join(&file.path);
                let footer = lake.inner.footers.get(&path)?;
                sought
                    .read(&table, &path, &file.hidden, &footer, &mut found)
                    .map_err(|source| LakeError::parquet("read", &path, source))?;
            }
            Ok(found)
        })
        .await?
    }
}

/// A key as the columns hold it.
struct Sought {
    bucket: u32,
    /// One row per key column.
    parts: Vec<(String, Scalar<ArrayRef>)>,
}

impl Sought {
    /// `None` when a part cannot be a value of its column.
    fn new(table: &Table, key: &[&str]) -> Result<Option<Self>, LakeError> {
        let failed = |source| LakeError::Arrow { action: "look up", table: table.name.clone(), source };
        let mut parts = Vec::with_capacity(key.len());
        let mut texts = Vec::with_capacity(key.len());
        for (name, &text) in table.layout.key.iter().zip(key) {
            let data_type = table.schema.field_with_name(name).map_err(failed)?.data_type();
            let given = StringArray::from(vec![text]);
            // Unreadable text becomes null instead of an error.
            let options = CastOptions { safe: true, ..CastOptions::default() };
            let value = cast_with_options(&given, data_type, &options).map_err(failed)?;
            if value.is_null(0) {
                return Ok(None);
            }
            let canonical = cast(&value, &DataType::Utf8).map_err(failed)?;
            texts.push(canonical.as_string::<i32>().value(0).to_owned());
            parts.push((name.clone(), Scalar::new(value)));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(Some(Self { bucket: bucket_of(&texts, table.layout.buckets), parts }))
    }

    fn read(
        &self,
        table: &Table,
        path: &Path,
        hidden: &[u32],
        footer: &ArrowReaderMetadata,
        found: &mut Vec<RecordBatch>,
    ) -> Result<(), ParquetError> {
        let chosen = self.candidates(hidden, footer)?;
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| name.as_str()).collect();
        let parts = self.parts.clone();
        found.extend(rows_where(path, footer, chosen, &names, &table.schema, move |batch| equals(&batch, &parts))?);
        Ok(())
    }

    /// Row groups and, within them, pages whose bounds hold the first part of the key.
    fn candidates(
        &self,
        hidden: &[u32],
        footer: &ArrowReaderMetadata,
    ) -> Result<(Vec<usize>, RowSelection), ParquetError> {
        let (name, value) = &self.parts[0];
        Bounds::of(footer, name)?.select(hidden, |lows, highs| within(lows, highs, value))
    }
}

/// The rows of some row groups and pages of a file for which `is_wanted` is true of the columns `names`, with the
/// columns of `schema`. The other columns are decoded of those rows only.
pub(crate) fn rows_where(
    path: &Path,
    footer: &ArrowReaderMetadata,
    (groups, selection): (Vec<usize>, RowSelection),
    names: &[&str],
    schema: &SchemaRef,
    is_wanted: impl FnMut(RecordBatch) -> Result<BooleanArray, ArrowError> + Send + 'static,
) -> Result<Vec<RecordBatch>, ParquetError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, footer.clone());
    let descriptor = builder.parquet_schema();
    let asked = ProjectionMask::columns(descriptor, names.iter().copied());
    let whole = ProjectionMask::columns(descriptor, schema.fields().iter().map(|field| field.name().as_str()));
    let reader = builder
        .with_row_groups(groups)
        .with_row_selection(selection)
        .with_row_filter(RowFilter::new(vec![Box::new(ArrowPredicateFn::new(asked, is_wanted))]))
        .with_projection(whole)
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut found = Vec::new();
    for batch in reader {
        let batch = batch?;
        if batch.num_rows() > 0 {
            found.push(adapt(&batch, schema)?);
        }
    }
    Ok(found)
}

/// True where `low <= value <= high`, and where a bound is unknown.
fn within(low: &ArrayRef, high: &ArrayRef, value: &Scalar<ArrayRef>) -> Result<BooleanArray, ArrowError> {
    let inside = and_kleene(&cmp::lt_eq(low, value)?, &cmp::gt_eq(high, value)?)?;
    Ok(inside.iter().map(|inside| Some(inside.unwrap_or(true))).collect())
}

fn equals(batch: &RecordBatch, parts: &[(String, Scalar<ArrayRef>)]) -> Result<BooleanArray, ArrowError> {
    let mut all: Option<BooleanArray> = None;
    for (name, value) in parts {
        let column = batch.column(batch.schema().index_of(name)?);
        let equal = cmp::eq(column, value)?;
        all = Some(match all {
            Some(so_far) => and_kleene(&so_far, &equal)?,
            None => equal,
        });
    }
    Ok(all.unwrap_or_else(|| BooleanArray::from(vec![true; batch.num_rows()])))
}

/// Parquet footers of files looked into lately, bounded in bytes; the longest unused goes first.
#[derive(Default)]
pub(crate) struct FooterCache {
    entries: Mutex<HashMap<PathBuf, Entry>>,
    clock: AtomicU64,
}

struct Entry {
    footer: ArrowReaderMetadata,
    bytes: usize,
    used: u64,
}

impl FooterCache {
    /// The footer with its page indexes, of a file that never changes.
    pub(crate) fn get(&self, path: &Path) -> Result<ArrowReaderMetadata, LakeError> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = locked(&self.entries).get_mut(path) {
            entry.used = now;
            return Ok(entry.footer.clone());
        }
        let file = File::open(path).map_err(|source| LakeError::file("read", path, source))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer =
            ArrowReaderMetadata::load(&file, options).map_err(|source| LakeError::parquet("read", path, source))?;
        let bytes = footer.metadata().memory_size();
        let mut entries = locked(&self.entries);
        let mut total: usize = bytes + entries.values().map(|entry| entry.bytes).sum::<usize>();
        while total > FOOTER_BYTES {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(path, _)| path.clone());
            let Some(oldest) = oldest else { break };
            if let Some(entry) = entries.remove(&oldest) {
                total -= entry.bytes;
            }
        }
        entries.insert(path.to_owned(), Entry { footer: footer.clone(), bytes, used: now });
        Ok(footer)
    }
}
