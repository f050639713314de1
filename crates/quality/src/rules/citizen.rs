//! `citizen_agrees`: what a citizen's number says of birth date and sex is what the row says.

use crate::{
    bits::{Bits, Rows},
    column::{Class, Column, Data, Memory, Reading},
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
        let mut evaluated = Bits::none(rows);
        let mut failed = Bits::none(rows);
        let number = batch.column(self.number);
        let birth_on = self.birth_on.map(|(slot, zoned)| (batch.column(slot), zoned));
        let sex = self.sex.map(|slot| batch.column(slot));
        if let Some(text) = number.text() {
            let citizens = batch.citizens(self.number, memory);
            for row in 0..rows {
                if !number.valid.contains(row) {
                    continue;
                }
                let birth_on = birth_on.and_then(|(column, zoned)| day_at(column, zoned, row));
                let male = sex.and_then(|column| male_at(column, row));
                if birth_on.is_none() && male.is_none() {
                    continue;
                }
                let Some(said) = said_by(text.value(row), citizens.contains(row)) else { continue };
                evaluated.insert(row);
                if birth_on.is_some_and(|day| day != said.birth_on) || male.is_some_and(|male| male != said.male) {
                    failed.insert(row);
                }
            }
        }
        Verdict { evaluated: Rows::Some(evaluated), failed }
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

fn male_at(column: &Column, row: usize) -> Option<bool> {
    if !column.valid.contains(row) {
        return None;
    }
    match column.text()?.value(row) {
        b"1" | b"01" | b"M" | b"m" => Some(true),
        b"2" | b"02" | b"F" | b"f" => Some(false),
        text if text == "男".as_bytes() || text == "男性".as_bytes() => Some(true),
        text if text == "女".as_bytes() || text == "女性".as_bytes() => Some(false),
        _ => None,
    }
}

/// Reads an 18-character number that is known to add up, or one of 15 digits of before 1999.
fn said_by(number: &[u8], adds_up: bool) -> Option<Said> {
    let digits = |range: std::ops::Range<usize>| {
        number
            .get(range)?
            .iter()
            .try_fold(0_i32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
    };
    let (year, month, day, sequence) = match number.len() {
        18 if adds_up => (digits(6..10)?, digits(10..12)?, digits(12..14)?, digits(14..17)?),
        15 => {
            digits(0..6)?;
            let (year, month, day) = (1900 + digits(6..8)?, digits(8..10)?, digits(10..12)?);
            let exists = i16::try_from(year).ok().zip(i8::try_from(month).ok()).zip(i8::try_from(day).ok());
            exists.filter(|((year, month), day)| yihe_vocabulary::dates::is_day(*year, *month, *day))?;
            (year, month, day, digits(12..15)?)
        }
        _ => return None,
    };
    Some(Said { birth_on: value::days_from_civil(year, month, day), male: sequence % 2 == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_birth_date_and_sex_in_both_forms() {
        let born = value::days_from_civil(1949, 12, 31);
        assert_eq!(said_by(b"11010519491231002X", true), Some(Said { birth_on: born, male: false }));
        assert_eq!(said_by(b"110105491231002", false), Some(Said { birth_on: born, male: false }));
        assert_eq!(said_by(b"110105491331002", false), None);
        assert_eq!(said_by(b"110105194912310021", false), None);
    }
}
