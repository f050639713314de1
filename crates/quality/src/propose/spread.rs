//! Distributions of numbers and dates, coarse enough to be kept for every column.

use std::collections::BTreeMap;

use crate::{
    rules::range::number,
    value::{DAY_MICROS, civil_from_days, moment},
};

/// Columns of dates that are compared with one another.
const COMPARED_MAX: usize = 8;

/// How the values of a column are spread.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    /// Values that are numbers.
    pub numbers: u64,
    /// Values that are days or moments.
    pub moments: u64,
    /// By size, four buckets per power of two; the keys are in the order of the numbers.
    by_size: BTreeMap<u16, u64>,
    by_year: BTreeMap<i32, u64>,
    newest: Option<i32>,
}

impl Spread {
    /// Counts a number.
    pub fn see_number(&mut self, number: f64) {
        if number.is_finite() {
            self.numbers += 1;
            *self.by_size.entry(bucket(number)).or_default() += 1;
        }
    }

    /// Counts a text that is a number; hands back the moment that a text is.
    pub fn see_text(&mut self, bytes: &[u8]) -> Option<i64> {
        if let Some(number) = number(bytes) {
            self.see_number(number);
        }
        moment(bytes).map(|(micros, _)| micros)
    }

    /// Counts a moment, in microseconds.
    pub fn see_moment(&mut self, micros: i64) {
        self.moments += 1;
        let days = i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or_default();
        *self.by_year.entry(civil_from_days(days).0).or_default() += 1;
        self.newest = self.newest.max(Some(days));
    }

    /// The newest day seen, in days since 1970-01-01.
    #[must_use]
    pub const fn newest_day(&self) -> Option<i32> {
        self.newest
    }

    /// Bounds for numbers: a power of ten, twice or five times one, well beyond the middle 99 %.
    #[must_use]
    pub fn numbers(&self) -> Option<(String, String)> {
        let at = |share| quantile(&self.by_size, share);
        let (low, middle, high) = (at(0.005)?, at(0.5)?, at(0.995)?);
        let (low, middle, high) = (edge(low), edge(middle), edge(high.saturating_add(1)));
        // Money and populations have long tails, ages have not.
        let factor = if high > 5.0 * middle.abs() { 10.0 } else { 2.0 };
        let min = if low >= 0.0 { 0.0 } else { -rounded_up(-low * factor) };
        let max = if high <= 0.0 { 0.0 } else { rounded_up(high * factor) };
        Some((min.to_string(), max.to_string()))
    }

    /// Bounds for dates: whole years, beyond the middle 99 % by a quarter of their span; births not far beyond today's.
    #[must_use]
    pub fn years(&self, birth: bool) -> Option<(String, String)> {
        let (first, last) = (quantile(&self.by_year, 0.005)?, quantile(&self.by_year, 0.995)?);
        let room = ((last - first) / 4).max(1);
        let after = if birth { 1 } else { room };
        let (first, last) = ((first - room).max(1), (last + after).min(9999));
        Some((format!("{first:04}-01-01"), format!("{last:04}-12-31")))
    }
}

/// The number's place in the order of all numbers, rounded down to four steps per power of two.
fn bucket(number: f64) -> u16 {
    let bits = number.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    (ordered >> 50) as u16
}

/// The least number of a bucket.
fn edge(bucket: u16) -> f64 {
    let ordered = u64::from(bucket) << 50;
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

#[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
fn quantile<K: Copy>(counts: &BTreeMap<K, u64>, share: f64) -> Option<K> {
    let wanted = counts.values().sum::<u64>() as f64 * share;
    let mut seen = 0;
    for (key, rows) in counts {
        seen += rows;
        if seen as f64 >= wanted {
            return Some(*key);
        }
    }
    counts.keys().next_back().copied()
}

fn rounded_up(number: f64) -> f64 {
    let ten = 10_f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * ten);
    steps.into_iter().find(|step| *step >= number).unwrap_or(number)
}

/// Which dates of a row come before which.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    /// Columns that have held dates, in the order in which they did.
    columns: Vec<usize>,
    /// Of the batch, by place in `columns`.
    rows: Vec<Vec<Option<i64>>>,
    batch_rows: usize,
    /// By places of the earlier and the later: rows that have both, and those in order, and those that are equal.
    pairs: BTreeMap<(usize, usize), (u64, u64, u64)>,
}

impl Moments {
    /// Begins a batch.
    pub fn begin(&mut self, rows: usize) {
        self.batch_rows = rows;
        for column in &mut self.rows {
            column.clear();
            column.resize(rows, None);
        }
    }

    /// The moment of a column in a row.
    pub fn see(&mut self, column: usize, row: usize, moment: i64) {
        let place = match self.columns.iter().position(|known| *known == column) {
            Some(place) => place,
            None if self.columns.len() < COMPARED_MAX => {
                self.columns.push(column);
                self.rows.push(vec![None; self.batch_rows]);
                self.columns.len() - 1
            }
            None => return,
        };
        self.rows[place][row] = Some(moment);
    }

    /// Ends a batch.
    pub fn compare(&mut self) {
        for (first, earlier) in self.rows.iter().enumerate() {
            for (second, later) in self.rows.iter().enumerate().filter(|(second, _)| *second != first) {
                let (both, kept, equal) = self.pairs.entry((first, second)).or_default();
                for (earlier, later) in earlier.iter().zip(later) {
                    if let (Some(earlier), Some(later)) = (earlier, later) {
                        *both += 1;
                        *kept += u64::from(earlier <= later);
                        *equal += u64::from(earlier == later);
                    }
                }
            }
        }
    }

    /// Columns of which the first is nearly never after the second, with the rows in order and all that have both.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
    pub fn ordered(&self, rows_min: u64) -> Vec<(usize, usize, u64, u64)> {
        let kept = self.pairs.iter().filter(|(_, (both, kept, equal))| {
            *both >= rows_min && *kept as f64 >= 0.99 * *both as f64 && (*equal as f64) < 0.9 * *both as f64
        });
        kept.map(|((first, second), (both, kept, _))| (self.columns[*first], self.columns[*second], *kept, *both))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_keep_the_order_of_numbers() {
        let numbers = [-1e9, -2.5, -1.0, -1e-9, 0.0, 1e-9, 1.0, 1.3, 2.0, 89.0, 1e12];
        let buckets: Vec<u16> = numbers.iter().map(|number| bucket(*number)).collect();
        assert!(buckets.is_sorted(), "{buckets:?}");
        for number in numbers {
            assert!(edge(bucket(number)) <= number && number <= edge(bucket(number) + 1), "{number}");
        }
    }

    #[test]
    fn bounds_leave_room_and_a_slip_does_not_widen_them() {
        let mut ages = Spread::default();
        (0..10_000).for_each(|row| ages.see_number(f64::from(row % 90)));
        ages.see_number(-1.0);
        ages.see_number(99_999.0);
        assert_eq!(ages.numbers(), Some(("0".to_owned(), "200".to_owned())));
        let mut days = Spread::default();
        (0..20_000).for_each(|day| days.see_moment(i64::from(day) * DAY_MICROS));
        assert_eq!(days.years(true), Some(("1957-01-01".to_owned(), "2025-12-31".to_owned())));
    }
}
