//! What can go wrong in linking, said so that the reader knows what to do.

use std::{fmt, io, path::PathBuf};

/// A linkage that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LinkageError {
    /// A file cannot be read as a table.
    #[error("cannot read `{}`: {reason}", path.display())]
    Input { path: PathBuf, reason: Reason },
    /// A file cannot be written.
    #[error("cannot write `{}`: {reason}", path.display())]
    Output { path: PathBuf, reason: Reason },
    /// A model is not a model.
    #[error("model `{}`: {reason}", path.display())]
    Model { path: PathBuf, reason: Reason },
    /// A column that the records do not have.
    #[error("no column `{name}` in {table}; found: {found}")]
    Column { name: String, table: String, found: String },
    /// More records than row numbers.
    #[error("found {found} records, expected at most {most}")]
    TooManyRows { found: usize, most: usize },
    /// Nothing in the tables can tell records apart.
    #[error("{reason}")]
    NothingToCompare { reason: Reason },
    /// A blocking rule would compare too much.
    #[error("blocking rule {rule} would compare {pairs:.0} pairs, expected at most {most:.0}; add a column to it")]
    TooManyPairs { rule: String, pairs: f64, most: f64 },
}

impl LinkageError {
    /// The same in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Input { path, reason } => format!("无法读取“{}”：{}", path.display(), reason.chinese()),
            Self::Output { path, reason } => format!("无法写出“{}”：{}", path.display(), reason.chinese()),
            Self::Model { path, reason } => format!("模型“{}”有误：{}", path.display(), reason.chinese()),
            Self::Column { name, table, found } => format!("{table} 中没有列“{name}”，现有：{found}"),
            Self::TooManyRows { found, most } => format!("有 {found} 条记录，至多 {most} 条"),
            Self::NothingToCompare { reason } => format!("无可比较：{}", reason.chinese()),
            Self::TooManyPairs { rule, pairs, most } => {
                format!("分块规则 {rule} 要比较 {pairs:.0} 对，至多 {most:.0} 对；请为它再加一列")
            }
        }
    }
}

/// Why, in English and in Chinese; what other programs said is left as they said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    english: String,
    chinese: String,
}

impl Reason {
    /// In both languages.
    #[must_use]
    pub fn new(english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self { english: english.into(), chinese: chinese.into() }
    }

    /// What another program said of a step of ours.
    #[must_use]
    pub fn of(english: &str, chinese: &str, said: &dyn fmt::Display) -> Self {
        Self::new(format!("{english}: {said}"), format!("{chinese}：{said}"))
    }

    /// The same, with the place before it.
    #[must_use]
    pub fn at(self, english: &str, chinese: &str) -> Self {
        Self::new(format!("{english}: {}", self.english), format!("{chinese}：{}", self.chinese))
    }

    /// Found and expected.
    #[must_use]
    pub fn found(found: &dyn fmt::Display, expected: &dyn fmt::Display) -> Self {
        Self::new(format!("found {found}, expected {expected}"), format!("现为 {found}，应为 {expected}"))
    }

    /// Too many of something.
    #[must_use]
    pub fn too_many(found: &dyn fmt::Display, most: &dyn fmt::Display, english: &str, chinese: &str) -> Self {
        Self::new(
            format!("found {found} {english}, expected at most {most}"),
            format!("有 {found} {chinese}，至多 {most}"),
        )
    }

    /// In Chinese.
    #[must_use]
    pub fn chinese(&self) -> &str {
        &self.chinese
    }
}

/// In English.
impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.english)
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        let chinese = match error.kind() {
            io::ErrorKind::NotFound => "文件或文件夹不存在",
            io::ErrorKind::PermissionDenied => "没有权限",
            io::ErrorKind::StorageFull => "磁盘已满",
            io::ErrorKind::QuotaExceeded => "超出磁盘配额",
            io::ErrorKind::ReadOnlyFilesystem => "文件系统只读",
            io::ErrorKind::IsADirectory => "这是文件夹，不是文件",
            io::ErrorKind::NotADirectory => "路径中有一段不是文件夹",
            io::ErrorKind::InvalidInput => "路径不是文件名",
            _ => "系统报错",
        };
        Self::new(error.to_string(), format!("{chinese}（{error}）"))
    }
}
