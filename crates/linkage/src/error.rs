//! What can go wrong in linking, said so that the reader knows what to do.

use std::path::PathBuf;

/// A linkage that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LinkageError {
    /// A file cannot be read as a table.
    #[error("cannot read `{}`: {reason}", path.display())]
    Input { path: PathBuf, reason: String },
    /// A file cannot be written.
    #[error("cannot write `{}`: {reason}", path.display())]
    Output { path: PathBuf, reason: String },
    /// A model is not a model.
    #[error("model `{}`: {reason}", path.display())]
    Model { path: PathBuf, reason: String },
    /// A column that the records do not have.
    #[error("no column `{name}` in {table}; found: {found}")]
    Column { name: String, table: String, found: String },
    /// More records than row numbers.
    #[error("found {found} records, expected at most {most}")]
    TooManyRows { found: usize, most: usize },
    /// Nothing in the tables can tell records apart.
    #[error("{reason}")]
    NothingToCompare { reason: String },
    /// A blocking rule would compare too much.
    #[error("blocking rule {rule} would compare {pairs:.0} pairs, expected at most {most:.0}; add a column to it")]
    TooManyPairs { rule: String, pairs: f64, most: f64 },
}
