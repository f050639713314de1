//! Reading the documents of a pack folder.

use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;

use super::{Document, Fault, Manifest, PackError, Reading};
use crate::{code_table::Code, division::Division, registry_shape::RegistryEntry, text::Text};

/// Most files in one pack folder.
pub const FILES_MAX: usize = 10_000;
/// Most bytes in one file.
pub const FILE_BYTES_MAX: usize = 32 << 20;

/// The files of one pack folder: path below the folder → text.
#[derive(Debug, Clone, Default)]
pub struct PackFiles(pub BTreeMap<String, String>);

impl PackFiles {
    /// Reads every `.yaml`, `.yml` and `.csv` below a folder.
    ///
    /// # Errors
    /// An unreadable file, text that is not UTF-8, or a passed bound.
    pub fn from_folder(folder: &Path) -> Result<Self, PackError> {
        let mut files = Self::default();
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(current) = waiting.pop() {
            let failed = |source| PackError::Read { path: current.display().to_string(), source };
            for entry in std::fs::read_dir(&current).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    waiting.push(path);
                    continue;
                }
                let wanted =
                    path.extension().is_some_and(|end| ["yaml", "yml", "csv"].iter().any(|known| end == *known));
                if !wanted {
                    continue;
                }
                if files.0.len() == FILES_MAX {
                    return Err(PackError::TooLarge { what: "files", limit: FILES_MAX });
                }
                let failed = |source| PackError::Read { path: path.display().to_string(), source };
                let bytes = std::fs::metadata(&path).map_err(failed)?.len();
                if bytes > FILE_BYTES_MAX as u64 {
                    return Err(PackError::TooLarge { what: "bytes in one file", limit: FILE_BYTES_MAX });
                }
                let text = std::fs::read_to_string(&path).map_err(failed)?;
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                files.0.insert(name, text);
            }
        }
        Ok(files)
    }
}

pub(super) fn read_folder(files: &PackFiles, reading: &mut Reading) {
    match files.0.get("pack.yaml").map(|text| serde_saphyr::from_str::<Manifest>(text)) {
        Some(Ok(manifest)) => reading.pack.manifests.push(manifest),
        Some(Err(error)) => reading.faults.push(yaml_fault("pack.yaml", 0, &error)),
        None => reading.faults.push(Fault {
            file: "pack.yaml".to_owned(),
            line: None,
            message: Text::new(
                "没有找到 pack.yaml；应有 id、version、title、licence 四项",
                "found no pack.yaml, expected one with id, version, title and licence",
            ),
        }),
    }
    for (name, text) in &files.0 {
        let is_list = Path::new(name).extension().is_some_and(|end| end == "csv");
        if name == "pack.yaml" || is_list {
            continue;
        }
        for (first_line, document) in documents(text) {
            read_document(files, name, first_line, &document, reading);
        }
    }
}

/// Cuts a file at its `---` lines. Returns the number of lines before each document, and its text.
fn documents(text: &str) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut first_line = 0;
    for (index, line) in text.lines().enumerate() {
        if line.trim_end() == "---" {
            found.push((first_line, std::mem::take(&mut current)));
            first_line = index as u64 + 1;
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    found.push((first_line, current));
    found.retain(|(_, text)| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')));
    found
}

fn read_document(files: &PackFiles, name: &str, first_line: u64, text: &str, reading: &mut Reading) {
    let Reading { pack, datasets, registries, places, faults } = reading;
    // `kind` chooses the type. Its line becomes a comment, so that line numbers stay and the
    // type itself can refuse every key that it does not know.
    let kind = text.lines().find_map(|line| line.strip_prefix("kind:")).map(|kind| kind.trim().to_owned());
    let body: String = text
        .lines()
        .map(|line| if line.starts_with("kind:") { "#\n".to_owned() } else { format!("{line}\n") })
        .collect();
    let Some(parsed) = document_of(kind.as_deref(), &body) else {
        let found = kind.map_or_else(|| "nothing".to_owned(), |kind| format!("`{kind}`"));
        faults.push(Fault {
            file: name.to_owned(),
            line: Some(first_line + 1),
            message: Text::new(
                format!(
                    "文档的 kind 为 {found}；应为 {} 或 {}",
                    KINDS[..KINDS.len() - 1].join("、"),
                    KINDS[KINDS.len() - 1]
                ),
                format!(
                    "found kind {found}, expected {} or {}",
                    KINDS[..KINDS.len() - 1].join(", "),
                    KINDS[KINDS.len() - 1]
                ),
            ),
        });
        return;
    };
    let document = match parsed {
        Ok(document) => document,
        Err(error) => return faults.push(yaml_fault(name, first_line, &error)),
    };
    let mut place = |kind, id: &str| {
        let known = places.0.insert((kind, id.to_owned()), (name.to_owned(), first_line + 1));
        if let Some((file, line)) = known {
            faults.push(Fault {
                file: name.to_owned(),
                line: Some(first_line + 1),
                message: Text::new(
                    format!("{kind} `{id}` 重复，已见于 {file}:{line}"),
                    format!("{kind} `{id}` stands twice, first in {file}:{line}"),
                ),
            });
        }
    };
    match document {
        Document::Department(department) => {
            place("department", &department.id);
            pack.departments.push(department);
        }
        Document::Dataset(dataset) => {
            place("dataset", &dataset.id);
            datasets.push(*dataset);
        }
        Document::Registry(entry) => {
            let id = match &entry {
                RegistryEntry::Whole(registry) => &registry.id,
                RegistryEntry::Use(line) => line.id(),
            };
            place("registry", id);
            registries.push(entry);
        }
        Document::RegistryShape(shape) => {
            place("registry_shape", &shape.id);
            pack.registry_shapes.push(shape);
        }
        Document::Theme(theme) => {
            place("theme", &theme.id);
            pack.themes.push(*theme);
        }
        Document::Release(release) => {
            place("release", &release.id);
            pack.releases.push(release);
        }
        Document::Calendar(calendar) => {
            place("calendar", &calendar.year.to_string());
            pack.calendars.push(calendar);
        }
        Document::RuleSet(set) => {
            place("rule_set", &set.id);
            pack.rule_sets.push(set);
        }
        Document::CodeTable(mut table) => {
            place("code_table", &table.id);
            if let Some(file) = table.file.clone()
                && let Some(rows) = read_csv::<CodeRow>(files, name, &file, faults)
            {
                table.codes.extend(rows.into_iter().map(Code::from));
            }
            pack.code_tables.push(table);
        }
        Document::Divisions(list) => {
            place("divisions", &list.id);
            if let Some(rows) = read_csv::<Division>(files, name, &list.file, faults) {
                pack.divisions.extend(rows);
            }
        }
        Document::Scheme(scheme) => {
            place("score_scheme", &scheme.id);
            pack.schemes.push(scheme);
        }
    }
}

/// The kinds of document, as people are told them.
const KINDS: [&str; 11] = [
    "department",
    "dataset",
    "registry",
    "registry_shape",
    "theme",
    "release",
    "rule_set",
    "calendar",
    "code_table",
    "divisions",
    "score_scheme",
];

/// A document of a kind; `None` where there is no such kind.
fn document_of(kind: Option<&str>, body: &str) -> Option<Result<Document, serde_saphyr::Error>> {
    let uses_a_shape = || body.lines().any(|line| line.starts_with("use:"));
    Some(match kind? {
        "department" => parse(body).map(Document::Department),
        "dataset" => parse(body).map(|dataset| Document::Dataset(Box::new(dataset))),
        "registry" if uses_a_shape() => parse(body).map(|line| Document::Registry(RegistryEntry::Use(Box::new(line)))),
        "registry" => parse(body).map(|registry| Document::Registry(RegistryEntry::Whole(Box::new(registry)))),
        "registry_shape" => parse(body).map(Document::RegistryShape),
        "theme" => parse(body).map(|theme| Document::Theme(Box::new(theme))),
        "release" => parse(body).map(Document::Release),
        "rule_set" => parse(body).map(Document::RuleSet),
        "calendar" => parse(body).map(Document::Calendar),
        "code_table" => parse(body).map(Document::CodeTable),
        "divisions" => parse(body).map(Document::Divisions),
        "score_scheme" => parse(body).map(Document::Scheme),
        _ => return None,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    serde_saphyr::from_str(text)
}

/// One line of a code table's CSV.
#[derive(serde::Deserialize)]
struct CodeRow {
    code: String,
    zh: String,
    #[serde(default)]
    en: String,
    #[serde(default)]
    valid_from: String,
    #[serde(default)]
    valid_to: String,
    #[serde(default)]
    parent: String,
}

impl From<CodeRow> for Code {
    fn from(row: CodeRow) -> Self {
        let given = |text: String| (!text.is_empty()).then_some(text);
        Self {
            code: row.code,
            name: Text { zh: row.zh, en: given(row.en) },
            valid_from: given(row.valid_from),
            valid_to: given(row.valid_to),
            parent: given(row.parent),
        }
    }
}

/// Reads a CSV that a document names, relative to the document's own folder.
fn read_csv<T: DeserializeOwned>(
    files: &PackFiles,
    document: &str,
    file: &str,
    faults: &mut Vec<Fault>,
) -> Option<Vec<T>> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    let Some(text) = files.0.get(&path) else {
        faults.push(Fault {
            file: document.to_owned(),
            line: None,
            message: Text::new(format!("没有找到文件 {path}"), format!("found no file {path} in the pack")),
        });
        return None;
    };
    let mut rows = Vec::new();
    for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => {
                let line = error.position().map(csv::Position::line);
                faults.push(Fault {
                    file: path,
                    line,
                    message: Text::new(format!("读不懂这一行：{error}"), error.to_string()),
                });
                return None;
            }
        }
    }
    Some(rows)
}

fn yaml_fault(file: &str, first_line: u64, error: &serde_saphyr::Error) -> Fault {
    let line = error.location().map(|location| first_line + location.line());
    // The library prints a code frame; its first line is the sentence.
    let text = error.to_string();
    let sentence = text.lines().next().unwrap_or_default().trim().to_owned();
    Fault { file: file.to_owned(), line, message: Text::new(format!("文档不合规定：{sentence}"), sentence) }
}
