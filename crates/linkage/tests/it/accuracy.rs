//! A model proposed and trained on data it never saw finds the people, and keeps relatives apart.

use yihe_linkage::{
    propose::propose,
    records::Records,
    run::{Options, Outcome, run},
};

use crate::people::{one_table, two_tables};

fn linked(records: &Records, one_to_one: bool) -> Outcome {
    let model = propose(records, Vec::new()).unwrap().model;
    run(&model, records, &Options { one_to_one, ..Options::default() }, &|_, _, _| {}).unwrap()
}

/// Precision, recall and F1 of pairs, given which pairs there are in truth.
fn f1(found: impl Iterator<Item = (u32, u32)>, truth: &[usize], records: &Records) -> (f64, f64, f64) {
    let (mut right, mut all) = (0.0, 0.0);
    for (left, other) in found {
        all += 1.0;
        right += f64::from(u8::from(truth[left as usize] == truth[other as usize]));
    }
    let mut known = std::collections::HashMap::<usize, (f64, f64)>::new();
    for (row, &person) in truth.iter().enumerate() {
        let counts = known.entry(person).or_default();
        if row < records.first { counts.0 += 1.0 } else { counts.1 += 1.0 }
    }
    let pairs: f64 = if records.is_link() {
        known.values().map(|(a, b)| a * b).sum()
    } else {
        known.values().map(|(a, _)| a * (a - 1.0) / 2.0).sum()
    };
    let (precision, recall) = (right / f64::max(all, 1.0), right / pairs);
    (precision, recall, 2.0 * precision * recall / (precision + recall))
}

#[test]
fn chinese_people_without_a_number_are_linked_and_their_relatives_are_not() {
    for seed in [1, 2] {
        let (records, truth) = two_tables(seed, 3000);
        let outcome = linked(&records, false);
        let (precision, recall, f1) = f1(outcome.pairs.iter().map(|pair| (pair.left, pair.right)), &truth, &records);
        assert!(f1 >= 0.98, "seed {seed}: precision {precision:.4}, recall {recall:.4}, F1 {f1:.4}");
    }
}

#[test]
fn one_partner_each_is_worth_more_than_any_tuning() {
    let (records, truth) = two_tables(3, 3000);
    let without = linked(&records, false);
    let with = linked(&records, true);
    let score = |outcome: &Outcome| f1(outcome.pairs.iter().map(|pair| (pair.left, pair.right)), &truth, &records).2;
    assert!(score(&with) >= score(&without), "{:.4} < {:.4}", score(&with), score(&without));
    let mut seen = std::collections::HashSet::new();
    assert!(
        with.pairs.iter().all(|pair| seen.insert(pair.left) && seen.insert(pair.right)),
        "a record has two partners"
    );
}

#[test]
fn groups_of_one_table_are_people() {
    let (records, truth) = one_table(4, 2500);
    let outcome = linked(&records, false);
    let mut groups = std::collections::HashMap::<u32, Vec<u32>>::new();
    for (row, &group) in outcome.clusters.iter().enumerate() {
        groups.entry(group).or_default().push(row as u32);
    }
    let pairs = groups
        .values()
        .flat_map(|rows| rows.iter().enumerate().flat_map(move |(at, &a)| rows[at + 1..].iter().map(move |&b| (a, b))));
    let (precision, recall, f1) = f1(pairs, &truth, &records);
    assert!(f1 >= 0.98, "precision {precision:.4}, recall {recall:.4}, F1 {f1:.4}");
}

#[test]
fn without_the_class_of_relatives_households_are_taken_for_people() {
    let (records, truth) = two_tables(1, 3000);
    let mut model = propose(&records, Vec::new()).unwrap().model;
    for comparison in &mut model.comparisons {
        comparison.personal = false;
    }
    let outcome = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    let (precision, _, _) = f1(outcome.pairs.iter().map(|pair| (pair.left, pair.right)), &truth, &records);
    assert!(precision < 0.9, "precision {precision:.4}: the class is not what keeps relatives apart");
}
