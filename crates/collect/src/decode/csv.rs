//! CSV as departments export it: RFC 4180, any line end, UTF-8 or GB18030.

use std::path::Path;

use csv_core::{ReadRecordResult, ReaderBuilder};
use yihe_definitions::Dataset;

use super::{FIELDS_MAX, Inspection, RECORD_BYTES_MAX, Sink, text::TextReader};
use crate::{error::CollectError, headers::Headers, record::Record};

pub(super) fn decode(
    path: &Path,
    dataset: &Dataset,
    inspection: &Inspection,
    sink: &mut dyn Sink,
) -> Result<(), CollectError> {
    let utf8 = inspection.is_utf8(dataset.source.encoding)?;
    let mut reader = CsvReader::open(path, utf8, delimiter(dataset)?)?;
    let mut record = Record::default();
    let Some(header_line) = reader.next(&mut record)? else {
        let expected = dataset.columns.iter().map(|column| column.title.zh.as_str()).collect::<Vec<_>>().join("、");
        return Err(CollectError::NoHeader { expected });
    };
    let titles: Vec<String> =
        (0..record.len()).map(|index| record.cell(index).unwrap_or_default().to_owned()).collect();
    let headers = Headers::matched(dataset, &titles, header_line)?;
    sink.columns(&headers)?;
    while reader.next(&mut record)?.is_some() {
        if !record.is_blank() {
            sink.record(&record)?;
        }
    }
    Ok(())
}

/// The first line of a file whose dataset is not known yet.
pub(crate) fn header(path: &Path, inspection: &Inspection) -> Result<Vec<String>, CollectError> {
    let mut reader = CsvReader::open(path, inspection.is_utf8(yihe_definitions::Encoding::Auto)?, b',')?;
    let mut record = Record::default();
    reader.next(&mut record)?;
    Ok((0..record.len()).map(|index| record.cell(index).unwrap_or_default().to_owned()).collect())
}

fn delimiter(dataset: &Dataset) -> Result<u8, CollectError> {
    let delimiter = dataset.source.delimiter.unwrap_or(',');
    u8::try_from(delimiter)
        .ok()
        .filter(u8::is_ascii)
        .ok_or_else(|| CollectError::NoHeader { expected: format!("an ASCII separator, found {delimiter}") })
}

struct CsvReader {
    text: TextReader,
    core: csv_core::Reader,
    buffer: String,
    position: usize,
    ended: bool,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvReader {
    fn open(path: &Path, utf8: bool, delimiter: u8) -> Result<Self, CollectError> {
        Ok(Self {
            text: TextReader::open(path, utf8)?,
            core: ReaderBuilder::new().delimiter(delimiter).build(),
            buffer: String::new(),
            position: 0,
            ended: false,
            output: vec![0; 16 << 10],
            ends: vec![0; 256],
        })
    }

    /// Reads the next record and returns the line on which it begins; `None` at the end of the file.
    fn next(&mut self, record: &mut Record) -> Result<Option<u64>, CollectError> {
        let mut written = 0;
        let mut fields = 0;
        let line = self.core.line();
        loop {
            if self.position == self.buffer.len() && !self.ended {
                self.buffer.clear();
                self.position = 0;
                self.ended = !self.text.read(&mut self.buffer)?;
            }
            let input = &self.buffer.as_bytes()[self.position..];
            if input.is_empty() && !self.ended {
                continue;
            }
            let (result, read, wrote, ended) =
                self.core.read_record(input, &mut self.output[written..], &mut self.ends[fields..]);
            self.position += read;
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.output.len() >= RECORD_BYTES_MAX => {
                    return Err(CollectError::RecordTooLong { line, limit: RECORD_BYTES_MAX });
                }
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= FIELDS_MAX => {
                    return Err(CollectError::TooManyFields { line, limit: FIELDS_MAX });
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let text =
                        std::str::from_utf8(&self.output[..written]).expect("cut from UTF-8 at ASCII separators");
                    record.start(line);
                    let mut start = 0;
                    for end in &self.ends[..fields] {
                        record.push(&text[start..*end]);
                        start = *end;
                    }
                    return Ok(Some(line));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}
