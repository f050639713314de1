//! What an entity was made of, as the table of sources tells it: a line for each record.
//!
//! A line is the dataset, the business key as others read it, and the decision that gave the record to the entity,
//! separated by tabs. What follows from the entity's key is left out: most records go by it, and then a line is the
//! name of its dataset. Ten million entities of six records each are ten million times the same text.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder},
    error::ArrowError,
};
use foldhash::fast::RandomState;

use crate::record;

/// A record of an entity.
pub(crate) struct Source<'a> {
    pub dataset: &'a str,
    /// Business key within this room.
    pub record: Cow<'a, str>,
    /// The decision that gave it to the entity, where its own key did not.
    pub by: Option<&'a str>,
}

/// Writes a line; `record` is the business key within this room where it is another than the entity's.
pub(crate) fn write(into: &mut StringBuilder, dataset: &str, record: Option<&str>, by: Option<&str>) {
    // Writing to a builder in memory cannot fail.
    let _ = into.write_str(dataset);
    if let Some(record) = record {
        let _ = write!(into, "\t{}", record::spell(record));
    }
    if let Some(decision) = by {
        let _ = write!(into, "{}\t{decision}", if record.is_none() { "\t" } else { "" });
    }
    let _ = into.write_str("\n");
}

/// The records of the entity with this key.
pub(crate) fn source_lines<'a>((key, text): (&'a str, &'a str)) -> impl Iterator<Item = Source<'a>> {
    text.lines().filter_map(move |line| {
        let mut parts = line.split('\t');
        let dataset = parts.next().filter(|dataset| !dataset.is_empty())?;
        let record = match parts.next().filter(|record| !record.is_empty()) {
            Some(record) => Cow::Owned(record::read(record)),
            None => Cow::Borrowed(key),
        };
        Some(Source { dataset, record, by: parts.next() })
    })
}

/// Keys of conflicts that entities had and have no more; `had` is their keys and lines before, `now` their rows now.
pub(crate) fn conflicts_to_remove(
    had: &[(String, String)],
    now: &[&RecordBatch],
) -> Result<Option<RecordBatch>, ArrowError> {
    let mut has: HashMap<&str, &str, RandomState> = HashMap::default();
    for sources in now {
        let (keys, losses) = (sources.column(0).as_string::<i32>(), sources.column(2).as_string::<i32>());
        has.extend(keys.iter().zip(losses).filter_map(|(key, lost)| key.zip(lost)));
    }
    let mut gone: Vec<[&str; 3]> = Vec::new();
    for (entity, before) in had {
        let now = has.get(entity.as_str()).copied().unwrap_or_default();
        if now == before {
            continue;
        }
        for line in before.lines().filter(|line| !now.lines().any(|still| still == *line)) {
            if let Some((field, dataset)) = line.split_once('\t') {
                gone.push([entity, field, dataset]);
            }
        }
    }
    if gone.is_empty() {
        return Ok(None);
    }
    gone.sort_unstable();
    let column = |at: usize| -> ArrayRef { Arc::new(StringArray::from_iter_values(gone.iter().map(|key| key[at]))) };
    let columns = ["entity", "field", "lost_from"];
    RecordBatch::try_from_iter(columns.into_iter().zip((0..3).map(column))).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_as_written_and_the_entitys_own_key_is_not_repeated() {
        let mut text = StringBuilder::new();
        write(&mut text, "gongan", None, None);
        write(&mut text, "weijian", Some("A\u{1f}\"7\""), None);
        write(&mut text, "minzheng", Some("371302"), Some("d-1"));
        write(&mut text, "renshe", None, Some("d-2"));
        text.append_value("");
        let text = text.finish();
        assert!(text.value(0).starts_with("gongan\nweijian\t"));
        let read: Vec<(String, String, Option<String>)> = source_lines(("371301", text.value(0)))
            .map(|line| (line.dataset.to_owned(), line.record.into_owned(), line.by.map(str::to_owned)))
            .collect();
        let expected = [
            ("gongan", "371301", None),
            ("weijian", "A\u{1f}\"7\"", None),
            ("minzheng", "371302", Some("d-1")),
            ("renshe", "371301", Some("d-2")),
        ];
        let expected: Vec<(String, String, Option<String>)> =
            expected.iter().map(|(dataset, key, by)| ((*dataset).into(), (*key).into(), by.map(Into::into))).collect();
        assert_eq!(read, expected);
    }
}
