//! Which files of a bucket new rows must be merged with, and which may stay beside them.
//!
//! No key may be in two files. So a file must be written anew when it holds one of the new keys; and it should be
//! when it is no larger than what is written anyway, which keeps a bucket's files few and each row rewritten about
//! as often as its bucket doubles (the logarithmic method; Bentley and Saxe 1980).
//!
//! Whether a file holds a key is asked of row groups' bounds, then of their bloom filters, then of the pages in
//! which the keys left over could lie. Keys that are new cost no more than the filters.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, Scalar, StringArray, UInt64Array,
};
use arrow::compute::kernels::cmp;
use arrow::compute::{and_kleene, interleave, take};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowFilter, RowSelection, RowSelector,
};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;

use crate::data_file::{DataFile, FileShape};
use crate::error::LakeError;
use crate::lake::locked;
use crate::lookup::FooterCache;
use crate::merge::{KeyOrder, adapt, sorted_by};
use crate::ordered::{has, meet_in_order};
use crate::pages::Bounds;

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;
/// Most files of one bucket: a look-up asks each.
const FILES_MAX: usize = 16;

/// The keys of new rows, and those whose rows go.
pub(crate) struct Sought {
    names: Vec<String>,
    /// The key's columns alone.
    schema: SchemaRef,
    /// The key's columns, a row for each key.
    columns: Vec<ArrayRef>,
    /// Whether the key's row goes and no new row has it.
    gone: Vec<bool>,
}

/// The rows of a file that keys sought are of, and that count.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Their places, ascending.
    pub places: Vec<u32>,
    /// How many of them have a key whose row goes.
    pub gone: u64,
}

impl Sought {
    /// The keys at `places` (batch, row) of `batches`, which are in the order of the key. The first `gone` batches are
    /// keys whose rows go.
    pub(crate) fn new(
        shape: &FileShape,
        batches: &[RecordBatch],
        places: &[(usize, usize)],
        gone: usize,
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
        let gone = places.iter().map(|(batch, _)| *batch < gone).collect();
        Ok(Self { names: shape.key.clone(), schema: Arc::new(Schema::new(fields)), columns, gone })
    }

    /// How many of the keys are of new rows.
    pub(crate) fn new_rows(&self) -> u64 {
        self.gone.iter().filter(|gone| !**gone).count() as u64
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
        if places_of(left[at], folder, footers, sought)?.places.is_empty() {
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

/// The rows of a file that count and have one of the keys.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn places_of(
    file: &DataFile,
    folder: &Path,
    footers: &FooterCache,
    sought: &Sought,
) -> Result<Met, LakeError> {
    let path = folder.join(&file.path);
    let footer = footers.get(&path)?;
    let found = find(&path, &footer, sought).map_err(|source| LakeError::parquet("read", &path, source))?;
    let mut met = Met::default();
    for (place, key) in found {
        if file.hidden.binary_search(&place).is_err() {
            met.places.push(place);
            met.gone += u64::from(sought.gone[key]);
        }
    }
    Ok(met)
}

/// The places of rows that have one of the keys, whether they count or not, and which key, ascending.
fn find(path: &Path, footer: &ArrowReaderMetadata, sought: &Sought) -> Result<Vec<(u32, usize)>, ParquetError> {
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
    likely_ever.sort_unstable();
    likely_ever.dedup();
    let in_order = sorted_by(footer.metadata()).first() == sought.names.first();
    let mut known = Known::new(sought, &likely_ever, in_order)?;
    let mut reader =
        builder.with_row_groups(chosen).with_row_selection(RowSelection::from(selectors)).with_batch_size(BATCH_ROWS);
    let columns = footer.parquet_schema();
    // Rows that begin as a key does, and the first key that does.
    let met: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    let mut asked = sought.names.as_slice();
    let filtered = known.firsts.take_if(|_| sought.names.len() > 1);
    let is_filtered = filtered.is_some();
    if let Some(mut firsts) = filtered {
        // Most rows differ in the first column: the others are decoded of those that do not, and the first not again.
        let mask = ProjectionMask::columns(columns, [sought.names[0].as_str()]);
        asked = &sought.names[1..];
        let (met, mut seen) = (Arc::clone(&met), 0);
        let is_met = ArrowPredicateFn::new(mask, move |batch| {
            let mut met = locked(&met);
            let begin = met.len();
            firsts.rows_of(batch.column(0).as_string::<i32>(), |row, key| met.push((seen + row, key)));
            let selected = rows_as_mask(met[begin..].iter().map(|(row, _)| row - seen), batch.num_rows());
            seen += batch.num_rows();
            Ok(selected)
        });
        reader = reader.with_row_filter(RowFilter::new(vec![Box::new(is_met)]));
    }
    let mask = ProjectionMask::columns(columns, asked.iter().map(String::as_str));
    let schema =
        Arc::new(sought.schema.project(&(sought.names.len() - asked.len()..sought.names.len()).collect::<Vec<_>>())?);
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut seen = 0;
    for batch in reader.with_projection(mask).build()? {
        let batch = adapt(&batch?, &schema)?;
        if is_filtered {
            let met = locked(&met);
            known.rest_of(&batch, &met[seen..seen + batch.num_rows()], &mut found)?;
        } else {
            known.rows_of(&batch, |row, key| found.push((seen + row, key)))?;
        }
        seen += batch.num_rows();
    }
    let mut places = ranges.into_iter().flatten();
    let mut passed = 0;
    let place = |(row, key): (usize, usize)| {
        let place = places.nth(row - passed).unwrap_or(usize::MAX);
        passed = row + 1;
        Ok((u32::try_from(place).map_err(|error| ParquetError::External(Box::new(error)))?, key))
    };
    found.into_iter().map(place).collect()
}

/// The rows, ascending, as a mask of `count` rows.
fn rows_as_mask(rows: impl Iterator<Item = usize>, count: usize) -> BooleanArray {
    let mut mask = BooleanBufferBuilder::new(count);
    mask.append_n(count, false);
    for row in rows {
        mask.set_bit(row, true);
    }
    BooleanArray::new(mask.finish(), None)
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
struct Known {
    /// The first column's texts, where it is one.
    firsts: Option<Firsts>,
    /// The columns after them, or all.
    order: KeyOrder,
    /// What follows a first text (by the first key that has it) or the whole key, as bytes, and which key it is; empty
    /// where the first text is all there is.
    rest: HashMap<(usize, Vec<u8>), usize>,
}

impl Known {
    /// Of the keys those at `rows`, ascending; `in_order`: the batches are in the order of the first column.
    fn new(sought: &Sought, rows: &[usize], in_order: bool) -> Result<Self, ArrowError> {
        let texts = sought.columns[0].as_string_opt::<i32>();
        let after = usize::from(texts.is_some());
        let mut order = KeyOrder::new(&sought.schema, &sought.names[after..])?;
        let mut rest = HashMap::new();
        if after < sought.names.len() {
            let keys = order.rows(&RecordBatch::try_new(Arc::clone(&sought.schema), sought.columns.clone())?)?;
            let mut first = 0;
            for row in rows {
                if texts.is_some_and(|texts| texts.value(*row) != texts.value(first)) || *row == rows[0] {
                    first = *row;
                }
                rest.insert((if texts.is_some() { first } else { 0 }, keys.row(*row).data().to_vec()), *row);
            }
        }
        let firsts = texts.map(|texts| Firsts::new(texts, rows, in_order));
        Ok(Self { firsts, order, rest })
    }

    /// Calls `found` with the rows of a batch that have one of the keys, ascending, and which key.
    fn rows_of(&mut self, batch: &RecordBatch, mut found: impl FnMut(usize, usize)) -> Result<(), ArrowError> {
        if let Some(firsts) = &mut self.firsts {
            firsts.rows_of(batch.column(0).as_string::<i32>(), found);
            return Ok(());
        }
        for (row, key) in self.order.rows(batch)?.iter().enumerate() {
            if let Some(key) = self.rest.get(&(0, key.data().to_vec())) {
                found(row, *key);
            }
        }
        Ok(())
    }

    /// Adds to `found` those of the rows that began as a key did (`met`) and go on as it does; the batch has what
    /// follows.
    fn rest_of(
        &mut self,
        batch: &RecordBatch,
        met: &[(usize, usize)],
        found: &mut Vec<(usize, usize)>,
    ) -> Result<(), ArrowError> {
        for ((row, first), rest) in met.iter().zip(self.order.rows(batch)?.iter()) {
            if let Some(key) = self.rest.get(&(*first, rest.data().to_vec())) {
                found.push((*row, *key));
            }
        }
        Ok(())
    }
}

/// The first texts of keys, which are looked for in one batch after the other.
struct Firsts {
    /// In order, each once.
    texts: Vec<String>,
    /// For each the first key that begins with it.
    keys: Vec<usize>,
    /// Whether the batches are in order, too.
    in_order: bool,
    /// Where the last text was found.
    at: usize,
}

impl Firsts {
    /// Of the keys at `rows`, ascending.
    fn new(texts: &StringArray, rows: &[usize], in_order: bool) -> Self {
        let mut firsts = Self { texts: Vec::with_capacity(rows.len()), keys: Vec::new(), in_order, at: 0 };
        for row in rows {
            if firsts.texts.last().is_none_or(|last| last != texts.value(*row)) {
                firsts.texts.push(texts.value(*row).to_owned());
                firsts.keys.push(*row);
            }
        }
        firsts
    }

    /// Calls `found` with the rows that begin with one of the texts, ascending, and the first key that does.
    fn rows_of(&mut self, rows: &StringArray, mut found: impl FnMut(usize, usize)) {
        if self.in_order {
            meet_in_order(&self.texts, rows, |row, at| found(row, self.keys[at]));
            return;
        }
        for row in 0..rows.len() {
            if has(&self.texts, &mut self.at, rows.value(row)) {
                found(row, self.keys[self.at]);
            }
        }
    }
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
