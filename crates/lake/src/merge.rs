//! One bucket: new rows against the rows that lie there, both in key order.

use std::cmp::Ordering;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, new_null_array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};

use crate::beside::{Chosen, FileRows};
use crate::commit::Changed;
use crate::data_file::{CREATED_BY, DataFile, FileShape, FileWriter, WrittenFile};
use crate::error::LakeError;
use crate::lookup::FooterCache;
use crate::name::TableName;
use crate::runs;

/// Rows handled at a time.
const BATCH_ROWS: usize = 8_192;

/// All that merging one bucket needs.
pub(crate) struct BucketMerge<'a> {
    pub table: &'a TableName,
    pub shape: &'a FileShape,
    pub bucket: u32,
    /// Columns whose greatest value wins among new rows of one key.
    pub order: &'a [String],
    /// The bucket's files, each in key order; no key is in two of them.
    pub old: Vec<Arc<DataFile>>,
    /// New rows in order of arrival; each takes the place of the old row that has its key.
    pub new: Vec<RecordBatch>,
    /// Keys whose old rows go, unless a new row has the key.
    pub gone: Vec<RecordBatch>,
    /// Path of the file to write, below the table's folder.
    pub path: String,
    /// Where the footers of old files are, when files that hold none of the new keys may stay as they are;
    /// `None` when the bucket is to be one file afterwards.
    pub beside: Option<&'a FooterCache>,
    /// Whether old files are written anew though no row of theirs changes.
    pub anyway: bool,
}

/// What merging a bucket came to.
#[derive(Default)]
pub(crate) struct Merged {
    /// The file written; `None` when no row is left of those that were replaced, or nothing changed.
    pub written: Option<WrittenFile>,
    pub changed: Changed,
    /// Old files whose rows are in the new one, or gone.
    pub replaced: Vec<Arc<DataFile>>,
}

impl BucketMerge<'_> {
    /// Writes the bucket anew, or of its old files only those that must be.
    pub(crate) fn run(self) -> Result<Merged, LakeError> {
        let arranging = |source| LakeError::Arrow { action: "merge", table: self.table.clone(), source };
        let mut keys = KeyOrder::new(&self.shape.schema, &self.shape.key).map_err(arranging)?;
        let winners = Winners::choose(&mut keys, &self.new, self.order).map_err(arranging)?;
        let gone = Winners::choose(&mut keys, &self.gone, &[]).map_err(arranging)?;
        let replaced = match self.beside {
            Some(footers) if winners.len() > 0 && !self.old.is_empty() => {
                let sought = keys_of(self.shape, &self.new, &self.gone).map_err(arranging)?;
                runs::to_rewrite(&self.old, &self.shape.folder, footers, &sought)?
            }
            _ => self.old.clone(),
        };
        let mut changed = Changed::default();
        let mut writer = FileWriter::create(self.shape, self.path.clone(), Some(self.bucket))?;
        let (mut next, mut next_gone) = (0, 0);
        let mut readers = Vec::with_capacity(replaced.len());
        for file in &replaced {
            readers.push(SortedFile::open(&FileRows::live(&self.shape.folder, file), &self.shape.schema)?);
        }
        let mut old_rows = OldRows::new(readers, &mut keys)?;
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS * 2);
        while let Some((batch, rows)) = old_rows.next_batch(&mut keys).transpose()? {
            places.clear();
            let mut untouched = true;
            for row in 0..batch.num_rows() {
                let key = rows.row(row);
                while next < winners.len() && winners.key(next) < key {
                    places.push(winners.place(next, 1));
                    changed.inserted += 1;
                    untouched = false;
                    next += 1;
                }
                while next_gone < gone.len() && gone.key(next_gone) < key {
                    next_gone += 1;
                }
                if next < winners.len() && winners.key(next) == key {
                    places.push(winners.place(next, 1));
                    changed.updated += 1;
                    untouched = false;
                    next += 1;
                } else if next_gone < gone.len() && gone.key(next_gone) == key {
                    changed.deleted += 1;
                    untouched = false;
                } else {
                    places.push((0, row));
                }
            }
            if untouched {
                writer.write(&batch)?;
                continue;
            }
            let mut sources = vec![&batch];
            sources.extend(&self.new);
            write_places(&mut writer, &sources, &places, arranging)?;
        }
        let sources: Vec<&RecordBatch> = self.new.iter().collect();
        let rest: Vec<_> = (next..winners.len()).map(|at| winners.place(at, 0)).collect();
        changed.inserted += rest.len() as u64;
        write_places(&mut writer, &sources, &rest, arranging)?;
        if changed == Changed::default() && !self.anyway {
            return Ok(Merged::default());
        }
        let written = if writer.rows() == 0 { None } else { Some(writer.finish()?) };
        Ok(Merged { written, changed, replaced })
    }
}

fn write_places(
    writer: &mut FileWriter,
    sources: &[&RecordBatch],
    places: &[(usize, usize)],
    failed: impl Fn(ArrowError) -> LakeError + Copy,
) -> Result<(), LakeError> {
    for part in places.chunks(BATCH_ROWS) {
        writer.write(&interleave_record_batch(sources, part).map_err(failed)?)?;
    }
    Ok(())
}

/// Compares rows by key, as bytes.
pub(crate) struct KeyOrder {
    names: Vec<String>,
    converter: RowConverter,
}

impl KeyOrder {
    pub(crate) fn new(schema: &Schema, key: &[String]) -> Result<Self, ArrowError> {
        let fields = key
            .iter()
            .map(|name| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone())))
            .collect::<Result<_, ArrowError>>()?;
        Ok(Self { names: key.to_vec(), converter: RowConverter::new(fields)? })
    }

    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        let columns = self
            .names
            .iter()
            .map(|name| Ok(Arc::clone(batch.column(batch.schema().index_of(name)?))))
            .collect::<Result<Vec<_>, ArrowError>>()?;
        self.converter.convert_columns(&columns)
    }
}

/// The keys of new rows and those whose rows go, each once, in order. A key that is both is a new row's.
pub(crate) fn keys_of(
    shape: &FileShape,
    new: &[RecordBatch],
    gone: &[RecordBatch],
) -> Result<runs::Sought, ArrowError> {
    let mut keys = KeyOrder::new(&shape.schema, &shape.key)?;
    let only_keys = |batch: &RecordBatch| {
        let at = shape.key.iter().map(|name| batch.schema().index_of(name)).collect::<Result<Vec<_>, _>>()?;
        batch.project(&at)
    };
    // Of one key the last counts.
    let batches = gone.iter().chain(new).map(only_keys).collect::<Result<Vec<_>, ArrowError>>()?;
    let winners = Winners::choose(&mut keys, &batches, &[])?;
    let places: Vec<_> = (0..winners.len()).map(|at| winners.place(at, 0)).collect();
    runs::Sought::new(shape, &batches, &places, gone.len())
}

/// The one row of each key that counts, in key order.
struct Winners {
    rows: Vec<Rows>,
    chosen: Vec<Place>,
}

/// Where a row lies, with the beginning of its key: most comparisons end there, without reading
/// the key itself from all over memory.
struct Place {
    prefix: u128,
    batch: u32,
    row: u32,
}

/// The first 16 bytes of a key, so that greater bytes make a greater number.
fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(16);
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

impl Winners {
    /// Among rows of one key the greatest by `order` counts, and of equals the last to arrive.
    fn choose(keys: &mut KeyOrder, batches: &[RecordBatch], order: &[String]) -> Result<Self, ArrowError> {
        let rows: Vec<Rows> = batches.iter().map(|batch| keys.rows(batch)).collect::<Result<_, _>>()?;
        let ranks: Option<Vec<Rows>> = match (order.is_empty(), batches.first()) {
            (false, Some(first)) => {
                let mut by = KeyOrder::new(&first.schema(), order)?;
                Some(batches.iter().map(|batch| by.rows(batch)).collect::<Result<_, _>>()?)
            }
            _ => None,
        };
        let count = batches.iter().map(RecordBatch::num_rows).sum();
        let mut places: Vec<Place> = Vec::with_capacity(count);
        for (batch, found) in rows.iter().enumerate() {
            let batch = u32::try_from(batch).map_err(|_| too_many())?;
            for (row, key) in (0_u32..).zip(found.iter()) {
                places.push(Place { prefix: prefix(key.as_ref()), batch, row });
            }
        }
        let at = |rows: &[Rows], place: &Place, other: &Place| {
            rows[place.batch as usize].row(place.row as usize).cmp(&rows[other.batch as usize].row(other.row as usize))
        };
        let by_key = |a: &Place, b: &Place| a.prefix.cmp(&b.prefix).then_with(|| at(&rows, a, b));
        places.sort_unstable_by(|a, b| {
            by_key(a, b)
                .then_with(|| ranks.as_ref().map_or(Ordering::Equal, |ranks| at(ranks, a, b)))
                .then_with(|| (a.batch, a.row).cmp(&(b.batch, b.row)))
        });
        let mut chosen: Vec<Place> = Vec::with_capacity(places.len());
        for place in places {
            match chosen.last_mut() {
                Some(last) if by_key(last, &place) == Ordering::Equal => *last = place,
                _ => chosen.push(place),
            }
        }
        Ok(Self { rows, chosen })
    }

    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn key(&self, at: usize) -> arrow::row::Row<'_> {
        let place = &self.chosen[at];
        self.rows[place.batch as usize].row(place.row as usize)
    }

    /// Where the row lies when the new batches begin at source `first`.
    fn place(&self, at: usize, first: usize) -> (usize, usize) {
        let place = &self.chosen[at];
        (place.batch as usize + first, place.row as usize)
    }
}

fn too_many() -> ArrowError {
    ArrowError::InvalidArgumentError("a bucket has more than 2^32 new rows".to_owned())
}

/// The old rows of a bucket as one sequence in key order.
///
/// A bucket is one file, or a few whose keys differ ([`runs`]). Files that another engine added are read whole and
/// sorted, for nothing is known of their order.
pub(crate) enum OldRows {
    One(Option<SortedFile>),
    Sorted(Vec<Cursor>),
    Many { batches: Vec<RecordBatch>, places: Vec<(usize, usize)>, next: usize },
}

/// A sorted file with the rows that are its turn.
pub(crate) struct Cursor {
    file: SortedFile,
    current: Option<(RecordBatch, Rows)>,
    next: usize,
}

impl Cursor {
    /// Loads rows when those before are used up; false at the end of the file.
    fn fill(&mut self, keys: &mut KeyOrder) -> Result<bool, LakeError> {
        while self.current.as_ref().is_none_or(|(batch, _)| self.next >= batch.num_rows()) {
            let Some(batch) = self.file.next_batch().transpose()? else { return Ok(false) };
            let rows = keys.rows(&batch).map_err(unread)?;
            self.current = Some((batch, rows));
            self.next = 0;
        }
        Ok(true)
    }

    fn key(&self) -> Option<arrow::row::Row<'_>> {
        let (batch, rows) = self.current.as_ref()?;
        (self.next < batch.num_rows()).then(|| rows.row(self.next))
    }
}

fn unread(source: ArrowError) -> LakeError {
    LakeError::Parquet { path: PathBuf::new(), source: source.into() }
}

impl OldRows {
    pub(crate) fn new(mut files: Vec<SortedFile>, keys: &mut KeyOrder) -> Result<Self, LakeError> {
        if files.len() <= 1 {
            return Ok(Self::One(files.pop()));
        }
        if files.iter().all(|file| file.is_sorted_by(&keys.names)) {
            let cursor = |file| Cursor { file, current: None, next: 0 };
            return Ok(Self::Sorted(files.into_iter().map(cursor).collect()));
        }
        let mut batches = Vec::new();
        for mut file in files {
            while let Some(batch) = file.next_batch().transpose()? {
                batches.push(batch);
            }
        }
        let rows = batches.iter().map(|batch| keys.rows(batch)).collect::<Result<Vec<_>, _>>().map_err(unread)?;
        let mut places: Vec<(usize, usize)> = batches
            .iter()
            .enumerate()
            .flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
            .collect();
        places.sort_by(|a, b| rows[a.0].row(a.1).cmp(&rows[b.0].row(b.1)));
        Ok(Self::Many { batches, places, next: 0 })
    }

    pub(crate) fn next_batch(&mut self, keys: &mut KeyOrder) -> Option<Result<(RecordBatch, Rows), LakeError>> {
        let batch = match self {
            Self::One(None) => return None,
            Self::One(Some(file)) => file.next_batch()?,
            Self::Sorted(cursors) => next_of(cursors, keys).transpose()?,
            Self::Many { batches, places, next } => {
                let part = places.get(*next..(*next + BATCH_ROWS).min(places.len()))?;
                if part.is_empty() {
                    return None;
                }
                *next += part.len();
                let sources: Vec<&RecordBatch> = batches.iter().collect();
                interleave_record_batch(&sources, part).map_err(unread)
            }
        };
        Some(batch.and_then(|batch| {
            let rows = keys.rows(&batch).map_err(unread)?;
            Ok((batch, rows))
        }))
    }
}

/// The next rows of several sorted files in key order: until one file's batch is used up, or as many as are
/// handled at a time.
fn next_of(cursors: &mut Vec<Cursor>, keys: &mut KeyOrder) -> Result<Option<RecordBatch>, LakeError> {
    let mut at = 0;
    while at < cursors.len() {
        if cursors[at].fill(keys)? {
            at += 1;
        } else {
            cursors.remove(at);
        }
    }
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS);
    while places.len() < BATCH_ROWS {
        let keyed = cursors.iter().enumerate().filter_map(|(source, cursor)| Some((cursor.key()?, source)));
        let Some((_, least)) = keyed.min() else { break };
        places.push((least, cursors[least].next));
        cursors[least].next += 1;
        if cursors[least].key().is_none() {
            break;
        }
    }
    if places.is_empty() {
        return Ok(None);
    }
    let sources: Vec<&RecordBatch> =
        cursors.iter().filter_map(|cursor| cursor.current.as_ref()).map(|(batch, _)| batch).collect();
    interleave_record_batch(&sources, &places).map(Some).map_err(unread)
}

/// A data file read in order, with the table's columns.
pub(crate) struct SortedFile {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    /// Columns by which we wrote it in order; empty for other engines' files.
    sorted_by: Vec<String>,
}

impl SortedFile {
    pub(crate) fn open(rows: &FileRows, schema: &SchemaRef) -> Result<Self, LakeError> {
        let path = rows.path.as_path();
        let file = File::open(path).map_err(|source| LakeError::file("read", path, source))?;
        let failed = |source| LakeError::parquet("read", path, source);
        // With the places of pages, those without a chosen row are not even decompressed.
        let options = match &rows.chosen {
            Chosen::Except(hidden) if hidden.is_empty() => ArrowReaderOptions::new(),
            _ => ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional),
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(failed)?;
        let known: Vec<usize> = builder
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| schema.field_with_name(field.name()).is_ok())
            .map(|(index, _)| index)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), known);
        let sorted_by = sorted_by(builder.metadata());
        let all = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let builder = match rows.selection(all) {
            Some(selection) => builder.with_row_selection(selection),
            None => builder,
        };
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)?;
        Ok(Self { path: path.to_owned(), reader, schema: Arc::clone(schema), sorted_by })
    }

    fn is_sorted_by(&self, key: &[String]) -> bool {
        !key.is_empty() && self.sorted_by == key
    }

    pub(crate) fn next_batch(&mut self) -> Option<Result<RecordBatch, LakeError>> {
        let batch = self.reader.next()?;
        let adapted = batch.and_then(|batch| adapt(&batch, &self.schema));
        Some(adapted.map_err(|source| LakeError::parquet("read", &self.path, source.into())))
    }
}

/// The columns by which every row group says that it is sorted, where we wrote the file.
pub(crate) fn sorted_by(metadata: &ParquetMetaData) -> Vec<String> {
    let ours = metadata.file_metadata().created_by().is_some_and(|by| by.starts_with(CREATED_BY));
    let columns = metadata.file_metadata().schema_descr();
    let names = |group: &RowGroupMetaData| -> Vec<String> {
        let sorting = group.sorting_columns().map_or(&[][..], Vec::as_slice);
        let ascending = sorting.iter().filter(|by| !by.descending);
        ascending
            .filter_map(|by| usize::try_from(by.column_idx).ok())
            .map(|at| columns.column(at).name().to_owned())
            .collect()
    };
    let mut groups = metadata.row_groups().iter().map(names);
    let Some(first) = groups.next().filter(|_| ours) else { return Vec::new() };
    if groups.all(|other| other == first) { first } else { Vec::new() }
}

/// Gives a file's rows the table's columns: those the file is older than are null.
pub(crate) fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )
}
