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
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, Scalar, StringArray, UInt64Array};
use arrow::compute::kernels::cmp;
use arrow::compute::{and_kleene, interleave, take, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
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
    /// The keys at `places` (batch, row) of `batches`, which are in the order of the key.
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

    pub(crate) fn len(&self) -> usize {
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
        if places_of(left[at], folder, footers, sought)?.is_empty() {
            at += 1;
        } else {
            // Being first of `left` and no larger than `rows`, it is the next to be taken.
            let file = left.remove(at);
            rows = rows.max(file.rows);
            left.insert(0, file);
            take_small(&mut left, &mut rows);
            at = 0;
        }
    }
    Ok(chosen)
}

/// Files beside a bucket that new rows of theirs are worth being written together with: those that are no larger,
/// and so many that few are left.
pub(crate) fn to_absorb(files: &[Arc<DataFile>], rows: u64) -> Vec<Arc<DataFile>> {
    let mut left: Vec<&Arc<DataFile>> = files.iter().filter(|file| file.beside).collect();
    left.sort_by(|a, b| (a.rows, &a.path).cmp(&(b.rows, &b.path)));
    let mut chosen = Vec::new();
    let mut rows = rows;
    while left.len() >= FILES_MAX || left.first().is_some_and(|file| file.rows <= rows) {
        let file = left.remove(0);
        rows += file.rows;
        chosen.push(Arc::clone(file));
    }
    chosen
}

/// The places of the rows of a file that count and have one of the keys, ascending.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn places_of(
    file: &DataFile,
    folder: &Path,
    footers: &FooterCache,
    sought: &Sought,
) -> Result<Vec<u32>, LakeError> {
    let path = folder.join(&file.path);
    let footer = footers.get(&path)?;
    let mut found = find(&path, &footer, sought).map_err(|source| LakeError::parquet("read", &path, source))?;
    found.retain(|place| file.hidden.binary_search(place).is_err());
    Ok(found)
}

/// The places of rows that have one of the keys, whether they count or not.
fn find(path: &Path, footer: &ArrowReaderMetadata, sought: &Sought) -> Result<Vec<u32>, ParquetError> {
    let keys = &sought.columns[0];
    let bounds = Bounds::of(footer, &sought.names[0])?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, footer.clone());
    let mut chosen = Vec::new();
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut ranges = Vec::new();
    let mut likely_ever: Vec<usize> = Vec::new();
    let mut first = 0;
    for (group, rows) in bounds.rows().into_iter().enumerate() {
        let mut at = first;
        first += rows;
        let inside = within(keys, &bounds.lows, &bounds.highs, group)?;
        if inside.is_empty() {
            continue;
        }
        let likely = likely_in(group, inside, &builder, footer, sought)?;
        if likely.is_empty() {
            continue;
        }
        chosen.push(group);
        let places = UInt64Array::from_iter_values(likely.iter().map(|row| *row as u64));
        let likely_keys = take(keys, &places, None)?;
        likely_ever.extend(likely);
        for page in bounds.pages(group, |lows, highs| {
            (0..lows.len()).map(|page| Ok(Some(!within(&likely_keys, lows, highs, page)?.is_empty()))).collect()
        })? {
            if !page.skip {
                ranges.push(at..at + page.row_count);
            }
            at += page.row_count;
            selectors.push(page);
        }
    }
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let mask = ProjectionMask::columns(footer.parquet_schema(), sought.names.iter().map(String::as_str));
    let reader = builder
        .with_row_groups(chosen)
        .with_row_selection(RowSelection::from(selectors))
        .with_projection(mask)
        .build()?;
    likely_ever.sort_unstable();
    likely_ever.dedup();
    let mut known = Known::new(sought, &likely_ever)?;
    let mut places = ranges.into_iter().flatten();
    let mut found = Vec::new();
    for batch in reader {
        let batch = adapt(&batch?, &sought.schema)?;
        let mut has = known.rows_of(&batch)?.into_iter().peekable();
        for row in 0..batch.num_rows() {
            let Some(place) = places.next() else { break };
            if has.next_if_eq(&row).is_some() {
                found.push(u32::try_from(place).map_err(|error| ParquetError::External(Box::new(error)))?);
            }
        }
    }
    Ok(found)
}

/// The keys, which are in order, that lie between the bounds at `place`; all do where a bound is unknown.
fn within(keys: &ArrayRef, lows: &ArrayRef, highs: &ArrayRef, place: usize) -> Result<Vec<usize>, ArrowError> {
    if let Some(texts) = keys.as_string_opt::<i32>() {
        return Ok(text_range(texts, lows, highs, place).collect());
    }
    let inside = between(keys, lows, highs, place)?;
    Ok((0..keys.len()).filter(|row| inside.value(*row)).collect())
}

/// Those of the keys `inside` that a row group's filters may have met.
fn likely_in(
    group: usize,
    inside: Vec<usize>,
    builder: &ParquetRecordBatchReaderBuilder<File>,
    footer: &ArrowReaderMetadata,
    sought: &Sought,
) -> Result<Vec<usize>, ParquetError> {
    let filters = sought
        .names
        .iter()
        .map(|name| {
            let Some((at, _)) = footer.parquet_schema().columns().iter().enumerate().find(|(_, c)| c.name() == name)
            else {
                return Ok(None);
            };
            builder.get_row_group_column_bloom_filter(group, at)
        })
        .collect::<Result<Vec<Option<Sbbf>>, ParquetError>>()?;
    let may_hold = |row: &usize| {
        let may = |(column, bloom): (&ArrayRef, &Option<Sbbf>)| {
            bloom.as_ref().is_none_or(|bloom| may_hold(bloom, column, *row))
        };
        sought.columns.iter().zip(&filters).all(may)
    };
    Ok(inside.into_iter().filter(may_hold).collect())
}

/// Keys that are looked for in one batch after the other.
struct Known<'a> {
    /// The first column's texts, where it is one.
    firsts: Option<Ordered<'a>>,
    order: KeyOrder,
    /// Whole keys as bytes.
    whole: HashSet<Vec<u8>>,
    /// The first text is all there is of a key.
    is_one_text: bool,
}

impl<'a> Known<'a> {
    fn new(sought: &'a Sought, rows: &[usize]) -> Result<Self, ArrowError> {
        let mut order = KeyOrder::new(&sought.schema, &sought.names)?;
        let firsts = sought.columns[0].as_string_opt::<i32>();
        let is_one_text = firsts.is_some() && sought.columns.len() == 1;
        let mut whole = HashSet::new();
        if !is_one_text {
            let keys = order.rows(&RecordBatch::try_new(Arc::clone(&sought.schema), sought.columns.clone())?)?;
            whole.extend(rows.iter().map(|row| keys.row(*row).data().to_vec()));
        }
        let firsts = firsts.map(|texts| Ordered::new(rows.iter().map(|row| texts.value(*row)).collect()));
        Ok(Self { firsts, order, whole, is_one_text })
    }

    /// The rows of a batch that have one of the keys, ascending.
    fn rows_of(&mut self, batch: &RecordBatch) -> Result<Vec<usize>, ArrowError> {
        let rows: Vec<usize> = match &mut self.firsts {
            Some(firsts) => {
                let texts = batch.column(0).as_string::<i32>();
                (0..texts.len()).filter(|row| firsts.has(texts.value(*row))).collect()
            }
            None => (0..batch.num_rows()).collect(),
        };
        if self.is_one_text || rows.is_empty() {
            return Ok(rows);
        }
        let places = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
        let keys = self.order.rows(&take_record_batch(batch, &places)?)?;
        Ok(rows
            .into_iter()
            .enumerate()
            .filter(|(at, _)| self.whole.contains(keys.row(*at).data()))
            .map(|(_, row)| row)
            .collect())
    }
}

/// Texts that are asked for one after the other.
struct Ordered<'a> {
    texts: Vec<&'a str>,
    at: usize,
}

impl<'a> Ordered<'a> {
    fn new(mut texts: Vec<&'a str>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self { texts, at: 0 }
    }

    fn has(&mut self, text: &str) -> bool {
        has(&self.texts, &mut self.at, text)
    }
}

/// Whether a text is among `texts`, which are in order. `at` is where the last one was looked for: when they are asked
/// for in order, too, an answer is near the one before.
pub(crate) fn has<T: AsRef<str>>(texts: &[T], at: &mut usize, text: &str) -> bool {
    let is_before = |place: usize| texts.get(place).is_some_and(|next| next.as_ref() < text);
    if is_before(*at) {
        let (mut low, mut step) = (*at, 1);
        while is_before(low + step) {
            low += step;
            step *= 2;
        }
        let high = texts.len().min(low + step);
        *at = low + texts[low..high].partition_point(|next| next.as_ref() < text);
    } else if *at > 0 && !is_before(*at - 1) {
        *at = texts[..*at].partition_point(|next| next.as_ref() < text);
    }
    texts.get(*at).is_some_and(|next| next.as_ref() == text)
}

/// Of texts in order, those between the bounds at `place`; all where a bound is unknown.
fn text_range(texts: &StringArray, lows: &ArrayRef, highs: &ArrayRef, place: usize) -> Range<usize> {
    let (Some(lows), Some(highs)) = (lows.as_string_opt::<i32>(), highs.as_string_opt::<i32>()) else {
        return 0..texts.len();
    };
    if lows.is_null(place) || highs.is_null(place) {
        return 0..texts.len();
    }
    let point = |is_before: &dyn Fn(&str) -> bool| {
        let (mut low, mut high) = (0, texts.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(texts.value(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    };
    let (low, high) = (lows.value(place), highs.value(place));
    point(&|text| text < low)..point(&|text| text <= high)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_whatever_order_texts_are_asked_for() {
        let texts: Vec<String> = (0..200).map(|number| format!("{:04}", number * 3)).collect();
        let mut ordered = Ordered::new(texts.iter().rev().map(String::as_str).collect());
        let mut asked: Vec<u32> = (0..620).collect();
        for turn in 0..4_usize {
            for (at, number) in asked.iter().enumerate() {
                let is_there = number.is_multiple_of(3) && *number < 600;
                assert_eq!(ordered.has(&format!("{number:04}")), is_there, "turn {turn}, question {at}: {number}");
            }
            asked = (0..620).map(|at| asked[(at * 37 + turn) % 620]).collect();
        }
        assert!(!Ordered::new(Vec::new()).has("x"));
    }
}
