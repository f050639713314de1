//! Base registries: which datasets feed them, and which department is the authority for each field.

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{ColumnType, Publication, Sensitivity},
    text::Text,
};

/// A base registry (基础库): one record per entity, one source of truth per field (一数一源; 条例, art. 19).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Stable identifier, e.g. `population`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// Department that runs the registry.
    pub department: String,
    /// What one record stands for; decides how keys are read.
    pub entity: EntityKind,
    /// Name of the key field in the golden table, e.g. `citizen_id`.
    pub key: String,
    /// Datasets that feed it.
    pub members: Vec<Member>,
    /// Golden fields in order, without the key.
    pub fields: Vec<Field>,
    /// How the golden table stands in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// What one golden record stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// Keyed by the 18-digit identity number; 15-digit numbers are carried over (GB 11643).
    Person,
    /// Keyed by the unified social credit code (GB 32100).
    Organisation,
    /// Keyed by the division or address code.
    Place,
}

/// A dataset that feeds a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Dataset identifier.
    pub dataset: String,
    /// Column that holds the entity's key.
    pub key: String,
    /// Column with the day of the record's last change; later wins within one dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_on: Option<String>,
    /// Golden field → column.
    pub fields: std::collections::BTreeMap<String, String>,
}

/// A field of the golden record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name in the golden table.
    pub name: String,
    /// Title people read.
    pub title: Text,
    /// Value type.
    #[serde(rename = "type", default)]
    pub column_type: ColumnType,
    /// Datasets in the order in which they are believed; the first is the authority (数源).
    /// A dataset that feeds the field and is not listed never supplies a value, it only disagrees.
    pub authority: Vec<String>,
    /// Fields with the same group come from one record together or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How sensitive a value is.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}
