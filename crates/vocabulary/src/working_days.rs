//! Working days as the State Council announces them: weekends, holidays, make-up days (调休).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};

/// Longest term that is counted, in working days. The law's longest is 20; ten years is a mistake.
pub const WORKING_DAYS_MAX: u32 = 2_600;

/// One announced year. Each day stands in the year in which it lies, whichever notice announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingYear {
    /// The year.
    pub year: i16,
    /// Days off; weekends among them may be listed or not.
    pub holidays: Vec<Date>,
    /// Weekend days that are worked.
    pub makeup_days: Vec<Date>,
}

/// Tells working days from days off, for the announced years only: a missing year is an error, never a guess.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkingCalendar {
    years: BTreeMap<i16, Exceptions>,
    /// A year that was not announced has its weekdays.
    assumes_weekdays: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Exceptions {
    holidays: BTreeSet<Date>,
    makeup_days: BTreeSet<Date>,
}

/// Why announced years make no calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarDefect {
    /// The same year twice.
    #[error("found the year {year} twice, expected one announcement per year")]
    YearTwice {
        /// The year.
        year: i16,
    },
    /// A day of another year.
    #[error("found {day} in the announcement of {year}, expected days of that year")]
    OtherYear {
        /// The announced year.
        year: i16,
        /// The day.
        day: Date,
    },
    /// A make-up day that is no weekend day.
    #[error("found make-up day {day}, expected a saturday or sunday")]
    NoWeekend {
        /// The day.
        day: Date,
    },
    /// Both day off and make-up day.
    #[error("found {day} both as holiday and as make-up day")]
    Both {
        /// The day.
        day: Date,
    },
}

/// Why working days could not be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The count runs into a year that nobody announced to us.
    #[error("the calendar has no working days for {year}; add the State Council's announcement to the pack")]
    MissingYear {
        /// The year.
        year: i16,
    },
    /// A term beyond [`WORKING_DAYS_MAX`].
    #[error("found a term of {found} working days, expected at most {WORKING_DAYS_MAX}")]
    TooLong {
        /// The term.
        found: u32,
    },
}

impl WorkingCalendar {
    /// Builds the calendar from announced years.
    ///
    /// # Errors
    /// The first contradiction in the announcements.
    pub fn new(years: impl IntoIterator<Item = WorkingYear>) -> Result<Self, CalendarDefect> {
        let mut calendar = Self::default();
        for WorkingYear { year, holidays, makeup_days } in years {
            let strange = holidays.iter().chain(&makeup_days).copied().find(|day| day.year() != year);
            if let Some(day) = strange {
                return Err(CalendarDefect::OtherYear { year, day });
            }
            if let Some(day) = makeup_days.iter().copied().find(|day| !is_weekend(*day)) {
                return Err(CalendarDefect::NoWeekend { day });
            }
            let exceptions =
                Exceptions { holidays: holidays.into_iter().collect(), makeup_days: makeup_days.into_iter().collect() };
            if let Some(day) = exceptions.holidays.intersection(&exceptions.makeup_days).next() {
                return Err(CalendarDefect::Both { day: *day });
            }
            if calendar.years.insert(year, exceptions).is_some() {
                return Err(CalendarDefect::YearTwice { year });
            }
        }
        Ok(calendar)
    }

    /// The same calendar, in which a year that was not announced has its weekdays as working days.
    ///
    /// For a day that people should see rather than none, never for a clock of the law: holidays are missing, so it
    /// is early. Whoever uses it says so and counts again when the year is announced.
    #[must_use]
    pub fn assuming_weekdays(&self) -> Self {
        Self { years: self.years.clone(), assumes_weekdays: true }
    }

    /// The announced years, in order.
    pub fn years(&self) -> impl Iterator<Item = i16> {
        self.years.keys().copied()
    }

    /// Whether offices work on `day`.
    ///
    /// # Errors
    /// The day's year was not announced.
    pub fn is_working_day(&self, day: Date) -> Result<bool, CalendarError> {
        let Some(exceptions) = self.years.get(&day.year()) else {
            return if self.assumes_weekdays {
                Ok(!is_weekend(day))
            } else {
                Err(CalendarError::MissingYear { year: day.year() })
            };
        };
        Ok(if is_weekend(day) { exceptions.makeup_days.contains(&day) } else { !exceptions.holidays.contains(&day) })
    }

    /// The last day of a term of `days` working days that begins with a receipt on `start`.
    ///
    /// The day of receipt is not counted; zero days end on it, working day or not.
    ///
    /// # Errors
    /// The term runs into a year that was not announced, or is longer than [`WORKING_DAYS_MAX`].
    ///
    /// # Source
    /// 民法典, art. 201.
    pub fn add_working_days(&self, start: Date, days: u32) -> Result<Date, CalendarError> {
        if days > WORKING_DAYS_MAX {
            return Err(CalendarError::TooLong { found: days });
        }
        let mut day = start;
        let mut left = days;
        while left > 0 {
            day = self.next(day)?;
            left -= u32::from(self.is_working_day(day)?);
        }
        Ok(day)
    }

    /// Working days after `from` up to and including `until`: what is left on `from` of a term that ends on
    /// `until`. Negative when `until` lies before `from`: the working days by which the term was missed.
    ///
    /// # Errors
    /// A day in between lies in a year that was not announced.
    pub fn working_days_between(&self, from: Date, until: Date) -> Result<i64, CalendarError> {
        let (mut day, last, sign) = if from <= until { (from, until, 1) } else { (until, from, -1) };
        let mut count = 0;
        while day < last {
            day = self.next(day)?;
            count += i64::from(self.is_working_day(day)?);
        }
        Ok(sign * count)
    }

    /// Every loop ends here at the latest: behind the last announced year there is no next day.
    fn next(&self, day: Date) -> Result<Date, CalendarError> {
        if !self.assumes_weekdays
            && !self.years.contains_key(&day.year())
            && !self.years.contains_key(&day.year().saturating_add(1))
        {
            return Err(CalendarError::MissingYear { year: day.year() });
        }
        day.checked_add(1.day()).map_err(|_| CalendarError::MissingYear { year: day.year() })
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    /// National Day and Mid-Autumn of 2025: off from 1 to 8 October, worked on 28 September and 11 October.
    fn autumn_2025() -> WorkingCalendar {
        WorkingCalendar::new([WorkingYear {
            year: 2025,
            holidays: (1..=8).map(|day| date(2025, 10, day)).collect(),
            makeup_days: vec![date(2025, 9, 28), date(2025, 10, 11)],
        }])
        .unwrap()
    }

    #[test]
    fn weekdays_are_assumed_only_where_that_was_asked_for_and_the_year_is_missing() {
        let (calendar, assuming) = (autumn_2025(), autumn_2025().assuming_weekdays());
        let begin = date(2025, 12, 29);
        assert_eq!(calendar.add_working_days(begin, 5), Err(CalendarError::MissingYear { year: 2026 }));
        // 30, 31 December (announced), 1 (a Thursday), 2, 5 January.
        assert_eq!(assuming.add_working_days(begin, 5), Ok(date(2026, 1, 5)));
        assert_eq!(assuming.working_days_between(begin, date(2026, 1, 5)), Ok(5));
        assert_eq!(assuming.add_working_days(date(2025, 9, 27), 10), calendar.add_working_days(date(2025, 9, 27), 10));
    }

    #[test]
    fn a_term_over_a_long_holiday_counts_make_up_days() {
        let calendar = autumn_2025();
        // 28 (Sunday, worked), 29, 30 September, 9, 10, 11 (Saturday, worked), 13, 14, 15, 16 October.
        assert_eq!(calendar.add_working_days(date(2025, 9, 27), 10), Ok(date(2025, 10, 16)));
        assert_eq!(calendar.add_working_days(date(2025, 9, 30), 1), Ok(date(2025, 10, 9)));
        assert_eq!(calendar.working_days_between(date(2025, 9, 27), date(2025, 10, 16)), Ok(10));
    }

    #[test]
    fn zero_days_end_on_the_day_of_receipt() {
        assert_eq!(autumn_2025().add_working_days(date(2025, 10, 4), 0), Ok(date(2025, 10, 4)));
    }

    #[test]
    fn a_missed_term_is_negative() {
        assert_eq!(autumn_2025().working_days_between(date(2025, 10, 10), date(2025, 9, 30)), Ok(-2));
    }

    #[test]
    fn a_missing_year_is_an_error_that_names_it() {
        let error = autumn_2025().add_working_days(date(2025, 12, 30), 5).unwrap_err();
        assert_eq!(error, CalendarError::MissingYear { year: 2026 });
        assert!(error.to_string().contains("2026"));
        assert_eq!(
            autumn_2025().working_days_between(date(2024, 12, 1), date(2025, 1, 9)),
            Err(CalendarError::MissingYear { year: 2024 })
        );
        assert_eq!(
            autumn_2025().add_working_days(date(2025, 1, 1), 5_000),
            Err(CalendarError::TooLong { found: 5_000 })
        );
    }

    #[test]
    fn contradictions_in_an_announcement_are_refused() {
        let year = |holidays, makeup_days| WorkingCalendar::new([WorkingYear { year: 2025, holidays, makeup_days }]);
        assert!(matches!(year(vec![date(2026, 1, 1)], vec![]), Err(CalendarDefect::OtherYear { .. })));
        assert!(matches!(year(vec![], vec![date(2025, 10, 10)]), Err(CalendarDefect::NoWeekend { .. })));
        assert!(matches!(year(vec![date(2025, 10, 11)], vec![date(2025, 10, 11)]), Err(CalendarDefect::Both { .. })));
    }

    proptest! {
        #[test]
        fn counting_forward_and_back_agree(start in 0_i32..200, days in 1_u32..60) {
            let calendar = autumn_2025();
            let start = date(2025, 1, 1).saturating_add(start.days());
            let end = calendar.add_working_days(start, days).unwrap();
            prop_assert_eq!(calendar.working_days_between(start, end), Ok(i64::from(days)));
            prop_assert_eq!(calendar.is_working_day(end), Ok(true));
        }
    }
}
