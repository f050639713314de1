//! The fault file of a standalone check: one row per fault.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use tempfile::NamedTempFile;
use yihe_definitions::rule::Severity;

use crate::{checker::Checker, error::QualityError};

/// Faults that are written at once.
const CHUNK_ROWS: usize = 65_536;

/// Writes `file, row, rule, severity, column, found`; the file appears under its name when it is whole.
pub struct FaultWriter {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<NamedTempFile>,
    files: Vec<String>,
    rules: Vec<(String, &'static str, String)>,
    file: StringBuilder,
    row: Int64Builder,
    rule: StringBuilder,
    severity: StringBuilder,
    column: StringBuilder,
    found: StringBuilder,
    pending: usize,
}

impl FaultWriter {
    pub fn create(path: &Path, files: &[PathBuf], checker: &Checker) -> Result<Self, QualityError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("file", DataType::Utf8, false),
            Field::new("row", DataType::Int64, false),
            Field::new("rule", DataType::Utf8, false),
            Field::new("severity", DataType::Utf8, false),
            Field::new("column", DataType::Utf8, false),
            Field::new("found", DataType::Utf8, true),
        ]));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".faults").permissions(shared()).tempfile_in(folder);
        let file = file.map_err(|source| QualityError::Io { doing: "create", path: path.to_owned(), source })?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
            .map_err(|error| QualityError::Input { path: path.to_owned(), reason: error.to_string() })?;
        let rules = checker.rules().iter().enumerate().map(|(index, rule)| {
            let severity = match rule.severity {
                Severity::Info => "info",
                Severity::Warn => "warn",
                Severity::Hold => "hold",
                Severity::Quarantine => "quarantine",
            };
            (rule.id.clone(), severity, checker.shown_columns(index).join(", "))
        });
        Ok(Self {
            path: path.to_owned(),
            schema,
            writer,
            files: files.iter().map(|file| file.display().to_string()).collect(),
            rules: rules.collect(),
            file: StringBuilder::new(),
            row: Int64Builder::new(),
            rule: StringBuilder::new(),
            severity: StringBuilder::new(),
            column: StringBuilder::new(),
            found: StringBuilder::new(),
            pending: 0,
        })
    }

    /// Adds a fault; `row` counts from 1 in its file.
    pub fn push(&mut self, file: usize, row: u64, rule: usize, found: Option<String>) -> Result<(), QualityError> {
        let (id, severity, column) = &self.rules[rule];
        self.file.append_value(&self.files[file]);
        // Rows of a scan are bounded by 2^32.
        self.row.append_value(row.cast_signed());
        self.rule.append_value(id);
        self.severity.append_value(severity);
        self.column.append_value(column);
        self.found.append_option(found);
        self.pending += 1;
        if self.pending < CHUNK_ROWS {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), QualityError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.rule.finish()),
            Arc::new(self.severity.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.found.finish()),
        ];
        self.pending = 0;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|source| QualityError::Arrow { doing: "put faults together", source })?;
        self.writer.write(&batch).map_err(|error| write_error(&self.path, &error))
    }

    pub fn close(mut self) -> Result<(), QualityError> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(|error| write_error(&self.path, &error))?;
        let failed = |source| QualityError::Io { doing: "write", path: self.path.clone(), source };
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Temporary files are private; what a person asked for is as any file of theirs.
fn shared() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o644)
}

fn write_error(path: &Path, error: &parquet::errors::ParquetError) -> QualityError {
    QualityError::Input { path: path.to_owned(), reason: format!("writing faults: {error}") }
}
