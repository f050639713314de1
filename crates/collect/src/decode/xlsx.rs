//! Excel workbooks: title lines, merged two-line headers, numbers that are identifiers, blank formatted rows.

mod guard;

use std::{fs::File, io::BufReader, path::Path};

use calamine::{DataRef, Reader, Xlsx, XlsxError};
use yihe_definitions::Dataset;

use super::{FIELDS_MAX, Sink, read_error};
use crate::{
    error::CollectError,
    headers::Headers,
    quarantine::Reason,
    record::{Record, RecordDefect},
};

/// The header is looked for in this many rows from the top.
const HEADER_ROWS_MAX: usize = 20;
/// From here on a 64-bit float no longer holds every whole number, and spreadsheets keep 15 digits.
const EXACT_NUMBER_MAX: f64 = 1e15;

pub(super) fn decode(path: &Path, dataset: &Dataset, sink: &mut dyn Sink) -> Result<(), CollectError> {
    guard::check(path)?;
    let file = File::open(path).map_err(read_error(path))?;
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(damaged)?;
    let sheets = workbook.sheet_names();
    let sheet = match &dataset.source.sheet {
        Some(sheet) if sheets.contains(sheet) => sheet.clone(),
        Some(sheet) => return Err(CollectError::NoSheet { sheet: sheet.clone(), present: sheets.join("、") }),
        None => sheets.first().cloned().ok_or_else(|| CollectError::Workbook { detail: "no sheet".to_owned() })?,
    };
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let mut rows = Rows { dataset, sink, head: Vec::new(), headers: None, record: Record::default() };
    let mut row: Vec<Cell> = Vec::new();
    let mut number = 0;
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (line, column) = cell.get_position();
        if line != number && !row.is_empty() {
            rows.take(u64::from(number) + 1, &row)?;
            row.clear();
        }
        number = line;
        let column = column as usize;
        if column >= FIELDS_MAX {
            return Err(CollectError::TooManyFields { line: u64::from(line) + 1, limit: FIELDS_MAX });
        }
        let value = Cell::read(cell.get_value());
        if !value.text.is_empty() {
            row.resize(row.len().max(column + 1), Cell::default());
            row[column] = value;
        }
    }
    if !row.is_empty() {
        rows.take(u64::from(number) + 1, &row)?;
    }
    rows.finish()
}

/// The header of a workbook whose dataset is not known yet: of the top rows the one with the most text cells, the
/// first of equals.
pub(crate) fn header(path: &Path) -> Result<Vec<String>, CollectError> {
    guard::check(path)?;
    let file = File::open(path).map_err(read_error(path))?;
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(damaged)?;
    let sheet = workbook
        .sheet_names()
        .first()
        .cloned()
        .ok_or_else(|| CollectError::Workbook { detail: "no sheet".to_owned() })?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let mut rows: std::collections::BTreeMap<u32, Vec<String>> = std::collections::BTreeMap::new();
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (line, column) = cell.get_position();
        if rows.len() >= HEADER_ROWS_MAX && !rows.contains_key(&line) {
            break;
        }
        if column as usize >= FIELDS_MAX {
            return Err(CollectError::TooManyFields { line: u64::from(line) + 1, limit: FIELDS_MAX });
        }
        if let DataRef::String(_) | DataRef::SharedString(_) = cell.get_value() {
            rows.entry(line).or_default().push(Cell::read(cell.get_value()).text);
        }
    }
    let mut best: Vec<String> = Vec::new();
    for row in rows.into_values() {
        if row.len() > best.len() {
            best = row;
        }
    }
    Ok(best)
}

fn damaged(error: XlsxError) -> CollectError {
    CollectError::Workbook { detail: error.to_string() }
}

/// A cell as text; `lost_digits` when the text cannot be what was typed.
#[derive(Debug, Clone, Default)]
struct Cell {
    text: String,
    lost_digits: bool,
}

impl Cell {
    fn read(value: &DataRef<'_>) -> Self {
        let plain = |text: String| Self { text, lost_digits: false };
        match value {
            DataRef::Empty | DataRef::Error(_) => Self::default(),
            DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => plain(text.clone()),
            DataRef::SharedString(text) => plain((*text).to_owned()),
            DataRef::Int(number) => plain(number.to_string()),
            DataRef::Float(number) => Self { text: number.to_string(), lost_digits: number.abs() >= EXACT_NUMBER_MAX },
            DataRef::Bool(truth) => plain(if *truth { "true" } else { "false" }.to_owned()),
            DataRef::DateTime(instant) => {
                let (year, month, day, hour, minute, second, _) = instant.to_ymd_hms_milli();
                if (hour, minute, second) == (0, 0, 0) {
                    plain(format!("{year:04}-{month:02}-{day:02}"))
                } else {
                    plain(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
                }
            }
        }
    }
}

/// First looks for the header among the top rows, then passes every row on.
struct Rows<'a> {
    dataset: &'a Dataset,
    sink: &'a mut dyn Sink,
    head: Vec<(u64, Vec<Cell>)>,
    headers: Option<Headers>,
    record: Record,
}

impl Rows<'_> {
    fn take(&mut self, line: u64, row: &[Cell]) -> Result<(), CollectError> {
        if self.headers.is_none() {
            self.head.push((line, row.to_vec()));
            if self.head.len() >= HEADER_ROWS_MAX {
                self.settle()?;
            }
            return Ok(());
        }
        self.pass(line, row)
    }

    fn finish(mut self) -> Result<(), CollectError> {
        if self.headers.is_none() { self.settle() } else { Ok(()) }
    }

    /// Chooses the header: the row, alone or under a merged row above it, that names the most columns.
    fn settle(&mut self) -> Result<(), CollectError> {
        let head = std::mem::take(&mut self.head);
        let mut best: Option<(usize, usize, Vec<String>)> = None;
        for index in 0..head.len() {
            let alone: Vec<String> = head[index].1.iter().map(|cell| cell.text.clone()).collect();
            let under = (index > 0).then(|| combined(&head[index - 1].1, &head[index].1, self.dataset));
            for titles in std::iter::once(alone).chain(under) {
                let score = Headers::score(self.dataset, &titles);
                if score > best.as_ref().map_or(0, |(_, best, _)| *best) {
                    best = Some((index, score, titles));
                }
            }
        }
        // One accidental word in a title line is not a header; half of the promised columns is.
        let Some((index, _, titles)) = best.filter(|(_, score, _)| score * 2 >= self.dataset.columns.len().min(4))
        else {
            let expected =
                self.dataset.columns.iter().map(|column| column.title.zh.as_str()).collect::<Vec<_>>().join("、");
            return Err(CollectError::NoHeader { expected });
        };
        let headers = Headers::matched(self.dataset, &titles, head[index].0)?;
        self.sink.columns(&headers)?;
        self.headers = Some(headers);
        for (line, row) in &head[index + 1..] {
            self.pass(*line, row)?;
        }
        Ok(())
    }

    fn pass(&mut self, line: u64, row: &[Cell]) -> Result<(), CollectError> {
        let width = self.headers.as_ref().map_or(0, |headers| headers.width);
        self.record.start(line);
        for index in 0..width.max(row.len()) {
            self.record.push(row.get(index).map_or("", |cell| cell.text.as_str()));
        }
        if self.record.is_blank() {
            return Ok(());
        }
        let lost = self.headers.as_ref().and_then(|headers| {
            headers.places.iter().enumerate().find_map(|(column, place)| {
                let cell = row.get((*place)?)?;
                let text = self.dataset.columns[column].column_type == yihe_definitions::ColumnType::Text;
                (cell.lost_digits && text).then(|| RecordDefect {
                    column: Some(self.dataset.columns[column].title.zh.clone()),
                    found: cell.text.clone(),
                    reason: Reason::LostDigits,
                })
            })
        });
        self.record.defect = lost;
        self.sink.record(&self.record)
    }
}

/// Reads a header of two lines: the lower title where there is one, else the merged title above it; where
/// the lower title alone names no column, both together.
fn combined(upper: &[Cell], lower: &[Cell], dataset: &Dataset) -> Vec<String> {
    let mut above = "";
    (0..upper.len().max(lower.len()))
        .map(|index| {
            let upper = upper.get(index).map_or("", |cell| cell.text.as_str());
            let lower = lower.get(index).map_or("", |cell| cell.text.as_str());
            if !upper.is_empty() {
                above = upper;
            }
            if lower.is_empty() {
                return upper.to_owned();
            }
            let both = format!("{above}{lower}");
            let named = |title: &str| crate::headers::column_of(dataset, title).is_some();
            if named(&both) && !named(lower) { both } else { lower.to_owned() }
        })
        .collect()
}
