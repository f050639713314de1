//! 数据治理: one scan tells everything about the quality of a table, and every bad row is known.
//!
//! Rules ([`yihe_definitions::Rule`]) are compiled against a table's schema ([`checker`]), judge its Arrow batches
//! in one streaming pass ([`session`]), and end in metrics as GB/T 36344 defines them and the numbers of the
//! failing rows of every rule ([`outcome`], [`fault_file`]).
//!
//! Deliberately absent: this room corrects nothing, it reports and the provider corrects; and its kernel knows no
//! query engine, no store, no network and no clock. SQL predicates are evaluated by an engine that is handed in.
//!
//! [`anomaly`] judges a measure by its history.
//!
//! Reading order: [`bits`] → [`column`] → [`rules`] → [`checker`] → [`session`] → [`outcome`]; [`key`] and
//! [`key_store`] when uniqueness is of interest.
//!
//! # Recipe: a new kind of rule
//! 1. Find the clause that justifies it; add its terms to the glossary.
//! 2. Add the variant with its keys to `RuleKind` in `definitions`, and the keys to its document.
//! 3. Write `rules/<name>.rs` after `rules/order.rs`; add it to `RowRule` (or `TableRule`) and to `checker.rs`.
//! 4. Write its sentence in `messages.rs`, in both languages, and an example in `examples/rules.yaml`.
//! 5. Break it once in `tests/it/every_kind.rs`; the list there fails until you do.

pub mod anomaly;
pub mod bits;
pub mod checker;
pub mod column;
pub mod error;
pub mod fault_file;
pub mod fault_list;
pub mod figures;
pub mod file_check;
pub mod history;
pub mod key;
pub mod key_store;
pub mod messages;
pub mod outcome;
pub mod overview;
pub mod pattern;
pub mod propose;
pub mod recipients;
pub mod rules;
pub mod score;
pub mod session;
pub mod state;
pub mod tickets;
pub mod value;
pub mod walk;

pub use bits::{Bits, Rows};
pub use checker::{Checker, Surroundings};
pub use error::{QualityError, RuleFault};
pub use fault_file::FaultFile;
pub use file_check::{CheckOptions, Report, RuleFile, check_files, propose_for_files};
pub use outcome::{Baseline, Counts, Metric, Outcome};
pub use propose::{Profile, Proposal, propose};
pub use rules::{
    code_list::{CodeTables, Codes},
    predicate::{Predicates, RowPredicate},
    reference::{KeySet, References, wanted},
};
pub use score::{Score, Scoring};
pub use session::{FaultBatch, LateFaults, Session, SessionOptions, finish};
pub use state::{Grown, Growth, Part, State, grow};
