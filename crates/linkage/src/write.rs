//! Pairs and groups as Parquet files.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array},
    datatypes::SchemaRef,
    error::ArrowError,
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    aside::Aside,
    compare::level,
    error::{LinkageError, Reason},
    model::Model,
    records::Records,
    run::Outcome,
};

/// Rows that are written at a time.
const BATCH: usize = 1 << 16;

/// Who a record is: its table, its row from 1, and its identifier.
pub struct Names<'run> {
    records: &'run Records,
    id: Option<usize>,
}

impl<'run> Names<'run> {
    /// Names by the model's `id` column, or by row.
    #[must_use]
    pub fn new(model: &Model, records: &'run Records) -> Self {
        let id = model.id.as_deref().and_then(|name| records.column(name).ok());
        Self { records, id }
    }

    /// Table of a record: 0 or 1.
    #[must_use]
    pub fn table(&self, row: u32) -> usize {
        usize::from(row as usize >= self.records.first && self.records.is_link())
    }

    /// Row in its own table, from 1.
    #[must_use]
    pub fn row(&self, row: u32) -> u32 {
        row + 1 - if self.table(row) == 1 { self.records.first as u32 } else { 0 }
    }

    /// The record's identifier; its row where there is none.
    #[must_use]
    pub fn id(&self, row: u32) -> String {
        let known = self.id.and_then(|column| self.records.columns[column].value(row as usize));
        known.map_or_else(|| self.row(row).to_string(), ToOwned::to_owned)
    }
}

/// Writes pairs: `left_id`, `right_id`, `left_row`, `right_row`, `probability`, `weight`, and one column
/// `level_<column>` per comparison (0 is missing, 1 the first level).
///
/// # Errors
/// The file cannot be written.
pub fn pairs(path: &Path, records: &Records, outcome: &Outcome) -> Result<(), LinkageError> {
    let names = Names::new(&outcome.model, records);
    let batch = |pairs: &[crate::score::Pair]| {
        let ids = |row: fn(&crate::score::Pair) -> u32| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(pairs.iter().map(|pair| names.id(row(pair)))))
        };
        let rows = |row: fn(&crate::score::Pair) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(pairs.iter().map(|pair| names.row(row(pair)))))
        };
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("left_id".to_owned(), ids(|pair| pair.left)),
            ("right_id".to_owned(), ids(|pair| pair.right)),
            ("left_row".to_owned(), rows(|pair| pair.left)),
            ("right_row".to_owned(), rows(|pair| pair.right)),
            (
                "probability".to_owned(),
                Arc::new(Float64Array::from_iter_values(pairs.iter().map(crate::score::Pair::probability))),
            ),
            ("weight".to_owned(), Arc::new(Float64Array::from_iter_values(pairs.iter().map(|pair| pair.weight)))),
        ];
        for (at, comparison) in outcome.model.comparisons.iter().enumerate() {
            let levels = UInt32Array::from_iter_values(pairs.iter().map(|pair| level(pair.pattern, at) as u32));
            columns.push((format!("level_{}", comparison.column), Arc::new(levels)));
        }
        RecordBatch::try_from_iter(columns)
    };
    write(path, outcome.pairs.len(), |rows| batch(&outcome.pairs[rows]))
}

/// Writes groups, one row a record: `cluster_id` (the identifier of its first record), `table`, `row` from 1, `id`.
///
/// # Errors
/// The file cannot be written.
pub fn clusters(path: &Path, records: &Records, outcome: &Outcome) -> Result<(), LinkageError> {
    let names = Names::new(&outcome.model, records);
    // Two tables may use one identifier for different things.
    let cluster = |row: u32| {
        if records.is_link() { format!("{}:{}", names.table(row) + 1, names.id(row)) } else { names.id(row) }
    };
    write(path, records.rows, |rows| {
        let range = rows.start as u32..rows.end as u32;
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "cluster_id",
                Arc::new(StringArray::from_iter_values(outcome.clusters[rows].iter().map(|&row| cluster(row)))),
            ),
            (
                "table",
                Arc::new(StringArray::from_iter_values(
                    range.clone().map(|row| records.tables[names.table(row)].as_str()),
                )),
            ),
            ("row", Arc::new(UInt32Array::from_iter_values(range.clone().map(|row| names.row(row))))),
            ("id", Arc::new(StringArray::from_iter_values(range.map(|row| names.id(row))))),
        ];
        RecordBatch::try_from_iter(columns)
    })
}

fn write(
    path: &Path,
    rows: usize,
    batch: impl Fn(std::ops::Range<usize>) -> Result<RecordBatch, ArrowError>,
) -> Result<(), LinkageError> {
    let made = |range| batch(range).map_err(|error| output_failed(path, &error));
    let first = made(0..rows.min(BATCH))?;
    let mut file = WholeFile::create(path, &first.schema())?;
    file.write(&first)?;
    let mut from = first.num_rows();
    while from < rows {
        let to = (from + BATCH).min(rows);
        file.write(&made(from..to)?)?;
        from = to;
    }
    file.finish()
}

/// What the writer of Parquet said; of a fault of the disk, what the system said.
pub(crate) fn output_failed(path: &Path, error: &(dyn std::error::Error + 'static)) -> LinkageError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            let reason = std::io::Error::new(io.kind(), io.to_string()).into();
            return LinkageError::Output { path: path.to_owned(), reason };
        }
        cause = error.source();
    }
    LinkageError::Output { path: path.to_owned(), reason: Reason::of("Parquet", "Parquet", &error) }
}

/// A Parquet file that is put in its place when it is whole.
pub(crate) struct WholeFile {
    path: PathBuf,
    aside: Aside,
    writer: ArrowWriter<File>,
}

impl WholeFile {
    /// Begins the file.
    pub(crate) fn create(path: &Path, schema: &SchemaRef) -> Result<Self, LinkageError> {
        let failed = |error: &(dyn std::error::Error + 'static)| output_failed(path, error);
        let aside = Aside::create(path).map_err(|error| failed(&error))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let file = aside.file().try_clone().map_err(|error| failed(&error))?;
        let writer =
            ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(|error| failed(&error))?;
        Ok(Self { path: path.to_owned(), aside, writer })
    }

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LinkageError> {
        self.writer.write(batch).map_err(|error| output_failed(&self.path, &error))
    }

    /// Closes it and puts it in its place.
    pub(crate) fn finish(self) -> Result<(), LinkageError> {
        self.writer.close().map_err(|error| output_failed(&self.path, &error))?;
        self.aside.put().map_err(|error| output_failed(&self.path, &error))
    }
}
