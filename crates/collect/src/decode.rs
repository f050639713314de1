//! Reading what departments send. Every decoder hands records to one sink and knows nothing of types.

pub(crate) mod csv;
pub(crate) mod jsonl;
mod parquet;
mod text;
pub(crate) mod xlsx;

use std::path::Path;

use arrow::array::RecordBatch;
use yihe_definitions::{Dataset, Format};

pub use text::{Inspection, inspect};

use crate::{error::CollectError, headers::Headers, record::Record};

/// Most bytes of one record of a text file.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Most fields of one record.
pub const FIELDS_MAX: usize = 4_096;

/// Receives a file, first its columns, then its records.
pub trait Sink {
    /// The columns of the file, once, before any record.
    ///
    /// # Errors
    /// What the receiver could not do; decoding stops.
    fn columns(&mut self, headers: &Headers) -> Result<(), CollectError>;

    /// One record.
    ///
    /// # Errors
    /// What the receiver could not do; decoding stops.
    fn record(&mut self, record: &Record) -> Result<(), CollectError>;

    /// Rows that are already of the landing types and in the dataset's column order.
    ///
    /// # Errors
    /// What the receiver could not do; decoding stops.
    fn typed(&mut self, rows: &RecordBatch) -> Result<(), CollectError>;
}

/// Decodes one file of `dataset` into `sink`.
///
/// # Errors
/// The first fault that makes the file as a whole unreadable, or the sink's own.
pub fn decode(
    path: &Path,
    dataset: &Dataset,
    inspection: &Inspection,
    sink: &mut dyn Sink,
) -> Result<(), CollectError> {
    match format_of(path, dataset) {
        Format::Csv => csv::decode(path, dataset, inspection, sink),
        Format::Xlsx => xlsx::decode(path, dataset, sink),
        Format::Jsonl => jsonl::decode(path, dataset, inspection, sink),
        Format::Parquet | Format::Postgres | Format::Mariadb => parquet::decode(path, dataset, sink),
    }
}

/// A file's own ending decides, for departments deliver a workbook where a CSV was agreed; else the dataset.
#[must_use]
pub fn format_of(path: &Path, dataset: &Dataset) -> Format {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv" | "txt" | "tsv") => Format::Csv,
        Some("xlsx" | "xlsm") => Format::Xlsx,
        Some("jsonl" | "ndjson") => Format::Jsonl,
        Some("parquet") => Format::Parquet,
        _ => dataset.source.format,
    }
}

pub(crate) fn read_error(path: &Path) -> impl Fn(std::io::Error) -> CollectError + use<> {
    let path = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    move |source| CollectError::Read { path: path.clone(), source }
}
