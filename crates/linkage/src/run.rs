//! A whole run: block, train, score, choose, group.

use std::collections::HashMap;

use crate::{
    block::{Candidates, Cost},
    cluster::cluster,
    compare::Comparer,
    error::LinkageError,
    field::Field,
    labels::{ByPattern, Label, prior_shift},
    marginals,
    model::{Model, Moves},
    one_to_one::one_to_one,
    records::{MISSING, Records},
    score::{Pair, Scorer},
    train::{self, Kin, Parameters},
    weights::{Moved, odds},
};

/// Most pairs that one rule may compare, whatever the model says.
pub const PAIRS_MAX: f64 = 2e11;
/// Probability below which a pair is not even a candidate of the one-to-one choice.
const WORTH_A_LOOK: f64 = 1e-6;

/// Odds, in bits, of a pair that people found the same.
const CERTAIN: f64 = 30.0;

/// What a run should do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads.
    pub threads: usize,
    /// Whether each record has one partner at most.
    pub one_to_one: bool,
    /// Probability from which pairs are returned; the model's threshold where absent.
    pub pairs_from: Option<f64>,
    /// Whether parameters that the model has are learned anew.
    pub train_again: bool,
    /// What people found: it moves the model, and holds for its pairs.
    pub labels: Vec<Label>,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 1, one_to_one: false, pairs_from: None, train_again: false, labels: Vec::new() }
    }
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Finding pairs to compare.
    Block,
    /// Learning.
    Train,
    /// Weighing pairs.
    Score,
    /// Grouping records.
    Cluster,
}

/// Told how far a run is: stage, pairs done, pairs in all. May be called from several threads.
pub type Progress<'run> = &'run (dyn Fn(Stage, u64, u64) + Sync);

/// What a run found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The model with what was learned.
    pub model: Model,
    /// Pairs from the threshold (or `pairs_from`) up, by rows.
    pub pairs: Vec<Pair>,
    /// For every record the lowest row of its group.
    pub clusters: Vec<u32>,
    /// Pairs that were compared, a pair of several rules counted once.
    pub compared: u64,
    /// Cost of each blocking rule.
    pub costs: Vec<Cost>,
}

/// Links records by a model; learns what the model does not say.
///
/// # Errors
/// A column that the records do not have, or a rule that compares too much.
pub fn run(model: &Model, records: &Records, options: &Options, progress: Progress) -> Result<Outcome, LinkageError> {
    let (comparer, of_keys) = Comparer::with_keys(model, records)?;
    if records.possible_pairs() < 1.0 {
        // Nothing to compare with is an answer, not a fault: a department delivered nothing today.
        return Ok(Outcome {
            model: model.clone(),
            pairs: Vec::new(),
            clusters: (0..records.rows as u32).collect(),
            compared: 0,
            costs: vec![Cost::default(); model.blocking.len()],
        });
    }
    progress(Stage::Block, 0, 0);
    let fields = comparer.key_fields(model, &of_keys);
    let candidates = Candidates::new(&model.blocking, records, &fields, PAIRS_MAX)?;
    let total = candidates.cost() as u64;
    let done = std::sync::atomic::AtomicU64::new(0);
    let tell = |stage| {
        done.store(0, std::sync::atomic::Ordering::Relaxed);
        let done = &done;
        move |pairs: u64| {
            let sum = done.fetch_add(pairs, std::sync::atomic::Ordering::Relaxed) + pairs;
            progress(stage, sum, total);
        }
    };

    let learn = options.train_again || !model.is_trained();
    let judged = ByPattern::new(&options.labels, |left, right| comparer.pattern(left as usize, right as usize));
    let (mut parameters, compared_before) = if learn {
        let (counts, compared) = train::count(model, &comparer, &candidates, options.threads, &tell(Stage::Train));
        let every_pair = model.blocking.iter().any(|rule| rule.keys.is_empty() && rule.block_max.is_none());
        let marginals = if every_pair && records.possible_pairs() <= train::COUNTED_MAX {
            marginals::marginals_of_all(model, &comparer, records, &counts)
        } else {
            marginals::marginals(model, &comparer, records, &counts)
        };
        (train::maximise(model, records, &marginals, &counts, &judged), compared)
    } else {
        (given(model, &comparer, records), None)
    };

    if !options.labels.is_empty() {
        let scorer = Scorer::new(model, &comparer, records, &parameters);
        let judged: Vec<(f64, bool)> =
            options.labels.iter().map(|label| (scorer.pair(label.left, label.right).weight, label.same)).collect();
        parameters.prior = (parameters.prior * prior_shift(&judged).exp2()).clamp(1e-15, 0.5);
    }
    let scorer = Scorer::new(model, &comparer, records, &parameters);
    let wanted = options.pairs_from.unwrap_or(model.threshold);
    let lowest = if options.one_to_one { wanted.min(WORTH_A_LOOK) } else { wanted.min(model.threshold) };
    let lowest = odds(lowest.clamp(1e-12, 1.0 - 1e-12));
    let (mut pairs, compared) = if let Some(compared) = compared_before {
        progress(Stage::Score, 0, compared.len() as u64);
        (scorer.pairs_of(&compared, lowest), compared.len() as u64)
    } else {
        let score = tell(Stage::Score);
        let pairs = scorer.pairs(&candidates, lowest, options.threads, &score);
        (pairs, done.load(std::sync::atomic::Ordering::Relaxed))
    };

    let constraints = constraints(model, records)?;
    let said: HashMap<(u32, u32), bool> =
        options.labels.iter().map(|label| ((label.left, label.right), label.same)).collect();
    hold(&options.labels, &scorer, &mut pairs);
    let forbidden = |a: u32, b: u32| {
        said.get(&(a, b)) == Some(&false)
            || constraints.iter().any(|field| {
                let (a, b) = (field.ids[a as usize], field.ids[b as usize]);
                a != b && a != MISSING && b != MISSING
            })
    };
    pairs.retain(|pair| !forbidden(pair.left, pair.right));
    if options.one_to_one && records.is_link() {
        pairs = one_to_one(records, &pairs, scorer.prior());
    }
    progress(Stage::Cluster, 0, 0);
    let strong: Vec<Pair> = pairs.iter().filter(|pair| pair.probability() >= model.threshold).copied().collect();
    let clusters = if options.one_to_one && records.is_link() {
        let mut clusters: Vec<u32> = (0..records.rows as u32).collect();
        for pair in &strong {
            clusters[pair.right as usize] = pair.left;
        }
        clusters
    } else {
        cluster(records.rows, &strong, &scorer, &forbidden)
    };
    pairs.retain(|pair| pair.probability() >= wanted);
    let mut model = model.clone();
    keep(&mut model, &parameters);
    Ok(Outcome { model, pairs, clusters, compared, costs: candidates.rules.iter().map(|rule| rule.cost).collect() })
}

/// Gives pairs that people found the same the odds of certainty, and adds those that no rule compared.
fn hold(labels: &[Label], scorer: &Scorer, pairs: &mut Vec<Pair>) {
    for label in labels.iter().filter(|label| label.same) {
        let place = pairs.binary_search_by_key(&(label.left, label.right), |pair| (pair.left, pair.right));
        let mut pair = scorer.pair(label.left, label.right);
        pair.weight = pair.weight.max(CERTAIN);
        match place {
            Ok(at) => pairs[at] = pair,
            Err(at) => pairs.insert(at, pair),
        }
    }
}

fn constraints(model: &Model, records: &Records) -> Result<Vec<Field>, LinkageError> {
    model
        .must_not_differ
        .iter()
        .map(|constraint| Ok(Field::read(records, records.column(&constraint.column)?, None, constraint.reads)))
        .collect()
}

/// The parameters that a model's file has.
pub(crate) fn given(model: &Model, comparer: &Comparer, records: &Records) -> Parameters {
    // Sampling all pairs would only tell what the file says already; equal values are counted without it.
    given_beside(model, |at| marginals::exact_share(comparer, at, records))
}

/// The parameters that a model's file has, beside the share of all pairs that are equal in a comparison.
pub(crate) fn given_beside(model: &Model, share: impl Fn(usize) -> f64) -> Parameters {
    let values = |of: fn(&crate::model::Level) -> Option<f64>| -> Vec<Vec<f64>> {
        let levels = |comparison: &crate::model::Comparison| {
            comparison.levels.iter().map(|level| of(level).unwrap_or(1e-9).max(1e-9)).collect()
        };
        model.comparisons.iter().map(levels).collect()
    };
    let u = values(|level| level.u);
    let chance = u.iter().enumerate().map(|(at, u)| (u[0] / share(at).max(1e-12)).min(1.0)).collect();
    let kin = model.kin_prior.map(|prior| Kin { prior: prior.clamp(1e-15, 0.5), k: values(|level| level.k) });
    let moves = model.moves.as_ref().map(|moves| Moved {
        share: moves.share.clamp(1e-4, 0.5),
        kin_share: moves.kin_share.clamp(1e-4, 0.5),
        columns: model.comparisons.iter().map(|comparison| moves.columns.contains(&comparison.column)).collect(),
    });
    let prior = model.prior.unwrap_or(1e-4).clamp(1e-15, 0.5);
    Parameters { prior, m: values(|level| level.m), u, chance, kin, moves }
}

fn keep(model: &mut Model, parameters: &Parameters) {
    model.prior = Some(parameters.prior);
    model.moves = parameters.moves.as_ref().map(|moves| Moves {
        columns: model
            .comparisons
            .iter()
            .zip(&moves.columns)
            .filter(|(_, changes)| **changes)
            .map(|(comparison, _)| comparison.column.clone())
            .collect(),
        share: moves.share,
        kin_share: moves.kin_share,
    });
    for (comparison, (m, u)) in model.comparisons.iter_mut().zip(parameters.m.iter().zip(&parameters.u)) {
        for (level, (&m, &u)) in comparison.levels.iter_mut().zip(m.iter().zip(u)) {
            level.m = Some(m);
            level.u = Some(u);
        }
    }
    let Some(kin) = &parameters.kin else { return };
    model.kin_prior = Some(kin.prior);
    for (comparison, k) in model.comparisons.iter_mut().zip(&kin.k) {
        for (level, &k) in comparison.levels.iter_mut().zip(k) {
            level.k = Some(k);
        }
    }
}
