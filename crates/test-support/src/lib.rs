//! What tests of several crates need: running servers and a browser. Used by tests only.
//!
//! Deliberately absent: fakes. What is here is the real thing, started on a free port and ended with the test.
//!
//! # Recipe: another server
//! 1. Write `src/<server>.rs` after `postgres.rs`: started once per test binary, on a free port, gone with the process.
//! 2. When it is not installed, the panic names the command that installs it.

pub mod browser;
pub mod mariadb;
pub mod postgres;

pub use browser::Browser;
pub use mariadb::Mariadb;
pub use postgres::Postgres;

/// Named here and not only where it is used: as an ordinary dependency of a member it takes part in every build of
/// the workspace, so that tests and program are built with the same features and nothing is built twice (ADR 0006).
pub use sqllogictest;
