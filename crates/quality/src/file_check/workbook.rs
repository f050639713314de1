//! The first sheet of an Excel workbook. Its first row that is not empty is the header; every cell is text.

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::SchemaRef,
};
use calamine::{DataRef, Reader, Xlsx};

use super::BATCH_ROWS;
use crate::error::QualityError;

/// Largest workbook, in bytes on disk: a full sheet of a million rows is below it.
const FILE_BYTES_MAX: u64 = 512 << 20;
/// Most bytes of text that a sheet may unfold to.
const TEXT_BYTES_MAX: usize = 2 << 30;
/// Most columns of a sheet.
const COLUMNS_MAX: usize = 4096;

/// Reads the first sheet of a workbook.
pub struct Workbook;

impl Workbook {
    /// The titles of the columns.
    pub fn header(path: &Path) -> Result<Vec<String>, QualityError> {
        let mut header = Vec::new();
        each_row(path, |row| {
            header = row.iter().map(|title| title.trim().to_owned()).collect();
            Ok(false)
        })?;
        if header.is_empty() {
            return Err(wrong(path, "found no cell in the first sheet, expected a header row".to_owned()));
        }
        Ok(header)
    }

    /// The rows below the header, only these columns.
    pub fn batches(path: &Path, columns: &[usize], schema: SchemaRef) -> Result<Vec<RecordBatch>, QualityError> {
        let mut builders: Vec<StringBuilder> = columns.iter().map(|_| StringBuilder::new()).collect();
        let (mut batches, mut rows, mut bytes, mut header) = (Vec::new(), 0, 0, true);
        let mut finish = |builders: &mut Vec<StringBuilder>| -> Result<(), QualityError> {
            let arrays = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
            batches.push(RecordBatch::try_new(schema.clone(), arrays)?);
            Ok(())
        };
        each_row(path, |row| {
            if std::mem::take(&mut header) {
                return Ok(true);
            }
            for (builder, column) in builders.iter_mut().zip(columns) {
                let text = row.get(*column).filter(|text| !text.is_empty());
                bytes += text.map_or(0, String::len);
                builder.append_option(text);
            }
            if bytes > TEXT_BYTES_MAX {
                return Err(wrong(path, format!("its sheet holds more than {TEXT_BYTES_MAX} bytes of text")));
            }
            rows += 1;
            if rows == BATCH_ROWS {
                rows = 0;
                finish(&mut builders)?;
            }
            Ok(true)
        })?;
        if rows > 0 {
            finish(&mut builders)?;
        }
        Ok(batches)
    }
}

/// Calls `body` for each row that is not empty, until it answers false.
fn each_row(path: &Path, mut body: impl FnMut(&[String]) -> Result<bool, QualityError>) -> Result<(), QualityError> {
    let failed = |source| QualityError::Io { doing: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(wrong(path, format!("found {bytes} bytes, expected at most {FILE_BYTES_MAX} in a workbook")));
    }
    let none = |error: calamine::XlsxError| wrong(path, format!("expected an XLSX workbook: {error}"));
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(none)?;
    let Some(sheet) = workbook.sheet_names().first().cloned() else {
        return Err(wrong(path, "found no sheet".to_owned()));
    };
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(none)?;
    let mut row: Vec<String> = Vec::new();
    let mut line = 0;
    while let Some(cell) = cells.next_cell().map_err(none)? {
        let (at, column) = cell.get_position();
        if at != line {
            if !row.is_empty() && !body(&row)? {
                return Ok(());
            }
            row.clear();
            line = at;
        }
        let text = written(cell.get_value());
        if text.is_empty() {
            continue;
        }
        let column = column as usize;
        if column >= COLUMNS_MAX {
            return Err(wrong(path, format!("row {} has more than {COLUMNS_MAX} columns", at + 1)));
        }
        if row.len() <= column {
            row.resize(column + 1, String::new());
        }
        row[column] = text;
    }
    if !row.is_empty() {
        body(&row)?;
    }
    Ok(())
}

fn wrong(path: &Path, reason: String) -> QualityError {
    QualityError::Input { path: path.to_owned(), reason }
}

/// A cell as people see it; days without a time of day are written without one.
fn written(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty | DataRef::Error(_) => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(instant) => {
            let (year, month, day, hour, minute, second, _) = instant.to_ymd_hms_milli();
            let time = if (hour, minute, second) == (0, 0, 0) {
                String::new()
            } else {
                format!(" {hour:02}:{minute:02}:{second:02}")
            };
            format!("{year:04}-{month:02}-{day:02}{time}")
        }
    }
}
