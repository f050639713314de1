//! Rules that a table seems to keep: a profile of its values, and proposals with their reasons.
//!
//! A proposal is made when nearly all values keep it, never when all do not: what fails is what the rule is for.
//! Proposals are for people to accept; their reasons say how many rows speak for them. Bounds leave room beyond what
//! was seen, and are taken from the middle 99 % of the values, so that a slip does not widen them.
//!
//! [`spread`] holds the distributions, [`document`] writes a rule file with the reasons as comments.

mod document;
mod pairs;
mod spread;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use xxhash_rust::xxh3::xxh3_64;
use yihe_definitions::{
    Rule, RuleKind, Text,
    rule::{Condition, Identifier},
};

pub use document::document;
use pairs::Pairs;
use spread::{Moments, Spread};

use crate::{
    column::{Class, Column, Data, Reading},
    error::QualityError,
    rules::text::is_identifier,
    value::{self, DAY_MICROS},
};

/// Share of the values that must keep a rule for it to be proposed.
const NEARLY_ALL: f64 = 0.97;
/// Most values that make a code list.
const CODES_MAX: usize = 40;
/// Longest value of a code list, in characters.
const CODE_CHARACTERS_MAX: usize = 24;
/// Rows below which nothing is proposed that needs a distribution.
const ROWS_MIN: u64 = 50;
/// Different forms (`9-6`, `A2 9-4`) that are counted per column.
const FORMS_MAX: usize = 64;
/// Registers of the estimate of different values, as a power of two.
const REGISTER_BITS: u32 = 12;
/// Columns that are profiled.
const COLUMNS_MAX: usize = 4096;

const IDENTIFIERS: [Identifier; 8] = [
    Identifier::CitizenId,
    Identifier::CreditCode,
    Identifier::OrganisationCode,
    Identifier::CertificateId,
    Identifier::ServiceItem,
    Identifier::RealEstateUnit,
    Identifier::Mobile,
    Identifier::PostalCode,
];

/// A rule that a table seems to keep, and why we think so.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The rule, ready for a dataset's document.
    pub rule: Rule,
    /// What speaks for it.
    pub reason: Text,
}

/// What was seen of a table. Feed it batches, then ask for proposals.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    rows: u64,
    columns: Vec<ColumnProfile>,
    moments: Moments,
    pairs: Pairs,
}

/// What was seen of a column.
#[derive(Debug, Clone)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Rows without a value, blank text among them.
    pub missing: u64,
    /// Rows with a value.
    pub present: u64,
    /// Least and greatest number, or days since 1970-01-01.
    pub bounds: Option<(f64, f64)>,
    /// Shortest and longest text, in characters.
    pub lengths: Option<(usize, usize)>,
    /// Rows by form of the text: `9-6` is six digits, `A-2` two capitals, `a`, `汉` likewise, other characters stand
    /// for themselves. `None` once there are more than we count.
    pub forms: Option<BTreeMap<String, u64>>,
    /// Rows by value, for columns of few values. `None` once there are more than we count.
    pub values: Option<BTreeMap<String, u64>>,
    /// Rows that are an identifier of this kind.
    identifiers: [u64; IDENTIFIERS.len()],
    registers: Vec<u8>,
    spread: Spread,
}

impl Profile {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at a batch. Batches of one table have the same columns.
    ///
    /// # Errors
    /// A column cannot be read, or there are more than we profile.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), QualityError> {
        let schema = batch.schema();
        if schema.fields().len() > COLUMNS_MAX {
            let column = schema.field(COLUMNS_MAX).name().clone();
            return Err(QualityError::Rules(vec![crate::RuleFault {
                rule: "propose".to_owned(),
                reason: format!("column `{column}` is beyond the {COLUMNS_MAX} columns that are profiled"),
            }]));
        }
        if self.columns.is_empty() {
            self.columns = schema
                .fields()
                .iter()
                .map(|field| ColumnProfile::new(field.name(), Class::of(field.data_type())))
                .collect();
        }
        self.rows += batch.num_rows() as u64;
        self.moments.begin(batch.num_rows());
        let parts = self.columns.iter().enumerate().filter(|(_, column)| column.may_be_part_of_a_key());
        let parts: Vec<usize> = parts.map(|(at, _)| at).collect();
        self.pairs.begin(batch.num_rows(), self.columns.len(), parts.into_iter());
        for (at, column) in self.columns.iter_mut().enumerate() {
            let Some(array) = batch.column_by_name(&column.name) else {
                return Err(QualityError::BatchColumn { column: column.name.clone() });
            };
            if column.class == Class::Other {
                continue;
            }
            let native = Column::prepare(array, Reading::Native)?;
            let text = Column::prepare(array, Reading::Text)?;
            let Some(texts) = text.text() else { continue };
            for row in 0..batch.num_rows() {
                let bytes = if text.valid.contains(row) { texts.value(row) } else { b"" };
                if value::is_blank(bytes) {
                    column.missing += 1;
                    continue;
                }
                column.see(bytes);
                self.pairs.see(at, row, bytes);
                column.bound(&native.data, row);
                if let Some(moment) = column.moment(&native.data, row, bytes) {
                    self.moments.see(at, row, moment);
                }
            }
        }
        self.moments.compare();
        self.pairs.compare();
        Ok(())
    }

    /// Rows seen.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What was seen, column by column.
    #[must_use]
    pub fn columns(&self) -> &[ColumnProfile] {
        &self.columns
    }

    /// Rules that the table seems to keep, column by column.
    #[must_use]
    pub fn proposals(&self) -> Vec<Proposal> {
        let each = self.columns.iter().flat_map(|column| column.proposals(self.rows));
        let mut proposals: Vec<Proposal> = each.chain(self.orders()).chain(self.citizen_agrees()).collect();
        if !proposals.iter().any(|proposal| matches!(proposal.rule.kind, RuleKind::Unique { .. })) {
            proposals.extend(self.composite_key());
        }
        proposals.extend(self.companions());
        proposals
    }

    /// As [`Self::proposals`], and that data is as fresh on the day `today` (days since 1970-01-01) as it seems to be
    /// kept: of a column that says when its record was changed.
    #[must_use]
    pub fn proposals_on(&self, today: i32) -> Vec<Proposal> {
        let mut proposals = self.proposals();
        proposals.extend(self.columns.iter().filter_map(|column| column.freshness(self.rows, today)));
        proposals
    }

    /// Two columns that are different in nearly every row where neither is by itself.
    #[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
    fn composite_key(&self) -> Option<Proposal> {
        if self.rows < ROWS_MIN {
            return None;
        }
        let keys = self.pairs.keys().filter_map(|(first, second, registers)| {
            let both = self.pairs.both(first, second);
            let distinct = estimate(registers).min(both);
            let is_key = both as f64 >= NEARLY_ALL * self.rows as f64 && distinct as f64 >= NEARLY_ALL * both as f64;
            // Of several keys the one whose parts say least by themselves is the least by chance.
            let parts = self.columns[first].distinct().saturating_mul(self.columns[second].distinct());
            is_key.then_some((parts, first, second, distinct))
        });
        let (_, first, second, distinct) = keys.min()?;
        let columns = vec![self.columns[first].name.clone(), self.columns[second].name.clone()];
        let reason = Text::new(
            format!("{} 行中 {} 与 {} 的组合约有 {distinct} 种，像是组合主键", self.rows, columns[0], columns[1]),
            format!("{} and {} together have about {distinct} values in {} rows", columns[0], columns[1], self.rows),
        );
        let rule = Rule::new(format!("{}_{}_unique", columns[0], columns[1]), RuleKind::Unique { columns });
        Some(Proposal { rule, reason })
    }

    /// A column that has a value where another has one, and hardly elsewhere.
    #[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
    fn companions(&self) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let share = column.present as f64 / self.rows.max(1) as f64;
            if column.present < ROWS_MIN || share > NEARLY_ALL {
                continue;
            }
            let companion = self.columns.iter().enumerate().filter_map(|(other, companion)| {
                let both = self.pairs.both(at, other);
                let elsewhere = companion.present.saturating_sub(both) as f64;
                let absent = self.rows.saturating_sub(column.present) as f64;
                let is_bound = other != at
                    && both as f64 >= 0.995 * column.present as f64
                    && elsewhere <= 0.05 * absent
                    // Of two that always come together the earlier calls for the later.
                    && (other > at || both < companion.present);
                is_bound.then_some((both, other))
            });
            let Some((both, other)) = companion.max() else { continue };
            let (name, companion) = (&column.name, &self.columns[other].name);
            let mut rule =
                Rule::new(format!("{companion}_with_{name}"), RuleKind::NotNull { column: companion.clone() });
            rule.when = Some(Condition { column: name.clone(), one_of: None, none_of: None, present: Some(true) });
            let reason = Text::new(
                format!("{name} 有值的 {} 行中，{both} 行的 {companion} 也有值，其余行很少有", column.present),
                format!("{both} of {} rows with {name} have {companion}, and few others do", column.present),
            );
            proposals.push(Proposal { rule, reason });
        }
        proposals
    }

    /// Of two dates one is nearly never before the other.
    fn orders(&self) -> Vec<Proposal> {
        let name = |at: usize| self.columns[at].name.clone();
        let kept = self.moments.ordered(ROWS_MIN);
        let propose = |(earlier, later, kept, both): (usize, usize, u64, u64)| {
            let (earlier, later) = (name(earlier), name(later));
            Proposal {
                reason: Text::new(
                    format!("两者皆有值的 {both} 行中，{kept} 行的 {later} 不早于 {earlier}"),
                    format!("in {kept} of {both} rows that have both, {later} is not before {earlier}"),
                ),
                rule: Rule::new(format!("{earlier}_before_{later}"), RuleKind::Order { earlier, later }),
            }
        };
        kept.into_iter().map(propose).collect()
    }

    /// A citizen's number beside a birth date or a sex is worth comparing with it.
    fn citizen_agrees(&self) -> Option<Proposal> {
        let number = self.columns.iter().find(|column| column.identifier() == Some(Identifier::CitizenId))?;
        let named = |words: &[&str]| {
            self.columns.iter().find(|column| {
                let name = column.name.to_lowercase();
                words.iter().any(|word| name.contains(word))
            })
        };
        let birth_on = named(&["birth", "出生", "csrq", "csny"]).map(|column| column.name.clone());
        let sex = named(&["sex", "gender", "性别"]).map(|column| column.name.clone());
        let sex = sex.or_else(|| {
            self.columns.iter().find(|column| column.name.eq_ignore_ascii_case("xb")).map(|column| column.name.clone())
        });
        if birth_on.is_none() && sex.is_none() {
            return None;
        }
        let beside: Vec<&str> = birth_on.as_deref().into_iter().chain(sex.as_deref()).collect();
        let reason = Text::new(
            format!("{} 为公民身份号码，可与 {} 相互印证", number.name, beside.join("、")),
            format!("{} holds citizens' numbers, which say what {} must be", number.name, beside.join(" and ")),
        );
        let rule = Rule::new(
            format!("{}_agrees", number.name),
            RuleKind::CitizenAgrees { column: number.name.clone(), birth_on, sex },
        );
        Some(Proposal { rule, reason })
    }
}

/// Profiles batches and proposes rules.
///
/// # Errors
/// As [`Profile::add`].
pub fn propose<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Result<Vec<Proposal>, QualityError> {
    let mut profile = Profile::new();
    for batch in batches {
        profile.add(batch)?;
    }
    Ok(profile.proposals())
}

#[expect(clippy::cast_precision_loss, reason = "shares of rows are floats")]
impl ColumnProfile {
    fn new(name: &str, class: Class) -> Self {
        Self {
            name: name.to_owned(),
            class,
            missing: 0,
            present: 0,
            bounds: None,
            lengths: None,
            forms: Some(BTreeMap::new()),
            values: Some(BTreeMap::new()),
            identifiers: [0; IDENTIFIERS.len()],
            registers: vec![0; 1 << REGISTER_BITS],
            spread: Spread::default(),
        }
    }

    fn see(&mut self, bytes: &[u8]) {
        self.present += 1;
        let hash = xxh3_64(bytes);
        let register = &mut self.registers[(hash >> (64 - REGISTER_BITS)) as usize];
        // At most 64 leading zeros.
        *register = (*register).max(((hash << REGISTER_BITS) | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1);
        for (seen, identifier) in self.identifiers.iter_mut().zip(IDENTIFIERS) {
            *seen += u64::from(is_identifier(identifier, bytes));
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let characters = text.chars().count();
        let (shortest, longest) = self.lengths.unwrap_or((characters, characters));
        self.lengths = Some((shortest.min(characters), longest.max(characters)));
        let short = characters <= CODE_CHARACTERS_MAX;
        count(&mut self.values, short.then(|| text.to_owned()), CODES_MAX);
        let form = (self.forms.is_some() && characters <= 64).then(|| form(text));
        count(&mut self.forms, form, FORMS_MAX);
    }

    fn bound(&mut self, data: &Data, row: usize) {
        let number = match data {
            Data::Integers(values) => values[row] as f64,
            Data::Floats(values) => values[row],
            Data::Days(values) => f64::from(values[row]),
            Data::Instants(values) => values[row].div_euclid(DAY_MICROS) as f64,
            Data::Decimals(values) => {
                let Class::Decimal(scale) = self.class else { return };
                values[row] as f64 / 10_f64.powi(i32::from(scale))
            }
            Data::Text(_) | Data::Booleans(_) | Data::Opaque => return,
        };
        if matches!(data, Data::Integers(_) | Data::Floats(_) | Data::Decimals(_)) {
            self.spread.see_number(number);
        }
        if number.is_finite() {
            let (least, greatest) = self.bounds.unwrap_or((number, number));
            self.bounds = Some((least.min(number), greatest.max(number)));
        }
    }

    /// The moment of a row in microseconds, where the column holds dates or text that is one.
    fn moment(&mut self, data: &Data, row: usize, bytes: &[u8]) -> Option<i64> {
        let moment = match data {
            Data::Days(days) => Some(i64::from(days[row]) * DAY_MICROS),
            Data::Instants(instants) => Some(instants[row]),
            Data::Text(_) => self.spread.see_text(bytes),
            Data::Integers(_) | Data::Floats(_) | Data::Decimals(_) | Data::Booleans(_) | Data::Opaque => None,
        }?;
        self.spread.see_moment(moment);
        Some(moment)
    }

    /// Whether the column may be a part of a key: no measurement, no long text.
    const fn may_be_part_of_a_key(&self) -> bool {
        matches!(self.class, Class::Text | Class::Integer | Class::Day)
    }

    /// Freshness by the age of the newest value, where the column says when its record was changed.
    fn freshness(&self, rows: u64, today: i32) -> Option<Proposal> {
        let name = self.name.to_lowercase();
        let words = ["changed", "updated", "modified", "更新", "变更", "修改", "gxsj", "gxrq", "bgrq", "xgsj"];
        let says_so = words.iter().any(|word| name.contains(word));
        if !says_so || rows < ROWS_MIN || !self.nearly_all(self.spread.moments) || self.present * 2 < rows {
            return None;
        }
        let newest = self.spread.newest_day()?;
        let age = u32::try_from(today.checked_sub(newest)?).ok()?;
        let cycle = [2, 9, 40, 110, 400].into_iter().find(|cycle| age.saturating_mul(2) <= *cycle)?;
        let reason = Text::new(
            format!("最新一条距今 {age} 天；请按承诺的更新周期调整"),
            format!("the newest value is {age} days old; adjust to the cycle that was promised"),
        );
        let kind = RuleKind::Freshness { column: self.name.clone(), within_days: cycle, every_row: false };
        Some(Proposal { rule: Rule::new(format!("{}_fresh", self.name), kind), reason })
    }

    /// How many different values, within about 2 %.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        estimate(&self.registers)
    }
    /// The identifier that nearly all values are.
    #[must_use]
    pub fn identifier(&self) -> Option<Identifier> {
        let found = IDENTIFIERS.iter().zip(self.identifiers).find(|(_, seen)| self.nearly_all(*seen));
        // Six digits are a postal code only where the column says so; division codes look the same.
        let postal = || {
            let name = self.name.to_lowercase();
            ["post", "zip", "邮", "yzbm"].iter().any(|word| name.contains(word))
        };
        found.map(|(identifier, _)| *identifier).filter(|found| *found != Identifier::PostalCode || postal())
    }

    fn nearly_all(&self, rows: u64) -> bool {
        self.present > 0 && rows as f64 >= NEARLY_ALL * self.present as f64
    }

    fn proposals(&self, rows: u64) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        if self.present == 0 {
            return proposals;
        }
        let column = || self.name.clone();
        let mut propose = |suffix: &str, kind: RuleKind, zh: String, en: String| {
            let rule = Rule::new(format!("{}_{suffix}", self.name), kind);
            proposals.push(Proposal { rule, reason: Text::new(zh, en) });
        };
        if self.missing as f64 <= (1.0 - NEARLY_ALL) * rows as f64 {
            propose(
                "present",
                RuleKind::NotNull { column: column() },
                format!("{rows} 行中仅 {} 行未填写", self.missing),
                format!("{} of {rows} rows have no value", self.missing),
            );
        }
        let distinct = self.distinct().min(self.present);
        // Of a telephone or a postal code nobody promises that it is one's own.
        let shared = matches!(self.identifier(), Some(Identifier::Mobile | Identifier::PostalCode));
        let measured = self.room().is_some() && self.class == Class::Text;
        if rows >= ROWS_MIN
            && distinct as f64 >= NEARLY_ALL * self.present as f64
            && self.is_key_like()
            && !measured
            && !shared
        {
            propose(
                "unique",
                RuleKind::Unique { columns: vec![column()] },
                format!("{} 个值中约有 {distinct} 个不同的值，像是主键", self.present),
                format!("about {distinct} of {} values are different: it looks like a key", self.present),
            );
        }
        if let Some(identifier) = self.identifier() {
            let index = IDENTIFIERS.iter().position(|known| *known == identifier).unwrap_or_default();
            let seen = self.identifiers[index];
            let kind = RuleKind::CheckDigit { column: column(), identifier };
            let name = crate::messages::expected(&Rule::new("", kind.clone()));
            propose(
                "adds_up",
                kind,
                format!("{} 个值中有 {seen} 个是{}", self.present, name.zh),
                format!("{seen} of {} values are {}", self.present, name.en.unwrap_or_default()),
            );
        } else if let Some(values) = self.code_values(rows) {
            propose(
                "known",
                RuleKind::CodeList {
                    column: column(),
                    table: None,
                    codes: values.clone(),
                    valid_at: None,
                    characters: None,
                },
                format!("{} 个值几乎都属于这 {} 种，少见的值未列入", self.present, values.len()),
                format!("nearly all of {} values are of {} kinds; rare ones are left out", self.present, values.len()),
            );
        } else if let Some((pattern, seen)) = self.pattern() {
            propose(
                "form",
                RuleKind::Pattern { column: column(), pattern: pattern.clone() },
                format!("{} 个值中有 {seen} 个形如 {pattern}", self.present),
                format!("{seen} of {} values have the form {pattern}", self.present),
            );
        }
        if let Some((min, max)) = self.room()
            && rows >= ROWS_MIN
        {
            let seen = self.bounds.map(|(least, greatest)| (self.written(least), self.written(greatest)));
            let (least, greatest) = seen.unwrap_or_else(|| (min.clone(), max.clone()));
            propose(
                "range",
                RuleKind::Range { column: column(), min: Some(min), max: Some(max) },
                format!("现有值在 {least} 至 {greatest} 之间，按其中 99% 留出余地，请按业务调整"),
                format!(
                    "values lie from {least} to {greatest}; room is left beyond 99 % of them; adjust to what the office means"
                ),
            );
        }
        proposals
    }

    /// Bounds that leave room beyond the middle 99 % of the values; `None` for what is no measurement and no date.
    fn room(&self) -> Option<(String, String)> {
        let dates = match self.class {
            Class::Day | Class::Instant { .. } => true,
            Class::Text => self.nearly_all(self.spread.moments),
            _ => false,
        };
        if dates {
            let name = self.name.to_lowercase();
            let birth = ["birth", "出生", "csrq"].iter().any(|word| name.contains(word));
            return self.spread.years(birth);
        }
        let numbers = match self.class {
            Class::Integer => !self.is_key_like(),
            Class::Decimal(_) | Class::Float => true,
            // Codes are written in digits, too: all of one length, or in a list.
            Class::Text => {
                self.nearly_all(self.spread.numbers)
                    && self.identifier().is_none()
                    && self.pattern().is_none()
                    && self.code_values(self.present).is_none()
            }
            _ => false,
        };
        if numbers { self.spread.numbers() } else { None }
    }

    /// Measurements and dates are not keys, however different they are.
    fn is_key_like(&self) -> bool {
        match self.class {
            Class::Text => self.lengths.is_some_and(|(_, longest)| longest <= 64),
            Class::Integer => self.distinct() as f64 >= NEARLY_ALL * self.present as f64,
            _ => false,
        }
    }

    fn code_values(&self, rows: u64) -> Option<Vec<String>> {
        let values = self.values.as_ref().filter(|_| self.class == Class::Text && rows >= ROWS_MIN)?;
        if values.len() as f64 > (self.present as f64).sqrt() {
            return None;
        }
        // A value of a few rows among thousands is more likely a slip than a code.
        let usual = self.present / (values.len() as u64).max(1);
        let rare = (self.present / 1000).min(5).max(usual / 100);
        let codes: Vec<String> =
            values.iter().filter(|(_, seen)| **seen > rare).map(|(value, _)| value.clone()).collect();
        let kept: u64 = values.iter().filter(|(_, seen)| **seen > rare).map(|(_, seen)| seen).sum();
        (!codes.is_empty() && self.nearly_all(kept)).then_some(codes)
    }

    /// The one form of nearly all values, as a regular expression.
    fn pattern(&self) -> Option<(String, u64)> {
        let forms = self.forms.as_ref().filter(|_| self.class == Class::Text)?;
        let (form, seen) = forms.iter().max_by_key(|(_, seen)| **seen)?;
        if !self.nearly_all(*seen) || !form.contains(['9', 'A', 'a']) {
            return None;
        }
        Some((expression(form), *seen))
    }

    fn written(&self, number: f64) -> String {
        match self.class {
            Class::Day | Class::Instant { .. } => {
                let (year, month, day) = value::civil_from_days(number as i32);
                format!("{year:04}-{month:02}-{day:02}")
            }
            _ => number.to_string(),
        }
    }
}

/// The day of an instant in China, in days since 1970-01-01.
#[must_use]
pub fn day_of(now: jiff::Timestamp) -> i32 {
    i32::try_from(crate::outcome::wall_clock(now).div_euclid(DAY_MICROS)).unwrap_or_default()
}

/// How many different hashes filled these registers, within about 2 %.
#[expect(clippy::cast_precision_loss, reason = "an estimate is a float")]
fn estimate(filled: &[u8]) -> u64 {
    if filled.is_empty() {
        return 0;
    }
    let registers = filled.len() as f64;
    let sum: f64 = filled.iter().map(|register| 0.5_f64.powi(i32::from(*register))).sum();
    let estimate = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
    let empty = filled.iter().filter(|register| **register == 0).count();
    let estimate =
        if estimate <= 2.5 * registers && empty > 0 { registers * (registers / empty as f64).ln() } else { estimate };
    #[expect(clippy::cast_sign_loss, reason = "a count is not negative")]
    let estimate = estimate.round() as u64;
    estimate
}

/// Counts a value, and gives up for good when there are more than `most` of them.
fn count(counted: &mut Option<BTreeMap<String, u64>>, value: Option<String>, most: usize) {
    let Some(known) = counted else { return };
    match value {
        Some(value) if known.len() < most || known.contains_key(&value) => *known.entry(value).or_default() += 1,
        _ => *counted = None,
    }
}

/// Runs of characters of one kind: `9`, `A`, `a` or `汉` with the length of the run; others as they are, after a `\`.
fn form(text: &str) -> String {
    let mut runs: Vec<(char, u32)> = Vec::new();
    for character in text.chars() {
        let kind = match character {
            '0'..='9' => '9',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            '\u{4e00}'..='\u{9fff}' => '汉',
            _ => '\\',
        };
        match runs.last_mut() {
            Some((last, length)) if *last == kind && kind != '\\' => *length += 1,
            _ if kind == '\\' => {
                runs.push(('\\', u32::from(character)));
            }
            _ => runs.push((kind, 1)),
        }
    }
    let mut form = String::new();
    for (kind, length) in runs {
        form.push(kind);
        if kind == '\\' {
            form.extend(char::from_u32(length));
        } else {
            form.push_str(&length.to_string());
        }
    }
    form
}

/// The regular expression of a form.
fn expression(form: &str) -> String {
    let mut expression = String::new();
    let mut characters = form.chars().peekable();
    while let Some(kind) = characters.next() {
        if kind == '\\' {
            let Some(literal) = characters.next() else { break };
            if !literal.is_alphanumeric() && literal.is_ascii() && literal != ' ' {
                expression.push('\\');
            }
            expression.push(literal);
            continue;
        }
        let mut length = String::new();
        while let Some(digit) = characters.next_if(char::is_ascii_digit) {
            length.push(digit);
        }
        expression.push_str(match kind {
            '9' => r"\d",
            'A' => "[A-Z]",
            'a' => "[a-z]",
            _ => r"\p{Han}",
        });
        if length != "1" {
            expression.push('{');
            expression.push_str(&length);
            expression.push('}');
        }
    }
    expression
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Date32Array, Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
    };

    use super::*;
    use crate::pattern::Pattern;

    fn table() -> RecordBatch {
        let numbers = 0..400_i32;
        let ids = numbers.clone().map(|number| {
            let first = format!("37130219800101{number:03}");
            let check = yihe_vocabulary::citizen_id::check_character(first.as_bytes().first_chunk().unwrap()).unwrap();
            (number % 100 != 7).then(|| format!("{first}{}", char::from(check)))
        });
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id_no", Arc::new(ids.collect::<StringArray>())),
            (
                "sex",
                Arc::new(
                    numbers
                        .clone()
                        .map(|number| Some(["1", "2"][number.unsigned_abs() as usize % 2]))
                        .collect::<StringArray>(),
                ),
            ),
            (
                "plate",
                Arc::new(numbers.clone().map(|number| Some(format!("鲁Q·{:05}", number * 7))).collect::<StringArray>()),
            ),
            ("age", Arc::new(numbers.clone().map(|number| Some(i64::from(number % 90))).collect::<Int64Array>())),
            ("birth", Arc::new(numbers.clone().map(|number| Some(number % 50)).collect::<Date32Array>())),
            (
                "remark",
                Arc::new(
                    numbers
                        .map(|number| (number % 3 == 0).then(|| "x".repeat(number.unsigned_abs() as usize)))
                        .collect::<StringArray>(),
                ),
            ),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        assert_eq!(fields[3].data_type(), &DataType::Int64);
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    #[test]
    fn proposals_are_what_a_person_would_have_written() {
        let batch = table();
        let proposals = propose([&batch]).unwrap();
        let ids: Vec<&str> = proposals.iter().map(|proposal| proposal.rule.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "id_no_present",
                "id_no_unique",
                "id_no_adds_up",
                "sex_present",
                "sex_known",
                "plate_present",
                "plate_unique",
                "plate_form",
                "age_present",
                "age_range",
                "birth_present",
                "birth_range",
                "id_no_agrees",
            ]
        );
        let of = |id: &str| proposals.iter().find(|proposal| proposal.rule.id == id).unwrap();
        assert_eq!(of("id_no_present").reason.zh, "400 行中仅 4 行未填写");
        assert_eq!(
            of("id_no_adds_up").rule.kind,
            RuleKind::CheckDigit { column: "id_no".into(), identifier: Identifier::CitizenId }
        );
        let RuleKind::Pattern { pattern, .. } = &of("plate_form").rule.kind else { panic!() };
        assert!(Pattern::new(pattern).unwrap().matches("鲁Q·12345".as_bytes()), "{pattern}");
    }

    #[test]
    fn what_is_proposed_fails_hardly_a_row_of_the_table_it_came_from() {
        let batch = table();
        let rules: Vec<Rule> = propose([&batch]).unwrap().into_iter().map(|proposal| proposal.rule).collect();
        let around = crate::Surroundings {
            codes: &crate::CodeTables::new(),
            references: &crate::References::new(),
            predicates: None,
            now: "2026-11-22T00:00:00Z".parse().unwrap(),
        };
        let checker = crate::Checker::compile(&rules, &batch.schema(), &around).unwrap();
        let mut session = checker.session(crate::SessionOptions::default());
        session.check(&batch, 0).unwrap();
        let outcome = crate::finish(&checker, vec![session], 1, None).unwrap();
        for (rule, counts) in rules.iter().zip(outcome.counts) {
            assert!(counts.failed * 20 <= counts.evaluated || rule.id == "id_no_agrees", "{} {counts:?}", rule.id);
        }
    }

    #[test]
    fn different_values_are_estimated_within_five_percent() {
        let values: StringArray = (0..50_000).map(|number| Some(format!("v{}", number % 20_000))).collect();
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8, true)]));
        let mut profile = Profile::new();
        profile.add(&RecordBatch::try_new(schema, vec![Arc::new(values)]).unwrap()).unwrap();
        let distinct = profile.columns()[0].distinct();
        assert!((19_000..=21_000).contains(&distinct), "{distinct}");
    }

    #[test]
    fn two_columns_together_are_proposed_as_a_key_where_none_is_one() {
        let rows = 400;
        let stations: Vec<String> = (0..rows).map(|row| format!("S{:02}", row % 20)).collect();
        let days: Vec<i32> = (0..rows).map(|row| 20_000 + row / 20).collect();
        let values: Vec<i64> = (0..rows).map(|row| i64::from(row * 7 % 13)).collect();
        let batch = RecordBatch::try_from_iter([
            ("station", Arc::new(StringArray::from(stations)) as ArrayRef),
            ("measured_on", Arc::new(Date32Array::from(days)) as ArrayRef),
            ("level", Arc::new(Int64Array::from(values)) as ArrayRef),
        ])
        .unwrap();
        let proposals = propose([&batch]).unwrap();
        let keys: Vec<_> = proposals
            .iter()
            .filter_map(|proposal| match &proposal.rule.kind {
                RuleKind::Unique { columns } => Some(columns.join(",")),
                _ => None,
            })
            .collect();
        assert_eq!(keys, ["station,measured_on"]);
    }

    #[test]
    fn a_value_that_another_calls_for_and_a_column_that_is_kept_fresh_are_proposed() {
        let rows = 1_000;
        let names: Vec<String> = (0..rows).map(|row| format!("n{row}")).collect();
        let ended = |row: i32| row % 5 == 0;
        let ends: Vec<Option<i32>> = (0..rows).map(|row| ended(row).then_some(20_000)).collect();
        let reasons: Vec<Option<&str>> = (0..rows).map(|row| ended(row).then_some("迁出")).collect();
        let remarks: Vec<Option<&str>> = (0..rows).map(|row| (row % 2 == 0).then_some("x")).collect();
        let changes: Vec<i32> = (0..rows).map(|row| 20_000 + row % 100).collect();
        let batch = RecordBatch::try_from_iter([
            ("name", Arc::new(StringArray::from(names)) as ArrayRef),
            ("ended_on", Arc::new(Date32Array::from(ends)) as ArrayRef),
            ("reason", Arc::new(StringArray::from(reasons)) as ArrayRef),
            ("remark", Arc::new(StringArray::from(remarks)) as ArrayRef),
            ("changed_on", Arc::new(Date32Array::from(changes)) as ArrayRef),
        ])
        .unwrap();
        let mut profile = Profile::new();
        profile.add(&batch).unwrap();
        let proposals = profile.proposals_on(20_102);
        let conditional: Vec<_> = proposals
            .iter()
            .filter_map(|proposal| Some((proposal.rule.id.as_str(), proposal.rule.when.as_ref()?.column.as_str())))
            .collect();
        assert_eq!(conditional, [("reason_with_ended_on", "ended_on")]);
        let fresh = proposals.iter().find_map(|proposal| match &proposal.rule.kind {
            RuleKind::Freshness { column, within_days, .. } => Some((column.as_str(), *within_days)),
            _ => None,
        });
        assert_eq!(fresh, Some(("changed_on", 9)), "three days old: within a week or so");
    }
}
