//! What the model learns without labels: how often levels are reached by chance, and by the same thing.
//!
//! `u` comes from the values' frequencies and a seeded sample of all pairs; `m` and the prior from expectation
//! maximisation over the patterns of the compared pairs. A pair is of the same thing, of related things, or of
//! strangers: without the second class, households that share surname, address and telephone are taken for people
//! (relatives agree on what is `personal` by chance only; on everything else as often as is learned).
//! Two corrections keep the estimates honest:
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
const ROUNDS_MAX: usize = 60;
/// Change of any parameter below which it ends.
const CONVERGED: f64 = 1e-5;
/// Pairs of related things for each pair of the same thing from which they are a class of their own.
const KIN_MIN: f64 = 0.03;
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
    /// Related things, where the model knows of any.
    pub kin: Option<Kin>,
}

/// How often related things reach the levels.
#[derive(Debug, Clone)]
pub struct Kin {
    /// Probability that two records taken at random are of related things.
    pub prior: f64,
    /// Per comparison and level.
    pub k: Vec<Vec<f64>>,
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
    let mut reached: Vec<Vec<f64>> =
        model.comparisons.iter().map(|comparison| vec![0.0; comparison.levels.len()]).collect();
    let mut random = SplitMix(model.seed ^ 0x005E_ED0F);
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
                let uses = rule
                    .keys
                    .iter()
                    .any(|key| key.column == comparison.column || comparison.with.as_ref() == Some(&key.column));
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
        let wanted =
            |left: u32, right: u32| limit == u64::MAX || mix(u64::from(left) << 32 | u64::from(right)) <= limit;
        candidates.for_each_pair(*piece, wanted, |left, right| {
            pairs += 1;
            let pattern = comparer.pattern(left as usize, right as usize);
            let rules = candidates.rules_of(left, right);
            let learns =
                uses.iter().enumerate().fold(0_u32, |bits, (at, uses)| bits | u32::from(rules & !uses != 0) << at);
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
///
/// Related things are a class of their own only where there are enough of them: a few "relatives" that share
/// everything else are the same thing with mistakes in what is personal.
#[must_use]
pub fn maximise(model: &Model, records: &Records, marginals: &Marginals, counts: &Counts) -> Parameters {
    let with_kin = climb(model, records, marginals, counts, true);
    match &with_kin.kin {
        Some(kin) if kin.prior < KIN_MIN * with_kin.prior => climb(model, records, marginals, counts, false),
        _ => with_kin,
    }
}

fn climb(model: &Model, records: &Records, marginals: &Marginals, counts: &Counts, kin: bool) -> Parameters {
    let possible = records.possible_pairs().max(1.0);
    let smaller = records.first.min(if records.is_link() { records.rows - records.first } else { records.rows }) as f64;
    // The order of a hash map must not show in the last digits.
    let mut patterns: Vec<(Pattern, u32, f64)> =
        counts.iter().map(|(&(pattern, learns), &count)| (pattern, learns, count)).collect();
    patterns.sort_unstable_by_key(|&(pattern, learns, _)| (pattern, learns));

    let prior = (0.3 * smaller / possible).clamp(1e-12, 0.3);
    let mut parameters = Parameters {
        prior,
        m: model.comparisons.iter().map(|comparison| first_guess(comparison.levels.len())).collect(),
        u: marginals.share.clone(),
        chance: vec![1.0; model.comparisons.len()],
        kin: (kin && model.comparisons.iter().any(|comparison| comparison.personal)).then(|| Kin {
            prior,
            k: model.comparisons.iter().map(|comparison| first_guess(comparison.levels.len())).collect(),
        }),
    };
    chance_of_kin(model, &mut parameters);
    for _ in 0..ROUNDS_MAX {
        let weights = Weights::new(&parameters);
        let zeros = || -> Vec<Vec<f64>> { parameters.m.iter().map(|levels| vec![0.0; levels.len()]).collect() };
        let (mut same, mut related) = (Sums::new(zeros()), Sums::new(zeros()));
        for &(pattern, learns, count) in &patterns {
            let (is_same, is_related) = weights.posterior(pattern);
            same.add(pattern, learns, count * is_same);
            if is_related > 1e-9 {
                related.add(pattern, learns, count * is_related);
            }
        }
        let before = parameters.clone();
        parameters.prior = (same.all / possible).clamp(1e-15, 0.5);
        for at in 0..model.comparisons.len() {
            parameters.m[at] = same.shares(at);
            if let Some(kin) = &mut parameters.kin
                && !model.comparisons[at].personal
            {
                kin.k[at] = related.shares(at);
            }
        }
        if let Some(kin) = &mut parameters.kin {
            kin.prior = (related.all / possible).clamp(1e-15, 0.5);
        }
        for at in 0..model.comparisons.len() {
            correct(&mut parameters, marginals, at);
        }
        chance_of_kin(model, &mut parameters);
        if change(&before, &parameters) < CONVERGED {
            break;
        }
    }
    parameters
}

/// What a class's expected pairs reach.
struct Sums {
    all: f64,
    any: Vec<Vec<f64>>,
    learned: Vec<Vec<f64>>,
}

impl Sums {
    fn new(zeros: Vec<Vec<f64>>) -> Self {
        Self { all: 0.0, any: zeros.clone(), learned: zeros }
    }

    fn add(&mut self, pattern: Pattern, learns: u32, expected: f64) {
        self.all += expected;
        for at in 0..self.any.len() {
            if let Some(index) = level(pattern, at).checked_sub(1) {
                self.any[at][index] += expected;
                if learns >> at & 1 == 1 {
                    self.learned[at][index] += expected;
                }
            }
        }
    }

    /// Shares of a comparison's levels; a tenth of a pair everywhere keeps what was not seen possible.
    fn shares(&self, at: usize) -> Vec<f64> {
        let enough = self.learned[at].iter().sum::<f64>() >= EXPECTED_MIN;
        let counted = if enough { &self.learned[at] } else { &self.any[at] };
        let total: f64 = counted.iter().sum::<f64>() + 0.1 * counted.len() as f64;
        counted.iter().map(|count| (count + 0.1) / total).collect()
    }
}

/// Share of relatives that have the same surname, for names of one column.
const SAME_SURNAME: f64 = 0.7;
/// Share of relatives that agree on something personal although it is not by chance: twins, namesakes.
const NAMESAKES: f64 = 0.004;

/// What relatives agree on by chance follows from `u`.
fn chance_of_kin(model: &Model, parameters: &mut Parameters) {
    let Some(kin) = &mut parameters.kin else { return };
    for (at, comparison) in model.comparisons.iter().enumerate().filter(|(_, comparison)| comparison.personal) {
        let u = &parameters.u[at];
        let surname = comparison.levels.iter().position(|level| level.when == Test::Surname);
        let within: f64 = surname.map_or(0.0, |surname| u[..=surname].iter().sum());
        let extra = NAMESAKES / u.len() as f64;
        kin.k[at] = u
            .iter()
            .enumerate()
            .map(|(index, &u)| {
                let chance = match surname {
                    Some(surname) if index <= surname => SAME_SURNAME * u / within + (1.0 - SAME_SURNAME) * u,
                    Some(_) => (1.0 - SAME_SURNAME) * u,
                    None => u,
                };
                (1.0 - NAMESAKES) * chance + extra
            })
            .collect();
        let total: f64 = kin.k[at].iter().sum();
        kin.k[at].iter_mut().for_each(|k| *k /= total);
    }
}

/// Takes pairs of the same thing out of the frequencies among all pairs.
fn correct(parameters: &mut Parameters, marginals: &Marginals, at: usize) {
    let share = &marginals.share[at];
    let u: Vec<f64> = share
        .iter()
        .zip(&parameters.m[at])
        .enumerate()
        .map(|(index, (&share, &m))| {
            let (kin, k) = parameters.kin.as_ref().map_or((0.0, 0.0), |kin| (kin.prior, kin.k[at][index]));
            let strangers = (share - parameters.prior * m - kin * k) / (1.0 - parameters.prior - kin).max(0.1);
            strangers.max(share * 0.02).max(1e-9)
        })
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
#[derive(Debug, Clone)]
pub struct Weights {
    /// Odds of the prior against strangers.
    pub prior: f64,
    /// Same thing against strangers, per comparison and level.
    pub same: Vec<Vec<f64>>,
    /// Odds of being related against strangers, and the levels.
    pub kin: Option<(f64, Vec<Vec<f64>>)>,
}

impl Weights {
    /// The weights that the parameters make.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        let kin = parameters.kin.as_ref().map_or(0.0, |kin| kin.prior);
        let strangers = (1.0 - parameters.prior - kin).max(1e-6);
        let bits = |shares: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let levels = |(m, u): (&Vec<f64>, &Vec<f64>)| {
                std::iter::once(0.0).chain(m.iter().zip(u).map(|(m, u)| (m / u).log2())).collect()
            };
            shares.iter().zip(&parameters.u).map(levels).collect()
        };
        Self {
            prior: (parameters.prior / strangers).log2(),
            same: bits(&parameters.m),
            kin: parameters.kin.as_ref().map(|kin| ((kin.prior / strangers).log2(), bits(&kin.k))),
        }
    }

    /// Probability that a pair of this pattern is of the same thing, and of related things.
    fn posterior(&self, pattern: Pattern) -> (f64, f64) {
        let sum = |prior: f64, table: &[Vec<f64>]| {
            table.iter().enumerate().fold(prior, |sum, (at, levels)| sum + levels[level(pattern, at)])
        };
        let same = sum(self.prior, &self.same);
        let Some((prior, table)) = &self.kin else { return (probability(same), 0.0) };
        let related = sum(*prior, table);
        // Taken from the largest, so that nothing overflows.
        let most = same.max(related).max(0.0);
        let (same, related, strangers) = ((same - most).exp2(), (related - most).exp2(), (-most).exp2());
        let all = same + related + strangers;
        (same / all, related / all)
    }
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
