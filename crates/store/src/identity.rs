//! Identifiers and salts, handed in so that a run can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

/// Where identifiers and salts come from.
pub trait Identity: Send + Sync + 'static {
    /// 32 bytes that nobody can guess (system) or that the seed decides (tests, demonstration).
    fn bytes(&self) -> [u8; 32];
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIdentity;

impl Identity for SystemIdentity {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }
}

/// The same identifiers for the same seed and order of calls. Never for real data: salts can be guessed.
#[derive(Debug)]
pub struct SeededIdentity {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededIdentity {
    /// Begins the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Identity for SeededIdentity {
    fn bytes(&self) -> [u8; 32] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(drawn.to_be_bytes()).finalize().into()
    }
}

/// A version 7 UUID: ordered by `at`, so that new rows go to the end of every index.
pub(crate) fn new_id(identity: &dyn Identity, at: Timestamp) -> String {
    let random = identity.bytes();
    let mut tail = [0; 10];
    tail.copy_from_slice(&random[..10]);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_identifiers() {
        let at = Timestamp::from_second(1_760_000_000).expect("in range");
        let draw = || {
            let identity = SeededIdentity::new(7);
            [new_id(&identity, at), new_id(&identity, at)]
        };
        assert_eq!(draw(), draw());
        assert_ne!(draw()[0], draw()[1]);
    }

    #[test]
    fn later_identifiers_sort_later() {
        let earlier = new_id(&SystemIdentity, Timestamp::from_second(1_760_000_000).expect("in range"));
        let later = new_id(&SystemIdentity, Timestamp::from_second(1_760_000_001).expect("in range"));
        assert!(earlier < later);
    }
}
