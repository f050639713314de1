//! Whatever is written into a rule file is either rules or a refusal with words in it, and compiles or says why not.

use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use yihe_quality::{Checker, CodeTables, References, RuleFile, Surroundings};

/// Parses and compiles a document, as `yihe check` would.
fn read(yaml: &str) {
    let rules = match RuleFile::parse(yaml, Path::new("")) {
        Ok(rules) => rules.rules,
        Err(refusal) => {
            assert!(refusal.to_string().len() > 20, "{refusal}");
            return;
        }
    };
    let schema = Schema::new(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
        Field::new("money", DataType::Decimal128(18, 2), true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("yes", DataType::Boolean, true),
        Field::new("nested", DataType::new_list(DataType::Utf8, true), true),
    ]);
    let around = Surroundings {
        codes: &CodeTables::new(),
        references: &References::new(),
        predicates: None,
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
    };
    if let Err(faults) = Checker::compile(&rules, &schema, &around) {
        assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.reason.is_empty()));
    }
}

#[test]
fn the_example_can_be_cut_off_anywhere() {
    let example = include_str!("../../examples/rules.yaml");
    for end in (0..example.len()).step_by(37).filter(|end| example.is_char_boundary(*end)) {
        read(&example[..end]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_document_of_any_keys_and_values_is_read_or_refused(
        kind in "not_null|unique|pattern|length|code_list|range|check_digit|citizen_agrees|order|reference|reconcile|freshness|volume|drift|predicate|other",
        keys in prop::collection::vec(
            (
                "column|columns|pattern|min|max|table|codes|valid_at|identifier|birth_on|sex|earlier|later|key|compare|required|within_days|every_row|change_percent|distance|sql|when|severity|dimension|message|owner|strange",
                prop_oneof![
                    Just("text".to_owned()), Just("number".to_owned()), Just("day".to_owned()), Just("at".to_owned()),
                    Just("[text, number]".to_owned()), Just("{column: text, in: [a]}".to_owned()), Just("~".to_owned()),
                    Just("citizen_id".to_owned()), Just("true".to_owned()), Just("2024-02-30".to_owned()),
                    "-?[0-9]{1,25}(\\.[0-9]{1,25})?(e[0-9]{1,4})?", "\\PC{0,12}", Just("'(a{9999}){9999}'".to_owned()),
                ],
            ),
            0..6,
        ),
    ) {
        let mut yaml = format!("rules:\n  - id: r\n    kind: {kind}\n");
        for (key, value) in keys {
            yaml.push_str(&format!("    {key}: {value}\n"));
        }
        read(&yaml);
    }

    #[test]
    fn no_text_makes_the_reader_panic(yaml in "\\PC{0,200}") {
        read(&yaml);
    }
}
