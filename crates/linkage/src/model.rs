//! A linkage model: which columns are compared how, which pairs are compared at all, and what was learned.
//!
//! A model is a definition: a YAML file that people review. `m` is how often a level is reached by two records
//! of the same thing, `u` by two records of different things (Fellegi & Sunter, A theory for record linkage, 1969);
//! a model without them is trained before it is used.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{LinkageError, Reason};

/// Most comparisons of a model: four bits of a 64-bit pattern each.
pub const COMPARISONS_MAX: usize = 16;
/// Most levels of a comparison, the missing one not counted.
pub const LEVELS_MAX: usize = 15;
/// Most blocking rules.
pub const RULES_MAX: usize = 64;
/// Largest model file, bytes.
const FILE_MAX: u64 = 1 << 20;

/// A linkage model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Column that names a record; never compared. Without it a record is its row number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Columns of the second table that have another name than in the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Renamed>,
    /// Probability from which two records are taken for the same.
    #[serde(default = "half")]
    pub threshold: f64,
    /// Probability that two records taken at random are the same; learned where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<f64>,
    /// Probability that two records taken at random are of different but related things: people of one household,
    /// branches of one company. Learned where absent and some comparison is `personal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kin_prior: Option<f64>,
    /// What changes together; learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// Seed of the sample that `u` is learned from.
    #[serde(default)]
    pub seed: u64,
    /// What is compared.
    pub comparisons: Vec<Comparison>,
    /// Which pairs are compared: those that agree on every key of at least one rule.
    pub blocking: Vec<Rule>,
    /// Columns in which two different readable values forbid a link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_not_differ: Vec<Constraint>,
}

fn half() -> f64 {
    0.5
}

/// Columns that change together when they change: street, town and postcode of somebody who moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moves {
    /// The columns.
    pub columns: Vec<String>,
    /// Share of the pairs of the same thing in which they did.
    pub share: f64,
    /// Share of the pairs of related things in which they did.
    #[serde(default)]
    pub kin_share: f64,
}

/// One column under two names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renamed {
    /// In the first table, and in this model.
    pub column: String,
    /// In the second table.
    pub second: String,
}

/// A column that two records of one thing cannot have different values of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The column.
    pub column: String,
    /// What its values are; unreadable ones forbid nothing.
    #[serde(default)]
    pub reads: Reads,
}

/// One column's comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The column.
    pub column: String,
    /// A second column: the longitude of a point, or the one that `swapped` looks into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// What its values are.
    #[serde(default)]
    pub reads: Reads,
    /// Whether agreeing on a rare value counts for more than on a common one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub term_frequency: bool,
    /// Whether related things agree on it by chance only: a given name, a day of birth, not an address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// From the closest to the farthest; the first that holds is reached. The last must be `other`.
    pub levels: Vec<Level>,
}

/// What a column's values are; a value that cannot be read so counts as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Characters as they are.
    #[default]
    Text,
    /// Words whose order does not matter; Chinese text in pairs of characters.
    Words,
    /// A Chinese personal name.
    ChineseName,
    /// A Chinese address.
    ChineseAddress,
    /// A day, in the usual ways of writing one.
    Date,
    /// A number.
    Number,
    /// Letters and digits; what stands between them is left out.
    Code,
    /// A citizen identity number (GB 11643), 15 digits read as 18; one that does not add up is missing.
    CitizenId,
    /// A unified social credit code (GB 32100); one that does not add up is missing.
    CreditCode,
    /// A latitude, with the longitude in `with`.
    Point,
    /// A keyed hash ([`crate::hash`]); anything else is missing.
    Hash,
    /// A keyed Bloom filter of a name ([`crate::hash`]); anything else is missing.
    Bloom,
}

/// A level of agreement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// What holds.
    pub when: Test,
    /// Lower bound of a similarity, in `0.0..=1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Upper bound of a distance: edits, days, kilometres, or a share of the larger number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Share of the pairs that are the same which reach this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m: Option<f64>,
    /// Share of the pairs that are different which reach this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub u: Option<f64>,
    /// Share of the pairs of related things which reach this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<f64>,
}

impl Level {
    /// A level without what is learned.
    #[must_use]
    pub fn new(when: Test) -> Self {
        Self { when, at_least: None, at_most: None, m: None, u: None, k: None }
    }

    /// The level in words: its test and bound.
    #[must_use]
    pub fn name(&self) -> String {
        let test = serde_saphyr::to_string(&self.when).unwrap_or_default();
        match (self.at_least, self.at_most) {
            (Some(bound), _) => format!("{} >= {bound}", test.trim()),
            (_, Some(bound)) => format!("{} <= {bound}", test.trim()),
            _ => test.trim().to_owned(),
        }
    }

    /// A similarity of at least this much.
    #[must_use]
    pub fn at_least(when: Test, bound: f64) -> Self {
        Self { at_least: Some(bound), ..Self::new(when) }
    }

    /// A distance of at most this much.
    #[must_use]
    pub fn at_most(when: Test, bound: f64) -> Self {
        Self { at_most: Some(bound), ..Self::new(when) }
    }
}

/// What a level asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The same value.
    Exact,
    /// Each record's value is the other's value of the column `with`.
    Swapped,
    /// Jaro–Winkler similarity (`at_least`).
    JaroWinkler,
    /// Edits: insert, delete, replace, swap neighbours (`at_most`).
    Edits,
    /// Dice coefficient of two Bloom filters (`at_least`).
    Dice,
    /// One value is the beginning of the other, or its initial.
    Beginning,
    /// Cosine of the words' weights, alike words counted (`at_least`).
    Cosine,
    /// All words of the shorter value are in the longer.
    Contained,
    /// The same day with day and month exchanged.
    DayMonthSwapped,
    /// Days apart (`at_most`).
    Days,
    /// Difference as a share of the larger number (`at_most`).
    Relative,
    /// Difference of two numbers (`at_most`).
    Difference,
    /// Kilometres apart (`at_most`).
    Kilometres,
    /// The same name in traditional or variant characters.
    Variant,
    /// The same sounds without tone, in one of the characters' readings.
    Pinyin,
    /// The same sounds where zh = z, n = l, -ng = -n.
    NearPinyin,
    /// One character looks like the other's, the rest are the same.
    Glyph,
    /// The same surname.
    Surname,
    /// The same address down to the flat.
    SameFlat,
    /// The same address down to the house number.
    SameHouse,
    /// The same road or village.
    SameRoad,
    /// The same street or town.
    SameTown,
    /// The same county.
    SameCounty,
    /// Nothing of the above.
    Other,
}

impl Test {
    /// The reading that the test needs, where a comparison has another.
    fn needs(self, reads: Reads) -> Option<&'static str> {
        let (fits, needed) = match self {
            Self::Variant | Self::Pinyin | Self::NearPinyin | Self::Glyph | Self::Surname => {
                (reads == Reads::ChineseName, "chinese_name")
            }
            Self::DayMonthSwapped | Self::Days => (reads == Reads::Date, "date"),
            Self::Relative | Self::Difference => (reads == Reads::Number, "number"),
            Self::Kilometres => (reads == Reads::Point, "point"),
            Self::SameFlat | Self::SameHouse | Self::SameRoad | Self::SameTown | Self::SameCounty => {
                (reads == Reads::ChineseAddress, "chinese_address")
            }
            Self::Dice => (reads == Reads::Bloom, "bloom"),
            Self::Cosine | Self::Contained => (matches!(reads, Reads::Words | Reads::ChineseAddress), "words"),
            Self::Exact | Self::Swapped | Self::JaroWinkler | Self::Edits | Self::Beginning | Self::Other => (true, ""),
        };
        (!fits).then_some(needed)
    }

    /// Whether the level needs `at_least` (true), `at_most` (false), or neither.
    #[must_use]
    pub fn bound(self) -> Option<bool> {
        match self {
            Self::JaroWinkler | Self::Cosine | Self::Dice => Some(true),
            Self::Edits | Self::Days | Self::Relative | Self::Difference | Self::Kilometres => Some(false),
            Self::Exact
            | Self::Swapped
            | Self::Beginning
            | Self::Contained
            | Self::DayMonthSwapped
            | Self::Variant
            | Self::Pinyin
            | Self::NearPinyin
            | Self::Glyph
            | Self::Surname
            | Self::SameFlat
            | Self::SameHouse
            | Self::SameRoad
            | Self::SameTown
            | Self::SameCounty
            | Self::Other => None,
        }
    }
}

/// Pairs that agree on all of these are compared; without keys, every pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What they agree on.
    pub keys: Vec<Key>,
    /// Whether the keys may be exchanged among each other: given name for surname.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_order: bool,
    /// Blocks of more records than this are left out: so common a value says little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_max: Option<u32>,
}

/// A part of a column's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The column.
    pub column: String,
    /// What its values are.
    #[serde(default)]
    pub reads: Reads,
    /// Which part.
    #[serde(default)]
    pub part: Part,
}

/// Which part of a value two records must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Its first half: an edit elsewhere does no harm.
    FirstHalf,
    /// Its last half.
    LastHalf,
    /// Its first three characters.
    Start,
    /// Its consonants in order, doubled ones once; of Chinese, the sounds that `near_pinyin` compares.
    Sound,
    /// The surname of a Chinese name.
    Surname,
    /// Year and month of a day.
    Month,
    /// Year of a day.
    Year,
    /// Month and day of a day.
    MonthDay,
    /// Year, and day and month in either order.
    DayOrMonth,
    /// Any of its rarest words.
    Word,
    /// A number of about this size: numbers within five per cent share one.
    Magnitude,
    /// About this day: days within three share one.
    Week,
    /// A field of about a kilometre, or one beside it.
    Field,
}

impl Part {
    /// Whether a value has several keys of this part, each of which is enough.
    #[must_use]
    pub fn is_many(self) -> bool {
        matches!(self, Self::Word | Self::Magnitude | Self::Week | Self::Field)
    }
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// The file cannot be read, is not a model, or asks for what cannot be done; the reason names the place.
    pub fn read(path: &Path) -> Result<Self, LinkageError> {
        let failed = |reason: Reason| LinkageError::Model { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| failed(error.into()))?.len();
        if size > FILE_MAX {
            return Err(failed(Reason::too_many(&size, &FILE_MAX, "bytes", "字节")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
        Self::parse(&text).map_err(failed)
    }

    /// Reads a model from its text.
    ///
    /// # Errors
    /// One sentence: what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let model: Self =
            serde_saphyr::from_str(text).map_err(|error| Reason::of("not a model", "不合模型的格式", &error))?;
        model.check()?;
        Ok(model)
    }

    fn check(&self) -> Result<(), Reason> {
        let within = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(Reason::new(
                    format!("{name} is {value}, expected 0 to 1"),
                    format!("{name} 为 {value}，应在 0 与 1 之间"),
                ))
            }
        };
        within("threshold", self.threshold)?;
        within("prior", self.prior.unwrap_or(0.5))?;
        within("kin_prior", self.kin_prior.unwrap_or(0.5))?;
        within("moves.share", self.moves.as_ref().map_or(0.5, |moves| moves.share))?;
        within("moves.kin_share", self.moves.as_ref().map_or(0.5, |moves| moves.kin_share))?;
        if self.comparisons.is_empty() || self.comparisons.len() > COMPARISONS_MAX {
            let found = self.comparisons.len();
            return Err(Reason::new(
                format!("found {found} comparisons, expected 1 to {COMPARISONS_MAX}"),
                format!("有 {found} 项比较，应有 1 至 {COMPARISONS_MAX} 项"),
            ));
        }
        if self.blocking.is_empty() || self.blocking.len() > RULES_MAX {
            let found = self.blocking.len();
            return Err(Reason::new(
                format!("found {found} blocking rules, expected 1 to {RULES_MAX}"),
                format!("有 {found} 条分块规则，应有 1 至 {RULES_MAX} 条"),
            ));
        }
        for (index, rule) in self.blocking.iter().enumerate() {
            let number = index + 1;
            let in_rule =
                |what: Reason| what.at(&format!("blocking rule {number}"), &format!("第 {number} 条分块规则"));
            let several = rule.keys.iter().filter(|key| key.part.is_many()).count();
            if rule.keys.len() > 8 {
                return Err(in_rule(Reason::too_many(&rule.keys.len(), &8, "keys", "个键")));
            }
            if several > 2 {
                let english = "keys of part word, magnitude, week or field";
                let chinese = "个 word、magnitude、week 或 field 部分的键";
                return Err(in_rule(Reason::too_many(&several, &2, english, chinese)));
            }
        }
        for comparison in &self.comparisons {
            let column = &comparison.column;
            let at = |what: Reason| what.at(&format!("comparison of `{column}`"), &format!("“{column}”的比较"));
            let levels = &comparison.levels;
            if levels.len() < 2 || levels.len() > LEVELS_MAX {
                let found = levels.len();
                return Err(at(Reason::new(
                    format!("found {found} levels, expected 2 to {LEVELS_MAX}"),
                    format!("有 {found} 级，应有 2 至 {LEVELS_MAX} 级"),
                )));
            }
            if levels.last().map(|level| level.when) != Some(Test::Other) {
                return Err(at(Reason::new("the last level must be `other`", "最后一级须为 other")));
            }
            if levels.iter().filter(|level| level.when == Test::Other).count() > 1 {
                return Err(at(Reason::new(
                    "found `other` before the last level, which then cannot be reached",
                    "other 在最后一级之前，其后的级别无法达到",
                )));
            }
            for level in levels {
                let name = format!("{:?}", level.when);
                let needs = |what: &str| Reason::new(format!("{name} needs {what}"), format!("{name} 需要 {what}"));
                match level.when.bound() {
                    Some(true) if level.at_least.is_none() => return Err(at(needs("at_least"))),
                    Some(false) if level.at_most.is_none() => return Err(at(needs("at_most"))),
                    _ => {}
                }
                if let Some(reads) = level.when.needs(comparison.reads) {
                    return Err(at(needs(&format!("`reads: {reads}`"))));
                }
                within("m", level.m.unwrap_or(0.5)).map_err(at)?;
                within("u", level.u.unwrap_or(0.5)).map_err(at)?;
                within("k", level.k.unwrap_or(0.5)).map_err(at)?;
            }
            let needs_with = comparison.reads == Reads::Point || levels.iter().any(|level| level.when == Test::Swapped);
            if needs_with && comparison.with.is_none() {
                return Err(at(Reason::new("needs `with`: the other column", "需要 `with`：另一列")));
            }
        }
        Ok(())
    }

    /// Whether everything that training would find is there.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        self.prior.is_some()
            && self
                .comparisons
                .iter()
                .all(|comparison| comparison.levels.iter().all(|level| level.m.is_some() && level.u.is_some()))
    }
}
