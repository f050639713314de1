//! Which files of a bucket new rows must be merged with, and which may stay beside them.
//!
//! No key may be in two files. So a file must be written anew when it holds one of the new keys; and it should be
//! when it is no larger than what is written anyway, which keeps a bucket's files few and each row rewritten about
//! as often as its bucket doubles (the logarithmic method; Bentley and Saxe 1980).
//!
//! Whether a file holds a key is asked of row groups' bounds, then of their bloom filters, then of the pages in
//! which the keys left over could lie. Keys that are new cost no more than the filters.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, Scalar};
use arrow::compute::kernels::cmp;
use arrow::compute::{and_kleene, filter_record_batch, interleave};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;

use crate::data_file::{DataFile, FileShape};
use crate::error::LakeError;
use crate::lookup::FooterCache;
use crate::merge::{KeyOrder, adapt};
use crate::pages::Bounds;

/// Most files of one bucket: a look-up asks each.
const FILES_MAX: usize = 16;

/// The keys of new rows.
pub(crate) struct Sought {
    names: Vec<String>,
    /// The key's columns alone.
    schema: SchemaRef,
    /// The key's columns, a row for each key.
    columns: Vec<ArrayRef>,
}

impl Sought {
    /// The keys at `places` (batch, row) of `batches`.
    pub(crate) fn new(
        shape: &FileShape,
        batches: &[RecordBatch],
        places: &[(usize, usize)],
    ) -> Result<Self, ArrowError> {
        let mut fields = Vec::with_capacity(shape.key.len());
        let mut columns = Vec::with_capacity(shape.key.len());
        for name in &shape.key {
            let at = shape.schema.index_of(name)?;
            fields.push(Arc::clone(&shape.schema.fields()[at]));
            let sources = batches
                .iter()
                .map(|batch| Ok(batch.column(batch.schema().index_of(name)?).as_ref()))
                .collect::<Result<Vec<&dyn Array>, ArrowError>>()?;
            columns.push(interleave(&sources, places)?);
        }
        Ok(Self { names: shape.key.clone(), schema: Arc::new(Schema::new(fields)), columns })
    }

    fn len(&self) -> usize {
        self.columns.first().map_or(0, Array::len)
    }
}

/// The files of a bucket that must be written anew together with the keys `sought`.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn to_rewrite(
    files: &[Arc<DataFile>],
    folder: &Path,
    footers: &FooterCache,
    sought: &Sought,
) -> Result<Vec<Arc<DataFile>>, LakeError> {
    let mut left: Vec<&Arc<DataFile>> = files.iter().collect();
    left.sort_by(|a, b| (a.rows, &a.path).cmp(&(b.rows, &b.path)));
    let mut chosen = Vec::new();
    let mut rows = sought.len() as u64;
    let mut take_small = |left: &mut Vec<&Arc<DataFile>>, rows: &mut u64| {
        while left.len() >= FILES_MAX || left.first().is_some_and(|file| file.rows <= *rows) {
            let file = left.remove(0);
            *rows += file.rows;
            chosen.push(Arc::clone(file));
        }
    };
    take_small(&mut left, &mut rows);
    let mut at = 0;
    while at < left.len() {
        let path = folder.join(&left[at].path);
        let footer = footers.get(&path)?;
        let held = holds(&path, &footer, sought).map_err(|source| LakeError::parquet("read", &path, source))?;
        if held {
            // Being first of `left` and no larger than `rows`, it is the next to be taken.
            let file = left.remove(at);
            rows = rows.max(file.rows);
            left.insert(0, file);
            take_small(&mut left, &mut rows);
            at = 0;
        } else {
            at += 1;
        }
    }
    Ok(chosen)
}

/// Whether the file has one of the keys.
fn holds(path: &Path, footer: &ArrowReaderMetadata, sought: &Sought) -> Result<bool, ParquetError> {
    let keys = &sought.columns[0];
    let bounds = Bounds::of(footer, &sought.names[0])?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, footer.clone());
    let columns = footer.parquet_schema().columns();
    let places: Vec<Option<usize>> =
        sought.names.iter().map(|name| columns.iter().position(|column| column.name() == name)).collect();
    let mut order = KeyOrder::new(&sought.schema, &sought.names)?;
    let mut candidates = HashSet::new();
    let mut chosen = Vec::new();
    let mut selectors = Vec::new();
    for group in 0..footer.metadata().num_row_groups() {
        let inside = between(keys, &bounds.lows, &bounds.highs, group)?;
        if inside.true_count() == 0 {
            continue;
        }
        let blooms = places
            .iter()
            .map(|place| place.map_or(Ok(None), |at| builder.get_row_group_column_bloom_filter(group, at)))
            .collect::<Result<Vec<Option<Sbbf>>, ParquetError>>()?;
        let likely: BooleanArray = (0..keys.len())
            .map(|row| {
                let may = |(column, bloom): (&ArrayRef, &Option<Sbbf>)| {
                    bloom.as_ref().is_none_or(|bloom| may_hold(bloom, column, row))
                };
                Some(inside.value(row) && sought.columns.iter().zip(&blooms).all(may))
            })
            .collect();
        if likely.true_count() == 0 {
            continue;
        }
        let whole = RecordBatch::try_new(Arc::clone(&sought.schema), sought.columns.clone())?;
        let likely = filter_record_batch(&whole, &likely)?;
        candidates.extend(order.rows(&likely)?.iter().map(|row| row.data().to_vec()));
        chosen.push(group);
        selectors.extend(bounds.pages(group, |lows, highs| {
            let wanted = |page| Ok(Some(between(likely.column(0), lows, highs, page)?.true_count() > 0));
            (0..lows.len()).map(wanted).collect()
        })?);
    }
    if chosen.is_empty() {
        return Ok(false);
    }
    let mask = ProjectionMask::columns(footer.parquet_schema(), sought.names.iter().map(String::as_str));
    let reader = builder
        .with_row_groups(chosen)
        .with_row_selection(RowSelection::from(selectors))
        .with_projection(mask)
        .build()?;
    for batch in reader {
        let found = order.rows(&adapt(&batch?, &sought.schema)?)?;
        if found.iter().any(|row| candidates.contains(row.data())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which keys lie between the bounds at `place`; all do where a bound is unknown.
fn between(keys: &ArrayRef, lows: &ArrayRef, highs: &ArrayRef, place: usize) -> Result<BooleanArray, ArrowError> {
    let low = Scalar::new(lows.slice(place, 1));
    let high = Scalar::new(highs.slice(place, 1));
    let inside = and_kleene(&cmp::gt_eq(keys, &low)?, &cmp::lt_eq(keys, &high)?)?;
    Ok(inside.iter().map(|inside| Some(inside.unwrap_or(true))).collect())
}

/// Whether a filter may have met the value; of types that it is not asked for, any.
fn may_hold(bloom: &Sbbf, column: &ArrayRef, row: usize) -> bool {
    match column.data_type() {
        DataType::Utf8 => bloom.check(column.as_string::<i32>().value(row)),
        DataType::Int64 => bloom.check(&column.as_primitive::<Int64Type>().value(row)),
        DataType::Int32 => bloom.check(&column.as_primitive::<Int32Type>().value(row)),
        DataType::Date32 => bloom.check(&column.as_primitive::<Date32Type>().value(row)),
        _ => true,
    }
}
