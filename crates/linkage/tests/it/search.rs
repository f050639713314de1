//! One record against many.

use yihe_linkage::{
    explain::explain,
    model::{Model, Part},
    propose::propose,
    records::Records,
    run::{Options, run},
    search::{BLOCK_MAX, Index},
};

use crate::people::{Person, register_and_delivery, table};

fn value(person: &Person, column: &str) -> Option<String> {
    let text = match column {
        "姓名" => &person.name,
        "性别" => person.sex,
        "出生日期" => &person.birth,
        "住址" => &person.address,
        "手机" => &person.mobile,
        _ => return None,
    };
    Some(text.to_owned())
}

#[test]
fn a_look_up_finds_whom_a_run_finds_with_the_same_weights() {
    let (register, delivery) = register_and_delivery(51, 2500);
    let (first, second) = (table(&register), table(&delivery));
    let names: Vec<(String, String)> =
        first.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    let both = Records::two(first, second, &names).unwrap();
    let proposed = propose(&both, Vec::new()).unwrap().model;
    let outcome = run(&proposed, &both, &Options::default(), &|_, _, _| {}).unwrap();

    let mut index = Index::build(&outcome.model, Records::one(table(&register))).unwrap();
    assert_eq!(index.rows(), register.len());
    let (mut right, mut known, mut compared) = (0, 0, 0);
    for person in &delivery {
        let answer = index.find(&|column| value(person, column), 0.5);
        compared += answer.compared;
        known += usize::from(person.truth < register.len() && register.iter().any(|other| other.truth == person.truth));
        right +=
            usize::from(answer.found.first().is_some_and(|best| register[best.row as usize].truth == person.truth));
        for found in &answer.found {
            let steps: f64 = found.waterfall.steps.iter().map(|step| step.weight).sum();
            let sum = found.waterfall.prior + steps + found.waterfall.moved + found.waterfall.kin;
            assert!((sum - found.weight).abs() < 1e-6);
        }
    }
    assert!(right * 100 >= known * 97, "{right} of {known} found");
    assert!(compared < delivery.len() * 300, "{} records compared for each", compared / delivery.len());
}

#[test]
fn asking_leaves_nothing_behind() {
    let (register, delivery) = register_and_delivery(52, 1500);
    let records = Records::one(table(&register));
    let both = Records::one(table(&[register.clone(), delivery.clone()].concat()));
    let model = propose(&both, Vec::new()).unwrap().model;
    let model = run(&model, &both, &Options::default(), &|_, _, _| {}).unwrap().model;
    let mut index = Index::build(&model, records).unwrap();
    let mut ask = |person: &Person| {
        let answer = index.find(&|column| value(person, column), 0.01);
        answer.found.iter().map(|found| (found.row, found.weight.to_bits())).collect::<Vec<_>>()
    };
    let first: Vec<_> = delivery[..50].iter().map(&mut ask).collect();
    let again: Vec<_> = delivery[..50].iter().map(&mut ask).collect();
    assert_eq!(first, again);
    assert!(first.iter().filter(|found| !found.is_empty()).count() > 20);
}

/// A model of people, trained on a register and a delivery, and the table of both.
fn trained(seed: u64, people: usize) -> (Model, Vec<Person>, Records) {
    let (mut all, delivery) = register_and_delivery(seed, people);
    all.extend(delivery);
    let records = Records::one(table(&all));
    let model = propose(&records, Vec::new()).unwrap().model;
    (run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap().model, all, records)
}

#[test]
fn a_look_up_weighs_as_a_run_does_to_the_last_bit() {
    let (model, all, records) = trained(53, 1500);
    let mut index = Index::build(&model, records.clone()).unwrap();
    let mut looked_at = 0;
    for (row, person) in all.iter().enumerate().rev().step_by(7) {
        let answer = index.find(&|column| value(person, column), 0.01);
        assert!(answer.found.iter().any(|found| found.row as usize == row), "it finds itself");
        // The record that is asked about is in the table too: a run gives the same pair the same weight.
        for found in answer.found.iter().filter(|found| (found.row as usize) < row) {
            let pair = explain(&model, &records, found.row, row as u32).unwrap();
            let weights = |waterfall: &yihe_linkage::explain::Waterfall| -> Vec<f64> {
                waterfall.steps.iter().map(|step| step.weight).collect()
            };
            assert_eq!(weights(&found.waterfall), weights(&pair));
            assert!((found.waterfall.probability - pair.probability).abs() < 1e-12);
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "{looked_at} pairs");
}

#[test]
fn a_common_key_is_left_out_and_named() {
    let (mut model, all, records) = trained(54, 5000);
    // A rule by which half of the table is one block, beside the others.
    let mut common = model.blocking[0].clone();
    common.keys.truncate(1);
    common.keys[0].column = "性别".to_owned();
    common.keys[0].reads = yihe_linkage::model::Reads::Text;
    common.keys[0].part = Part::Whole;
    common.block_max = None;
    model.blocking.push(common);
    let mut index = Index::build(&model, records).unwrap();
    let answer = index.find(&|column| value(&all[9], column), 0.5);
    assert_eq!(answer.found[0].row, 9);
    let left_out = answer.left_out.iter().find(|(rule, _)| rule == "性别").unwrap();
    assert!(left_out.1 > BLOCK_MAX, "{left_out:?}");
    assert!(answer.compared < all.len() / 4, "{} compared", answer.compared);
}
