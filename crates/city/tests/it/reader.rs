//! A plain reader of everything the city delivers. Slow, simple, and written without the platform's reader.

use std::path::Path;

use arrow::{array::Array as _, datatypes::DataType};
use calamine::Reader as _;
use yihe_definitions::{Column, ColumnType, Dataset, Encoding, Format};

/// A record: its values as text in the declared columns' order, or why it does not fit.
pub type Record = Result<Vec<Option<String>>, &'static str>;

pub fn read(dataset: &Dataset, path: &Path) -> Vec<Record> {
    match path.extension().unwrap().to_str().unwrap() {
        "csv" => csv_file(dataset, path),
        "jsonl" => json_lines(dataset, path),
        "xlsx" => workbook(dataset, path),
        "parquet" => {
            assert_eq!(dataset.source.format, Format::Parquet);
            parquet_rows(path).into_iter().map(|row| record(dataset, &row.0, &row.1)).collect()
        }
        other => panic!("{other}"),
    }
}

fn csv_file(dataset: &Dataset, path: &Path) -> Vec<Record> {
    let bytes = std::fs::read(path).unwrap();
    let text = if dataset.source.encoding == Encoding::Gb18030 {
        assert!(std::str::from_utf8(&bytes).is_err(), "{} is no GB 18030", path.display());
        let (text, _, had_errors) = encoding_rs::GB18030.decode(&bytes);
        assert!(!had_errors);
        text.into_owned()
    } else {
        std::str::from_utf8(&bytes).unwrap().strip_prefix('\u{feff}').expect("a byte-order mark").to_owned()
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut lines = reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines
        .map(|line| {
            if line.len() != header.len() {
                return Err("field_count");
            }
            record(dataset, &header, &line.into_iter().map(Some).collect::<Vec<_>>())
        })
        .collect()
}

fn json_lines(dataset: &Dataset, path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).unwrap();
    let read = |line: &str| {
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else { return Err("broken_line") };
        let header: Vec<String> = object.keys().cloned().collect();
        // Numbers keep their own spelling.
        let values = object.values().map(|value| match value {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
        record(dataset, &header, &values.collect::<Vec<_>>())
    };
    text.lines().map(read).collect()
}

fn workbook(dataset: &Dataset, path: &Path) -> Vec<Record> {
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(path).unwrap();
    let sheet = workbook.worksheet_range_at(0).unwrap().unwrap();
    let text = |cell: &calamine::Data| match cell {
        calamine::Data::Empty => None,
        calamine::Data::String(text) => Some(text.clone()),
        calamine::Data::DateTime(serial) => {
            let days = serial.as_f64() as i32 - 25_569;
            Some(jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days)).to_string())
        }
        other => Some(other.to_string()),
    };
    let mut rows = sheet.rows();
    let title = rows.next().unwrap();
    assert!(text(&title[0]).unwrap().starts_with(&dataset.title.zh));
    rows.next().unwrap();
    let header: Vec<String> = rows.next().unwrap().iter().map(|cell| text(cell).unwrap()).collect();
    rows.map(|row| record(dataset, &header, &row.iter().map(text).collect::<Vec<_>>())).collect()
}

/// Column names and values of every row of a Parquet file.
pub fn parquet_rows(path: &Path) -> Vec<(Vec<String>, Vec<Option<String>>)> {
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let header: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                if column.is_null(row) {
                    return None;
                }
                Some(match column.data_type() {
                    DataType::Timestamp(..) => {
                        let text = arrow::util::display::array_value_to_string(column, row).unwrap();
                        let at: jiff::Timestamp = text.parse().unwrap();
                        jiff::tz::Offset::constant(8).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
                    }
                    _ => arrow::util::display::array_value_to_string(column, row).unwrap(),
                })
            });
            rows.push((header.clone(), values.collect()));
        }
    }
    rows
}

/// Brings a line into the declared order and types.
fn record(dataset: &Dataset, header: &[String], values: &[Option<String>]) -> Record {
    let of = |column: &Column| {
        let is_header =
            |header: &String| *header == column.name || *header == column.title.zh || column.aliases.contains(header);
        let place = header.iter().position(is_header)?;
        values.get(place)?.clone().filter(|text| !text.is_empty())
    };
    let fits = |column: &Column| match of(column) {
        None if column.required => Err("required_missing"),
        None => Ok(None),
        Some(text) => fit(column.column_type, text).map(Some),
    };
    dataset.columns.iter().map(fits).collect()
}

fn fit(kind: ColumnType, text: String) -> Result<String, &'static str> {
    match kind {
        ColumnType::Text => Ok(text),
        ColumnType::Integer => text.parse::<i64>().map(|value| value.to_string()).map_err(|_| "not_a_number"),
        ColumnType::Decimal { precision, scale } => {
            let scale = usize::from(scale.unsigned_abs());
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            let digits = whole.trim_start_matches('-');
            let is_number = !digits.is_empty() && digits.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
            if !is_number || part.len() > scale {
                return Err("not_a_number");
            }
            assert!(digits.len() + scale <= usize::from(precision), "{text} in {kind}");
            Ok(format!("{whole}.{part:0<scale$}"))
        }
        ColumnType::Date => yihe_vocabulary::parse_day(&text).map(|day| day.to_string()).map_err(|_| "not_a_day"),
        ColumnType::Timestamp => {
            assert!(text.parse::<jiff::civil::DateTime>().is_ok(), "{text}");
            Ok(text)
        }
        ColumnType::Float | ColumnType::Boolean => unreachable!("the demonstration has none"),
    }
}
