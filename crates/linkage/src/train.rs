//! What the model learns without labels: how often levels are reached by chance, and by the same thing.
//!
//! `u` comes from the values' frequencies and a seeded sample of all pairs; `m` and the prior from expectation
//! maximisation over the patterns of the compared pairs. Two corrections keep the estimates honest:
//! - a comparison learns `m` only from pairs that some rule found without its column, because pairs found by a
//!   column agree on it whether they are the same or not;
//! - pairs of the same thing are in the sample too: what they account for is taken out of `u`, so that a column
//!   in which strangers never agree weighs what it should.

use std::collections::HashMap;

use crate::{
    block::Candidates,
    compare::{Comparer, Pattern, level},
    model::{Model, Test},
    parallel,
    records::{MISSING, Records},
};

/// Pairs of the sample for `u`.
const SAMPLE: usize = 120_000;
/// Compared pairs that patterns are counted of; beyond, an even part of them.
const COUNTED_MAX: f64 = 3e6;
/// Compared pairs that are kept in memory, 16 bytes each; no more than are counted.
const KEPT_MAX: f64 = COUNTED_MAX;
/// Rounds of expectation maximisation.
const ROUNDS_MAX: usize = 200;
/// Change of any parameter below which it ends.
const CONVERGED: f64 = 1e-6;
/// Expected pairs of the same thing from which a comparison learns from pairs that its column did not find.
const EXPECTED_MIN: f64 = 20.0;

/// How often each pattern occurs among compared pairs; the second number has a bit for each comparison that
/// may learn from it.
pub type Counts = HashMap<(Pattern, u32), f64>;

/// Two records and the levels that they reached.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Lower row.
    pub left: u32,
    /// Higher row.
    pub right: u32,
    /// Levels.
    pub pattern: Pattern,
}

/// What a trained model knows beyond its file: frequencies of values.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Probability that two records taken at random are the same.
    pub prior: f64,
    /// Per comparison and level.
    pub m: Vec<Vec<f64>>,
    /// Per comparison and level.
    pub u: Vec<Vec<f64>>,
    /// Per comparison: share of equal pairs by chance that are not of the same thing.
    pub chance: Vec<f64>,
}

/// Level frequencies among all pairs.
#[derive(Debug, Clone)]
pub struct Marginals {
    /// Per comparison and level; levels add up to one.
    pub share: Vec<Vec<f64>>,
}

/// Learns level frequencies among all pairs.
#[must_use]
pub fn marginals(model: &Model, comparer: &Comparer, records: &Records) -> Marginals {
    let mut reached: Vec<Vec<f64>> = model.comparisons.iter().map(|comparison| vec![0.0; comparison.levels.len()]).collect();
    let mut random = SplitMix(model.seed ^ 0x5EED_0F_1111);
    let (mut left, mut right) = (0, 0);
    for _ in 0..SAMPLE {
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
    let share = model
        .comparisons
        .iter()
        .zip(&reached)
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
fn exact_share(comparer: &Comparer, comparison: usize, records: &Records) -> f64 {
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
    let (same, all) = if records.is_link() {
        (first.iter().zip(&second).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>(), sum(&first) * sum(&second))
    } else {
        let all = sum(&first);
        (first.iter().map(|&count| f64::from(count) * (f64::from(count) - 1.0)).sum(), all * (all - 1.0))
    };
    if all <= 0.0 { 0.0 } else { (same / all).clamp(0.0, 1.0) }
}

/// Counts the patterns of the compared pairs; returns the pairs too where they fit into memory, so that they need
/// not be compared again.
#[must_use]
pub fn count(
    model: &Model,
    comparer: &Comparer,
    candidates: &Candidates,
    threads: usize,
    seen: &(dyn Fn(u64) + Sync),
) -> (Counts, Option<Vec<Compared>>) {
    let part = (COUNTED_MAX / candidates.cost().max(1.0)).min(1.0);
    let limit = (part * u64::MAX as f64) as u64;
    // Which rules use a comparison's column.
    let uses: Vec<u64> = model
        .comparisons
        .iter()
        .map(|comparison| {
            model.blocking.iter().enumerate().fold(0, |bits, (at, rule)| {
                let uses = rule.keys.iter().any(|key| {
                    key.column == comparison.column || comparison.with.as_ref() == Some(&key.column)
                });
                bits | u64::from(uses) << at
            })
        })
        .collect();
    let pieces = candidates.pieces(1 << 16);
    let keep = candidates.cost() <= KEPT_MAX;
    let counted = parallel::map(&pieces, threads, |piece| {
        let mut counts = Counts::new();
        let mut kept = Vec::new();
        let mut pairs = 0;
        let wanted = |left: u32, right: u32| limit == u64::MAX || mix(u64::from(left) << 32 | u64::from(right)) <= limit;
        candidates.for_each_pair(*piece, wanted, |left, right| {
            pairs += 1;
            let pattern = comparer.pattern(left as usize, right as usize);
            let rules = candidates.rules_of(left, right);
            let learns = uses.iter().enumerate().fold(0_u32, |bits, (at, uses)| bits | u32::from(rules & !uses != 0) << at);
            *counts.entry((pattern, learns)).or_default() += 1.0 / part;
            if keep {
                kept.push(Compared { left, right, pattern });
            }
        });
        seen(pairs);
        (counts, kept)
    });
    let mut counts = Counts::new();
    let mut kept = Vec::new();
    for (some, compared) in counted {
        for (key, count) in some {
            *counts.entry(key).or_default() += count;
        }
        kept.extend(compared);
    }
    (counts, keep.then_some(kept))
}

/// Expectation maximisation: prior, `m`, and `u` corrected for pairs of the same thing.
#[must_use]
pub fn maximise(model: &Model, records: &Records, marginals: &Marginals, counts: &Counts) -> Parameters {
    let possible = records.possible_pairs().max(1.0);
    let smaller = records.first.min(if records.is_link() { records.rows - records.first } else { records.rows }) as f64;
    // The order of a hash map must not show in the last digits.
    let mut patterns: Vec<(Pattern, u32, f64)> = counts.iter().map(|(&(pattern, learns), &count)| (pattern, learns, count)).collect();
    patterns.sort_unstable_by_key(|&(pattern, learns, _)| (pattern, learns));

    let mut parameters = Parameters {
        prior: (0.3 * smaller / possible).clamp(1e-12, 0.5),
        m: model.comparisons.iter().map(|comparison| first_guess(comparison.levels.len())).collect(),
        u: marginals.share.clone(),
        chance: vec![1.0; model.comparisons.len()],
    };
    for _ in 0..ROUNDS_MAX {
        let table = weights(&parameters);
        let prior = (parameters.prior / (1.0 - parameters.prior)).log2();
        let mut same = 0.0;
        let mut learned: Vec<Vec<f64>> = parameters.m.iter().map(|levels| vec![0.0; levels.len()]).collect();
        let mut any: Vec<Vec<f64>> = learned.clone();
        for &(pattern, learns, count) in &patterns {
            let mut weight = prior;
            for (at, levels) in table.iter().enumerate() {
                weight += levels[level(pattern, at)];
            }
            let expected = count * probability(weight);
            same += expected;
            for at in 0..table.len() {
                if let Some(index) = level(pattern, at).checked_sub(1) {
                    any[at][index] += expected;
                    if learns >> at & 1 == 1 {
                        learned[at][index] += expected;
                    }
                }
            }
        }
        let before = parameters.clone();
        parameters.prior = (same / possible).clamp(1e-15, 0.5);
        for at in 0..table.len() {
            let counted = if learned[at].iter().sum::<f64>() >= EXPECTED_MIN { &learned[at] } else { &any[at] };
            let total: f64 = counted.iter().sum::<f64>() + 0.1 * counted.len() as f64;
            parameters.m[at] = counted.iter().map(|count| (count + 0.1) / total).collect();
            correct(&mut parameters, marginals, at);
        }
        if change(&before, &parameters) < CONVERGED {
            break;
        }
    }
    parameters
}

/// Takes pairs of the same thing out of the frequencies among all pairs.
fn correct(parameters: &mut Parameters, marginals: &Marginals, at: usize) {
    let share = &marginals.share[at];
    let u: Vec<f64> = share
        .iter()
        .zip(&parameters.m[at])
        .map(|(&share, &m)| ((share - parameters.prior * m) / (1.0 - parameters.prior)).max(share * 0.02).max(1e-9))
        .collect();
    let total: f64 = u.iter().sum();
    parameters.u[at] = u.into_iter().map(|u| u / total).collect();
    parameters.chance[at] = (parameters.u[at][0] / share[0].max(1e-12)).min(1.0);
}

fn change(before: &Parameters, after: &Parameters) -> f64 {
    let m = before.m.iter().flatten().zip(after.m.iter().flatten()).map(|(a, b)| (a - b).abs());
    let prior = (before.prior.ln() - after.prior.ln()).abs() / 100.0;
    m.fold(prior, f64::max)
}

fn first_guess(levels: usize) -> Vec<f64> {
    // Most pairs of the same thing agree, few disagree wholly, the rest is between.
    let between = 0.15 / (levels - 1) as f64;
    let mut guess = vec![between; levels];
    guess[0] = 0.85;
    guess
}

/// The weight of every level, in bits; that of a missing value is 0 and stands first.
#[must_use]
pub fn weights(parameters: &Parameters) -> Vec<Vec<f64>> {
    parameters
        .m
        .iter()
        .zip(&parameters.u)
        .map(|(m, u)| std::iter::once(0.0).chain(m.iter().zip(u).map(|(m, u)| (m / u).log2())).collect())
        .collect()
}

/// The probability of odds in bits.
#[must_use]
pub fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

/// The odds of a probability, in bits.
#[must_use]
pub fn odds(probability: f64) -> f64 {
    (probability / (1.0 - probability)).log2()
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

fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}
