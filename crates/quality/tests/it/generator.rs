//! A table of a city's people with injected faults and its own truth, counted while it is made.
//!
//! The twelve checks are those of the field's comparison; the truth is counted by a method of its own (what was
//! injected), never by the kernels.

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Date32Builder, Float64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use yihe_quality::{CheckOptions, FaultFile, RuleFile, check_files};

const STATUSES: [&str; 5] = ["在用", "注销", "迁出", "死亡", "待核"];
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

#[derive(Debug, Default, PartialEq)]
struct Truth {
    failed: HashMap<&'static str, u64>,
    duplicates: u64,
    surplus: u64,
}

fn division(random: &mut Pcg64) -> String {
    format!("37{:02}{:02}", random.random_range(1..=12), random.random_range(1..=8))
}

fn number(random: &mut Pcg64) -> String {
    let first = format!(
        "{}{:04}{:02}{:02}{:03}",
        division(random),
        random.random_range(1945..2024),
        random.random_range(1..=12),
        random.random_range(1..=28),
        random.random_range(0..1000)
    );
    let sum: u32 = first.bytes().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    format!("{first}{}", b"10X98765432"[(sum % 11) as usize] as char)
}

/// Writes people.parquet and divisions.csv, and says what is wrong in them.
#[expect(clippy::too_many_lines, reason = "one table, column by column")]
fn generate(folder: &Path, rows: usize, seed: u64) -> Truth {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut truth = Truth::default();
    let divisions: String =
        (1..=12).flat_map(|county| (1..=8).map(move |town| format!("37{county:02}{town:02}\n"))).collect();
    std::fs::write(folder.join("divisions.csv"), format!("code\n{divisions}")).unwrap();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id_no", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("birth", DataType::Date32, true),
        Field::new("phone", DataType::Utf8, true),
        Field::new("div_code", DataType::Utf8, true),
        Field::new("status", DataType::Utf8, true),
        Field::new("amount", DataType::Float64, true),
        Field::new("updated_at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]));
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20_000)).build();
    let file = File::create(folder.join("people.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).unwrap();
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut before = number(&mut random);
    let mut left = rows;
    while left > 0 {
        let count = left.min(50_000);
        left -= count;
        let mut texts: [StringBuilder; 5] = std::array::from_fn(|_| StringBuilder::new());
        let (mut births, mut amounts, mut updates) =
            (Date32Builder::new(), Float64Builder::new(), TimestampMicrosecondBuilder::new());
        for _ in 0..count {
            let fault = random.random_range(0..500_u32);
            let mut fail = |rule: &'static str| *truth.failed.entry(rule).or_default() += 1;
            let mut id = Some(number(&mut random));
            match fault {
                0 => {
                    fail("id_null");
                    id = None;
                }
                1 => {
                    // Too short: neither the form nor the check digit can be right.
                    fail("id_regex");
                    fail("id_check");
                    id = id.map(|id| id[..15].to_owned());
                }
                2 => {
                    fail("id_check");
                    id = id.map(|id| {
                        let wrong = if id.ends_with('5') { '6' } else { '5' };
                        format!("{}{wrong}", &id[..17])
                    });
                }
                3 => id = Some(before.clone()),
                _ => {}
            }
            if let Some(id) = &id {
                *seen.entry(id.clone()).or_default() += 1;
                // A copy must be a good number, or it would fail other rules too.
                if fault > 3 {
                    before.clone_from(id);
                }
            }
            texts[0].append_option(id);
            texts[1].append_option((fault != 4).then_some("王伟").or_else(|| {
                fail("name_null");
                None
            }));
            births.append_option((fault != 5).then(|| random.random_range(-9000..20_000)).or_else(|| {
                fail("birth_null");
                None
            }));
            let phone = random.random_range(3_000_000_000_u64..10_000_000_000);
            texts[2].append_value(if fault == 6 {
                fail("phone");
                format!("10{:09}", phone % 1_000_000_000)
            } else {
                format!("1{phone:010}")
            });
            texts[3].append_value(if fault == 7 {
                fail("div");
                "990001".to_owned()
            } else {
                division(&mut random)
            });
            texts[4].append_value(if fault == 8 {
                fail("status");
                "未知X"
            } else {
                STATUSES[random.random_range(0..5_usize)]
            });
            amounts.append_value(match fault {
                9 => {
                    fail("amount");
                    -1.0
                }
                10 => {
                    fail("amount");
                    2e6
                }
                _ => f64::from(random.random_range(0..=1_000_000_u32)),
            });
            let fresh = 1_790_000_000_000_000 + i64::from(random.next_u32());
            match fault {
                11 => {
                    fail("upd_null");
                    updates.append_null();
                }
                12 => {
                    fail("stale");
                    updates.append_value(1_550_000_000_000_000);
                }
                _ => updates.append_value(fresh),
            }
        }
        let [id, name, phone, div, status] = &mut texts;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(id.finish()),
            Arc::new(name.finish()),
            Arc::new(births.finish()),
            Arc::new(phone.finish()),
            Arc::new(div.finish()),
            Arc::new(status.finish()),
            Arc::new(amounts.finish()),
            Arc::new(updates.finish()),
        ];
        writer.write(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
    }
    writer.close().unwrap();
    for count in seen.into_values().filter(|count| *count > 1) {
        truth.duplicates += count;
        truth.surplus += count - 1;
    }
    truth
}

fn check_against_truth(rows: usize, seed: u64, threads: usize) {
    let folder = tempfile::tempdir().unwrap();
    let truth = generate(folder.path(), rows, seed);
    let yaml = include_str!("../../../../bench/quality-12.yaml").replace("divisions.parquet", "divisions.csv");
    let rules = RuleFile::parse(&yaml, folder.path()).unwrap();
    let mut options = CheckOptions::new("2026-11-22T00:00:00Z".parse().unwrap());
    options.threads = threads;
    folder.path().clone_into(&mut options.spill_dir);
    let faults = folder.path().join("faults.parquet");
    let report = check_files(&[folder.path().join("people.parquet")], &rules, Some(&faults), &options).unwrap();

    assert_eq!(report.rows, rows as u64);
    let mut all = 0;
    for rule in &report.rules {
        all += rule.failed;
        if rule.id == "dup" {
            assert_eq!((rule.failed, rule.surplus), (truth.duplicates, Some(truth.surplus)), "dup");
        } else {
            assert_eq!(rule.failed, truth.failed.get(rule.id.as_str()).copied().unwrap_or(0), "{}", rule.id);
        }
    }
    assert!(truth.duplicates > 0 && truth.failed.len() == 11, "{truth:?}");

    // The fault file has every fault once.
    let file = File::open(&faults).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let written: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(written as u64, all);

    // So has the file of row numbers.
    let path = folder.path().join("v1.faults");
    let ids = report.rules.iter().map(|rule| rule.id.as_str()).zip(&report.outcome.failed);
    FaultFile::write(&path, report.rows, ids).unwrap();
    let mut stored = FaultFile::open(&path).unwrap();
    for (index, rule) in report.rules.iter().enumerate() {
        assert_eq!(stored.bitmap_of(&rule.id).unwrap(), report.outcome.failed[index]);
    }
}

#[test]
fn counts_equal_the_truth_at_a_hundred_thousand_rows() {
    check_against_truth(100_000, 1, 1);
    check_against_truth(100_000, 2, 2);
}

#[test]
fn counts_equal_the_truth_at_a_million_rows() {
    check_against_truth(1_000_000, 3, 2);
}
