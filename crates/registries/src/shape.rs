//! The tables a registry consists of.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yihe_definitions::{ColumnType, Registry};
use yihe_lake::{LakeError, Layout, TableName, Zone};

/// Name of the count of conflicts in a golden record.
pub const CONFLICTS: &str = "_conflicts";
/// Name of the count of records that a golden record was made of.
pub const RECORDS: &str = "_records";
/// Name of the entity's durable name in a golden record.
pub const ENTITY: &str = "_entity";
/// Name of the word for how an entity stands: `living`, `deceased`, `emigrated`, `existing`, `dissolved`.
pub const STANDING: &str = "_standing";
/// Name of the mark of a protected entity.
pub const PROTECTED: &str = "_protected";

/// The golden table: `registry/<id>`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn golden_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Registry, registry.id.as_str())
}

/// Disagreements between departments: `conflicts/<id>`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn conflicts_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, registry.id.as_str())
}

/// Records of no known entity: `conflicts/<id>_unlinked`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn unlinked_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_unlinked", registry.id))
}

/// Keys that were merged into another: `conflicts/<id>_keys`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn keys_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_keys", registry.id))
}

/// Which records each entity was made of: `conflicts/<id>_sources`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn sources_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_sources", registry.id))
}

/// The decisions that the tables were built with: `conflicts/<id>_decisions`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn decisions_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_decisions", registry.id))
}

/// How the conflicts lie: by entity, field and the dataset that lost.
#[must_use]
pub fn conflicts_layout(rows: u64) -> Layout {
    Layout::keyed(["entity", "field", "lost_from"], Layout::buckets_for(rows))
}

/// How unlinked records lie: by dataset and business key.
#[must_use]
pub fn unlinked_layout() -> Layout {
    Layout::keyed(["dataset", "record_key"], 1)
}

/// Name of the column that says which dataset a field was taken from.
#[must_use]
pub fn from_column(field: &str) -> String {
    format!("{field}_from")
}

/// Arrow type of a field.
#[must_use]
pub fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        ColumnType::Float => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Schema of the golden table: the key; then each field followed by the dataset it was taken from
/// (`<field>_from`); then `_records`, `_conflicts`, `_entity`, `_standing`, `_protected`.
#[must_use]
pub fn golden_schema(registry: &Registry) -> SchemaRef {
    let mut fields = vec![Field::new(&registry.key, DataType::Utf8, false)];
    for field in &registry.fields {
        fields.push(Field::new(&field.name, data_type(field.column_type), true));
        fields.push(Field::new(from_column(&field.name), DataType::Utf8, true));
    }
    fields.push(Field::new(RECORDS, DataType::Int64, false));
    fields.push(Field::new(CONFLICTS, DataType::Int64, false));
    // Nullable, for tables of an earlier release lack them.
    fields.push(Field::new(ENTITY, DataType::Utf8, true));
    fields.push(Field::new(STANDING, DataType::Utf8, true));
    fields.push(Field::new(PROTECTED, DataType::Boolean, true));
    Arc::new(Schema::new(fields))
}

fn texts(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect()
}

/// Schema of the conflicts table: one row for each field of each entity for which a dataset delivered another
/// value than the one kept. Values are text as Arrow writes them.
#[must_use]
pub fn conflicts_schema() -> SchemaRef {
    let mut fields = texts(&["entity", "field", "kept", "kept_from", "lost", "lost_from", "lost_batch"]);
    fields.push(Field::new("lost_row", DataType::Int64, false));
    Arc::new(Schema::new(fields))
}

/// Schema of the table of records that are of no known entity.
#[must_use]
pub fn unlinked_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("dataset", DataType::Utf8, false),
        Field::new("record_key", DataType::Utf8, false),
        Field::new("batch", DataType::Utf8, false),
        Field::new("row", DataType::Int64, false),
        Field::new("found", DataType::Utf8, true),
    ]))
}

/// Schema of the merged keys: the key, the name and the key of the entity that survived, the decision.
#[must_use]
pub fn keys_schema() -> SchemaRef {
    Arc::new(Schema::new(texts(&["key", "entity", "survivor_key", "why"])))
}

/// Schema of the sources: the entity's key; its records, a line for each with dataset, business key where it is another
/// than the entity's, and the decision that gave it to the entity if its own key did not, separated by tabs; its
/// conflicts, a line for each with the field and the dataset that lost, separated by a tab.
#[must_use]
pub fn sources_schema() -> SchemaRef {
    let mut fields = texts(&["key", "records"]);
    // Nullable, for tables of an earlier release lack it; and most entities have none.
    fields.push(Field::new("lost", DataType::Utf8, true));
    Arc::new(Schema::new(fields))
}

/// Schema of the decisions that were built with.
#[must_use]
pub fn decisions_schema() -> SchemaRef {
    Arc::new(Schema::new(texts(&["id", "kind", "dataset", "record_key", "entity_key", "other_key"])))
}
