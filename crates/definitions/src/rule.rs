//! Quality rules as a city writes them. `quality` interprets them.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// One quality rule of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Identifier, unique in its dataset.
    pub id: String,
    /// What is demanded.
    #[serde(flatten)]
    pub kind: RuleKind,
    /// What a failing row means for the row.
    #[serde(default)]
    pub severity: Severity,
    /// Quality dimension of GB/T 36344-2018; `None` takes the kind's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<Dimension>,
    /// What the provider reads; `None` takes the kind's own sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
    /// Department that must mend it; `None` is the dataset's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What a rule demands. Except for [`RuleKind::NotNull`] a missing value passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleKind {
    /// A value is there; blank text counts as missing.
    NotNull {
        /// Column.
        column: String,
    },
    /// No two rows have the same values in these columns. Rows with a missing value are left out.
    Unique {
        /// Columns of the key.
        columns: Vec<String>,
    },
    /// The whole text matches a regular expression (linear time, RE2 syntax).
    Pattern {
        /// Column.
        column: String,
        /// Regular expression, anchored on both ends.
        pattern: String,
    },
    /// The number of characters lies in a range.
    Length {
        /// Column.
        column: String,
        /// Fewest characters.
        #[serde(default)]
        min: Option<u32>,
        /// Most characters.
        #[serde(default)]
        max: Option<u32>,
    },
    /// The value is one of a list.
    CodeList {
        /// Column.
        column: String,
        /// Code table of the pack.
        #[serde(default)]
        table: Option<String>,
        /// Or the codes themselves.
        #[serde(default)]
        codes: Vec<String>,
    },
    /// The number or date lies in a range; bounds are written as the value is.
    Range {
        /// Column.
        column: String,
        /// Least value.
        #[serde(default)]
        min: Option<String>,
        /// Greatest value.
        #[serde(default)]
        max: Option<String>,
    },
    /// The identifier is well formed and its check digit adds up.
    CheckDigit {
        /// Column.
        column: String,
        /// Which identifier.
        identifier: Identifier,
    },
}

/// Identifiers with a check digit or a fixed build (`standards.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// GB 11643-1999; the 15-digit form passes when `legacy` rules allow it.
    CitizenId,
    /// GB 32100-2015
    CreditCode,
    /// GB 11714-1997
    OrganisationCode,
}

/// What a failing row means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Counted and shown.
    Info,
    /// Counted, shown, and the owner is asked.
    #[default]
    Warn,
    /// The row is held back from the checked table.
    Hold,
}

/// Quality dimension (GB/T 36344-2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// 规范性
    Conformity,
    /// 完整性
    Completeness,
    /// 准确性
    Accuracy,
    /// 一致性
    Consistency,
    /// 时效性
    Timeliness,
    /// 可访问性
    Accessibility,
}
