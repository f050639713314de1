//! `yihe pack init`: a pack proposed from one file.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use yihe_collect::sketch::{Meaning, Sketch, SketchColumn, sketch};
use yihe_definitions::{Format, Pack, Sensitivity, pack::PackFiles};

use crate::{
    output::{Exit, Output},
    packs,
};

/// Codes of the three bodies of a proposed pack: they add up, and stand for nobody.
const CODES: [&str; 3] = ["11100000MB00000018", "11100000MB0000002X", "11100000MB00000034"];

/// The command.
pub fn run(file: &Path, out: Option<PathBuf>, output: &Output) -> Result<Exit> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).context("expected a file name")?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{stem}-pack")));
    if out.exists() {
        bail!("{} is there already; choose another folder with --out (目录已存在)", out.display());
    }
    let sketch = sketch(file).map_err(|error| anyhow!(error.message(output.language)))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).context("expected a file name")?;
    let id = identifier(&stem);
    let mut files = PackFiles::default();
    files.0.insert("pack.yaml".to_owned(), manifest(&id, &stem));
    files.0.insert("departments.yaml".to_owned(), departments());
    files.0.insert("dataset.yaml".to_owned(), dataset(&id, &stem, &name, &sketch));
    // What is proposed is checked as any pack is, so that the next command cannot stumble over it.
    Pack::from_files(&[packs::base(), files.clone()]).context("the proposal does not pass its own check")?;
    std::fs::create_dir_all(&out).with_context(|| format!("failed to create {}", out.display()))?;
    for (name, text) in &files.0 {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let rows: Vec<Vec<String>> = sketch
        .columns
        .iter()
        .map(|column| {
            vec![column.header.clone(), column.name.clone(), column.column_type.to_string(), column.missing.to_string()]
        })
        .collect();
    let headings = [
        output.say("表头", "header"),
        output.say("列名", "name"),
        output.say("类型", "type"),
        output.say("缺失", "missing"),
    ];
    output.table(&headings, &rows);
    output.line(&format!(
        "{} {}",
        output.say("已写出，请先看一遍：", "written, please read it first:"),
        out.join("dataset.yaml").display()
    ));
    output.line(&format!(
        "  yihe pack apply {} && cp {} <data>/inbox/ && yihe collect && yihe check",
        out.display(),
        file.display()
    ));
    output.object(&json!({ "folder": out, "dataset": id, "columns": sketch.columns.len(), "records": sketch.records }));
    Ok(Exit::Done)
}

fn identifier(stem: &str) -> String {
    let id: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(40).collect();
    let id = id.trim_matches('_').to_owned();
    if id.starts_with(|first: char| first.is_ascii_lowercase()) {
        id
    } else {
        format!("data_{id}").trim_end_matches('_').to_owned()
    }
}

/// Text as YAML: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("strings serialise")
}

fn manifest(id: &str, title: &str) -> String {
    format!("id: {id}\nversion: 0.1.0\ntitle: {}\nlicence: 自用\n", quoted(title))
}

fn departments() -> String {
    let bodies = [
        ("own", "本单位", "Own department", CODES[0]),
        ("partner", "用数单位", "Department that uses the data", CODES[1]),
        ("dashuju", "大数据主管部门", "Competent authority", CODES[2]),
    ];
    let mut text = String::from(
        "# 三个单位：提供、使用、主管。请改成实际名称与统一社会信用代码。\n# Provider, user and authority; put in the real names and credit codes.\n",
    );
    for (index, (id, zh, en, code)) in bodies.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        let _ = writeln!(text, "kind: department\nid: {id}\nname: {{ zh: {zh}, en: \"{en}\" }}\ncredit_code: {code}");
    }
    text
}

fn dataset(id: &str, title: &str, file: &str, sketch: &Sketch) -> String {
    let format = match sketch.format {
        Format::Csv => "csv",
        Format::Xlsx => "xlsx",
        Format::Jsonl => "jsonl",
        Format::Parquet | Format::Postgres | Format::Mariadb => "parquet",
    };
    let mut text = String::new();
    let _ = writeln!(text, "# 由 {file} 的前 {} 条记录拟写，请逐项核对。", sketch.records);
    let _ = writeln!(text, "# Proposed from the first {} records of {file}; check every line.", sketch.records);
    let _ = writeln!(text, "kind: dataset\nid: {id}\ntitle: {}\ndepartment: own\ncolumns:", quoted(title));
    for column in &sketch.columns {
        let _ = write!(text, "  - {{ name: {}, title: {}", column.name, quoted(&column.header));
        if column.column_type.to_string() != "text" {
            let _ = write!(text, ", type: \"{}\"", column.column_type);
        }
        if let Some(word) = sensitivity(column.sensitivity) {
            let _ = write!(text, ", sensitivity: {word}");
        }
        text.push_str(" }\n");
    }
    if let Some(key) = key(sketch) {
        let _ = writeln!(text, "key: [{}]", key.name);
    }
    let _ = writeln!(text, "source: {{ format: {format}, files: {} }}", quoted(file));
    let _ = writeln!(text, "update_cycle: irregular");
    let rules: Vec<String> = sketch.columns.iter().flat_map(rules).collect();
    if !rules.is_empty() {
        text.push_str("rules:\n");
        for rule in rules {
            let _ = writeln!(text, "  - {rule}");
        }
    }
    text.push_str(
        "publication:\n  classification: 3/01/001/01\n  sharing: { type: unconditional }\n  methods: [service, file]\n  \
         grade: { zh: 一般, en: general }\n  secrecy_assessed: true\n  privacy_assessed: true\n",
    );
    text
}

/// The column that tells records apart: a recognised identifier before any other.
fn key(sketch: &Sketch) -> Option<&SketchColumn> {
    let unique = || sketch.columns.iter().filter(|column| column.unique);
    unique().find(|column| column.meaning != Meaning::Other).or_else(|| unique().next())
}

fn rules(column: &SketchColumn) -> Vec<String> {
    let name = &column.name;
    let mut rules = Vec::new();
    if column.missing == 0 {
        rules.push(format!("{{ id: {name}_present, kind: not_null, column: {name} }}"));
    }
    if column.unique {
        rules.push(format!("{{ id: {name}_unique, kind: unique, columns: [{name}] }}"));
    }
    let mut adds_up = |identifier: &str| {
        rules.push(format!("{{ id: {name}_adds_up, kind: check_digit, column: {name}, identifier: {identifier} }}"));
    };
    match column.meaning {
        Meaning::CitizenId => adds_up("citizen_id"),
        Meaning::CreditCode => adds_up("credit_code"),
        Meaning::Mobile => {
            rules.push(format!("{{ id: {name}_mobile, kind: pattern, column: {name}, pattern: '1[3-9]\\d{{9}}' }}"));
        }
        Meaning::Other => {}
    }
    if let Some(codes) = &column.codes {
        let list: Vec<String> = codes.iter().map(|code| quoted(code)).collect();
        rules.push(format!("{{ id: {name}_listed, kind: code_list, column: {name}, codes: [{}] }}", list.join(", ")));
    }
    rules
}

fn sensitivity(sensitivity: Sensitivity) -> Option<&'static str> {
    match sensitivity {
        Sensitivity::Plain => None,
        Sensitivity::Name => Some("name"),
        Sensitivity::CitizenId => Some("citizen_id"),
        Sensitivity::Phone => Some("phone"),
        Sensitivity::Account => Some("account"),
        Sensitivity::Address => Some("address"),
        Sensitivity::BirthDate => Some("birth_date"),
        Sensitivity::Hidden => Some("hidden"),
    }
}
