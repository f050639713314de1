//! The lake: a city's tables, written exactly once and read under rights.
//!
//! It is the only crate that knows the query engine and the table format. Whoever uses it sees
//! Arrow batches, table names and plain structs. It deliberately has no idea what a dataset, a
//! department or a grant's paperwork is, decides nothing by the clock, and never runs a caller's
//! SQL on a table: a caller's query sees only views that a grant has filtered, projected and masked.
//!
//! Tables are Delta tables in `<root>/<zone>/<name>/`, readable by other engines: reader version 1,
//! flat columns, no deletion vectors. A table either keeps rows in the order of their commits, or
//! identifies them by a key and keeps them in hash buckets: one sorted file each, or a few where a table grows.
//! Changes of a large table that grows lie beside it until they are an eighth of it; another engine sees
//! the table as it was before them.
//!
//! ```
//! # use std::sync::Arc;
//! # use arrow::array::{ArrayRef, RecordBatch, StringArray};
//! # use futures::TryStreamExt;
//! # use yihe_lake::{CommitKey, GrantedColumn, Lake, LakeOptions, Layout, Limits, Mask, Rights, TableName, Zone};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let root = folder.path();
//! let lake = Lake::open(&root.join("lake"), LakeOptions::new(root.join("spill")))?;
//! let rows = RecordBatch::try_from_iter([
//!     ("id", Arc::new(StringArray::from(vec!["1", "2"])) as ArrayRef),
//!     ("name", Arc::new(StringArray::from(vec!["王小明", "李四"])) as ArrayRef),
//! ])?;
//! let table = TableName::new(Zone::Checked, "person")?;
//! lake.create(&table, rows.schema(), Layout::keyed(["id"], 16)).await?;
//!
//! // Rows become visible at the commit, all at once; the same key a second time does nothing.
//! let mut writer = lake.upserter(&table, CommitKey::new("check:batch-7")?, &[]).await?;
//! writer.write(rows).await?;
//! let commit = writer.commit(serde_json::Map::new()).await?;
//! assert_eq!(commit.changed.inserted, 2);
//!
//! let rights = Rights {
//!     view: "person".to_owned(),
//!     table,
//!     version: None,
//!     columns: vec![GrantedColumn::open("id"), GrantedColumn::masked("name", Mask::Name)],
//!     row_filter: Some("id <> '2'".to_owned()),
//!     row_limit: None,
//! };
//! let answer = lake.sql_granted(&[rights], "select name from person", Limits::default()).await?;
//! assert_eq!(answer.rows(), 1);
//! # Ok(())
//! # }
//! ```

// What things are called, and what can go wrong.
mod error;
mod layout;
mod name;

// A table and its log.
mod beside;
mod commit;
mod data_file;
mod lake;
mod table;

// Rows in.
mod merge;
mod rewrite;
mod runs;
mod spill;
mod write;

// Rows out, trusted.
mod changes;
mod find;
mod inspect;
mod lines;
mod lookup;
mod ordered;
mod pages;
mod pick;
mod predicate;
mod query;
mod scan;

// Rows out, under a grant.
mod granted;
mod mask;
mod rights;
mod sql;

// Order.
mod maintain;

pub use changes::CHANGE_COLUMN;
pub use commit::{Changed, Commit, FileRecord};
pub use error::LakeError;
pub use granted::{Answer, Condition, Limits, Order, Selection, Test};
pub use inspect::{Offered, OfferedRows};
pub use lake::{BatchStream, FAULT_POINTS, FaultHook, Lake, LakeOptions};
pub use layout::{BUCKET_COLUMN, Layout, bucket_of};
pub use maintain::{Compacted, Vacuumed};
pub use mask::{Mask, Salt};
pub use name::{CommitKey, TableName, Zone};
pub use pick::{Differing, Gone};
pub use predicate::RowCondition;
pub use query::{Param, QueryTable, query_columns};
pub use rights::{GrantedColumn, Rights};
pub use scan::Scan;
pub use write::Writer;

// Recipe: how to add a mask
// 1. Find who demands it; add the Chinese term to `docs/glossary.md`.
// 2. Add the variant to `Mask` in `mask.rs` with what stays visible, its arm in `data_type` and
//    `apply`, and a test with real spellings, empty text and text too short to hide anything.
// 3. Add it to `mask()` in `tests/it/property.rs` and to `tests/it/slt.rs`, and a row to
//    `tests/sql/lake/masks.slt`.
//
// Recipe: how to allow callers another function
// 1. It must read nothing but its arguments, answer the same at every call, and not make long text
//    of short: see `sql.rs`.
// 2. Add its name to the list there, and a query that uses it to `tests/sql/lake/`.
