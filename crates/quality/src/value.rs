//! Values in writing: bounds that people wrote in rules, and texts that stand for numbers, days and instants.

use arrow::{
    array::Array,
    util::display::{ArrayFormatter, FormatOptions},
};
use jiff::civil::Date;

/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// Chinese local time is this far ahead of UTC.
pub const LOCAL_OFFSET_MICROS: i64 = 8 * 3_600_000_000;
/// Characters of a value that a report shows.
pub const SHOWN_CHARACTERS_MAX: usize = 200;

/// An exact decimal: `mantissa × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    mantissa: i128,
    exponent: i32,
}

/// Where to go when a number has more digits than there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the number above, or the same.
    Up,
    /// To the number below, or the same.
    Down,
}

impl Exact {
    /// Reads `-12`, `0.5`, `.5`, `1e6`, `1.5E-3`; at most 38 digits, exponents of at most three.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((text, exponent)) if exponent.len() <= 4 => (text, exponent.parse::<i32>().ok()?),
            Some(_) => return None,
            None => (text, 0),
        };
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 {
            return None;
        }
        let mut mantissa = 0_i128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        }
        let exponent = exponent - i32::try_from(fraction.len()).ok()?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent })
    }

    /// The unscaled number with `scale` digits after the point; beyond 128 bits the end of the range is as good.
    #[must_use]
    pub fn scaled(self, scale: i8, rounding: Rounding) -> i128 {
        let shift = self.exponent + i32::from(scale);
        if shift >= 0 {
            let end = if self.mantissa < 0 { i128::MIN } else { i128::MAX };
            return 10_i128
                .checked_pow(shift.unsigned_abs())
                .and_then(|factor| self.mantissa.checked_mul(factor))
                .unwrap_or(if self.mantissa == 0 { 0 } else { end });
        }
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(factor) => {
                let floor = self.mantissa.div_euclid(factor);
                let exact = self.mantissa.rem_euclid(factor) == 0;
                if rounding == Rounding::Up && !exact { floor + 1 } else { floor }
            }
            None => match (rounding, self.mantissa.signum()) {
                (Rounding::Up, 1) => 1,
                (Rounding::Down, -1) => -1,
                _ => 0,
            },
        }
    }

    /// The nearest float.
    #[must_use]
    pub fn float(self) -> f64 {
        // Going through the spelling rounds once instead of twice.
        format!("{}e{}", self.mantissa, self.exponent).parse().unwrap_or(f64::NAN)
    }
}

/// Days since 1970-01-01 of a text in one of the spellings that departments use.
#[must_use]
pub fn day(text: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(text).ok()?;
    yihe_vocabulary::parse_day(text).ok().map(days_of)
}

/// Days since 1970-01-01.
#[must_use]
pub fn days_of(date: Date) -> i32 {
    days_from_civil(i32::from(date.year()), i32::from(date.month()), i32::from(date.day()))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
#[must_use]
#[inline]
pub const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    /// Days before a month, less one, in a year that is no leap year and in one that is.
    const BEFORE: [[i32; 16]; 2] = [
        [-1, -1, 30, 58, 89, 119, 150, 180, 211, 242, 272, 303, 333, 0, 0, 0],
        [-1, -1, 30, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 0, 0, 0],
    ];
    /// The years of people and records: twice their first day, and one more in a leap year.
    const FIRST_DAYS: [i32; 512] = {
        let mut days = [0; 512];
        let mut year = 0_i32;
        while year < 512 {
            let (first, length) = (counted(1792 + year, 1, 1), counted(1793 + year, 1, 1) - counted(1792 + year, 1, 1));
            days[year.cast_unsigned() as usize] = first * 2 + (length - 365);
            year += 1;
        }
        days
    };
    let (of_table, of_year) = (year.wrapping_sub(1792).cast_unsigned() as usize, month.cast_unsigned() as usize);
    if of_table < 512 && of_year < 13 {
        let first = FIRST_DAYS[of_table];
        let leap = (first & 1).cast_unsigned() as usize;
        return (first >> 1).wrapping_add(BEFORE[leap][of_year]).wrapping_add(day);
    }
    counted(year, month, day)
}

const fn counted(year: i32, month: i32, day: i32) -> i32 {
    // Years begin in March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
#[must_use]
pub const fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year as i32, month as i32, day as i32)
}

/// A moment that a text names: microseconds since 1970 on the wall clock, and whether a time of day was named.
///
/// `2024-03-05`, `2024-03-05 13:30`, `2024-03-05T13:30:00.250`, and the other spellings of days. A zone at the
/// end (`Z`, `+08:00`) is honoured: the result is then the wall clock of China.
#[must_use]
pub fn moment(text: &[u8]) -> Option<(i64, bool)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Some(days) = day(text.as_bytes())
        && !text.contains(':')
    {
        return Some((i64::from(days) * DAY_MICROS, false));
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some((instant.as_microsecond().checked_add(LOCAL_OFFSET_MICROS)?, true));
    }
    let (date, time) = text.split_once(['T', ' '])?;
    let days = day(date.as_bytes())?;
    let time: jiff::civil::Time = time.trim().parse().ok()?;
    let micros = i64::from(time.hour()) * 3_600_000_000
        + i64::from(time.minute()) * 60_000_000
        + i64::from(time.second()) * 1_000_000
        + i64::from(time.subsec_nanosecond() / 1_000);
    Some((i64::from(days) * DAY_MICROS + micros, true))
}

/// Whether nothing can be read in a text: empty, or blanks of any width.
#[inline]
#[must_use]
pub fn is_blank(text: &[u8]) -> bool {
    match text.first() {
        None => true,
        // Most texts are told from blanks by their first byte: blanks beyond ASCII begin with these.
        Some(b' ' | b'\t'..=b'\r' | 0xc2 | 0xe1..=0xe3) => {
            std::str::from_utf8(text).is_ok_and(|text| text.trim().is_empty())
        }
        Some(_) => false,
    }
}

/// A cell as a report shows it; `None` for NULL. Long values are cut at [`SHOWN_CHARACTERS_MAX`].
#[must_use]
pub fn shown(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let options = FormatOptions::default().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).ok()?;
    Some(cut(formatter.value(row).to_string()))
}

/// Cuts a text at [`SHOWN_CHARACTERS_MAX`] and says so with an ellipsis.
#[must_use]
pub fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_brought_to_the_scale_of_the_column_without_loss() {
        let scaled = |text: &str, scale, rounding| Exact::read(text).unwrap().scaled(scale, rounding);
        assert_eq!(scaled("1e6", 0, Rounding::Up), 1_000_000);
        assert_eq!(scaled("0.5", 0, Rounding::Up), 1);
        assert_eq!(scaled("0.5", 0, Rounding::Down), 0);
        assert_eq!(scaled("-0.5", 0, Rounding::Up), 0);
        assert_eq!(scaled("-0.5", 0, Rounding::Down), -1);
        assert_eq!(scaled("12.345", 2, Rounding::Up), 1235);
        assert_eq!(scaled("1e-300", 2, Rounding::Up), 1);
        assert_eq!(scaled("-1e300", 2, Rounding::Up), i128::MIN);
        assert_eq!(Exact::read("12,5"), None);
        assert_eq!(Exact::read(""), None);
        assert_eq!(Exact::read("nan"), None);
        assert!((Exact::read("0.1").unwrap().float() - 0.1).abs() < f64::EPSILON);
    }

    #[test]
    fn moments_are_read_with_and_without_a_time_of_day() {
        let day = i64::from(days_from_civil(2024, 3, 5)) * DAY_MICROS;
        assert_eq!(moment(b"2024-03-05"), Some((day, false)));
        assert_eq!(moment("2024年3月5日".as_bytes()), Some((day, false)));
        assert_eq!(moment(b"2024-03-05 01:00"), Some((day + 3_600_000_000, true)));
        assert_eq!(moment(b"2024-03-04T17:00:00Z"), Some((day + 3_600_000_000, true)));
        assert_eq!(moment(b"2024-02-30"), None);
        assert_eq!(moment(b"soon"), None);
    }

    #[test]
    fn blanks_of_any_width_are_blank() {
        for blank in ["", " ", "\t\n", "\u{1680}", "\u{3000}", "\u{a0} "] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for text in ["a", " a", "\u{3000}一", "。", "é"] {
            assert!(!is_blank(text.as_bytes()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn days_and_civil_dates_are_two_names_of_one_thing(days in -700_000_i32..2_900_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
