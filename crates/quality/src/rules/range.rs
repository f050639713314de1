//! `range` and `freshness` of every row: a number, a day or an instant between two bounds, ends included.

use crate::{
    bits::Bits,
    column::{Class, Data, Memory, Reading},
    rules::{Batch, Plan, Slot, Verdict},
    value::{DAY_MICROS, Exact, LOCAL_OFFSET_MICROS, Rounding, moment},
};

/// A value between two bounds.
#[derive(Debug, Clone)]
pub struct Range {
    slot: Slot,
    span: Span,
}

/// Bounds in the unit of the column.
#[derive(Debug, Clone, PartialEq)]
enum Span {
    Integers(i64, i64),
    Decimals(i128, i128),
    Floats(f64, f64),
    Days(i32, i32),
    Instants(i64, i64),
    /// Texts that must be numbers.
    WrittenNumbers(f64, f64),
    /// Texts that must be days or moments, in microseconds of the wall clock.
    WrittenMoments(i64, i64),
}

impl Range {
    /// Compiles the rule: bounds are read as what the column holds.
    ///
    /// A bound without a time of day is a whole day, so that `max: 2024-12-31` includes that evening. Bounds on
    /// zoned timestamps are Chinese local time. On text the bounds decide: numbers ask for numbers, days for days.
    ///
    /// # Errors
    /// No such column, no bound, a bound that is not of the column's class, or bounds that leave nothing.
    pub fn compile(column: &str, min: Option<&str>, max: Option<&str>, plan: &mut Plan<'_>) -> Result<Self, String> {
        if min.is_none() && max.is_none() {
            return Err("has neither `min` nor `max`, expected one or both".to_owned());
        }
        let class = plan.class(column)?;
        let span = Span::read(&class, min, max)?;
        if span.is_empty() {
            let (min, max) = (min.unwrap_or_default(), max.unwrap_or_default());
            return Err(format!("asks for values from `{min}` to `{max}`, expected min ≤ max"));
        }
        Ok(Self { slot: plan.slot(column, Reading::Native)?, span })
    }

    /// Not before a moment, in microseconds of UTC.
    ///
    /// # Errors
    /// No such column, or one that holds no days.
    pub fn not_before(column: &str, utc_micros: i64, plan: &mut Plan<'_>) -> Result<Self, String> {
        let class = plan.class(column)?;
        let wall = utc_micros.saturating_add(LOCAL_OFFSET_MICROS);
        let span = match class {
            // A day that has begun is as fresh as its last hour.
            Class::Day => Span::Days(i32::try_from(wall.div_euclid(DAY_MICROS)).unwrap_or(i32::MIN), i32::MAX),
            Class::Instant { zoned: true } => Span::Instants(utc_micros, i64::MAX),
            Class::Instant { zoned: false } => Span::Instants(wall, i64::MAX),
            Class::Text => Span::WrittenMoments(wall.div_euclid(DAY_MICROS) * DAY_MICROS, i64::MAX),
            _ => return Err(format!("column `{column}` holds {}, expected dates", class.name())),
        };
        Ok(Self { slot: plan.slot(column, Reading::Native)?, span })
    }

    /// Where the value stands.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether what passes this rule passes `weak`, a rule on the same column.
    #[must_use]
    pub fn is_within(&self, weak: &Self) -> bool {
        self.both(weak).is_some_and(|both| both.span == self.span)
    }

    /// The values that pass this rule and `other`, a rule on the same column; `None` if there are none, or the two
    /// read the column as different things.
    #[must_use]
    pub fn both(&self, other: &Self) -> Option<Self> {
        let span = match (&self.span, &other.span) {
            (Span::Integers(min, max), Span::Integers(least, most)) => Span::Integers(*min.max(least), *max.min(most)),
            (Span::Decimals(min, max), Span::Decimals(least, most)) => Span::Decimals(*min.max(least), *max.min(most)),
            (Span::Floats(min, max), Span::Floats(least, most)) => Span::Floats(min.max(*least), max.min(*most)),
            (Span::Days(min, max), Span::Days(least, most)) => Span::Days(*min.max(least), *max.min(most)),
            (Span::Instants(min, max), Span::Instants(least, most)) => Span::Instants(*min.max(least), *max.min(most)),
            (Span::WrittenNumbers(min, max), Span::WrittenNumbers(least, most)) => {
                Span::WrittenNumbers(min.max(*least), max.min(*most))
            }
            (Span::WrittenMoments(min, max), Span::WrittenMoments(least, most)) => {
                Span::WrittenMoments(*min.max(least), *max.min(most))
            }
            _ => return None,
        };
        (self.slot == other.slot && !span.is_empty()).then_some(Self { slot: self.slot, span })
    }

    /// As [`Self::judge`], where only `suspects` can fail.
    #[must_use]
    pub fn judge_suspects(&self, batch: &Batch<'_>, suspects: &Bits) -> Verdict {
        let column = batch.column(self.slot);
        let mut failed = Bits::none(batch.rows());
        for row in suspects.iter().filter(|row| self.span.refuses(&column.data, *row)) {
            failed.insert(row);
        }
        column.valid.confine(&mut failed);
        Verdict { evaluated: column.valid.clone(), failed }
    }

    /// Rows with a value are evaluated. A text that is no number or day at all fails; so does NaN.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Verdict {
        let column = batch.column(self.slot);
        let mut failed = match (&self.span, &column.data) {
            (Span::Integers(min, max), Data::Integers(values)) => {
                Bits::of_values(values, |value| (value < *min) | (value > *max))
            }
            (Span::Decimals(min, max), Data::Decimals(values)) => {
                Bits::of_values(values, |value| (value < *min) | (value > *max))
            }
            (Span::Floats(min, max), Data::Floats(values)) => {
                Bits::of_values(values, |value| !((value >= *min) & (value <= *max)))
            }
            (Span::Days(min, max), Data::Days(values)) => {
                Bits::of_values(values, |value| (value < *min) | (value > *max))
            }
            (Span::Instants(min, max), Data::Instants(values)) => {
                Bits::of_values(values, |value| (value < *min) | (value > *max))
            }
            (Span::WrittenNumbers(min, max), Data::Text(text)) => text.select(&column.valid, memory, |text| {
                !number(text).is_some_and(|value| value >= *min && value <= *max)
            }),
            (Span::WrittenMoments(min, max), Data::Text(text)) => text.select(&column.valid, memory, |text| {
                !moment(text).is_some_and(|(value, _)| value >= *min && value <= *max)
            }),
            _ => Bits::none(batch.rows()),
        };
        column.valid.confine(&mut failed);
        Verdict { evaluated: column.valid.clone(), failed }
    }
}

/// A number as it is written in text columns.
#[must_use]
pub fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    // The library reads `inf` and `nan` too; no department means them.
    if !text.bytes().next_back()?.is_ascii_digit() && !text.ends_with('.') {
        return None;
    }
    text.parse().ok()
}

impl Span {
    fn read(class: &Class, min: Option<&str>, max: Option<&str>) -> Result<Self, String> {
        let exact = |text: &str| {
            Exact::read(text).ok_or_else(|| {
                format!("has the bound `{text}` on a column that holds {}, expected a number", class.name())
            })
        };
        let scaled = |text: Option<&str>, scale: i8, rounding: Rounding, open: i128| {
            text.map_or(Ok(open), |text| exact(text).map(|bound| bound.scaled(scale, rounding)))
        };
        let float = |text: Option<&str>, open: f64| text.map_or(Ok(open), |text| exact(text).map(Exact::float));
        let moments = || -> Result<(Option<i64>, Option<i64>), String> {
            let read = |text: &str| {
                moment(text.as_bytes()).ok_or_else(|| {
                    format!(
                        "has the bound `{text}` on a column that holds {}, expected a day as 2024-03-05",
                        class.name()
                    )
                })
            };
            let min = min.map(|text| read(text).map(|(micros, _)| micros)).transpose()?;
            let max =
                max.map(|text| read(text).map(|(micros, timed)| if timed { micros } else { micros + DAY_MICROS - 1 }));
            Ok((min, max.transpose()?))
        };
        Ok(match class {
            Class::Integer => {
                let narrow = |bound: i128| i64::try_from(bound).unwrap_or(if bound < 0 { i64::MIN } else { i64::MAX });
                Self::Integers(
                    narrow(scaled(min, 0, Rounding::Up, i128::MIN)?),
                    narrow(scaled(max, 0, Rounding::Down, i128::MAX)?),
                )
            }
            Class::Decimal(scale) => Self::Decimals(
                scaled(min, *scale, Rounding::Up, i128::MIN)?,
                scaled(max, *scale, Rounding::Down, i128::MAX)?,
            ),
            Class::Float => Self::Floats(float(min, f64::NEG_INFINITY)?, float(max, f64::INFINITY)?),
            Class::Day => {
                let (min, max) = moments()?;
                // Moments are read from four-digit years, whose days fit.
                let day = |micros: i64| i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or_default();
                Self::Days(min.map_or(i32::MIN, day), max.map_or(i32::MAX, day))
            }
            Class::Instant { zoned } => {
                let (min, max) = moments()?;
                let shift = if *zoned { LOCAL_OFFSET_MICROS } else { 0 };
                Self::Instants(min.map_or(i64::MIN, |min| min - shift), max.map_or(i64::MAX, |max| max - shift))
            }
            Class::Text => {
                let numbers = [min, max].into_iter().flatten().all(|bound| Exact::read(bound).is_some());
                if numbers {
                    Self::WrittenNumbers(float(min, f64::NEG_INFINITY)?, float(max, f64::INFINITY)?)
                } else {
                    let (min, max) = moments()?;
                    Self::WrittenMoments(min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX))
                }
            }
            Class::Boolean | Class::Null | Class::Other => {
                return Err(format!("is on a column that holds {}, expected numbers or dates", class.name()));
            }
        })
    }

    /// Whether the value of a row lies outside.
    fn refuses(&self, data: &Data, row: usize) -> bool {
        match (self, data) {
            (Self::Integers(min, max), Data::Integers(values)) => !(*min..=*max).contains(&values[row]),
            (Self::Decimals(min, max), Data::Decimals(values)) => !(*min..=*max).contains(&values[row]),
            (Self::Floats(min, max), Data::Floats(values)) => !(*min..=*max).contains(&values[row]),
            (Self::Days(min, max), Data::Days(values)) => !(*min..=*max).contains(&values[row]),
            (Self::Instants(min, max), Data::Instants(values)) => !(*min..=*max).contains(&values[row]),
            (Self::WrittenNumbers(min, max), Data::Text(text)) => {
                !number(text.value(row)).is_some_and(|value| (*min..=*max).contains(&value))
            }
            (Self::WrittenMoments(min, max), Data::Text(text)) => {
                !moment(text.value(row)).is_some_and(|(value, _)| (*min..=*max).contains(&value))
            }
            _ => false,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Integers(min, max) | Self::Instants(min, max) | Self::WrittenMoments(min, max) => min > max,
            Self::Decimals(min, max) => min > max,
            Self::Floats(min, max) | Self::WrittenNumbers(min, max) => min > max,
            Self::Days(min, max) => min > max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_a_day_includes_its_evening() {
        let span = Span::read(&Class::Instant { zoned: false }, Some("2024-03-05"), Some("2024-03-05")).unwrap();
        let Span::Instants(min, max) = span else { panic!("{span:?}") };
        assert_eq!(max - min, DAY_MICROS - 1);
    }

    #[test]
    fn bounds_on_zoned_instants_are_read_in_china() {
        let span = Span::read(&Class::Instant { zoned: true }, Some("1970-01-01 08:00:00"), None).unwrap();
        assert_eq!(span, Span::Instants(0, i64::MAX));
    }

    #[test]
    fn a_bound_of_another_class_is_refused() {
        assert!(Span::read(&Class::Integer, Some("2024-03-05"), None).unwrap_err().contains("expected a number"));
        assert!(Span::read(&Class::Day, Some("x"), None).unwrap_err().contains("expected a day"));
        assert!(Span::read(&Class::Boolean, Some("1"), None).is_err());
    }
}
