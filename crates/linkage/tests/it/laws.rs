//! What must hold whatever the data.

use yihe_linkage::{
    document,
    explain::explain,
    model::{Constraint, Model, Reads},
    propose::propose,
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
    write,
};

use crate::people::{one_table, two_tables};

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (records, _) = two_tables(11, 2000);
    let model = propose(&records, Vec::new()).unwrap().model;
    let mut files = Vec::new();
    for threads in [1, 2, 5] {
        let outcome = run(&model, &records, &Options { threads, ..Options::default() }, &|_, _, _| {}).unwrap();
        let pairs = folder.path().join(format!("{threads}.pairs"));
        let clusters = folder.path().join(format!("{threads}.clusters"));
        write::pairs(&pairs, &records, &outcome).unwrap();
        write::clusters(&clusters, &records, &outcome).unwrap();
        files.push((std::fs::read(pairs).unwrap(), std::fs::read(clusters).unwrap(), document::model(&outcome.model)));
    }
    assert!(!files[0].0.is_empty());
    assert!(files.iter().all(|other| *other == files[0]));
}

#[test]
fn a_trained_model_links_as_the_run_that_trained_it() {
    let (records, _) = two_tables(12, 1500);
    let proposed = propose(&records, Vec::new()).unwrap().model;
    let trained = run(&proposed, &records, &Options::default(), &|_, _, _| {}).unwrap();
    let read = Model::parse(&document::model(&trained.model)).unwrap();
    assert!(read.is_trained());
    let again = run(&read, &records, &Options::default(), &|_, _, _| {}).unwrap();
    let rows = |outcome: &yihe_linkage::run::Outcome| -> Vec<(u32, u32)> {
        outcome.pairs.iter().map(|pair| (pair.left, pair.right)).collect()
    };
    assert_eq!(rows(&trained), rows(&again));
}

#[test]
fn a_proposal_is_a_model_that_reads_back() {
    let (records, _) = one_table(13, 800);
    let proposal = propose(&records, Vec::new()).unwrap();
    assert_eq!(Model::parse(&document::proposal(&proposal)).unwrap(), proposal.model);
    assert_eq!(proposal.model.id.as_deref(), Some("编号"));
}

#[test]
fn the_weights_of_an_explanation_add_up_to_the_probability() {
    let (records, _) = two_tables(14, 1500);
    let model = propose(&records, Vec::new()).unwrap().model;
    let outcome = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    for pair in outcome.pairs.iter().step_by(200) {
        let reasons = explain(&outcome.model, &records, pair.left, pair.right).unwrap();
        let sum =
            reasons.prior + reasons.steps.iter().map(|step| step.weight).sum::<f64>() + reasons.moved + reasons.kin;
        assert!((sum - pair.weight).abs() < 0.05, "{sum} against {}", pair.weight);
        assert!((reasons.probability - 1.0 / (1.0 + (-sum).exp2())).abs() < 1e-9);
    }
}

/// Two people who share a number that does not add up, and two who share one that does.
fn numbers() -> Records {
    let mut columns: Vec<ColumnBuilder> =
        ["rec_id", "姓名", "身份证号"].iter().map(|name| ColumnBuilder::new(name)).collect();
    let surnames: Vec<char> = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹".chars().collect();
    let mut rows = 0;
    let mut push = |name: &str, number: &str| {
        for (column, value) in columns.iter_mut().zip([format!("r{rows}").as_str(), name, number]) {
            column.push(Some(value));
        }
        rows += 1;
    };
    push("王建国", "11010519491231002X");
    push("王健国", "11010519491231002X");
    push("李小红", "110105194912310020");
    push("赵大明", "110105194912310020");
    for (at, surname) in surnames.iter().enumerate() {
        let first17 = format!("3713021980010{:04}", 1000 + at * 7);
        let digits: [u8; 17] = first17.as_bytes().try_into().unwrap();
        let check = yihe_vocabulary::citizen_id::check_character(&digits).unwrap();
        push(&format!("{surname}{}", ["伟", "芳", "敏强"][at % 3]), &format!("{first17}{}", check as char));
    }
    Records::one(Table {
        name: "numbers".to_owned(),
        columns: columns.into_iter().map(ColumnBuilder::finish).collect(),
        rows,
    })
}

#[test]
fn a_number_that_does_not_add_up_neither_blocks_nor_matches() {
    let records = numbers();
    let yaml = "
comparisons:
  - {column: 身份证号, reads: citizen_id, levels: [{when: exact, m: 0.99, u: 0.000001}, {when: other, m: 0.01, u: 0.999999}]}
prior: 0.001
blocking: [{keys: [{column: 身份证号, reads: citizen_id}]}]
";
    let outcome = run(&Model::parse(yaml).unwrap(), &records, &Options::default(), &|_, _, _| {}).unwrap();
    assert_eq!(outcome.compared, 1);
    assert_eq!(outcome.pairs.iter().map(|pair| (pair.left, pair.right)).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn two_different_numbers_that_add_up_forbid_a_link() {
    let (mut records, _) = one_table(15, 600);
    let mut numbers = ColumnBuilder::new("号码");
    for row in 0..records.rows {
        numbers.push(Some(&format!("{row}")));
    }
    records.columns.push(numbers.finish());
    let mut model = propose(&records, Vec::new()).unwrap().model;
    model.comparisons.retain(|comparison| comparison.column != "号码");
    let free = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    model.must_not_differ.push(Constraint { column: "号码".to_owned(), reads: Reads::Code });
    let bound = run(&model, &records, &Options::default(), &|_, _, _| {}).unwrap();
    assert!(!free.pairs.is_empty());
    assert!(bound.pairs.is_empty());
    assert!(bound.clusters.iter().enumerate().all(|(row, &group)| row as u32 == group));
}
