//! What people judged moves the model, and holds.

use yihe_linkage::{
    document,
    labels::{Label, read_labels},
    model::Model,
    propose::propose,
    records::Records,
    run::{Options, Outcome, run},
    write::Names,
};

use crate::people::{one_table, two_tables};

fn linked(model: &Model, records: &Records, labels: &[Label], threads: usize) -> Outcome {
    let options = Options { labels: labels.to_vec(), threads, ..Options::default() };
    run(model, records, &options, &|_, _, _| {}).unwrap()
}

/// F1 of pairs that nobody judged.
fn f1(outcome: &Outcome, truth: &[usize], records: &Records, labels: &[Label]) -> f64 {
    let judged: std::collections::HashSet<(u32, u32)> = labels.iter().map(|label| (label.left, label.right)).collect();
    let (mut right, mut found, mut all) = (0_u32, 0_u32, 0_u32);
    for pair in outcome.pairs.iter().filter(|pair| !judged.contains(&(pair.left, pair.right))) {
        found += 1;
        right += u32::from(truth[pair.left as usize] == truth[pair.right as usize]);
    }
    for left in 0..records.first {
        for other in records.first..records.rows {
            all += u32::from(truth[left] == truth[other] && !judged.contains(&(left as u32, other as u32)));
        }
    }
    2.0 * f64::from(right) / f64::from(found + all)
}

/// Two tables of households, a model that does not know what is personal, and some of its pairs judged by the truth.
fn doubtful() -> (Records, Vec<usize>, Model, Vec<Label>) {
    let (records, truth) = two_tables(41, 2000);
    let mut model = propose(&records, Vec::new()).unwrap().model;
    for comparison in &mut model.comparisons {
        comparison.personal = false;
    }
    let found = linked(&model, &records, &[], 1);
    let labels = found
        .pairs
        .iter()
        .step_by(found.pairs.len() / 150)
        .map(|pair| Label {
            left: pair.left,
            right: pair.right,
            same: truth[pair.left as usize] == truth[pair.right as usize],
        })
        .collect();
    (records, truth, model, labels)
}

#[test]
fn labels_improve_the_pairs_that_nobody_judged() {
    let (records, truth, model, labels) = doubtful();
    let without = f1(&linked(&model, &records, &[], 1), &truth, &records, &labels);
    let with = f1(&linked(&model, &records, &labels, 1), &truth, &records, &labels);
    assert!(with > without + 0.05, "{without:.4} without, {with:.4} with {} labels", labels.len());
}

#[test]
fn labels_do_not_hurt_a_model_that_is_right_and_never_depend_on_threads() {
    let (records, truth) = two_tables(42, 2000);
    let model = propose(&records, Vec::new()).unwrap().model;
    let without = linked(&model, &records, &[], 1);
    let labels: Vec<Label> = without
        .pairs
        .iter()
        .step_by(20)
        .map(|pair| Label {
            left: pair.left,
            right: pair.right,
            same: truth[pair.left as usize] == truth[pair.right as usize],
        })
        .collect();
    let with = linked(&model, &records, &labels, 1);
    let (before, after) = (f1(&without, &truth, &records, &labels), f1(&with, &truth, &records, &labels));
    assert!(after > before - 0.002, "{before:.4} without, {after:.4} with");
    let again = linked(&model, &records, &labels, 4);
    assert_eq!(document::model(&again.model), document::model(&with.model));
    assert_eq!(again.pairs, with.pairs);
}

#[test]
fn a_label_holds_for_its_own_pair() {
    let (records, _) = one_table(43, 600);
    let model = propose(&records, Vec::new()).unwrap().model;
    let without = linked(&model, &records, &[], 1);
    let pair = without.pairs[0];
    let strangers = Label { left: 0, right: 599, same: true };
    assert!(!without.pairs.iter().any(|pair| (pair.left, pair.right) == (0, 599)));
    let with = linked(&model, &records, &[Label { left: pair.left, right: pair.right, same: false }, strangers], 1);
    assert!(!with.pairs.iter().any(|other| (other.left, other.right) == (pair.left, pair.right)));
    assert_ne!(with.clusters[pair.left as usize], with.clusters[pair.right as usize]);
    assert!(with.pairs.iter().any(|pair| (pair.left, pair.right) == (0, 599)));
}

#[test]
fn labels_are_read_by_identifier_and_unknown_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (records, _) = one_table(44, 50);
    let model = propose(&records, Vec::new()).unwrap().model;
    let names = Names::new(&model, &records);
    let path = folder.path().join("labels.csv");
    let (a, b, c) = (names.id(3), names.id(1), names.id(5));
    std::fs::write(
        &path,
        format!("left_id,right_id,label\n{a},{b},same\n{b},{c},不同\n{c},{b},0\nnobody,{a},same\n{a},{c},unsure\n"),
    )
    .unwrap();
    let labels = read_labels(&path, &names, &records).unwrap();
    assert_eq!(labels.unknown, 1);
    assert_eq!(labels.labels, [Label { left: 1, right: 3, same: true }, Label { left: 1, right: 5, same: false }]);
    std::fs::write(&path, format!("left_id,right_id,label\n{a},{b},perhaps\n")).unwrap();
    let refused = read_labels(&path, &names, &records).unwrap_err().to_string();
    assert!(refused.contains("row 1") && refused.contains("perhaps"), "{refused}");
}
