//! How likely two records are the same: one weight per comparison, added up.

use crate::{
    block::Candidates,
    compare::{Comparer, Pattern, level},
    model::{Model, Test},
    parallel,
    records::{MISSING, Records},
    train::{Compared, Parameters},
    weights::{Moved, Weights, probability},
};

/// Two records and how likely they are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Row of the first record; rows of a second table follow those of the first.
    pub left: u32,
    /// Row of the second record, greater than `left`.
    pub right: u32,
    /// Odds in bits.
    pub weight: f64,
    /// Levels that were reached.
    pub pattern: Pattern,
}

impl Pair {
    /// Probability that they are the same.
    #[must_use]
    pub fn probability(&self) -> f64 {
        probability(self.weight)
    }
}

/// What levels weigh.
#[derive(Debug, Clone)]
pub struct Weigher {
    weights: Weights,
    /// Whether relatives agree on a comparison by chance only.
    personal: Vec<bool>,
    /// Whether a comparison changes together with others.
    moves: Vec<bool>,
}

impl Weigher {
    /// Prepares the weights of every level.
    #[must_use]
    pub fn new(model: &Model, parameters: &Parameters) -> Self {
        let personal: Vec<bool> = model.comparisons.iter().map(|comparison| comparison.personal).collect();
        let weights = Weights::new(parameters);
        let moves = weights.moves.as_ref().map_or_else(|| vec![false; personal.len()], |moves| moves.columns.clone());
        Self { weights, personal, moves }
    }

    /// Odds, in bits, of two records of this pattern, where they are at least this much; `rarity` tells of a
    /// comparison by how many bits agreeing on their value says more than agreeing on the average one.
    pub(crate) fn weight_from(&self, pattern: Pattern, rarity: impl Fn(usize) -> f64, at_least: f64) -> Option<f64> {
        let same = self.same(|at| self.part(at, pattern, &rarity));
        // Relatives only ever speak against.
        if same < at_least {
            return None;
        }
        let weight = same - self.kin(pattern, rarity);
        (weight >= at_least).then_some(weight)
    }

    /// Odds against strangers, from what each comparison adds: they rise with each of them.
    pub(crate) fn same(&self, part: impl Fn(usize) -> f64) -> f64 {
        let (mut same, mut changed) = (self.weights.prior, 0.0);
        for at in 0..self.weights.same.len() {
            let part = part(at);
            same += part;
            changed += if self.moves[at] { part } else { 0.0 };
        }
        self.weights.moves.as_ref().map_or(same, |moves| Moved::combine(moves.same, same, same - changed).0)
    }

    /// What one comparison adds to the odds against strangers.
    pub(crate) fn part(&self, at: usize, pattern: Pattern, rarity: impl Fn(usize) -> f64) -> f64 {
        let reached = level(pattern, at);
        let weight = self.weights.same[at][reached];
        if reached == 1 { weight + rarity(at) } else { weight }
    }

    /// Most that a comparison can add from this level on.
    pub(crate) fn most(&self, at: usize, from: usize) -> f64 {
        self.weights.same[at][from..].iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// What is given back, in bits, because all that changes together may have changed; `stayed` are the odds
    /// without it.
    pub(crate) fn moved(&self, pattern: Pattern, rarity: impl Fn(usize) -> f64, stayed: f64) -> f64 {
        let Some(moves) = &self.weights.moves else { return 0.0 };
        let changes = (0..self.weights.same.len()).filter(|&at| moves.columns[at]);
        let changed: f64 = changes.map(|at| self.part(at, pattern, &rarity)).sum();
        Moved::combine(moves.same, stayed, stayed - changed).0 - stayed
    }

    /// By how many bits the odds are lower because the records may be of related things.
    pub(crate) fn kin(&self, pattern: Pattern, rarity: impl Fn(usize) -> f64) -> f64 {
        let Some((prior, table)) = &self.weights.kin else { return 0.0 };
        let (mut stayed, mut changed) = (*prior, 0.0);
        for (at, levels) in table.iter().enumerate() {
            let reached = level(pattern, at);
            // Sharing a rare address speaks for a household as it does for a person.
            let rarity = if reached == 1 && !self.personal[at] { rarity(at) } else { 0.0 };
            stayed += levels[reached] + rarity;
            if self.moves[at] {
                changed += levels[reached] + rarity;
            }
        }
        let moves = self.weights.moves.as_ref();
        let related = moves.map_or(stayed, |moves| Moved::combine(moves.kin, stayed, stayed - changed).0);
        if related > 60.0 { related } else { (1.0 + related.exp2()).log2() }
    }

    /// Odds of no evidence at all.
    pub(crate) fn prior(&self) -> f64 {
        self.weights.prior
    }
}

/// By how many bits agreeing on a value of one comparison says more, or less, than agreeing on the average one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rarity {
    average: f64,
    chance: f64,
    least: f64,
    known: f64,
}

impl Rarity {
    /// Of a comparison of which so many records have a value; `None` where rarity does not count.
    pub(crate) fn new(model: &Model, at: usize, known: u32, possible: f64, parameters: &Parameters) -> Option<Self> {
        let comparison = &model.comparisons[at];
        let counts =
            comparison.term_frequency && model.comparisons.len() > 1 && comparison.levels[0].when == Test::Exact;
        counts.then(|| Self {
            average: parameters.u[at][0],
            chance: parameters.chance[at],
            least: 0.5 / possible.sqrt().max(1.0),
            known: f64::from(known.max(1)),
        })
    }

    /// Of a value that so many records have.
    pub(crate) fn bits(&self, count: u32) -> f32 {
        let share = f64::from(count) / self.known;
        // What strangers share of it, not what the same thing's records do.
        let chance = (share * self.chance).max(self.least * self.chance).max(1e-9);
        (self.average / chance).log2() as f32
    }
}

/// A trained model on these records.
#[derive(Debug)]
pub struct Scorer<'run> {
    comparer: &'run Comparer,
    weigher: Weigher,
    /// Per comparison, for each value, how much more or less agreeing on it says than agreeing on any.
    rarity: Vec<Option<Vec<f32>>>,
}

impl<'run> Scorer<'run> {
    /// Prepares the weights of every level and value.
    #[must_use]
    pub fn new(model: &Model, comparer: &'run Comparer, records: &Records, parameters: &Parameters) -> Self {
        let rarity = (0..model.comparisons.len()).map(|at| rarity(model, comparer, at, records, parameters)).collect();
        Self { comparer, weigher: Weigher::new(model, parameters), rarity }
    }

    /// What levels weigh.
    pub(crate) fn weigher(&self) -> &Weigher {
        &self.weigher
    }

    /// Odds, in bits, that two records of this pattern are the same; what they agree on is the first's value.
    #[must_use]
    pub fn weight(&self, left: u32, pattern: Pattern) -> f64 {
        self.weight_from(left, pattern, f64::NEG_INFINITY).unwrap_or(f64::NEG_INFINITY)
    }

    /// [`Self::weight`], where it is at least this much.
    fn weight_from(&self, left: u32, pattern: Pattern, at_least: f64) -> Option<f64> {
        self.weigher.weight_from(pattern, |at| self.rarity(at, left), at_least)
    }

    /// By how many bits agreeing on this record's value says more, or less, than agreeing on the average one.
    #[must_use]
    pub fn rarity(&self, at: usize, row: u32) -> f64 {
        self.rarity[at].as_ref().map_or(0.0, |rarity| {
            let field = &self.comparer.fields[self.comparer.comparisons[at].field];
            f64::from(rarity[field.ids[row as usize] as usize])
        })
    }

    /// Odds of no evidence at all.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.weigher.prior()
    }

    /// Compares and weighs two records.
    #[must_use]
    pub fn pair(&self, left: u32, right: u32) -> Pair {
        let pattern = self.comparer.pattern(left as usize, right as usize);
        Pair { left, right, weight: self.weight(left, pattern), pattern }
    }

    /// Pairs of at least this weight among those that were compared before, by rows.
    #[must_use]
    pub fn pairs_of(&self, compared: &[Compared], at_least: f64) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = compared
            .iter()
            .filter_map(|&Compared { left, right, pattern }| {
                let weight = self.weight_from(left, pattern, at_least)?;
                Some(Pair { left, right, weight, pattern })
            })
            .collect();
        pairs.sort_unstable_by_key(|pair| (pair.left, pair.right));
        pairs
    }

    /// Every compared pair of at least this weight, by rows.
    #[must_use]
    pub fn pairs(
        &self,
        candidates: &Candidates,
        at_least: f64,
        threads: usize,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Vec<Pair> {
        let pieces = candidates.pieces(1 << 16);
        let found = parallel::map(&pieces, threads, |piece| {
            let mut kept = Vec::new();
            let mut compared = 0;
            candidates.for_each_pair(
                *piece,
                |_, _| true,
                |left, right| {
                    compared += 1;
                    let pattern = self.comparer.pattern(left as usize, right as usize);
                    if let Some(weight) = self.weight_from(left, pattern, at_least) {
                        kept.push(Pair { left, right, weight, pattern });
                    }
                },
            );
            seen(compared);
            kept
        });
        let mut pairs: Vec<Pair> = found.into_iter().flatten().collect();
        pairs.sort_unstable_by_key(|pair| (pair.left, pair.right));
        pairs
    }
}

/// The rarity of every value of a comparison, where it counts.
fn rarity(
    model: &Model,
    comparer: &Comparer,
    at: usize,
    records: &Records,
    parameters: &Parameters,
) -> Option<Vec<f32>> {
    let field = &comparer.fields[comparer.comparisons[at].field];
    let mut counts = vec![0_u32; field.values.len()];
    let mut known = 0_u32;
    for &id in field.ids.iter().filter(|&&id| id != MISSING) {
        counts[id as usize] += 1;
        known += 1;
    }
    let rarity = Rarity::new(model, at, known, records.possible_pairs(), parameters)?;
    Some(counts.into_iter().map(|count| rarity.bits(count)).collect())
}
