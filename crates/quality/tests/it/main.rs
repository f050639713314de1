//! What must hold of whole checks.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod anomaly;
mod every_kind;
mod generator;
mod growing;
mod kernels;
mod rule_documents;
mod rule_sets;
mod sharing;
mod slt;
mod together;
