//! Kernels say of every layout what a plain row-by-row reading says.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BinaryViewArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
        Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, RecordBatch,
        StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampSecondArray,
        UInt8Array, UInt16Array, UInt64Array,
    },
    datatypes::{DataType, Field, Schema},
};
use proptest::prelude::*;
use yihe_definitions::{
    Rule, RuleKind,
    rule::{Condition, Identifier},
};
use yihe_quality::{Checker, CodeTables, KeySet, References, SessionOptions, Surroundings, finish};

type Texts = Vec<Option<String>>;

/// Every way in which Arrow keeps text.
const LAYOUTS: usize = 12;

fn laid_out(texts: &Texts, layout: usize) -> ArrayRef {
    let strings = StringArray::from(texts.clone());
    let bytes: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    match layout {
        0 => Arc::new(strings),
        1 => Arc::new(LargeStringArray::from(texts.clone())),
        2 => Arc::new(StringViewArray::from(texts.iter().map(Option::as_deref).collect::<Vec<_>>())),
        3 => Arc::new(BinaryArray::from(bytes)),
        4 => Arc::new(LargeBinaryArray::from(bytes)),
        5 => Arc::new(BinaryViewArray::from(bytes)),
        6 => dictionary(texts, |keys, values| Arc::new(DictionaryArray::new(Int32Array::from(keys), values)), false),
        7 => dictionary(texts, |keys, values| Arc::new(DictionaryArray::new(narrow(&keys), values)), false),
        8 => dictionary(texts, |keys, values| Arc::new(DictionaryArray::new(unsigned(&keys), values)), false),
        9 => dictionary(texts, |keys, values| Arc::new(DictionaryArray::new(Int32Array::from(keys), values)), true),
        10 => dictionary(
            texts,
            |keys, values| {
                let views = arrow::compute::cast(&values, &DataType::Utf8View).unwrap();
                Arc::new(DictionaryArray::new(Int32Array::from(keys), views))
            },
            false,
        ),
        _ => {
            // A long dictionary of which the batch uses little.
            let mut longer: Texts = (0..2000).map(|number| Some(format!("unused {number}"))).collect();
            longer.extend(texts.clone());
            let all = dictionary(
                &longer,
                |keys, values| Arc::new(DictionaryArray::new(Int32Array::from(keys), values)),
                false,
            );
            all.slice(2000, texts.len())
        }
    }
}

fn narrow(keys: &[Option<i32>]) -> Int16Array {
    keys.iter().map(|key| key.map(|key| i16::try_from(key).unwrap())).collect()
}

fn unsigned(keys: &[Option<i32>]) -> UInt16Array {
    keys.iter().map(|key| key.map(|key| u16::try_from(key).unwrap())).collect()
}

/// With `null_value` a missing value is a key that points at a NULL in the dictionary.
fn dictionary(texts: &Texts, build: impl Fn(Vec<Option<i32>>, ArrayRef) -> ArrayRef, null_value: bool) -> ArrayRef {
    let mut values: Vec<Option<String>> = Vec::new();
    if null_value {
        values.push(None);
    }
    let keys = texts.iter().map(|text| {
        if text.is_none() {
            return null_value.then_some(0);
        }
        let at = values.iter().position(|known| known == text).unwrap_or_else(|| {
            values.push(text.clone());
            values.len() - 1
        });
        Some(i32::try_from(at).unwrap())
    });
    let keys: Vec<Option<i32>> = keys.collect();
    build(keys, Arc::new(StringArray::from(values)))
}

/// Puts other rows around an array and cuts them off again, so that buffers begin in their middle.
fn sliced(array: &ArrayRef, before: usize) -> ArrayRef {
    if array.is_empty() {
        return array.clone();
    }
    let first = array.slice(0, 1);
    let padding: Vec<&dyn Array> = std::iter::repeat_n(&first as &dyn Array, before).collect();
    let parts: Vec<&dyn Array> =
        padding.iter().copied().chain([array.as_ref() as &dyn Array]).chain([&first as &dyn Array]).collect();
    arrow::compute::concat(&parts).unwrap().slice(before, array.len())
}

struct Judged {
    evaluated: u64,
    failed: Vec<u32>,
}

fn check(rules: &[Rule], columns: Vec<(&str, ArrayRef)>, batches: usize) -> HashMap<String, Judged> {
    let schema = Arc::new(Schema::new(
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect::<Vec<_>>(),
    ));
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let mut references = References::new();
    let mut keys = KeySet::new();
    for key in REFERENCED {
        keys.insert(key);
    }
    references.insert("other", &["key".to_owned()], keys);
    let codes = CodeTables::new();
    let now = "2026-11-22T00:00:00Z".parse().unwrap();
    let around = Surroundings { codes: &codes, references: &references, predicates: None, now };
    let checker = Checker::compile(rules, &schema, &around).unwrap();
    let mut session = checker.session(SessionOptions::default());
    let step = batch.num_rows().div_ceil(batches).max(1);
    let mut at = 0;
    while at < batch.num_rows() {
        let rows = step.min(batch.num_rows() - at);
        let part = batch.slice(at, rows);
        let faults = session.check(&part, at as u64).unwrap();
        for row in 0..rows {
            let words = faults.row_words(row);
            for rule in 0..rules.len() {
                let failed = faults.failed(rule).is_some_and(|bits| bits.contains(row));
                assert_eq!(words[rule / 64] >> (rule % 64) & 1 == 1, failed);
            }
        }
        at += rows;
    }
    let outcome = finish(&checker, vec![session], 1, None).unwrap();
    let judged = rules.iter().enumerate().map(|(index, rule)| {
        let failed: Vec<u32> = outcome.failed[index].iter().collect();
        assert_eq!(outcome.counts[index].failed, failed.len() as u64);
        (rule.id.clone(), Judged { evaluated: outcome.counts[index].evaluated, failed })
    });
    judged.collect()
}

const REFERENCED: [&str; 5] = ["371302", "ab", "13812345678", "沂河", ""];
const LISTED: [&str; 5] = ["371302", "沂河", "abcdefghij", "1", ""];

fn text_rules() -> Vec<Rule> {
    let column = || "t".to_owned();
    let mut conditional = Rule::new("conditional", RuleKind::NotNull { column: column() });
    conditional.when =
        Some(Condition { column: "w".into(), one_of: Some(vec!["1".into()]), none_of: None, present: None });
    let mut other = Rule::new("other", RuleKind::Length { column: column(), min: Some(3), max: None });
    other.when = Some(Condition { column: "w".into(), one_of: None, none_of: Some(vec!["1".into()]), present: None });
    let mut alone = Rule::new("alone", RuleKind::Unique { columns: vec![column()] });
    alone.when = Some(Condition { column: "w".into(), one_of: None, none_of: None, present: Some(true) });
    vec![
        Rule::new("not_null", RuleKind::NotNull { column: column() }),
        Rule::new("pattern", RuleKind::Pattern { column: column(), pattern: r"1[3-9]\d{9}|[a-c]+".into() }),
        Rule::new("fixed", RuleKind::Pattern { column: column(), pattern: r"\d{17}[\dX]".into() }),
        Rule::new("length", RuleKind::Length { column: column(), min: Some(2), max: Some(6) }),
        Rule::new(
            "code_list",
            RuleKind::CodeList {
                column: column(),
                table: None,
                codes: LISTED.map(str::to_owned).to_vec(),
                valid_at: None,
                characters: None,
            },
        ),
        Rule::new("mobile", RuleKind::CheckDigit { column: column(), identifier: Identifier::Mobile }),
        Rule::new("citizen", RuleKind::CheckDigit { column: column(), identifier: Identifier::CitizenId }),
        Rule::new(
            "reference",
            RuleKind::Reference { columns: vec![column()], table: "other".into(), key: vec!["key".into()] },
        ),
        Rule::new("unique", RuleKind::Unique { columns: vec![column()] }),
        Rule::new("composite", RuleKind::Unique { columns: vec!["w".into(), column()] }),
        Rule::new("number", RuleKind::Range { column: column(), min: Some("0".into()), max: Some("371302".into()) }),
        conditional,
        other,
        alone,
    ]
}

fn plain_text(rule: &str, text: &str) -> bool {
    match rule {
        "pattern" => regex::Regex::new(r"^(?:1[3-9][0-9]{9}|[a-c]+)$").unwrap().is_match(text),
        "fixed" => regex::Regex::new(r"^[0-9]{17}[0-9X]$").unwrap().is_match(text),
        "length" => (2..=6).contains(&text.chars().count()),
        "other" => text.chars().count() >= 3,
        "code_list" => LISTED.contains(&text),
        "mobile" => regex::Regex::new(r"^1[3-9][0-9]{9}$").unwrap().is_match(text),
        "citizen" => text.parse::<yihe_vocabulary::CitizenId>().is_ok(),
        "reference" => REFERENCED.contains(&text),
        "number" => text.trim().parse::<f64>().is_ok_and(|number| (0.0..=371_302.0).contains(&number)),
        other => panic!("{other}"),
    }
}

fn plain_unique(keys: &[Option<String>]) -> Vec<u32> {
    let mut groups: HashMap<&String, Vec<u32>> = HashMap::new();
    for (row, key) in (0..).zip(keys) {
        if let Some(key) = key {
            groups.entry(key).or_default().push(row);
        }
    }
    let mut rows: Vec<u32> = groups.into_values().filter(|rows| rows.len() > 1).flatten().collect();
    rows.sort_unstable();
    rows
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => prop::sample::select(vec!["371302", "沂河", " ", "", "\u{3000}", "1", "ab", "11010519491231002X"])
            .prop_map(|text| Some(text.to_owned())),
        1 => "1[2-9][0-9]{8,10}".prop_map(Some),
        1 => "[a-d]{0,20}".prop_map(Some),
        1 => "[0-9]{17}[0-9X]".prop_map(Some),
        1 => "\\PC{0,8}".prop_map(Some),
    ]
}

fn name() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        60 => "[一-三王李沂河]{2,4}".prop_map(Some),
        2 => "[一-三]·[一-三]".prop_map(Some),
    ]
}

fn name_of_any_kind() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), text(), "[一二·]{0,25}".prop_map(Some), "[一二]{1,3}[a\\u{0}ÿ]".prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn text_kernels_agree_with_a_plain_reading_in_every_layout(
        rows in prop::collection::vec((text(), prop::option::of("[12]")), 0..200),
        layout in 0..LAYOUTS,
        other_layout in 0..LAYOUTS,
        before in 0_usize..70,
        batches in 1_usize..5,
    ) {
        let (texts, whens): (Texts, Texts) = rows.into_iter().unzip();
        let judged = check(
            &text_rules(),
            vec![
                ("t", sliced(&laid_out(&texts, layout), before)),
                ("w", sliced(&laid_out(&whens, other_layout), before / 2)),
            ],
            batches,
        );
        let is_blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        for (id, judged) in judged {
            let rows = (0..).zip(texts.iter().zip(&whens));
            let (evaluated, failed): (usize, Vec<u32>) = match id.as_str() {
                "not_null" => {
                    (texts.len(), rows.filter(|(_, (text, _))| is_blank(text)).map(|(row, _)| row).collect())
                }
                "conditional" => {
                    let rows: Vec<_> = rows.filter(|(_, (_, when))| when.as_deref() == Some("1")).collect();
                    (rows.len(), rows.iter().filter(|(_, (text, _))| is_blank(text)).map(|(row, _)| *row).collect())
                }
                "unique" => (texts.iter().flatten().count(), plain_unique(&texts)),
                "alone" => {
                    let keys: Texts =
                        rows.map(|(_, (text, when))| text.clone().filter(|_| when.is_some())).collect();
                    (keys.iter().flatten().count(), plain_unique(&keys))
                }
                "composite" => {
                    let keys: Texts = rows
                        .map(|(_, (text, when))| Some(format!("{}|{}", when.as_ref()?, text.as_ref()?)))
                        .collect();
                    (keys.iter().flatten().count(), plain_unique(&keys))
                }
                other => {
                    let among: Vec<_> = rows
                        .filter_map(|(row, (text, when))| Some((row, text.as_ref()?, when)))
                        .filter(|(_, _, when)| other != "other" || when.as_deref() == Some("2"))
                        .collect();
                    let failed = among.iter().filter(|(_, text, _)| !plain_text(other, text));
                    (among.len(), failed.map(|(row, _, _)| *row).collect())
                }
            };
            prop_assert_eq!(judged.evaluated, evaluated as u64, "evaluated of {}", &id);
            prop_assert_eq!(judged.failed, failed, "failed of {}", &id);
        }
    }

    /// Where most rows are good, rules are asked together and only the rows that fail are asked one by one.
    #[test]
    fn rules_that_are_asked_together_say_what_each_says(
        rows in prop::collection::vec((name(), prop::option::weighted(0.95, 18_i64..60)), 0..400),
        oddities in prop::collection::vec((0_usize..400, name_of_any_kind(), -5_i64..130), 0..8),
        layout in 0..LAYOUTS,
        before in 0_usize..70,
        batches in 1_usize..4,
    ) {
        let (mut names, mut ages): (Texts, Vec<Option<i64>>) = rows.into_iter().unzip();
        for (row, name, age) in oddities {
            if row < names.len() {
                (names[row], ages[row]) = (name, Some(age));
            }
        }
        let range = |id: &str, min: Option<&str>, max: Option<&str>| {
            let (min, max) = (min.map(str::to_owned), max.map(str::to_owned));
            Rule::new(id, RuleKind::Range { column: "age".into(), min, max })
        };
        let mut conditional = range("conditional", Some("1"), Some("120"));
        conditional.when =
            Some(Condition { column: "name".into(), one_of: None, none_of: None, present: Some(true) });
        let rules = vec![
            Rule::new("present", RuleKind::NotNull { column: "name".into() }),
            Rule::new("length", RuleKind::Length { column: "name".into(), min: Some(2), max: Some(4) }),
            Rule::new("han", RuleKind::Pattern { column: "name".into(), pattern: "[一-龥·]{2,20}".into() }),
            Rule::new("long", RuleKind::Length { column: "name".into(), min: Some(1), max: Some(8) }),
            range("least", Some("0"), None),
            range("most", None, Some("110")),
            range("wide", Some("-1"), Some("200")),
            conditional,
        ];
        let columns = vec![
            ("name", sliced(&laid_out(&names, layout), before)),
            ("age", sliced(&(Arc::new(Int64Array::from(ages.clone())) as ArrayRef), before)),
        ];
        let judged = check(&rules, columns, batches);
        let han = regex::Regex::new("^[一-龥·]{2,20}$").unwrap();
        for (id, judged) in judged {
            let fails = |name: &Option<String>, age: &Option<i64>| -> Option<bool> {
                let characters = name.as_ref().map(|name| name.chars().count());
                let blank = name.as_ref().is_none_or(|name| name.trim().is_empty());
                match id.as_str() {
                    "present" => Some(blank),
                    "length" => characters.map(|count| !(2..=4).contains(&count)),
                    "han" => name.as_ref().map(|name| !han.is_match(name)),
                    "long" => characters.map(|count| !(1..=8).contains(&count)),
                    "least" => age.map(|age| age < 0),
                    "most" => age.map(|age| age > 110),
                    "wide" => age.map(|age| !(-1..=200).contains(&age)),
                    "conditional" if blank => None,
                    "conditional" => age.map(|age| !(1..=120).contains(&age)),
                    other => panic!("{other}"),
                }
            };
            let says: Vec<Option<bool>> = names.iter().zip(&ages).map(|(name, age)| fails(name, age)).collect();
            let failed: Vec<u32> = (0..).zip(&says).filter(|(_, says)| **says == Some(true)).map(|(row, _)| row).collect();
            prop_assert_eq!(judged.evaluated, says.iter().flatten().count() as u64, "evaluated of {}", &id);
            prop_assert_eq!(judged.failed, failed, "failed of {}", &id);
        }
    }

    #[test]
    fn numbers_of_every_width_are_compared_alike(
        values in prop::collection::vec(prop::option::of(-120_i8..=120), 0..200),
        (low, high) in (-100_i8..0, 0_i8..100),
        before in 0_usize..70,
    ) {
        let wide: Vec<Option<i64>> = values.iter().map(|value| value.map(i64::from)).collect();
        let floats: Vec<Option<f64>> = values.iter().map(|value| value.map(f64::from)).collect();
        let positive: Vec<Option<u8>> = values.iter().map(|value| value.map(i8::unsigned_abs)).collect();
        let scaled = |factor: i64| -> Vec<Option<i64>> { wide.iter().map(|value| value.map(|value| value * factor)).collect() };
        let day = 86_400;
        let cents: Vec<Option<i128>> = wide.iter().map(|value| value.map(|value| i128::from(value) * 100)).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i8", Arc::new(Int8Array::from(values.clone()))),
            ("i16", Arc::new(wide.iter().map(|value| value.map(|value| value as i16)).collect::<Int16Array>())),
            ("i64", Arc::new(Int64Array::from(wide.clone()))),
            ("u8", Arc::new(UInt8Array::from(positive.clone()))),
            ("u64", Arc::new(positive.iter().map(|value| value.map(u64::from)).collect::<UInt64Array>())),
            ("f32", Arc::new(floats.iter().map(|value| value.map(|value| value as f32)).collect::<Float32Array>())),
            ("f64", Arc::new(Float64Array::from(floats.clone()))),
            ("decimal", Arc::new(Decimal128Array::from(cents).with_precision_and_scale(10, 2).unwrap())),
            ("day", Arc::new(wide.iter().map(|value| value.map(|value| value as i32)).collect::<Date32Array>())),
            ("seconds", Arc::new(TimestampSecondArray::from(scaled(day)))),
            ("millis", Arc::new(TimestampMillisecondArray::from(scaled(day * 1000)))),
            ("micros", Arc::new(TimestampMicrosecondArray::from(scaled(day * 1_000_000)).with_timezone("UTC"))),
        ];
        let date = |days: i8| {
            let (year, month, day) = yihe_quality::value::civil_from_days(i32::from(days));
            format!("{year:04}-{month:02}-{day:02}")
        };
        let rules: Vec<Rule> = columns.iter().map(|(name, array)| {
            let (min, max) = if matches!(array.data_type(), DataType::Date32 | DataType::Timestamp(..)) {
                (date(low), date(high))
            } else {
                (low.to_string(), format!("{high}.0"))
            };
            Rule::new(*name, RuleKind::Range { column: (*name).to_owned(), min: Some(min), max: Some(max) })
        }).collect();
        let names: Vec<String> = rules.iter().map(|rule| rule.id.clone()).collect();
        let sliced = columns.into_iter().map(|(name, array)| (name, sliced(&array, before))).collect();
        let judged = check(&rules, sliced, 2);
        for name in names {
            let unsigned = name.starts_with('u');
            let expected: Vec<u32> = (0..).zip(&values).filter_map(|(row, value)| {
                let value = if unsigned { i16::from(value.as_ref()?.unsigned_abs()) } else { i16::from((*value)?) };
                // Midnight in UTC is morning in China: the same day, also where the column is zoned.
                (value < i16::from(low) || value > i16::from(high)).then_some(row)
            }).collect();
            prop_assert_eq!(&judged[&name].failed, &expected, "{}", &name);
            prop_assert_eq!(judged[&name].evaluated, values.iter().flatten().count() as u64);
        }
    }
}
