//! Which delivery belongs to which dataset.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use yihe_definitions::{Dataset, Format, Pack};

use crate::{decode, error::CollectError};

/// Most files of one dataset that one run takes.
const FILES_MAX: usize = 100_000;

/// One thing to collect.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// The dataset it belongs to.
    pub dataset: &'a Dataset,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A table of a foreign database.
    Table {
        /// Name of the connection.
        connection: String,
        /// Its address; may hold a password and is never shown.
        url: String,
        /// `table` or `schema.table`.
        table: String,
    },
}

impl Origin {
    /// The name people read: the file's, or connection and table.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            Self::Table { connection, table, .. } => format!("{connection}:{table}"),
        }
    }
}

/// Finds what there is to collect, datasets in the order of the pack, files by name.
///
/// A dataset that reads from a database whose connection is not configured falls back to its files; with
/// neither it is left out, as a dataset without files is.
///
/// # Errors
/// The inbox cannot be read; a dataset has more files than the bound.
pub fn deliveries<'a>(
    pack: &'a Pack,
    inbox: &Path,
    connections: &BTreeMap<String, String>,
) -> Result<Vec<Delivery<'a>>, CollectError> {
    let mut found = Vec::new();
    for dataset in &pack.datasets {
        let source = &dataset.source;
        if matches!(source.format, Format::Postgres | Format::Mariadb)
            && let (Some(connection), Some(table)) = (&source.connection, &source.table)
        {
            if let Some(url) = connections.get(connection) {
                let origin = Origin::Table { connection: connection.clone(), url: url.clone(), table: table.clone() };
                found.push(Delivery { dataset, origin });
                continue;
            }
            if source.files.is_none() {
                return Err(CollectError::NoConnection { dataset: dataset.id.clone(), connection: connection.clone() });
            }
        }
        if let Some(pattern) = &source.files {
            for path in matching(inbox, pattern)? {
                found.push(Delivery { dataset, origin: Origin::File(path) });
            }
        }
    }
    Ok(found)
}

/// Files below `folder` whose path fits `pattern`, by name.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, CollectError> {
    let mut level = vec![folder.to_path_buf()];
    let parts: Vec<&str> = pattern.split('/').collect();
    for (depth, part) in parts.iter().enumerate() {
        let mut below = Vec::new();
        for current in &level {
            if !current.is_dir() {
                continue;
            }
            let failed = decode::read_error(current);
            for entry in std::fs::read_dir(current).map_err(&failed)? {
                let path = entry.map_err(&failed)?.path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let last = depth + 1 == parts.len();
                if fits(&name, part) && path.is_file() == last {
                    below.push(path);
                }
                if below.len() > FILES_MAX {
                    let source = std::io::Error::other(format!("more than {FILES_MAX} files fit `{pattern}`"));
                    return Err(CollectError::Read { path: pattern.to_owned(), source });
                }
            }
        }
        below.sort();
        level = below;
    }
    Ok(level)
}

/// Whether a name fits a pattern in which `*` stands for any run of characters. Hidden files fit nothing.
fn fits(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(fits("person_001.csv", "person_*.csv"));
        assert!(fits("person_.csv", "person_*.csv"));
        assert!(fits("a-b-c", "a*b*c"));
        assert!(!fits("person_001.csv.part", "person_*.csv"));
        assert!(!fits(".person_001.csv", "*.csv"));
        assert!(!fits("person.csv", "person_*.csv"));
        assert!(!fits("ab", "ab*b"), "one character cannot serve twice");
    }
}
