//! Registries over a real lake and a real store.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crash;
mod decisions;
mod increment;
mod support;
