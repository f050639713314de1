//! Rule documents: whatever is written becomes rules that compile, or a refusal. Never a panic, never a hang.
#![no_main]

use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use libfuzzer_sys::fuzz_target;
use yihe_quality::{Checker, CodeTables, References, RuleFile, Surroundings};

fuzz_target!(|yaml: &str| {
    let Ok(rules) = RuleFile::parse(yaml, Path::new("")) else { return };
    let schema = Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Int64, true),
        Field::new("c", DataType::Decimal128(18, 2), true),
        Field::new("d", DataType::Date32, true),
        Field::new("e", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]);
    let around = Surroundings {
        codes: &CodeTables::new(),
        references: &References::new(),
        predicates: None,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let _ = Checker::compile(&rules.rules, &schema, &around);
});
