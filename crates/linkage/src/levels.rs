//! Which level two different values reach: a comparison's tests, ready to be asked.
//!
//! Tests of one kind are answered together: what they all need is computed once, and most pairs of strangers are
//! told apart by it before anything is compared character by character.

use crate::{
    field::{Field, READINGS_MAX, WORDS_MAX, Word},
    hanzi,
    hash::dice,
    model::{Comparison, Level, Reads, Test},
    records::{MISSING, ValueId},
    similarity::{JaroWinkler, edits, kilometres},
};

/// Likeness from which one word counts for another, and the shortest words that may.
const ALIKE_FROM: f32 = 0.88;
const LETTERS_MIN: u32 = 4;

/// The tests of one comparison in their order.
#[derive(Debug)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    /// For cosines: how alike words are.
    words: JaroWinkler,
    /// Least cosine that any level asks for.
    cosine: f32,
}

/// Tests that are answered together: bounds, and the number of the level of each.
#[derive(Debug)]
enum Step {
    JaroWinkler(JaroWinkler, Vec<(f32, u64)>),
    Edits(usize, Vec<(f64, u64)>),
    Cosine(Vec<(f32, u64)>),
    Day(Vec<(Test, f64, u64)>),
    Swapped(u64),
    Alone(Test, f64, u64),
}

impl Steps {
    /// Prepares the tests of a comparison.
    pub(crate) fn new(comparison: &Comparison) -> Self {
        let is_date = comparison.reads == Reads::Date;
        let kind = |test: Test| match test {
            Test::JaroWinkler => 1,
            Test::Edits if !is_date => 2,
            Test::Cosine => 3,
            Test::DayMonthSwapped | Test::Days | Test::Edits => 4,
            _ => 0,
        };
        let bound = |level: &Level| level.at_least.or(level.at_most).unwrap_or_default();
        // Level 1 is exact in every proposed model; elsewhere equality was seen before.
        let levels: Vec<(Test, f64, u64)> = comparison
            .levels
            .iter()
            .zip(1..)
            .filter(|(level, _)| !matches!(level.when, Test::Exact | Test::Other))
            .map(|(level, number)| (level.when, bound(level), number))
            .collect();
        let mut steps = Vec::new();
        for group in levels.chunk_by(|a, b| kind(a.0) != 0 && kind(a.0) == kind(b.0)) {
            // Similarities are compared as they are computed, a little below what was asked for.
            let alike = || group.iter().map(|&(_, bound, level)| ((bound - 1e-6) as f32, level)).collect();
            let bounds = group.iter().map(|(_, bound, _)| *bound);
            steps.push(match (kind(group[0].0), group) {
                (1, _) => Step::JaroWinkler(JaroWinkler::new(bounds.fold(1.0, f64::min) as f32 - 1e-5), alike()),
                (2, _) => {
                    let most = bounds.fold(0.0, f64::max) as usize;
                    Step::Edits(most, group.iter().map(|&(_, bound, level)| (bound, level)).collect())
                }
                (3, _) => Step::Cosine(alike()),
                (4, _) => Step::Day(group.to_vec()),
                _ if group[0].0 == Test::Swapped => Step::Swapped(group[0].2),
                _ => Step::Alone(group[0].0, group[0].1, group[0].2),
            });
        }
        let cosines = levels.iter().filter(|(test, ..)| *test == Test::Cosine).map(|(_, bound, _)| *bound);
        let cosine = cosines.fold(1.0, f64::min) as f32 - 1e-5;
        Self { steps, words: JaroWinkler::new(ALIKE_FROM), cosine }
    }

    /// The number of the level that two different values of a field reach, if it is not the last; `swapped` tells
    /// whether each is the other record's value of the other column.
    pub(crate) fn level(&self, field: &Field, ids: (ValueId, ValueId), swapped: impl Fn() -> bool) -> Option<u64> {
        let mut cosine = None;
        for step in &self.steps {
            let found = match step {
                Step::JaroWinkler(from, bounds) => {
                    let similarity = from.of(field.texts.get(ids.0), field.texts.get(ids.1));
                    bounds.iter().find(|(bound, _)| similarity >= *bound).map(|(_, level)| *level)
                }
                Step::Edits(most, bounds) => {
                    let distance = edits(field.texts.get(ids.0), field.texts.get(ids.1), *most);
                    distance.and_then(|distance| {
                        bounds.iter().find(|(bound, _)| distance as f64 <= *bound).map(|(_, level)| *level)
                    })
                }
                Step::Cosine(bounds) => {
                    let cosine = *cosine.get_or_insert_with(|| soft_cosine(field, ids, &self.words, self.cosine));
                    bounds.iter().find(|(bound, _)| cosine >= *bound).map(|(_, level)| *level)
                }
                Step::Day(tests) => day_level(field, ids, tests),
                Step::Swapped(level) => swapped().then_some(*level),
                Step::Alone(test, bound, level) => holds(field, ids, *test, *bound).then_some(*level),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[inline(never)]
fn day_level(field: &Field, (a, b): (ValueId, ValueId), tests: &[(Test, f64, u64)]) -> Option<u64> {
    let (a, b) = (&field.days[a as usize], &field.days[b as usize]);
    let (apart, edits) = (a.apart(b).map(f64::from), f64::from(a.edits(b)));
    let holds = |test: Test, bound: f64| match test {
        Test::DayMonthSwapped => a.year == b.year && a.month == b.day && a.day == b.month,
        Test::Days => apart.is_some_and(|apart| apart <= bound),
        _ => edits <= bound,
    };
    tests.iter().find(|(test, bound, _)| holds(*test, *bound)).map(|(.., level)| *level)
}

/// Whether a test that is asked by itself holds. Not inlined, as the loop over steps would then fetch for every test
/// what only this one needs.
#[inline(never)]
fn holds(field: &Field, ids: (ValueId, ValueId), test: Test, bound: f64) -> bool {
    let (a, b) = (ids.0 as usize, ids.1 as usize);
    match test {
        Test::Dice => f64::from(dice(&field.bits[a], &field.bits[b])) >= bound,
        Test::Contained => contained(field.words.of_value.get(ids.0), field.words.of_value.get(ids.1)),
        Test::Beginning => beginning(field.texts.get(ids.0).characters(), field.texts.get(ids.1).characters()),
        Test::Relative => {
            let (a, b) = (field.numbers[a].0, field.numbers[b].0);
            (a - b).abs() <= bound * a.abs().max(b.abs()) + f64::EPSILON
        }
        Test::Difference => (field.numbers[a].0 - field.numbers[b].0).abs() <= bound + f64::EPSILON,
        Test::Kilometres => kilometres(field.numbers[a], field.numbers[b]) <= bound,
        Test::Variant => field.canonical.get(ids.0) == field.canonical.get(ids.1),
        Test::Pinyin => sounds_alike(field, ids, false),
        Test::NearPinyin => sounds_alike(field, ids, true),
        Test::Glyph => one_looks_alike(field, ids),
        Test::SameFlat => field.places[a].same_flat(&field.places[b]),
        Test::SameHouse => field.places[a].same_house(&field.places[b]),
        Test::SameRoad => field.places[a].same_road(&field.places[b]),
        Test::SameTown => field.places[a].same_town(&field.places[b]),
        Test::SameCounty => field.places[a].same_county(&field.places[b]),
        Test::Surname => field.surnames[a] != MISSING && field.surnames[a] == field.surnames[b],
        // Answered together, or by equality.
        Test::Exact
        | Test::Other
        | Test::Swapped
        | Test::JaroWinkler
        | Test::Edits
        | Test::Cosine
        | Test::DayMonthSwapped
        | Test::Days => false,
    }
}

/// The cosine of two values' word weights, where a word that is nearly another counts as much as they are alike;
/// 0.0 where it is certainly below `at_least`.
///
/// # Source
/// Cohen, Ravikumar & Fienberg, A comparison of string distance metrics for name-matching tasks (2003), `SoftTFIDF`.
#[inline(never)]
fn soft_cosine(field: &Field, ids: (ValueId, ValueId), alike: &JaroWinkler, at_least: f32) -> f32 {
    let (left, right) = (field.words.of_value.get(ids.0), field.words.of_value.get(ids.1));
    let (mut i, mut j, mut cosine) = (0, 0, 0.0);
    // Places of the words that the other does not have.
    let (mut rest_left, mut rest_right) = ([0_u8; WORDS_MAX], [0_u8; WORDS_MAX]);
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
                rest_left[count_left] = i as u8;
                count_left += 1;
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                square_right += right[j].weight * right[j].weight;
                rest_right[count_right] = j as u8;
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
    for a in rest_left[..count_left].iter().map(|&at| left[at as usize]) {
        if a.characters < LETTERS_MIN {
            continue;
        }
        let mut best = (0.0, usize::MAX);
        for (at, b) in rest_right[..count_right].iter().map(|&at| right[at as usize]).enumerate() {
            if taken >> at & 1 == 1 || !may_be_alike(a, b) {
                continue;
            }
            let alike = alike.of(field.words.texts.get(a.id), field.words.texts.get(b.id));
            if alike >= ALIKE_FROM && alike > best.0 {
                best = (alike, at);
            }
        }
        if best.1 != usize::MAX {
            taken |= 1 << best.1;
            cosine += a.weight * right[rest_right[best.1] as usize].weight * best.0;
        }
    }
    cosine
}

/// Whether two words can be as alike as [`ALIKE_FROM`] asks, by the classes of characters that only one of them has.
fn may_be_alike(a: Word, b: Word) -> bool {
    if b.characters < LETTERS_MIN {
        return false;
    }
    let matched = (a.characters.saturating_sub((a.classes & !b.classes).count_ones()))
        .min(b.characters.saturating_sub((b.classes & !a.classes).count_ones()));
    // With a prefix of four, a likeness of 0.88 needs a Jaro similarity of 0.8: 1.4 shares of matched characters.
    5 * matched * (a.characters + b.characters) >= 7 * a.characters * b.characters
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
    let (from, to) = (field.texts.get(ids.0).characters(), field.texts.get(ids.1).characters());
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
