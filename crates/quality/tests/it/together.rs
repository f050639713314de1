//! Rules that are checked together answer as each of them alone, though the stricter ones spare the others work.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use proptest::prelude::*;
use yihe_definitions::{Rule, RuleKind, rule::Condition, rule::Identifier};
use yihe_quality::{Checker, CodeTables, Outcome, References, SessionOptions, Surroundings, finish};

fn rules() -> Vec<Rule> {
    let column = || "a".to_owned();
    let pattern = |text: &str| RuleKind::Pattern { column: column(), pattern: text.to_owned() };
    let digits = |identifier| RuleKind::CheckDigit { column: column(), identifier };
    let length = |min, max| RuleKind::Length { column: column(), min, max };
    let kinds = [
        RuleKind::NotNull { column: column() },
        pattern(r"\d{17}[\dX]"),
        digits(Identifier::CitizenId),
        digits(Identifier::CitizenIdLegacy),
        digits(Identifier::Mobile),
        pattern(r"1[3-9]\d{9}"),
        pattern(r"1\d{10}"),
        pattern(r"1[0-9]{10}"),
        length(Some(11), Some(11)),
        length(Some(1), None),
        length(None, Some(18)),
        pattern(r"[\x{4e00}-\x{9fff}·]{2,20}"),
        pattern(".*"),
        digits(Identifier::PostalCode),
        pattern(r"\d{6}"),
        RuleKind::CodeList {
            column: column(),
            table: None,
            codes: vec!["276000".into(), "王".into()],
            valid_at: None,
            characters: None,
        },
    ];
    let mut rules: Vec<Rule> =
        kinds.into_iter().enumerate().map(|(index, kind)| Rule::new(format!("r{index}"), kind)).collect();
    let condition = Condition { column: "b".into(), one_of: Some(vec!["x".into()]), none_of: None, present: None };
    let mut conditional = rules.clone();
    for rule in &mut conditional {
        rule.id.push_str("_when");
        rule.when = Some(condition.clone());
    }
    rules.extend(conditional);
    rules
}

fn outcome(rules: &[Rule], batch: &RecordBatch) -> Outcome {
    let around = Surroundings {
        codes: &CodeTables::new(),
        references: &References::new(),
        predicates: None,
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
    };
    let checker = Checker::compile(rules, &batch.schema(), &around).unwrap();
    let mut session = checker.session(SessionOptions::default());
    let half = batch.num_rows() / 2;
    session.check(&batch.slice(0, half), 0).unwrap();
    session.check(&batch.slice(half, batch.num_rows() - half), half as u64).unwrap();
    finish(&checker, vec![session], 1, None).unwrap()
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "1[3-9][0-9]{9}".prop_map(Some),
        "1[0-9]{10}".prop_map(Some),
        "[0-9]{15}|[0-9]{6}|276000".prop_map(Some),
        Just(Some("11010519491231002X".to_owned())),
        "[1-9][0-9]{16}[0-9X]".prop_map(Some),
        "[王李伟芳·]{0,4}".prop_map(Some),
        "[ \u{3000}\u{a0}\t]{0,3}".prop_map(Some),
        "[0-9a王 \u{3000}１]{0,12}".prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn together_is_as_alone(
        rows in prop::collection::vec((text(), prop_oneof![Just(None), Just(Some("x")), Just(Some("y"))]), 0..150),
        layout in 0_usize..4,
        order in any::<prop::sample::Index>(),
    ) {
        let texts: ArrayRef = Arc::new(rows.iter().map(|(text, _)| text.clone()).collect::<StringArray>());
        let to = [
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        ];
        let columns: Vec<ArrayRef> =
            vec![cast(&texts, &to[layout]).unwrap(), Arc::new(rows.iter().map(|(_, other)| *other).collect::<StringArray>())];
        let fields = vec![Field::new("a", to[layout].clone(), true), Field::new("b", DataType::Utf8, true)];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let mut rules = rules();
        let turn = order.index(rules.len());
        rules.rotate_left(turn);
        let together = outcome(&rules, &batch);
        for (index, rule) in rules.iter().enumerate() {
            let alone = outcome(std::slice::from_ref(rule), &batch);
            prop_assert_eq!(&together.counts[index], &alone.counts[0], "{}", rule.id);
            prop_assert_eq!(&together.failed[index], &alone.failed[0], "{}", rule.id);
        }
    }
}
