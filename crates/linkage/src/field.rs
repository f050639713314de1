//! A column's values made ready to be compared: read once per distinct value, never per pair.

use std::collections::HashMap;

use crate::{
    address::{self, Divisions, Place},
    dates::{Day, read_written},
    hanzi,
    hash::{BLOOM_WORDS, read_bloom},
    intern::Interner,
    model::Reads,
    records::{Column, MISSING, Records, ValueId},
    text::{CHARACTERS_MAX, Texts},
    value::{canonical, split_words},
};

/// Most words of one value that are compared: the rarest.
pub const WORDS_MAX: usize = 16;
/// Most words of one value that are looked at.
const WORDS_READ_MAX: usize = 64;
/// Frequency of a word that is only asked about.
const UNKNOWN: u32 = u32::MAX;
/// Most readings of one character.
pub const READINGS_MAX: usize = 4;

/// Lists of different length, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Lists<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T> Lists<T> {
    pub(crate) fn new() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }

    pub(crate) fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.items.extend(list);
        self.starts.push(self.items.len() as u32);
    }

    fn truncate(&mut self, lists: usize) {
        self.starts.truncate(lists + 1);
        let end = self.starts.last().map_or(0, |end| *end as usize);
        self.items.truncate(end);
    }

    /// Items of all lists.
    pub(crate) fn items(&self) -> usize {
        self.items.len()
    }

    /// The list of a value.
    #[must_use]
    pub fn get(&self, id: ValueId) -> &[T] {
        let id = id as usize;
        &self.items[self.starts[id] as usize..self.starts[id + 1] as usize]
    }
}

/// A word of a value: its number and its share of the value's length as a vector.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Word {
    /// Number of the word in [`Words::texts`].
    pub id: u32,
    /// Weight; the squares of a value's weights add up to one.
    pub weight: f32,
    /// A bit for each class of characters that it has.
    pub classes: u32,
    /// Its length.
    pub characters: u32,
}

/// Words of the values.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Per value, by number.
    pub of_value: Lists<Word>,
    /// The words.
    pub texts: Texts,
    /// Values that have the word, over all records.
    pub frequency: Vec<u32>,
    /// What each weighs before the length of its value is taken out.
    weights: Vec<f32>,
    /// Words that records have; those that were only asked about follow.
    in_records: usize,
    /// Numbers of the words.
    known: Interner,
    /// Records that have a value.
    records: f32,
}

/// Sounds of the characters of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sounds {
    /// Readings without tone, 0 where there are fewer.
    pub exact: [u16; READINGS_MAX],
    /// The same with the sounds that fall together.
    pub near: [u16; READINGS_MAX],
}

/// A column, read.
#[derive(Debug, Clone)]
pub struct Field {
    /// Column it was read from.
    pub column: usize,
    /// How it was read.
    pub reads: Reads,
    /// One per record: number of the value as it was read.
    pub ids: Vec<ValueId>,
    /// Values as they were read; two that are written differently and mean the same are one.
    pub values: Vec<Box<str>>,
    /// The values' characters.
    pub texts: Texts,
    /// Days, for [`Reads::Date`].
    pub days: Vec<Day>,
    /// Numbers, for [`Reads::Number`] and the two of [`Reads::Point`].
    pub numbers: Vec<(f64, f64)>,
    /// Parts of addresses, for [`Reads::ChineseAddress`].
    pub places: Vec<Place>,
    place_numbers: HashMap<String, u32>,
    divisions: Option<Divisions>,
    /// Bits, for [`Reads::Bloom`].
    pub bits: Vec<[u64; BLOOM_WORDS]>,
    /// Words, for [`Reads::Words`] and [`Reads::ChineseAddress`].
    pub words: Words,
    /// Sounds, for [`Reads::ChineseName`], a list per value.
    pub sounds: Lists<Sounds>,
    /// Characters in their canonical form, for [`Reads::ChineseName`].
    pub canonical: Lists<char>,
    /// Number of the surname, for [`Reads::ChineseName`]; [`MISSING`] where there is nothing after it.
    pub surnames: Vec<u32>,
    /// Numbers of readings and surnames.
    sound_table: SoundTable,
}

impl Field {
    /// Reads a column; `with` is the longitude of a point.
    #[must_use]
    pub fn read(records: &Records, column: usize, with: Option<usize>, reads: Reads) -> Self {
        let mut field = Self::empty(column, reads, records.divisions.as_ref());
        let source = &records.columns[column];
        match (reads, with) {
            (Reads::Point, Some(with)) => field.read_points(source, &records.columns[with]),
            _ => field.read_values(source),
        }
        field.prepare();
        field
    }

    /// Without records.
    fn empty(column: usize, reads: Reads, divisions: Option<&Divisions>) -> Self {
        Self {
            column,
            reads,
            ids: Vec::new(),
            values: Vec::new(),
            texts: Texts::default(),
            days: Vec::new(),
            numbers: Vec::new(),
            places: Vec::new(),
            place_numbers: HashMap::new(),
            divisions: divisions.cloned(),
            bits: Vec::new(),
            words: Words { of_value: Lists::new(), ..Words::default() },
            sounds: Lists::new(),
            canonical: Lists::new(),
            surnames: Vec::new(),
            sound_table: SoundTable::default(),
        }
    }

    fn read_values(&mut self, source: &Column) {
        let mut known = Interner::default();
        let mut sounds = SoundTable::default();
        let translated: Vec<ValueId> = source
            .values
            .iter()
            .map(|written| {
                let Some(value) = canonical(written, self.reads) else { return MISSING };
                let (id, is_new) = known.number(&value, &self.values);
                if is_new {
                    self.read_value(&value, &mut sounds);
                    self.values.push(value.as_ref().into());
                }
                id
            })
            .collect();
        self.sound_table = sounds;
        self.ids = source.ids.iter().map(|&id| if id == MISSING { MISSING } else { translated[id as usize] }).collect();
    }

    fn read_points(&mut self, latitudes: &Column, longitudes: &Column) {
        let mut known: HashMap<(u64, u64), ValueId> = HashMap::new();
        for row in 0..latitudes.ids.len() {
            let both = latitudes.value(row).zip(longitudes.value(row));
            let id = both.and_then(|(latitude, longitude)| point(latitude, longitude)).map(|(place, text)| {
                *known.entry((place.0.to_bits(), place.1.to_bits())).or_insert_with(|| {
                    self.values.push(text.into());
                    self.numbers.push(place);
                    self.values.len() as ValueId - 1
                })
            });
            self.ids.push(id.unwrap_or(MISSING));
        }
    }

    fn read_value(&mut self, value: &str, sounds: &mut SoundTable) {
        match self.reads {
            Reads::Date => self.days.extend(read_written(value)),
            Reads::Number => self.numbers.push((value.parse().unwrap_or(f64::NAN), 0.0)),
            Reads::ChineseName => {
                self.sounds.push(value.chars().take(CHARACTERS_MAX).map(|character| sounds.of(character)));
                let canonical: Vec<char> = value.chars().take(CHARACTERS_MAX).map(hanzi::canonical).collect();
                let length = hanzi::surname_length(&canonical);
                self.surnames.push(if canonical.len() > length {
                    sounds.surname(&canonical[..length])
                } else {
                    MISSING
                });
                self.canonical.push(canonical);
            }
            Reads::ChineseAddress => {
                let address = address::parse(value, self.divisions.as_ref());
                self.places.push(Place::new(&address, &mut self.place_numbers));
            }
            Reads::Bloom => self.bits.extend(read_bloom(value)),
            Reads::Point => {
                let place = value.split_once(',').and_then(|(latitude, longitude)| point(latitude, longitude));
                self.numbers.extend(place.map(|(place, _)| place));
            }
            Reads::Text | Reads::Hash | Reads::Words | Reads::Code | Reads::CitizenId | Reads::CreditCode => {}
        }
    }

    /// What needs all values: characters, and words with their weights.
    fn prepare(&mut self) {
        self.texts.reserve(self.values.len());
        for value in &self.values {
            self.texts.push(value);
        }
        if self.has_words() {
            self.prepare_words();
        }
    }

    fn prepare_words(&mut self) {
        let mut occurrences = vec![0_u32; self.values.len()];
        for &id in self.ids.iter().filter(|&&id| id != MISSING) {
            occurrences[id as usize] += 1;
        }
        let mut of_value: Lists<u32> = Lists::new();
        let values = self.values.iter().map(AsRef::as_ref).zip(occurrences);
        self.words = Words::count(values, |words| of_value.push(words.iter().copied()));
        let mut words: Vec<u32> = Vec::new();
        for id in 0..self.values.len() as ValueId {
            words.clear();
            words.extend_from_slice(of_value.get(id));
            self.words.push_value(&mut words);
        }
    }

    /// The reading of a column whose values are not kept, but read when they are asked about ([`Self::ask`]); `values`
    /// are those of its records as they are compared, each with the number of records that have it.
    pub(crate) fn asked<'v>(
        column: usize,
        reads: Reads,
        divisions: Option<&Divisions>,
        values: impl Iterator<Item = (&'v str, u32)>,
    ) -> Self {
        let mut field = Self::empty(column, reads, divisions);
        if field.has_words() {
            field.words = Words::count(values, |_| ());
        }
        field
    }

    /// Adds a value as it is compared, ready to be compared.
    pub(crate) fn ask(&mut self, value: &str) -> ValueId {
        let mut sounds = std::mem::take(&mut self.sound_table);
        self.read_value(value, &mut sounds);
        self.sound_table = sounds;
        self.push_text(value, true)
    }

    /// Adds a value as it is compared, ready only for its keys to be made; `words` tells whether some of them are words.
    pub(crate) fn ask_for_keys(&mut self, value: &str, words: bool) -> ValueId {
        if matches!(self.reads, Reads::Date | Reads::Number | Reads::Point) {
            self.read_value(value, &mut SoundTable::default());
        }
        self.push_text(value, words)
    }

    fn push_text(&mut self, value: &str, words: bool) -> ValueId {
        self.texts.push(value);
        if words && self.has_words() {
            self.words.ask(value);
        }
        self.values.push(value.into());
        self.values.len() as ValueId - 1
    }

    /// Takes away the values from this one up, which were only asked about.
    pub(crate) fn forget(&mut self, from: ValueId) {
        let values = from as usize;
        self.values.truncate(values);
        self.texts.truncate(values);
        self.days.truncate(values);
        self.numbers.truncate(values);
        self.bits.truncate(values);
        self.places.truncate(values);
        self.sounds.truncate(values);
        self.canonical.truncate(values);
        self.surnames.truncate(values);
        self.words.forget(values);
        if values == 0 {
            self.place_numbers.clear();
            self.sound_table.surnames.clear();
        }
    }

    fn has_words(&self) -> bool {
        matches!(self.reads, Reads::Words | Reads::ChineseAddress)
    }
}

/// The text of a point, as it is compared; `None` where it is no place.
pub(crate) fn point(latitude: &str, longitude: &str) -> Option<((f64, f64), String)> {
    let (latitude, longitude) = (latitude.parse::<f64>().ok()?, longitude.parse::<f64>().ok()?);
    let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude, longitude) != (0.0, 0.0);
    is_place.then(|| ((latitude, longitude), format!("{latitude},{longitude}")))
}

impl Words {
    /// Counts the words of values, each of which so many records have; `each` is told the words of every value.
    fn count<'v>(values: impl Iterator<Item = (&'v str, u32)>, mut each: impl FnMut(&[u32])) -> Self {
        let mut found = Self { of_value: Lists::new(), ..Self::default() };
        let mut records = 0_u32;
        let mut words: Vec<u32> = Vec::new();
        for (value, occurrences) in values {
            words.clear();
            for word in split_words(value).into_iter().take(WORDS_READ_MAX) {
                let is = |number: u32| found.texts.get(number).is(&word);
                let (id, is_new) = found.known.number_by(&word, found.frequency.len() as u32, is);
                if is_new {
                    found.texts.push(&word);
                    found.frequency.push(0);
                }
                words.push(id);
            }
            words.sort_unstable();
            words.dedup();
            for &word in &words {
                found.frequency[word as usize] += occurrences;
            }
            records += occurrences;
            each(&words);
        }
        found.in_records = found.frequency.len();
        found.records = records.max(1) as f32;
        found.weights = found.frequency.iter().map(|&frequency| found.weight(frequency)).collect();
        found
    }

    /// What a word of so many records weighs; one that no record has is as rare as one that one record has.
    fn weight(&self, frequency: u32) -> f32 {
        (1.0 + self.records / frequency.max(1) as f32).ln()
    }

    /// Adds a value of these words, each once.
    fn push_value(&mut self, words: &mut Vec<u32>) {
        // The common words of a long value say next to nothing and cost as much as the others.
        words.sort_unstable_by_key(|&word| (self.frequency[word as usize], word));
        words.truncate(WORDS_MAX);
        words.sort_unstable();
        let squares = words.iter().map(|&word| self.weights[word as usize].powi(2));
        let length = squares.sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let mut weighed = [Word::default(); WORDS_MAX];
        for (place, &id) in weighed.iter_mut().zip(words.iter()) {
            let text = self.texts.get(id);
            let weight = self.weights[id as usize] / length;
            *place = Word { id, weight, classes: text.classes(), characters: text.len() as u32 };
        }
        self.of_value.push(weighed[..words.len()].iter().copied());
    }

    /// Adds the words of a value that is only asked about.
    fn ask(&mut self, value: &str) {
        let mut ids: Vec<u32> = Vec::new();
        for word in split_words(value).into_iter().take(WORDS_READ_MAX) {
            let known = self.known.find(&word, |number| self.texts.get(number).is(&word));
            // Words that no record has are few: those of the values that are asked about just now.
            let asked =
                || (self.in_records as u32..self.frequency.len() as u32).find(|&id| self.texts.get(id).is(&word));
            ids.push(known.or_else(asked).unwrap_or_else(|| {
                self.texts.push(&word);
                // Last among the keys of a value.
                self.frequency.push(UNKNOWN);
                self.weights.push(self.weight(1));
                self.frequency.len() as u32 - 1
            }));
        }
        ids.sort_unstable();
        ids.dedup();
        self.push_value(&mut ids);
    }

    /// Takes away values that were only asked about, and with the last of them the words that no record has.
    fn forget(&mut self, from: usize) {
        self.of_value.truncate(from);
        if from == 0 {
            self.texts.truncate(self.in_records);
            self.frequency.truncate(self.in_records);
            self.weights.truncate(self.in_records);
        }
    }
}

/// Numbers of readings, so that sounds compare as integers; 0 is none.
#[derive(Debug, Clone, Default)]
struct SoundTable {
    exact: HashMap<&'static str, u16>,
    near: HashMap<String, u16>,
    known: HashMap<char, Sounds>,
    surnames: HashMap<String, u32>,
}

impl SoundTable {
    fn surname(&mut self, characters: &[char]) -> u32 {
        let next = self.surnames.len() as u32;
        *self.surnames.entry(characters.iter().collect()).or_insert(next)
    }

    fn of(&mut self, character: char) -> Sounds {
        if let Some(&sounds) = self.known.get(&character) {
            return sounds;
        }
        let mut sounds = Sounds::default();
        for (at, reading) in hanzi::readings(character).into_iter().take(READINGS_MAX).enumerate() {
            let next = self.exact.len() as u16 + 1;
            sounds.exact[at] = *self.exact.entry(reading).or_insert(next);
            let next = self.near.len() as u16 + 1;
            sounds.near[at] = *self.near.entry(hanzi::near_reading(reading)).or_insert(next);
        }
        self.known.insert(character, sounds);
        sounds
    }
}
