//! CSV, JSON and workbooks, decoded as they stream by. Every column is text; rules read numbers and days from it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
    json,
};
use encoding_rs::{Decoder, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use yihe_definitions::{Encoding, Format};

use super::{BATCH_ROWS, json_lines::JsonLines, workbook::Workbook};
use crate::error::QualityError;

/// Bytes that are looked at to recognise the encoding and the fields of JSON lines.
const SAMPLE_BYTES: u64 = 1 << 20;
/// Lines of the sample whose fields are read.
const SAMPLE_LINES: usize = 1000;
/// Most columns of a text file.
const COLUMNS_MAX: usize = 4096;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text file and where we stand in it.
pub struct TextInput {
    path: PathBuf,
    format: Format,
    delimiter: u8,
    encoding: &'static encoding_rs::Encoding,
    schema: Schema,
    columns: Vec<usize>,
    reader: Option<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>>,
}

impl TextInput {
    pub fn open(path: &Path, format: Format, encoding: Encoding, delimiter: u8) -> Result<Self, QualityError> {
        let encoding = match encoding {
            _ if format == Format::Xlsx => UTF_8,
            Encoding::Utf8 => UTF_8,
            Encoding::Gb18030 => GB18030,
            Encoding::Auto => recognised(path)?,
        };
        let names = match format {
            Format::Csv => csv_header(path, encoding, delimiter)?,
            Format::Jsonl => json_fields(path, encoding)?,
            Format::Xlsx => Workbook::header(path)?,
            Format::Parquet | Format::Postgres | Format::Mariadb => {
                let reason = format!("is {format:?}, expected Parquet, CSV, JSON or XLSX");
                return Err(QualityError::Input { path: path.to_owned(), reason });
            }
        };
        if names.len() > COLUMNS_MAX {
            let reason = format!("found {} columns, expected at most {COLUMNS_MAX}", names.len());
            return Err(QualityError::Input { path: path.to_owned(), reason });
        }
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            let reason = format!("found the column `{}` twice", twice.1);
            return Err(QualityError::Input { path: path.to_owned(), reason });
        }
        let schema = Schema::new(names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>());
        let columns = (0..schema.fields().len()).collect();
        Ok(Self { path: path.to_owned(), format, delimiter, encoding, schema, columns, reader: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn project(&mut self, columns: &[String]) -> Result<(), QualityError> {
        let columns = columns.iter().map(|column| self.schema.index_of(column)).collect::<Result<_, _>>();
        self.columns = columns.map_err(|source| QualityError::Arrow { doing: "find a column", source })?;
        // At least one column, so that rows can be counted.
        if self.columns.is_empty() {
            self.columns.push(0);
        }
        self.columns.sort_unstable();
        Ok(())
    }

    /// The next rows; `rows` were read before.
    pub fn next_batch(&mut self, rows: u64) -> Result<Option<RecordBatch>, QualityError> {
        if self.reader.is_none() {
            self.reader = Some(self.begin()?);
        }
        let next = self.reader.as_mut().and_then(Iterator::next);
        next.transpose().map_err(|error| {
            let reason = format!("after row {rows}, read as {}: {error}", self.encoding.name());
            QualityError::Input { path: self.path.clone(), reason }
        })
    }

    fn begin(&self) -> Result<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>, QualityError> {
        let failed = |source| QualityError::Arrow { doing: "begin to read a text file", source };
        let schema = || self.schema.project(&self.columns).map(Arc::new).map_err(failed);
        if self.format == Format::Xlsx {
            return Ok(Box::new(Workbook::batches(&self.path, &self.columns, schema()?)?.into_iter().map(Ok)));
        }
        let input = BufReader::with_capacity(1 << 18, decoded(&self.path, self.encoding)?);
        if self.format == Format::Jsonl {
            let schema = schema()?;
            let input = BufReader::with_capacity(1 << 18, JsonLines::new(input));
            let reader = json::ReaderBuilder::new(schema).with_coerce_primitive(true).with_batch_size(BATCH_ROWS);
            return Ok(Box::new(reader.build(input).map_err(failed)?));
        }
        let reader = ReaderBuilder::new(Arc::new(self.schema.clone()))
            .with_header(true)
            .with_delimiter(self.delimiter)
            .with_truncated_rows(true)
            .with_projection(self.columns.clone())
            .with_batch_size(BATCH_ROWS);
        Ok(Box::new(reader.build_buffered(input).map_err(failed)?))
    }
}

fn io_error(path: &Path, source: std::io::Error) -> QualityError {
    QualityError::Io { doing: "read", path: path.to_owned(), source }
}

/// The encoding of a file: that of its byte-order mark, UTF-8 where its beginning is, otherwise GB18030.
pub(super) fn recognised(path: &Path) -> Result<&'static encoding_rs::Encoding, QualityError> {
    let mut sample = Vec::new();
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    file.take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(|source| io_error(path, source))?;
    let whole = (sample.len() as u64) < SAMPLE_BYTES;
    if sample.starts_with(b"\xff\xfe") {
        return Ok(UTF_16LE);
    }
    if sample.starts_with(b"\xfe\xff") {
        return Ok(UTF_16BE);
    }
    let utf8 = match std::str::from_utf8(&sample) {
        Ok(_) => true,
        // The sample may end within a character.
        Err(error) => !whole && error.error_len().is_none(),
    };
    Ok(if utf8 { UTF_8 } else { GB18030 })
}

/// The bytes of a file as UTF-8 without a byte-order mark.
pub(super) fn decoded(
    path: &Path,
    encoding: &'static encoding_rs::Encoding,
) -> Result<Box<dyn Read + Send>, QualityError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    let mut input = BufReader::with_capacity(1 << 18, file);
    if encoding != UTF_8 {
        return Ok(Box::new(Transcoder {
            input,
            decoder: encoding.new_decoder_with_bom_removal(),
            ended: false,
            decoded: Vec::new(),
            at: 0,
        }));
    }
    let start = input.fill_buf().map_err(|source| io_error(path, source))?;
    if start.starts_with(UTF8_MARK) {
        input.consume(UTF8_MARK.len());
    }
    Ok(Box::new(input))
}

fn csv_header(
    path: &Path,
    encoding: &'static encoding_rs::Encoding,
    delimiter: u8,
) -> Result<Vec<String>, QualityError> {
    let input = decoded(path, encoding)?.take(SAMPLE_BYTES);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
    let header = reader.headers();
    let header = header.map_err(|error| QualityError::Input { path: path.to_owned(), reason: error.to_string() })?;
    if header.is_empty() {
        let reason = "found no line, expected a header line".to_owned();
        return Err(QualityError::Input { path: path.to_owned(), reason });
    }
    Ok(header.iter().map(|name| name.trim().to_owned()).collect())
}

fn json_fields(path: &Path, encoding: &'static encoding_rs::Encoding) -> Result<Vec<String>, QualityError> {
    let mut names = BTreeSet::new();
    let input = BufReader::new(JsonLines::new(decoded(path, encoding)?.take(SAMPLE_BYTES * 8)));
    for (number, line) in (1..=SAMPLE_LINES).zip(input.lines()) {
        let line = line.map_err(|source| io_error(path, source))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(serde_json::Value::Object(object)) => names.extend(object.into_iter().map(|(name, _)| name)),
            Ok(_) => {
                let reason =
                    format!("line {number} is no JSON object, expected one object per line, or an array of objects");
                return Err(QualityError::Input { path: path.to_owned(), reason });
            }
            // The last line of the sample may be cut; what is wrong with it is told when it is read.
            Err(_) if number > 1 => break,
            Err(error) => {
                let reason = format!("line {number}: {error}");
                return Err(QualityError::Input { path: path.to_owned(), reason });
            }
        }
    }
    Ok(names.into_iter().collect())
}

/// Decodes GB18030 or UTF-16 while it is read. Bytes that are none become U+FFFD, as everywhere on the platform.
struct Transcoder<R> {
    input: BufReader<R>,
    decoder: Decoder,
    ended: bool,
    decoded: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.decoded.len() && !self.ended {
            let bytes = self.input.fill_buf()?;
            let last = bytes.is_empty();
            let needed = self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(1 << 20);
            self.decoded.resize(needed, 0);
            let (_, read, written, _) = self.decoder.decode_to_utf8(bytes, &mut self.decoded, last);
            self.decoded.truncate(written);
            self.at = 0;
            self.input.consume(read);
            self.ended = last;
        }
        let count = out.len().min(self.decoded.len() - self.at);
        out[..count].copy_from_slice(&self.decoded[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb18030_is_decoded_the_same_in_pieces_of_any_size() {
        let text = "姓名,地址\n王伟,沂河路𠮷号\n".repeat(1000);
        let (bytes, _, _) = GB18030.encode(&text);
        for capacity in [1, 2, 3, 7, 4096] {
            let mut transcoder = Transcoder {
                input: BufReader::with_capacity(capacity, &bytes[..]),
                decoder: GB18030.new_decoder_without_bom_handling(),
                ended: false,
                decoded: Vec::new(),
                at: 0,
            };
            let mut read = String::new();
            transcoder.read_to_string(&mut read).unwrap();
            assert!(read == text, "{capacity}");
        }
    }
}
