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
    /// Numbers of the words.
    known: Interner,
    /// Records that have a value.
    records: f64,
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
        let mut field = Self {
            column,
            reads,
            ids: Vec::new(),
            values: Vec::new(),
            texts: Texts::default(),
            days: Vec::new(),
            numbers: Vec::new(),
            places: Vec::new(),
            place_numbers: HashMap::new(),
            divisions: records.divisions.clone(),
            bits: Vec::new(),
            words: Words { of_value: Lists::new(), ..Words::default() },
            sounds: Lists::new(),
            canonical: Lists::new(),
            surnames: Vec::new(),
            sound_table: SoundTable::default(),
        };
        let source = &records.columns[column];
        match (reads, with) {
            (Reads::Point, Some(with)) => field.read_points(source, &records.columns[with]),
            _ => field.read_values(source),
        }
        field.prepare();
        field
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
        let number = |column: &Column, row| column.value(row).and_then(|text| text.parse::<f64>().ok());
        let mut known: HashMap<(u64, u64), ValueId> = HashMap::new();
        for row in 0..latitudes.ids.len() {
            let (Some(latitude), Some(longitude)) = (number(latitudes, row), number(longitudes, row)) else {
                self.ids.push(MISSING);
                continue;
            };
            let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude, longitude) != (0.0, 0.0);
            if !is_place {
                self.ids.push(MISSING);
                continue;
            }
            let id = *known.entry((latitude.to_bits(), longitude.to_bits())).or_insert_with(|| {
                self.values.push(format!("{latitude},{longitude}").into());
                self.numbers.push((latitude, longitude));
                self.values.len() as ValueId - 1
            });
            self.ids.push(id);
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
            Reads::Text
            | Reads::Hash
            | Reads::Words
            | Reads::Code
            | Reads::CitizenId
            | Reads::CreditCode
            | Reads::Point => {}
        }
    }

    /// What needs all values: characters, and words with their weights.
    fn prepare(&mut self) {
        self.texts.reserve(self.values.len());
        for value in &self.values {
            self.texts.push(value);
        }
        if matches!(self.reads, Reads::Words | Reads::ChineseAddress) {
            self.prepare_words();
        }
    }

    fn prepare_words(&mut self) {
        let mut known = Interner::default();
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut of_value: Lists<u32> = Lists::new();
        let mut words: Vec<u32> = Vec::new();
        for value in &self.values {
            words.clear();
            for word in split_words(value).into_iter().take(WORDS_READ_MAX) {
                let (id, is_new) = known.number(&word, &texts);
                if is_new {
                    self.words.texts.push(&word);
                    texts.push(word.into());
                }
                words.push(id);
            }
            words.sort_unstable();
            words.dedup();
            of_value.push(words.iter().copied());
        }
        let mut occurrences = vec![0_u32; self.values.len()];
        for &id in self.ids.iter().filter(|&&id| id != MISSING) {
            occurrences[id as usize] += 1;
        }
        let mut frequency = vec![0_u32; texts.len()];
        for (id, &times) in occurrences.iter().enumerate() {
            for &word in of_value.get(id as ValueId) {
                frequency[word as usize] += times;
            }
        }
        let records = f64::from(occurrences.iter().sum::<u32>()).max(1.0);
        let by_frequency: Vec<f32> =
            frequency.iter().map(|&count| ((1.0 + records / f64::from(count.max(1))).ln()) as f32).collect();
        for id in 0..self.values.len() as ValueId {
            words.clear();
            words.extend_from_slice(of_value.get(id));
            // The common words of a long value say next to nothing and cost as much as the others.
            words.sort_unstable_by_key(|&word| (frequency[word as usize], word));
            words.truncate(WORDS_MAX);
            words.sort_unstable();
            self.words.push_value(&words, |word| by_frequency[word as usize]);
        }
        self.words.frequency = frequency;
        self.words.known = known;
        self.words.records = records;
    }

    /// Adds the value of a record that is only asked about; `second` is the longitude of a point. Equal values of the
    /// column are not looked for: whoever compares must.
    pub(crate) fn push(&mut self, written: &str, second: &str) -> ValueId {
        let value = if self.reads == Reads::Point {
            let (Ok(latitude), Ok(longitude)) = (written.parse::<f64>(), second.parse::<f64>()) else { return MISSING };
            self.numbers.push((latitude, longitude));
            format!("{latitude},{longitude}")
        } else {
            let Some(value) = canonical(written, self.reads) else { return MISSING };
            let mut sounds = std::mem::take(&mut self.sound_table);
            self.read_value(&value, &mut sounds);
            self.sound_table = sounds;
            value.into_owned()
        };
        self.texts.push(&value);
        if matches!(self.reads, Reads::Words | Reads::ChineseAddress) {
            self.push_words(&value);
        }
        self.values.push(value.into());
        self.values.len() as ValueId - 1
    }

    fn push_words(&mut self, value: &str) {
        let words = &mut self.words;
        let mut ids: Vec<u32> = Vec::new();
        for word in split_words(value).into_iter().take(WORDS_READ_MAX) {
            let is = |number: u32| {
                words.texts.get(number).characters().iter().copied().eq(word.chars().take(CHARACTERS_MAX))
            };
            let known = words.known.find(&word, is);
            ids.push(known.unwrap_or_else(|| {
                words.texts.push(&word);
                // Last among the keys of a value, since no record has it.
                words.frequency.push(u32::MAX);
                words.frequency.len() as u32 - 1
            }));
        }
        ids.sort_unstable();
        ids.dedup();
        ids.sort_unstable_by_key(|&word| (words.frequency[word as usize], word));
        ids.truncate(WORDS_MAX);
        ids.sort_unstable();
        let (frequency, records) = (std::mem::take(&mut words.frequency), words.records);
        words.push_value(&ids, |word| {
            let frequency = frequency[word as usize];
            let frequency = if frequency == u32::MAX { 1.0 } else { f64::from(frequency.max(1)) };
            (1.0 + records / frequency).ln() as f32
        });
        words.frequency = frequency;
    }

    /// Takes away values that were only asked about: all from this number of values, and of words, up.
    pub(crate) fn truncate(&mut self, values: usize, words: usize) {
        self.values.truncate(values);
        self.texts.truncate(values);
        self.days.truncate(values);
        self.numbers.truncate(values);
        self.bits.truncate(values);
        self.places.truncate(values);
        self.sounds.truncate(values);
        self.canonical.truncate(values);
        self.surnames.truncate(values);
        self.words.of_value.truncate(values);
        self.words.texts.truncate(words);
        self.words.frequency.truncate(words);
    }
}

impl Words {
    /// Adds the words of a value.
    fn push_value(&mut self, words: &[u32], weight: impl Fn(u32) -> f32) {
        let length = words.iter().map(|&word| weight(word).powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let Self { of_value, texts, .. } = self;
        of_value.push(words.iter().map(|&id| {
            let text = texts.get(id);
            Word { id, weight: weight(id) / length, classes: text.classes(), characters: text.len() as u32 }
        }));
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
