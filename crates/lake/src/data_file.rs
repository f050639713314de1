//! One Parquet file of a table: how we write it, and what the log says of it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_binary, max_boolean, max_string, min, min_binary, min_boolean, min_string};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::LakeError;

/// What our files say of who wrote them, before the version.
pub(crate) const CREATED_BY: &str = "yihe-lake";
/// Most rows of one row group. Small enough that a scan's threads share a file evenly.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;
/// Rows of one page: what a look-up by key must decode.
const PAGE_ROWS: usize = 4_096;
/// Largest dictionary of a column chunk. One row's look-up must decode the whole of it, so columns
/// of many values, for which it saves little anyway, fall back to plain early.
const DICTIONARY_BYTES: usize = 64 << 10;
/// Columns that get minimum, maximum and null count in the log, as Delta's default has it.
const STATS_COLUMNS: usize = 32;
/// Rows waiting for the writing thread, in batches.
const QUEUE_BATCHES: usize = 4;

/// A data file as the log of a table version lists it.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Path below the table's folder, with `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows, those that are hidden among them.
    pub rows: u64,
    /// Hash bucket, for keyed tables.
    pub bucket: Option<u32>,
    /// Bounds of the file's columns in the order of the table's schema. They may be wider than the
    /// truth (long texts are cut), so they may skip a file but never answer a query.
    pub bounds: Arc<Statistics>,
    /// Places of rows that count no more, ascending ([`crate::beside`]).
    pub hidden: Arc<Vec<u32>>,
    /// Whether it lies beside the table: the log does not list it.
    pub beside: bool,
}

impl DataFile {
    /// Rows that count.
    pub(crate) fn live(&self) -> u64 {
        self.rows - self.hidden.len() as u64
    }
}

/// A data file that lies on disk and that no version lists yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WrittenFile {
    pub path: String,
    pub size: u64,
    pub rows: u64,
    pub bucket: Option<u32>,
    pub sha256: String,
    /// Delta's statistics, JSON.
    pub stats: String,
}

/// How a table's files are written.
#[derive(Debug, Clone)]
pub(crate) struct FileShape {
    /// The table's folder.
    pub folder: PathBuf,
    /// Columns of the file; the bucket is not among them.
    pub schema: SchemaRef,
    /// Key columns: bloom filters and, for sorted files, the sort order.
    pub key: Vec<String>,
    /// Other columns that rows are found by: bloom filters.
    pub found_by: Vec<String>,
}

/// Writes one data file, hashing as it goes. Dropped unfinished, it removes the file.
pub(crate) struct FileWriter {
    writer: Option<ArrowWriter<HashingFile>>,
    shape: FileShape,
    path: String,
    absolute: PathBuf,
    bucket: Option<u32>,
    rows: u64,
}

impl FileWriter {
    /// Opens a new file; `path` is below the table's folder.
    pub(crate) fn create(shape: &FileShape, path: String, bucket: Option<u32>) -> Result<Self, LakeError> {
        let absolute = shape.folder.join(&path);
        if let Some(parent) = absolute.parent() {
            fs::create_dir_all(parent).map_err(|source| LakeError::file("create", parent, source))?;
        }
        let file = HashingFile::create(&absolute).map_err(|source| LakeError::file("create", &absolute, source))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&shape.schema), Some(properties(shape)))
            .map_err(|source| LakeError::parquet("create", &absolute, source))?;
        Ok(Self { writer: Some(writer), shape: shape.clone(), path, absolute, bucket, rows: 0 })
    }

    /// Rows written so far.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends rows; `batch` has the file's schema.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let writer = self.writer.as_mut().expect("the writer leaves only in finish");
        writer.write(batch).map_err(|source| LakeError::parquet("write", &self.absolute, source))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Closes the file and makes it durable.
    pub(crate) fn finish(mut self) -> Result<WrittenFile, LakeError> {
        let mut writer = self.writer.take().expect("the writer leaves only here");
        let metadata = match writer.finish() {
            Ok(metadata) => metadata,
            Err(source) => {
                self.remove();
                return Err(LakeError::parquet("write", &self.absolute, source));
            }
        };
        let (size, sha256) = match writer.inner_mut().finish() {
            Ok(finished) => finished,
            Err(source) => {
                self.remove();
                return Err(LakeError::file("write", &self.absolute, source));
            }
        };
        Ok(WrittenFile {
            path: std::mem::take(&mut self.path),
            size,
            rows: self.rows,
            bucket: self.bucket,
            sha256,
            stats: delta_stats(&metadata, &self.shape.schema, self.rows).to_string(),
        })
    }

    fn remove(&self) {
        // An orphan is harmless: no version lists it, and vacuum takes it. So this may fail.
        let _ = fs::remove_file(&self.absolute);
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            self.remove();
        }
    }
}

fn properties(shape: &FileShape) -> WriterProperties {
    let sorting = shape
        .key
        .iter()
        .filter_map(|name| shape.schema.index_of(name).ok())
        .filter_map(|index| i32::try_from(index).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        .collect::<Vec<_>>();
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("{CREATED_BY} {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns((!sorting.is_empty()).then_some(sorting));
    for (at, name) in shape.key.iter().enumerate() {
        let column = ColumnPath::from(name.as_str());
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_fpp(column.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(column.clone(), ROW_GROUP_ROWS as u64)
            // Nearly every first value of a key differs: a dictionary would be built and thrown away.
            .set_column_dictionary_enabled(column, at > 0);
    }
    for name in &shape.found_by {
        let column = ColumnPath::from(name.as_str());
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            // Every row group of the table is asked, and each mistake reads the column.
            .set_column_bloom_filter_fpp(column.clone(), 0.001)
            .set_column_bloom_filter_max_ndv(column.clone(), ROW_GROUP_ROWS as u64)
            .set_column_dictionary_enabled(column, false);
    }
    builder.build()
}

/// A file that knows its SHA-256 and length without being read again.
struct HashingFile {
    file: BufWriter<File>,
    digest: Sha256,
    length: u64,
}

impl HashingFile {
    fn create(path: &Path) -> io::Result<Self> {
        // `create_new`: a file's name is unique, so meeting one is a fault and not to be overwritten.
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, file), digest: Sha256::new(), length: 0 })
    }

    fn finish(&mut self) -> io::Result<(u64, String)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.length, hex(&self.digest.clone().finalize())))
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A [`FileWriter`] on a thread of its own, so that encoding overlaps with whoever makes the rows.
pub(crate) struct BackgroundWriter {
    sender: mpsc::Sender<Step>,
    task: JoinHandle<Result<Option<WrittenFile>, LakeError>>,
}

enum Step {
    Rows(RecordBatch),
    Finish,
}

impl BackgroundWriter {
    pub(crate) fn start(mut writer: FileWriter) -> Self {
        let (sender, mut receiver) = mpsc::channel(QUEUE_BATCHES);
        let task = tokio::task::spawn_blocking(move || {
            while let Some(step) = receiver.blocking_recv() {
                match step {
                    Step::Rows(batch) => writer.write(&batch)?,
                    Step::Finish => return writer.finish().map(Some),
                }
            }
            // The sender is gone without finishing: dropping the writer removes the file.
            Ok(None)
        });
        Self { sender, task }
    }

    /// Hands rows over; waits while the writer is behind.
    pub(crate) async fn write(&mut self, batch: RecordBatch) -> Result<(), LakeError> {
        if self.sender.send(Step::Rows(batch)).await.is_ok() {
            return Ok(());
        }
        // The thread ended early, which it only does with an error.
        match (&mut self.task).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(stopped()),
        }
    }

    pub(crate) async fn finish(self) -> Result<WrittenFile, LakeError> {
        let finishing = self.sender.send(Step::Finish).await.is_ok();
        drop(self.sender);
        match self.task.await {
            Ok(Ok(Some(file))) if finishing => Ok(file),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(stopped()),
        }
    }
}

fn stopped() -> LakeError {
    LakeError::Task { detail: "the writer of a data file".to_owned() }
}

// ── statistics ───────────────────────────────────────────────────────────────

/// Delta's per-file statistics of the first 32 columns.
///
/// Source: Delta transaction log protocol, per-file statistics.
fn delta_stats(metadata: &ParquetMetaData, schema: &SchemaRef, rows: u64) -> Value {
    let mut lows = Map::new();
    let mut highs = Map::new();
    let mut nulls = Map::new();
    let descriptor = metadata.file_metadata().schema_descr();
    for field in schema.fields().iter().take(STATS_COLUMNS) {
        let Ok(converter) = StatisticsConverter::try_new(field.name(), schema, descriptor) else {
            continue;
        };
        let groups = metadata.row_groups();
        if let Ok(counts) = converter.row_group_null_counts(groups)
            && counts.null_count() == 0
        {
            nulls.insert(field.name().clone(), json!(counts.values().iter().sum::<u64>()));
        }
        if let Ok(values) = converter.row_group_mins(groups)
            && let Some(low) = bound(&values, Side::Low)
        {
            lows.insert(field.name().clone(), low);
        }
        if let Ok(values) = converter.row_group_maxes(groups)
            && let Some(high) = bound(&values, Side::High)
        {
            highs.insert(field.name().clone(), high);
        }
    }
    json!({ "numRecords": rows, "minValues": lows, "maxValues": highs, "nullCount": nulls })
}

#[derive(Clone, Copy)]
enum Side {
    Low,
    High,
}

/// The lowest or highest of the row groups' bounds as Delta writes it in JSON; `None` when a
/// group has no bound or the type has none (floats: not-a-number is outside every bound).
fn bound(values: &ArrayRef, side: Side) -> Option<Value> {
    macro_rules! number {
        ($kind:ty) => {{
            let array = values.as_primitive::<$kind>();
            match side {
                Side::Low => min(array),
                Side::High => max(array),
            }
        }};
    }
    // A group of nothing but nulls has no bound and must not hide the others; a group that has
    // rows and no bound (no statistics) reads as null too, but our own writer always has them.
    match values.data_type() {
        DataType::Int8 => number!(Int8Type).map(Value::from),
        DataType::Int16 => number!(Int16Type).map(Value::from),
        DataType::Int32 => number!(Int32Type).map(Value::from),
        DataType::Int64 => number!(Int64Type).map(Value::from),
        DataType::Date32 => {
            let days = number!(Date32Type)?;
            Some(Value::from(ScalarValue::Date32(Some(days)).to_string()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            // Delta keeps milliseconds: the low bound goes down, the high bound up.
            let micros = number!(TimestampMicrosecondType)?;
            let millis = match side {
                Side::Low => micros.div_euclid(1000),
                Side::High => micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) != 0),
            };
            instant_text(millis).map(Value::from)
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = number!(Decimal128Type)?;
            let text = decimal_text(unscaled, *scale)?;
            serde_json::from_str(&text).ok()
        }
        DataType::Boolean => match side {
            Side::Low => min_boolean(values.as_boolean()),
            Side::High => max_boolean(values.as_boolean()),
        }
        .map(Value::from),
        DataType::Utf8 => match side {
            Side::Low => min_string(values.as_string::<i32>()),
            Side::High => max_string(values.as_string::<i32>()),
        }
        .map(Value::from),
        DataType::Binary => match side {
            Side::Low => min_binary(values.as_binary::<i32>()),
            Side::High => max_binary(values.as_binary::<i32>()),
        }
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .map(Value::from),
        _ => None,
    }
}

/// `2024-01-31T08:00:00.123Z`
fn instant_text(millis: i64) -> Option<String> {
    let array = arrow::array::TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC");
    let text = arrow::compute::cast(&array, &DataType::Utf8).ok()?;
    Some(text.as_string::<i32>().value(0).to_owned())
}

/// A decimal that JSON can carry without loss: at most 15 significant digits.
fn decimal_text(unscaled: i128, scale: i8) -> Option<String> {
    if unscaled.unsigned_abs() >= 1_000_000_000_000_000 || !(0..=15).contains(&scale) {
        return None;
    }
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

/// Reads Delta's statistics back as bounds for `schema` (the table's columns, and the bucket last
/// when there is one). What cannot be read is simply not bounded.
pub(crate) fn bounds_from_stats(
    stats: Option<&str>,
    schema: &SchemaRef,
    bucket: Option<u32>,
) -> (Option<u64>, Statistics) {
    let parsed: Value = stats.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let rows = parsed["numRecords"].as_u64();
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            if field.name() == crate::layout::BUCKET_COLUMN {
                let value = bucket.and_then(|bucket| i32::try_from(bucket).ok());
                return ColumnStatistics::new_unknown()
                    .with_min_value(precision(value.map(|value| ScalarValue::Int32(Some(value)))))
                    .with_max_value(precision(value.map(|value| ScalarValue::Int32(Some(value)))))
                    .with_null_count(Precision::Exact(0));
            }
            let read = |side: &str| read_bound(&parsed[side][field.name()], field.data_type());
            let null_count = parsed["nullCount"][field.name()].as_u64().and_then(|count| usize::try_from(count).ok());
            ColumnStatistics::new_unknown()
                .with_min_value(precision(read("minValues")))
                .with_max_value(precision(read("maxValues")))
                .with_null_count(null_count.map_or(Precision::Absent, Precision::Exact))
        })
        .collect();
    let num_rows = rows.and_then(|rows| usize::try_from(rows).ok()).map_or(Precision::Absent, Precision::Exact);
    let bounds = Statistics { num_rows, total_byte_size: Precision::Absent, column_statistics: columns };
    (rows, bounds)
}

fn precision(value: Option<ScalarValue>) -> Precision<ScalarValue> {
    value.map_or(Precision::Absent, Precision::Exact)
}

fn read_bound(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    match (data_type, value) {
        (DataType::Float16 | DataType::Float32 | DataType::Float64, _) => None,
        (DataType::Utf8, Value::String(text)) => Some(ScalarValue::Utf8(Some(text.clone()))),
        (DataType::Int64, Value::Number(number)) => number.as_i64().map(|number| ScalarValue::Int64(Some(number))),
        (DataType::Boolean, Value::Bool(bit)) => Some(ScalarValue::Boolean(Some(*bit))),
        (_, Value::String(text)) => ScalarValue::try_from_string(text.clone(), data_type).ok(),
        (_, Value::Number(number)) => ScalarValue::try_from_string(number.to_string(), data_type).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("number", DataType::Int64, true),
            Field::new("day", DataType::Date32, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("amount", DataType::Decimal128(12, 2), true),
            Field::new("ratio", DataType::Float64, true),
            Field::new("is_so", DataType::Boolean, true),
        ]))
    }

    fn batch() -> RecordBatch {
        RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(StringArray::from(vec![Some("沂水"), None, Some("兰山")])),
                Arc::new(Int64Array::from(vec![3, -5, 7])),
                Arc::new(Date32Array::from(vec![Some(19_753), None, Some(0)])),
                Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_123_456, 5, 6]).with_timezone("UTC")),
                Arc::new(Decimal128Array::from(vec![-12_345, 5, 100]).with_precision_and_scale(12, 2).expect("fits")),
                Arc::new(Float64Array::from(vec![0.5, f64::NAN, 1.5])),
                Arc::new(BooleanArray::from(vec![true, false, true])),
            ],
        )
        .expect("columns fit")
    }

    #[test]
    fn statistics_written_to_the_log_bound_every_value_when_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let shape = FileShape {
            folder: folder.path().to_owned(),
            schema: schema(),
            key: vec!["text".to_owned()],
            found_by: Vec::new(),
        };
        let mut writer = FileWriter::create(&shape, "a/part.parquet".to_owned(), None).expect("creates");
        writer.write(&batch()).expect("writes");
        let written = writer.finish().expect("finishes");
        let bytes = fs::read(folder.path().join("a/part.parquet")).expect("the file is there");
        assert_eq!(written.size, bytes.len() as u64);
        assert_eq!(written.sha256, hex(&Sha256::digest(&bytes)));
        let (rows, bounds) = bounds_from_stats(Some(&written.stats), &schema(), None);
        assert_eq!(rows, Some(3));
        let text = &bounds.column_statistics[0];
        assert_eq!(text.min_value, Precision::Exact(ScalarValue::from("兰山")));
        assert_eq!(text.max_value, Precision::Exact(ScalarValue::from("沂水")));
        assert_eq!(text.null_count, Precision::Exact(1));
        let at = bounds.column_statistics[3].max_value.get_value().expect("a bound").clone();
        assert_eq!(at, ScalarValue::TimestampMicrosecond(Some(1_700_000_000_124_000), Some("UTC".into())));
        let amount = bounds.column_statistics[4].min_value.get_value().expect("a bound").clone();
        assert_eq!(amount, ScalarValue::Decimal128(Some(-12_345), 12, 2));
        assert_eq!(bounds.column_statistics[5].max_value, Precision::Absent);
    }

    #[test]
    fn an_unfinished_file_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let shape =
            FileShape { folder: folder.path().to_owned(), schema: schema(), key: Vec::new(), found_by: Vec::new() };
        let mut writer = FileWriter::create(&shape, "part.parquet".to_owned(), None).expect("creates");
        writer.write(&batch()).expect("writes");
        drop(writer);
        assert!(!folder.path().join("part.parquet").exists());
    }
}
