//! The room as its users meet it: tables in, pairs and groups out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod accuracy;
mod columns;
mod hashes;
mod labels;
mod laws;
mod people;
mod reference;
mod refusals;
mod search;
mod unseen;
