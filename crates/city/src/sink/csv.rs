//! Comma-separated text, in UTF-8 with a byte-order mark or in GB 18030.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use yihe_definitions::Dataset;

use crate::{
    CityError,
    fault::Fault,
    gb18030,
    row::{Cell, DaySpelling, Row, push_day, push_decimal, push_second},
    world::push_number,
};

use super::Sink;

const BLOCK: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Utf8WithMark,
    Gb18030,
}

pub struct CsvFile {
    path: PathBuf,
    file: File,
    kind: Kind,
    line_end: &'static str,
    text: String,
    encoded: Vec<u8>,
    delivered: Vec<usize>,
    spelling: DaySpelling,
}

impl CsvFile {
    pub fn new(
        path: &Path,
        dataset: &Dataset,
        delivered: &[usize],
        kind: Kind,
        spelling: DaySpelling,
    ) -> Result<Self, CityError> {
        let file = File::create(path).map_err(|source| CityError::Write { path: path.to_owned(), source })?;
        let mut text = String::with_capacity(BLOCK + 4_096);
        if kind == Kind::Utf8WithMark {
            text.push('\u{feff}');
        }
        // Old systems end lines the old way.
        let line_end = if kind == Kind::Gb18030 { "\r\n" } else { "\n" };
        for (place, column) in delivered.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            // A department writes the title or one of the headers it is known to use.
            let column = &dataset.columns[*column];
            let header =
                if place % 3 == 1 { column.aliases.first().unwrap_or(&column.title.zh) } else { &column.title.zh };
            push_quoted(&mut text, header);
        }
        text.push_str(line_end);
        let (path, delivered) = (path.to_owned(), delivered.to_vec());
        Ok(Self { path, file, kind, line_end, text, encoded: Vec::new(), delivered, spelling })
    }

    fn flush(&mut self) -> Result<(), CityError> {
        let bytes = match self.kind {
            Kind::Utf8WithMark => self.text.as_bytes(),
            Kind::Gb18030 => {
                self.encoded.clear();
                gb18030::encode(&self.text, &mut self.encoded);
                &self.encoded
            }
        };
        let failed = |source| CityError::Write { path: self.path.clone(), source };
        self.file.write_all(bytes).map_err(failed)?;
        self.text.clear();
        Ok(())
    }
}

impl Sink for CsvFile {
    fn add(&mut self, row: &Row, fault: Option<&Fault>) -> Result<(), CityError> {
        let spelling = super::spelling_of(row, self.spelling);
        let fields = self.delivered.len() - usize::from(fault == Some(&Fault::FieldMissing));
        for (place, column) in self.delivered[..fields].iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            match row.cells[*column] {
                Cell::Missing => {}
                Cell::Text { start, end } | Cell::Unfit { start, end } => {
                    push_quoted(&mut self.text, &row.text[start..end]);
                }
                Cell::Integer(value) => push_number(&mut self.text, value),
                Cell::Decimal { unscaled, scale } => push_decimal(&mut self.text, unscaled, scale),
                Cell::Day(days) => push_day(&mut self.text, days, spelling),
                Cell::LocalSecond(seconds) => push_second(&mut self.text, seconds),
            }
        }
        if fault == Some(&Fault::FieldTooMany) {
            self.text.push_str(",备注");
        }
        self.text.push_str(self.line_end);
        if self.text.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        self.flush()
    }
}

/// Adds a field, between quotation marks where it must be (RFC 4180).
pub fn push_quoted(into: &mut String, field: &str) {
    if field.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        into.push('"');
        for found in field.chars() {
            if found == '"' {
                into.push('"');
            }
            into.push(found);
        }
        into.push('"');
    } else {
        into.push_str(field);
    }
}
