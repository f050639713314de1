//! One JSON object per line, with the columns' names as keys; a missing value is left out.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use yihe_definitions::Dataset;

use crate::{
    CityError,
    fault::Fault,
    row::{Cell, DaySpelling, Row, push_day, push_decimal, push_second},
    world::push_number,
};

use super::Sink;

pub struct JsonLines {
    path: PathBuf,
    file: BufWriter<File>,
    columns: Vec<(usize, String)>,
    line: String,
    spelling: DaySpelling,
}

impl JsonLines {
    pub fn new(path: &Path, dataset: &Dataset, delivered: &[usize], spelling: DaySpelling) -> Result<Self, CityError> {
        let file = File::create(path).map_err(|source| CityError::Write { path: path.to_owned(), source })?;
        let columns = delivered.iter().map(|column| (*column, format!("\"{}\":", dataset.columns[*column].name)));
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(256 << 10, file),
            columns: columns.collect(),
            line: String::new(),
            spelling,
        })
    }
}

impl Sink for JsonLines {
    fn add(&mut self, row: &Row, fault: Option<&Fault>) -> Result<(), CityError> {
        let spelling = super::spelling_of(row, self.spelling);
        let line = &mut self.line;
        line.clear();
        line.push('{');
        for (column, key) in &self.columns {
            if row.is_missing(*column) {
                continue;
            }
            if line.len() > 1 {
                line.push(',');
            }
            line.push_str(key);
            match row.cells[*column] {
                Cell::Missing => {}
                Cell::Text { start, end } | Cell::Unfit { start, end } => push_string(line, &row.text[start..end]),
                Cell::Integer(value) => push_number(line, value),
                Cell::Decimal { unscaled, scale } => push_decimal(line, unscaled, scale),
                Cell::Day(days) => {
                    line.push('"');
                    push_day(line, days, spelling);
                    line.push('"');
                }
                Cell::LocalSecond(seconds) => {
                    line.push('"');
                    push_second(line, seconds);
                    line.push('"');
                }
            }
        }
        if fault == Some(&Fault::BrokenLine) {
            // The transfer was cut inside the last value.
            line.push_str(",\"");
        } else {
            line.push('}');
        }
        line.push('\n');
        let failed = |source| CityError::Write { path: self.path.clone(), source };
        self.file.write_all(self.line.as_bytes()).map_err(failed)
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        self.file.flush().map_err(|source| CityError::Write { path: self.path.clone(), source })
    }
}

fn push_string(into: &mut String, text: &str) {
    into.push('"');
    for found in text.chars() {
        if matches!(found, '"' | '\\') {
            into.push('\\');
        }
        into.push(found);
    }
    into.push('"');
}
