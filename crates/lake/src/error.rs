//! What can go wrong in the lake, one variant for each case a caller treats differently.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use parquet::errors::ParquetError;

use crate::name::TableName;

/// Failures of the lake. Messages never hold a value of a row, so they may be logged and shown.
///
/// The causes in `source` come from the engine and *may* hold values; whoever answers an outside
/// caller shows the message only. [`LakeError::Refused`], [`LakeError::Bound`] and
/// [`LakeError::QueryFailed`], the errors of granted reads, have no source for that reason.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A table, view, column or commit key that is not spelled as it must be.
    #[error("`{found}` is not a {what}: expected {expected}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The spelling found.
        found: String,
        /// The spelling expected.
        expected: &'static str,
    },
    /// Somebody asked for a table that was never created.
    #[error("the lake has no table `{table}`")]
    NoTable {
        /// The table asked for.
        table: TableName,
    },
    /// A version that the table's log does not hold.
    #[error("table `{table}` has no version {version}; its newest is {newest}")]
    NoVersion {
        /// The table asked for.
        table: TableName,
        /// The version asked for.
        version: i64,
        /// The newest version there is.
        newest: i64,
    },
    /// A column that the table does not have.
    #[error("table `{table}` has no column `{column}`")]
    NoColumn {
        /// The table asked for.
        table: TableName,
        /// The column asked for.
        column: String,
    },
    /// The table exists with another shape than the one asked for.
    #[error("table `{table}` differs from what is asked for: {difference}")]
    Shape {
        /// The table.
        table: TableName,
        /// What differs, found and expected.
        difference: String,
    },
    /// A batch of rows does not fit the table.
    #[error("rows do not fit table `{table}`: {difference}")]
    Rows {
        /// The table.
        table: TableName,
        /// What does not fit, found and expected.
        difference: String,
    },
    /// The operation is not for this kind of table.
    #[error("table `{table}` does not allow {operation}: {reason}")]
    NotAllowed {
        /// The table.
        table: TableName,
        /// What was tried.
        operation: &'static str,
        /// Why it cannot be.
        reason: &'static str,
    },
    /// Another writer kept the table for too long.
    #[error("waited {seconds} seconds for the writer's lock of table `{table}`, the bound")]
    Locked {
        /// The table.
        table: TableName,
        /// The bound, in seconds.
        seconds: u64,
    },
    /// Other writers won every attempt to commit.
    #[error("gave up committing to table `{table}` after {attempts} attempts, the bound")]
    Contended {
        /// The table.
        table: TableName,
        /// The bound.
        attempts: u32,
    },
    /// The disk is full. Nothing of the commit is visible; free space and repeat it.
    #[error("the disk holding `{}` is full", path.display())]
    StorageFull {
        /// The file or folder being written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Reading or writing a file failed.
    #[error("failed to {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A data file is cut short, is not Parquet, or is not one of ours.
    #[error("`{}` is not a whole Parquet file of this table", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader or writer met.
        source: ParquetError,
    },
    /// The table's log could not be read or written.
    #[error("failed to {action} the log of table `{table}`")]
    Log {
        /// What was tried.
        action: &'static str,
        /// The table.
        table: TableName,
        /// The table format's error.
        source: Box<DeltaTableError>,
    },
    /// Work on rows in memory failed.
    #[error("failed to {action} rows of table `{table}`")]
    Arrow {
        /// What was tried.
        action: &'static str,
        /// The table.
        table: TableName,
        /// Arrow's error.
        source: ArrowError,
    },
    /// A trusted query failed.
    #[error("failed to {action}")]
    Engine {
        /// What was tried.
        action: String,
        /// The engine's error.
        source: Box<DataFusionError>,
    },
    /// A grant that cannot be applied to its table. For the grant's author: it names the table's columns,
    /// so a caller is told only that the grant is out of order.
    #[error("the grant for view `{view}` cannot be applied: {reason}")]
    Rights {
        /// The view the grant names.
        view: String,
        /// What does not fit.
        reason: String,
    },
    /// A granted read that is outside what callers may ask.
    #[error("the query is refused: {reason}")]
    Refused {
        /// What is not allowed, in the caller's own words and names only.
        reason: String,
    },
    /// A granted read met one of its bounds.
    #[error("the query went over its bound of {bound}")]
    Bound {
        /// The bound, with its unit.
        bound: String,
    },
    /// A granted read failed while it ran; the cause may hold values and is therefore not kept.
    #[error("the query failed while it ran: {class}")]
    QueryFailed {
        /// The kind of failure.
        class: &'static str,
    },
    /// A writer was used after one of its writes failed or was cancelled: its rows are not whole.
    #[error("the writer failed before; begin a new one with the same commit key")]
    Broken,
    /// A task of ours was cancelled or panicked.
    #[error("a background task of the lake ended early: {detail}")]
    Task {
        /// What ended.
        detail: String,
    },
}

impl LakeError {
    /// A file-system failure; a full disk is told apart from all others.
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::StorageFull {
            Self::StorageFull { path, source }
        } else {
            Self::File { action, path, source }
        }
    }

    /// A failure of the Parquet reader or writer; file-system failures inside it are unwrapped.
    pub(crate) fn parquet(action: &'static str, path: &Path, source: ParquetError) -> Self {
        match source {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(io) => Self::file(action, path, *io),
                Err(other) => Self::Parquet { path: path.to_owned(), source: ParquetError::External(other) },
            },
            source => Self::Parquet { path: path.to_owned(), source },
        }
    }

    /// A failure of the table log; a full disk is told apart.
    pub(crate) fn log(action: &'static str, table: &TableName, folder: &Path, source: DeltaTableError) -> Self {
        if is_storage_full(&source) {
            return Self::StorageFull {
                path: folder.to_owned(),
                source: io::Error::new(io::ErrorKind::StorageFull, source),
            };
        }
        Self::Log { action, table: table.clone(), source: Box::new(source) }
    }

    /// A failure of a trusted query or scan.
    pub(crate) fn engine(action: impl Into<String>, source: DataFusionError) -> Self {
        // Our own errors travel through the engine's streams as external errors.
        match source {
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => {
                    Self::Engine { action: action.into(), source: Box::new(DataFusionError::External(other)) }
                }
            },
            source => Self::Engine { action: action.into(), source: Box::new(source) },
        }
    }
}

/// True when a full disk is somewhere among the causes.
fn is_storage_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::StorageFull
        {
            return true;
        }
        cause = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_whoever_wraps_it() {
        let path = Path::new("lake/landing/t/part.parquet");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = ParquetError::External(Box::new(full()));
        assert!(matches!(LakeError::parquet("write", path, wrapped), LakeError::StorageFull { .. }));
        let table = TableName::new(crate::Zone::Landing, "t").expect("a valid name");
        let wrapped = DeltaTableError::Io { source: full() };
        assert!(matches!(LakeError::log("commit to", &table, path, wrapped), LakeError::StorageFull { .. }));
    }
}
