//! Linking two tables in which everything occurs once: a record has one partner or none.
//!
//! A pair's evidence is then weighed against the other candidates of both records, and the prior is the share
//! of records that have a partner at all, learned from the pairs. So a lone weak candidate of a record that must
//! have a partner is accepted, and a strong one that has a stronger rival is not.

use std::collections::HashMap;

use crate::{
    cluster::order,
    records::Records,
    score::Pair,
    weights::{odds, probability},
};

/// Rounds in which the share of records with a partner is learned.
const ROUNDS: usize = 50;

/// Keeps at most one pair per record, the most likely first, each with its probability under the constraint.
/// `pairs` has every compared pair worth looking at; `prior` are the odds their weights contain.
#[must_use]
pub fn one_to_one(records: &Records, pairs: &[Pair], prior: f64) -> Vec<Pair> {
    let mut kept = matched(pairs);
    let second = records.rows - records.first;
    let (fewer, more) = (records.first.min(second) as f64, records.first.max(second) as f64);
    // A record of the smaller table has a partner with this probability, each of the others with an equal share.
    let evidence: Vec<f64> = kept.iter().map(|pair| (pair.weight - prior).exp2()).collect();
    let mut share = 0.5_f64;
    for _ in 0..ROUNDS {
        let expected: f64 = evidence.iter().map(|&ratio| posterior(share, ratio, more)).sum();
        // Half a record more on either side: nothing is certain.
        let next = (expected + 0.5) / (fewer + 1.0);
        if (next - share).abs() < 1e-9 {
            break;
        }
        share = next;
    }
    let rivals = rivals(pairs, prior);
    for (pair, &ratio) in kept.iter_mut().zip(&evidence) {
        let left = rivals.get(&pair.left).copied().unwrap_or(0.0) - ratio;
        let right = rivals.get(&pair.right).copied().unwrap_or(0.0) - ratio;
        let against = left.max(0.0) + right.max(0.0);
        let alone = odds(posterior(share, ratio, more).clamp(1e-15, 1.0 - 1e-15));
        // Rivals that have the same evidence make it a guess.
        let chosen = ratio / (ratio + against).max(f64::MIN_POSITIVE);
        pair.weight = odds((probability(alone) * chosen).clamp(1e-15, 1.0 - 1e-15));
    }
    kept.sort_unstable_by_key(|pair| (pair.left, pair.right));
    kept
}

fn posterior(share: f64, ratio: f64, others: f64) -> f64 {
    let same = share / others * ratio;
    same / (same + (1.0 - share))
}

/// The greedy matching: the heaviest pair first, then the heaviest of what is left.
fn matched(pairs: &[Pair]) -> Vec<Pair> {
    let mut sorted: Vec<Pair> = pairs.to_vec();
    sorted.sort_unstable_by(order);
    let mut taken = std::collections::HashSet::new();
    sorted.retain(|pair| {
        if taken.contains(&pair.left) || taken.contains(&pair.right) {
            return false;
        }
        taken.insert(pair.left);
        taken.insert(pair.right);
        true
    });
    sorted
}

/// The evidence of all candidates of each record.
fn rivals(pairs: &[Pair], prior: f64) -> HashMap<u32, f64> {
    let mut sums: HashMap<u32, f64> = HashMap::new();
    for pair in pairs {
        let ratio = (pair.weight - prior).exp2();
        *sums.entry(pair.left).or_default() += ratio;
        *sums.entry(pair.right).or_default() += ratio;
    }
    sums
}
