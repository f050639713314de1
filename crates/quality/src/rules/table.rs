//! Rules that judge a table as a whole: `freshness` of the newest value, `volume`, `drift`.
//!
//! During the scan they only gather; the verdict needs the moment of the check and the version before.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bits::Rows,
    column::{Class, Column, Data, Reading, TextData, same_buffers},
    rules::{Batch, Plan, Slot},
    value::{DAY_MICROS, LOCAL_OFFSET_MICROS, moment},
};

/// Texts of a distribution are spread over this many buckets by hash.
const TEXT_BUCKETS: u64 = 1024;
/// The bucket of rows without a value.
const MISSING: u32 = u32::MAX;

/// A rule that gathers.
#[derive(Debug)]
pub enum TableRule {
    /// The newest value is not older than promised.
    Freshness {
        /// Where the value stands.
        slot: Slot,
        /// Whether instants count in UTC.
        zoned: bool,
        /// Days that are allowed.
        within_days: u32,
    },
    /// The number of rows is plausible.
    Volume {
        /// Fewest rows.
        min: Option<u64>,
        /// Most rows.
        max: Option<u64>,
        /// Most change, in percent of the version before.
        change_percent: Option<f64>,
    },
    /// The distribution is close to that of the version before.
    Drift {
        /// Where the value stands.
        slot: Slot,
        /// Most total variation distance.
        distance: f64,
    },
}

/// What a rule gathered; adding two of them gives what it would have gathered from both tables.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Gathered {
    /// Newest moment, microseconds of the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<i64>,
    /// Rows by bucket of their value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<u32, u64>,
    /// Rows by bucket of a text, before they go to `buckets`.
    #[serde(skip)]
    texts: Vec<u64>,
    /// Rows by value of the dictionary that batches share, before they go to `texts`.
    #[serde(skip)]
    dictionary: Option<Dictionary>,
}

#[derive(Debug, Clone)]
struct Dictionary {
    origin: ArrayRef,
    values: TextData,
    rows: Vec<u64>,
}

impl PartialEq for Gathered {
    /// What is on its way is settled before anybody compares.
    fn eq(&self, other: &Self) -> bool {
        self.newest == other.newest && self.buckets == other.buckets
    }
}

/// A verdict on a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableVerdict {
    /// `None`: there was nothing to judge by.
    pub passed: Option<bool>,
    /// What was found, for people: a date, a number of rows, a distance.
    pub found: String,
}

impl Gathered {
    /// Brings what was counted on the way into its lasting form.
    pub fn settle(&mut self) {
        self.settle_dictionary();
        for (bucket, rows) in (0..).zip(std::mem::take(&mut self.texts)).filter(|(_, rows)| *rows > 0) {
            *self.buckets.entry(bucket).or_default() += rows;
        }
    }

    fn settle_dictionary(&mut self) {
        let Some(Dictionary { values, rows, .. }) = self.dictionary.take() else { return };
        for (at, rows) in rows.into_iter().enumerate().filter(|(_, rows)| *rows > 0) {
            self.count_text(values.value(at), rows);
        }
    }

    /// Rows by value of this dictionary, which batches of a row group share.
    fn by_value(&mut self, values: &TextData, origin: &ArrayRef) -> &mut [u64] {
        if self.dictionary.as_ref().is_none_or(|known| !same_buffers(&known.origin, origin)) {
            self.settle_dictionary();
        }
        let fresh = || Dictionary { origin: origin.clone(), values: values.clone(), rows: vec![0; values.len()] };
        &mut self.dictionary.get_or_insert_with(fresh).rows
    }

    fn count_text(&mut self, text: &[u8], rows: u64) {
        if self.texts.is_empty() {
            self.texts = vec![0; TEXT_BUCKETS as usize];
        }
        self.texts[(xxh3_64(text) % TEXT_BUCKETS) as usize] += rows;
    }

    fn count(&mut self, bucket: u32, rows: u64) {
        if rows > 0 {
            *self.buckets.entry(bucket).or_default() += rows;
        }
    }

    /// Adds what was gathered from other rows.
    pub fn merge(&mut self, other: &Self) {
        self.newest = self.newest.max(other.newest);
        for (bucket, rows) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += rows;
        }
    }

    /// Total variation distance of two distributions, `0.0..=1.0`; `None` when one of them is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let total = |gathered: &Self| gathered.buckets.values().sum::<u64>();
        let (here, there) = (total(self), total(other));
        if here == 0 || there == 0 {
            return None;
        }
        let share = |gathered: &Self, bucket: &u32, total: u64| {
            gathered.buckets.get(bucket).copied().unwrap_or_default() as f64 / total as f64
        };
        let gone = other.buckets.keys().filter(|bucket| !self.buckets.contains_key(bucket));
        let sum: f64 = self
            .buckets
            .keys()
            .chain(gone)
            .map(|bucket| (share(self, bucket, here) - share(other, bucket, there)).abs())
            .sum();
        Some(sum / 2.0)
    }
}

impl TableRule {
    /// Compiles `freshness` of the newest value.
    ///
    /// # Errors
    /// No such column, or one that holds no days.
    pub fn freshness(column: &str, within_days: u32, plan: &mut Plan<'_>) -> Result<Self, String> {
        let class = plan.class(column)?;
        if !matches!(class, Class::Day | Class::Instant { .. } | Class::Text) {
            return Err(format!("column `{column}` holds {}, expected dates", class.name()));
        }
        let zoned = class == Class::Instant { zoned: true };
        Ok(Self::Freshness { slot: plan.slot(column, Reading::Native)?, zoned, within_days })
    }

    /// Compiles `volume`.
    ///
    /// # Errors
    /// No bound, or bounds that leave nothing.
    pub fn volume(min: Option<u64>, max: Option<u64>, change_percent: Option<f64>) -> Result<Self, String> {
        if min.is_none() && max.is_none() && change_percent.is_none() {
            return Err("has none of `min`, `max` and `change_percent`, expected at least one".to_owned());
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(format!("asks for {min} to {max} rows, expected min ≤ max"));
        }
        if let Some(percent) = change_percent
            && !(percent >= 0.0 && percent.is_finite())
        {
            return Err(format!("has `change_percent: {percent}`, expected a number from 0"));
        }
        Ok(Self::Volume { min, max, change_percent })
    }

    /// Compiles `drift`.
    ///
    /// # Errors
    /// No such column, or a distance outside 0 to 1.
    pub fn drift(column: &str, distance: f64, plan: &mut Plan<'_>) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&distance) {
            return Err(format!("has `distance: {distance}`, expected a number from 0 to 1"));
        }
        let class = plan.class(column)?;
        if class == Class::Other {
            return Err(format!("column `{column}` holds {}, expected values", class.name()));
        }
        Ok(Self::Drift { slot: plan.slot(column, Reading::Native)?, distance })
    }

    /// Gathers from the rows of a batch that `rows` names.
    pub fn gather(&self, batch: &Batch<'_>, rows: &Rows, gathered: &mut Gathered) {
        match self {
            Self::Volume { .. } => {}
            Self::Freshness { slot, zoned, .. } => {
                let column = batch.column(*slot);
                let rows = column.valid.clone().and(rows);
                let newest = match &column.data {
                    Data::Instants(instants) => last_of(instants, &rows),
                    Data::Days(days) => last_of(days, &rows).map(|day| i64::from(day) * DAY_MICROS),
                    Data::Text(text) => {
                        let mut newest = None;
                        rows.each(batch.rows(), |row| newest = newest.max(moment(text.value(row)).map(|(at, _)| at)));
                        newest
                    }
                    _ => None,
                };
                let shift = if *zoned { LOCAL_OFFSET_MICROS } else { 0 };
                let newest = newest.map(|newest| newest.saturating_add(shift));
                gathered.newest = gathered.newest.max(newest);
            }
            Self::Drift { slot, .. } => {
                let column = batch.column(*slot);
                count_buckets(column, batch.rows(), rows, gathered);
            }
        }
    }

    /// Judges what was gathered. `now` is the wall clock of China in microseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "percentages of rows are floats")]
    pub fn judge(&self, rows: u64, here: &Gathered, before: Option<(u64, &Gathered)>, now: i64) -> TableVerdict {
        match self {
            Self::Freshness { within_days, .. } => match here.newest {
                None => TableVerdict { passed: None, found: String::new() },
                Some(newest) => {
                    // The promise is in days, so days are compared: of the value and of the check.
                    let (day, today) = (newest.div_euclid(DAY_MICROS), now.div_euclid(DAY_MICROS));
                    let days = i32::try_from(day).unwrap_or(if day < 0 { i32::MIN / 2 } else { i32::MAX / 2 });
                    let (year, month, of_month) = crate::value::civil_from_days(days);
                    TableVerdict {
                        passed: Some(today - day <= i64::from(*within_days)),
                        found: format!("{year:04}-{month:02}-{of_month:02}"),
                    }
                }
            },
            Self::Volume { min, max, change_percent } => {
                let bounded = min.is_none_or(|min| rows >= min) && max.is_none_or(|max| rows <= max);
                let change = change_percent.zip(before).map(|(most, (rows_before, _))| {
                    let change = rows.abs_diff(rows_before) as f64 * 100.0;
                    change <= most * rows_before as f64
                });
                let judged = min.is_some() || max.is_some() || change.is_some();
                TableVerdict { passed: judged.then_some(bounded && change.unwrap_or(true)), found: rows.to_string() }
            }
            Self::Drift { distance, .. } => match before.and_then(|(_, before)| here.distance(before)) {
                None => TableVerdict { passed: None, found: String::new() },
                Some(found) => TableVerdict { passed: Some(found <= *distance), found: format!("{found:.4}") },
            },
        }
    }
}

fn count_buckets(column: &Column, rows: usize, among: &Rows, gathered: &mut Gathered) {
    if let Data::Text(TextData::Dictionary { keys, values, origin }) = &column.data {
        let present = among.clone().and(&column.valid);
        let mut missing = among.count(rows) - present.count(rows);
        let by_value = gathered.by_value(values, origin);
        let mut count = |key: i32| match by_value.get_mut(key.cast_unsigned() as usize) {
            Some(seen) => *seen += 1,
            None => missing += 1,
        };
        match present {
            Rows::All => keys.iter().for_each(|key| count(*key)),
            Rows::Some(_) => present.each(rows, |row| count(keys[row])),
        }
        gathered.count(MISSING, missing);
        return;
    }
    let present = among.clone().and(&column.valid);
    gathered.count(MISSING, among.count(rows) - present.count(rows));
    if let Data::Text(text) = &column.data {
        return present.each(rows, |row| gathered.count_text(text.value(row), 1));
    }
    let mut tally = Tally::new(gathered);
    let mut count = |bucket_of: &dyn Fn(usize) -> u32| present.each(rows, |row| tally.add(bucket_of(row)));
    match &column.data {
        #[expect(clippy::cast_precision_loss, reason = "only the magnitude is kept")]
        Data::Integers(values) => count(&|row| magnitude(values[row] as f64)),
        #[expect(clippy::cast_precision_loss, reason = "only the magnitude is kept")]
        Data::Decimals(values) => count(&|row| magnitude(values[row] as f64)),
        Data::Floats(values) => count(&|row| magnitude(values[row])),
        // Quarters of a year are fine enough to see a shift and few enough to keep.
        Data::Days(values) => count(&|row| values[row].div_euclid(91).cast_unsigned() & 0x7fff_ffff),
        Data::Instants(values) => {
            count(&|row| (values[row].div_euclid(91 * DAY_MICROS).cast_unsigned() as u32) & 0x7fff_ffff);
        }
        Data::Booleans(values) => count(&|row| u32::from(values.value(row))),
        Data::Opaque | Data::Text(_) => count(&|_| MISSING),
    }
    tally.settle();
}

/// The last value among some rows.
fn last_of<T: Ord + Copy>(values: &[T], rows: &Rows) -> Option<T> {
    match rows {
        Rows::All => values.iter().copied().max(),
        Rows::Some(bits) => {
            let mut last = values[bits.iter().next()?];
            rows.each(values.len(), |row| last = last.max(values[row]));
            Some(last)
        }
    }
}

/// Counts rows by bucket: the buckets seen last lie side by side, the others in the tree.
struct Tally<'a> {
    recent: [(u32, u64); 256],
    gathered: &'a mut Gathered,
}

impl<'a> Tally<'a> {
    fn new(gathered: &'a mut Gathered) -> Self {
        Self { recent: [(0, 0); 256], gathered }
    }

    #[inline]
    fn add(&mut self, bucket: u32) {
        let (known, rows) = &mut self.recent[(bucket & 0xff) as usize];
        if *known != bucket {
            self.gathered.count(*known, *rows);
            (*known, *rows) = (bucket, 0);
        }
        *rows += 1;
    }

    fn settle(self) {
        for (bucket, rows) in self.recent {
            self.gathered.count(bucket, rows);
        }
    }
}

/// Sign, exponent and two bits more: four buckets per power of two.
fn magnitude(value: f64) -> u32 {
    (value.to_bits() >> 50) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(buckets: &[(u32, u64)]) -> Gathered {
        Gathered { buckets: buckets.iter().copied().collect(), ..Gathered::default() }
    }

    #[test]
    fn distance_is_the_share_of_rows_that_moved() {
        let before = gathered(&[(1, 50), (2, 50)]);
        assert_eq!(before.distance(&before), Some(0.0));
        let tenth = gathered(&[(1, 60), (2, 40)]).distance(&before).unwrap();
        assert!((tenth - 0.1).abs() < 1e-12, "{tenth}");
        assert_eq!(gathered(&[(3, 7)]).distance(&before), Some(1.0));
        assert_eq!(gathered(&[]).distance(&before), None);
    }

    #[test]
    fn volume_without_a_version_before_judges_bounds_only() {
        let rule = TableRule::volume(None, None, Some(10.0)).unwrap();
        assert_eq!(rule.judge(5, &Gathered::default(), None, 0).passed, None);
        let before = Gathered::default();
        assert_eq!(rule.judge(89, &Gathered::default(), Some((100, &before)), 0).passed, Some(false));
        assert_eq!(rule.judge(110, &Gathered::default(), Some((100, &before)), 0).passed, Some(true));
    }
}
