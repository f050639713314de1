//! The rule file of a standalone check.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use yihe_definitions::{CodeTable, Rule};

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
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The rules, in the order of the report.
    pub rules: Vec<Rule>,
    /// Code tables that `code_list` rules name. A table's `file` is a CSV with the columns
    /// `code` and, if wanted, `valid_from` and `valid_to`.
    #[serde(default)]
    pub code_tables: Vec<CodeTable>,
    /// Tables that `reference` and `reconcile` rules name.
    #[serde(default)]
    pub references: Vec<ReferenceFile>,
    /// Folder to which the files named in the document are relative; not part of the document.
    #[serde(skip)]
    pub folder: PathBuf,
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
    /// Reads a document. The files it names are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong with the document, with its line.
    pub fn parse(yaml: &str, folder: &Path) -> Result<Self, QualityError> {
        let parsed: Result<Self, _> = serde_saphyr::from_str(yaml);
        match parsed {
            Ok(mut rules) => {
                folder.clone_into(&mut rules.folder);
                Ok(rules)
            }
            Err(error) => {
                Err(QualityError::RuleDocument { place: "the document".to_owned(), reason: error.to_string() })
            }
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read or is too large, or what is wrong with its document.
    pub fn read(path: &Path) -> Result<Self, QualityError> {
        let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        let place = path.display().to_string();
        if bytes > RULE_FILE_BYTES_MAX {
            let reason = format!("found {bytes} bytes, expected at most {RULE_FILE_BYTES_MAX}");
            return Err(QualityError::RuleDocument { place, reason });
        }
        let yaml = std::fs::read_to_string(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&yaml, &folder).map_err(|error| match error {
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
