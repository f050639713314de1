//! What can go wrong while a city is made.

use std::path::PathBuf;

/// Why a city could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// A scale out of bounds.
    #[error("found scale {found}, expected {min} to {max}", min = crate::SCALE_MIN, max = crate::SCALE_MAX)]
    Scale {
        /// The scale.
        found: f64,
    },
    /// A number of threads out of bounds.
    #[error("found {found} threads, expected 1 to {max}", max = crate::THREADS_MAX)]
    Threads {
        /// The number.
        found: usize,
    },
    /// The pack has no divisions of level 5, so nobody can live anywhere.
    #[error("the pack has no villages, expected a list of divisions down to level 5")]
    NoVillages,
    /// A dataset without a plan.
    #[error("the generator has no plan for dataset `{dataset}`; add one to its list of plans")]
    Dataset {
        /// Its identifier.
        dataset: String,
    },
    /// A column that nobody has taught the generator.
    #[error("the generator does not know what stands in column `{column}` of dataset `{dataset}`")]
    Column {
        /// The dataset.
        dataset: String,
        /// The column.
        column: String,
    },
    /// A rule whose failures the generator cannot foretell.
    #[error("the generator cannot foretell which records fail rule `{rule}` of dataset `{dataset}`")]
    Rule {
        /// The dataset.
        dataset: String,
        /// The rule.
        rule: String,
    },
    /// A file or folder cannot be written or read.
    #[error("failed to write {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A workbook cannot be written.
    #[error("failed to write workbook {path}")]
    Workbook {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: rust_xlsxwriter::XlsxError,
    },
    /// Columns do not make a batch.
    #[error("failed to assemble records for {path}")]
    Batch {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: arrow::error::ArrowError,
    },
    /// A Parquet file cannot be written.
    #[error("failed to write parquet file {path}")]
    Parquet {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: parquet::errors::ParquetError,
    },
    /// A department's server refuses.
    #[error("failed to fill table `{table}`")]
    Database {
        /// The table.
        table: String,
        /// Cause.
        source: sqlx::Error,
    },
    /// The reckoning cannot be written or read.
    #[error("failed to read or write the truth in {path}")]
    Truth {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: serde_json::Error,
    },
}
