//! Quality rules as a city writes them. `quality` interprets them.
//!
//! A rule is one flat mapping: `id`, `kind`, the keys of its kind, and the common keys `when`, `severity`,
//! `dimension`, `message`, `owner`. A key that its kind does not read is refused, because a key that nobody
//! reads is a demand that nobody checks.
//!
//! ```yaml
//! - { id: id_present, kind: not_null, column: citizen_id, severity: hold }
//! - { id: died_on_given, kind: not_null, column: died_on, when: { column: status, in: [死亡] } }
//! ```

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// One quality rule of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RuleDocument")]
pub struct Rule {
    /// Identifier, unique in its dataset.
    pub id: String,
    /// What is demanded.
    #[serde(flatten)]
    pub kind: RuleKind,
    /// Rows that are evaluated; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What a failing row means for the row.
    pub severity: Severity,
    /// Severity `quarantine` of a rule on rows only: the delivery is kept out when more than this share of the rows
    /// that were judged fail, in percent, from 0 to below 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_percent: Option<f64>,
    /// Quality dimension of GB/T 36344-2018; `None` takes the kind's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<Dimension>,
    /// What the provider reads; `None` takes the kind's own sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
    /// Department that must mend it; `None` is the dataset's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Rule {
    /// A rule with its kind's own dimension and sentence, evaluated on every row, severity `warn`.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: RuleKind) -> Self {
        Self {
            id: id.into(),
            kind,
            when: None,
            severity: Severity::default(),
            above_percent: None,
            dimension: None,
            message: None,
            owner: None,
        }
    }

    /// The dimension under which the rule is scored: its own, else its kind's.
    #[must_use]
    pub fn dimension(&self) -> Dimension {
        self.dimension.unwrap_or_else(|| self.kind.dimension())
    }

    /// Every column that the rule reads, `when` included; those of a predicate are known to the engine only.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = self.kind.columns();
        if let Some(when) = &self.when {
            columns.push(&when.column);
        }
        columns
    }
}

/// What a rule demands.
///
/// Only rows with a value are evaluated: a NULL passes every kind except [`RuleKind::NotNull`], and a key with a
/// NULL in it is a duplicate of nothing. Blank text is missing for `NotNull`, and is the text it is elsewhere.
///
/// `Freshness` (without `every_row`), `Volume` and `Drift` judge the table as a whole: one evaluation, no rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleKind {
    /// A value is there; blank text counts as missing.
    NotNull {
        /// Column.
        column: String,
    },
    /// No two rows have the same values in these columns. Every row of a group that occurs twice or more fails.
    Unique {
        /// Columns of the key.
        columns: Vec<String>,
    },
    /// The whole text matches a regular expression (linear time, RE2 syntax: `\d`, `\w` and `\s` are ASCII).
    Pattern {
        /// Column.
        column: String,
        /// Regular expression, anchored on both ends.
        pattern: String,
    },
    /// The number of characters lies in a range.
    Length {
        /// Column.
        column: String,
        /// Fewest characters.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
        min: Option<u32>,
        /// Most characters.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
        max: Option<u32>,
    },
    /// The value is one of a list.
    CodeList {
        /// Column.
        column: String,
        /// Code table of the pack.
        #[serde(skip_serializing_if = "Option::is_none")]
        table: Option<String>,
        /// Or the codes themselves.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        codes: Vec<String>,
        /// Date column: the code must have been valid on that day. Rows without the day accept any code of the table.
        #[serde(skip_serializing_if = "Option::is_none")]
        valid_at: Option<String>,
        /// Only these characters of the value are the code, first and last, counted from 1; `None`: all of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        characters: Option<(u32, u32)>,
    },
    /// The number, date or instant lies in a range, ends included; bounds are written as the value is.
    Range {
        /// Column.
        column: String,
        /// Least value.
        #[serde(skip_serializing_if = "Option::is_none")]
        min: Option<String>,
        /// Greatest value.
        #[serde(skip_serializing_if = "Option::is_none")]
        max: Option<String>,
    },
    /// The identifier is well formed and its check digit adds up.
    CheckDigit {
        /// Column.
        column: String,
        /// Which identifier.
        identifier: Identifier,
    },
    /// Birth date and sex that stand in a citizen's number are those of the row.
    ///
    /// Evaluated where the number is valid and at least one of the two is there. Source: GB 11643-1999.
    CitizenAgrees {
        /// Column of the citizen's number.
        column: String,
        /// Column of the birth date.
        #[serde(skip_serializing_if = "Option::is_none")]
        birth_on: Option<String>,
        /// Column of the sex: `1`, `男`, `M` or `2`, `女`, `F` (GB/T 2261.1); other codes are not compared.
        #[serde(skip_serializing_if = "Option::is_none")]
        sex: Option<String>,
    },
    /// Of two dates, instants or numbers the later is not before the earlier.
    Order {
        /// Column of the earlier value.
        earlier: String,
        /// Column of the later value.
        later: String,
    },
    /// The key is found in another table.
    Reference {
        /// Columns of this table.
        columns: Vec<String>,
        /// The other table.
        table: String,
        /// Its key columns, in the same order.
        key: Vec<String>,
    },
    /// Where another source knows the key, it has the same values.
    Reconcile {
        /// Key columns of this table.
        columns: Vec<String>,
        /// The other source.
        table: String,
        /// Its key columns, in the same order.
        key: Vec<String>,
        /// Columns that must be the same; they have the same names in both.
        compare: Vec<String>,
        /// A key that the other source does not know fails too.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        required: bool,
    },
    /// The newest value (or every value) is not older than promised.
    Freshness {
        /// Date or timestamp column.
        column: String,
        /// Days before the moment of the check.
        within_days: u32,
        /// Judge each row instead of the newest only.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        every_row: bool,
    },
    /// The number of rows is plausible.
    Volume {
        /// Fewest rows.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
        min: Option<u64>,
        /// Most rows.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
        max: Option<u64>,
        /// Most change against the version before, in percent of it; not evaluated on the first version.
        #[serde(skip_serializing_if = "Option::is_none")]
        change_percent: Option<f64>,
    },
    /// The distribution of values is close to that of the version before; not evaluated on the first version.
    Drift {
        /// Column.
        column: String,
        /// Most total variation distance, `0.0..=1.0`; 0.1 is a tenth of the rows moved to other values.
        distance: f64,
    },
    /// A bounded SQL expression on one row is not false.
    Predicate {
        /// The expression; NULL passes.
        sql: String,
    },
}

impl RuleKind {
    /// The word that stands after `kind:`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::Unique { .. } => "unique",
            Self::Pattern { .. } => "pattern",
            Self::Length { .. } => "length",
            Self::CodeList { .. } => "code_list",
            Self::Range { .. } => "range",
            Self::CheckDigit { .. } => "check_digit",
            Self::CitizenAgrees { .. } => "citizen_agrees",
            Self::Order { .. } => "order",
            Self::Reference { .. } => "reference",
            Self::Reconcile { .. } => "reconcile",
            Self::Freshness { .. } => "freshness",
            Self::Volume { .. } => "volume",
            Self::Drift { .. } => "drift",
            Self::Predicate { .. } => "predicate",
        }
    }

    /// Whether it judges the table as a whole and no row.
    #[must_use]
    pub const fn is_of_table(&self) -> bool {
        matches!(self, Self::Freshness { every_row: false, .. } | Self::Volume { .. } | Self::Drift { .. })
    }

    /// Quality dimension of a kind (GB/T 36344-2018, whose accuracy contains uniqueness).
    #[must_use]
    pub const fn dimension(&self) -> Dimension {
        match self {
            Self::NotNull { .. } => Dimension::Completeness,
            Self::Pattern { .. } | Self::Length { .. } | Self::CodeList { .. } | Self::Predicate { .. } => {
                Dimension::Conformity
            }
            Self::Unique { .. } | Self::Range { .. } | Self::CheckDigit { .. } | Self::Drift { .. } => {
                Dimension::Accuracy
            }
            Self::CitizenAgrees { .. } | Self::Order { .. } | Self::Reference { .. } | Self::Reconcile { .. } => {
                Dimension::Consistency
            }
            Self::Freshness { .. } | Self::Volume { .. } => Dimension::Timeliness,
        }
    }

    /// Columns of the table that the kind reads, the one a reader looks at first in front.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::NotNull { column }
            | Self::Pattern { column, .. }
            | Self::Length { column, .. }
            | Self::Range { column, .. }
            | Self::CheckDigit { column, .. }
            | Self::Freshness { column, .. }
            | Self::Drift { column, .. } => vec![column],
            Self::Unique { columns } | Self::Reference { columns, .. } => columns.iter().map(String::as_str).collect(),
            Self::CodeList { column, valid_at, .. } => {
                std::iter::once(column.as_str()).chain(valid_at.as_deref()).collect()
            }
            Self::CitizenAgrees { column, birth_on, sex } => {
                std::iter::once(column.as_str()).chain(birth_on.as_deref()).chain(sex.as_deref()).collect()
            }
            Self::Order { earlier, later } => vec![later, earlier],
            Self::Reconcile { columns, compare, .. } => columns.iter().chain(compare).map(String::as_str).collect(),
            Self::Volume { .. } | Self::Predicate { .. } => Vec::new(),
        }
    }
}

/// Which rows a rule is for. Exactly one of `in`, `not_in` and `present` is given.
///
/// YAML: `{column: status, in: [死亡, 注销]}`, `{column: status, not_in: [在用]}`, `{column: died_on, present: true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Column that decides.
    pub column: String,
    /// Values, as text, of which the column has one.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// Values, as text, of which the column has none; a NULL does not meet the condition.
    #[serde(default, rename = "not_in", skip_serializing_if = "Option::is_none")]
    pub none_of: Option<Vec<String>>,
    /// The column has a value (`true`) or has none (`false`); blank text is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// Identifiers with a check digit or a fixed build (`standards.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// GB 11643-1999, 18 characters with a real birth date; the 15-digit form fails.
    CitizenId,
    /// GB 11643-1999, where the 15-digit form of before 1999 passes too.
    CitizenIdLegacy,
    /// GB 32100-2015, unified social credit code.
    CreditCode,
    /// GB 11714-1997, with or without the hyphen before the check character.
    OrganisationCode,
    /// GB/T 36904-2018, identifier of an electronic certificate.
    CertificateId,
    /// GB/T 39554.1-2020, implementation code of a service item.
    ServiceItem,
    /// GB/T 37346-2019, real-estate unit.
    RealEstateUnit,
    /// Mobile number, 11 digits.
    Mobile,
    /// Postal code, 6 digits.
    PostalCode,
}

/// What a failing row means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Counted and shown.
    Info,
    /// Counted, shown, and the owner is asked.
    #[default]
    Warn,
    /// The row is held back from the checked table.
    Hold,
    /// As `Hold`; and where the rule judges the table as a whole, or more rows fail than its `above_percent`, the
    /// delivery is kept out of the checked table as a whole (整批拦截).
    Quarantine,
}

/// Quality dimension (GB/T 36344-2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// 规范性
    Conformity,
    /// 完整性
    Completeness,
    /// 准确性
    Accuracy,
    /// 一致性
    Consistency,
    /// 时效性
    Timeliness,
    /// 可访问性
    Accessibility,
}

/// The flat mapping that a person writes: every key of every kind, so that each is read in its own spelling
/// (`codes: [01, 02]` stays text) and a key of another kind can be named in the refusal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDocument {
    id: String,
    kind: String,
    column: Option<String>,
    columns: Option<Vec<String>>,
    pattern: Option<String>,
    min: Option<String>,
    max: Option<String>,
    table: Option<String>,
    codes: Option<Vec<String>>,
    valid_at: Option<String>,
    characters: Option<(u32, u32)>,
    identifier: Option<Identifier>,
    birth_on: Option<String>,
    sex: Option<String>,
    earlier: Option<String>,
    later: Option<String>,
    key: Option<Vec<String>>,
    compare: Option<Vec<String>>,
    required: Option<bool>,
    within_days: Option<u32>,
    every_row: Option<bool>,
    change_percent: Option<f64>,
    distance: Option<f64>,
    sql: Option<String>,
    when: Option<Condition>,
    #[serde(default)]
    severity: Severity,
    above_percent: Option<f64>,
    dimension: Option<Dimension>,
    message: Option<Text>,
    owner: Option<String>,
}

/// A line of a list of rules: a rule, or the name of a ready set of rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "EntryDocument")]
pub enum RuleEntry {
    /// A rule.
    Rule(Box<Rule>),
    /// Rules of a ready set.
    Use(Box<RuleUse>),
}

/// A ready set of rules for columns of a table.
///
/// YAML: `{use: national/citizen-id, column: citizen_id, birth_on: birth_on, sex: sex}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleUse {
    /// Identifier of the set.
    #[serde(rename = "use")]
    pub set: String,
    /// What the identifiers of the rules begin with; `None` takes the name of `column`.
    #[serde(default)]
    pub id: Option<String>,
    /// Column that the set is about.
    pub column: String,
    /// Column of a day on which a code must have been valid.
    #[serde(default)]
    pub valid_at: Option<String>,
    /// Column of the birth date.
    #[serde(default)]
    pub birth_on: Option<String>,
    /// Column of the sex.
    #[serde(default)]
    pub sex: Option<String>,
    /// Rows that are evaluated; `None`: as the set says.
    #[serde(default)]
    pub when: Option<Condition>,
    /// What a failing row means; `None`: as each rule of the set says.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Department that must mend it.
    #[serde(default)]
    pub owner: Option<String>,
}

/// The keys of a rule and of a line that uses a set, so that the line itself says which it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    #[serde(rename = "use")]
    set: Option<String>,
    id: Option<String>,
    kind: Option<String>,
    column: Option<String>,
    columns: Option<Vec<String>>,
    pattern: Option<String>,
    min: Option<String>,
    max: Option<String>,
    table: Option<String>,
    codes: Option<Vec<String>>,
    valid_at: Option<String>,
    characters: Option<(u32, u32)>,
    identifier: Option<Identifier>,
    birth_on: Option<String>,
    sex: Option<String>,
    earlier: Option<String>,
    later: Option<String>,
    key: Option<Vec<String>>,
    compare: Option<Vec<String>>,
    required: Option<bool>,
    within_days: Option<u32>,
    every_row: Option<bool>,
    change_percent: Option<f64>,
    distance: Option<f64>,
    sql: Option<String>,
    when: Option<Condition>,
    severity: Option<Severity>,
    above_percent: Option<f64>,
    dimension: Option<Dimension>,
    message: Option<Text>,
    owner: Option<String>,
}

impl TryFrom<EntryDocument> for RuleEntry {
    type Error = String;

    fn try_from(entry: EntryDocument) -> Result<Self, String> {
        let Some(set) = entry.set else {
            let document = RuleDocument {
                id: entry.id.ok_or("a rule has no `id`, expected one")?,
                kind: entry.kind.ok_or("a rule has neither `kind` nor `use`, expected one")?,
                column: entry.column,
                columns: entry.columns,
                pattern: entry.pattern,
                min: entry.min,
                max: entry.max,
                table: entry.table,
                codes: entry.codes,
                valid_at: entry.valid_at,
                characters: entry.characters,
                identifier: entry.identifier,
                birth_on: entry.birth_on,
                sex: entry.sex,
                earlier: entry.earlier,
                later: entry.later,
                key: entry.key,
                compare: entry.compare,
                required: entry.required,
                within_days: entry.within_days,
                every_row: entry.every_row,
                change_percent: entry.change_percent,
                distance: entry.distance,
                sql: entry.sql,
                when: entry.when,
                severity: entry.severity.unwrap_or_default(),
                above_percent: entry.above_percent,
                dimension: entry.dimension,
                message: entry.message,
                owner: entry.owner,
            };
            return Rule::try_from(document).map(|rule| Self::Rule(Box::new(rule)));
        };
        let foreign = [
            ("kind", entry.kind.is_some()),
            ("columns", entry.columns.is_some()),
            ("pattern", entry.pattern.is_some()),
            ("min", entry.min.is_some()),
            ("max", entry.max.is_some()),
            ("table", entry.table.is_some()),
            ("codes", entry.codes.is_some()),
            ("characters", entry.characters.is_some()),
            ("identifier", entry.identifier.is_some()),
            ("earlier", entry.earlier.is_some()),
            ("later", entry.later.is_some()),
            ("key", entry.key.is_some()),
            ("compare", entry.compare.is_some()),
            ("required", entry.required.is_some()),
            ("within_days", entry.within_days.is_some()),
            ("every_row", entry.every_row.is_some()),
            ("change_percent", entry.change_percent.is_some()),
            ("distance", entry.distance.is_some()),
            ("sql", entry.sql.is_some()),
            ("above_percent", entry.above_percent.is_some()),
            ("dimension", entry.dimension.is_some()),
            ("message", entry.message.is_some()),
        ];
        if let Some((key, _)) = foreign.into_iter().find(|(_, given)| *given) {
            return Err(format!("`use: {set}` has a key `{key}`, which only a rule of its own reads"));
        }
        if entry.severity == Some(Severity::Quarantine) {
            return Err(format!(
                "`use: {set}` has severity `quarantine`, which needs `above_percent` and a rule of its own"
            ));
        }
        let column = entry.column.ok_or_else(|| format!("`use: {set}` has no `column`, expected one"))?;
        Ok(Self::Use(Box::new(RuleUse {
            set,
            id: entry.id,
            column,
            valid_at: entry.valid_at,
            birth_on: entry.birth_on,
            sex: entry.sex,
            when: entry.when,
            severity: entry.severity,
            owner: entry.owner,
        })))
    }
}

/// Takes what a kind needs out of the document, so that what is left over is foreign to it.
macro_rules! need {
    ($document:ident, $key:ident) => {
        $document.$key.take().ok_or_else(|| {
            format!(
                "rule `{}` of kind `{}` has no `{}`, which the kind needs",
                $document.id,
                $document.kind,
                stringify!($key)
            )
        })?
    };
}

impl TryFrom<RuleDocument> for Rule {
    type Error = String;

    fn try_from(mut document: RuleDocument) -> Result<Self, String> {
        let kind = match document.kind.as_str() {
            "not_null" => RuleKind::NotNull { column: need!(document, column) },
            "unique" => RuleKind::Unique { columns: document.one_or_more()? },
            "pattern" => RuleKind::Pattern { column: need!(document, column), pattern: need!(document, pattern) },
            "length" => RuleKind::Length {
                column: need!(document, column),
                min: document.whole_number(Bound::Least)?,
                max: document.whole_number(Bound::Greatest)?,
            },
            "code_list" => RuleKind::CodeList {
                column: need!(document, column),
                table: document.table.take(),
                codes: document.codes.take().unwrap_or_default(),
                valid_at: document.valid_at.take(),
                characters: document.part()?,
            },
            "range" => {
                RuleKind::Range { column: need!(document, column), min: document.min.take(), max: document.max.take() }
            }
            "check_digit" => {
                RuleKind::CheckDigit { column: need!(document, column), identifier: need!(document, identifier) }
            }
            "citizen_agrees" => RuleKind::CitizenAgrees {
                column: need!(document, column),
                birth_on: document.birth_on.take(),
                sex: document.sex.take(),
            },
            "order" => RuleKind::Order { earlier: need!(document, earlier), later: need!(document, later) },
            "reference" => RuleKind::Reference {
                columns: document.one_or_more()?,
                table: need!(document, table),
                key: need!(document, key),
            },
            "reconcile" => RuleKind::Reconcile {
                columns: document.one_or_more()?,
                table: need!(document, table),
                key: need!(document, key),
                compare: need!(document, compare),
                required: document.required.take().unwrap_or_default(),
            },
            "freshness" => RuleKind::Freshness {
                column: need!(document, column),
                within_days: need!(document, within_days),
                every_row: document.every_row.take().unwrap_or_default(),
            },
            "volume" => RuleKind::Volume {
                min: document.whole_number(Bound::Least)?,
                max: document.whole_number(Bound::Greatest)?,
                change_percent: document.change_percent.take(),
            },
            "drift" => RuleKind::Drift { column: need!(document, column), distance: need!(document, distance) },
            "predicate" => RuleKind::Predicate { sql: need!(document, sql) },
            other => {
                return Err(format!(
                    "rule `{}` has kind `{other}`, expected not_null, unique, pattern, length, code_list, range, \
                     check_digit, citizen_agrees, order, reference, reconcile, freshness, volume, drift or predicate",
                    document.id
                ));
            }
        };
        if let Some(key) = document.left_over() {
            return Err(format!(
                "rule `{}` of kind `{}` has a key `{key}`, which the kind does not read",
                document.id, document.kind
            ));
        }
        if let Some(when) = &document.when {
            let given = [when.one_of.is_some(), when.none_of.is_some(), when.present.is_some()];
            let given = given.into_iter().filter(|given| *given).count();
            if given != 1 {
                return Err(format!(
                    "`when` of rule `{}` has {given} of in, not_in and present, expected one",
                    document.id
                ));
            }
        }
        document.share(kind.is_of_table())?;
        Ok(Self {
            id: document.id,
            kind,
            when: document.when,
            severity: document.severity,
            above_percent: document.above_percent,
            dimension: document.dimension,
            message: document.message,
            owner: document.owner,
        })
    }
}

/// Bounds are text on the wire, whatever their kind: a document stored as JSON reads back like the YAML it came from.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn as_text<T: std::fmt::Display, S: serde::Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Least,
    Greatest,
}

impl RuleDocument {
    /// `columns`, or the one `column`.
    fn one_or_more(&mut self) -> Result<Vec<String>, String> {
        match (self.column.take(), self.columns.take()) {
            (Some(column), None) => Ok(vec![column]),
            (None, Some(columns)) if !columns.is_empty() => Ok(columns),
            (None, _) => {
                Err(format!("rule `{}` of kind `{}` has no `columns`, which the kind needs", self.id, self.kind))
            }
            (Some(_), Some(_)) => Err(format!("rule `{}` has both `column` and `columns`, expected one", self.id)),
        }
    }

    /// Which characters are the code.
    fn part(&mut self) -> Result<Option<(u32, u32)>, String> {
        match self.characters.take() {
            Some((first, last)) if first == 0 || last < first => {
                Err(format!("rule `{}` has `characters: [{first}, {last}]`, expected 1 ≤ first ≤ last", self.id))
            }
            part => Ok(part),
        }
    }

    fn whole_number<T: std::str::FromStr>(&mut self, bound: Bound) -> Result<Option<T>, String> {
        let (key, value) = match bound {
            Bound::Least => ("min", self.min.take()),
            Bound::Greatest => ("max", self.max.take()),
        };
        let Some(value) = value else { return Ok(None) };
        let parsed = value.trim().parse();
        parsed.map(Some).map_err(|_| {
            format!("rule `{}` of kind `{}` has `{key}: {value}`, expected a whole number", self.id, self.kind)
        })
    }

    /// `above_percent` stands beside the severity `quarantine` of a rule on rows, and nowhere else.
    fn share(&self, is_of_table: bool) -> Result<(), String> {
        let wants = self.severity == Severity::Quarantine && !is_of_table;
        match self.above_percent {
            None if wants => Err(format!(
                "rule `{}` has severity `quarantine` and judges rows, but no `above_percent`, expected the share of \
                 failing rows above which a delivery is kept out",
                self.id
            )),
            Some(_) if !wants => Err(format!(
                "rule `{}` has `above_percent`, which only a rule on rows with severity `quarantine` reads",
                self.id
            )),
            Some(percent) if !(0.0..100.0).contains(&percent) => {
                Err(format!("rule `{}` has `above_percent: {percent}`, expected 0 to below 100", self.id))
            }
            _ => Ok(()),
        }
    }

    /// The first key that was given and not taken by the kind.
    fn left_over(&self) -> Option<&'static str> {
        [
            ("column", self.column.is_some()),
            ("columns", self.columns.is_some()),
            ("pattern", self.pattern.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("table", self.table.is_some()),
            ("codes", self.codes.is_some()),
            ("valid_at", self.valid_at.is_some()),
            ("characters", self.characters.is_some()),
            ("identifier", self.identifier.is_some()),
            ("birth_on", self.birth_on.is_some()),
            ("sex", self.sex.is_some()),
            ("earlier", self.earlier.is_some()),
            ("later", self.later.is_some()),
            ("key", self.key.is_some()),
            ("compare", self.compare.is_some()),
            ("required", self.required.is_some()),
            ("within_days", self.within_days.is_some()),
            ("every_row", self.every_row.is_some()),
            ("change_percent", self.change_percent.is_some()),
            ("distance", self.distance.is_some()),
            ("sql", self.sql.is_some()),
        ]
        .into_iter()
        .find_map(|(key, given)| given.then_some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_the_spelling_in_which_they_were_written() {
        let rule: Rule = serde_saphyr::from_str("{id: a, kind: code_list, column: sex, codes: [01, 1, 男]}").unwrap();
        let RuleKind::CodeList { codes, .. } = rule.kind else { panic!("kind") };
        assert_eq!(codes, ["01", "1", "男"]);
        let rule: Rule = serde_saphyr::from_str("{id: a, kind: range, column: amount, min: 0, max: 1e6}").unwrap();
        assert_eq!(
            rule.kind,
            RuleKind::Range { column: "amount".into(), min: Some("0".into()), max: Some("1e6".into()) }
        );
    }

    #[test]
    fn a_key_of_another_kind_is_refused_by_name() {
        let refusal = serde_saphyr::from_str::<Rule>("{id: a, kind: not_null, column: x, pattern: y}").unwrap_err();
        assert!(refusal.to_string().contains("has a key `pattern`"), "{refusal}");
        let refusal = serde_saphyr::from_str::<Rule>("{id: a, kind: pattern, column: x}").unwrap_err();
        assert!(refusal.to_string().contains("has no `pattern`"), "{refusal}");
        let refusal = serde_saphyr::from_str::<Rule>("{id: a, kind: notnull, column: x}").unwrap_err();
        assert!(refusal.to_string().contains("expected not_null"), "{refusal}");
    }

    #[test]
    fn a_delivery_is_kept_out_by_a_share_of_rows_or_by_a_rule_on_the_table() {
        let rule: Rule =
            serde_saphyr::from_str("{id: a, kind: unique, column: x, severity: quarantine, above_percent: 0.5}")
                .unwrap();
        assert_eq!((rule.severity, rule.above_percent), (Severity::Quarantine, Some(0.5)));
        assert!(serde_saphyr::from_str::<Rule>("{id: a, kind: volume, min: 5, severity: quarantine}").is_ok());
        for (written, word) in [
            ("{id: a, kind: unique, column: x, severity: quarantine}", "but no `above_percent`"),
            ("{id: a, kind: unique, column: x, severity: hold, above_percent: 1}", "which only a rule on rows"),
            ("{id: a, kind: volume, min: 5, severity: quarantine, above_percent: 1}", "which only a rule on rows"),
            ("{id: a, kind: unique, column: x, severity: quarantine, above_percent: 100}", "expected 0 to below 100"),
        ] {
            let refusal = serde_saphyr::from_str::<Rule>(written).unwrap_err().to_string();
            assert!(refusal.contains(word), "{written}: {refusal}");
        }
    }

    #[test]
    fn a_condition_has_exactly_one_test() {
        let refusal =
            serde_saphyr::from_str::<Rule>("{id: a, kind: not_null, column: x, when: {column: y}}").unwrap_err();
        assert!(refusal.to_string().contains("has 0 of"), "{refusal}");
    }

    #[test]
    fn what_is_written_out_reads_back_the_same() {
        for written in [
            "{id: a, kind: reconcile, columns: [k], table: t, key: [k], compare: [v], severity: hold}",
            "{id: a, kind: length, column: name, min: 2, max: 20}",
            "{id: a, kind: volume, min: 2, change_percent: 12.5}",
        ] {
            let rule: Rule = serde_saphyr::from_str(written).unwrap();
            let again: Rule = serde_saphyr::from_str(&serde_saphyr::to_string(&rule).unwrap()).unwrap();
            assert_eq!(rule, again);
        }
    }
}
