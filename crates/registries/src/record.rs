//! What a record is called: its dataset and its business key.
//!
//! Outside this room the business key is a JSON list of texts, as the history of faults spells it, and `#batch:row`
//! for a dataset without a key. Within it is one text: the parts joined by U+001F.

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};

/// Stands between the parts of a business key.
const BETWEEN: char = '\u{1f}';
/// How the key of a record without a business key begins; batch and row follow.
const NO_KEY: char = '#';

/// A record of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordRef {
    /// Dataset.
    pub dataset: String,
    /// Business key as a JSON list of texts, or `#batch:row`. Personal data: never logged.
    pub record_key: String,
}

/// The spelling that others read of one within this room.
#[must_use]
pub(crate) fn spell(text: &str) -> String {
    if text.starts_with(NO_KEY) {
        return text.to_owned();
    }
    let parts: Vec<&str> = text.split(BETWEEN).collect();
    serde_json::to_string(&parts).expect("texts are always JSON")
}

/// The text within this room of a spelling; a plain text is a key of one part.
#[must_use]
pub(crate) fn read(spelling: &str) -> String {
    match serde_json::from_str::<Vec<String>>(spelling) {
        Ok(parts) => parts.join(&BETWEEN.to_string()),
        Err(_) => spelling.to_owned(),
    }
}

/// The spelling of a business key, from a spelling or from the plain text of a key of one part.
#[must_use]
pub fn canonical(text: &str) -> String {
    spell(&read(text))
}

/// The parts of a text within this room.
pub(crate) fn parts(text: &str) -> Vec<&str> {
    text.split(BETWEEN).collect()
}

/// Columns of a batch that make the business key, as text.
pub(crate) struct KeyColumns {
    parts: Vec<StringArray>,
    places: Option<(StringArray, arrow::array::Int64Array)>,
}

impl KeyColumns {
    /// Of a table whose layout has the key `key`; where it has none, batch and row stand for it.
    pub fn new(key: &[String], batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))
        };
        let text = |name: &str| -> Result<StringArray, ArrowError> {
            Ok(cast(column(name)?, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        let parts = key.iter().map(|name| text(name)).collect::<Result<Vec<_>, _>>()?;
        let places = if parts.is_empty() {
            let rows = cast(column("_row")?, &DataType::Int64)?;
            Some((text("_batch")?, rows.as_primitive::<arrow::datatypes::Int64Type>().clone()))
        } else {
            None
        };
        Ok(Self { parts, places })
    }

    /// Writes the text of a row's business key to `into`.
    pub fn write(&self, row: usize, into: &mut String) {
        into.clear();
        if let Some((batches, rows)) = &self.places {
            into.push(NO_KEY);
            into.push_str(batches.value(row));
            into.push(':');
            into.push_str(&rows.value(row).to_string());
            return;
        }
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                into.push(BETWEEN);
            }
            if part.is_valid(row) {
                into.push_str(part.value(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_spelled_as_the_history_of_faults_spells_it() {
        assert_eq!(canonical("A7"), "[\"A7\"]");
        assert_eq!(canonical("[\"A7\"]"), "[\"A7\"]");
        assert_eq!(read("[\"A7\",\"2\"]"), "A7\u{1f}2");
        assert_eq!(spell(&read("[\"A\\\"7\",\"2\"]")), "[\"A\\\"7\",\"2\"]");
        assert_eq!(canonical("#b:3"), "#b:3");
    }
}
