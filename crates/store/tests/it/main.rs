//! The store on both databases: every suite runs on a SQLite file and on a PostgreSQL server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod accounts;
mod batches;
mod calls;
mod conflicts;
mod definitions;
mod disclosures;
mod docket;
mod entries;
mod exchange;
mod ledger;
mod links;
mod runs;
mod schema;
mod tickets;
