//! Wrong sign-ins are counted per account name, and a name that was tried too often rests.
//!
//! The counts live in memory: a restart forgets them, which gives an attacker five more tries and spares the
//! store a write for every wrong guess. Names that do not exist rest too, so a rest tells nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// How much patience there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Wrong tries before a name rests.
    pub tries: u32,
    /// Minutes of rest.
    pub rest_minutes: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 5, rest_minutes: 15 }
    }
}

/// Names that are remembered at once. When it is full the ones whose rest is over are forgotten, and if none
/// is, the oldest.
const NAMES_MAX: usize = 10_000;

/// Counts wrong tries.
#[derive(Debug, Default)]
pub struct Throttle {
    patience: Patience,
    names: Mutex<HashMap<String, Tries>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last_at: Timestamp,
}

impl Throttle {
    /// With this much patience.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, names: Mutex::default() }
    }

    /// How much patience there is.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Seconds that `name` still rests; `None`: it may try.
    #[must_use]
    pub fn resting(&self, name: &str, now: Timestamp) -> Option<u64> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = names.get(name)?;
        let rest = self.rest() - now.duration_since(tries.last_at);
        (tries.wrong >= self.patience.tries && rest.is_positive()).then(|| rest.as_secs().unsigned_abs().max(1))
    }

    /// Notes a wrong try.
    pub fn wrong(&self, name: &str, now: Timestamp) {
        let rest = self.rest();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            names.retain(|_, tries| now.duration_since(tries.last_at) < rest);
            if names.len() >= NAMES_MAX
                && let Some(oldest) = names.iter().min_by_key(|(_, tries)| tries.last_at).map(|(name, _)| name.clone())
            {
                names.remove(&oldest);
            }
        }
        let tries = names.entry(name.to_owned()).or_insert(Tries { wrong: 0, last_at: now });
        if now.duration_since(tries.last_at) >= rest {
            tries.wrong = 0;
        }
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last_at = now;
    }

    /// Forgets the wrong tries of a name that signed in.
    pub fn right(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn rest(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.patience.rest_minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("in range")
    }

    #[test]
    fn five_wrong_tries_rest_a_name_for_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        for second in 0..4 {
            throttle.wrong("minzheng", at(second));
            assert_eq!(throttle.resting("minzheng", at(second)), None);
        }
        throttle.wrong("minzheng", at(4));
        assert_eq!(throttle.resting("minzheng", at(4)), Some(900));
        assert_eq!(throttle.resting("gongan", at(4)), None);
        assert_eq!(throttle.resting("minzheng", at(4 + 899)), Some(1));
        assert_eq!(throttle.resting("minzheng", at(4 + 900)), None);
    }

    #[test]
    fn a_right_try_wipes_the_count() {
        let throttle = Throttle::default();
        for second in 0..4 {
            throttle.wrong("minzheng", at(second));
        }
        throttle.right("minzheng");
        throttle.wrong("minzheng", at(5));
        assert_eq!(throttle.resting("minzheng", at(5)), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..=NAMES_MAX {
            throttle.wrong(&number.to_string(), at(0));
        }
        assert_eq!(throttle.names.lock().expect("free").len(), NAMES_MAX);
    }
}
