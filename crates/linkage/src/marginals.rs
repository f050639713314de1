//! How often levels are reached by any two records: from the values' frequencies and a seeded sample of all pairs.

use crate::{
    compare::{Comparer, Pattern, level},
    model::{Model, Test},
    records::{MISSING, Records, ValueId},
    train::Counts,
};

/// Pairs of the sample for each record, and how many at least and at most: fewer records have fewer values to
/// learn frequencies of.
const SAMPLE_PER_RECORD: usize = 6;
const SAMPLE_MIN: usize = 20_000;
const SAMPLE_MAX: usize = 120_000;
/// Pairs of the sample below which it says too little of a level.
const FEW: f64 = 10.0;

/// Level frequencies among all pairs.
#[derive(Debug, Clone)]
pub struct Marginals {
    /// Per comparison and level; levels add up to one.
    pub share: Vec<Vec<f64>>,
    /// Per comparison: most that strangers can have the same value. Where two tables are linked, two records of one
    /// of them are hardly ever the same thing: what they share, they share by chance.
    pub chance_max: Vec<f64>,
    /// Per comparison: share of all pairs that have a value each.
    pub known: Vec<f64>,
}

/// Learns level frequencies among all pairs; a level is no rarer than the compared pairs show.
#[must_use]
pub fn marginals(model: &Model, comparer: &Comparer, records: &Records, counts: &Counts) -> Marginals {
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
    let mut marginals = settled(model, comparer, records, &reached);
    let seen = reached_in(model, counts);
    for (at, ((shares, seen), reached)) in marginals.share.iter_mut().zip(seen).zip(reached).enumerate() {
        let known = (pairs_known(comparer, at, records)).max(1.0);
        let Some((other, levels)) = shares.split_last_mut() else { continue };
        for ((share, seen), _) in levels.iter_mut().zip(seen).zip(reached).skip(1).filter(|(_, found)| *found < FEW) {
            // What a sample of all pairs is too small to see, blocking was made to find.
            let more = (seen / known - *share).clamp(0.0, 0.5 * *other);
            *share += more;
            *other -= more;
        }
    }
    marginals
}

/// Pairs that have a value each.
fn pairs_known(comparer: &Comparer, at: usize, records: &Records) -> f64 {
    let ids = &comparer.fields[comparer.comparisons[at].field].ids;
    let known = |ids: &[ValueId]| ids.iter().filter(|&&id| id != MISSING).count() as f64;
    if records.is_link() {
        known(&ids[..records.first]) * known(&ids[records.first..])
    } else {
        let all = known(ids);
        all * (all - 1.0) / 2.0
    }
}

/// How often compared pairs reach the levels.
fn reached_in(model: &Model, counts: &Counts) -> Vec<Vec<f64>> {
    let mut reached: Vec<Vec<f64>> =
        model.comparisons.iter().map(|comparison| vec![0.0; comparison.levels.len()]).collect();
    // In one order, so that sums of shares of pairs do not depend on the hash map's.
    let mut sorted: Vec<(Pattern, f64)> = counts.iter().map(|(&(pattern, _), &count)| (pattern, count)).collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for (pattern, count) in sorted {
        for (at, levels) in reached.iter_mut().enumerate() {
            if let Some(index) = level(pattern, at).checked_sub(1) {
                levels[index] += count;
            }
        }
    }
    reached
}

/// The same where every pair was compared: nothing needs to be sampled.
#[must_use]
pub fn marginals_of_all(model: &Model, comparer: &Comparer, records: &Records, counts: &Counts) -> Marginals {
    settled(model, comparer, records, &reached_in(model, counts))
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
    let chance_max = model
        .comparisons
        .iter()
        .enumerate()
        .map(|(at, comparison)| match comparison.levels[0].when {
            Test::Exact => share_within(comparer, at, records),
            _ => 1.0,
        })
        .collect();
    let possible = records.possible_pairs().max(1.0);
    let known = (0..reached.len()).map(|at| pairs_known(comparer, at, records) / possible).collect();
    Marginals { share, chance_max, known }
}

/// Share of the pairs within either of two tables that have the same value, at least that of half a pair; 1.0 where there
/// is one table.
fn share_within(comparer: &Comparer, comparison: usize, records: &Records) -> f64 {
    if !records.is_link() {
        return 1.0;
    }
    let field = &comparer.fields[comparer.comparisons[comparison].field];
    let (mut same, mut all) = (0.5, 0.5);
    for ids in [&field.ids[..records.first], &field.ids[records.first..]] {
        let mut counts = vec![0_u32; field.values.len()];
        for &id in ids.iter().filter(|&&id| id != MISSING) {
            counts[id as usize] += 1;
        }
        let pairs = |count: f64| count * (count - 1.0) / 2.0;
        same += counts.iter().map(|&count| pairs(f64::from(count))).sum::<f64>();
        all += pairs(counts.iter().map(|&count| f64::from(count)).sum());
    }
    (same / all).min(1.0)
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
