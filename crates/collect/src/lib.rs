//! Collection (归集): what departments deliver, landed exactly once.
//!
//! Everything that arrives is kept: rows that fit their dataset's columns go to its landing table, rows
//! that do not go to its quarantine with line, column, what was found and what was expected, and
//! `rows in = accepted + quarantined` after a crash at any point. A file that cannot be read as a whole
//! (wrong encoding, unknown column, cut short) is refused whole and stays where it is.
//!
//! Deliberately absent: judging values (`quality` does), joining records (`registries` does), and changing
//! what was delivered: text lands as it was sent.
//!
//! Reading order: [`inbox`] → [`receive`] → [`decode`] → [`headers`] → [`record`] → [`fit`] →
//! [`quarantine`] → [`extract`]; [`sketch`] looks at files that no definition describes yet.
//!
//! # Recipe: a new format
//! 1. Write `decode/<name>.rs` after `decode/jsonl.rs`: it hands records to the sink and bounds every one.
//! 2. Add the variant to `definitions::Format` and the arm in [`decode::decode`].
//! 3. Add good, broken and truncated samples to `tests/it/`, and a fuzz target.

pub mod decode;
pub mod error;
pub mod extract;
pub mod fit;
pub mod headers;
pub mod inbox;
pub mod quarantine;
pub mod receive;
pub mod record;
pub mod sketch;

pub use error::CollectError;
pub use inbox::{Delivery, Origin, deliveries};
pub use receive::{Collector, FAULT_POINTS, Outcome, Received};
