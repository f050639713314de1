//! A pack: the folder of documents that describes one city or a part of it.

mod check;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    calendar::CalendarYear,
    code_table::CodeTable,
    dataset::Dataset,
    department::Department,
    division::{Division, DivisionList},
    registry::Registry,
    registry_shape::{RegistryEntry, RegistryShape},
    release::{Release, Releases},
    rule::RuleEntry,
    rule_set::{self, RuleSet},
    scheme::Scheme,
    text::Text,
    theme::Theme,
};

pub use read::{FILE_BYTES_MAX, FILES_MAX, PackFiles};

/// Everything one or several pack folders say, checked whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The folders it was read from, in order.
    pub manifests: Vec<Manifest>,
    /// Departments by identifier order of appearance.
    pub departments: Vec<Department>,
    /// Datasets.
    pub datasets: Vec<Dataset>,
    /// Base registries.
    pub registries: Vec<Registry>,
    /// Themes, in the order in which people count them.
    #[serde(default)]
    pub themes: Vec<Theme>,
    /// What may begin once the ledger proves something.
    #[serde(default)]
    pub releases: Vec<Release>,
    /// Working-day calendars, one per year.
    pub calendars: Vec<CalendarYear>,
    /// Ready sets of rules.
    #[serde(default)]
    pub rule_sets: Vec<RuleSet>,
    /// Ready shapes of registries.
    #[serde(default)]
    pub registry_shapes: Vec<RegistryShape>,
    /// Code tables, with the codes of their files filled in.
    pub code_tables: Vec<CodeTable>,
    /// Divisions of every list.
    pub divisions: Vec<Division>,
    /// How measures of quality become scores; of several the last counts.
    #[serde(default)]
    pub schemes: Vec<Scheme>,
}

/// `pack.yaml` at the root of a pack folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Stable identifier of the pack.
    pub id: String,
    /// Version, `major.minor.patch`.
    pub version: String,
    /// Title people read.
    pub title: Text,
    /// Licence of the documents.
    pub licence: String,
}

/// One document of a pack.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// `kind: department`
    Department(Department),
    /// `kind: dataset`
    Dataset(Box<Dataset<RuleEntry>>),
    /// `kind: registry`
    Registry(RegistryEntry),
    /// `kind: registry_shape`
    RegistryShape(RegistryShape),
    /// `kind: theme`
    Theme(Box<Theme>),
    /// `kind: release`
    Release(Release),
    /// `kind: calendar`
    Calendar(CalendarYear),
    /// `kind: rule_set`
    RuleSet(RuleSet),
    /// `kind: code_table`
    CodeTable(CodeTable),
    /// `kind: divisions`
    Divisions(DivisionList),
    /// `kind: score_scheme`
    Scheme(Scheme),
}

/// What is wrong with a pack, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// File below the pack folder.
    pub file: String,
    /// 1-based line; `None` when the fault has no single place.
    pub line: Option<u64>,
    /// What was found and what was expected.
    pub message: Text,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.message.en.as_deref().unwrap_or(&self.message.zh);
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {message}", self.file),
            None => write!(formatter, "{}: {message}", self.file),
        }
    }
}

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The folder or a file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Path as given.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// A bound was passed.
    #[error("the pack has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The documents have faults; all of them are listed.
    #[error("the pack has {} fault(s), the first: {}", .0.len(), .0[0])]
    Faults(Vec<Fault>),
}

impl Pack {
    /// Reads and checks one or several pack folders as one pack; later folders may refer to earlier ones.
    ///
    /// # Errors
    /// The first unreadable file, or **all** faults of all documents at once.
    pub fn read<P: AsRef<std::path::Path>>(folders: &[P]) -> Result<Self, PackError> {
        let files =
            folders.iter().map(|folder| PackFiles::from_folder(folder.as_ref())).collect::<Result<Vec<_>, _>>()?;
        Self::from_files(&files)
    }

    /// The same from files already in memory.
    ///
    /// # Errors
    /// All faults of all documents at once.
    pub fn from_files(folders: &[PackFiles]) -> Result<Self, PackError> {
        let mut reading = Reading::default();
        for files in folders {
            read::read_folder(files, &mut reading);
        }
        reading.spell_out();
        let Reading { pack, places, mut faults, .. } = reading;
        check::check(&pack, &places, &mut faults);
        if faults.is_empty() { Ok(pack) } else { Err(PackError::Faults(faults)) }
    }

    /// The dataset with this identifier.
    #[must_use]
    pub fn dataset(&self, id: &str) -> Option<&Dataset> {
        self.datasets.iter().find(|dataset| dataset.id == id)
    }

    /// The department with this identifier.
    #[must_use]
    pub fn department(&self, id: &str) -> Option<&Department> {
        self.departments.iter().find(|department| department.id == id)
    }

    /// The registry with this identifier.
    #[must_use]
    pub fn registry(&self, id: &str) -> Option<&Registry> {
        self.registries.iter().find(|registry| registry.id == id)
    }

    /// The theme with this identifier.
    #[must_use]
    pub fn theme(&self, id: &str) -> Option<&Theme> {
        self.themes.iter().find(|theme| theme.id == id)
    }

    /// The rule for what is to begin, if the city has one.
    #[must_use]
    pub fn release_of(&self, what: Releases) -> Option<&Release> {
        self.releases.iter().find(|release| release.releases == what)
    }

    /// The scheme by which quality is scored.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.schemes.last().cloned().unwrap_or_default()
    }

    /// The ready set of rules with this identifier.
    #[must_use]
    pub fn rule_set(&self, id: &str) -> Option<&RuleSet> {
        self.rule_sets.iter().find(|set| set.id == id)
    }

    /// The ready shape of a registry with this identifier.
    #[must_use]
    pub fn registry_shape(&self, id: &str) -> Option<&RegistryShape> {
        self.registry_shapes.iter().find(|shape| shape.id == id)
    }

    /// The code table with this identifier.
    #[must_use]
    pub fn code_table(&self, id: &str) -> Option<&CodeTable> {
        self.code_tables.iter().find(|table| table.id == id)
    }
}

/// A pack on its way: what was read of it, before one document may refer to another.
#[derive(Debug, Default)]
struct Reading {
    pack: Pack,
    /// Datasets as they are written.
    datasets: Vec<Dataset<RuleEntry>>,
    /// Registries as they are written.
    registries: Vec<RegistryEntry>,
    places: Places,
    faults: Vec<Fault>,
}

impl Reading {
    /// Puts the rules of sets in the place of the lines that use them, and registries in that of those on a shape.
    fn spell_out(&mut self) {
        for entry in std::mem::take(&mut self.registries) {
            match entry {
                RegistryEntry::Whole(registry) => self.pack.registries.push(*registry),
                RegistryEntry::Use(line) => {
                    let id = line.id().to_owned();
                    match line.spelled_out(&self.pack.registry_shapes) {
                        Ok(registry) => self.pack.registries.push(registry),
                        Err(refused) => {
                            let (file, place) = self.places.of("registry", &id);
                            self.faults.extend(refused.into_iter().map(|reason| {
                                let en = reason.en.unwrap_or_default();
                                let message = Text::new(
                                    format!("registry `{id}`：{}", reason.zh),
                                    format!("registry `{id}`: {en}"),
                                );
                                Fault { file: file.clone(), line: place, message }
                            }));
                        }
                    }
                }
            }
        }
        for mut dataset in std::mem::take(&mut self.datasets) {
            let entries = std::mem::take(&mut dataset.rules);
            let rules = rule_set::spelled_out(entries, &self.pack.rule_sets).unwrap_or_else(|refused| {
                let (file, line) = self.places.of("dataset", &dataset.id);
                self.faults.extend(refused.into_iter().map(|reason| {
                    let en = reason.en.unwrap_or_default();
                    let message = Text::new(
                        format!("dataset `{}`：{}", dataset.id, reason.zh),
                        format!("dataset `{}`: {en}", dataset.id),
                    );
                    Fault { file: file.clone(), line, message }
                }));
                Vec::new()
            });
            self.pack.datasets.push(dataset.with_rules(rules));
        }
    }
}

/// Where each document stood, so that a fault found later can name its file and line.
#[derive(Debug, Default)]
struct Places(BTreeMap<(&'static str, String), (String, u64)>);

impl Places {
    fn of(&self, kind: &'static str, id: &str) -> (String, Option<u64>) {
        match self.0.get(&(kind, id.to_owned())) {
            Some((file, line)) => (file.clone(), Some(*line)),
            None => ("pack".to_owned(), None),
        }
    }
}
