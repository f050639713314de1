//! Rows that do not fit: kept whole, with the reason, never dropped.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use yihe_definitions::{ColumnType, Language};

/// Most bytes of a refused row that are kept.
pub const RAW_BYTES_MAX: usize = 64 << 10;
/// Most characters of a single found value that are shown.
const FOUND_CHARS_MAX: usize = 200;

/// Why a row did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The number of fields is not that of the header.
    FieldCount {
        /// Fields of the header.
        expected: usize,
    },
    /// A value is not of the column's type.
    Type(ColumnType),
    /// A value that must be there is missing.
    Missing,
    /// A long number was kept as a floating-point number by the spreadsheet, so digits are lost.
    LostDigits,
    /// The line is not a JSON object.
    NotAnObject,
    /// A value is a list or an object where a plain value was expected.
    Nested,
    /// The key is not one of the dataset's columns.
    UnknownKey,
}

impl Reason {
    /// Short stable word for tables and statistics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FieldCount { .. } => "field_count",
            Self::Type(_) => "type",
            Self::Missing => "missing",
            Self::LostDigits => "lost_digits",
            Self::NotAnObject => "not_an_object",
            Self::Nested => "nested",
            Self::UnknownKey => "unknown_key",
        }
    }

    /// What was expected instead.
    #[must_use]
    pub fn expected(&self, language: Language) -> String {
        match language {
            Language::Zh => match self {
                Self::FieldCount { expected } => format!("{expected} 个字段"),
                Self::Type(ColumnType::Text) => "文本".to_owned(),
                Self::Type(ColumnType::Integer) => "整数".to_owned(),
                Self::Type(ColumnType::Decimal { precision, scale }) => {
                    format!("不超过 {precision} 位、小数 {scale} 位的数")
                }
                Self::Type(ColumnType::Float) => "数".to_owned(),
                Self::Type(ColumnType::Boolean) => "是/否".to_owned(),
                Self::Type(ColumnType::Date) => "日期，例如 2025-08-01".to_owned(),
                Self::Type(ColumnType::Timestamp) => "时间，例如 2025-08-01 09:30:00".to_owned(),
                Self::Missing => "非空的值".to_owned(),
                Self::LostDigits => "以文本格式保存的号码（超过 15 位的数字在表格中会丢失末位）".to_owned(),
                Self::NotAnObject => "每行一个 JSON 对象".to_owned(),
                Self::Nested => "单个值".to_owned(),
                Self::UnknownKey => "数据集中已登记的列".to_owned(),
            },
            Language::En => match self {
                Self::FieldCount { expected } => format!("{expected} fields"),
                Self::Type(ColumnType::Text) => "text".to_owned(),
                Self::Type(ColumnType::Integer) => "a whole number".to_owned(),
                Self::Type(ColumnType::Decimal { precision, scale }) => {
                    format!("a number of at most {precision} digits, {scale} of them after the point")
                }
                Self::Type(ColumnType::Float) => "a number".to_owned(),
                Self::Type(ColumnType::Boolean) => "true or false".to_owned(),
                Self::Type(ColumnType::Date) => "a date, e.g. 2025-08-01".to_owned(),
                Self::Type(ColumnType::Timestamp) => "a time, e.g. 2025-08-01 09:30:00".to_owned(),
                Self::Missing => "a value".to_owned(),
                Self::LostDigits => "a number kept as text (a spreadsheet loses digits after the 15th)".to_owned(),
                Self::NotAnObject => "one JSON object a line".to_owned(),
                Self::Nested => "a single value".to_owned(),
                Self::UnknownKey => "a registered column of the dataset".to_owned(),
            },
        }
    }
}

/// Schema of every quarantine table.
///
/// `_batch` and `_row` name the delivered row; `_line` is its place in the file; `_column`, `_found` and
/// `_expected` say what is wrong (`_expected` in Chinese, `_reason` is the stable word from which the
/// English wording follows); `_raw` is the row itself as a JSON array, at most 64 KiB of it.
#[must_use]
pub fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("_batch", DataType::Utf8, false),
        Field::new("_row", DataType::Int64, false),
        Field::new("_line", DataType::Int64, false),
        text("_column"),
        text("_found"),
        text("_expected"),
        Field::new("_reason", DataType::Utf8, false),
        text("_raw"),
    ]))
}

/// Collects refused rows of one batch.
#[derive(Debug)]
pub struct QuarantineBuilder {
    batch: String,
    batches: StringBuilder,
    rows: Int64Builder,
    lines: Int64Builder,
    columns: StringBuilder,
    found: StringBuilder,
    expected: StringBuilder,
    reasons: StringBuilder,
    raw: StringBuilder,
    waiting: usize,
}

/// One refused row.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// 1-based row in the delivered file.
    pub row: u64,
    /// Its line.
    pub line: u64,
    /// Column name, where one is at fault.
    pub column: Option<&'a str>,
    /// What was found.
    pub found: &'a str,
    /// Why it does not fit.
    pub reason: &'a Reason,
    /// The row itself.
    pub raw: &'a str,
}

impl QuarantineBuilder {
    /// An empty builder for one batch.
    #[must_use]
    pub fn new(batch: &str) -> Self {
        Self {
            batch: batch.to_owned(),
            batches: StringBuilder::new(),
            rows: Int64Builder::new(),
            lines: Int64Builder::new(),
            columns: StringBuilder::new(),
            found: StringBuilder::new(),
            expected: StringBuilder::new(),
            reasons: StringBuilder::new(),
            raw: StringBuilder::new(),
            waiting: 0,
        }
    }

    /// Adds one refused row.
    pub fn push(&mut self, refusal: &Refusal<'_>) {
        self.batches.append_value(&self.batch);
        self.rows.append_value(refusal.row.cast_signed());
        self.lines.append_value(refusal.line.cast_signed());
        self.columns.append_option(refusal.column);
        let end = refusal.found.char_indices().nth(FOUND_CHARS_MAX).map_or(refusal.found.len(), |(at, _)| at);
        self.found.append_value(&refusal.found[..end]);
        self.expected.append_value(refusal.reason.expected(Language::Zh));
        self.reasons.append_value(refusal.reason.code());
        self.raw.append_value(refusal.raw);
        self.waiting += 1;
    }

    /// Rows that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes what has been collected.
    #[must_use]
    pub fn take(&mut self) -> RecordBatch {
        self.waiting = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.batches.finish()),
            Arc::new(self.rows.finish()),
            Arc::new(self.lines.finish()),
            Arc::new(self.columns.finish()),
            Arc::new(self.found.finish()),
            Arc::new(self.expected.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.raw.finish()),
        ];
        RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
    }
}
