//! What levels weigh, and what a pair of a pattern is likely to be.

use crate::{
    compare::{Pattern, level},
    model::LEVELS_MAX,
    train::Parameters,
};

/// Odds, in bits, below which a pair is nothing that a sum over all pairs would notice.
const NEVER: f64 = -70.0;

/// The weights of a comparison's levels, in bits; that of a missing value is 0 and stands first.
pub type OfLevels = [f64; LEVELS_MAX + 1];

/// The weight of every level.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Odds of the prior against strangers.
    pub prior: f64,
    /// Same thing against strangers, per comparison and level.
    pub same: Vec<OfLevels>,
    /// Odds of being related against strangers, and the levels.
    pub kin: Option<(f64, Vec<OfLevels>)>,
    /// What changes together, where anything does.
    pub moves: Option<Moves>,
}

/// What changes together when it changes: the parts of an address when somebody moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Share of pairs of the same thing in which all of it changed.
    pub share: f64,
    /// Share of pairs of related things in which it did: one of a household moved out.
    pub kin_share: f64,
    /// Per comparison, whether it is one of those that change.
    pub columns: Vec<bool>,
}

/// The share of a class's pairs that moved, and of those that stayed, in bits.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    stayed: f64,
    moved: f64,
}

impl Shares {
    /// From the share that moved.
    #[must_use]
    pub fn new(moved: f64) -> Self {
        Self { stayed: (1.0 - moved).log2(), moved: moved.log2() }
    }
}

/// [`Moved`], ready.
#[derive(Debug, Clone)]
pub struct Moves {
    /// Pairs of the same thing.
    pub same: Shares,
    /// Pairs of related things.
    pub kin: Shares,
    /// Per comparison, whether it is one of those that change.
    pub columns: Vec<bool>,
}

impl Moved {
    /// Odds in bits, from those of nothing having changed and of what did not change; and the probability of a move.
    #[must_use]
    pub fn combine(shares: Shares, stayed: f64, rest: f64) -> (f64, f64) {
        let (stayed, moved) = (stayed + shares.stayed, rest + shares.moved);
        let (most, apart) = (stayed.max(moved), (stayed - moved).abs());
        // Beyond the digits of a number the lesser one adds nothing.
        let sum = if apart > 54.0 { most } else { most + (1.0 + (-apart).exp2()).log2() };
        (sum, (moved - sum).exp2())
    }
}

impl Weights {
    /// The weights that the parameters make.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        let kin = parameters.kin.as_ref().map_or(0.0, |kin| kin.prior);
        let strangers = (1.0 - parameters.prior - kin).max(1e-6);
        let bits = |shares: &[Vec<f64>]| -> Vec<OfLevels> {
            let levels = |(m, u): (&Vec<f64>, &Vec<f64>)| {
                let mut weights = [0.0; LEVELS_MAX + 1];
                for (weight, (m, u)) in weights[1..].iter_mut().zip(m.iter().zip(u)) {
                    *weight = (m / u).log2();
                }
                weights
            };
            shares.iter().zip(&parameters.u).map(levels).collect()
        };
        Self {
            prior: (parameters.prior / strangers).log2(),
            same: bits(&parameters.m),
            kin: parameters.kin.as_ref().map(|kin| ((kin.prior / strangers).log2(), bits(&kin.k))),
            moves: parameters.moves.as_ref().map(|moves| Moves {
                same: Shares::new(moves.share),
                kin: Shares::new(moves.kin_share),
                columns: moves.columns.clone(),
            }),
        }
    }

    /// What a pair of this pattern is likely to be.
    #[must_use]
    pub fn posterior(&self, pattern: Pattern) -> Posterior {
        let (same, moved) = self.odds(self.prior, &self.same, pattern, |moves| moves.same);
        let related = self.kin.as_ref().map(|(prior, table)| self.odds(*prior, table, pattern, |moves| moves.kin));
        let Some((related, kin_moved)) = related else {
            let same = if same < NEVER { 0.0 } else { probability(same) };
            return Posterior { same, related: 0.0, moved, kin_moved: 0.0 };
        };
        if same < NEVER && related < NEVER {
            return Posterior { same: 0.0, related: 0.0, moved, kin_moved };
        }
        // Taken from the largest, so that nothing overflows.
        let most = same.max(related).max(0.0);
        let share = |odds: f64| if odds - most < NEVER { 0.0 } else { (odds - most).exp2() };
        let (same, related, strangers) = (share(same), share(related), share(0.0));
        let all = same + related + strangers;
        Posterior { same: same / all, related: related / all, moved, kin_moved }
    }

    /// The odds of a class, and the probability that what changes together changed.
    fn odds(&self, prior: f64, table: &[OfLevels], pattern: Pattern, shares: fn(&Moves) -> Shares) -> (f64, f64) {
        let of = |at: usize, levels: &OfLevels| levels[level(pattern, at)];
        let Some(moves) = &self.moves else {
            return (table.iter().enumerate().fold(prior, |sum, (at, levels)| sum + of(at, levels)), 0.0);
        };
        let (mut stayed, mut changed) = (prior, 0.0);
        for (at, (levels, &moves)) in table.iter().zip(&moves.columns).enumerate() {
            let weight = of(at, levels);
            stayed += weight;
            changed += if moves { weight } else { 0.0 };
        }
        if stayed < NEVER && stayed - changed < NEVER {
            return (stayed.max(stayed - changed), 0.0);
        }
        Moved::combine(shares(moves), stayed, stayed - changed)
    }
}

/// What a pair is likely to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// Probability of the same thing.
    pub same: f64,
    /// Probability of related things.
    pub related: f64,
    /// If it is the same thing, the probability that it moved.
    pub moved: f64,
    /// If they are related things, the probability that one moved.
    pub kin_moved: f64,
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
