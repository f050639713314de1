//! Every kind of rule is broken once and found, in every format, with the row and the value.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema},
};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use yihe_definitions::RuleKind;
use yihe_quality::{Baseline, CheckOptions, Predicates, QualityError, Report, RowPredicate, RuleFile, check_files};

const COLUMNS: [&str; 12] = [
    "citizen_id",
    "name",
    "sex",
    "birth_on",
    "household_division",
    "postal_code",
    "status",
    "died_on",
    "changed_on",
    "capital",
    "paid_capital",
    "credit_code",
];

type Row = BTreeMap<&'static str, Option<String>>;

fn citizen_id(first17: &str) -> String {
    let bytes = first17.as_bytes().first_chunk::<17>().unwrap();
    format!("{first17}{}", char::from(yihe_vocabulary::citizen_id::check_character(bytes).unwrap()))
}

/// Twenty rows with which nothing is wrong.
fn good() -> Vec<Row> {
    (0..20)
        .map(|row| {
            let sequence = 100 + row;
            let dead = row % 10 == 9;
            let text = |text: &str| Some(text.to_owned());
            BTreeMap::from([
                ("citizen_id", Some(citizen_id(&format!("37130219800101{sequence:03}")))),
                ("name", Some(format!("王{}", char::from_u32(0x4f1f + row).unwrap()))),
                ("sex", text(if sequence % 2 == 1 { "1" } else { "2" })),
                ("birth_on", text("1980-01-01")),
                ("household_division", text("371302")),
                ("postal_code", text("276000")),
                ("status", text(if dead { "死亡" } else { "在用" })),
                ("died_on", dead.then(|| "2020-02-29".to_owned())),
                ("changed_on", text("2026-11-01")),
                ("capital", text("1000.50")),
                ("paid_capital", text("1000.50")),
                ("credit_code", text("91350100M000100Y43")),
            ])
        })
        .collect()
}

/// What to change, and what must then be found.
struct Break {
    rule: &'static str,
    edits: &'static [(usize, &'static str, Option<&'static str>)],
    /// Rows, counted from 1, with the value that is shown.
    faults: &'static [(i64, Option<&'static str>)],
}

const BREAKS: &[Break] = &[
    Break { rule: "id_present", edits: &[(3, "citizen_id", None)], faults: &[(4, None)] },
    Break { rule: "id_present", edits: &[(3, "citizen_id", Some("　"))], faults: &[(4, Some("　"))] },
    Break {
        rule: "id_unique",
        edits: &[(0, "citizen_id", Some("same")), (7, "citizen_id", Some("same"))],
        faults: &[(1, Some("same")), (8, Some("same"))],
    },
    Break { rule: "id_unique", edits: &[(0, "citizen_id", None), (7, "citizen_id", None)], faults: &[] },
    Break {
        rule: "household_unique",
        edits: &[(2, "citizen_id", Some("x")), (5, "citizen_id", Some("x"))],
        faults: &[(3, Some("371302, x")), (6, Some("371302, x"))],
    },
    Break {
        rule: "postal_code_form",
        edits: &[(1, "postal_code", Some("２７６０００"))],
        faults: &[(2, Some("２７６０００"))],
    },
    Break { rule: "name_length", edits: &[(19, "name", Some("王"))], faults: &[(20, Some("王"))] },
    Break { rule: "status_known", edits: &[(4, "status", Some("未知"))], faults: &[(5, Some("未知"))] },
    Break { rule: "sex_known", edits: &[(4, "sex", Some("3"))], faults: &[(5, Some("3"))] },
    Break {
        rule: "division_valid",
        edits: &[(6, "household_division", Some("371399")), (7, "household_division", Some("371323"))],
        faults: &[(7, Some("371399, 2026-11-01")), (8, Some("371323, 2026-11-01"))],
    },
    Break {
        rule: "division_valid",
        edits: &[(7, "household_division", Some("371323")), (7, "changed_on", Some("1999-12-31"))],
        faults: &[],
    },
    Break {
        rule: "capital_plausible",
        edits: &[(0, "capital", Some("-0.01")), (1, "capital", Some("1000000000000.01"))],
        faults: &[(1, Some("-0.01")), (2, Some("1000000000000.01"))],
    },
    Break { rule: "born_plausible", edits: &[(0, "birth_on", Some("1899-12-31"))], faults: &[(1, Some("1899-12-31"))] },
    Break {
        rule: "id_adds_up",
        edits: &[(0, "citizen_id", Some("371302198001010000"))],
        faults: &[(1, Some("371302198001010000"))],
    },
    Break {
        rule: "credit_code_adds_up",
        edits: &[(0, "credit_code", Some("91350100M000100Y44"))],
        faults: &[(1, Some("91350100M000100Y44"))],
    },
    Break {
        rule: "id_agrees",
        edits: &[(0, "birth_on", Some("1980-01-02"))],
        faults: &[(1, Some("371302198001011001, 1980-01-02, 2"))],
    },
    Break {
        rule: "id_agrees",
        edits: &[(0, "sex", Some("男"))],
        faults: &[(1, Some("371302198001011001, 1980-01-01, 男"))],
    },
    Break {
        rule: "died_after_birth",
        edits: &[(9, "died_on", Some("1979-12-31"))],
        faults: &[(10, Some("1979-12-31, 1980-01-01"))],
    },
    Break { rule: "died_on_given", edits: &[(9, "died_on", None)], faults: &[(10, None)] },
    Break { rule: "died_on_given", edits: &[(8, "died_on", None)], faults: &[] },
    Break {
        rule: "employer_registered",
        edits: &[(3, "credit_code", Some("11370800004312466C"))],
        faults: &[(4, Some("11370800004312466C"))],
    },
    Break {
        rule: "name_as_police",
        edits: &[(0, "name", Some("王二"))],
        faults: &[(1, Some("371302198001011001, 王二"))],
    },
    Break { rule: "name_as_police", edits: &[(1, "name", Some("王二"))], faults: &[] },
    Break { rule: "rows_fresh", edits: &[(2, "changed_on", Some("2016-01-01"))], faults: &[(3, Some("2016-01-01"))] },
    Break {
        rule: "paid_not_above_capital",
        edits: &[(2, "paid_capital", Some("2000.00"))],
        faults: &[(3, Some("2000.00, 1000.50"))],
    },
];

/// The rule of the example that stands for a kind. A new kind does not compile until it has one.
const fn example_of(kind: &RuleKind) -> &'static str {
    match kind {
        RuleKind::NotNull { .. } => "id_present",
        RuleKind::Unique { .. } => "id_unique",
        RuleKind::Pattern { .. } => "postal_code_form",
        RuleKind::Length { .. } => "name_length",
        RuleKind::CodeList { .. } => "status_known",
        RuleKind::Range { .. } => "capital_plausible",
        RuleKind::CheckDigit { .. } => "id_adds_up",
        RuleKind::CitizenAgrees { .. } => "id_agrees",
        RuleKind::Order { .. } => "died_after_birth",
        RuleKind::Reference { .. } => "employer_registered",
        RuleKind::Reconcile { .. } => "name_as_police",
        RuleKind::Freshness { .. } => "rows_fresh",
        RuleKind::Volume { .. } => "volume",
        RuleKind::Drift { .. } => "status_stable",
        RuleKind::Predicate { .. } => "paid_not_above_capital",
    }
}

#[derive(Debug)]
struct PaidAgainstCapital;

impl Predicates for PaidAgainstCapital {
    fn compile(&self, sql: &str, _schema: &Schema) -> Result<Box<dyn RowPredicate>, String> {
        assert_eq!(sql, "paid_capital <= capital");
        Ok(Box::new(Self))
    }
}

impl RowPredicate for PaidAgainstCapital {
    fn columns(&self) -> Vec<String> {
        vec!["paid_capital".to_owned(), "capital".to_owned()]
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let number = |column: &str, row: usize| -> Option<f64> {
            let texts = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
            texts.is_valid(row).then(|| texts.as_string::<i32>().value(row).parse().unwrap())
        };
        let answer = |row| Some(number("paid_capital", row)? <= number("capital", row)?);
        Ok((0..batch.num_rows()).map(answer).collect())
    }
}

#[derive(Debug, Clone, Copy)]
enum Container {
    Csv,
    CsvGb18030,
    Tsv,
    Utf16,
    Jsonl,
    JsonArray,
    Xlsx,
    Parquet,
    TypedParquet,
}

const CONTAINERS: [Container; 9] = [
    Container::Csv,
    Container::CsvGb18030,
    Container::Tsv,
    Container::Utf16,
    Container::Jsonl,
    Container::JsonArray,
    Container::Xlsx,
    Container::Parquet,
    Container::TypedParquet,
];

fn write(folder: &Path, rows: &[Row], container: Container) -> PathBuf {
    match container {
        Container::Xlsx => {
            let path = folder.join("people.xlsx");
            let mut workbook = rust_xlsxwriter::Workbook::new();
            let sheet = workbook.add_worksheet();
            for (column, name) in (0..).zip(COLUMNS) {
                sheet.write_string(0, column, name).unwrap();
                for (line, row) in (1..).zip(rows) {
                    if let Some(text) = &row[name] {
                        sheet.write_string(line, column, text).unwrap();
                    }
                }
            }
            workbook.save(&path).unwrap();
            path
        }
        Container::JsonArray => {
            let path = folder.join("people.json");
            std::fs::write(&path, serde_json::to_string_pretty(rows).unwrap()).unwrap();
            path
        }
        Container::Csv | Container::CsvGb18030 | Container::Tsv | Container::Utf16 => {
            let separator = if matches!(container, Container::Tsv) { "\t" } else { "," };
            let mut text = COLUMNS.join(separator);
            for row in rows {
                let fields: Vec<String> =
                    COLUMNS.iter().map(|column| row[column].clone().unwrap_or_default()).collect();
                text.push('\n');
                text.push_str(&fields.join(separator));
            }
            let path = folder.join(if matches!(container, Container::Tsv) { "people.tsv" } else { "people.csv" });
            let bytes = match container {
                Container::CsvGb18030 => encoding_rs::GB18030.encode(&text).0.into_owned(),
                Container::Utf16 => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
                _ => format!("\u{feff}{text}").into_bytes(),
            };
            std::fs::write(&path, bytes).unwrap();
            path
        }
        Container::Jsonl => {
            let path = folder.join("people.jsonl");
            let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
            std::fs::write(&path, lines.join("\n")).unwrap();
            path
        }
        Container::Parquet | Container::TypedParquet => {
            let typed = matches!(container, Container::TypedParquet);
            let columns: Vec<ArrayRef> = COLUMNS
                .iter()
                .map(|column| {
                    let texts: StringArray = rows.iter().map(|row| row[column].clone()).collect();
                    let to = match *column {
                        "birth_on" | "died_on" | "changed_on" if typed => DataType::Date32,
                        "capital" | "paid_capital" if typed => DataType::Decimal128(18, 2),
                        _ => DataType::Utf8,
                    };
                    cast(&texts, &to).unwrap()
                })
                .collect();
            let fields: Vec<Field> = COLUMNS
                .iter()
                .zip(&columns)
                .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
                .collect();
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
            let path = folder.join("people.parquet");
            let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            path
        }
    }
}

fn example(folder: &Path) -> RuleFile {
    std::fs::write(
        folder.join("divisions.csv"),
        "code,name,valid_from,valid_to\n371302,兰山区,,\n371323,沂水县（旧）,,1999-12-31\n",
    )
    .unwrap();
    std::fs::write(folder.join("organisations.csv"), "credit_code\n91350100M000100Y43\n").unwrap();
    std::fs::write(folder.join("police.csv"), "citizen_id,name\n371302198001011001,王伟\n").unwrap();
    RuleFile::parse(include_str!("../../examples/rules.yaml"), folder).unwrap()
}

fn check(
    rows: &[Row],
    container: Container,
    baseline: Option<&Baseline>,
) -> (Report, Vec<(String, i64, Option<String>)>) {
    let folder = tempfile::tempdir().unwrap();
    let rules = example(folder.path());
    let path = write(folder.path(), rows, container);
    let mut options = CheckOptions::new("2026-11-22T00:00:00Z".parse().unwrap());
    options.predicates = Some(&PaidAgainstCapital);
    options.baseline = baseline;
    let faults_out = folder.path().join("faults.parquet");
    let report = check_files(&[path], &rules, Some(&faults_out), &options).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&faults_out).unwrap()).unwrap().build().unwrap();
    let mut faults = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let text = |column: &str| batch.column_by_name(column).unwrap().as_string::<i32>().clone();
        let (rule, found) = (text("rule"), text("found"));
        let row = batch.column_by_name("row").unwrap().as_primitive::<Int64Type>().clone();
        for at in 0..batch.num_rows() {
            let found = found.is_valid(at).then(|| found.value(at).to_owned());
            faults.push((rule.value(at).to_owned(), row.value(at), found));
        }
    }
    (report, faults)
}

#[test]
fn the_example_has_every_kind_and_every_kind_is_broken_below() {
    let folder = tempfile::tempdir().unwrap();
    let rules = example(folder.path()).rules;
    let shown: BTreeSet<&str> = rules.iter().map(|rule| rule.kind.name()).collect();
    assert_eq!(shown.len(), 15);
    let broken: BTreeSet<&str> =
        BREAKS.iter().map(|one| one.rule).chain(["volume", "status_stable", "fresh"]).collect();
    for rule in &rules {
        assert!(broken.contains(example_of(&rule.kind)), "{}", rule.kind.name());
        assert!(broken.contains(rule.id.as_str()), "{} is never broken", rule.id);
    }
}

/// Help wraps at 100 columns, and a wrapped example is no YAML any more.
#[test]
fn the_example_is_narrow_enough_to_be_copied_from_the_help() {
    for line in include_str!("../../examples/rules.yaml").lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_table_with_nothing_wrong_fails_no_rule() {
    let baseline = check(&good(), Container::Csv, None).0.baseline;
    for container in CONTAINERS {
        let (report, faults) = check(&good(), container, Some(&baseline));
        assert_eq!(report.rows, 20, "{container:?}");
        for rule in &report.rules {
            assert_eq!(rule.failed, 0, "{container:?} {}", rule.id);
            assert!(rule.evaluated > 0, "{container:?} {}", rule.id);
            assert_eq!(rule.value, Some(1.0), "{container:?} {}", rule.id);
        }
        assert!(faults.is_empty(), "{container:?} {faults:?}");
    }
}

#[test]
fn every_kind_of_row_rule_is_found_in_every_format() {
    for container in CONTAINERS {
        for one in BREAKS {
            let mut rows = good();
            for (row, column, value) in one.edits {
                *rows[*row].get_mut(column).unwrap() = value.map(str::to_owned);
            }
            let (report, faults) = check(&rows, container, None);
            let metric = report.rules.iter().find(|rule| rule.id == one.rule).unwrap();
            assert_eq!(metric.failed, one.faults.len() as u64, "{container:?} {}", one.rule);
            let mut found: Vec<(i64, Option<String>)> = faults
                .into_iter()
                .filter(|(rule, _, _)| rule == one.rule)
                .map(|(_, row, found)| (row, found))
                .collect();
            found.sort();
            let expected: Vec<(i64, Option<String>)> =
                one.faults.iter().map(|(row, found)| (*row, found.map(str::to_owned))).collect();
            assert_eq!(found, expected, "{container:?} {}", one.rule);
        }
    }
}

#[test]
fn rules_on_the_whole_table_are_judged_against_the_clock_and_the_version_before() {
    let before = check(&good(), Container::Csv, None).0.baseline;
    let metric = |rows: &[Row], baseline: Option<&Baseline>, id: &str| {
        check(rows, Container::Csv, baseline).0.rules.into_iter().find(|rule| rule.id == id).unwrap()
    };
    // Fewer rows than a fifth less.
    assert_eq!(metric(&good()[..16], Some(&before), "volume").failed, 0);
    assert_eq!(metric(&good()[..15], Some(&before), "volume").failed, 1);
    assert_eq!(metric(&good()[..15], Some(&before), "volume").found.unwrap(), "15");
    // A quarter of the rows moved to another status.
    let mut moved = good();
    for row in moved.iter_mut().take(5) {
        row.insert("status", Some("迁出".to_owned()));
    }
    assert_eq!(metric(&moved, Some(&before), "status_stable").failed, 1);
    assert_eq!(metric(&moved, Some(&before), "status_stable").found.unwrap(), "0.2500");
    assert_eq!(metric(&moved, None, "status_stable").evaluated, 0);
    // The newest row is 31 days old.
    let mut old = good();
    for row in &mut old {
        row.insert("changed_on", Some("2026-10-22".to_owned()));
    }
    assert_eq!(metric(&old, None, "fresh").failed, 1);
    assert_eq!(metric(&old, None, "fresh").found.unwrap(), "2026-10-22");
}

#[test]
fn every_fault_of_the_rules_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &good(), Container::Csv);
    let yaml = r"
rules:
  - { id: a, kind: not_null, column: nowhere }
  - { id: b, kind: pattern, column: name, pattern: '(' }
  - { id: c, kind: code_list, column: sex, table: none }
  - { id: c, kind: range, column: capital, min: 2, max: 1 }
  - { id: d, kind: reference, column: name, table: none, key: [k] }
  - { id: e, kind: predicate, sql: '1 = 1' }
  - { id: f, kind: not_null, column: name, when: { column: nowhere, present: true } }
  - { id: g, kind: unique, columns: [nowhere, elsewhere] }
";
    let rules = RuleFile::parse(yaml, folder.path()).unwrap();
    let options = CheckOptions::new("2026-11-22T00:00:00Z".parse().unwrap());
    let QualityError::Rules(faults) = check_files(&[path], &rules, None, &options).unwrap_err() else { panic!() };
    // Which columns there are is told to whoever names another.
    let there =
        |told: String| told.split_once("; it has `citizen_id`").map_or(told.clone(), |(told, _)| told.to_owned());
    let told: Vec<String> = faults.iter().map(|fault| there(fault.to_string())).collect();
    assert_eq!(
        told,
        [
            "rule `a`: the table has no column `nowhere`",
            "rule `b`: found pattern `(`, expected a regular expression of RE2: unclosed group",
            "rule `c`: there is no code table `none`",
            "rule `c`: has an identifier that another rule has",
            "rule `c`: asks for values from `2` to `1`, expected min ≤ max",
            "rule `d`: no keys of table `none` by `k` were handed in",
            "rule `e`: is SQL, and no engine was handed in to evaluate it",
            "rule `f`: the table has no column `nowhere`",
            "rule `g`: the table has no column `nowhere`",
            "rule `g`: the table has no column `elsewhere`",
        ]
    );
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let rules = RuleFile::parse("rules: [{ id: a, kind: not_null, column: a }]", folder.path()).unwrap();
    let options = CheckOptions::new("2026-11-22T00:00:00Z".parse().unwrap());
    for (name, bytes, told) in [
        ("a.parquet", &b"no parquet"[..], "a.parquet"),
        ("a.xyz", b"", "expected parquet, csv, tsv, jsonl, json or xlsx"),
        ("a.xlsx", b"no workbook", "expected an XLSX workbook"),
        ("a.csv", b"", "expected a header line"),
        ("b.csv", b"a,a\n1,2\n", "column `a` twice"),
        ("c.csv", b"a,b\n1,2\n1,2,3\n", "c.csv"),
        ("a.jsonl", b"[1]\n", "line 1 is no JSON object"),
        ("b.jsonl", b"{\"a\": 1}\n{\"a\": \n", "b.jsonl: after row"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let refusal = check_files(&[path], &rules, None, &options).unwrap_err().to_string();
        assert!(refusal.contains(told), "{name}: {refusal}");
    }
}
