//! One record on its way from the generator to a file: typed cells over one reused text buffer.

/// A value as the generator knows it, before a department spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Missing,
    /// Bytes `start..end` of the row's text.
    Text { start: usize, end: usize },
    /// Whole number.
    Integer(i64),
    /// `unscaled` / 10^`scale`.
    Decimal { unscaled: i64, scale: u8 },
    /// Days since 1970.
    Day(i32),
    /// Seconds since 1970 in Chinese local time.
    LocalSecond(i64),
    /// Text that does not fit the column's type: a number with letters, a day that does not exist.
    Unfit { start: usize, end: usize },
}

/// The cells of one record, in the order of the dataset's columns.
#[derive(Debug, Default)]
pub struct Row {
    pub text: String,
    pub cells: Vec<Cell>,
    /// Draws that only decide how values are spelled.
    pub spelling: u64,
}

impl Row {
    #[inline]
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
    }

    #[inline]
    pub fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.push_with(|into| into.push_str(text));
    }

    /// Adds a text cell from what `write` appends to the buffer; nothing appended is a missing value.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        let end = self.text.len();
        self.cells.push(if start == end { Cell::Missing } else { Cell::Text { start, end } });
    }

    pub fn set_str(&mut self, column: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.cells[column] = Cell::Text { start, end: self.text.len() };
    }

    pub fn set_unfit(&mut self, column: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.cells[column] = Cell::Unfit { start, end: self.text.len() };
    }

    /// The text of a text cell, empty for any other.
    pub fn str(&self, column: usize) -> &str {
        match self.cells[column] {
            Cell::Text { start, end } | Cell::Unfit { start, end } => &self.text[start..end],
            Cell::Missing | Cell::Integer(_) | Cell::Decimal { .. } | Cell::Day(_) | Cell::LocalSecond(_) => "",
        }
    }

    #[inline]
    pub fn is_missing(&self, column: usize) -> bool {
        self.cells[column] == Cell::Missing
    }

    /// The value as the truth writes it: days as `2024-03-05`, decimals with all their places, text trimmed.
    pub fn canonical(&self, column: usize, into: &mut String) {
        match self.cells[column] {
            Cell::Missing => {}
            Cell::Text { .. } | Cell::Unfit { .. } => into.push_str(self.str(column).trim()),
            Cell::Integer(value) => crate::world::push_number(into, value),
            Cell::Decimal { unscaled, scale } => push_decimal(into, unscaled, scale),
            Cell::Day(days) => push_day(into, days, DaySpelling::Hyphens),
            Cell::LocalSecond(seconds) => push_second(into, seconds),
        }
    }
}

/// The five spellings of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaySpelling {
    /// `2024-03-05`
    Hyphens,
    /// `2024/3/5`
    Slashes,
    /// `20240305`
    Bare,
    /// `2024.3.5`
    Dots,
    /// `2024年3月5日`
    Chinese,
}

impl DaySpelling {
    pub const ALL: [Self; 5] = [Self::Hyphens, Self::Slashes, Self::Bare, Self::Dots, Self::Chinese];
}

#[inline]
pub fn push_day(into: &mut String, days: i32, spelling: DaySpelling) {
    use crate::world::push_digits;
    let (year, month, day) = crate::world::civil(days);
    let number = |value: i32| u64::from(value.unsigned_abs());
    let short = |value: i32| if value < 10 { 1 } else { 2 };
    let (separator, last, month_width, day_width) = match spelling {
        DaySpelling::Hyphens => (["-", "-"], "", 2, 2),
        DaySpelling::Slashes => (["/", "/"], "", short(month), short(day)),
        DaySpelling::Bare => (["", ""], "", 2, 2),
        DaySpelling::Dots => ([".", "."], "", short(month), short(day)),
        DaySpelling::Chinese => (["年", "月"], "日", short(month), short(day)),
    };
    push_digits(into, number(year), 4);
    into.push_str(separator[0]);
    push_digits(into, number(month), month_width);
    into.push_str(separator[1]);
    push_digits(into, number(day), day_width);
    into.push_str(last);
}

/// `2024-03-05 13:00:00`, Chinese local time.
pub fn push_second(into: &mut String, seconds: i64) {
    let days = i32::try_from(seconds.div_euclid(86_400)).expect("days of this century");
    let of_day = seconds.rem_euclid(86_400).unsigned_abs();
    push_day(into, days, DaySpelling::Hyphens);
    for (mark, value) in [(' ', of_day / 3_600), (':', of_day / 60 % 60), (':', of_day % 60)] {
        into.push(mark);
        crate::world::push_digits(into, value, 2);
    }
}

#[inline]
pub fn push_decimal(into: &mut String, unscaled: i64, scale: u8) {
    if unscaled < 0 {
        into.push('-');
    }
    let power = 10_u64.pow(u32::from(scale));
    let value = unscaled.unsigned_abs();
    crate::world::push_number(into, (value / power).cast_signed());
    if scale > 0 {
        into.push('.');
        crate::world::push_digits(into, value % power, usize::from(scale));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_day_is_one_that_the_platform_reads() {
        for days in [-15_000, -1, 0, 59, 60, 19_787, 20_758] {
            let mut plain = String::new();
            push_day(&mut plain, days, DaySpelling::Hyphens);
            for spelling in DaySpelling::ALL {
                let mut text = String::new();
                push_day(&mut text, days, spelling);
                let read = yihe_vocabulary::parse_day(&text).unwrap();
                assert_eq!(read.to_string(), plain, "{text}");
                assert_eq!(crate::world::day_number(read), days);
            }
        }
    }

    #[test]
    fn decimals_keep_their_places() {
        let text = |unscaled, scale| {
            let mut into = String::new();
            push_decimal(&mut into, unscaled, scale);
            into
        };
        assert_eq!(text(1_234_567, 2), "12345.67");
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(42, 0), "42");
    }
}
