//! Datasets: one table that one department promises to deliver, and on what terms it may be shared.

use serde::{Deserialize, Serialize};

use crate::{rule::Rule, text::Text};

/// A table that a department delivers (数据资源).
///
/// As it is written, a line of `rules` may name a ready set ([`RuleEntry`](crate::rule::RuleEntry)); whoever reads a
/// pack puts the rules of the set in its place, so that everybody else sees rules only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset<R = Rule> {
    /// Stable identifier: `a-z0-9_`, starts with a letter, at most 48 characters.
    pub id: String,
    /// Title people read; unique in the catalogue after blanks and punctuation are dropped.
    pub title: Text,
    /// Identifier of the providing department (提供单位).
    pub department: String,
    /// What it holds, in one or two sentences (摘要).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
    /// Columns in the order in which the department promised them. At most 512.
    pub columns: Vec<Column>,
    /// Columns that together identify a row. Empty: rows have no business key and are only appended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// How it arrives.
    pub source: Source,
    /// How often the department promised to deliver (更新周期).
    #[serde(default)]
    pub update_cycle: UpdateCycle,
    /// Quality rules, in the order of the report.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<R>,
    /// How it stands in the catalogue; `None` keeps it internal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

impl<R> Dataset<R> {
    /// The same dataset with other rules.
    #[must_use]
    pub fn with_rules<S>(self, rules: Vec<S>) -> Dataset<S> {
        Dataset {
            id: self.id,
            title: self.title,
            department: self.department,
            summary: self.summary,
            columns: self.columns,
            key: self.key,
            source: self.source,
            update_cycle: self.update_cycle,
            rules,
            publication: self.publication,
        }
    }
}

/// One column of a dataset (信息项).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Identifier: `a-z0-9_`, starts with a letter; the name in tables, SQL and the API.
    pub name: String,
    /// Header in the department's files and on pages. A file may use either the title or the name.
    pub title: Text,
    /// Value type.
    #[serde(rename = "type", default)]
    pub column_type: ColumnType,
    /// A row without this value does not fit and goes to quarantine. Softer demands are `rules`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Other headers under which departments send this column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Code table whose codes the values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<String>,
    /// How sensitive a value is (GB/T 35273; PIPL, art. 28). Decides the default mask.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}

/// The type of a column's values.
///
/// YAML: `text`, `integer`, `decimal(18,2)`, `float`, `boolean`, `date`, `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// UTF-8 text.
    #[default]
    Text,
    /// 64-bit signed integer.
    Integer,
    /// Exact decimal with `precision` digits (≤ 38), `scale` of them after the point.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// 64-bit float; measurements only, never money.
    Float,
    /// Truth value.
    Boolean,
    /// Calendar day. Read in every spelling that departments use (GB/T 7408 and its misspellings).
    Date,
    /// Instant, microseconds, kept in UTC; a spelling without zone is Chinese local time (UTC+8).
    Timestamp,
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(spelling: String) -> Result<Self, String> {
        let expected = "text, integer, decimal(p,s), float, boolean, date or timestamp";
        match spelling.as_str() {
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            "float" => Ok(Self::Float),
            "boolean" => Ok(Self::Boolean),
            "date" => Ok(Self::Date),
            "timestamp" => Ok(Self::Timestamp),
            other => {
                let Some((precision, scale)) = other
                    .strip_prefix("decimal(")
                    .and_then(|rest| rest.strip_suffix(')'))
                    .and_then(|rest| rest.split_once(','))
                else {
                    return Err(format!("found column type `{other}`, expected {expected}"));
                };
                let (Ok(precision), Ok(scale)) = (precision.trim().parse::<u8>(), scale.trim().parse::<i8>()) else {
                    return Err(format!("found column type `{other}`, expected decimal(p,s) with whole numbers"));
                };
                if !(1..=38).contains(&precision) || scale < 0 || scale.unsigned_abs() > precision {
                    return Err(format!("found `{other}`, expected 1 ≤ p ≤ 38 and 0 ≤ s ≤ p"));
                }
                Ok(Self::Decimal { precision, scale })
            }
        }
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text => formatter.write_str("text"),
            Self::Integer => formatter.write_str("integer"),
            Self::Decimal { precision, scale } => write!(formatter, "decimal({precision},{scale})"),
            Self::Float => formatter.write_str("float"),
            Self::Boolean => formatter.write_str("boolean"),
            Self::Date => formatter.write_str("date"),
            Self::Timestamp => formatter.write_str("timestamp"),
        }
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

/// How sensitive a column is, and so how it is masked when a grant does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Shown as it is.
    #[default]
    Plain,
    /// A person's name: surname stays.
    Name,
    /// Identity number: first 6 and last 4 stay.
    CitizenId,
    /// Telephone: first 3 and last 4 stay.
    Phone,
    /// Bank account: first 6 and last 4 stay.
    Account,
    /// Address: down to the county.
    Address,
    /// Exact birth date: the year stays.
    BirthDate,
    /// Anything else of a person that others should not see (health, faith, whereabouts): hidden whole.
    Hidden,
}

/// How a dataset arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Container of the extract.
    pub format: Format,
    /// File name pattern below the inbox, `*` matches within one folder level. Files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Text encoding; CSV and JSON lines only.
    #[serde(default, skip_serializing_if = "Encoding::is_auto")]
    pub encoding: Encoding,
    /// Field separator; CSV only. Default `,`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Sheet name; XLSX only. Default: the first sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Name of a connection in the configuration file; databases only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Table to read, `schema.table` or `table`; databases only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How a new delivery relates to the ones before.
    #[serde(default)]
    pub mode: Mode,
}

/// Container of an extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated text with a header line (RFC 4180, tolerant of line ends).
    Csv,
    /// Excel workbook; title lines and merged headers above the data are recognised.
    Xlsx,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// A table in a PostgreSQL server.
    Postgres,
    /// A table in a MariaDB or `MySQL` server.
    Mariadb,
}

/// Text encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// UTF-8 (with or without byte-order mark) when the file is valid UTF-8, else GB18030.
    #[default]
    Auto,
    /// UTF-8 only.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB 18030, which contains GBK and GB 2312.
    Gb18030,
}

impl Encoding {
    /// Whether the encoding is recognised from the file.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// How a new delivery relates to the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rows with a known key replace the old row, others are added (增量).
    #[default]
    Increment,
    /// The delivery is the whole table: rows that are not in it are gone (全量).
    Full,
}

/// How often a dataset is renewed (更新周期; 发改高技〔2017〕1272号).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateCycle {
    /// 实时
    Realtime,
    /// 每日
    Daily,
    /// 每周
    Weekly,
    /// 每月
    #[default]
    Monthly,
    /// 每季度
    Quarterly,
    /// 每年
    Yearly,
    /// 不定期
    Irregular,
}

/// How a dataset stands in the catalogue (政务数据共享条例, art. 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Class, item, section and sub-section of the resource code, e.g. `1/01/001/02` (1272号).
    pub classification: String,
    /// Sharing attribute (共享属性).
    pub sharing: Sharing,
    /// Ways of supply (共享方式; art. 22). At least one unless withheld.
    #[serde(default)]
    pub methods: Vec<ShareMethod>,
    /// Opening to the public (开放属性).
    #[serde(default)]
    pub open: OpenAttribute,
    /// Data class and grade (数据分类分级), e.g. `一般` / `重要`.
    pub grade: Text,
    /// The secrecy-risk assessment was made and allows filing (art. 13).
    pub secrecy_assessed: bool,
    /// The personal-information impact assessment was made and allows filing (art. 13; PIPL, art. 55).
    pub privacy_assessed: bool,
}

/// Sharing attribute (共享属性; 政务数据共享条例, art. 14 and 15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Sharing {
    /// 无条件共享
    Unconditional,
    /// 有条件共享: who may have it and for what.
    Conditional {
        /// 共享范围
        scope: Text,
        /// 使用用途
        purpose: Text,
    },
    /// 不予共享: only with a reason and a legal basis.
    Withheld {
        /// 理由
        reason: Text,
        /// 法律、行政法规或者国务院决定依据
        legal_basis: Text,
    },
}

/// Way of supply (共享方式; art. 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareMethod {
    /// 服务接口
    Service,
    /// 批量交换
    Exchange,
    /// 文件下载
    File,
}

/// Opening to the public (开放属性).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum OpenAttribute {
    /// 不予开放
    #[default]
    Closed,
    /// 有条件开放
    Conditional {
        /// 开放条件
        condition: Text,
    },
    /// 无条件开放
    Open,
}
