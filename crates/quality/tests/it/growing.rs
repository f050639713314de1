//! A table that grew part by part has the outcome of the whole table, and the old parts are not read again.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use proptest::prelude::*;
use yihe_definitions::{Rule, RuleKind};
use yihe_quality::{
    Checker, CodeTables, FaultFile, Finish, Outcome, QualityError, References, SessionOptions, State, Surroundings,
    finish, finish_with,
};

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)])
}

fn checker(min: &str) -> Checker {
    let rules = [
        Rule::new("unique", RuleKind::Unique { columns: vec!["k".into()] }),
        Rule::new("both", RuleKind::Unique { columns: vec!["n".into(), "k".into()] }),
        Rule::new("number", RuleKind::Unique { columns: vec!["n".into()] }),
        Rule::new("range", RuleKind::Range { column: "n".into(), min: Some(min.into()), max: None }),
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

fn batch(rows: &[(Option<String>, Option<i64>)]) -> RecordBatch {
    let (texts, numbers): (Vec<Option<String>>, Vec<Option<i64>>) = rows.iter().cloned().unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(texts)), Arc::new(Int64Array::from(numbers))];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

/// Adds a part to version `version - 1` of the table in `folder`.
fn grow(checker: &Checker, part: &RecordBatch, version: usize, folder: &Path) -> Result<Outcome, QualityError> {
    let name = |version: usize, ending: &str| folder.join(format!("v{version}.{ending}"));
    let mut before = match version {
        0 => None,
        _ => Some((State::open(&name(version - 1, "state"))?, FaultFile::open(&name(version - 1, "faults"))?)),
    };
    let first_row = before.as_ref().map_or(0, |(state, _)| state.rows());
    let mut session = checker.session(SessionOptions::default());
    session.check(part, first_row)?;
    let state_out = name(version, "state");
    let outcome = finish_with(
        checker,
        vec![session],
        Finish {
            threads: 2,
            late: None,
            before: before.as_mut().map(|(state, faults)| (&*state, faults)),
            state_out: Some(&state_out),
        },
    )?;
    let ids = checker.rules().iter().map(|rule| rule.id.as_str()).zip(&outcome.failed);
    FaultFile::write(&name(version, "faults"), outcome.rows, ids)?;
    Ok(outcome)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_table_that_grew_in_parts_is_judged_like_the_whole(
        parts in prop::collection::vec(
            prop::collection::vec(
                (prop::option::of("[a-c]{1,2}|[0-9]{17}X|[x-z]{19}"), prop::option::of(0_i64..20)), 0..40),
            1..6),
    ) {
        let checker = checker("2");
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Vec::new();
        for (version, part) in parts.iter().enumerate() {
            rows.extend(part.clone());
            let mut session = checker.session(SessionOptions::default());
            session.check(&batch(&rows), 0).unwrap();
            let whole = finish(&checker, vec![session], 1, None).unwrap();
            let grown = grow(&checker, &batch(part), version, folder.path()).unwrap();
            prop_assert_eq!(grown, whole);
        }
    }
}

#[test]
fn a_long_chain_is_written_together_and_stays_right() {
    let checker = checker("0");
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for version in 0..40_i64 {
        let part: Vec<_> = (0..10).map(|row| (Some(format!("k{}", (version * 7 + row) % 200)), Some(row))).collect();
        rows.extend(part.clone());
        let outcome = grow(&checker, &batch(&part), usize::try_from(version).unwrap(), folder.path()).unwrap();
        if version == 39 {
            let mut session = checker.session(SessionOptions::default());
            session.check(&batch(&rows), 0).unwrap();
            assert_eq!(outcome, finish(&checker, vec![session], 1, None).unwrap());
        }
    }
    // What a long chain was written together into needs none of the files before it.
    for version in 0..16 {
        std::fs::remove_file(folder.path().join(format!("v{version}.state"))).unwrap();
    }
    State::open(&folder.path().join("v39.state")).unwrap();
}

#[test]
fn a_state_of_other_rules_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    grow(&checker("2"), &batch(&[(None, None)]), 0, folder.path()).unwrap();
    let refusal = grow(&checker("3"), &batch(&[(None, None)]), 1, folder.path()).unwrap_err();
    assert!(matches!(refusal, QualityError::ForeignState { .. }), "{refusal}");
}

#[test]
fn a_damaged_state_is_refused_and_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v0.state");
    grow(&checker("2"), &batch(&vec![(Some("a".to_owned()), Some(1)); 50]), 0, folder.path()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for end in [0, 7, 23, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert!(matches!(State::open(&path).unwrap_err(), QualityError::Damaged { .. }), "{end}");
    }
}
