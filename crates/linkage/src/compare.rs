//! Which level two records reach in each comparison: the hot path, a few nanoseconds per comparison.

use std::collections::HashMap;

use crate::{
    error::LinkageError,
    field::{Field, READINGS_MAX, WORDS_MAX, Word},
    hanzi,
    hash::dice,
    model::{Comparison, Model, Reads, Test},
    records::{MISSING, Records, ValueId},
    similarity::{edits, jaro_winkler, kilometres},
};

/// Levels of all comparisons, four bits each, the first comparison lowest; 0 is missing, 1 the first level.
pub type Pattern = u64;

/// The level of one comparison in a pattern: 0 where a value is missing.
#[must_use]
pub fn level(pattern: Pattern, comparison: usize) -> usize {
    (pattern >> (4 * comparison) & 0xf) as usize
}

/// A model's comparisons on these records.
#[derive(Debug)]
pub struct Comparer {
    /// Fields by column and reading, each once.
    pub fields: Vec<Field>,
    /// One per comparison of the model.
    pub comparisons: Vec<Prepared>,
    /// Values of every comparison, record by record: what two records need stands in one place each.
    ids: Vec<ValueId>,
}

/// One comparison, ready.
#[derive(Debug)]
pub struct Prepared {
    /// Which field.
    pub field: usize,
    tests: Vec<(Test, f64)>,
    /// For `swapped`: number of each value of the one column in the other, and of the other in the one.
    swapped: Option<Swapped>,
    /// Least Jaro–Winkler similarity that any level asks for.
    jaro_winkler: Option<f32>,
    /// Most edits that any level asks for.
    edits: Option<usize>,
    /// Least cosine that any level asks for.
    cosine: Option<f32>,
    /// Whether only equality counts, so that two values that differ are at the last level.
    only_exact: bool,
    /// Number of the last level.
    last: u64,
}

#[derive(Debug)]
struct Swapped {
    other: usize,
    to_other: Vec<ValueId>,
}

/// A record that is only asked about.
#[derive(Debug)]
pub(crate) struct Query {
    /// Number of its value in each field; [`MISSING`] where it has none.
    pub ids: Vec<ValueId>,
}

impl Comparer {
    /// Reads every column that the model compares or blocks by; returns also the field of every key, rule by rule.
    ///
    /// # Errors
    /// A column that the records do not have.
    pub(crate) fn with_keys(model: &Model, records: &Records) -> Result<(Self, Vec<usize>), LinkageError> {
        let mut comparer = Self::new(model, records)?;
        let mut of_keys = Vec::new();
        for key in model.blocking.iter().flat_map(|rule| &rule.keys) {
            let column = records.column(&key.column)?;
            let known = comparer.fields.iter().position(|field| field.column == column && field.reads == key.reads);
            of_keys.push(known.unwrap_or_else(|| {
                comparer.fields.push(Field::read(records, column, None, key.reads));
                comparer.fields.len() - 1
            }));
        }
        Ok((comparer, of_keys))
    }

    /// The pattern of a record and one that is only asked about.
    pub(crate) fn pattern_of(&self, row: usize, query: &Query) -> Pattern {
        let mut pattern = 0;
        for (at, comparison) in self.comparisons.iter().enumerate() {
            let field = &self.fields[comparison.field];
            let (a, b) = (field.ids[row], query.ids[comparison.field]);
            if a == MISSING || b == MISSING {
                continue;
            }
            let same = |field: &Field, a: ValueId, b: ValueId| {
                a != MISSING && b != MISSING && field.values[a as usize] == field.values[b as usize]
            };
            let level = if same(field, a, b) {
                1
            } else if comparison.only_exact {
                comparison.last
            } else {
                Self::level(comparison, field, (a, b), |swapped| {
                    let other = &self.fields[swapped.other];
                    let (x, y) = (other.ids[row], query.ids[swapped.other]);
                    x != MISSING
                        && y != MISSING
                        && other.values[x as usize] == field.values[b as usize]
                        && other.values[y as usize] == field.values[a as usize]
                })
            };
            pattern |= level << (4 * at);
        }
        pattern
    }

    /// Reads every column that the model compares.
    ///
    /// # Errors
    /// A column that the records do not have.
    pub fn new(model: &Model, records: &Records) -> Result<Self, LinkageError> {
        let mut fields = Fields::default();
        let mut comparisons = Vec::with_capacity(model.comparisons.len());
        for comparison in &model.comparisons {
            comparisons.push(prepare(comparison, records, &mut fields)?);
        }
        let fields = fields.read;
        let mut ids = Vec::with_capacity(records.rows * comparisons.len());
        for row in 0..records.rows {
            ids.extend(comparisons.iter().map(|comparison| fields[comparison.field].ids[row]));
        }
        Ok(Self { fields, comparisons, ids })
    }

    /// The pattern of two records.
    #[must_use]
    pub fn pattern(&self, left: usize, right: usize) -> Pattern {
        let mut pattern = 0;
        let width = self.comparisons.len();
        let (of_left, of_right) = (&self.ids[left * width..][..width], &self.ids[right * width..][..width]);
        for (at, (comparison, (&a, &b))) in self.comparisons.iter().zip(of_left.iter().zip(of_right)).enumerate() {
            if a == MISSING || b == MISSING {
                continue;
            }
            let level = if a == b {
                1
            } else if comparison.only_exact {
                comparison.last
            } else {
                Self::level(comparison, &self.fields[comparison.field], (a, b), |swapped| {
                    let other = &self.fields[swapped.other];
                    let (x, y) = (other.ids[left], other.ids[right]);
                    x != MISSING && swapped.to_other[b as usize] == x && swapped.to_other[a as usize] == y
                })
            };
            pattern |= level << (4 * at);
        }
        pattern
    }

    /// The level of two different values.
    fn level(
        comparison: &Prepared,
        field: &Field,
        ids: (ValueId, ValueId),
        is_swapped: impl Fn(&Swapped) -> bool,
    ) -> u64 {
        let mut similarity = None;
        let mut distance = None;
        let mut cosine = None;
        for (at, &(test, bound)) in comparison.tests.iter().enumerate() {
            let holds = match test {
                // Level 1 is exact in every proposed model; elsewhere equality was seen before.
                Test::Exact => false,
                Test::Other => true,
                Test::JaroWinkler => {
                    let value = *similarity.get_or_insert_with(|| {
                        jaro_winkler(
                            field.characters.get(ids.0),
                            field.characters.get(ids.1),
                            (field.tallies[ids.0 as usize], field.tallies[ids.1 as usize]),
                            comparison.jaro_winkler.unwrap_or(0.0),
                        )
                    });
                    f64::from(value) >= bound - 1e-6
                }
                Test::Edits if field.reads == Reads::Date => {
                    let (a, b) = (&field.days[ids.0 as usize], &field.days[ids.1 as usize]);
                    f64::from(a.edits(b)) <= bound
                }
                Test::Edits => {
                    let value = *distance.get_or_insert_with(|| {
                        edits(
                            field.characters.get(ids.0),
                            field.characters.get(ids.1),
                            (field.tallies[ids.0 as usize], field.tallies[ids.1 as usize]),
                            comparison.edits.unwrap_or(0),
                        )
                    });
                    value.is_some_and(|value| value as f64 <= bound)
                }
                Test::Cosine => {
                    let value =
                        *cosine.get_or_insert_with(|| soft_cosine(field, ids, comparison.cosine.unwrap_or(0.0)));
                    f64::from(value) >= bound - 1e-6
                }
                Test::Dice => f64::from(dice(&field.bits[ids.0 as usize], &field.bits[ids.1 as usize])) >= bound,
                Test::Contained => contained(field.words.of_value.get(ids.0), field.words.of_value.get(ids.1)),
                Test::Beginning => beginning(field.characters.get(ids.0), field.characters.get(ids.1)),
                Test::Swapped => comparison.swapped.as_ref().is_some_and(&is_swapped),
                Test::DayMonthSwapped => {
                    let (a, b) = (field.days[ids.0 as usize], field.days[ids.1 as usize]);
                    a.year == b.year && a.month == b.day && a.day == b.month
                }
                Test::Days => {
                    let (a, b) = (field.days[ids.0 as usize], field.days[ids.1 as usize]);
                    a.apart(&b).is_some_and(|apart| f64::from(apart) <= bound)
                }
                Test::Relative => {
                    let (a, b) = (field.numbers[ids.0 as usize].0, field.numbers[ids.1 as usize].0);
                    (a - b).abs() <= bound * a.abs().max(b.abs()) + f64::EPSILON
                }
                Test::Difference => {
                    (field.numbers[ids.0 as usize].0 - field.numbers[ids.1 as usize].0).abs() <= bound + f64::EPSILON
                }
                Test::Kilometres => kilometres(field.numbers[ids.0 as usize], field.numbers[ids.1 as usize]) <= bound,
                Test::Variant => field.canonical.get(ids.0) == field.canonical.get(ids.1),
                Test::Pinyin => sounds_alike(field, ids, false),
                Test::NearPinyin => sounds_alike(field, ids, true),
                Test::Glyph => one_looks_alike(field, ids),
                Test::SameFlat => field.places[ids.0 as usize].same_flat(&field.places[ids.1 as usize]),
                Test::SameHouse => field.places[ids.0 as usize].same_house(&field.places[ids.1 as usize]),
                Test::SameRoad => field.places[ids.0 as usize].same_road(&field.places[ids.1 as usize]),
                Test::SameTown => field.places[ids.0 as usize].same_town(&field.places[ids.1 as usize]),
                Test::SameCounty => field.places[ids.0 as usize].same_county(&field.places[ids.1 as usize]),
                Test::Surname => {
                    let surname = field.surnames[ids.0 as usize];
                    surname != MISSING && surname == field.surnames[ids.1 as usize]
                }
            };
            if holds {
                return at as u64 + 1;
            }
        }
        comparison.last
    }
}

#[derive(Default)]
struct Fields {
    read: Vec<Field>,
    known: HashMap<(usize, Reads), usize>,
}

impl Fields {
    fn get(&mut self, records: &Records, column: usize, with: Option<usize>, reads: Reads) -> usize {
        if let Some(&at) = self.known.get(&(column, reads)) {
            return at;
        }
        self.read.push(Field::read(records, column, with, reads));
        self.known.insert((column, reads), self.read.len() - 1);
        self.read.len() - 1
    }
}

fn prepare(comparison: &Comparison, records: &Records, fields: &mut Fields) -> Result<Prepared, LinkageError> {
    let column = records.column(&comparison.column)?;
    let with = comparison.with.as_deref().map(|name| records.column(name)).transpose()?;
    let field = fields.get(records, column, with, comparison.reads);
    let asks = |test: Test| comparison.levels.iter().any(|level| level.when == test);
    let least = |test: Test| {
        let bounds = comparison.levels.iter().filter(|level| level.when == test).filter_map(|level| level.at_least);
        bounds.reduce(f64::min).map(|bound| bound as f32 - 1e-5)
    };
    let most = comparison.levels.iter().filter(|level| level.when == Test::Edits).filter_map(|level| level.at_most);
    let swapped = match with {
        Some(with) if asks(Test::Swapped) => {
            let other = fields.get(records, with, None, comparison.reads);
            let numbers: HashMap<&str, ValueId> = fields.read[other]
                .values
                .iter()
                .enumerate()
                .map(|(id, value)| (value.as_ref(), id as ValueId))
                .collect();
            let to_other = fields.read[field]
                .values
                .iter()
                .map(|value| numbers.get(value.as_ref()).copied().unwrap_or(MISSING))
                .collect();
            Some(Swapped { other, to_other })
        }
        _ => None,
    };
    Ok(Prepared {
        field,
        tests: comparison
            .levels
            .iter()
            .map(|level| (level.when, level.at_least.or(level.at_most).unwrap_or_default()))
            .collect(),
        swapped,
        jaro_winkler: least(Test::JaroWinkler),
        edits: most.reduce(f64::max).map(|bound| bound as usize),
        cosine: least(Test::Cosine),
        only_exact: comparison.levels.len() == 2 && asks(Test::Exact),
        last: comparison.levels.len() as u64,
    })
}

/// The cosine of two values' word weights, where a word that is nearly another counts as much as they are alike;
/// 0.0 where it is certainly below `at_least`.
///
/// # Source
/// Cohen, Ravikumar & Fienberg, A comparison of string distance metrics for name-matching tasks (2003), `SoftTFIDF`.
fn soft_cosine(field: &Field, ids: (ValueId, ValueId), at_least: f32) -> f32 {
    let (left, right) = (field.words.of_value.get(ids.0), field.words.of_value.get(ids.1));
    let (mut i, mut j, mut cosine) = (0, 0, 0.0);
    let (mut rest_left, mut rest_right) = ([Word::default(); WORDS_MAX], [Word::default(); WORDS_MAX]);
    let (mut count_left, mut count_right) = (0, 0);
    let (mut square_left, mut square_right) = (0.0, 0.0);
    while i < left.len() || j < right.len() {
        let order = match (left.get(i), right.get(j)) {
            (Some(a), Some(b)) => a.id.cmp(&b.id),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Equal => {
                cosine += left[i].weight * right[j].weight;
                i += 1;
                j += 1;
            }
            std::cmp::Ordering::Less => {
                square_left += left[i].weight * left[i].weight;
                rest_left[count_left] = left[i];
                count_left += 1;
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                square_right += right[j].weight * right[j].weight;
                rest_right[count_right] = right[j];
                count_right += 1;
                j += 1;
            }
        }
    }
    // Whatever is left cannot add more than the product of the lengths that are left.
    if cosine + (square_left * square_right).sqrt() < at_least {
        return 0.0;
    }
    let mut taken = 0_u32;
    for a in &rest_left[..count_left] {
        let text = field.words.texts.get(a.id);
        if text.len() < 4 {
            continue;
        }
        let mut best = (0.0, usize::MAX);
        for (at, b) in rest_right[..count_right].iter().enumerate() {
            let other = field.words.texts.get(b.id);
            if taken >> at & 1 == 1 || other.len() < 4 {
                continue;
            }
            let tallies = (field.words.tallies[a.id as usize], field.words.tallies[b.id as usize]);
            let alike = jaro_winkler(text, other, tallies, 0.88);
            if alike >= 0.88 && alike > best.0 {
                best = (alike, at);
            }
        }
        if best.1 != usize::MAX {
            taken |= 1 << best.1;
            cosine += a.weight * rest_right[best.1].weight * best.0;
        }
    }
    cosine
}

fn contained(left: &[Word], right: &[Word]) -> bool {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    short.len() > 1 && short.iter().all(|word| long.binary_search_by_key(&word.id, |other| other.id).is_ok())
}

fn beginning(left: &[char], right: &[char]) -> bool {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    long.starts_with(short)
}

fn sounds_alike(field: &Field, ids: (ValueId, ValueId), near: bool) -> bool {
    let (left, right) = (field.sounds.get(ids.0), field.sounds.get(ids.1));
    if left.len() != right.len() {
        return false;
    }
    let (from, to) = (field.characters.get(ids.0), field.characters.get(ids.1));
    left.iter().zip(right).enumerate().all(|(at, (a, b))| {
        let (a, b) = if near { (&a.near, &b.near) } else { (&a.exact, &b.exact) };
        from[at] == to[at] || share(a, b)
    })
}

fn share(left: &[u16; READINGS_MAX], right: &[u16; READINGS_MAX]) -> bool {
    left.iter().any(|reading| *reading != 0 && right.contains(reading))
}

fn one_looks_alike(field: &Field, ids: (ValueId, ValueId)) -> bool {
    let (left, right) = (field.canonical.get(ids.0), field.canonical.get(ids.1));
    if left.len() != right.len() || left.len() < 2 {
        return false;
    }
    let mut different = left.iter().zip(right).filter(|(a, b)| a != b);
    match (different.next(), different.next()) {
        (Some((&a, &b)), None) => hanzi::look_alike(a, b),
        _ => false,
    }
}
