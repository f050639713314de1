//! Days as people write them. Nothing is guessed: day before month only where the month comes first is impossible.
//!
//! `vocabulary` reads days that are delivered, and refuses what the standard does not allow; here days are compared,
//! so one with a slip of the pen (`1844-13-04`) is kept for its digits.

use jiff::civil::Date;

/// The day that days are counted from.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A day as it was written, that may be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Year, 1000 to 2199.
    pub year: i16,
    /// Month, 1 to 12 where the day exists.
    pub month: i8,
    /// Day of the month, 1 to 31 where the day exists.
    pub day: i8,
    /// Days since 1970-01-01; `None` where the calendar has no such day.
    pub number: Option<i32>,
    /// The eight digits `yyyymmdd`, four bits each.
    pub digits: u32,
}

impl Day {
    /// Digits that differ, two that are swapped with their neighbour counted once: what a slip of the pen makes
    /// of a day written in full.
    #[must_use]
    pub fn edits(&self, other: &Self) -> u32 {
        let differ = self.digits ^ other.digits;
        let places = (differ | differ >> 1 | differ >> 2 | differ >> 3) & 0x1111_1111;
        if places.count_ones() == 2 && places & places >> 4 != 0 {
            let at = places.trailing_zeros();
            let digit = |digits: u32, at: u32| digits >> at & 0xf;
            let swapped = digit(self.digits, at) == digit(other.digits, at + 4)
                && digit(self.digits, at + 4) == digit(other.digits, at);
            return if swapped { 1 } else { 2 };
        }
        places.count_ones()
    }

    /// Days between two; `None` where one of them does not exist.
    #[must_use]
    pub fn apart(&self, other: &Self) -> Option<u32> {
        Some(self.number?.abs_diff(other.number?))
    }

    fn written(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1000..2200).contains(&year) || !(0..100).contains(&month) || !(0..100).contains(&day) {
            return None;
        }
        // The calendar is jiff's; a day that it does not have keeps its digits.
        let known = Date::new(year as i16, month as i8, day as i8).ok();
        let number = known.map(|day| (day.duration_since(EPOCH).as_secs() / 86_400) as i32);
        let digits = [year / 1000, year / 100, year / 10, year, month / 10, month, day / 10, day]
            .iter()
            .fold(0, |digits, digit| digits << 4 | (digit % 10) as u32);
        Some(Self { year: year as i16, month: month as i8, day: day as i8, number, digits })
    }
}

/// Reads a day that exists, as [`read_written`] does.
#[must_use]
pub fn read_day(text: &str) -> Option<Day> {
    read_written(text).filter(|day| day.number.is_some())
}

/// Reads `20240131`, `2024-1-31`, `2024/01/31`, `2024.1.31`, `2024年1月31日`, `31/01/2024`, with or without a time; the
/// calendar need not have the day.
#[must_use]
pub fn read_written(text: &str) -> Option<Day> {
    let text = text.split(['t', 'T']).next().unwrap_or(text);
    let text = text.split(' ').next().unwrap_or(text);
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return Day::written(number / 10_000, number / 100 % 100, number % 100);
    }
    let mut parts = [0_i64; 3];
    let mut lengths = [0; 3];
    let mut at = 0;
    for character in text.trim_end_matches(['日', '号']).chars() {
        match character {
            '0'..='9' => {
                lengths[at] += 1;
                if lengths[at] > 4 {
                    return None;
                }
                parts[at] = parts[at] * 10 + i64::from(character as u32 - '0' as u32);
            }
            '-' | '/' | '.' | '年' | '月' if at < 2 && lengths[at] > 0 => at += 1,
            _ => return None,
        }
    }
    if at != 2 || lengths[2] == 0 {
        return None;
    }
    match (lengths[0], lengths[2]) {
        (4, 1 | 2) => Day::written(parts[0], parts[1], parts[2]),
        (1 | 2, 4) => {
            let first = Day::written(parts[2], parts[1], parts[0]);
            let second = || Day::written(parts[2], parts[0], parts[1]).filter(|day| day.number.is_some());
            first.filter(|day| day.number.is_some()).or_else(second).or(first)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_way_of_writing_a_day_is_the_same_day() {
        let day = read_day("2024-01-31").unwrap();
        for written in [
            "20240131",
            "2024/1/31",
            "2024.01.31",
            "2024年1月31日",
            "31/01/2024",
            "2024-01-31T08:00:00",
            "2024-01-31 08:00",
        ] {
            assert_eq!(read_day(written), Some(day), "{written}");
        }
        assert_eq!(day.number, Some(19_753));
    }

    #[test]
    fn a_slip_of_the_pen_is_one_edit() {
        let edits = |a, b| read_day(a).unwrap().edits(&read_day(b).unwrap());
        assert_eq!(edits("1990-12-03", "1990-12-30"), 1);
        assert_eq!(edits("1990-12-03", "1990-12-08"), 1);
        assert_eq!(edits("1990-12-03", "1909-12-03"), 1);
        assert_eq!(edits("1990-12-03", "1991-11-03"), 2);
        assert_eq!(edits("1990-12-03", "1990-12-03"), 0);
    }

    #[test]
    fn a_day_that_does_not_exist_is_compared_by_its_digits_only() {
        let (slip, meant) = (read_written("1844-13-04").unwrap(), read_written("1844-12-04").unwrap());
        assert_eq!(slip.edits(&meant), 1);
        assert_eq!(slip.apart(&meant), None);
        assert_eq!(slip.apart(&slip), None);
        assert_eq!(meant.apart(&read_written("1844-12-01").unwrap()), Some(3));
        assert_eq!(read_written("13/31/2024").map(|day| day.number), Some(None));
        assert_eq!(read_written("02/13/2024"), read_written("2024-02-13"));
    }

    #[test]
    fn days_that_do_not_exist_are_not_read() {
        for written in
            ["20240230", "2023-02-29", "2024-13-01", "99990101", "2024-01", "", "2024-1-31-1", "abc", "1234567"]
        {
            assert_eq!(read_day(written), None, "{written}");
        }
    }
}
