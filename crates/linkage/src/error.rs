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

impl LinkageError {
    /// The same in Chinese; what other programs said is left as they said it.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Input { path, reason } => format!("无法读取“{}”：{reason}", path.display()),
            Self::Output { path, reason } => format!("无法写出“{}”：{reason}", path.display()),
            Self::Model { path, reason } => format!("模型“{}”有误：{reason}", path.display()),
            Self::Column { name, table, found } => format!("{table} 中没有列“{name}”，现有：{found}"),
            Self::TooManyRows { found, most } => format!("有 {found} 条记录，至多 {most} 条"),
            Self::NothingToCompare { reason } => format!("无可比较：{reason}"),
            Self::TooManyPairs { rule, pairs, most } => {
                format!("分块规则 {rule} 要比较 {pairs:.0} 对，至多 {most:.0} 对；请为它再加一列")
            }
        }
    }
}
