//! The rule file of a standalone check.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use yihe_definitions::{CodeTable, Language, Pack, Rule, RuleKind, Text, rule::RuleEntry, rule_set::spelled_out};

use super::{
    CheckOptions, Inputs,
    text_input::{decoded, recognised},
};
use crate::{
    error::{QualityError, RuleFault},
    rules::{
        code_list::{CodeTables, Codes},
        reference::{KeySet, References, wanted},
    },
};

/// Largest rule file, in bytes.
const RULE_FILE_BYTES_MAX: u64 = 16 << 20;

/// Rules with what they refer to. `examples/rules.yaml` shows every kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleFile {
    /// The rules, in the order of the report.
    pub rules: Vec<Rule>,
    /// Code tables that `code_list` rules name. A table's `file` is a CSV with the columns
    /// `code` and, if wanted, `valid_from` and `valid_to`.
    pub code_tables: Vec<CodeTable>,
    /// Tables that `reference` and `reconcile` rules name.
    pub references: Vec<ReferenceFile>,
    /// Folder to which the files named in the document are relative; not part of the document.
    pub folder: PathBuf,
}

/// The document as it is written: a line of `rules` may name a ready set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rules: Vec<RuleEntry>,
    #[serde(default)]
    code_tables: Vec<CodeTable>,
    #[serde(default)]
    references: Vec<ReferenceFile>,
}

/// A table in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceFile {
    /// Name by which rules know it.
    pub table: String,
    /// Parquet, CSV or JSON lines; relative to the rule file.
    pub file: PathBuf,
}

impl RuleFile {
    /// Reads a document that stands by itself. The files it names are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong with the document, with its line.
    pub fn parse(yaml: &str, folder: &Path) -> Result<Self, QualityError> {
        Self::parse_with(yaml, folder, &Pack::default())
    }

    /// Reads a document that may name the ready sets of rules and the code tables of a pack. A table of the document
    /// goes before one of the pack.
    ///
    /// # Errors
    /// What is wrong with the document, with its line.
    pub fn parse_with(yaml: &str, folder: &Path, ready: &Pack) -> Result<Self, QualityError> {
        let wrong = |reason: Text| QualityError::RuleDocument { place: None, reason };
        let written: Written = serde_saphyr::from_str(yaml).map_err(|error| wrong(document_fault(&error)))?;
        let rules = spelled_out(written.rules, &ready.rule_sets).map_err(|faults| {
            let en = faults.iter().map(|fault| fault.get(Language::En)).collect::<Vec<_>>().join("; ");
            wrong(Text::new(faults.iter().map(|fault| fault.zh.as_str()).collect::<Vec<_>>().join("；"), en))
        })?;
        let mut file =
            Self { rules, code_tables: written.code_tables, references: written.references, folder: folder.to_owned() };
        for rule in &file.rules {
            let RuleKind::CodeList { table: Some(id), .. } = &rule.kind else { continue };
            if !file.code_tables.iter().any(|table| table.id == *id)
                && let Some(known) = ready.code_table(id)
            {
                // The codes of its file are filled in.
                file.code_tables.push(CodeTable { file: None, ..known.clone() });
            }
        }
        Ok(file)
    }

    /// Reads a file, as [`Self::parse_with`].
    ///
    /// # Errors
    /// The file cannot be read or is too large, or what is wrong with its document.
    pub fn read(path: &Path, ready: &Pack) -> Result<Self, QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        let place = Some(path.display().to_string());
        if bytes > RULE_FILE_BYTES_MAX {
            let reason = Text::new(
                format!("文件有 {bytes} 字节，上限为 {RULE_FILE_BYTES_MAX} 字节"),
                format!("found {bytes} bytes, expected at most {RULE_FILE_BYTES_MAX}"),
            );
            return Err(QualityError::RuleDocument { place, reason });
        }
        let yaml = std::fs::read_to_string(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse_with(&yaml, &folder, ready).map_err(|error| match error {
            QualityError::RuleDocument { reason, .. } => QualityError::RuleDocument { place, reason },
            other => other,
        })
    }

    /// Loads code tables and the keys that the rules ask for.
    ///
    /// # Errors
    /// A file cannot be read, or a table that rules name is not listed.
    pub(super) fn surroundings(&self, options: &CheckOptions<'_>) -> Result<(CodeTables, References), QualityError> {
        let mut tables = CodeTables::new();
        for table in &self.code_tables {
            let fault = |reason: String| {
                QualityError::Rules(vec![RuleFault { rule: format!("code table {}", table.id), reason }])
            };
            match &table.file {
                None => tables.insert(table).map_err(fault)?,
                Some(file) => tables.insert_codes(&table.id, codes_from(&self.folder.join(file))?),
            }
        }
        let mut references = References::new();
        for (table, columns) in wanted(&self.rules) {
            // A table that is not listed is told by the rule that names it.
            let Some(reference) = self.references.iter().find(|reference| reference.table == table) else { continue };
            let keys = keys_from(&self.folder.join(&reference.file), &columns, options)?;
            references.insert(&table, &columns, keys);
        }
        Ok((tables, references))
    }
}

/// What is wrong with a document: its place, and what the reader of YAML says of it.
fn document_fault(error: &serde_saphyr::Error) -> Text {
    let en = error.to_string();
    // The reader prints a frame around the place; its first line is the sentence.
    let sentence = en.lines().next().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
    let zh = match error.location() {
        Some(location) => format!("第 {} 行第 {} 列：{sentence}", location.line(), location.column()),
        None => sentence,
    };
    Text::new(zh, en)
}

fn codes_from(path: &Path) -> Result<Codes, QualityError> {
    let wrong = |reason: String| QualityError::Input { path: path.to_owned(), reason };
    let input = decoded(path, recognised(path)?)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let at = |name: &str| header.iter().position(|field| field.trim() == name);
    let code = at("code").ok_or_else(|| wrong("found no column `code` in the header".to_owned()))?;
    let (from, to) = (at("valid_from"), at("valid_to"));
    let mut codes = Codes::default();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).map(str::trim);
        let Some(text) = field(Some(code)).filter(|text| !text.is_empty()) else { continue };
        codes.insert(text, field(from), field(to)).map_err(wrong)?;
    }
    Ok(codes)
}

fn keys_from(path: &Path, columns: &[String], options: &CheckOptions<'_>) -> Result<KeySet, QualityError> {
    let options = CheckOptions { format: None, ..options.clone() };
    let inputs = Inputs::open(std::slice::from_ref(&path.to_owned()), &options)?;
    for column in columns {
        if inputs.schema().field_with_name(column).is_err() {
            let reason = format!("found no column `{column}`, which rules name as a key");
            return Err(QualityError::Input { path: path.to_owned(), reason });
        }
    }
    let mut keys = KeySet::new();
    let running = std::sync::atomic::AtomicBool::new(false);
    inputs.each_batch(&running, |batch, _, _, _| keys.add(batch, columns))?;
    Ok(keys)
}
