//! Records of the same thing, put together from pairs.
//!
//! Pairs are taken from the most likely down. Two groups become one when the pairs between them, all of them,
//! speak for it together: a chain of half-likely pairs does not pull strangers into one group.

use std::{cmp::Ordering, collections::HashMap};

use crate::score::{Pair, Scorer};

/// Most pairs between two groups that are looked at before they become one.
const BETWEEN_MAX: usize = 400;

/// The heaviest pair first; equal ones by rows, so that the order is always the same.
#[must_use]
pub fn order(a: &Pair, b: &Pair) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.left.cmp(&b.left)).then(a.right.cmp(&b.right))
}

/// The group of every record: the lowest row in it.
///
/// `pairs` are those at or above the threshold; `forbidden` says which two records cannot be the same.
#[must_use]
pub fn cluster(rows: usize, pairs: &[Pair], scorer: &Scorer, forbidden: &dyn Fn(u32, u32) -> bool) -> Vec<u32> {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_unstable_by(|a, b| order(a, b));
    let known: HashMap<(u32, u32), f64> = pairs.iter().map(|pair| ((pair.left, pair.right), pair.weight)).collect();
    let mut group: Vec<u32> = (0..rows as u32).collect();
    let mut members: HashMap<u32, Vec<u32>> = HashMap::new();
    for pair in sorted {
        let (a, b) = (group[pair.left as usize], group[pair.right as usize]);
        if a == b {
            continue;
        }
        let (low, high) = (a.min(b), a.max(b));
        let of_low = members.get(&low).cloned().unwrap_or_else(|| vec![low]);
        let of_high = members.get(&high).cloned().unwrap_or_else(|| vec![high]);
        if !belong_together(&of_low, &of_high, &known, scorer, forbidden) {
            continue;
        }
        for &row in &of_high {
            group[row as usize] = low;
        }
        members.remove(&high);
        let mut all = of_low;
        all.extend(of_high);
        members.insert(low, all);
    }
    group
}

fn belong_together(
    left: &[u32],
    right: &[u32],
    known: &HashMap<(u32, u32), f64>,
    scorer: &Scorer,
    forbidden: &dyn Fn(u32, u32) -> bool,
) -> bool {
    let between = left.iter().flat_map(|&a| right.iter().map(move |&b| (a.min(b), a.max(b))));
    if between.clone().any(|(a, b)| forbidden(a, b)) {
        return false;
    }
    if left.len() == 1 && right.len() == 1 {
        return true;
    }
    let step = (left.len() * right.len()).div_ceil(BETWEEN_MAX);
    let sum: f64 = between
        .step_by(step)
        .map(|(a, b)| known.get(&(a, b)).copied().unwrap_or_else(|| scorer.pair(a, b).weight))
        // One pair that is certain, or impossible, must not outweigh all others.
        .map(|weight| weight.clamp(-20.0, 20.0))
        .sum();
    sum > 0.0
}
