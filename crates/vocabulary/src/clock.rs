//! Where the time comes from.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{Timestamp, civil::Date, tz::Offset};

/// The source of the present instant. Handed in everywhere, so that every legal deadline can be tested.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Today in China (UTC+8, without daylight saving since 1992).
    fn today(&self) -> Date {
        local_day(self.now())
    }
}

/// The calendar day in China at an instant.
#[must_use]
pub fn local_day(at: Timestamp) -> Date {
    Offset::constant(8).to_datetime(at).date()
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is taken from the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is set: for tests and for runs that must repeat exactly.
#[derive(Debug)]
pub struct FixedClock {
    microseconds: AtomicI64,
}

impl FixedClock {
    /// A clock that shows `at`, cut to whole microseconds.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { microseconds: AtomicI64::new(at.as_microsecond()) }
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, at: Timestamp) {
        self.microseconds.store(at.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.microseconds.load(Ordering::SeqCst))
            .expect("the value came out of a timestamp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chinese_day_begins_at_sixteen_hours_utc() {
        let clock = FixedClock::new("2026-03-05T15:59:59Z".parse().unwrap());
        assert_eq!(clock.today().to_string(), "2026-03-05");
        clock.set("2026-03-05T16:00:00Z".parse().unwrap());
        assert_eq!(clock.today().to_string(), "2026-03-06");
    }
}
