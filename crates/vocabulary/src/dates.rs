//! Calendar days in the spellings departments use.

use jiff::civil::Date;

/// Why a text is no calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DayDefect {
    /// Not one of the spellings.
    #[error(
        "found no day, expected year, month and day as in 2024-03-05, 2024/3/5, 2024.3.5, 20240305 or 2024年3月5日"
    )]
    Shape,
    /// The spelling is right, the day does not exist.
    #[error("found {year:04}-{month:02}-{day:02}, expected a day that the calendar has")]
    NoSuchDay {
        /// Year found.
        year: i16,
        /// Month found.
        month: i8,
        /// Day found.
        day: i8,
    },
}

/// Reads a calendar day: `2024-03-05`, `2024/3/5`, `2024.3.5`, `20240305`, `2024年3月5日`, each also with
/// a time of day behind it (`2024-03-05 13:30:00`, `2024-03-05T13:30:00.000`), which is dropped.
///
/// Years have four digits, months and days one or two, separators are the same on both sides; outer blanks
/// are ignored. Serial numbers of spreadsheets are the reader's business: here `45356` is a defect.
/// Allocates nothing.
///
/// # Errors
/// Another spelling, or a day that the calendar does not have.
///
/// # Source
/// GB/T 7408, and what departments send instead.
pub fn parse_day(text: &str) -> Result<Date, DayDefect> {
    let bytes = text.as_bytes();
    // The ordinary spelling first: it is most of what arrives.
    if let &[a, b, c, d, b'-', e, f, b'-', g, h] = bytes
        && let Some(number) = digits(&[a, b, c, d, e, f, g, h])
    {
        return day(number);
    }
    let text = crate::spelling::trim(text);
    let (text, has_time) = without_time(text)?;
    let bytes = text.as_bytes();
    if bytes.len() == 8
        && !has_time
        && let Some(number) = digits(bytes)
    {
        return day(number);
    }
    let (year, rest) = bytes.split_at_checked(4).ok_or(DayDefect::Shape)?;
    let year = digits(year).ok_or(DayDefect::Shape)?;
    let (first, second, last): (&[u8], &[u8], &[u8]) = match rest.first() {
        Some(b'-') => (b"-", b"-", b""),
        Some(b'/') => (b"/", b"/", b""),
        Some(b'.') => (b".", b".", b""),
        _ => ("年".as_bytes(), "月".as_bytes(), "日".as_bytes()),
    };
    let rest = rest.strip_prefix(first).ok_or(DayDefect::Shape)?;
    let (month, rest) = one_or_two_digits(rest)?;
    let rest = rest.strip_prefix(second).ok_or(DayDefect::Shape)?;
    let (of_month, rest) = one_or_two_digits(rest)?;
    if rest != last {
        return Err(DayDefect::Shape);
    }
    day(year * 10_000 + month * 100 + of_month)
}

/// Whether the proleptic Gregorian calendar has this day; years 1–9999.
#[inline]
#[must_use]
pub const fn is_day(year: i16, month: i8, day: i8) -> bool {
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return false,
    };
    1 <= year && year <= 9999 && 1 <= day && day <= length
}

/// From `yyyymmdd`.
fn day(number: u32) -> Result<Date, DayDefect> {
    let year = i16::try_from(number / 10_000).map_err(|_| DayDefect::Shape)?;
    let month = i8::try_from(number / 100 % 100).map_err(|_| DayDefect::Shape)?;
    let day = i8::try_from(number % 100).map_err(|_| DayDefect::Shape)?;
    if !is_day(year, month, day) {
        return Err(DayDefect::NoSuchDay { year, month, day });
    }
    Date::new(year, month, day).map_err(|_| DayDefect::NoSuchDay { year, month, day })
}

/// At most eight ASCII digits as a number.
fn digits(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    bytes.iter().try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

fn one_or_two_digits(bytes: &[u8]) -> Result<(u32, &[u8]), DayDefect> {
    let length = bytes.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(length);
    Ok((digits(number).ok_or(DayDefect::Shape)?, rest))
}

/// Cuts a time of day (`hh:mm`, `hh:mm:ss`, with a fraction, with `Z` or an offset) behind a day.
fn without_time(text: &str) -> Result<(&str, bool), DayDefect> {
    let Some((day, time)) = text.split_once([' ', 'T']) else {
        return Ok((text, false));
    };
    let time = time.trim_start();
    let clock = time.split(['.', 'Z', '+']).next().unwrap_or_default();
    let mut parts = 0;
    for (part, limit) in clock.split(':').zip([24_u32, 60, 61, 0]) {
        let within = (1..=2).contains(&part.len()) && digits(part.as_bytes()).is_some_and(|value| value < limit);
        if !within {
            return Err(DayDefect::Shape);
        }
        parts += 1;
    }
    let tail = &time[clock.len()..];
    let known = tail.len() <= 16 && tail.bytes().all(|byte| byte.is_ascii_digit() || b".Z+:".contains(&byte));
    if parts < 2 || !known { Err(DayDefect::Shape) } else { Ok((day, true)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_spellings_and_their_times_are_one_day() {
        for spelling in [
            "2024-03-05",
            "2024-3-5",
            "2024/3/5",
            "2024/03/05",
            "20240305",
            "2024.3.5",
            "2024年3月5日",
            "2024年03月05日",
            " 2024-03-05 ",
            "2024-03-05 00:00:00",
            "2024/3/5 0:00",
            "2024-03-05T13:30:00.000+08:00",
        ] {
            assert_eq!(parse_day(spelling), Ok(jiff::civil::date(2024, 3, 5)), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for spelling in [
            "",
            "2024",
            "45356",
            "24-3-5",
            "2024-3/5",
            "2024-03-05x",
            "2024年3月5",
            "2024--5",
            "二〇二四年",
            "2024-03-05 25:00",
            "2024-03-05 noon",
        ] {
            assert_eq!(parse_day(spelling), Err(DayDefect::Shape), "{spelling}");
        }
        assert_eq!(parse_day("2023-02-31"), Err(DayDefect::NoSuchDay { year: 2023, month: 2, day: 31 }));
        assert_eq!(parse_day("20230229"), Err(DayDefect::NoSuchDay { year: 2023, month: 2, day: 29 }));
        assert!(parse_day("20240229").is_ok());
        assert!(parse_day("1900-02-29").is_err());
    }

    proptest! {
        #[test]
        fn every_day_survives_every_spelling(offset in 0_i32..300_000) {
            let day = jiff::civil::date(1500, 1, 1).saturating_add(jiff::Span::new().days(offset));
            let (y, m, d) = (day.year(), day.month(), day.day());
            for spelling in [
                format!("{y:04}-{m:02}-{d:02}"), format!("{y:04}/{m}/{d}"), format!("{y:04}{m:02}{d:02}"),
                format!("{y:04}.{m}.{d}"), format!("{y:04}年{m}月{d}日"),
            ] {
                prop_assert_eq!(parse_day(&spelling), Ok(day));
            }
            prop_assert!(is_day(y, m, d));
        }

        #[test]
        fn a_day_is_one_that_the_calendar_has(year in 1_i16..=9999, month in 0_i8..=13, day in 0_i8..=32) {
            prop_assert_eq!(is_day(year, month, day), Date::new(year, month, day).is_ok());
        }

        #[test]
        fn the_last_of_february_is_that_of_the_calendar(century in 1_i16..99, day in 28_i8..=30) {
            let year = century * 100;
            prop_assert_eq!(is_day(year, 2, day), Date::new(year, 2, day).is_ok());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}") {
            let _ = parse_day(&text);
        }
    }
}
