//! Code tables: lists that a standard or a bureau may revise.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A list of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeTable {
    /// Stable identifier, e.g. `sex`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// Standard that lists the codes, e.g. GB/T 2261.1-2003.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// The codes in order; or empty and `file` names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// CSV beside the document with the columns `code,zh,en,valid_from,valid_to,parent`; later ones optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// One code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The code as it is written in data.
    pub code: String,
    /// What it means.
    pub name: Text,
    /// First day on which it is valid; `None`: always was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Last day on which it is valid; `None`: still is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    /// Code above it in a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}
