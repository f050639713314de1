//! Metadata: definitions, batches, runs, figures, tickets, decisions on who is whom, catalogue entries, requests,
//! grants, use records, the docket, accounts; on SQLite (one file, no server) or PostgreSQL, with one SQL text for
//! both.
//!
//! Reads are methods of [`Store`], named `<noun>_<verb>`; writes are methods of [`Tx`]. Whatever the
//! ledger knows is written together with its outbox row: the methods that change an
//! [`ObjectKind`] take an [`Act`] and cannot forget it. Changes are conditional on the version that
//! was read, so two people who act at once are told apart: one wins, the other gets
//! [`StoreError::Conflict`].
//!
//! Deliberately absent: any opinion on which state may follow which (that is each room's), the time
//! (handed in with every [`Act`]), and SQL of one database only.
//!
//! Reading order: [`store`] → [`tx`] → [`actor`] → [`object`] → the nouns → [`outbox`] → [`calls`] → [`ledger`].
//!
//! # Recipe: a new noun
//! 1. Write `migrations/<next number>_<noun>.sql` with `TEXT` and `BIGINT` columns only; add it to the
//!    list in `migration.rs`.
//! 2. Write `src/<noun>.rs` after `request.rs`: the row, its reads on `Store`, its writes on `Tx`.
//! 3. If the ledger must know it, add a variant to [`ObjectKind`] with its columns, and call `record`
//!    at the end of every write.
//! 4. Add a file to `tests/it/`; its suite runs on both databases.

pub mod actor;
pub mod identity;
pub mod object;
pub mod store;
pub mod tx;

pub mod account;
pub mod batch;
pub mod definition;
pub mod disclosure;
pub mod embargo;
pub mod docket;
pub mod entry;
pub mod grant;
pub mod label;
pub mod link;
pub mod metric;
pub mod protection;
pub mod request;
pub mod run;
pub mod session;
pub mod setting;
pub mod ticket;
pub mod usage;

pub mod calls;
pub mod ledger;
pub mod outbox;

mod error;
mod migration;
mod row;

pub use account::{Account, Office};
pub use actor::{Act, Actor, Role};
pub use batch::{Batch, BatchBegun, BatchLanding, BatchState, BatchTally, NewBatch};
pub use calls::CALLS_PER_BATCH_MAX;
pub use definition::{Definition, DefinitionDraft, PackApplied, PackVersion};
pub use disclosure::DisclosureRow;
pub use docket::{ItemRow, ItemStep, TaskRow, WorklistFilter};
pub use embargo::EmbargoRow;
pub use entry::{EntryFilter, EntryRow, EntryTally, EntryWord};
pub use error::StoreError;
pub use grant::{GrantFilter, GrantRow};
pub use identity::{Identity, SeededIdentity, SystemIdentity};
pub use label::LabelRow;
pub use ledger::{LedgerDatabase, LedgerOutbox, LedgerPayload, ObjectState};
pub use link::{DecisionFilter, DecisionRow};
pub use metric::{Metric, MetricRun};
pub use object::ObjectKind;
pub use outbox::OutboxRow;
pub use protection::ProtectionRow;
pub use request::{RequestFilter, RequestRow};
pub use run::{NewRun, Run, RunBegun, RunState};
pub use session::{ApiToken, Session, token_digest};
pub use store::{PAGE_ROWS_MAX, Store};
pub use ticket::{NoticeRow, TicketFilter, TicketRow, TicketTally};
pub use tx::Tx;
pub use usage::{UsageRow, UsageTotals};
