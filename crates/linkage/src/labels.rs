//! Labels: pairs that people judged, as training and as decisions.
//!
//! A label speaks for its own pair with certainty and for pairs that agree on the same levels a little, so a few
//! labels move the model sensibly and never decide it; what they say about the odds as a whole moves the prior.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use crate::{
    compare::Pattern,
    error::{LinkageError, Reason},
    read,
    records::Records,
    weights::{Posterior, probability},
    write::Names,
};

/// Most labels of a run.
pub const LABELS_MAX: usize = 10_000_000;
/// How many labels the model's own opinion of a pattern counts for.
const OWN_OPINION: f64 = 2.0;
/// Bits by which the prior may be off, one standard deviation.
const PRIOR_SPREAD: f64 = 4.0;

/// What somebody found two records to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Lower row; rows of a second table follow those of the first.
    pub left: u32,
    /// Higher row.
    pub right: u32,
    /// Whether they are the same thing.
    pub same: bool,
}

/// Labels of a file, and how many of its lines name records that are not there.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// One per pair, by rows; pairs on which judgements are even are left out.
    pub labels: Vec<Label>,
    /// Lines that name a record that is not in the tables.
    pub unknown: usize,
}

/// Reads labels: the first record's identifier, the second's, and `same` or `different` (1/0, true/false, 同一/不同),
/// in columns `left_id`, `right_id`, `label`, or in the first three.
///
/// # Errors
/// The file is no table of three columns, or a judgement is neither of the two.
pub fn read_labels(path: &Path, names: &Names, records: &Records) -> Result<Labels, LinkageError> {
    let failed = |reason: Reason| LinkageError::Input { path: path.to_owned(), reason };
    let table = read::read(path)?;
    if table.columns.len() < 3 {
        let found = table.columns.len();
        return Err(failed(Reason::new(
            format!("found {found} columns, expected left_id, right_id and label"),
            format!("有 {found} 列，应有 left_id、right_id 与 label"),
        )));
    }
    if table.rows > LABELS_MAX {
        return Err(failed(Reason::too_many(&table.rows, &LABELS_MAX, "labels", "条判定")));
    }
    let column = |known: &[&str], at: usize| {
        table
            .columns
            .iter()
            .find(|column| known.contains(&column.name.to_lowercase().as_str()))
            .unwrap_or(&table.columns[at])
    };
    let (left, right) = (column(&["left_id", "left", "id_l"], 0), column(&["right_id", "right", "id_r"], 1));
    let judged = column(&["label", "same", "is_match", "match", "判定", "结论"], 2);
    let rows_of = |rows: std::ops::Range<usize>| -> HashMap<String, u32> {
        // The first of several records of one identifier.
        rows.rev().map(|row| (names.id(row as u32), row as u32)).collect()
    };
    let first = rows_of(0..records.first);
    let second = if records.is_link() { rows_of(records.first..records.rows) } else { HashMap::new() };
    let mut sums: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    let mut unknown = 0;
    for row in 0..table.rows {
        let word = judged.value(row).unwrap_or("");
        let same = match word {
            "same" | "1" | "1.0" | "true" | "yes" | "y" | "match" | "同一" | "相同" | "是" => true,
            "different" | "0" | "0.0" | "false" | "no" | "n" | "distinct" | "不同" | "非同一" | "否" => false,
            "unsure" | "不确定" | "" => continue,
            other => {
                return Err(failed(Reason::new(
                    format!("row {}: found `{other}`, expected same or different", row + 1),
                    format!("第 {} 行：现为“{other}”，应为 same（同一）或 different（不同）", row + 1),
                )));
            }
        };
        let find = |rows: &HashMap<String, u32>, id: Option<&str>| id.and_then(|id| rows.get(id)).copied();
        let partners = if records.is_link() { &second } else { &first };
        let (Some(a), Some(b)) = (find(&first, left.value(row)), find(partners, right.value(row))) else {
            unknown += 1;
            continue;
        };
        if a != b {
            *sums.entry((a.min(b), a.max(b))).or_default() += if same { 1 } else { -1 };
        }
    }
    let labels = sums
        .into_iter()
        .filter(|(_, sum)| *sum != 0)
        .map(|((left, right), sum)| Label { left, right, same: sum > 0 })
        .collect();
    Ok(Labels { labels, unknown })
}

/// Labels by the levels that their pairs reach: how many say the same, and how many say different.
#[derive(Debug, Clone, Default)]
pub struct ByPattern(BTreeMap<Pattern, (f64, f64)>);

impl ByPattern {
    /// Counts labels.
    #[must_use]
    pub fn new(labels: &[Label], pattern: impl Fn(u32, u32) -> Pattern) -> Self {
        let mut counts: BTreeMap<Pattern, (f64, f64)> = BTreeMap::new();
        for label in labels {
            let count = counts.entry(pattern(label.left, label.right)).or_default();
            *(if label.same { &mut count.0 } else { &mut count.1 }) += 1.0;
        }
        Self(counts)
    }

    /// What a pair of this pattern is likely to be, given what the model thinks and what people said.
    #[must_use]
    pub fn judge(&self, pattern: Pattern, mut model: Posterior) -> Posterior {
        if self.0.contains_key(&pattern) {
            let same = self.posterior(pattern, model.same);
            model.related *= (1.0 - same) / (1.0 - model.same).max(1e-9);
            model.same = same;
        }
        model
    }

    /// The probability of the same thing, given what the model thinks and what people said.
    #[must_use]
    pub fn posterior(&self, pattern: Pattern, model: f64) -> f64 {
        let Some((same, different)) = self.0.get(&pattern) else { return model };
        (model * OWN_OPINION + same) / (OWN_OPINION + same + different)
    }
}

/// By how many bits the odds must move for labels to be as likely as can be, given that the prior is roughly right.
/// `judged` has the weight of each labelled pair, and whether it is the same.
#[must_use]
pub fn prior_shift(judged: &[(f64, bool)]) -> f64 {
    // The slope falls from left to right, so its zero is found by halving.
    let slope = |shift: f64| {
        let residuals: f64 =
            judged.iter().map(|&(weight, same)| f64::from(u8::from(same)) - probability(weight + shift)).sum();
        residuals * std::f64::consts::LN_2 - shift / (PRIOR_SPREAD * PRIOR_SPREAD)
    };
    let (mut low, mut high) = (-30.0, 30.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_the_odds_and_nothing_moves_them_without_labels() {
        assert!(prior_shift(&[]).abs() < 1e-6);
        assert!(prior_shift(&[(3.0, false), (2.0, false), (1.0, false)]) < -2.0);
        assert!(prior_shift(&[(-3.0, true), (-2.0, true), (-1.0, true)]) > 2.0);
        assert!(prior_shift(&[(2.0, true), (-2.0, false)]).abs() < 1e-6);
    }

    #[test]
    fn what_people_said_of_a_pattern_outweighs_the_model_slowly() {
        let label = |left, same| Label { left, right: 9, same };
        let labels = ByPattern::new(&[label(0, false)], |_, _| 7);
        assert!((labels.posterior(7, 0.9) - 0.6).abs() < 1e-9);
        assert!((labels.posterior(8, 0.9) - 0.9).abs() < 1e-9);
        let labels = ByPattern::new(&(0..18).map(|row| label(row, false)).collect::<Vec<_>>(), |_, _| 7);
        assert!(labels.posterior(7, 0.9) < 0.1);
    }
}
