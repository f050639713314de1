//! What can go wrong in a check, apart from the data being bad.

use std::path::PathBuf;

use yihe_definitions::{Language, Text};

/// A check that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// Rules that cannot be evaluated on this table; all of them.
    #[error("{} of the rules cannot be evaluated: {}", .0.len(), joined(.0))]
    Rules(Vec<RuleFault>),
    /// The rule document is not one.
    #[error("failed to read the rules in {}: {}", place.as_deref().unwrap_or("the document"), reason.get(Language::En))]
    RuleDocument {
        /// The file; `None`: a text that stands in none.
        place: Option<String>,
        /// Line, what was found, what was expected.
        reason: Text,
    },
    /// A batch lacks a column that a rule reads.
    #[error("found a batch without the column `{column}`, which rules read")]
    BatchColumn {
        /// The column.
        column: String,
    },
    /// More rows than a scan numbers.
    #[error("found row {row}, expected at most {bound} rows in one scan")]
    RowBound {
        /// The row that is too many.
        row: u64,
        /// The bound.
        bound: u64,
    },
    /// A value that is too long for a key.
    #[error("row {row} has a key of {bytes} bytes for rule `{rule}`, expected at most {bound}")]
    KeyBound {
        /// The rule.
        rule: String,
        /// The row, 0-based.
        row: u64,
        /// Length found.
        bytes: usize,
        /// The bound.
        bound: usize,
    },
    /// The predicate of a rule stopped.
    #[error("the predicate of rule `{rule}` stopped: {reason}")]
    Predicate {
        /// The rule.
        rule: String,
        /// What the engine said.
        reason: String,
    },
    /// States of different rules or of different versions of them.
    #[error("found a state of {found}, expected one of {expected}")]
    ForeignState {
        /// What the state says.
        found: String,
        /// What the checker says.
        expected: String,
    },
    /// A delivery whose batches do not have the rows that were read.
    #[error("found batches of {found} rows, expected the {expected} rows that were read")]
    Parts {
        /// Rows of the batches.
        found: u64,
        /// Rows of the scan.
        expected: u64,
    },
    /// Rows of a batch that are not in the order of their numbers.
    #[error("found rows of batch `{batch}` out of order, expected them by their numbers")]
    RowOrder {
        /// The batch.
        batch: String,
    },
    /// A file of ours that is damaged.
    #[error("{path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// An input file that cannot be read as what it is named.
    #[error("failed to read {path}: {reason}", path = path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Where in it, what was found and what was expected.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("failed to {doing} {path}", path = path.display())]
    Io {
        /// What was being done: `read`, `write`, `create`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The Arrow library refused.
    #[error("failed to {doing}")]
    Arrow {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// A thread of ours stopped.
    #[error("a checking thread stopped before its work was done")]
    Thread,
}

impl QualityError {
    /// The sentence people read, with its cause. What a library says of a file or an expression stays as it says it.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        use std::error::Error as _;
        let cause = self.source().map_or_else(String::new, |cause| format!(": {cause}"));
        if language == Language::En {
            return format!("{self}{cause}");
        }
        match self {
            Self::Rules(faults) => {
                let each: Vec<String> =
                    faults.iter().map(|fault| format!("规则 {}：{}", fault.rule, fault.reason)).collect();
                format!("有 {} 处规则不能用于此表：{}", faults.len(), each.join("；"))
            }
            Self::RuleDocument { place, reason } => match place {
                Some(place) => format!("规则文件 {place} 有误：{}", reason.zh),
                None => format!("规则文件有误：{}", reason.zh),
            },
            Self::BatchColumn { column } => format!("数据中缺少规则所需的列 {column}"),
            Self::RowBound { row, bound } => format!("第 {row} 行超出一次核验的上限 {bound} 行"),
            Self::KeyBound { rule, row, bytes, bound } => {
                format!("规则 {rule}：第 {row} 行的键长 {bytes} 字节，上限为 {bound} 字节")
            }
            Self::Predicate { rule, reason } => format!("规则 {rule} 的条件在计算中止：{reason}"),
            Self::ForeignState { found, expected } => format!("留存的状态属于 {found}，应为 {expected}"),
            Self::Parts { found, expected } => {
                format!("各批次共 {found} 行，而实际读到 {expected} 行，两者应当一致")
            }
            Self::RowOrder { batch } => format!("批次 {batch} 的行序有误，应按行号排列"),
            Self::Damaged { path, reason } => format!("文件 {} 已损坏：{reason}", path.display()),
            Self::Input { path, reason } => format!("无法读取 {}：{reason}", path.display()),
            Self::Io { path, .. } => format!("无法读写 {}{cause}", path.display()),
            Self::Arrow { .. } => format!("数据无法处理：{self}{cause}"),
            Self::Thread => "核验线程中途停止".to_owned(),
        }
    }
}

/// Batches that we put together ourselves; a reason that needs more words has a `doing` of its own.
impl From<arrow::error::ArrowError> for QualityError {
    fn from(source: arrow::error::ArrowError) -> Self {
        Self::Arrow { doing: "work on a batch", source }
    }
}

/// Why a rule cannot be evaluated on a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}`: {reason}")]
pub struct RuleFault {
    /// The rule.
    pub rule: String,
    /// What was found and what was expected.
    pub reason: String,
}

fn joined(faults: &[RuleFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
