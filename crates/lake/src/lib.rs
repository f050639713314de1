//! The lake: a city's tables, written exactly once and read under rights.
//!
//! It is the only crate that knows the query engine and the table format. Whoever uses it sees
//! Arrow batches, table names and plain structs. It deliberately has no idea what a dataset, a
//! department or a grant's paperwork is, keeps no clock, and never runs a caller's SQL on a table:
//! a caller's query sees only views that a grant has filtered, projected and masked.

mod changes;
mod commit;
mod data_file;
mod error;
mod granted;
mod lake;
mod layout;
mod lookup;
mod maintain;
mod mask;
mod merge;
mod name;
mod predicate;
mod query;
mod rights;
mod scan;
mod spill;
mod sql;
mod table;
mod write;

pub use changes::CHANGE_COLUMN;
pub use commit::{Changed, Commit, FileRecord};
pub use error::LakeError;
pub use granted::{Answer, Condition, Limits, Order, Selection, Test};
pub use lake::{BatchStream, FAULT_POINTS, FaultHook, Lake, LakeOptions};
pub use layout::{BUCKET_COLUMN, Layout, bucket_of};
pub use maintain::{Compacted, Vacuumed};
pub use mask::{Mask, Salt};
pub use name::{CommitKey, TableName, Zone};
pub use predicate::RowCondition;
pub use query::{Param, QueryTable};
pub use rights::{GrantedColumn, Rights};
pub use scan::Scan;
pub use write::Writer;
