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

/// What levels and values weigh.
#[derive(Debug, Clone)]
pub struct Weigher {
    weights: Weights,
    /// Whether relatives agree on a comparison by chance only.
    personal: Vec<bool>,
    /// Whether a comparison changes together with others.
    moves: Vec<bool>,
    /// Per comparison, for each value, how much more or less agreeing on it says than agreeing on any.
    rarity: Vec<Option<Vec<f32>>>,
}

impl Weigher {
    /// Prepares the weights of every level and value.
    #[must_use]
    pub fn new(model: &Model, comparer: &Comparer, records: &Records, parameters: &Parameters) -> Self {
        let rarity: Vec<Option<Vec<f32>>> = model
            .comparisons
            .iter()
            .enumerate()
            .map(|(at, comparison)| {
                let wanted = comparison.term_frequency
                    && model.comparisons.len() > 1
                    && comparison.levels[0].when == Test::Exact;
                wanted.then(|| rarity(comparer, at, records, parameters))
            })
            .collect();
        let personal = model.comparisons.iter().map(|comparison| comparison.personal).collect();
        let weights = Weights::new(parameters);
        let moves = weights.moves.as_ref().map_or_else(|| vec![false; rarity.len()], |moves| moves.columns.clone());
        Self { weights, personal, moves, rarity }
    }
}

/// A trained model on these records.
#[derive(Debug)]
pub struct Scorer<'run> {
    comparer: &'run Comparer,
    weigher: std::borrow::Cow<'run, Weigher>,
}

impl<'run> Scorer<'run> {
    /// Prepares the weights of every level and value.
    #[must_use]
    pub fn new(model: &Model, comparer: &'run Comparer, records: &Records, parameters: &Parameters) -> Self {
        let weigher = Weigher::new(model, comparer, records, parameters);
        Self { comparer, weigher: std::borrow::Cow::Owned(weigher) }
    }

    /// With weights that were prepared before.
    #[must_use]
    pub fn of(comparer: &'run Comparer, weigher: &'run Weigher) -> Self {
        Self { comparer, weigher: std::borrow::Cow::Borrowed(weigher) }
    }

    /// Odds, in bits, that two records of this pattern are the same; what they agree on is the first's value.
    #[must_use]
    pub fn weight(&self, left: u32, pattern: Pattern) -> f64 {
        self.weight_from(left, pattern, f64::NEG_INFINITY).unwrap_or(f64::NEG_INFINITY)
    }

    /// [`Self::weight`], where it is at least this much.
    fn weight_from(&self, left: u32, pattern: Pattern, at_least: f64) -> Option<f64> {
        let weights = &self.weigher.weights;
        let (mut same, mut changed) = (weights.prior, 0.0);
        for at in 0..weights.same.len() {
            let part = self.part(at, left, pattern);
            same += part;
            changed += if self.weigher.moves[at] { part } else { 0.0 };
        }
        if let Some(moves) = &weights.moves {
            same = Moved::combine(moves.same, same, same - changed).0;
        }
        // Relatives only ever speak against.
        if same < at_least {
            return None;
        }
        let weight = same - self.kin(left, pattern);
        (weight >= at_least).then_some(weight)
    }

    /// What is given back, in bits, because all that changes together may have changed; `stayed` are the odds
    /// without it.
    #[must_use]
    pub fn moved(&self, left: u32, pattern: Pattern, stayed: f64) -> f64 {
        let Some(moves) = &self.weigher.weights.moves else { return 0.0 };
        let changes = (0..self.weigher.weights.same.len()).filter(|&at| moves.columns[at]);
        let changed: f64 = changes.map(|at| self.part(at, left, pattern)).sum();
        Moved::combine(moves.same, stayed, stayed - changed).0 - stayed
    }

    /// What one comparison adds to the odds against strangers.
    #[must_use]
    pub fn part(&self, at: usize, left: u32, pattern: Pattern) -> f64 {
        let reached = level(pattern, at);
        let weight = self.weigher.weights.same[at][reached];
        if reached == 1 { weight + self.rarity(at, left) } else { weight }
    }

    /// By how many bits the odds are lower because the records may be of related things.
    #[must_use]
    pub fn kin(&self, left: u32, pattern: Pattern) -> f64 {
        let Some((prior, table)) = &self.weigher.weights.kin else { return 0.0 };
        let (mut stayed, mut changed) = (*prior, 0.0);
        for (at, levels) in table.iter().enumerate() {
            let reached = level(pattern, at);
            // Sharing a rare address speaks for a household as it does for a person.
            let rarity = if reached == 1 && !self.weigher.personal[at] { self.rarity(at, left) } else { 0.0 };
            stayed += levels[reached] + rarity;
            if self.weigher.moves[at] {
                changed += levels[reached] + rarity;
            }
        }
        let moves = self.weigher.weights.moves.as_ref();
        let related = moves.map_or(stayed, |moves| Moved::combine(moves.kin, stayed, stayed - changed).0);
        if related > 60.0 { related } else { (1.0 + related.exp2()).log2() }
    }

    /// By how many bits agreeing on this record's value says more, or less, than agreeing on the average one.
    #[must_use]
    pub fn rarity(&self, at: usize, row: u32) -> f64 {
        self.weigher.rarity[at].as_ref().map_or(0.0, |rarity| {
            let field = &self.comparer.fields[self.comparer.comparisons[at].field];
            f64::from(rarity[field.ids[row as usize] as usize])
        })
    }

    /// Odds of no evidence at all.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.weigher.weights.prior
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

/// Bits by which agreeing on a value says more than agreeing on the average one.
fn rarity(comparer: &Comparer, at: usize, records: &Records, parameters: &Parameters) -> Vec<f32> {
    let field = &comparer.fields[comparer.comparisons[at].field];
    let mut counts = vec![0_u32; field.values.len()];
    let mut known = 0_u32;
    for &id in field.ids.iter().filter(|&&id| id != MISSING) {
        counts[id as usize] += 1;
        known += 1;
    }
    let average = parameters.u[at][0];
    let least = 0.5 / (records.possible_pairs().sqrt().max(1.0));
    counts
        .iter()
        .map(|&count| {
            let share = f64::from(count) / f64::from(known.max(1));
            // What strangers share of it, not what the same thing's records do.
            let chance = (share * parameters.chance[at]).max(least * parameters.chance[at]).max(1e-9);
            (average / chance).log2() as f32
        })
        .collect()
}
