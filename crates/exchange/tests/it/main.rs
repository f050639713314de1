//! The exchange on both databases and a real lake.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clocks;
mod lifecycle;
mod oversight;
mod refusals;
mod release;
mod supply;
mod support;
