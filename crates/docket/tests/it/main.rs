//! The docket on both databases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clock;
mod support;
mod sweep;
