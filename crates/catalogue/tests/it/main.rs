//! The catalogue on both databases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod demonstration_city;
mod lifecycle;
mod refusals;
mod searching;
mod support;
mod validation;
