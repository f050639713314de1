//! Workbooks as offices make them: a title line, a line of merged group headers, the headers, then the records.

use std::path::{Path, PathBuf};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, XlsxError};
use yihe_definitions::{Dataset, Sensitivity};

use crate::{
    CityError,
    fault::Fault,
    row::{Cell, DaySpelling, Row, push_day, push_second},
};

use super::Sink;

/// Days from 1899-12-30, day 0 of spreadsheets, to 1970-01-01.
const SPREADSHEET_EPOCH: i32 = 25_569;

pub struct Workbook {
    path: PathBuf,
    book: rust_xlsxwriter::Workbook,
    delivered: Vec<usize>,
    spelling: DaySpelling,
    day: Format,
    next: u32,
    text: String,
}

impl Workbook {
    pub fn new(path: &Path, dataset: &Dataset, delivered: &[usize], spelling: DaySpelling) -> Result<Self, CityError> {
        let mut book = rust_xlsxwriter::Workbook::new();
        let failed = |source| CityError::Workbook { path: path.to_owned(), source };
        // The same city is the same file: a workbook usually notes when it was made.
        let made = ExcelDateTime::from_ymd(2026, 11, 1).map_err(failed)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        headers(&mut book, dataset, delivered).map_err(failed)?;
        let day = Format::new().set_num_format("yyyy-mm-dd");
        let (path, delivered) = (path.to_owned(), delivered.to_vec());
        Ok(Self { path, book, delivered, spelling, day, next: 3, text: String::new() })
    }

    fn write(&mut self, row: &Row) -> Result<(), XlsxError> {
        let spelling = super::spelling_of(row, self.spelling);
        let sheet = self.book.worksheet_from_index(0)?;
        for (place, column) in (0_u16..).zip(&self.delivered) {
            match row.cells[*column] {
                Cell::Missing => {}
                Cell::Text { start, end } | Cell::Unfit { start, end } => {
                    sheet.write_string(self.next, place, &row.text[start..end])?;
                }
                Cell::Integer(value) => {
                    sheet.write_number(self.next, place, number(value, 0))?;
                }
                Cell::Decimal { unscaled, scale } => {
                    sheet.write_number(self.next, place, number(unscaled, scale))?;
                }
                Cell::Day(days) if spelling == DaySpelling::Hyphens => {
                    let serial = f64::from(days + SPREADSHEET_EPOCH);
                    sheet.write_number_with_format(self.next, place, serial, &self.day)?;
                }
                Cell::Day(days) => {
                    self.text.clear();
                    push_day(&mut self.text, days, spelling);
                    sheet.write_string(self.next, place, &self.text)?;
                }
                Cell::LocalSecond(seconds) => {
                    self.text.clear();
                    push_second(&mut self.text, seconds);
                    sheet.write_string(self.next, place, &self.text)?;
                }
            }
        }
        self.next += 1;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "spreadsheets know no other numbers, and these have at most 15 digits")]
fn number(unscaled: i64, scale: u8) -> f64 {
    unscaled as f64 / 10_f64.powi(i32::from(scale))
}

/// Title over all columns; then groups of neighbours, merged; then the columns' own headers.
fn headers(workbook: &mut rust_xlsxwriter::Workbook, dataset: &Dataset, delivered: &[usize]) -> Result<(), XlsxError> {
    let centred = Format::new().set_align(FormatAlign::Center).set_bold();
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_name("Sheet1")?;
    let width = u16::try_from(delivered.len()).expect("at most 512 columns");
    merge(sheet, 0, 0, width - 1, &format!("{}（2026年10月）", dataset.title.zh), &centred)?;
    let mut first = 0;
    while first < width {
        let group = |place: u16| group_of(dataset.columns[delivered[usize::from(place)]].sensitivity);
        let last = (first..width).take_while(|place| group(*place) == group(first)).last().unwrap_or(first);
        merge(sheet, 1, first, last, group(first), &centred)?;
        first = last + 1;
    }
    for (place, column) in (0_u16..).zip(delivered) {
        sheet.write_string_with_format(2, place, &dataset.columns[*column].title.zh, &centred)?;
    }
    Ok(())
}

fn merge(
    sheet: &mut rust_xlsxwriter::Worksheet,
    row: u32,
    first: u16,
    last: u16,
    text: &str,
    format: &Format,
) -> Result<(), XlsxError> {
    if first == last {
        sheet.write_string_with_format(row, first, text, format)?;
    } else {
        sheet.merge_range(row, first, row, last, text, format)?;
    }
    Ok(())
}

const fn group_of(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Plain => "业务信息",
        Sensitivity::Name | Sensitivity::CitizenId | Sensitivity::BirthDate => "身份信息",
        Sensitivity::Phone | Sensitivity::Address => "联系信息",
        Sensitivity::Account | Sensitivity::Hidden => "其他信息",
    }
}

impl Sink for Workbook {
    fn add(&mut self, row: &Row, _: Option<&Fault>) -> Result<(), CityError> {
        self.write(row).map_err(|source| CityError::Workbook { path: self.path.clone(), source })
    }

    fn finish(mut self: Box<Self>) -> Result<(), CityError> {
        let failed = |source| CityError::Workbook { path: self.path.clone(), source };
        self.book.save(&self.path).map_err(failed)
    }
}
