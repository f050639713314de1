//! What levels weigh, and what a pair of a pattern is likely to be.

use crate::{
    compare::{Pattern, level},
    train::Parameters,
};

/// The weight of every level, in bits; that of a missing value is 0 and stands first.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Odds of the prior against strangers.
    pub prior: f64,
    /// Same thing against strangers, per comparison and level.
    pub same: Vec<Vec<f64>>,
    /// Odds of being related against strangers, and the levels.
    pub kin: Option<(f64, Vec<Vec<f64>>)>,
    /// What changes together, where anything does.
    pub moves: Option<Moved>,
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

impl Moved {
    /// Odds in bits, from those of nothing having changed and of what did not change; and the probability of a move.
    /// `share` is one of the two.
    #[must_use]
    pub fn combine(share: f64, stayed: f64, rest: f64) -> (f64, f64) {
        let (stayed, moved) = (stayed + (1.0 - share).log2(), rest + share.log2());
        let most = stayed.max(moved);
        let sum = most + ((stayed - most).exp2() + (moved - most).exp2()).log2();
        (sum, (moved - sum).exp2())
    }
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
            moves: parameters.moves.clone(),
        }
    }

    /// What a pair of this pattern is likely to be.
    #[must_use]
    pub fn posterior(&self, pattern: Pattern) -> Posterior {
        let sum = |prior: f64, table: &[Vec<f64>]| {
            table.iter().enumerate().fold(prior, |sum, (at, levels)| sum + levels[level(pattern, at)])
        };
        let with_moves = |stayed: f64, table: &[Vec<f64>], share: fn(&Moved) -> f64| match &self.moves {
            None => (stayed, 0.0),
            Some(moves) => {
                let changed = table.iter().enumerate().filter(|(at, _)| moves.columns[*at]);
                let changed: f64 = changed.map(|(at, levels)| levels[level(pattern, at)]).sum();
                Moved::combine(share(moves), stayed, stayed - changed)
            }
        };
        let (same, moved) = with_moves(sum(self.prior, &self.same), &self.same, |moves| moves.share);
        let Some((prior, table)) = &self.kin else {
            return Posterior { same: probability(same), related: 0.0, moved, kin_moved: 0.0 };
        };
        let (related, kin_moved) = with_moves(sum(*prior, table), table, |moves| moves.kin_share);
        // Taken from the largest, so that nothing overflows.
        let most = same.max(related).max(0.0);
        let (same, related, strangers) = ((same - most).exp2(), (related - most).exp2(), (-most).exp2());
        let all = same + related + strangers;
        Posterior { same: same / all, related: related / all, moved, kin_moved }
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
