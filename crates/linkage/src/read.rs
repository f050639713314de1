//! Tables from files: Parquet, and CSV in UTF-8 or GB 18030.

use std::{fs::File, io::Read, path::Path};

use arrow::{
    array::{Array, AsArray, DictionaryArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int32Type},
};
use encoding_rs::GB18030;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{
    error::{LinkageError, Reason},
    records::{ColumnBuilder, MISSING, ROWS_MAX, Table},
};

/// Most columns that are read of a file.
const COLUMNS_MAX: usize = 1024;
/// Largest text file that is held whole, bytes.
const TEXT_MAX: u64 = 8 << 30;

/// Whether a file begins as Parquet does.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn is_parquet(path: &Path) -> std::io::Result<bool> {
    let mut mark = [0; 4];
    Ok(File::open(path)?.read_exact(&mut mark).is_ok() && &mark == b"PAR1")
}

/// Reads a table; Parquet is recognised by its first bytes, anything else is CSV.
///
/// # Errors
/// The file is missing, damaged or no table.
pub fn read(path: &Path) -> Result<Table, LinkageError> {
    let failed = |reason: Reason| LinkageError::Input { path: path.to_owned(), reason };
    let parquet = is_parquet(path).map_err(|error| failed(error.into()))?;
    let mut table = if parquet { read_parquet(path) } else { read_csv(path) }.map_err(failed)?;
    table.name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if table.columns.is_empty() {
        return Err(failed(Reason::new("found no column of text, numbers or days", "没有文本、数字或日期的列")));
    }
    Ok(table)
}

fn read_parquet(path: &Path) -> Result<Table, Reason> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?).map_err(not_parquet)?;
    let schema = builder.schema().clone();
    let flat: Vec<usize> = (0..schema.fields().len()).filter(|&at| is_flat(schema.field(at).data_type())).collect();
    if flat.len() > COLUMNS_MAX {
        return Err(Reason::too_many(&flat.len(), &COLUMNS_MAX, "columns", "列"));
    }
    let mut columns: Vec<ColumnBuilder> = flat.iter().map(|&at| ColumnBuilder::new(schema.field(at).name())).collect();
    for (column, &at) in columns.iter_mut().zip(&flat) {
        if matches!(
            schema.field(at).data_type(),
            DataType::Float16
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
        ) {
            column.decimal();
        }
    }
    let mut rows = 0;
    for batch in builder.with_batch_size(8192).build().map_err(not_parquet)? {
        let batch: RecordBatch = batch.map_err(not_parquet)?;
        rows += batch.num_rows();
        if rows > ROWS_MAX {
            return Err(Reason::too_many(&rows, &ROWS_MAX, "rows", "行"));
        }
        for (column, &at) in columns.iter_mut().zip(&flat) {
            append(column, batch.column(at).as_ref())
                .map_err(|error| column_failed(schema.field(at).name(), &error))?;
        }
    }
    Ok(Table { name: String::new(), columns: columns.into_iter().map(ColumnBuilder::finish).collect(), rows })
}

fn is_flat(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_flat(values),
        other => {
            !other.is_nested()
                && !matches!(
                    other,
                    DataType::Binary
                        | DataType::LargeBinary
                        | DataType::BinaryView
                        | DataType::FixedSizeBinary(_)
                        | DataType::Null
                        | DataType::Interval(_)
                        | DataType::Duration(_)
                )
        }
    }
}

fn append(column: &mut ColumnBuilder, array: &dyn Array) -> Result<(), String> {
    // One batch's values are interned once each, whatever the layout was.
    let wanted = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let text = cast(array, &DataType::Utf8).map_err(|error| error.to_string())?;
    if let DataType::Dictionary(..) = array.data_type() {
        let encoded = cast(&text, &wanted).map_err(|error| error.to_string())?;
        let encoded: &DictionaryArray<Int32Type> = encoded.as_dictionary();
        let values = encoded.values().as_string::<i32>();
        let ids: Vec<_> = values.iter().map(|value| column.intern(value.unwrap_or(""))).collect();
        for key in encoded.keys() {
            column.push_id(key.map_or(MISSING, |key| ids[key as usize]));
        }
        return Ok(());
    }
    for value in text.as_string::<i32>() {
        column.push(value);
    }
    Ok(())
}

pub(crate) fn not_parquet(error: impl std::fmt::Display) -> Reason {
    Reason::of("not whole Parquet", "不是完整的 Parquet", &error)
}

/// A column whose values cannot be read as text.
pub(crate) fn column_failed(name: &str, said: &dyn std::fmt::Display) -> Reason {
    Reason::of(&format!("column `{name}`"), &format!("列“{name}”"), said)
}

/// A line that is no line of its table.
pub(crate) fn not_csv(error: &csv::Error) -> Reason {
    let csv::ErrorKind::UnequalLengths { pos, expected_len, len } = error.kind() else {
        return Reason::of("not a table of text", "不是文本表", error);
    };
    let (line, record) = pos.as_ref().map_or((0, 0), |pos| (pos.line(), pos.record()));
    Reason::new(
        format!("record {record}, line {line}: found {len} cells, expected {expected_len}"),
        format!("第 {record} 条记录（第 {line} 行）：有 {len} 个单元格，应有 {expected_len} 个"),
    )
}

/// The text of a CSV file, and what its cells are parted by.
pub(crate) fn csv_text(path: &Path) -> Result<(String, u8), Reason> {
    let size = std::fs::metadata(path)?.len();
    if size > TEXT_MAX {
        return Err(Reason::new(
            format!("found {size} bytes of text, expected at most {TEXT_MAX}; convert it to Parquet"),
            format!("有 {size} 字节的文本，至多 {TEXT_MAX}；请转换为 Parquet"),
        ));
    }
    let bytes = std::fs::read(path)?;
    if bytes.is_empty() {
        return Err(Reason::new("the file is empty, expected a header line", "文件为空，应有标题行"));
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (text, _, wrong) = GB18030.decode(error.as_bytes());
            if wrong {
                return Err(Reason::new(
                    "found neither UTF-8 nor GB 18030 text, nor Parquet",
                    "既不是 UTF-8 或 GB 18030 文本，也不是 Parquet",
                ));
            }
            text.into_owned()
        }
    };
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or("");
    let delimiter = [b',', b'\t', b';', b'|']
        .into_iter()
        .max_by_key(|&mark| header.bytes().filter(|&byte| byte == mark).count())
        .unwrap_or(b',');
    Ok((text.to_owned(), delimiter))
}

fn read_csv(path: &Path) -> Result<Table, Reason> {
    let (text, delimiter) = csv_text(path)?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let names: Vec<String> =
        reader.headers().map_err(|error| not_csv(&error))?.iter().map(|name| name.trim().to_owned()).collect();
    if names.len() > COLUMNS_MAX {
        return Err(Reason::too_many(&names.len(), &COLUMNS_MAX, "columns", "列"));
    }
    let mut columns: Vec<ColumnBuilder> = names.iter().map(|name| ColumnBuilder::new(name)).collect();
    let mut rows = 0;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| not_csv(&error))? {
        for (column, value) in columns.iter_mut().zip(record.iter()) {
            column.push(Some(value));
        }
        rows += 1;
    }
    let columns = columns.into_iter().map(ColumnBuilder::finish).collect();
    Ok(Table { name: String::new(), columns, rows })
}
