//! However a scan is shared out, its outcome is the same.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use proptest::prelude::*;
use yihe_definitions::{Rule, RuleKind};
use yihe_quality::{Checker, CodeTables, Outcome, QualityError, References, SessionOptions, Surroundings, finish};

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)])
}

fn checker() -> Checker {
    let rules = [
        Rule::new("unique", RuleKind::Unique { columns: vec!["k".into()] }),
        Rule::new("both", RuleKind::Unique { columns: vec!["k".into(), "n".into()] }),
        Rule::new("number", RuleKind::Unique { columns: vec!["n".into()] }),
        Rule::new("range", RuleKind::Range { column: "n".into(), min: Some("2".into()), max: None }),
        Rule::new("drift", RuleKind::Drift { column: "k".into(), distance: 0.1 }),
    ];
    let around = Surroundings {
        codes: &CodeTables::new(),
        references: &References::new(),
        predicates: None,
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
    };
    Checker::compile(&rules, &schema(), &around).unwrap()
}

fn outcome(batch: &RecordBatch, sizes: &[usize], sessions: usize, threads: usize, memory_bytes: usize) -> Outcome {
    let checker = checker();
    let folder = tempfile::tempdir().unwrap();
    let options = SessionOptions { memory_bytes, spill_dir: folder.path().to_owned(), keep_skipped: false };
    let mut shares: Vec<_> = (0..sessions).map(|_| checker.session(options.clone())).collect();
    let mut parts = Vec::new();
    let mut at = 0;
    for size in sizes.iter().cycle() {
        if at >= batch.num_rows() {
            break;
        }
        let rows = (*size).min(batch.num_rows() - at);
        parts.push((at, batch.slice(at, rows)));
        at += rows;
    }
    // Backwards, so that no session sees ascending rows.
    for (index, (at, part)) in parts.iter().enumerate().rev() {
        shares[index % sessions].check(part, *at as u64).unwrap();
    }
    finish(&checker, shares, threads, None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_outcome_does_not_depend_on_threads_batches_or_memory(
        rows in prop::collection::vec((prop::option::of("[a-c]{1,2}|[x-z]{19}"), prop::option::of(0_i64..5)), 1..150),
        sizes in prop::collection::vec(1_usize..50, 1..5),
        sessions in 1_usize..4,
        threads in 1_usize..4,
        memory_bytes in prop::sample::select(vec![0, 100_000, 1 << 30]),
    ) {
        let (texts, numbers): (Vec<Option<String>>, Vec<Option<i64>>) = rows.into_iter().unzip();
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(StringArray::from(texts)), Arc::new(Int64Array::from(numbers))];
        let batch = RecordBatch::try_new(Arc::new(schema()), columns).unwrap();
        let whole = outcome(&batch, &[1000], 1, 1, 1 << 30);
        prop_assert_eq!(outcome(&batch, &sizes, sessions, threads, memory_bytes), whole);
    }
}

#[test]
fn a_row_beyond_what_a_scan_numbers_is_refused_with_the_bound() {
    let checker = checker();
    let batch = RecordBatch::new_empty(Arc::new(schema()));
    let refusal = checker.session(SessionOptions::default()).check(&batch, 1 << 33).unwrap_err();
    assert!(matches!(refusal, QualityError::RowBound { .. }), "{refusal}");
    assert!(refusal.to_string().contains("4294967295"), "{refusal}");
}

#[test]
fn a_batch_without_a_column_that_rules_read_is_refused_by_name() {
    let checker = checker();
    let batch = RecordBatch::new_empty(Arc::new(schema().project(&[0]).unwrap()));
    let refusal = checker.session(SessionOptions::default()).check(&batch, 0).unwrap_err();
    assert!(refusal.to_string().contains("`n`"), "{refusal}");
}
