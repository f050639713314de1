//! How often levels are reached by any two records: from the values' frequencies and a seeded sample of all pairs.

use crate::{
    compare::{Comparer, level},
    model::{Model, Test},
    records::{MISSING, Records},
    train::Counts,
};

/// Pairs of the sample for each record, and how many at least and at most: fewer records have fewer values to
/// learn frequencies of.
const SAMPLE_PER_RECORD: usize = 6;
const SAMPLE_MIN: usize = 20_000;
const SAMPLE_MAX: usize = 120_000;

/// Level frequencies among all pairs.
#[derive(Debug, Clone)]
pub struct Marginals {
    /// Per comparison and level; levels add up to one.
    pub share: Vec<Vec<f64>>,
}

/// Learns level frequencies among all pairs.
#[must_use]
pub fn marginals(model: &Model, comparer: &Comparer, records: &Records) -> Marginals {
    let mut reached: Vec<Vec<f64>> =
        model.comparisons.iter().map(|comparison| vec![0.0; comparison.levels.len()]).collect();
    let mut random = SplitMix(model.seed ^ 0x005E_ED0F);
    let (mut left, mut right) = (0, 0);
    let sample = (SAMPLE_PER_RECORD * records.rows).clamp(SAMPLE_MIN, SAMPLE_MAX);
    for _ in 0..sample {
        if records.is_link() {
            left = random.below(records.first);
            right = records.first + random.below(records.rows - records.first);
        } else {
            while left == right || records.rows < 2 {
                if records.rows < 2 {
                    break;
                }
                (left, right) = (random.below(records.rows), random.below(records.rows));
            }
        }
        let pattern = comparer.pattern(left, right);
        for (at, levels) in reached.iter_mut().enumerate() {
            if let Some(index) = level(pattern, at).checked_sub(1) {
                levels[index] += 1.0;
            }
        }
        (left, right) = (0, 0);
    }
    settled(model, comparer, records, &reached)
}

/// The same where every pair was compared: nothing needs to be sampled.
#[must_use]
pub fn marginals_of_all(model: &Model, comparer: &Comparer, records: &Records, counts: &Counts) -> Marginals {
    let mut reached: Vec<Vec<f64>> =
        model.comparisons.iter().map(|comparison| vec![0.0; comparison.levels.len()]).collect();
    for (&(pattern, _), &count) in counts {
        for (at, levels) in reached.iter_mut().enumerate() {
            if let Some(index) = level(pattern, at).checked_sub(1) {
                // Whole numbers, so that the order of a hash map does not show.
                levels[index] += count;
            }
        }
    }
    settled(model, comparer, records, &reached)
}

fn settled(model: &Model, comparer: &Comparer, records: &Records, reached: &[Vec<f64>]) -> Marginals {
    let share = model
        .comparisons
        .iter()
        .zip(reached)
        .enumerate()
        .map(|(at, (comparison, reached))| {
            let exact = exact_share(comparer, at, records);
            let rest: f64 = reached.iter().skip(1).sum::<f64>() + 0.5 * (reached.len() - 1) as f64;
            let is_exact = comparison.levels[0].when == Test::Exact;
            let total: f64 = reached.iter().sum::<f64>() + 0.5 * reached.len() as f64;
            reached
                .iter()
                .enumerate()
                .map(|(index, count)| match (is_exact, index) {
                    (true, 0) => exact,
                    // Half a pair is added everywhere: what was not seen is rare, not impossible.
                    (true, _) => (1.0 - exact) * (count + 0.5) / rest,
                    (false, _) => (count + 0.5) / total,
                })
                .collect()
        })
        .collect();
    Marginals { share }
}

/// Share of all pairs with two values that have the same one.
pub(crate) fn exact_share(comparer: &Comparer, comparison: usize, records: &Records) -> f64 {
    let field = &comparer.fields[comparer.comparisons[comparison].field];
    let mut first = vec![0_u32; field.values.len()];
    let mut second = vec![0_u32; field.values.len()];
    for (row, &id) in field.ids.iter().enumerate() {
        if id != MISSING {
            if row < records.first {
                first[id as usize] += 1;
            } else {
                second[id as usize] += 1;
            }
        }
    }
    let sum = |counts: &[u32]| counts.iter().map(|&count| f64::from(count)).sum::<f64>();
    if !records.is_link() {
        return equal_share(first.iter().copied());
    }
    let same: f64 = first.iter().zip(&second).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    share(same, sum(&first) * sum(&second))
}

/// Share of all pairs of one table that have the same value, from how often each occurs.
pub(crate) fn equal_share(counts: impl Iterator<Item = u32>) -> f64 {
    let (mut all, mut same) = (0.0, 0.0);
    for count in counts.map(f64::from) {
        all += count;
        same += count * (count - 1.0);
    }
    share(same, all * (all - 1.0))
}

fn share(same: f64, all: f64) -> f64 {
    if all <= 0.0 { 0.0 } else { (same / all).clamp(0.0, 1.0) }
}

/// A small generator that is the same everywhere (Steele, Lea & Flood, 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}
