//! The stored form of an entry: JSON in the row's body, so that a new element needs no migration.

use serde::{Deserialize, Serialize};
use yihe_definitions::{ColumnType, OpenAttribute, Sensitivity, ShareMethod, Sharing, Text, UpdateCycle};
use yihe_store::EntryRow;
use yihe_vocabulary::{Classification, ResourceCode};

use crate::{
    entry::{Entry, EntryItem, EntrySource, EntryState, Format},
    error::CatalogueError,
};

/// The body of an entry's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// What the provider is working on.
    pub(crate) draft: Document,
    /// What was last announced; amending leaves it in force until the new text is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<Document>,
    /// Why it was returned or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The elements of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) classification: String,
    pub(crate) title: Text,
    pub(crate) department: String,
    pub(crate) department_name: Text,
    pub(crate) department_code: String,
    pub(crate) summary: Text,
    pub(crate) format: String,
    pub(crate) items: Vec<Item>,
    pub(crate) key: Vec<String>,
    pub(crate) sharing: Sharing,
    pub(crate) methods: Vec<ShareMethod>,
    pub(crate) open: OpenAttribute,
    pub(crate) update_cycle: UpdateCycle,
    pub(crate) grade: Text,
    pub(crate) secrecy_assessed: bool,
    pub(crate) privacy_assessed: bool,
    #[serde(default)]
    pub(crate) related: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) title: Text,
    #[serde(rename = "type")]
    pub(crate) column_type: ColumnType,
    pub(crate) sensitivity: Sensitivity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) codes: Option<String>,
}

impl Body {
    pub(crate) fn read(row: &EntryRow) -> Result<Self, CatalogueError> {
        serde_json::from_str(&row.body).map_err(|_| corrupt(row, "body"))
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, lists and enums are always JSON")
    }
}

/// The entry as the provider works on it.
pub(crate) fn working(row: &EntryRow) -> Result<Entry, CatalogueError> {
    let body = Body::read(row)?;
    entry(row, body.draft, body.reason)
}

/// The entry as it was last announced; `None` when it is not announced.
pub(crate) fn published(row: &EntryRow) -> Result<Option<Entry>, CatalogueError> {
    if row.published_at.is_none() {
        return Ok(None);
    }
    let body = Body::read(row)?;
    body.published.map(|document| entry(row, document, body.reason)).transpose()
}

fn entry(row: &EntryRow, document: Document, reason: Option<String>) -> Result<Entry, CatalogueError> {
    let Document { items, related, .. } = document;
    let code = |text: &str| text.parse::<ResourceCode>().map_err(|_| corrupt(row, "code"));
    Ok(Entry {
        code: code(&row.code)?,
        source: match row.source_kind.as_str() {
            "dataset" => EntrySource::Dataset(row.source.clone()),
            "registry" => EntrySource::Registry(row.source.clone()),
            _ => return Err(corrupt(row, "source_kind")),
        },
        classification: document
            .classification
            .parse::<Classification>()
            .map_err(|_| corrupt(row, "classification"))?,
        title: document.title,
        department: document.department,
        department_name: document.department_name,
        department_code: document.department_code,
        summary: document.summary,
        format: match document.format.as_str() {
            "file" => Format::File,
            "spreadsheet" => Format::Spreadsheet,
            "database" => Format::Database,
            _ => return Err(corrupt(row, "format")),
        },
        items: items
            .into_iter()
            .map(|item| EntryItem {
                name: item.name,
                title: item.title,
                column_type: item.column_type,
                sensitivity: item.sensitivity,
                codes: item.codes,
            })
            .collect(),
        key: document.key,
        sharing: document.sharing,
        methods: document.methods,
        open: document.open,
        update_cycle: document.update_cycle,
        grade: document.grade,
        secrecy_assessed: document.secrecy_assessed,
        privacy_assessed: document.privacy_assessed,
        related: related.iter().map(|text| code(text)).collect::<Result<_, _>>()?,
        state: EntryState::parse(&row.state).ok_or_else(|| corrupt(row, "state"))?,
        reason,
        published_at: row.published_at,
        changed_at: row.changed_at,
        version: row.version,
    })
}

pub(crate) fn corrupt(row: &EntryRow, element: &'static str) -> CatalogueError {
    CatalogueError::Corrupt { code: row.code.clone(), element }
}
