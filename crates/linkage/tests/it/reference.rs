//! The fast path against the plainest one: every pair, no patterns, no frequencies by dictionary.

use yihe_linkage::{
    compare::{Comparer, level},
    model::{Comparison, Level, Model, Reads, Rule, Test},
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
};

use crate::people::Random;

/// Three columns of few values, so that every level occurs among few records.
fn small(seed: u64, rows: usize) -> Records {
    let mut random = Random(seed);
    let mut columns: Vec<ColumnBuilder> = ["a", "b", "c"].iter().map(|name| ColumnBuilder::new(name)).collect();
    let mut things: Vec<[usize; 3]> = Vec::new();
    for _ in 0..rows {
        let mut thing = [random.below(40), random.below(40), random.below(40)];
        if !things.is_empty() && random.chance(40) {
            thing = things[random.below(things.len())];
            if random.chance(20) {
                thing[random.below(3)] = random.below(40);
            }
        }
        things.push(thing);
        for (column, value) in columns.iter_mut().zip(thing) {
            let text = format!("value{value:02}");
            column.push((!random.chance(5)).then_some(text.as_str()));
        }
    }
    let columns = columns.into_iter().map(ColumnBuilder::finish).collect();
    Records::one(Table { name: "small".to_owned(), columns, rows })
}

fn model() -> Model {
    let comparison = |column: &str| Comparison {
        column: column.to_owned(),
        with: None,
        reads: Reads::Text,
        term_frequency: false,
        personal: false,
        levels: vec![Level::new(Test::Exact), Level::at_most(Test::Edits, 1.0), Level::new(Test::Other)],
    };
    Model {
        title: String::new(),
        id: None,
        renamed: Vec::new(),
        threshold: 0.5,
        prior: None,
        kin_prior: None,
        moves: None,
        seed: 0,
        comparisons: vec![comparison("a"), comparison("b"), comparison("c")],
        blocking: vec![Rule { keys: Vec::new(), any_order: false, block_max: None }],
        must_not_differ: Vec::new(),
    }
}

#[test]
fn scores_are_those_of_bayes_rule_pair_by_pair() {
    let records = small(5, 300);
    let options = Options { pairs_from: Some(0.0), ..Options::default() };
    let outcome = run(&model(), &records, &options, &|_, _, _| {}).unwrap();
    assert_eq!(outcome.compared, 300 * 299 / 2);
    let prior = outcome.model.prior.unwrap();
    let comparer = Comparer::new(&outcome.model, &records).unwrap();
    for pair in &outcome.pairs {
        let pattern = comparer.pattern(pair.left as usize, pair.right as usize);
        let (mut same, mut different) = (prior, 1.0 - prior);
        for (at, comparison) in outcome.model.comparisons.iter().enumerate() {
            if let Some(index) = level(pattern, at).checked_sub(1) {
                same *= comparison.levels[index].m.unwrap();
                different *= comparison.levels[index].u.unwrap();
            }
        }
        assert!((pair.probability() - same / (same + different)).abs() < 1e-9);
    }
}

#[test]
fn training_stands_where_plain_expectation_maximisation_stands_still() {
    let records = small(6, 300);
    let outcome = run(&model(), &records, &Options::default(), &|_, _, _| {}).unwrap();
    let comparer = Comparer::new(&outcome.model, &records).unwrap();
    let prior = outcome.model.prior.unwrap();
    // One more round over every pair, written as the textbook has it.
    let mut sums = vec![vec![0.0; 3]; 3];
    let (mut same_all, mut pairs) = (0.0, 0.0);
    for left in 0..records.rows {
        for right in left + 1..records.rows {
            let pattern = comparer.pattern(left, right);
            let (mut same, mut different) = (prior, 1.0 - prior);
            for (at, comparison) in outcome.model.comparisons.iter().enumerate() {
                if let Some(index) = level(pattern, at).checked_sub(1) {
                    same *= comparison.levels[index].m.unwrap();
                    different *= comparison.levels[index].u.unwrap();
                }
            }
            let posterior = same / (same + different);
            same_all += posterior;
            pairs += 1.0;
            for (at, sums) in sums.iter_mut().enumerate() {
                if let Some(index) = level(pattern, at).checked_sub(1) {
                    sums[index] += posterior;
                }
            }
        }
    }
    assert!((same_all / pairs - prior).abs() < 1e-3 * prior, "prior {prior} moves to {}", same_all / pairs);
    for (comparison, sums) in outcome.model.comparisons.iter().zip(&sums) {
        let total: f64 = sums.iter().sum();
        for (level, sum) in comparison.levels.iter().zip(sums) {
            let (stands, moves) = (level.m.unwrap(), sum / total);
            assert!((stands - moves).abs() < 2e-3, "{}: m {stands} moves to {moves}", comparison.column);
        }
    }
}
