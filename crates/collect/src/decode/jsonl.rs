//! JSON lines: one object a line, keys as column names or titles.

use std::path::Path;

use serde_json::Value;
use yihe_definitions::Dataset;

use super::{Inspection, RECORD_BYTES_MAX, Sink, text::TextReader};
use crate::{
    error::CollectError,
    headers::{Headers, column_of},
    quarantine::Reason,
    record::{Record, RecordDefect},
};

pub(super) fn decode(
    path: &Path,
    dataset: &Dataset,
    inspection: &Inspection,
    sink: &mut dyn Sink,
) -> Result<(), CollectError> {
    let mut text = TextReader::open(path, inspection.is_utf8(dataset.source.encoding)?)?;
    let width = dataset.columns.len();
    let mut record = Record::default();
    let mut buffer = String::new();
    let mut line = 0;
    // Keys stand in every line, so what the file has is known from its first object.
    let mut begun = false;
    loop {
        let more = text.read(&mut buffer)?;
        let mut start = 0;
        while let Some(end) = buffer[start..]
            .find('\n')
            .map(|end| start + end)
            .or((!more && start < buffer.len()).then_some(buffer.len()))
        {
            line += 1;
            let content = buffer[start..end].trim();
            start = (end + 1).min(buffer.len());
            if content.is_empty() {
                continue;
            }
            if content.len() > RECORD_BYTES_MAX {
                return Err(CollectError::RecordTooLong { line, limit: RECORD_BYTES_MAX });
            }
            if !begun {
                begun = true;
                sink.columns(&first_columns(content, dataset, line, width)?)?;
            }
            read_object(content, dataset, line, width, &mut record);
            sink.record(&record)?;
        }
        buffer.drain(..start);
        if buffer.len() > RECORD_BYTES_MAX {
            return Err(CollectError::RecordTooLong { line: line + 1, limit: RECORD_BYTES_MAX });
        }
        if !more {
            break;
        }
    }
    if !begun {
        sink.columns(&Headers { places: (0..width).map(Some).collect(), width })?;
    }
    Ok(())
}

/// The keys of the first object of a file whose dataset is not known yet.
pub(crate) fn header(path: &Path, inspection: &Inspection) -> Result<Vec<String>, CollectError> {
    let mut text = TextReader::open(path, inspection.is_utf8(yihe_definitions::Encoding::Auto)?)?;
    let mut buffer = String::new();
    while buffer.trim_start().find('\n').is_none() && text.read(&mut buffer)? {
        if buffer.len() > RECORD_BYTES_MAX {
            return Err(CollectError::RecordTooLong { line: 1, limit: RECORD_BYTES_MAX });
        }
    }
    let line = buffer.trim_start().lines().next().unwrap_or_default();
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(object)) => Ok(object.keys().cloned().collect()),
        Ok(_) | Err(_) => Ok(Vec::new()),
    }
}

/// The file's columns by its first object: an unknown key is refused as an unknown header is.
fn first_columns(content: &str, dataset: &Dataset, line: u64, width: usize) -> Result<Headers, CollectError> {
    let mut places: Vec<Option<usize>> = vec![None; width];
    if let Ok(Value::Object(object)) = serde_json::from_str::<Value>(content) {
        for (position, key) in object.keys().enumerate() {
            let Some(index) = column_of(dataset, key) else {
                let expected = dataset.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(CollectError::UnknownColumn { line, position: position + 1, found: key.clone(), expected });
            };
            places[index] = Some(index);
        }
        // Later lines may carry a column that the first leaves out; only the promise is judged by the first.
    }
    for (index, place) in places.iter_mut().enumerate() {
        *place = Some(index);
    }
    Ok(Headers { places, width })
}

fn read_object(content: &str, dataset: &Dataset, line: u64, width: usize, record: &mut Record) {
    record.start(line);
    let object = match serde_json::from_str::<Value>(content) {
        Ok(Value::Object(object)) => object,
        Ok(other) => return refuse(record, None, &other.to_string(), Reason::NotAnObject, content),
        Err(error) => return refuse(record, None, &error.to_string(), Reason::NotAnObject, content),
    };
    for (key, value) in &object {
        let Some(index) = column_of(dataset, key) else {
            return refuse(record, Some(key), key, Reason::UnknownKey, content);
        };
        match value {
            Value::Null => {}
            Value::String(text) => record.set(index, text),
            Value::Number(number) => record.set(index, &number.to_string()),
            Value::Bool(truth) => record.set(index, if *truth { "true" } else { "false" }),
            Value::Array(_) | Value::Object(_) => {
                return refuse(record, Some(key), &value.to_string(), Reason::Nested, content);
            }
        }
    }
    if record.len() < width {
        record.set(width - 1, "");
    }
}

fn refuse(record: &mut Record, column: Option<&str>, found: &str, reason: Reason, content: &str) {
    let line = record.line;
    record.start(line);
    record.push(content);
    record.defect = Some(RecordDefect { column: column.map(str::to_owned), found: found.to_owned(), reason });
}
