//! What a column seems to hold, from its values more than from its name.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    address::looks_like_one,
    dates::{read_day, read_written},
    hanzi,
    hash::{read_bloom, read_token},
    model::Reads,
    records::{Column, MISSING, Records},
    value::{canonical, number, split_words},
};

/// Distinct values that are looked at.
const LOOKED_AT: usize = 5000;
/// Share of values that must read as something for the column to be that.
const NEARLY_ALL: f64 = 0.85;
/// Share of values that are days of the calendar for the column to hold days: numbers of eight digits rarely are,
/// days with slips of the pen mostly.
const DAYS_MIN: f64 = 0.6;
/// Share of values that must look like an address for the column to hold addresses.
const ADDRESSES_MIN: f64 = 0.6;
/// Values from which a column can tell records apart.
const CATEGORY_MAX: usize = 60;

/// Values whose words' order is looked at, and how many of those of several words must be another's in another order.
const ORDER_LOOKED_AT: usize = 200_000;
const REORDERED_MIN: u32 = 10;
const REORDERED_SHARE: f64 = 0.01;

/// What a column is for in linking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Names a record, not the thing.
    RecordId,
    /// Says which records are the same: an answer, not evidence.
    Answer,
    /// Empty, or the same everywhere.
    Nothing,
    /// Few values.
    Category,
    /// A day.
    Day,
    /// A number with a fraction.
    Number,
    /// A latitude or a longitude.
    Latitude,
    /// The other of the two.
    Longitude,
    /// A citizen identity number.
    CitizenId,
    /// A unified social credit code.
    CreditCode,
    /// Keyed hashes of values of this kind.
    Hash(Reads),
    /// Keyed Bloom filters of names.
    Bloom,
    /// Digits and letters of a number, a telephone, a postcode.
    Code,
    /// A name or a few words in letters.
    Name,
    /// A Chinese personal name.
    ChineseName,
    /// A Chinese address.
    ChineseAddress,
    /// Chinese text of some length: a company's name.
    ChineseWords,
    /// Text of several words.
    Words,
}

/// A column as it was seen.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its place in the records.
    pub column: usize,
    /// What it is for.
    pub meaning: Meaning,
    /// Share of records that have a value.
    pub filled: f64,
    /// Different values.
    pub distinct: usize,
    /// Characters of a value, on average.
    pub characters: f64,
}

impl Meaning {
    /// How its values are read.
    #[must_use]
    pub fn reads(self) -> Reads {
        match self {
            Self::Day => Reads::Date,
            Self::Number => Reads::Number,
            Self::Latitude | Self::Longitude => Reads::Point,
            Self::CitizenId => Reads::CitizenId,
            Self::CreditCode => Reads::CreditCode,
            Self::Hash(_) => Reads::Hash,
            Self::Bloom => Reads::Bloom,
            Self::Code => Reads::Code,
            Self::ChineseName => Reads::ChineseName,
            Self::ChineseWords | Self::ChineseAddress => Reads::ChineseAddress,
            Self::Words => Reads::Words,
            Self::RecordId | Self::Answer | Self::Nothing | Self::Category | Self::Name => Reads::Text,
        }
    }

    /// Whether it is compared.
    #[must_use]
    pub fn is_evidence(self) -> bool {
        !matches!(self, Self::RecordId | Self::Answer | Self::Nothing)
    }
}

/// Looks at every column.
#[must_use]
pub fn profile(records: &Records) -> Vec<Profile> {
    let mut profiles: Vec<Profile> =
        records.columns.iter().enumerate().map(|(at, column)| profile_one(records, at, column)).collect();
    // A latitude alone places nothing.
    let has = |profiles: &[Profile], meaning| profiles.iter().any(|profile| profile.meaning == meaning);
    if has(&profiles, Meaning::Latitude) != has(&profiles, Meaning::Longitude) {
        for profile in &mut profiles {
            if matches!(profile.meaning, Meaning::Latitude | Meaning::Longitude) {
                profile.meaning = Meaning::Number;
            }
        }
    }
    profiles
}

fn profile_one(records: &Records, at: usize, column: &Column) -> Profile {
    let known = column.ids.iter().filter(|&&id| id != MISSING).count();
    let step = column.values.len().div_ceil(LOOKED_AT).max(1);
    let looked: Vec<&str> = column.values.iter().step_by(step).map(AsRef::as_ref).collect();
    let characters = mean(&looked, |value| value.chars().count() as f64);
    let mut profile = Profile {
        name: column.name.clone(),
        column: at,
        meaning: Meaning::Nothing,
        filled: known as f64 / records.rows.max(1) as f64,
        distinct: column.values.len(),
        characters,
    };
    if column.values.len() < 2 {
        return profile;
    }
    profile.meaning = meaning(records, column, &looked, known);
    profile
}

fn meaning(records: &Records, column: &Column, looked: &[&str], known: usize) -> Meaning {
    let name = column.name.to_lowercase();
    if is_answer_name(&name) {
        return Meaning::Answer;
    }
    let of_values = of_values(column, looked, known);
    // Texts of several words are all different where nothing is written twice alike: they name nothing.
    let spaced = || looked.iter().filter(|value| value.contains(' ')).count() * 2 > looked.len();
    let is_text = match of_values {
        Meaning::ChineseAddress | Meaning::ChineseWords => true,
        Meaning::Words | Meaning::Name => spaced(),
        _ => false,
    };
    let is_hidden = matches!(of_values, Meaning::Hash(_) | Meaning::Bloom);
    let names_records = || is_id_name(&name) || !(is_text || tables_overlap(records, column));
    if !is_hidden && is_unique_per_table(records, column) && names_records() {
        return Meaning::RecordId;
    }
    of_values
}

/// What the values of a column alone say that it holds.
pub(crate) fn of_column(column: &Column) -> Meaning {
    let known = column.ids.iter().filter(|&&id| id != MISSING).count();
    let step = column.values.len().div_ceil(LOOKED_AT).max(1);
    let looked: Vec<&str> = column.values.iter().step_by(step).map(AsRef::as_ref).collect();
    if looked.len() < 2 { Meaning::Nothing } else { of_values(column, &looked, known) }
}

fn of_values(column: &Column, looked: &[&str], known: usize) -> Meaning {
    let name = column.name.to_lowercase();
    let share =
        |test: &dyn Fn(&str) -> bool| looked.iter().filter(|value| test(value)).count() as f64 / looked.len() as f64;
    let token = looked.first().and_then(|value| read_token(value));
    if let Some(kind) = token
        && share(&|value| read_token(value) == Some(kind)) >= 0.95
    {
        return Meaning::Hash(kind);
    }
    if share(&|value| read_bloom(value).is_some()) >= 0.95 {
        return Meaning::Bloom;
    }
    if share(&|value| canonical(value, Reads::CitizenId).is_some()) >= 0.5 {
        return Meaning::CitizenId;
    }
    if share(&|value| canonical(value, Reads::CreditCode).is_some()) >= 0.5 {
        return Meaning::CreditCode;
    }
    if share(&|value| read_written(value).is_some()) >= NEARLY_ALL
        && share(&|value| read_day(value).is_some()) >= DAYS_MIN
    {
        return Meaning::Day;
    }
    if share(&|value| number(value).is_some()) >= 0.95 {
        let within =
            |bound: f64| share(&|value| value.parse::<f64>().is_ok_and(|number| number.abs() <= bound)) >= 0.99;
        let fraction = share(&|value| value.contains('.')) > 0.3;
        if fraction && within(90.0) && (name.starts_with("lat") || name.contains("latitude") || name.contains("纬度"))
        {
            return Meaning::Latitude;
        }
        if fraction && within(180.0) && (name.starts_with("lon") || name.starts_with("lng") || name.contains("经度"))
        {
            return Meaning::Longitude;
        }
        if fraction || column.is_decimal {
            return Meaning::Number;
        }
        return if column.values.len() <= 12 { Meaning::Category } else { Meaning::Code };
    }
    // Of a short address half is numbers.
    let is_address =
        |value: &str| value.chars().filter(|&one| hanzi::is_han(one)).count() >= 2 && looks_like_one(value);
    if column.values.len() > CATEGORY_MAX && share(&is_address) >= ADDRESSES_MIN {
        return Meaning::ChineseAddress;
    }
    let han = share(&|value| value.chars().filter(|&one| hanzi::is_han(one)).count() * 2 > value.chars().count());
    if han >= 0.6 {
        let short = share(&|value| (2..=4).contains(&value.chars().filter(|one| one.is_alphanumeric()).count()));
        if short >= NEARLY_ALL && share(&|value| hanzi::begins_with_surname(value)) >= 0.6 && column.values.len() > 20 {
            return Meaning::ChineseName;
        }
        if column.values.len() <= CATEGORY_MAX || (column.values.len() as f64) < 0.002 * known as f64 {
            return Meaning::Category;
        }
        return Meaning::ChineseWords;
    }
    if column.values.len() <= CATEGORY_MAX && column.values.len() * 10 < known {
        return Meaning::Category;
    }
    let coded = share(&|value| {
        value.chars().filter(char::is_ascii_digit).count() * 2
            >= value.chars().filter(|one| one.is_alphanumeric()).count()
            && split_words(value).len() <= 4
            && value.len() <= 24
    });
    if coded >= 0.8 {
        return Meaning::Code;
    }
    let words = mean(looked, |value| split_words(value).len() as f64);
    let is_address_mail = share(&|value| value.contains('@')) >= 0.8;
    let in_words = words > 2.6 || (words > 1.5 && stand_in_any_order(column));
    if in_words && !is_address_mail { Meaning::Words } else { Meaning::Name }
}

/// Whether values are there whose words stand in another order in another value: `Lee, Ann` and `Ann Lee`.
fn stand_in_any_order(column: &Column) -> bool {
    let mut known: HashMap<u64, u64> = HashMap::new();
    let (mut several, mut reordered) = (0_u32, 0_u32);
    for value in column.values.iter().take(ORDER_LOOKED_AT) {
        let words = split_words(value);
        if words.len() < 2 {
            continue;
        }
        several += 1;
        let hashes = words.iter().map(|word| xxh3_64(word.as_bytes()));
        let in_order = hashes.clone().fold(0_u64, |all, word| all.rotate_left(5) ^ word);
        let in_any_order = hashes.fold(0_u64, u64::wrapping_add);
        reordered += u32::from(*known.entry(in_any_order).or_insert(in_order) != in_order);
    }
    reordered >= REORDERED_MIN && f64::from(reordered) >= REORDERED_SHARE * f64::from(several)
}

fn mean(values: &[&str], of: impl Fn(&str) -> f64) -> f64 {
    values.iter().map(|value| of(value)).sum::<f64>() / values.len().max(1) as f64
}

fn is_answer_name(name: &str) -> bool {
    matches!(
        name,
        "cluster"
            | "cluster_id"
            | "clusterid"
            | "ground_truth"
            | "groundtruth"
            | "truth"
            | "true_id"
            | "true_match_id"
            | "label"
            | "match_id"
            | "is_match"
            | "entity_id"
            | "真实编号"
            | "答案"
    )
}

fn is_id_name(name: &str) -> bool {
    matches!(
        name,
        "id" | "rec_id"
            | "recid"
            | "record_id"
            | "recordid"
            | "unique_id"
            | "uniqueid"
            | "row_id"
            | "rowid"
            | "row_number"
            | "rid"
            | "uid"
            | "uuid"
            | "guid"
            | "pk"
            | "key"
            | "index"
            | "序号"
            | "编号"
            | "记录编号"
            | "主键"
            | "行号"
    ) || name.starts_with("unnamed")
}

pub(crate) fn is_unique_per_table(records: &Records, column: &Column) -> bool {
    let unique = |rows: std::ops::Range<usize>| {
        let filled = column.ids[rows.clone()].iter().all(|&id| id != MISSING);
        filled && column.counts(rows).into_iter().all(|count| count <= 1)
    };
    unique(0..records.first) && (!records.is_link() || unique(records.first..records.rows))
}

fn tables_overlap(records: &Records, column: &Column) -> bool {
    if !records.is_link() {
        return false;
    }
    let (first, second) = (column.counts(0..records.first), column.counts(records.first..records.rows));
    let shared = first.iter().zip(&second).filter(|(a, b)| **a > 0 && **b > 0).count();
    shared * 50 > records.first.min(records.rows - records.first)
}
