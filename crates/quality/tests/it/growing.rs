//! A table that grew delivery by delivery has the outcome of what stands, judged at once; and old rows are not read
//! again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use yihe_definitions::{Rule, RuleKind};
use yihe_quality::{
    Checker, CodeTables, Counts, Grown, Growth, Outcome, Part, QualityError, References, SessionOptions, State,
    Surroundings, finish, grow,
};

/// Business key, a text, a number.
type Row = (Option<String>, Option<String>, Option<i64>);

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("k", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ])
}

fn checker(min: &str, key: &[&str]) -> Checker {
    let rules = [
        Rule::new("id_once", RuleKind::Unique { columns: vec!["id".into()] }),
        Rule::new("text_once", RuleKind::Unique { columns: vec!["k".into()] }),
        Rule::new("both_once", RuleKind::Unique { columns: vec!["n".into(), "k".into()] }),
        Rule::new("number_once", RuleKind::Unique { columns: vec!["n".into()] }),
        Rule::new("range", RuleKind::Range { column: "n".into(), min: Some(min.into()), max: None }),
        Rule::new("drift", RuleKind::Drift { column: "k".into(), distance: 0.1 }),
    ];
    let around = Surroundings {
        codes: &CodeTables::new(),
        references: &References::new(),
        predicates: None,
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
    };
    let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    Checker::compile_keyed(&rules, &key, &schema(), &around).unwrap()
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let ids: Vec<_> = rows.iter().map(|row| row.0.clone()).collect();
    let texts: Vec<_> = rows.iter().map(|row| row.1.clone()).collect();
    let numbers: Vec<_> = rows.iter().map(|row| row.2).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(ids)), Arc::new(StringArray::from(texts)), Arc::new(Int64Array::from(numbers))];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

/// Adds a delivery of several batches, the first of which has the number `first` among all.
fn deliver(
    checker: &Checker,
    folder: &Path,
    before: Option<&State>,
    batches: &[Vec<Row>],
    first: usize,
    replaces: bool,
) -> Result<Grown, QualityError> {
    let rows: Vec<Row> = batches.iter().flatten().cloned().collect();
    let parts: Vec<Part> = batches
        .iter()
        .enumerate()
        .map(|(number, rows)| Part {
            batch: format!("b{}", first + number),
            // Rows that did not land leave gaps.
            places: (0..u32::try_from(rows.len()).unwrap()).map(|row| row * 2 + 1).collect(),
        })
        .collect();
    let first_row = before.filter(|_| !replaces).map_or(0, State::next_row);
    let mut session = checker.session(SessionOptions { keep_skipped: true, ..SessionOptions::default() });
    session.check(&record_batch(&rows), first_row)?;
    let judged: Vec<String> = parts.iter().map(|part| part.batch.clone()).collect();
    grow(checker, vec![session], &Growth { folder, before, replaces, parts: &parts, judged: &judged, definition: "" })
}

/// What stands, the plain way.
#[derive(Default)]
struct Plain {
    rows: Vec<((String, u64), Row)>,
}

impl Plain {
    fn deliver(&mut self, batches: &[Vec<Row>], first: usize, replaces: bool, is_keyed: bool) {
        if replaces {
            self.rows.clear();
        }
        for (number, batch) in batches.iter().enumerate() {
            if is_keyed && !replaces {
                let known: BTreeSet<_> = batch.iter().filter_map(|row| row.0.clone()).collect();
                self.rows.retain(|(_, row)| row.0.as_ref().is_none_or(|id| !known.contains(id)));
            }
            for (row, at) in batch.iter().zip(0_u64..) {
                self.rows.push(((format!("b{}", first + number), at * 2 + 1), row.clone()));
            }
        }
    }

    fn judge(&self, checker: &Checker) -> Outcome {
        let rows: Vec<Row> = self.rows.iter().map(|(_, row)| row.clone()).collect();
        let mut session = checker.session(SessionOptions::default());
        session.check(&record_batch(&rows), 0).unwrap();
        finish(checker, vec![session], 1, None).unwrap()
    }

    /// By rule, where its failing rows came from.
    fn failing(&self, checker: &Checker) -> Vec<BTreeSet<(String, u64)>> {
        let outcome = self.judge(checker);
        let places = |rows: &RoaringBitmap| rows.iter().map(|row| self.rows[row as usize].0.clone()).collect();
        outcome.failed.iter().map(places).collect()
    }
}

fn places(state: &State, rows: &RoaringBitmap) -> BTreeSet<(String, u64)> {
    let found: BTreeMap<String, Vec<(u64, u32)>> = state.places(rows).unwrap();
    found.into_iter().flat_map(|(batch, rows)| rows.into_iter().map(move |(row, _)| (batch.clone(), row))).collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let id = prop::option::weighted(0.9, "[a-c][0-9]|[0-9]{17}X|x{19}[0-9]");
    let text = prop::option::of("[a-c]{1,2}|[x-z]{19}");
    prop::collection::vec((id, text, prop::option::of(0_i64..20)), 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Deliveries in any number of checks and batches, with corrections, removals and the same again, come to the
    /// verdicts of one check over what stands; and each check tells what it changed of older rows, neither more nor
    /// less.
    #[test]
    fn a_table_that_grew_is_judged_like_what_stands(
        deliveries in prop::collection::vec((prop::collection::vec(rows(), 1..4), prop::bool::weighted(0.15)), 1..7),
        is_keyed in any::<bool>(),
    ) {
        let checker = checker("2", if is_keyed { &["id"] } else { &[] });
        let folder = tempfile::tempdir().unwrap();
        let mut plain = Plain::default();
        let mut state: Option<State> = None;
        let mut first = 0;
        for (batches, replaces) in &deliveries {
            let before = plain.failing(&checker);
            plain.deliver(batches, first, *replaces, is_keyed);
            let grown = deliver(&checker, folder.path(), state.as_ref(), batches, first, *replaces).unwrap();
            let whole = plain.judge(&checker);
            prop_assert_eq!(grown.whole.rows, whole.rows);
            prop_assert_eq!(&grown.whole.counts, &whole.counts);
            let expected = plain.failing(&checker);
            let is_old = |batch: &str| batch[1..].parse::<usize>().unwrap() < first;
            let standing: BTreeSet<_> = plain.rows.iter().map(|(place, _)| place.clone()).collect();
            for rule in 0..checker.rules().len() {
                prop_assert_eq!(&places(&grown.state, &grown.state.failing(&checker, rule).unwrap()), &expected[rule]);
                let old = |of: &BTreeSet<(String, u64)>| -> BTreeSet<_> {
                    of.iter().filter(|place| is_old(&place.0) && standing.contains(*place)).cloned().collect()
                };
                let (was, is) = (old(&before[rule]), old(&expected[rule]));
                let failing: BTreeSet<_> = is.difference(&was).cloned().collect();
                let passing: BTreeSet<_> = was.difference(&is).cloned().collect();
                prop_assert_eq!(places(&grown.state, &grown.turned[rule].failing), failing);
                prop_assert_eq!(places(&grown.state, &grown.turned[rule].passing), passing);
                if !*replaces && batches.len() == 1 {
                    // The delivered rows' own verdicts are those of what stands.
                    let delivered: BTreeSet<_> =
                        expected[rule].iter().filter(|place| !is_old(&place.0)).cloned().collect();
                    prop_assert_eq!(places(&grown.state, &grown.delivered.failed[rule]), delivered);
                }
            }
            first += batches.len();
            // Each check opens what the last one left.
            state = State::open(folder.path(), &checker, |_| false).unwrap();
        }
    }
}

fn simple(id: impl ToString, text: &str, number: i64) -> Row {
    (Some(id.to_string()), Some(text.to_owned()), Some(number))
}

#[test]
fn many_deliveries_stay_few_files_and_right() {
    let checker = checker("0", &["id"]);
    let folder = tempfile::tempdir().unwrap();
    let mut plain = Plain::default();
    let mut state = None;
    for delivery in 0..60_i64 {
        let rows: Vec<_> =
            (0..20).map(|row| simple((delivery * 7 + row) % 300, &format!("k{}", row * 3), row)).collect();
        let first = usize::try_from(delivery).unwrap();
        plain.deliver(std::slice::from_ref(&rows), first, false, true);
        state = Some(deliver(&checker, folder.path(), state.as_ref(), &[rows], first, false).unwrap().state);
    }
    let state = state.unwrap();
    for (rule, expected) in plain.failing(&checker).iter().enumerate() {
        assert_eq!(&places(&state, &state.failing(&checker, rule).unwrap()), expected, "{rule}");
    }
    assert_eq!(state.counts(), plain.judge(&checker).counts);
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files < 20, "60 deliveries left {files} files");
}

#[test]
fn a_check_that_did_not_end_is_passed_over_and_repeated() {
    let checker = checker("0", &["id"]);
    let folder = tempfile::tempdir().unwrap();
    let first =
        deliver(&checker, folder.path(), None, &[vec![simple(1, "a", 1), simple(2, "b", 2)]], 0, false).unwrap();
    let second = vec![simple(3, "a", 3), simple(2, "c", 4)];
    let once = deliver(&checker, folder.path(), Some(&first.state), std::slice::from_ref(&second), 1, false).unwrap();
    // The process ended before the batch was known as checked: it is judged again, with more that came.
    let before = State::open(folder.path(), &checker, |batch| batch == "b1").unwrap().unwrap();
    assert_eq!((before.next_row(), before.standing()), (2, 2));
    let again = deliver(&checker, folder.path(), Some(&before), &[second], 1, false).unwrap();
    assert_eq!((again.whole, again.delivered, again.turned), (once.whole, once.delivered, once.turned));
    // And if the very first one did not end, there is none.
    assert!(State::open(folder.path(), &checker, |_| true).unwrap().is_none());
}

#[test]
fn a_state_of_other_rules_is_refused_and_other_words_are_no_other_rules() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vec![simple(1, "a", 1)];
    deliver(&checker("2", &["id"]), folder.path(), None, &[rows], 0, false).unwrap();
    for other in [checker("3", &["id"]), checker("2", &[])] {
        let refusal = State::open(folder.path(), &other, |_| false).unwrap_err();
        assert!(matches!(refusal, QualityError::ForeignState { .. }), "{refusal}");
    }
    assert!(State::open(folder.path(), &checker("2", &["id"]), |_| false).unwrap().is_some());
}

#[test]
fn a_damaged_state_is_refused_and_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let checker = checker("2", &["id"]);
    let rows: Vec<Row> = (0..50).map(|row| simple(row, "a", 1)).collect();
    deliver(&checker, folder.path(), None, &[rows], 0, false).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for end in [0, 7, 23, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).unwrap();
            let refusal = State::open(folder.path(), &checker, |_| false).unwrap_err();
            assert!(matches!(refusal, QualityError::Damaged { .. }), "{} {end}: {refusal}", path.display());
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(
        State::open(folder.path(), &checker, |_| false).unwrap().unwrap().counts()[4],
        Counts { evaluated: 50, failed: 50, surplus: None }
    );
}

#[test]
fn batches_that_are_not_those_of_the_scan_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checker = checker("2", &["id"]);
    let session = checker.session(SessionOptions::default());
    let parts = [Part { batch: "b".to_owned(), places: [1, 2].into_iter().collect() }];
    let growth =
        Growth { folder: folder.path(), before: None, replaces: false, parts: &parts, judged: &[], definition: "" };
    let refusal = grow(&checker, vec![session], &growth).unwrap_err();
    assert!(matches!(refusal, QualityError::Parts { found: 2, expected: 0 }), "{refusal}");
}
