//! Keys: the parts of values that two records must share to be compared, as hashes.
//!
//! The keys of a column's values are made once for all rules; a record's key for a rule is the sum of those of its
//! values, spread by their place in the rule unless they may stand in any order.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    dates::{Day, read_written},
    field::{Field, Lists, Word},
    hanzi,
    marginals::mix,
    model::{Key, Part, Reads, Rule},
    records::{MISSING, ValueId},
    value::write_sound,
};

/// Words of one value that serve as keys: the rarest ones.
const WORD_KEYS_MAX: usize = 6;
/// Key of a value whose part is empty.
const NO_KEY: u64 = 0;
/// Most first bits that records are sorted into before they are sorted.
const BITS_MAX: u32 = 20;

/// A record and its key.
pub type Keyed = (u64, u32);

/// Keys of values, column by column and part by part.
#[derive(Debug, Default)]
pub struct Keys<'f> {
    known: Vec<(Key, &'f Field, OfValues)>,
    values: usize,
}

/// The keys of a field's values.
#[derive(Debug)]
enum OfValues {
    /// One each.
    One(Vec<u64>),
    /// Each of several is enough.
    Several(Lists<u64>),
}

impl<'f> Keys<'f> {
    /// Makes the keys that a rule needs, unless they are there.
    pub fn read(&mut self, rule: &Rule, fields: &[(Key, &'f Field)]) {
        for key in &rule.keys {
            if self.known.iter().any(|(known, ..)| known == key) {
                continue;
            }
            let field = fields.iter().find(|(known, _)| known.column == key.column && known.reads == key.reads);
            let Some(&(_, field)) = field else { continue };
            self.values += field.values.len();
            self.known.push((key.clone(), field, OfValues::new(field, key.part)));
        }
    }

    /// Keys that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values
    }

    /// Whether none are held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The keys of all records for a rule whose parts were read, by key and then by record.
    #[must_use]
    pub fn of(&self, rule: &Rule, rows: usize) -> Vec<Keyed> {
        let parts: Vec<(u64, &Field, &OfValues)> = rule
            .keys
            .iter()
            .enumerate()
            .filter_map(|(at, key)| {
                let (_, field, keys) = self.known.iter().find(|(known, ..)| known == key)?;
                Some((place_in(rule, at), *field, keys))
            })
            .collect();
        let mut keys = Vec::with_capacity(rows);
        let mut several: Vec<u64> = Vec::new();
        'rows: for row in 0..rows {
            let mut combined = 0_u64;
            several.clear();
            for &(place, field, of_values) in &parts {
                let id = field.ids[row];
                if id == MISSING {
                    continue 'rows;
                }
                match of_values {
                    OfValues::One(keys) if keys[id as usize] == NO_KEY => continue 'rows,
                    OfValues::One(keys) => combined = combined.wrapping_add(placed(keys[id as usize], place)),
                    OfValues::Several(lists) => match lists.get(id) {
                        [] => continue 'rows,
                        list if several.is_empty() => several.extend(list.iter().map(|&key| placed(key, place))),
                        // Two parts of several keys: each with each.
                        list => {
                            let with =
                                |a: u64| list.iter().map(move |&b| a.wrapping_mul(3).wrapping_add(placed(b, place)));
                            several = several.iter().flat_map(|&a| with(a)).collect();
                        }
                    },
                }
            }
            if several.is_empty() {
                keys.push((combined, row as u32));
            } else {
                several.sort_unstable();
                several.dedup();
                keys.extend(several.iter().map(|&one| (combined.wrapping_add(one), row as u32)));
            }
        }
        sorted(&keys)
    }
}

/// Keys in any order must be alike whichever column they came from.
pub(crate) fn place_in(rule: &Rule, at: usize) -> u64 {
    if rule.any_order { 0 } else { at as u64 + 1 }
}

/// A value's key at its place in a rule.
pub(crate) fn placed(key: u64, place: u64) -> u64 {
    if place == 0 { key } else { mix(key ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15)) }
}

/// Sorts by key and then by record. Keys are hashes, so their first bits spread records evenly over short runs.
fn sorted(keys: &[Keyed]) -> Vec<Keyed> {
    let bits = (keys.len() as u64 / 4).max(2).ilog2().min(BITS_MAX);
    let of = |key: u64| (key >> (64 - bits)) as usize;
    let mut starts = vec![0_usize; (1 << bits) + 1];
    for &(key, _) in keys {
        starts[of(key) + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut sorted = vec![(0, 0); keys.len()];
    for &keyed in keys {
        let place = &mut next[of(keyed.0)];
        sorted[*place] = keyed;
        *place += 1;
    }
    for run in starts.windows(2).filter(|run| run[1] - run[0] > 1) {
        sorted[run[0]..run[1]].sort_unstable();
    }
    sorted
}

impl OfValues {
    fn new(field: &Field, part: Part) -> Self {
        let mut maker = KeyMaker::new(field);
        let ids = 0..field.values.len() as ValueId;
        if part.is_many() {
            let mut lists = Lists::new();
            for id in ids {
                lists.push(maker.keys(id, part).iter().copied());
            }
            return Self::Several(lists);
        }
        Self::One(ids.map(|id| maker.keys(id, part).first().map_or(NO_KEY, |key| (*key).max(1))).collect())
    }
}

/// Makes the keys of values one by one.
pub(crate) struct KeyMaker<'f> {
    field: &'f Field,
    keys: Vec<u64>,
    text: String,
    words: Vec<Word>,
}

impl<'f> KeyMaker<'f> {
    pub(crate) fn new(field: &'f Field) -> Self {
        Self { field, keys: Vec::new(), text: String::new(), words: Vec::new() }
    }

    /// The keys of a value; none where the part is empty.
    pub(crate) fn keys(&mut self, id: ValueId, part: Part) -> &[u64] {
        self.keys.clear();
        let field = self.field;
        let value = field.values[id as usize].as_ref();
        let characters = field.texts.get(id).characters();
        let half = characters.len().div_ceil(2);
        match part {
            Part::Whole if field.reads == Reads::ChineseName => self.push(value.chars().map(hanzi::canonical)),
            Part::Whole => self.keys.push(xxh3_64(value.as_bytes())),
            Part::FirstHalf if characters.len() >= 4 => self.push(characters[..half].iter().copied()),
            Part::LastHalf if characters.len() >= 4 => self.push(characters[characters.len() - half..].iter().copied()),
            Part::Start if characters.len() >= 3 => self.push(characters[..3].iter().copied()),
            Part::FirstHalf | Part::LastHalf | Part::Start => {}
            Part::Sound => {
                write_sound(value, &mut self.text);
                if self.text.len() >= 2 {
                    self.keys.push(xxh3_64(self.text.as_bytes()));
                }
            }
            Part::Surname if !characters.is_empty() => {
                let length = hanzi::surname_length(characters).min(characters.len());
                self.push(characters[..length].iter().map(|&one| hanzi::canonical(one)));
            }
            Part::Surname => {}
            Part::Week => {
                if let Some(number) = self.day(id).and_then(|day| day.number) {
                    let (week, half_on) = (number.div_euclid(7), (number + 3).div_euclid(7));
                    self.keys.extend([number_key(0, week.into()), number_key(1, half_on.into())]);
                }
            }
            Part::Month | Part::Year | Part::MonthDay | Part::DayOrMonth => {
                let day = self.day(id);
                self.keys.extend(day.map(|day| number_key(0, part_of_day(day, part))));
            }
            Part::Word => {
                let frequency = &field.words.frequency;
                self.words.clear();
                self.words.extend_from_slice(field.words.of_value.get(id));
                self.words.sort_unstable_by_key(|word| (frequency[word.id as usize], word.id));
                self.words.truncate(WORD_KEYS_MAX);
                for at in 0..self.words.len() {
                    let word = field.words.texts.get(self.words[at].id).characters();
                    self.push(word.iter().copied());
                }
            }
            Part::Magnitude => {
                let number = field.numbers[id as usize].0;
                if number == 0.0 {
                    self.keys.push(number_key(2, 0));
                } else {
                    // Steps of a tenth, counted from both sides: numbers within five per cent share one.
                    let step = number.abs().ln() / 1.1_f64.ln();
                    let sign = u64::from(number < 0.0);
                    let steps = [(step.floor(), 0), ((step + 0.5).floor(), 1)];
                    self.keys.extend(steps.map(|(step, side)| number_key(2 * side + sign, step as i64)));
                }
            }
            Part::Field => {
                let (latitude, longitude) = field.numbers[id as usize];
                let (y, x) = ((latitude * 100.0).floor() as i64, (longitude * 100.0).floor() as i64);
                for dy in -1..=1 {
                    self.keys.extend((-1..=1).map(|dx| number_key(0, (y + dy) * 100_000 + x + dx)));
                }
            }
        }
        &self.keys
    }

    fn push(&mut self, characters: impl Iterator<Item = char>) {
        self.text.clear();
        self.text.extend(characters);
        self.keys.push(xxh3_64(self.text.as_bytes()));
    }

    fn day(&self, id: ValueId) -> Option<Day> {
        // A column of days is read once; of other columns a model may ask for days, too.
        self.field.days.get(id as usize).copied().or_else(|| read_written(&self.field.values[id as usize]))
    }
}

/// The key of a number of one of several kinds.
fn number_key(kind: u64, number: i64) -> u64 {
    mix(mix(number as u64).wrapping_add(kind))
}

fn part_of_day(day: Day, part: Part) -> i64 {
    let (year, month, day) = (i64::from(day.year), i64::from(day.month), i64::from(day.day));
    match part {
        Part::Month => year * 100 + month,
        Part::MonthDay => month * 100 + day,
        Part::DayOrMonth => (year * 100 + month.min(day)) * 100 + month.max(day),
        _ => year,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_sorted_by_key_and_row_whatever_the_keys() {
        for keys in [
            vec![],
            vec![(7, 0)],
            vec![(0, 0), (0, 1), (0, 2)],
            (0..5000_u32).map(|row| (mix(u64::from(row % 700)), row)).collect(),
        ] {
            let mut known: Vec<Keyed> = keys.clone();
            known.sort_unstable();
            assert_eq!(sorted(&keys), known);
        }
    }
}
