//! Why two records are, or are not, taken for the same: the weights one by one (the waterfall of a pair).

use crate::{
    compare::{Comparer, Pattern, level},
    error::{LinkageError, Reason},
    model::Model,
    records::Records,
    run,
    score::{Scorer, Weigher},
    weights::probability,
};

/// The reasons for a pair's probability, in the order of the model; the weights add up to the odds.
#[derive(Debug, Clone, PartialEq)]
pub struct Waterfall {
    /// Odds before anything is compared, bits.
    pub prior: f64,
    /// One per comparison.
    pub steps: Vec<Step>,
    /// What is given back because all that changes together may have changed (somebody moved), bits.
    pub moved: f64,
    /// What is taken off because they may be related things, bits, negative or zero.
    pub kin: f64,
    /// Probability that they are the same.
    pub probability: f64,
}

/// What one comparison says.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The column.
    pub column: String,
    /// The first record's value as it was read; `None` where it is missing or cannot be read.
    pub left: Option<String>,
    /// The second record's value.
    pub right: Option<String>,
    /// The level in words, `missing` where a value is missing.
    pub level: String,
    /// Bits for (positive) or against (negative).
    pub weight: f64,
    /// The part of the weight that the value's rarity makes.
    pub rarity: f64,
}

/// Explains one pair by a trained model; rows of a second table follow those of the first.
///
/// # Errors
/// A column that the records do not have, or a model that was not trained.
pub fn explain(model: &Model, records: &Records, left: u32, right: u32) -> Result<Waterfall, LinkageError> {
    let mut explained = Vec::with_capacity(1);
    explain_each(model, records, &[(left, right)], |waterfall| explained.push(waterfall))?;
    Ok(explained.remove(0))
}

/// Explains many pairs by a trained model, in their order: what all need is made once.
///
/// # Errors
/// As [`explain`].
pub fn explain_each(
    model: &Model,
    records: &Records,
    pairs: &[(u32, u32)],
    mut each: impl FnMut(Waterfall),
) -> Result<(), LinkageError> {
    if !model.is_trained() {
        let reason = Reason::new(
            "the model has no m and u yet; train it with `link run --save-model`",
            "模型还没有 m 与 u，请先以 `link run --save-model` 训练",
        );
        return Err(LinkageError::NothingToCompare { reason });
    }
    let comparer = Comparer::new(model, records)?;
    let parameters = run::given(model, &comparer, records);
    let scorer = Scorer::new(model, &comparer, records, &parameters);
    for &(one, other) in pairs {
        let (left, right) = (one.min(other), one.max(other));
        let pair = scorer.pair(left, right);
        let value = |at: usize, row: u32| {
            let field = &comparer.fields[comparer.comparisons[at].field];
            field.values.get(field.ids[row as usize] as usize).map(ToString::to_string)
        };
        let rarity = |at: usize| scorer.rarity(at, left);
        each(waterfall(model, scorer.weigher(), pair.pattern, rarity, |at| (value(at, left), value(at, right))));
    }
    Ok(())
}

/// The reasons for the weight of two records that reach these levels; `values` are theirs, comparison by comparison,
/// and `rarity` is that of the first one's.
pub(crate) fn waterfall(
    model: &Model,
    weigher: &Weigher,
    pattern: Pattern,
    rarity: impl Fn(usize) -> f64,
    values: impl Fn(usize) -> (Option<String>, Option<String>),
) -> Waterfall {
    let part = |at| weigher.part(at, pattern, &rarity);
    let steps = model
        .comparisons
        .iter()
        .enumerate()
        .map(|(at, comparison)| {
            let (left, right) = values(at);
            let reached = level(pattern, at);
            let words =
                reached.checked_sub(1).map_or_else(|| "missing".to_owned(), |index| comparison.levels[index].name());
            Step {
                column: comparison.column.clone(),
                left,
                right,
                level: words,
                weight: part(at),
                rarity: if reached == 1 { rarity(at) } else { 0.0 },
            }
        })
        .collect();
    let stayed = (0..model.comparisons.len()).fold(weigher.prior(), |sum, at| sum + part(at));
    let moved = weigher.moved(pattern, &rarity, stayed);
    let kin = weigher.kin(pattern, &rarity);
    let weight = weigher.same(part) - kin;
    Waterfall { prior: weigher.prior(), steps, moved, kin: -kin, probability: probability(weight) }
}
