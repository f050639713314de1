//! `order`: of two dates, instants or numbers the later is not before the earlier.

use crate::{
    bits::{Bits, Rows},
    column::{Class, Column, Data, Reading},
    rules::{Batch, Plan, Slot, Verdict, range::number},
    value::{DAY_MICROS, LOCAL_OFFSET_MICROS, moment},
};

/// Two columns of one row in order.
#[derive(Debug)]
pub struct Order {
    earlier: Side,
    later: Side,
    unit: Unit,
}

#[derive(Debug, Clone)]
struct Side {
    slot: Slot,
    class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Moments,
    Integers,
    Floats,
}

impl Order {
    /// Compiles the rule. Days and instants can be compared with one another, a day counting as a whole.
    ///
    /// # Errors
    /// No such column, or columns that cannot be compared.
    pub fn compile(earlier: &str, later: &str, plan: &mut Plan<'_>) -> Result<Self, String> {
        let (first, second) = (plan.class(earlier)?, plan.class(later)?);
        let moment = |class: &Class| matches!(class, Class::Day | Class::Instant { .. });
        let number = |class: &Class| matches!(class, Class::Integer | Class::Float | Class::Decimal(_));
        let text = |class: &Class| *class == Class::Text;
        let unit = if (moment(&first) || text(&first)) && (moment(&second) || text(&second)) {
            Unit::Moments
        } else if first == Class::Integer && second == Class::Integer {
            Unit::Integers
        } else if (number(&first) || text(&first)) && (number(&second) || text(&second)) {
            Unit::Floats
        } else {
            return Err(format!(
                "compares column `{earlier}`, which holds {}, with `{later}`, which holds {}",
                first.name(),
                second.name()
            ));
        };
        Ok(Self {
            earlier: Side { slot: plan.slot(earlier, Reading::Native)?, class: first },
            later: Side { slot: plan.slot(later, Reading::Native)?, class: second },
            unit,
        })
    }

    /// Rows are evaluated in which both can be read. Texts that are no days are compared as numbers.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>) -> Verdict {
        let rows = batch.rows();
        let (earlier, later) = (batch.column(self.earlier.slot), batch.column(self.later.slot));
        let both = earlier.valid.clone().and(&later.valid);
        if let (Data::Days(first), Data::Days(second)) = (&earlier.data, &later.data) {
            return plain(both, Bits::of_pairs(first, second, |first, second| second < first));
        }
        if let (Data::Integers(first), Data::Integers(second)) = (&earlier.data, &later.data) {
            return plain(both, Bits::of_pairs(first, second, |first, second| second < first));
        }
        if let (Data::Instants(first), Data::Instants(second)) = (&earlier.data, &later.data)
            && self.earlier.class == self.later.class
        {
            return plain(both, Bits::of_pairs(first, second, |first, second| second < first));
        }
        if let (Data::Days(first), Data::Instants(second), Class::Instant { zoned: false }) =
            (&earlier.data, &later.data, &self.later.class)
        {
            // Days of 32 bits are far from overflowing, and a test for it would cost as much as the comparison.
            let begins = |day: i32| i64::from(day).wrapping_mul(DAY_MICROS);
            return plain(both, Bits::of_pairs(first, second, |first, second| second < begins(first)));
        }
        let mut evaluated = Bits::none(rows);
        let mut failed = Bits::none(rows);
        for row in 0..rows {
            if !both.contains(row) {
                continue;
            }
            let moments = || {
                let (first, first_end) = self.earlier.moment(earlier, row)?;
                let (second, second_end) = self.later.moment(later, row)?;
                // When either is a whole day, the other counts as its day too.
                let whole = first != first_end || second != second_end;
                Some(if whole { second_end < first } else { second < first })
            };
            let numbers = || Some(float(later, &self.later.class, row)? < float(earlier, &self.earlier.class, row)?);
            let verdict = match self.unit {
                Unit::Moments => moments().or_else(numbers),
                Unit::Integers | Unit::Floats => numbers(),
            };
            if let Some(wrong) = verdict {
                evaluated.insert(row);
                if wrong {
                    failed.insert(row);
                }
            }
        }
        Verdict { evaluated: Rows::Some(evaluated), failed }
    }
}

fn plain(evaluated: Rows, mut failed: Bits) -> Verdict {
    evaluated.confine(&mut failed);
    Verdict { evaluated, failed }
}

impl Side {
    /// First and last microsecond of what is written there, on the wall clock.
    fn moment(&self, column: &Column, row: usize) -> Option<(i64, i64)> {
        let day = |micros: i64| Some((micros, micros.checked_add(DAY_MICROS - 1)?));
        match &column.data {
            Data::Days(days) => day(i64::from(days[row]) * DAY_MICROS),
            Data::Instants(instants) => {
                let shift = if self.class == (Class::Instant { zoned: true }) { LOCAL_OFFSET_MICROS } else { 0 };
                let micros = instants[row].checked_add(shift)?;
                Some((micros, micros))
            }
            Data::Text(text) => match moment(text.value(row))? {
                (micros, true) => Some((micros, micros)),
                (micros, false) => day(micros),
            },
            _ => None,
        }
    }
}

fn float(column: &Column, class: &Class, row: usize) -> Option<f64> {
    match &column.data {
        #[expect(clippy::cast_precision_loss, reason = "a whole number beside a float is compared as a float")]
        Data::Integers(values) => Some(values[row] as f64),
        Data::Floats(values) => Some(values[row]),
        #[expect(clippy::cast_precision_loss, reason = "decimals of different scales are compared as floats")]
        Data::Decimals(values) => {
            let Class::Decimal(scale) = class else { return None };
            Some(values[row] as f64 / 10_f64.powi(i32::from(*scale)))
        }
        Data::Text(text) => number(text.value(row)),
        _ => None,
    }
}
