//! What the model learns without labels: how often levels are reached by chance, and by the same thing.
//!
//! `u` comes from the marginals; `m` and the prior from expectation
//! maximisation over the patterns of the compared pairs. A pair is of the same thing, of related things, or of
//! strangers: without the second class, households that share surname, address and telephone are taken for people
//! (relatives agree on what is `personal` by chance only; on everything else as often as is learned).
//! What changes together when it changes, as an address does when somebody moves, counts once and not column by
//! column. Three corrections keep the estimates honest:
//! - a comparison learns `m` only from pairs that some rule found without its column, because pairs found by a
//!   column agree on it whether they are the same or not;
//! - pairs of the same thing are in the sample too: what they account for is taken out of `u`, so that a column
//!   in which strangers never agree weighs what it should;
//! - a class that only one column knows of, or that mostly disagrees, is not the same thing: tables without
//!   duplicates have none.

use std::{collections::HashMap, hash::BuildHasherDefault};

use crate::{
    block::Candidates,
    compare::{Comparer, Pattern, level},
    intern::Mixing,
    labels::ByPattern,
    marginals::{Marginals, mix},
    model::{Model, Test},
    parallel,
    records::Records,
    sums::Sums,
    weights::{Moved, Posterior, Weights},
};

/// Compared pairs that patterns are counted of; beyond, an even part of them.
pub const COUNTED_MAX: f64 = 3e6;
/// Compared pairs that are kept in memory, 16 bytes each; no more than are counted.
const KEPT_MAX: f64 = COUNTED_MAX;
/// Rounds of expectation maximisation.
const ROUNDS_MAX: usize = 60;
/// Change of any parameter below which it ends, and below which the rough first part of it ends.
const CONVERGED: f64 = 1e-5;
const NEARLY_CONVERGED: f64 = 1e-3;
/// While it is rough, a column is held to disagree at least this often in pairs of the same thing: else whatever
/// changes together (the parts of an address) is learned never to change, and people who moved are lost. Relatives
/// disagree on what is personal, so that must not be expected as often.
const OTHER_MIN: f64 = 0.25;
const OTHER_MIN_PERSONAL: f64 = 0.1;
/// Records of the same thing disagree on a column no more often than this: a class that does is something else.
const OTHER_MAX: f64 = 0.6;
const OTHER_MAX_PERSONAL: f64 = 0.3;
/// Bits that the second most telling column must tell about pairs of the same thing: a class that only one column
/// knows of is no class.
const SECOND_MIN: f64 = 2.0;
/// Correlation of disagreeing, among pairs of the same thing, from which two columns change together, and the
/// least number of expected pairs that can show it.
const TOGETHER: f64 = 0.55;
const TOGETHER_MIN: f64 = 20.0;
/// Largest share of pairs of the same thing that moved.
const MOVED_MAX: f64 = 0.35;
/// Bits by which a class of pairs must be likelier than strangers, on average, to be one.
const TOLD_APART: f64 = 2.0;
/// Pairs of related things for each pair of the same thing from which they are a class of their own.
const KIN_MIN: f64 = 0.03;
/// Rounds after which every pattern is looked at again; between them those are left out of which fewer pairs than this
/// are expected to be of the same or of related things.
const LOOKED_AT_AGAIN: usize = 8;
const IDLE: f64 = 1e-7;

/// How often each pattern occurs among compared pairs; the second number has a bit for each comparison that
/// may learn from it.
pub type Counts = HashMap<(Pattern, u32), f64, BuildHasherDefault<Mixing>>;

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
    /// What changes together, where anything does.
    pub moves: Option<Moved>,
}

/// How often related things reach the levels.
#[derive(Debug, Clone)]
pub struct Kin {
    /// Probability that two records taken at random are of related things.
    pub prior: f64,
    /// Per comparison and level.
    pub k: Vec<Vec<f64>>,
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
        let mut counts = Counts::default();
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
    let mut counts = Counts::default();
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
pub fn maximise(
    model: &Model,
    records: &Records,
    marginals: &Marginals,
    counts: &Counts,
    labels: &ByPattern,
) -> Parameters {
    let climb = |relatives, stage| climb(model, records, marginals, (counts, labels), relatives, stage);
    let mut with_kin = climb(Relatives::Any, Stage::Rough);
    if is_kin(model, &with_kin) {
        // The rough part took relatives for the same, as where nearly every pair shares an address and few share a
        // name: without it the two classes stay apart.
        let finer = climb(Relatives::Any, Stage::Fine);
        if !is_kin(model, &finer) {
            with_kin = finer;
        }
    }
    if !is_told_apart(&with_kin, marginals) {
        with_kin = climb(Relatives::Close, Stage::Rough);
    }
    match &with_kin.kin {
        Some(kin) if kin.prior < KIN_MIN * with_kin.prior || !is_told_apart(&with_kin, marginals) => {
            climb(Relatives::Unknown, Stage::Rough)
        }
        _ => with_kin,
    }
}

/// What is believed of relatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relatives {
    /// There are none.
    Unknown,
    /// They share whatever they share.
    Any,
    /// They disagree on nothing more often than records of the same thing may.
    Close,
}

/// Whether related things can be told from strangers, and are less alike than the same thing. A class of which that is
/// not so (shops of one town) only says that columns of strangers depend on each other.
fn is_told_apart(parameters: &Parameters, marginals: &Marginals) -> bool {
    let Some(kin) = &parameters.kin else { return true };
    let sum = |bits: Vec<f64>| -> f64 { bits.iter().sum() };
    // Not every pair says everything.
    let said = |bits: Vec<f64>| -> f64 { bits.iter().zip(&marginals.known).map(|(bits, known)| bits * known).sum() };
    let is_class = kin.prior.log2() + sum(told(&kin.k, parameters)) >= TOLD_APART;
    // Fewer and more alike than the same thing: the two have changed places.
    let is_same =
        kin.prior < parameters.prior && said(told(&kin.k, parameters)) > said(told(&parameters.m, parameters));
    is_class && !is_same
}

/// Bits by which each comparison tells a class's pairs from strangers, on average over those that have both values.
fn told(class: &[Vec<f64>], parameters: &Parameters) -> Vec<f64> {
    let bits = |(k, u): (&Vec<f64>, &Vec<f64>)| -> f64 { k.iter().zip(u).map(|(k, u)| k * (k / u).log2()).sum() };
    class.iter().zip(&parameters.u).map(bits).collect()
}

/// Whether what was learned of the same thing is that of relatives: on what is personal they disagree as often as
/// is believed at all.
fn is_kin(model: &Model, parameters: &Parameters) -> bool {
    let other = |levels: &Vec<f64>| levels.last().copied().unwrap_or(0.0);
    let personal = model.comparisons.iter().zip(&parameters.m).filter(|(comparison, _)| comparison.personal);
    let most = OTHER_MAX_PERSONAL * 0.99;
    personal.filter(|(_, levels)| other(levels) >= most).count() >= 2
}

fn climb(
    model: &Model,
    records: &Records,
    marginals: &Marginals,
    (counts, labels): (&Counts, &ByPattern),
    relatives: Relatives,
    mut stage: Stage,
) -> Parameters {
    let possible = records.possible_pairs().max(1.0);
    // The order of a hash map must not show in the last digits.
    let mut patterns: Vec<Seen> =
        counts.iter().map(|(&(pattern, learns), &count)| Seen { pattern, learns, count, idle: false }).collect();
    patterns.sort_unstable_by_key(|seen| (seen.pattern, seen.learns));

    let mut parameters = first(model, records, marginals, relatives);
    if model.comparisons.len() == 1 {
        // One column alone cannot tell how often it is wrong.
        return parameters;
    }
    let mut rounds_left_out = 0;
    for _ in 0..2 * ROUNDS_MAX {
        let before = parameters.clone();
        round(model, possible, (&mut patterns, labels), (stage, relatives), rounds_left_out == 0, &mut parameters);
        if stage == Stage::Fine {
            for at in 0..model.comparisons.len() {
                correct(&mut parameters, marginals, at);
            }
        }
        chance_of_kin(model, &mut parameters);
        let change = change(&before, &parameters);
        let all_seen = rounds_left_out == 0;
        rounds_left_out = (rounds_left_out + 1) % LOOKED_AT_AGAIN;
        if stage == Stage::Fine && change < CONVERGED {
            if all_seen {
                break;
            }
            rounds_left_out = 0;
        }
        if stage == Stage::Rough && change < NEARLY_CONVERGED {
            parameters.moves = together(&parameters, model, &patterns);
            stage = Stage::Fine;
            rounds_left_out = 0;
        }
    }
    if known_by_one_column(&parameters) {
        parameters = first(model, records, marginals, relatives);
        for _ in 0..ROUNDS_MAX {
            let before = parameters.prior;
            round(model, possible, (&mut patterns, labels), (Stage::PriorOnly, relatives), true, &mut parameters);
            if (before.ln() - parameters.prior.ln()).abs() < NEARLY_CONVERGED {
                break;
            }
        }
    }
    parameters
}

/// A pattern among compared pairs.
#[derive(Debug, Clone, Copy)]
struct Seen {
    pattern: Pattern,
    /// A bit for each comparison that may learn from it.
    learns: u32,
    /// Pairs.
    count: f64,
    /// Whether as good as none of them was of the same or of related things when it was last looked at.
    idle: bool,
}

/// How far expectation maximisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `u` is that of all pairs, and no column is believed to be always right.
    Rough,
    /// Everything is learned.
    Fine,
    /// The data say too little: only how many pairs are the same is learned.
    PriorOnly,
}

fn first(model: &Model, records: &Records, marginals: &Marginals, relatives: Relatives) -> Parameters {
    let possible = records.possible_pairs().max(1.0);
    let smaller = records.first.min(if records.is_link() { records.rows - records.first } else { records.rows }) as f64;
    let prior = (0.3 * smaller / possible).clamp(1e-12, 0.3);
    let guess = || model.comparisons.iter().map(|comparison| first_guess(comparison.levels.len())).collect();
    let kin = relatives != Relatives::Unknown
        && model.comparisons.len() > 1
        && model.comparisons.iter().any(|comparison| comparison.personal);
    let mut parameters = Parameters {
        prior,
        m: guess(),
        u: marginals.share.clone(),
        chance: vec![1.0; model.comparisons.len()],
        kin: kin.then(|| Kin { prior, k: guess() }),
        moves: None,
    };
    for at in 0..model.comparisons.len() {
        hold_chance(&mut parameters, marginals, at);
    }
    chance_of_kin(model, &mut parameters);
    parameters
}

fn round(
    model: &Model,
    possible: f64,
    (patterns, labels): (&mut [Seen], &ByPattern),
    (stage, relatives): (Stage, Relatives),
    all: bool,
    parameters: &mut Parameters,
) {
    let weights = Weights::new(parameters);
    let (mut same, mut related) = (Sums::new(parameters), Sums::new(parameters));
    let (mut moved, mut kin_moved) = (0.0, 0.0);
    let changes = parameters.moves.as_ref().map(|moves| moves.columns.clone()).unwrap_or_default();
    let mut last: Option<(Pattern, Posterior)> = None;
    for seen in patterns.iter_mut().filter(|seen| all || !seen.idle) {
        let &mut Seen { pattern, learns, count, .. } = seen;
        // Patterns are sorted: those that differ only in what may learn from them are one after the other.
        let posterior = match last {
            Some((known, posterior)) if known == pattern => posterior,
            _ => labels.judge(pattern, weights.posterior(pattern)),
        };
        last = Some((pattern, posterior));
        seen.idle = count * (posterior.same + posterior.related) < IDLE;
        let expected = count * posterior.same;
        if expected > 1e-12 {
            same.add(pattern, learns, expected, posterior.moved, &changes);
            moved += expected * posterior.moved;
        }
        if posterior.related > 1e-9 {
            let expected = count * posterior.related;
            related.add(pattern, learns, expected, posterior.kin_moved, &changes);
            kin_moved += expected * posterior.kin_moved;
        }
    }
    parameters.prior = (same.all / possible).clamp(1e-15, 0.5);
    if let Some(kin) = &mut parameters.kin {
        kin.prior = (related.all / possible).clamp(1e-15, 0.5);
    }
    if stage == Stage::PriorOnly {
        return;
    }
    if let Some(moves) = &mut parameters.moves {
        moves.share = (moved / same.all.max(1e-9)).clamp(1e-4, MOVED_MAX);
        moves.kin_share = (kin_moved / related.all.max(1e-9)).clamp(1e-4, MOVED_MAX);
    }
    for (at, comparison) in model.comparisons.iter().enumerate() {
        parameters.m[at] = same.shares(at);
        let least = match (stage, comparison.personal) {
            (Stage::Rough, true) => OTHER_MIN_PERSONAL,
            (Stage::Rough, false) => OTHER_MIN,
            (Stage::Fine | Stage::PriorOnly, _) => 0.0,
        };
        let most = if comparison.personal { OTHER_MAX_PERSONAL } else { OTHER_MAX };
        keep_other_within(&mut parameters.m[at], least, most);
        if let Some(kin) = &mut parameters.kin {
            kin.k[at] = related.shares(at);
            if relatives == Relatives::Close && !comparison.personal {
                keep_other_within(&mut kin.k[at], 0.0, OTHER_MAX);
            }
        }
    }
}

/// Columns that disagree together in pairs of the same thing; what is personal does not move.
fn together(parameters: &Parameters, model: &Model, patterns: &[Seen]) -> Option<Moved> {
    let weights = Weights::new(parameters);
    let width = model.comparisons.len();
    // Of every two columns: expected pairs, those in which the first, the second, and both disagree.
    let mut counts = vec![[0.0_f64; 4]; width * width];
    for &Seen { pattern, count, .. } in patterns {
        let expected = count * weights.posterior(pattern).same;
        if expected < 1e-6 {
            continue;
        }
        let state = |at: usize| {
            let reached = level(pattern, at);
            (reached > 0).then(|| weights.same[at][reached] < 0.0)
        };
        for i in 0..width {
            let Some(first) = state(i) else { continue };
            for j in i + 1..width {
                let Some(second) = state(j) else { continue };
                let cell = &mut counts[i * width + j];
                cell[0] += expected;
                cell[1] += if first { expected } else { 0.0 };
                cell[2] += if second { expected } else { 0.0 };
                cell[3] += if first && second { expected } else { 0.0 };
            }
        }
    }
    let correlated = |i: usize, j: usize| {
        let [all, first, second, both] = counts[i * width + j];
        let spread = (first * (all - first) * second * (all - second)).sqrt();
        both >= TOGETHER_MIN && spread > 0.0 && (all * both - first * second) / spread >= TOGETHER
    };
    let movable = |at: usize| !model.comparisons[at].personal;
    // The group of the column with the most partners.
    let partners = |at: usize| -> Vec<usize> {
        (0..width).filter(|&other| other != at && movable(other) && correlated(at.min(other), at.max(other))).collect()
    };
    let centre = (0..width).filter(|&at| movable(at)).max_by_key(|&at| (partners(at).len(), width - at))?;
    let group = partners(centre);
    if group.is_empty() {
        return None;
    }
    let columns = (0..width).map(|at| at == centre || group.contains(&at)).collect();
    Some(Moved { share: 0.1, kin_share: 0.05, columns })
}

/// Whether only one column sets the pairs of the same thing apart from strangers.
fn known_by_one_column(parameters: &Parameters) -> bool {
    let mut bits = told(&parameters.m, parameters);
    bits.sort_by(|a, b| b.total_cmp(a));
    bits.get(1).is_some_and(|second| *second < SECOND_MIN)
}

/// Holds the share of the last level within bounds; the other levels keep their proportions.
fn keep_other_within(shares: &mut [f64], least: f64, most: f64) {
    let Some((other, levels)) = shares.split_last_mut() else { return };
    let wanted = other.clamp(least, most);
    let scale = (1.0 - wanted) / (1.0 - *other).max(1e-12);
    for share in levels {
        *share *= scale;
    }
    *other = wanted;
}

/// Share of relatives that have the same surname, for names of one column.
const SAME_SURNAME: f64 = 0.7;
/// Share of relatives that agree on something personal although it is not by chance: twins, namesakes.
const NAMESAKES: f64 = 0.004;

/// Cosine below which two texts only share their topic: relatives' texts may, as papers of one author and goods of one
/// maker do.
const TOPIC_BELOW: f64 = 0.7;

/// What relatives agree on by chance follows from `u`.
fn chance_of_kin(model: &Model, parameters: &mut Parameters) {
    let Some(kin) = &mut parameters.kin else { return };
    for (at, comparison) in model.comparisons.iter().enumerate().filter(|(_, comparison)| comparison.personal) {
        let u = &parameters.u[at];
        let learned = &kin.k[at];
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
                let chance = (1.0 - NAMESAKES) * chance + extra;
                let is_topic = comparison.levels[index].when == Test::Cosine
                    && comparison.levels[index].at_least.is_some_and(|bound| bound < TOPIC_BELOW);
                if is_topic { learned[index].max(chance) } else { chance }
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
    hold_chance(parameters, marginals, at);
}

/// Holds what strangers share of a column to what they can; the other levels keep their proportions.
fn hold_chance(parameters: &mut Parameters, marginals: &Marginals, at: usize) {
    let u = &mut parameters.u[at];
    if u[0] > marginals.chance_max[at] {
        let scale = (1.0 - marginals.chance_max[at]) / (1.0 - u[0]).max(1e-12);
        u[1..].iter_mut().for_each(|u| *u *= scale);
        u[0] = marginals.chance_max[at];
    }
    parameters.chance[at] = (u[0] / marginals.share[at][0].max(1e-12)).min(1.0);
}

fn change(before: &Parameters, after: &Parameters) -> f64 {
    let m = before.m.iter().flatten().zip(after.m.iter().flatten()).map(|(a, b)| (a - b).abs());
    let prior = (before.prior.ln() - after.prior.ln()).abs() / 100.0;
    m.fold(prior, f64::max)
}

fn first_guess(levels: usize) -> Vec<f64> {
    // Most pairs of the same thing agree, few disagree wholly, the rest is between.
    let (exact, other) = (0.7, 0.15);
    let between = (1.0 - exact - other) / (levels as f64 - 2.0).max(1.0);
    let mut guess = vec![between; levels];
    guess[0] = exact;
    guess[levels - 1] = if levels == 2 { 1.0 - exact } else { other };
    guess
}
