//! Parquet, with the columns' declared types; and the truth's lists of records.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, Date32Builder, Decimal128Builder, Int32Array, Int64Builder, RecordBatch,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    schema::types::ColumnPath,
};
use yihe_definitions::{ColumnType, Dataset};

use crate::{
    CityError,
    fault::Fault,
    row::{Cell, Row},
};

use super::Sink;

const BATCH_ROWS: usize = 16_384;
/// China is eight hours ahead of UTC.
const AHEAD_SECONDS: i64 = 8 * 3_600;

pub struct ParquetFile {
    path: PathBuf,
    /// Opened with the first batch, whose values decide which columns are worth a dictionary.
    writer: Option<ArrowWriter<File>>,
    schema: SchemaRef,
    columns: Vec<(usize, Builder)>,
    rows: usize,
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder),
    Day(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
}

fn properties(without_dictionary: &[String]) -> WriterProperties {
    let builder = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(262_144));
    let plain = |builder: WriterPropertiesBuilder, name: &String| {
        builder.set_column_dictionary_enabled(ColumnPath::from(name.as_str()), false)
    };
    without_dictionary.iter().fold(builder, plain).build()
}

/// Columns of which most values are different: a dictionary of them would only cost time.
fn various(batch: &RecordBatch) -> Vec<String> {
    let fields = batch.schema_ref().fields();
    let is_various = |(_, column): &(&Arc<Field>, &ArrayRef)| match column.as_string_opt::<i32>() {
        None => true,
        Some(texts) => {
            let sample = texts.iter().take(1_024).flatten();
            let distinct: HashSet<&str> = sample.collect();
            distinct.len() > texts.len().min(1_024) / 4
        }
    };
    fields.iter().zip(batch.columns()).filter(is_various).map(|(field, _)| field.name().clone()).collect()
}

fn open(path: &Path, schema: &SchemaRef, without_dictionary: &[String]) -> Result<ArrowWriter<File>, CityError> {
    let file = File::create(path).map_err(|source| CityError::Write { path: path.to_owned(), source })?;
    let failed = |source| CityError::Parquet { path: path.to_owned(), source };
    ArrowWriter::try_new(file, Arc::clone(schema), Some(properties(without_dictionary))).map_err(failed)
}

impl ParquetFile {
    pub fn new(path: &Path, dataset: &Dataset, delivered: &[usize]) -> Result<Self, CityError> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for index in delivered {
            let column = &dataset.columns[*index];
            let unknown = || CityError::Column { dataset: dataset.id.clone(), column: column.name.clone() };
            let (kind, builder) = match column.column_type {
                ColumnType::Text => (DataType::Utf8, Builder::Text(StringBuilder::new())),
                ColumnType::Integer => (DataType::Int64, Builder::Integer(Int64Builder::new())),
                ColumnType::Decimal { precision, scale } => {
                    let kind = DataType::Decimal128(precision, scale);
                    (kind.clone(), Builder::Decimal(Decimal128Builder::new().with_data_type(kind)))
                }
                ColumnType::Date => (DataType::Date32, Builder::Day(Date32Builder::new())),
                ColumnType::Timestamp => {
                    let builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
                    (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Builder::Instant(builder))
                }
                ColumnType::Boolean | ColumnType::Float => return Err(unknown()),
            };
            fields.push(Field::new(&column.name, kind, true));
            columns.push((*index, builder));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { path: path.to_owned(), writer: None, schema, columns, rows: 0 })
    }

    fn flush(&mut self) -> Result<(), CityError> {
        let arrays = self.columns.iter_mut().map(|(_, builder)| -> ArrayRef {
            match builder {
                Builder::Text(builder) => Arc::new(builder.finish()),
                Builder::Integer(builder) => Arc::new(builder.finish()),
                Builder::Decimal(builder) => Arc::new(builder.finish()),
                Builder::Day(builder) => Arc::new(builder.finish()),
                Builder::Instant(builder) => Arc::new(builder.finish()),
            }
        });
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays.collect())
            .map_err(|source| CityError::Batch { path: self.path.clone(), source })?;
        self.rows = 0;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(open(&self.path, &self.schema, &various(&batch))?),
        };
        writer.write(&batch).map_err(|source| CityError::Parquet { path: self.path.clone(), source })
    }
}

impl Sink for ParquetFile {
    fn add(&mut self, row: &Row, _: Option<&Fault>) -> Result<(), CityError> {
        for (column, builder) in &mut self.columns {
            match (builder, row.cells[*column]) {
                (Builder::Text(builder), Cell::Text { start, end }) => builder.append_value(&row.text[start..end]),
                (Builder::Text(builder), _) => builder.append_null(),
                (Builder::Integer(builder), Cell::Integer(value)) => builder.append_value(value),
                (Builder::Integer(builder), _) => builder.append_null(),
                (Builder::Decimal(builder), Cell::Decimal { unscaled, .. }) => builder.append_value(unscaled.into()),
                (Builder::Decimal(builder), _) => builder.append_null(),
                (Builder::Day(builder), Cell::Day(days)) => builder.append_value(days),
                (Builder::Day(builder), _) => builder.append_null(),
                (Builder::Instant(builder), Cell::LocalSecond(seconds)) => {
                    builder.append_value((seconds - AHEAD_SECONDS) * 1_000_000);
                }
                (Builder::Instant(builder), _) => builder.append_null(),
            }
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        self.flush()?;
        let Self { path, writer, .. } = *self;
        match writer {
            Some(writer) => writer.close().map(|_| ()).map_err(|source| CityError::Parquet { path, source }),
            None => Ok(()),
        }
    }
}

/// A file of text columns, the first ones given per record, and one whole number: the truth's lists.
pub struct RowsFile {
    path: PathBuf,
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    texts: Vec<StringBuilder>,
    numbers: Vec<i32>,
}

impl RowsFile {
    /// # Errors
    /// The file cannot be made.
    pub fn new(path: &Path, texts: &[String], number: &str) -> Result<Self, CityError> {
        let fields = texts.iter().map(|name| Field::new(name, DataType::Utf8, true));
        let fields = fields.chain([Field::new(number, DataType::Int32, false)]);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer = open(path, &schema, &[])?;
        let texts = texts.iter().map(|_| StringBuilder::new()).collect();
        Ok(Self { path: path.to_owned(), writer, schema, texts, numbers: Vec::new() })
    }

    /// Adds a record; an empty text is a missing value.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>, number: u32) -> Result<(), CityError> {
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(Some(text).filter(|text| !text.is_empty()));
        }
        self.numbers.push(number.cast_signed());
        if self.numbers.len() == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), CityError> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for builder in &mut self.texts {
            arrays.push(Arc::new(builder.finish()));
        }
        arrays.push(Arc::new(Int32Array::from(std::mem::take(&mut self.numbers))));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|source| CityError::Batch { path: self.path.clone(), source })?;
        self.writer.write(&batch).map_err(|source| CityError::Parquet { path: self.path.clone(), source })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<(), CityError> {
        self.flush()?;
        self.writer.close().map_err(|source| CityError::Parquet { path: self.path.clone(), source })?;
        Ok(())
    }
}
