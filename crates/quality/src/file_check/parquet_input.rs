//! Parquet files, read by row group, only the columns that rules read, in the layouts that are cheapest to check.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    },
};

use super::BATCH_ROWS;
use crate::error::QualityError;

/// A column whose values take fewer bytes than this after encoding is a dictionary of few values.
const DICTIONARY_BYTES_PER_VALUE: f64 = 2.6;

/// A Parquet file and what is known of it.
pub struct ParquetInput {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    projection: ProjectionMask,
}

impl ParquetInput {
    pub fn open(path: &Path) -> Result<Self, QualityError> {
        let file = open(path)?;
        let failed = |error: parquet::errors::ParquetError| input_error(path, &error);
        let plain = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(failed)?;
        let schema = layouts(&plain);
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options).map_err(failed)?;
        Ok(Self { path: path.to_owned(), metadata, projection: ProjectionMask::all() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Rows by row group.
    pub fn row_groups(&self) -> impl Iterator<Item = u64> {
        self.metadata.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or_default())
    }

    pub fn project(&mut self, columns: &[String]) -> Result<(), QualityError> {
        let roots = columns.iter().map(|column| self.schema().index_of(column)).collect::<Result<Vec<_>, _>>();
        let roots = roots.map_err(|source| QualityError::Arrow { doing: "find a column", source })?;
        self.projection = ProjectionMask::roots(self.metadata.parquet_schema(), roots);
        Ok(())
    }

    /// The batches of a row group. Every call opens the file anew, so that threads do not share a position.
    pub fn read(&self, row_group: usize) -> Result<ParquetRecordBatchReader, QualityError> {
        let file = open(&self.path)?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(self.projection.clone())
            .with_row_groups(vec![row_group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| input_error(&self.path, &error))
    }

    pub fn error(&self, error: &dyn std::error::Error) -> QualityError {
        input_error(&self.path, error)
    }
}

fn open(path: &Path) -> Result<File, QualityError> {
    File::open(path).map_err(|source| QualityError::Io { doing: "open", path: path.to_owned(), source })
}

fn input_error(path: &Path, error: &dyn std::error::Error) -> QualityError {
    QualityError::Input { path: path.to_owned(), reason: error.to_string() }
}

/// Text as views, which point into the decoded pages instead of copying them; columns of few values as
/// dictionaries, whose values are judged once. Everything else as it is.
fn layouts(plain: &ArrowReaderMetadata) -> SchemaRef {
    let parquet = plain.metadata();
    let fields = plain.schema().fields().iter().enumerate().map(|(root, field)| {
        if !matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return field.clone();
        }
        let mut bytes = 0_i64;
        let mut values = 0_i64;
        for group in parquet.row_groups() {
            for (leaf, column) in group.columns().iter().enumerate() {
                if parquet.file_metadata().schema_descr().get_column_root_idx(leaf) == root {
                    bytes += column.uncompressed_size();
                    values += column.num_values();
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio of sizes")]
        let few = values > 0 && (bytes as f64) < DICTIONARY_BYTES_PER_VALUE * values as f64;
        let layout = if few {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        } else {
            DataType::Utf8View
        };
        Arc::new(Field::new(field.name(), layout, field.is_nullable()).with_metadata(field.metadata().clone()))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), plain.schema().metadata().clone()))
}
