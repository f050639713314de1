//! A first look at a file that no definition describes yet: its columns, and what their values seem to be.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use yihe_definitions::{Column, ColumnType, Dataset, Encoding, Format, Mode, Sensitivity, Source, Text, UpdateCycle};
use yihe_vocabulary::{citizen_id, credit_code, mobile, parse_day};

use crate::{
    decode::{self, Sink},
    error::CollectError,
    headers::Headers,
    record::Record,
};

/// Records that are looked at.
pub const SAMPLE_RECORDS: u64 = 10_000;
/// Different values of one column that are remembered.
const DISTINCT_MAX: usize = 20_000;

/// What a file seems to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// Its container.
    pub format: Format,
    /// Its columns in order.
    pub columns: Vec<SketchColumn>,
    /// Records looked at, at most [`SAMPLE_RECORDS`].
    pub records: u64,
}

/// What a column seems to be.
#[derive(Debug, Clone, PartialEq)]
pub struct SketchColumn {
    /// Header in the file.
    pub header: String,
    /// Proposed name for tables and the API.
    pub name: String,
    /// Proposed type: the narrowest that every value looked at has.
    pub column_type: ColumnType,
    /// Proposed sensitivity.
    pub sensitivity: Sensitivity,
    /// What the values are recognised as.
    pub meaning: Meaning,
    /// Records without a value.
    pub missing: u64,
    /// Whether no value was seen twice and none was missing.
    pub unique: bool,
    /// The values, when there are few of them.
    pub codes: Option<BTreeSet<String>>,
}

/// What values are recognised as: nine of ten must be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// GB 11643
    CitizenId,
    /// GB 32100
    CreditCode,
    /// A mobile number.
    Mobile,
    /// None of these.
    Other,
}

/// Looks at a file.
///
/// # Errors
/// The file cannot be read, or has no header.
pub fn sketch(path: &Path) -> Result<Sketch, CollectError> {
    let inspection = decode::inspect(path)?;
    let blank = dataset(path, Vec::new());
    let format = decode::format_of(path, &blank);
    let headers = headers(path, format, &inspection)?;
    let names = names(&headers);
    let columns = headers
        .iter()
        .zip(&names)
        .map(|(header, name)| Column {
            name: name.clone(),
            title: Text { zh: header.clone(), en: None },
            column_type: ColumnType::Text,
            required: false,
            aliases: Vec::new(),
            codes: None,
            sensitivity: Sensitivity::Plain,
        })
        .collect();
    let mut looker =
        Looker { columns: headers.iter().map(|_| Seen::default()).collect(), records: 0, places: Vec::new() };
    match decode::decode(path, &dataset(path, columns), &inspection, &mut looker) {
        Ok(()) => {}
        // The looker has seen enough.
        Err(CollectError::Stopped { .. }) if looker.records >= SAMPLE_RECORDS => {}
        Err(error) => return Err(error),
    }
    let records = looker.records;
    let columns = headers
        .into_iter()
        .zip(names)
        .zip(looker.columns)
        .map(|((header, name), seen)| seen.conclude(header, name, records))
        .collect();
    Ok(Sketch { format, columns, records })
}

fn dataset(path: &Path, columns: Vec<Column>) -> Dataset {
    Dataset {
        id: "sketch".to_owned(),
        title: Text { zh: path.display().to_string(), en: None },
        department: String::new(),
        summary: None,
        columns,
        key: Vec::new(),
        source: Source {
            format: Format::Csv,
            files: None,
            encoding: Encoding::Auto,
            delimiter: None,
            sheet: None,
            connection: None,
            table: None,
            mode: Mode::Increment,
        },
        update_cycle: UpdateCycle::Irregular,
        rules: Vec::new(),
        publication: None,
    }
}

fn headers(path: &Path, format: Format, inspection: &decode::Inspection) -> Result<Vec<String>, CollectError> {
    let found = match format {
        Format::Csv => decode::csv::header(path, inspection)?,
        Format::Xlsx => decode::xlsx::header(path)?,
        Format::Jsonl => decode::jsonl::header(path, inspection)?,
        Format::Parquet | Format::Postgres | Format::Mariadb => {
            let file = std::fs::File::open(path).map_err(decode::read_error(path))?;
            let damaged = |error: parquet::errors::ParquetError| CollectError::Parquet { detail: error.to_string() };
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
            builder.schema().fields().iter().map(|field| field.name().clone()).collect()
        }
    };
    let named: Vec<String> =
        found.into_iter().map(|header| header.trim().to_owned()).filter(|header| !header.is_empty()).collect();
    if named.is_empty() {
        return Err(CollectError::NoHeader { expected: "…".to_owned() });
    }
    Ok(named)
}

/// Headers that every department uses, and their names.
const KNOWN: &[(&[&str], &str)] = &[
    (&["姓名", "名字"], "name"),
    (&["公民身份号码", "身份证号", "身份证号码", "证件号码"], "citizen_id"),
    (&["统一社会信用代码", "信用代码"], "credit_code"),
    (&["性别"], "sex"),
    (&["民族"], "nation"),
    (&["出生日期", "出生年月"], "birth_on"),
    (&["手机", "手机号", "手机号码", "联系电话"], "mobile"),
    (&["地址", "住址", "居住地址", "详细地址"], "address"),
    (&["单位名称", "企业名称", "机构名称"], "org_name"),
    (&["备注"], "remark"),
];

/// A name for each header: a known one, the header itself where it is ASCII, else its pinyin; each once.
fn names(headers: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    headers
        .iter()
        .enumerate()
        .map(|(index, header)| {
            let known =
                KNOWN.iter().find(|(titles, _)| titles.contains(&header.as_str())).map(|(_, name)| (*name).to_owned());
            let base = known.unwrap_or_else(|| slug(header));
            let base = if base.is_empty() { format!("column_{}", index + 1) } else { base };
            let mut name = base.clone();
            let mut again = 1;
            while !taken.insert(name.clone()) {
                again += 1;
                name = format!("{base}_{again}");
            }
            name
        })
        .collect()
}

fn slug(header: &str) -> String {
    use pinyin::ToPinyin;
    let mut slug = String::new();
    for character in header.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if let Some(sound) = character.to_pinyin() {
            slug.push_str(sound.plain());
        } else if !slug.ends_with('_') {
            slug.push('_');
        }
        if slug.len() >= 40 {
            break;
        }
    }
    let slug: String = slug.trim_matches('_').chars().filter(char::is_ascii).take(40).collect();
    if slug.starts_with(|first: char| first.is_ascii_digit()) { format!("c_{slug}") } else { slug }
}

/// What was seen of one column.
#[derive(Default)]
struct Seen {
    filled: u64,
    citizen_ids: u64,
    credit_codes: u64,
    mobiles: u64,
    whole: u64,
    decimal: u64,
    scale: usize,
    days: u64,
    truths: u64,
    distinct: BTreeMap<String, u64>,
}

impl Seen {
    fn look(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.filled += 1;
        self.citizen_ids += u64::from(citizen_id::is_valid(text.as_bytes()));
        self.credit_codes += u64::from(credit_code::is_valid(text.as_bytes()));
        self.mobiles += u64::from(mobile::is_valid(text.as_bytes()));
        // A leading zero or more digits than a number can hold means that it is a code, not a number.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let numeric = digits.len() <= 15 && (digits == "0" || !digits.starts_with('0') || digits.starts_with("0."));
        let parts: Vec<&str> = digits.split('.').collect();
        let all_digits = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        self.whole += u64::from(numeric && all_digits && parts.len() == 1);
        if numeric && all_digits && parts.len() <= 2 {
            self.decimal += 1;
            self.scale = self.scale.max(parts.get(1).map_or(0, |part| part.len()));
        }
        self.days += u64::from(parse_day(text).is_ok());
        self.truths += u64::from(["是", "否", "true", "false"].contains(&text));
        if self.distinct.len() < DISTINCT_MAX || self.distinct.contains_key(text) {
            *self.distinct.entry(text.to_owned()).or_default() += 1;
        }
    }

    fn conclude(self, header: String, name: String, records: u64) -> SketchColumn {
        let mostly = |count: u64| self.filled > 0 && count * 10 >= self.filled * 9;
        let all = |count: u64| self.filled > 0 && count == self.filled;
        let meaning = if mostly(self.citizen_ids) {
            Meaning::CitizenId
        } else if mostly(self.credit_codes) {
            Meaning::CreditCode
        } else if mostly(self.mobiles) {
            Meaning::Mobile
        } else {
            Meaning::Other
        };
        let column_type = match meaning {
            Meaning::CitizenId | Meaning::CreditCode | Meaning::Mobile => ColumnType::Text,
            Meaning::Other if all(self.truths) => ColumnType::Boolean,
            // Eight digits may be a day or a number; a day is the likelier when every one of them is one.
            Meaning::Other if all(self.days) => ColumnType::Date,
            Meaning::Other if all(self.whole) => ColumnType::Integer,
            Meaning::Other if all(self.decimal) && self.scale <= 10 => {
                ColumnType::Decimal { precision: 28, scale: i8::try_from(self.scale).unwrap_or(10) }
            }
            Meaning::Other => ColumnType::Text,
        };
        let sensitivity = match (meaning, name.as_str()) {
            (Meaning::CitizenId, _) | (_, "citizen_id") => Sensitivity::CitizenId,
            (Meaning::Mobile, _) | (_, "mobile") => Sensitivity::Phone,
            (_, "name") => Sensitivity::Name,
            (_, "address") => Sensitivity::Address,
            (_, "birth_on") => Sensitivity::BirthDate,
            _ => Sensitivity::Plain,
        };
        let seen_once = self.distinct.values().all(|count| *count == 1);
        let few = self.distinct.len() <= 12 && self.filled >= 50 && column_type == ColumnType::Text;
        SketchColumn {
            header,
            name,
            column_type,
            sensitivity,
            meaning,
            missing: records - self.filled,
            unique: self.filled == records && records > 1 && seen_once && self.distinct.len() as u64 == records,
            codes: few.then(|| self.distinct.into_keys().collect()),
        }
    }
}

struct Looker {
    columns: Vec<Seen>,
    records: u64,
    places: Vec<Option<usize>>,
}

impl Sink for Looker {
    fn columns(&mut self, headers: &Headers) -> Result<(), CollectError> {
        self.places.clone_from(&headers.places);
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<(), CollectError> {
        self.records += 1;
        for (seen, place) in self.columns.iter_mut().zip(&self.places) {
            seen.look(place.and_then(|place| record.cell(place)).unwrap_or_default());
        }
        if self.records >= SAMPLE_RECORDS {
            return Err(CollectError::Stopped { detail: "enough was seen".to_owned() });
        }
        Ok(())
    }

    fn typed(&mut self, rows: &arrow::array::RecordBatch) -> Result<(), CollectError> {
        use arrow::util::display::array_value_to_string;
        for row in 0..rows.num_rows() {
            self.records += 1;
            for (seen, column) in self.columns.iter_mut().zip(rows.columns()) {
                if column.is_valid(row) {
                    seen.look(&array_value_to_string(column, row).unwrap_or_default());
                }
            }
            if self.records >= SAMPLE_RECORDS {
                return Err(CollectError::Stopped { detail: "enough was seen".to_owned() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(values: &[&str]) -> SketchColumn {
        let mut seen = Seen::default();
        for value in values {
            seen.look(value);
        }
        seen.conclude("x".to_owned(), "x".to_owned(), values.len() as u64)
    }

    #[test]
    fn the_narrowest_type_that_holds_every_value_is_proposed() {
        assert_eq!(look(&["1", "20"]).column_type, ColumnType::Integer);
        assert_eq!(look(&["1.5", "20"]).column_type, ColumnType::Decimal { precision: 28, scale: 1 });
        assert_eq!(look(&["001", "20"]).column_type, ColumnType::Text, "a leading zero is part of a code");
        assert_eq!(look(&["2024-01-31", "2024/2/1"]).column_type, ColumnType::Date);
        assert_eq!(look(&["是", "否"]).column_type, ColumnType::Boolean);
        assert_eq!(look(&["11010519491231002X"]).meaning, Meaning::CitizenId);
    }

    #[test]
    fn names_are_identifiers_and_stand_once() {
        let headers = ["姓名", "兰山区", "Total (kg)", "姓名", "2024"].map(str::to_owned);
        assert_eq!(names(&headers), ["name", "lanshanqu", "total_kg", "name_2", "c_2024"]);
    }
}
