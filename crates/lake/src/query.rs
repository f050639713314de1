//! Trusted SQL: indicators, registries, whatever a definition declares. Never a caller's text.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{ParamValues, ScalarValue, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;

use crate::error::LakeError;
use crate::lake::{BatchStream, Lake};
use crate::name::TableName;
use crate::scan::{LakeProvider, batches};

/// A table under the name that a query uses for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTable {
    /// The name in the query.
    pub alias: String,
    /// The table.
    pub table: TableName,
    /// The version to read; `None`: the newest.
    pub version: Option<i64>,
}

impl QueryTable {
    /// The newest version of `table` under `alias`.
    #[must_use]
    pub fn newest(alias: impl Into<String>, table: TableName) -> Self {
        Self { alias: alias.into(), table, version: None }
    }
}

/// A value for a placeholder (`$name`) of a query, so that no value is ever pasted into SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A float.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// A day, counted from 1970-01-01.
    Date(i32),
    /// An instant, in microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
}

impl From<Param> for ScalarValue {
    fn from(param: Param) -> Self {
        match param {
            Param::Text(text) => Self::Utf8(Some(text)),
            Param::Integer(number) => Self::Int64(Some(number)),
            Param::Float(number) => Self::Float64(Some(number)),
            Param::Boolean(bit) => Self::Boolean(Some(bit)),
            Param::Date(day) => Self::Date32(Some(day)),
            Param::Instant(micros) => Self::TimestampMicrosecond(Some(micros), Some("UTC".into())),
        }
    }
}

/// The columns that a definition's query would give over tables of these schemas, each under its name; nothing
/// is read.
///
/// # Errors
/// [`LakeError::Engine`] with the engine's reason when the query does not parse, is none or does not fit.
pub async fn query_columns(sql: &str, tables: &[(String, SchemaRef)]) -> Result<SchemaRef, LakeError> {
    let failed = |source| LakeError::engine("plan a query", source);
    let context = SessionContext::new();
    for (name, schema) in tables {
        let table = Arc::new(EmptyTable::new(Arc::clone(schema)));
        context.register_table(TableReference::bare(name.as_str()), table).map_err(failed)?;
    }
    let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, only_queries).await.map_err(failed)?;
    // Types are settled by the optimiser's first passes, so a query is planned to its end.
    let plan = frame.create_physical_plan().await.map_err(failed)?;
    Ok(plan.schema())
}

impl Lake {
    /// Runs one `SELECT` over `tables` with every function of the engine.
    ///
    /// For our own definitions only: it sees whole tables, the column `_bucket` included. What a
    /// caller writes goes to [`Lake::sql_granted`]. Statements other than queries are refused.
    ///
    /// # Errors
    /// [`LakeError::NoTable`], [`LakeError::NoVersion`]; [`LakeError::Engine`] with the engine's
    /// reason when the query does not parse, does not fit the tables or fails.
    pub async fn query(
        &self,
        sql: &str,
        tables: &[QueryTable],
        params: Vec<(String, Param)>,
    ) -> Result<BatchStream, LakeError> {
        let failed = |source| LakeError::engine("run a query", source);
        let context = SessionContext::new_with_state(self.state(self.inner.options.threads, 8_192));
        for wanted in tables {
            let table = self.table(&wanted.table, wanted.version).await?;
            context
                .register_table(TableReference::bare(wanted.alias.as_str()), Arc::new(LakeProvider::whole(table)))
                .map_err(failed)?;
        }
        let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let mut frame = context.sql_with_options(sql, only_queries).await.map_err(failed)?;
        if !params.is_empty() {
            let params: Vec<(String, ScalarValue)> =
                params.into_iter().map(|(name, value)| (name, value.into())).collect();
            frame = frame.with_param_values(ParamValues::from(params)).map_err(failed)?;
        }
        let stream = frame.execute_stream().await.map_err(failed)?;
        Ok(batches(stream, "run a query".to_owned()))
    }
}
