//! Runs `tests/sql/quality/*.slt`: small tables and what each kind of rule says of them, without a line of Rust.
//!
//! Each file begins with nothing and says:
//! - `table`, then a header `name:type, …` and rows as CSV; types are text, integer, float, decimal, date, timestamp,
//!   zoned, boolean; an empty cell is NULL, `''` is an empty text;
//! - `codes <name>`, then `code,valid_from,valid_to` lines; `reference <name>`, then a header and rows, all text;
//! - `before`: the table as it stands becomes the version before, for volume and drift;
//! - a query `check { a rule as in a rule file }`, answered by: rows evaluated, rows failed, their numbers from 1,
//!   and the surplus of a uniqueness rule or what a rule on the whole table found. The check is at 2026-11-22.

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use sqllogictest::{DBOutput, DefaultColumnType};
use yihe_quality::{
    Baseline, Checker, CodeTables, Codes, KeySet, References, RuleFile, SessionOptions, Surroundings, finish,
    walk::Engine, wanted,
};

#[derive(Default)]
struct Desk {
    table: Option<RecordBatch>,
    before: Option<RecordBatch>,
    codes: CodeTables,
    references: Vec<(String, RecordBatch)>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn refused(error: impl ToString) -> Refusal {
    Refusal(error.to_string())
}

/// A CSV with `name:type` titles as a batch.
fn table(text: &str) -> Result<RecordBatch, Refusal> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let titles = reader.headers().map_err(refused)?.clone();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(refused)?;
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (at, title) in titles.iter().enumerate() {
        let (name, kind) = title.split_once(':').unwrap_or((title, "text"));
        let to = match kind {
            "text" => DataType::Utf8,
            "integer" => DataType::Int64,
            "float" => DataType::Float64,
            "decimal" => DataType::Decimal128(18, 2),
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "zoned" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "boolean" => DataType::Boolean,
            other => return Err(Refusal(format!("there is no type `{other}`"))),
        };
        let cell = |text: &str| match text {
            "" => None,
            "''" => Some(String::new()),
            text => Some(text.to_owned()),
        };
        let texts: StringArray = records.iter().map(|record| record.get(at).and_then(cell)).collect();
        let written = texts.iter().flatten().count();
        let array = cast(&texts, &to).map_err(refused)?;
        if array.len() - array.null_count() != written {
            return Err(Refusal(format!("column `{name}` holds what is no {kind}")));
        }
        columns.push(array);
        fields.push(Field::new(name, to, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(refused)
}

impl Desk {
    fn codes(&mut self, name: &str, text: &str) -> Result<(), Refusal> {
        let mut codes = Codes::default();
        for line in text.lines() {
            let mut parts = line.split(',').map(str::trim);
            codes.insert(parts.next().unwrap_or(""), parts.next(), parts.next()).map_err(refused)?;
        }
        self.codes.insert_codes(name, codes);
        Ok(())
    }

    fn run_rules(&self, rules: &RuleFile, batch: &RecordBatch, before: Option<&Baseline>) -> Result<Answer, Refusal> {
        let mut references = References::new();
        for (name, columns) in wanted(&rules.rules) {
            let Some((_, batch)) = self.references.iter().find(|(known, _)| *known == name) else { continue };
            let mut keys = KeySet::new();
            keys.add(batch, &columns).map_err(refused)?;
            references.insert(&name, &columns, keys);
        }
        let now = "2026-11-22T00:00:00Z".parse().map_err(refused)?;
        let around = Surroundings { codes: &self.codes, references: &references, predicates: Some(&Engine), now };
        let checker = Checker::compile(&rules.rules, &batch.schema(), &around)
            .map_err(|faults| refused(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let mut session = checker.session(SessionOptions::default());
        session.check(batch, 0).map_err(refused)?;
        let outcome = finish(&checker, vec![session], 1, None).map_err(refused)?;
        let metrics = outcome.metrics(&checker, before);
        let answers = metrics.iter().zip(&outcome.failed).map(|(metric, failed)| {
            let rows: Vec<String> = failed.iter().map(|row| (row + 1).to_string()).collect();
            let rows = if rows.is_empty() { "-".to_owned() } else { rows.join(",") };
            let found = metric.found.clone().or_else(|| metric.surplus.map(|surplus| format!("+{surplus}")));
            vec![metric.evaluated.to_string(), metric.failed.to_string(), rows, found.unwrap_or_else(|| "-".to_owned())]
        });
        let answers = answers.collect();
        let baseline = outcome.baseline(&checker);
        Ok(Answer { rows: answers, baseline })
    }

    fn check(&self, rule: &str) -> Result<Vec<Vec<String>>, Refusal> {
        let rules = RuleFile::parse(&format!("rules:\n  - {}", rule.replace('\n', " ")), std::path::Path::new(""))
            .map_err(refused)?;
        let Some(batch) = &self.table else { return Err(Refusal("there is no table yet".to_owned())) };
        let before = match &self.before {
            None => None,
            Some(before) => Some(self.run_rules(&rules, before, None)?.baseline),
        };
        Ok(self.run_rules(&rules, batch, before.as_ref())?.rows)
    }
}

struct Answer {
    rows: Vec<Vec<String>>,
    baseline: Baseline,
}

impl sqllogictest::DB for Desk {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, script: &str) -> Result<DBOutput<DefaultColumnType>, Refusal> {
        let (first, rest) = script.split_once('\n').unwrap_or((script, ""));
        let (word, name) = first.split_once(' ').unwrap_or((first, ""));
        match word {
            "table" => self.table = Some(table(rest)?),
            "codes" => self.codes(name, rest)?,
            "reference" => self.references.push((name.to_owned(), table(rest)?)),
            "before" => self.before = self.table.clone(),
            "check" => {
                let rows = self.check(script.trim_start_matches("check"))?;
                let types = [
                    DefaultColumnType::Integer,
                    DefaultColumnType::Integer,
                    DefaultColumnType::Text,
                    DefaultColumnType::Text,
                ];
                return Ok(DBOutput::Rows { types: types.to_vec(), rows });
            }
            other => return Err(Refusal(format!("there is no statement `{other}`"))),
        }
        Ok(DBOutput::StatementComplete(0))
    }

    fn engine_name(&self) -> &'static str {
        "yihe-quality"
    }
}

#[test]
fn every_script_of_tests_sql_quality_passes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql/quality");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    scripts.sort();
    let kinds: Vec<String> =
        scripts.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    for kind in [
        "not_null",
        "unique",
        "pattern",
        "length",
        "code_list",
        "range",
        "check_digit",
        "citizen_agrees",
        "order",
        "reference",
        "reconcile",
        "freshness",
        "volume",
        "drift",
        "predicate",
        "when",
    ] {
        assert!(kinds.iter().any(|known| known == kind), "no script for {kind}");
    }
    for script in scripts {
        let mut runner = sqllogictest::Runner::new(|| async { Ok(Desk::default()) });
        if let Err(error) = runner.run_file(&script) {
            panic!("{}", error.display(false));
        }
    }
}
