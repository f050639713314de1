//! An operator's question: one `SELECT` over tables that were put together for it, read only and bounded.
//!
//! Unlike a grantee, an operator may use every function of the engine; like a grantee it sees only the tables that
//! are offered, so whoever offers them decides what of a value is shown.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::CatalogProviderList;
use datafusion::catalog::memory::MemorySchemaProvider;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use crate::error::LakeError;
use crate::granted::{Answer, Limits, collect, within};
use crate::lake::Lake;
use crate::lines::{first_after, lines};
use crate::query::QueryTable;
use crate::scan::{LakeProvider, session_config};

/// The schema in which the tables stand: `yihe.faults`.
const SCHEMA: &str = "yihe";
/// The catalogue behind it; nobody writes its name.
const CATALOGUE: &str = "city";
/// Longest question, in bytes.
const SQL_BYTES_MAX: usize = 64 << 10;

/// A table that an operator may ask about.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its name in the schema `yihe`.
    pub name: String,
    /// Its rows.
    pub rows: OfferedRows,
}

/// Where the rows of an offered table come from.
#[derive(Debug, Clone)]
pub enum OfferedRows {
    /// They are given.
    Given {
        /// Columns.
        schema: SchemaRef,
        /// Rows.
        batches: Vec<RecordBatch>,
    },
    /// They are what a query of ours finds in tables of the lake, each under its alias; it may also use `lines(text)`,
    /// the lines of a text as a list. Trusted.
    Query {
        /// The query.
        sql: String,
        /// The tables.
        tables: Vec<QueryTable>,
        /// Rows that are at hand, by the names under which the query finds them.
        given: Vec<(String, SchemaRef, Vec<RecordBatch>)>,
    },
}

impl Lake {
    /// Answers an operator's `SELECT` over `offered`.
    ///
    /// # Errors
    /// [`LakeError::Refused`] with what is not allowed or not understood; [`LakeError::Bound`] with the bound;
    /// [`LakeError::NoTable`], [`LakeError::Engine`] when an offered table cannot be read.
    pub async fn inspect(&self, offered: Vec<Offered>, sql: &str, limits: Limits) -> Result<Answer, LakeError> {
        within(limits, self.inspect_inner(offered, sql, limits)).await
    }

    async fn inspect_inner(&self, offered: Vec<Offered>, sql: &str, limits: Limits) -> Result<Answer, LakeError> {
        if sql.len() > SQL_BYTES_MAX {
            return Err(LakeError::Bound { bound: format!("{SQL_BYTES_MAX} bytes of SQL") });
        }
        let failed = |source| LakeError::engine("offer a table", source);
        let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let schema = Arc::new(MemorySchemaProvider::new());
        for table in offered {
            let provider = match table.rows {
                OfferedRows::Given { schema, batches } => {
                    Arc::new(MemTable::try_new(schema, vec![batches]).map_err(failed)?) as _
                }
                OfferedRows::Query { sql, tables, given } => {
                    let context = SessionContext::new_with_state(self.state(self.inner.options.threads, 8_192));
                    context.register_udf(lines());
                    context.register_udf(first_after());
                    for (name, schema, batches) in given {
                        let rows = MemTable::try_new(schema, vec![batches]).map_err(failed)?;
                        context.register_table(TableReference::bare(name), Arc::new(rows)).map_err(failed)?;
                    }
                    for wanted in &tables {
                        let table = self.table(&wanted.table, wanted.version).await?;
                        let reference = TableReference::bare(wanted.alias.as_str());
                        context.register_table(reference, Arc::new(LakeProvider::whole(table))).map_err(failed)?;
                    }
                    context.sql_with_options(&sql, only_queries).await.map_err(failed)?.into_view()
                }
            };
            schema.register_table(table.name, provider).map_err(failed)?;
        }
        let catalogue = Arc::new(MemoryCatalogProvider::new());
        catalogue.register_schema(SCHEMA, schema).map_err(failed)?;
        let catalogues = Arc::new(MemoryCatalogProviderList::new());
        catalogues.register_catalog(CATALOGUE.to_owned(), catalogue);
        let config =
            session_config(self.inner.options.threads, 8_192).with_default_catalog_and_schema(CATALOGUE, SCHEMA);
        let state = SessionStateBuilder::new_from_existing(self.inner.trusted.clone())
            .with_config(config.with_create_default_catalog_and_schema(false))
            .with_catalog_list(catalogues)
            .build();
        let context = SessionContext::new_with_state(state);
        // The operator is told the engine's own reason: the tables offered hold nothing that it may not see.
        let refused = |error: datafusion::error::DataFusionError| LakeError::Refused {
            reason: error.find_root().strip_backtrace().replace("city.yihe.", "yihe.").chars().take(400).collect(),
        };
        let frame = context.sql_with_options(sql, only_queries).await.map_err(refused)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let stream = frame.execute_stream().await.map_err(refused)?;
        collect(stream, schema, limits, limits.rows).await
    }
}
