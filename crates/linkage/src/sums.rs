//! Expected pairs by the levels that they reach: what a round of training adds up.

use crate::{
    compare::{Pattern, level},
    model::LEVELS_MAX,
    train::Parameters,
    weights::OfLevels,
};

/// Expected pairs of the same thing from which a comparison learns from pairs that its column did not find.
const EXPECTED_MIN: f64 = 20.0;

/// What a class's expected pairs reach; level 0 is a missing value.
pub(crate) struct Sums {
    /// Expected pairs.
    pub all: f64,
    any: Vec<OfLevels>,
    learned: Vec<OfLevels>,
    levels: Vec<usize>,
}

impl Sums {
    /// Of a model with as many comparisons and levels.
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let zeros = vec![[0.0; LEVELS_MAX + 1]; parameters.m.len()];
        Self { all: 0.0, any: zeros.clone(), learned: zeros, levels: parameters.m.iter().map(Vec::len).collect() }
    }

    /// Adds the expected pairs of a pattern; what changes in a move is learned from those that did not move.
    pub(crate) fn add(&mut self, pattern: Pattern, learns: u32, expected: f64, moved: f64, changes: &[bool]) {
        self.all += expected;
        for (at, (any, learned)) in self.any.iter_mut().zip(&mut self.learned).enumerate() {
            let moving = changes.get(at).copied().unwrap_or(false);
            let expected = if moving { expected * (1.0 - moved) } else { expected };
            let reached = level(pattern, at);
            any[reached] += expected;
            learned[reached] += if learns >> at & 1 == 1 { expected } else { 0.0 };
        }
    }

    /// Shares of a comparison's levels; a tenth of a pair everywhere keeps what was not seen possible.
    pub(crate) fn shares(&self, at: usize) -> Vec<f64> {
        let of = |counted: &[OfLevels]| counted[at][1..=self.levels[at]].to_vec();
        let learned = of(&self.learned);
        let enough = learned.iter().sum::<f64>() >= EXPECTED_MIN;
        let counted = if enough { learned } else { of(&self.any) };
        let total: f64 = counted.iter().sum::<f64>() + 0.1 * counted.len() as f64;
        counted.iter().map(|count| (count + 0.1) / total).collect()
    }
}
