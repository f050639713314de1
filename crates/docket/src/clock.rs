//! The working-day clock of one step: received, running, standing still, extended, over.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use yihe_vocabulary::{WorkingCalendar, working_days::CalendarError};

/// Most times one term may be stopped; the law knows one.
pub const STOPS_MAX: usize = 16;

/// An interval during which the clock stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Day of the notice. It is not counted against whoever must act.
    pub from: Date,
    /// Day on which what was missing came in; `None` while it is awaited.
    pub until: Option<Date>,
}

/// A term and what happened to it. What is left follows from these alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermClock {
    /// Day of receipt; not counted (民法典, art. 201).
    pub received_on: Date,
    /// Working days.
    pub term_days: u32,
    /// Working days by which the term was extended.
    pub extension_days: u32,
    /// Intervals in order; only the last may be open.
    pub stops: Vec<Stop>,
}

/// How a clock stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No term runs.
    Untimed,
    /// `days` working days are left after today; 0: today is the last day.
    Running {
        /// Working days after today.
        days: u32,
    },
    /// The clock stands still with `days` working days left.
    Stopped {
        /// Working days left.
        days: u32,
    },
    /// The last day passed `days` working days ago.
    Overdue {
        /// Working days since.
        days: u32,
    },
}

impl TermClock {
    /// A clock that begins to run.
    #[must_use]
    pub fn new(received_on: Date, term_days: u32) -> Self {
        Self { received_on, term_days, extension_days: 0, stops: Vec::new() }
    }

    /// Whether the clock stands still.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stops.last().is_some_and(|stop| stop.until.is_none())
    }

    /// The last day; `None` while the clock stands still.
    ///
    /// # Errors
    /// A year is missing from the calendar.
    pub fn due_on(&self, calendar: &WorkingCalendar) -> Result<Option<Date>, CalendarError> {
        if self.is_stopped() {
            return Ok(None);
        }
        let began = self.stops.last().and_then(|stop| stop.until).unwrap_or(self.received_on);
        calendar.add_working_days(began, self.left_at_stops(calendar)?).map(Some)
    }

    /// The last day if what is missing came in on `day`: what the applicant is told.
    ///
    /// # Errors
    /// A year is missing from the calendar.
    pub fn forecast(&self, day: Date, calendar: &WorkingCalendar) -> Result<Date, CalendarError> {
        match self.due_on(calendar)? {
            Some(due_on) => Ok(due_on),
            None => calendar.add_working_days(day, self.left_at_stops(calendar)?),
        }
    }

    /// How the clock stands on `today`.
    ///
    /// # Errors
    /// A year is missing from the calendar.
    pub fn standing(&self, today: Date, calendar: &WorkingCalendar) -> Result<Standing, CalendarError> {
        let Some(due_on) = self.due_on(calendar)? else {
            return Ok(Standing::Stopped { days: self.left_at_stops(calendar)? });
        };
        let days = calendar.working_days_between(today, due_on)?;
        let count = u32::try_from(days.unsigned_abs()).unwrap_or(u32::MAX);
        // On a weekend after the last day no working day has passed, yet the term is over.
        Ok(if today > due_on { Standing::Overdue { days: count } } else { Standing::Running { days: count } })
    }

    /// Working days not used up before the last stop. A term that was over when it was stopped has none.
    fn left_at_stops(&self, calendar: &WorkingCalendar) -> Result<u32, CalendarError> {
        let mut left = i64::from(self.term_days) + i64::from(self.extension_days);
        let mut began = self.received_on;
        for stop in &self.stops {
            let through = calendar.working_days_between(began, stop.from)?;
            let notice_day = i64::from(stop.from > began && calendar.is_working_day(stop.from)?);
            left -= (through - notice_day).max(0);
            began = stop.until.unwrap_or(stop.from);
        }
        Ok(u32::try_from(left.max(0)).expect("terms are at most a few thousand days"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use yihe_vocabulary::WorkingYear;

    use super::*;

    /// National Day 2025: off from 1 to 8 October; 28 September (Sunday) and 11 October (Saturday) are worked.
    fn calendar() -> WorkingCalendar {
        let year = WorkingYear {
            year: 2025,
            holidays: (1..=8).map(|day| date(2025, 10, day)).collect(),
            makeup_days: vec![date(2025, 9, 28), date(2025, 10, 11)],
        };
        WorkingCalendar::new([year]).unwrap()
    }

    #[test]
    fn ten_days_over_national_day_count_make_up_days() {
        let clock = TermClock::new(date(2025, 9, 26), 10);
        // 28, 29, 30 September, 9, 10, 11, 13, 14, 15, 16 October.
        assert_eq!(clock.due_on(&calendar()), Ok(Some(date(2025, 10, 16))));
        assert_eq!(clock.standing(date(2025, 10, 5), &calendar()), Ok(Standing::Running { days: 7 }));
        assert_eq!(clock.standing(date(2025, 10, 16), &calendar()), Ok(Standing::Running { days: 0 }));
        assert_eq!(clock.standing(date(2025, 10, 17), &calendar()), Ok(Standing::Overdue { days: 1 }));
    }

    #[test]
    fn the_day_of_the_notice_is_given_back_and_counting_begins_after_the_day_of_resubmission() {
        let mut clock = TermClock::new(date(2025, 10, 9), 10);
        // One day used (the 10th); the notice goes out on Saturday the 11th, which is worked.
        clock.stops.push(Stop { from: date(2025, 10, 11), until: None });
        assert_eq!(clock.due_on(&calendar()), Ok(None));
        assert_eq!(clock.standing(date(2025, 11, 1), &calendar()), Ok(Standing::Stopped { days: 9 }));
        assert_eq!(clock.forecast(date(2025, 10, 20), &calendar()), Ok(date(2025, 10, 31)));
        clock.stops[0].until = Some(date(2025, 10, 20));
        assert_eq!(clock.due_on(&calendar()), Ok(Some(date(2025, 10, 31))));
    }

    #[test]
    fn a_one_day_term_stopped_at_once_keeps_its_day() {
        let mut clock = TermClock::new(date(2025, 10, 13), 1);
        clock.stops.push(Stop { from: date(2025, 10, 13), until: Some(date(2025, 10, 16)) });
        assert_eq!(clock.due_on(&calendar()), Ok(Some(date(2025, 10, 17))));
    }

    #[test]
    fn an_extension_moves_the_last_day() {
        let mut clock = TermClock::new(date(2025, 10, 13), 10);
        clock.extension_days = 10;
        assert_eq!(clock.due_on(&calendar()), Ok(Some(date(2025, 11, 10))));
    }

    #[test]
    fn a_missing_year_is_an_alarm_and_not_a_guess() {
        let clock = TermClock::new(date(2025, 12, 30), 10);
        assert_eq!(clock.due_on(&calendar()), Err(CalendarError::MissingYear { year: 2026 }));
    }

    #[test]
    fn a_weekend_after_the_last_day_is_overdue() {
        let clock = TermClock::new(date(2025, 10, 16), 1);
        assert_eq!(clock.standing(date(2025, 10, 18), &calendar()), Ok(Standing::Overdue { days: 0 }));
    }
}
