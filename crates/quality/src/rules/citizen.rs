//! `citizen_agrees`: what a citizen's number says of birth date and sex is what the row says.

use crate::{
    bits::{Bits, Rows},
    column::{Class, Column, Data, Memory, Reading, TextData, each_plain},
    rules::{Batch, Plan, Slot, Verdict, code_list::local_day},
    value,
};

/// Number ↔ birth date ↔ sex (GB 11643-1999, GB/T 2261.1).
#[derive(Debug)]
pub struct Citizen {
    number: Slot,
    birth_on: Option<(Slot, bool)>,
    sex: Option<Slot>,
}

/// What a number says of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    /// Days since 1970-01-01.
    birth_on: i32,
    male: bool,
}

impl Citizen {
    /// Compiles the rule.
    ///
    /// # Errors
    /// No such column, neither birth date nor sex, or a birth date column that holds no days.
    pub fn compile(
        column: &str,
        birth_on: Option<&str>,
        sex: Option<&str>,
        plan: &mut Plan<'_>,
    ) -> Result<Self, String> {
        if birth_on.is_none() && sex.is_none() {
            return Err("has neither `birth_on` nor `sex`, expected one or both".to_owned());
        }
        let birth_on = match birth_on {
            None => None,
            Some(name) => {
                let class = plan.class(name)?;
                if !matches!(class, Class::Day | Class::Instant { .. } | Class::Text) {
                    return Err(format!("column `{name}` holds {}, expected dates", class.name()));
                }
                Some((plan.slot(name, Reading::Native)?, class == Class::Instant { zoned: true }))
            }
        };
        let sex = sex.map(|name| plan.slot(name, Reading::Text)).transpose()?;
        Ok(Self { number: plan.slot(column, Reading::Text)?, birth_on, sex })
    }

    /// Rows are evaluated whose number is valid and which say something that can be compared.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Verdict {
        let rows = batch.rows();
        let number = batch.column(self.number);
        let Some(text) = number.text() else {
            return Verdict { evaluated: Rows::Some(Bits::none(rows)), failed: Bits::none(rows) };
        };
        let births = Births::of(self.birth_on.map(|(slot, zoned)| (batch.column(slot), zoned)), rows);
        let (mut males, mut females) = self.sex.map_or_else(
            || (Bits::none(rows), Bits::none(rows)),
            |slot| {
                let column = batch.column(slot);
                // Sexes are few values; what is remembered of another column's dictionary is not disturbed.
                let side = |male| match column.text() {
                    Some(text) => {
                        text.select(&column.valid, &mut Memory::default(), |text| male_of(text) == Some(male))
                    }
                    None => Bits::none(rows),
                };
                (side(true), side(false))
            },
        );
        let mut comparable = births.known.clone();
        comparable.unite(&males);
        comparable.unite(&females);
        number.valid.confine(&mut comparable);

        let citizens = batch.citizens(self.number, memory);
        let mut evaluated = comparable.clone();
        evaluated.intersect(&citizens);
        let mut said = Sayings::new(rows, self.sex.is_some());
        let plain = Rows::Some(evaluated.clone());
        each_plain!(
            text,
            value => plain.each(rows, |row| said.of_18(row, value(row))),
            TextData::Dictionary { .. } => plain.each(rows, |row| said.of_18(row, text.value(row)))
        );
        comparable.subtract(&citizens);
        for row in comparable.iter() {
            if let Some(found) = said_by_15(text.value(row)) {
                evaluated.insert(row);
                said.add(row, found);
            }
        }
        // Failed: another birth date where one is known, or a male among the females, or the other way round.
        let Sayings { days, males: said_male, .. } = said;
        let mut failed = match births.days.len() {
            0 => Bits::none(rows),
            _ => Bits::of_pairs(&births.days, &days, |born, said| born != said),
        };
        failed.intersect(&births.known);
        females.intersect(&said_male);
        males.subtract(&said_male);
        failed.unite(&females);
        failed.unite(&males);
        failed.intersect(&evaluated);
        Verdict { evaluated: Rows::Some(evaluated), failed }
    }
}

/// What the numbers of a batch say, by row; it is compared for many rows at once.
struct Sayings {
    days: Vec<i32>,
    /// Only where the row says a sex, too.
    males: Bits,
    with_sex: bool,
}

impl Sayings {
    fn new(rows: usize, with_sex: bool) -> Self {
        Self { days: vec![0; rows], males: Bits::none(rows), with_sex }
    }

    #[inline]
    fn of_18(&mut self, row: usize, number: &[u8]) {
        if let Ok(number) = <&[u8; 18]>::try_from(number) {
            self.add(row, said_by_18(number));
        }
    }

    #[inline]
    fn add(&mut self, row: usize, said: Said) {
        self.days[row] = said.birth_on;
        if self.with_sex {
            self.males.put(row, said.male);
        }
    }
}

/// Birth dates of a batch.
struct Births<'a> {
    known: Bits,
    days: std::borrow::Cow<'a, [i32]>,
}

impl<'a> Births<'a> {
    fn of(column: Option<(&'a Column, bool)>, rows: usize) -> Self {
        let Some((column, zoned)) = column else {
            return Self { known: Bits::none(rows), days: std::borrow::Cow::Borrowed(&[]) };
        };
        if let Data::Days(days) = &column.data {
            let mut known = Bits::all(rows);
            column.valid.confine(&mut known);
            return Self { known, days: std::borrow::Cow::Borrowed(days) };
        }
        let mut days = vec![0; rows];
        let mut known = Bits::none(rows);
        for (row, day) in days.iter_mut().enumerate() {
            if let Some(found) = day_at(column, zoned, row) {
                *day = found;
                known.insert(row);
            }
        }
        Self { known, days: std::borrow::Cow::Owned(days) }
    }
}

fn day_at(column: &Column, zoned: bool, row: usize) -> Option<i32> {
    if !column.valid.contains(row) {
        return None;
    }
    match &column.data {
        Data::Days(days) => Some(days[row]),
        Data::Instants(instants) => local_day(instants[row], zoned),
        Data::Text(text) => value::day(text.value(row)),
        _ => None,
    }
}

fn male_of(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"01" | b"M" | b"m" => Some(true),
        b"2" | b"02" | b"F" | b"f" => Some(false),
        text if text == "男".as_bytes() || text == "男性".as_bytes() => Some(true),
        text if text == "女".as_bytes() || text == "女性".as_bytes() => Some(false),
        _ => None,
    }
}

/// Reads a number that is known to add up.
#[inline]
fn said_by_18(number: &[u8; 18]) -> Said {
    let [_, _, _, _, _, _, date @ .., _, _, _, _] = number;
    // Four pairs of digits at once: century, year, month, day.
    let digits = u64::from_le_bytes(*date) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let pair = |at: u32| ((pairs >> (at * 16)) & 0xff) as i32;
    let birth_on = value::days_from_civil(pair(0) * 100 + pair(1), pair(2), pair(3));
    Said { birth_on, male: number[16] & 1 == 1 }
}

/// Reads a number of 15 digits, of before 1999; `None` if it is none.
fn said_by_15(number: &[u8]) -> Option<Said> {
    let number = <&[u8; 15]>::try_from(number).ok().filter(|number| number.iter().all(u8::is_ascii_digit))?;
    let pair = |at: usize| (number[at] & 0xf) * 10 + (number[at + 1] & 0xf);
    let (year, month, day) = (1900 + i16::from(pair(6)), pair(8), pair(10));
    if !yihe_vocabulary::dates::is_day(year, month.cast_signed(), day.cast_signed()) {
        return None;
    }
    let birth_on = value::days_from_civil(i32::from(year), i32::from(month), i32::from(day));
    Some(Said { birth_on, male: number[14] & 1 == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_birth_date_and_sex_in_both_forms() {
        let born = value::days_from_civil(1949, 12, 31);
        assert_eq!(said_by_18(b"11010519491231002X"), Said { birth_on: born, male: false });
        assert_eq!(said_by_15(b"110105491231002"), Some(Said { birth_on: born, male: false }));
        assert_eq!(said_by_15(b"110105491331002"), None);
        assert_eq!(said_by_15(b"1101054913310021"), None);
        assert_eq!(said_by_15(b"11010549123100a"), None);
    }
}
