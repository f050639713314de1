//! From the text of a record to the typed columns of the landing table.
//!
//! A row fits when every value is of its column's type and every required value is there. A row that does
//! not fit goes to quarantine whole; softer demands are quality rules and are judged later.

mod value;

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use yihe_definitions::{ColumnType, Dataset};

use crate::{
    headers::Headers,
    quarantine::{QuarantineBuilder, RAW_BYTES_MAX, Reason, Refusal},
    record::Record,
};

/// Rows of one record batch.
pub const BATCH_ROWS: usize = 16_384;

/// Arrow type of a column.
#[must_use]
pub fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        ColumnType::Float => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Schema of a dataset's landing table: the declared columns, then `_batch` and `_row`.
#[must_use]
pub fn landing_schema(dataset: &Dataset) -> SchemaRef {
    let declared = dataset.columns.iter().map(|column| Field::new(&column.name, data_type(column.column_type), true));
    let place = [Field::new("_batch", DataType::Utf8, false), Field::new("_row", DataType::Int64, false)];
    Arc::new(Schema::new(declared.chain(place).collect::<Vec<_>>()))
}

/// A piece of a delivery, ready to be written.
#[derive(Debug)]
pub enum Piece {
    /// Rows for the landing table.
    Landing(RecordBatch),
    /// Rows for the quarantine table.
    Quarantine(RecordBatch),
}

/// How many rows of a delivery went where. `rows_in = accepted + quarantined`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records of the file, blank ones not counted.
    pub rows_in: u64,
    /// Rows for the landing table.
    pub accepted: u64,
    /// Rows for the quarantine.
    pub quarantined: u64,
}

/// Builds the pieces of one batch, record by record.
pub struct Fitter {
    schema: SchemaRef,
    names: Vec<String>,
    columns: Vec<FitColumn>,
    width: usize,
    batch: String,
    batches: StringBuilder,
    rows: Int64Builder,
    waiting: usize,
    quarantine: QuarantineBuilder,
    counts: Counts,
    parsed: Vec<Parsed>,
}

struct FitColumn {
    place: Option<usize>,
    required: bool,
    column_type: ColumnType,
    builder: Builder,
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// A value between parsing and appending. Text stays in the record.
#[derive(Clone, Copy)]
enum Parsed {
    Missing,
    Text,
    Integer(i64),
    Decimal(i128),
    Float(f64),
    Boolean(bool),
    Date(i32),
    Timestamp(i64),
}

impl Fitter {
    /// A fitter for one file of `dataset` whose columns stand as `headers` says.
    #[must_use]
    pub fn new(dataset: &Dataset, headers: &Headers, batch: &str) -> Self {
        let columns: Vec<FitColumn> = dataset
            .columns
            .iter()
            .zip(&headers.places)
            .map(|(column, place)| FitColumn {
                place: *place,
                required: column.required,
                column_type: column.column_type,
                builder: Builder::new(column.column_type),
            })
            .collect();
        Self {
            schema: landing_schema(dataset),
            names: dataset.columns.iter().map(|column| column.title.zh.clone()).collect(),
            parsed: Vec::with_capacity(columns.len()),
            columns,
            width: headers.width,
            batch: batch.to_owned(),
            batches: StringBuilder::new(),
            rows: Int64Builder::new(),
            waiting: 0,
            quarantine: QuarantineBuilder::new(batch),
            counts: Counts::default(),
        }
    }

    /// What went where so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes one record; returns a piece when enough rows have gathered.
    pub fn push(&mut self, record: &Record) -> Option<Piece> {
        self.counts.rows_in += 1;
        let row = self.counts.rows_in;
        if let Err((column, found, reason)) = self.parse(record) {
            self.counts.quarantined += 1;
            let column = column.as_deref();
            let raw = record.raw(RAW_BYTES_MAX);
            self.quarantine.push(&Refusal {
                row,
                line: record.line,
                column,
                found: &found,
                reason: &reason,
                raw: &raw,
            });
            return (self.quarantine.waiting() >= BATCH_ROWS).then(|| Piece::Quarantine(self.quarantine.take()));
        }
        self.counts.accepted += 1;
        for (column, parsed) in self.columns.iter_mut().zip(&self.parsed) {
            let text =
                if matches!(parsed, Parsed::Text) { column.place.and_then(|place| record.cell(place)) } else { None };
            column.builder.append(*parsed, text);
        }
        self.batches.append_value(&self.batch);
        self.rows.append_value(row.cast_signed());
        self.waiting += 1;
        (self.waiting >= BATCH_ROWS).then(|| Piece::Landing(self.take()))
    }

    /// The pieces that have not filled up.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Piece>, Counts) {
        let mut pieces = Vec::new();
        if self.waiting > 0 {
            pieces.push(Piece::Landing(self.take()));
        }
        if self.quarantine.waiting() > 0 {
            pieces.push(Piece::Quarantine(self.quarantine.take()));
        }
        (pieces, self.counts)
    }

    fn parse(&mut self, record: &Record) -> Result<(), (Option<String>, String, Reason)> {
        if let Some(defect) = &record.defect {
            return Err((defect.column.clone(), defect.found.clone(), defect.reason.clone()));
        }
        if record.len() > self.width || record.len() < self.width {
            // Spreadsheets drop trailing empty cells and add formatted ones; only a value too many is a fault there,
            // and their decoder pads. For text files the count is the first thing that shows a shifted row.
            let found = record.len().to_string();
            return Err((None, found, Reason::FieldCount { expected: self.width }));
        }
        self.parsed.clear();
        for (column, name) in self.columns.iter().zip(&self.names) {
            let cell = column.place.and_then(|place| record.cell(place));
            let parsed = match (cell, column.column_type) {
                (None, _) => Parsed::Missing,
                (Some(_), ColumnType::Text) => Parsed::Text,
                (Some(cell), column_type) => match value::parse(cell, column_type) {
                    Some(parsed) => parsed,
                    None => return Err((Some(name.clone()), cell.to_owned(), Reason::Type(column_type))),
                },
            };
            let blank = matches!(parsed, Parsed::Missing)
                || (matches!(parsed, Parsed::Text) && cell.is_none_or(|cell| cell.trim().is_empty()));
            if column.required && blank {
                return Err((Some(name.clone()), String::new(), Reason::Missing));
            }
            self.parsed.push(parsed);
        }
        Ok(())
    }

    fn take(&mut self) -> RecordBatch {
        self.waiting = 0;
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(|column| column.builder.finish()).collect();
        arrays.push(Arc::new(self.batches.finish()));
        arrays.push(Arc::new(self.rows.finish()));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("the builders follow the schema")
    }
}

impl Builder {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Decimal { .. } => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type(column_type)))
            }
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    fn append(&mut self, parsed: Parsed, text: Option<&str>) {
        match (self, parsed) {
            (Self::Text(builder), _) => builder.append_option(text),
            (Self::Integer(builder), Parsed::Integer(value)) => builder.append_value(value),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Decimal(builder), Parsed::Decimal(value)) => builder.append_value(value),
            (Self::Decimal(builder), _) => builder.append_null(),
            (Self::Float(builder), Parsed::Float(value)) => builder.append_value(value),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Parsed::Boolean(value)) => builder.append_value(value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Date(builder), Parsed::Date(value)) => builder.append_value(value),
            (Self::Date(builder), _) => builder.append_null(),
            (Self::Timestamp(builder), Parsed::Timestamp(value)) => builder.append_value(value),
            (Self::Timestamp(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}
