//! The tables a registry consists of.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yihe_definitions::{ColumnType, Registry};
use yihe_lake::{LakeError, TableName, Zone};

/// Name of the count of conflicts in a golden record.
pub const CONFLICTS: &str = "_conflicts";
/// Name of the count of records that a golden record was made of.
pub const RECORDS: &str = "_records";

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

/// Records without a usable key: `conflicts/<id>_unlinked`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn unlinked_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_unlinked", registry.id))
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
/// (`<field>_from`); then `_records` and `_conflicts`.
#[must_use]
pub fn golden_schema(registry: &Registry) -> SchemaRef {
    let mut fields = vec![Field::new(&registry.key, DataType::Utf8, false)];
    for field in &registry.fields {
        fields.push(Field::new(&field.name, data_type(field.column_type), true));
        fields.push(Field::new(from_column(&field.name), DataType::Utf8, true));
    }
    fields.push(Field::new(RECORDS, DataType::Int64, false));
    fields.push(Field::new(CONFLICTS, DataType::Int64, false));
    Arc::new(Schema::new(fields))
}

/// Schema of the conflicts table: one row for each field of each entity for which a dataset delivered another
/// value than the one kept. Values are text as Arrow writes them.
#[must_use]
pub fn conflicts_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text("entity"),
        text("field"),
        text("kept"),
        text("kept_from"),
        text("lost"),
        text("lost_from"),
        text("lost_batch"),
        Field::new("lost_row", DataType::Int64, false),
    ]))
}

/// Schema of the table of records that could not be joined.
#[must_use]
pub fn unlinked_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("dataset", DataType::Utf8, false),
        Field::new("batch", DataType::Utf8, false),
        Field::new("row", DataType::Int64, false),
        Field::new("found", DataType::Utf8, true),
    ]))
}
