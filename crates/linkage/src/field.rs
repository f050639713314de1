//! A column's values made ready to be compared: read once per distinct value, never per pair.

use std::collections::HashMap;

use pinyin::ToPinyin;
use yihe_vocabulary::{CitizenId, CreditCode};

use crate::{
    address::{self, Divisions, Place},
    dates::{Day, read_written},
    hanzi,
    hash::{BLOOM_WORDS, read_bloom, read_token},
    intern::Interner,
    model::Reads,
    records::{Column, MISSING, Records, ValueId},
    similarity::{CHARACTERS_MAX, tally},
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
    fn new() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }

    fn push(&mut self, list: impl IntoIterator<Item = T>) {
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
}

/// Words of the values.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Per value, by number.
    pub of_value: Lists<Word>,
    /// Characters of each word.
    pub texts: Lists<char>,
    /// Tally of each word's characters.
    pub tallies: Vec<u128>,
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
    /// Characters that are compared.
    pub characters: Lists<char>,
    /// Tallies of the characters.
    pub tallies: Vec<u128>,
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
            characters: Lists::new(),
            tallies: Vec::new(),
            days: Vec::new(),
            numbers: Vec::new(),
            places: Vec::new(),
            place_numbers: HashMap::new(),
            divisions: records.divisions.clone(),
            bits: Vec::new(),
            words: Words { of_value: Lists::new(), texts: Lists::new(), ..Words::default() },
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
                    self.values.push(value.into());
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
        for value in &self.values {
            let characters: Vec<char> = value.chars().take(CHARACTERS_MAX).collect();
            self.tallies.push(tally(&characters));
            self.characters.push(characters);
        }
        if matches!(self.reads, Reads::Words | Reads::ChineseAddress) {
            self.prepare_words();
        }
    }

    fn prepare_words(&mut self) {
        let mut known = Interner::default();
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut of_value: Vec<Vec<u32>> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            let mut words: Vec<u32> = split_words(value)
                .into_iter()
                .take(WORDS_READ_MAX)
                .map(|word| {
                    let (id, is_new) = known.number(&word, &texts);
                    if is_new {
                        let characters: Vec<char> = word.chars().take(CHARACTERS_MAX).collect();
                        self.words.tallies.push(tally(&characters));
                        self.words.texts.push(characters);
                        texts.push(word.into());
                    }
                    id
                })
                .collect();
            words.sort_unstable();
            words.dedup();
            of_value.push(words);
        }
        let mut occurrences = vec![0_u32; self.values.len()];
        for &id in self.ids.iter().filter(|&&id| id != MISSING) {
            occurrences[id as usize] += 1;
        }
        let mut frequency = vec![0_u32; texts.len()];
        for (words, &times) in of_value.iter().zip(&occurrences) {
            for &word in words {
                frequency[word as usize] += times;
            }
        }
        let records = f64::from(occurrences.iter().sum::<u32>()).max(1.0);
        for mut words in of_value {
            // The common words of a long value say next to nothing and cost as much as the others.
            words.sort_unstable_by_key(|&word| (frequency[word as usize], word));
            words.truncate(WORDS_MAX);
            words.sort_unstable();
            let weight = |word: u32| ((1.0 + records / f64::from(frequency[word as usize].max(1))).ln()) as f32;
            let length = words.iter().map(|&word| weight(word).powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            self.words.of_value.push(words.into_iter().map(|id| Word { id, weight: weight(id) / length }));
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
            value
        };
        let characters: Vec<char> = value.chars().take(CHARACTERS_MAX).collect();
        self.tallies.push(tally(&characters));
        self.characters.push(characters);
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
            let is = |number: u32| words.texts.get(number).iter().copied().eq(word.chars().take(CHARACTERS_MAX));
            let known = words.known.find(&word, is);
            ids.push(known.unwrap_or_else(|| {
                let characters: Vec<char> = word.chars().take(CHARACTERS_MAX).collect();
                words.tallies.push(tally(&characters));
                words.texts.push(characters);
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
        let weight = |word: u32| {
            let frequency = words.frequency[word as usize];
            let frequency = if frequency == u32::MAX { 1.0 } else { f64::from(frequency.max(1)) };
            (1.0 + words.records / frequency).ln() as f32
        };
        let length = ids.iter().map(|&word| weight(word).powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let list: Vec<Word> = ids.iter().map(|&id| Word { id, weight: weight(id) / length }).collect();
        words.of_value.push(list);
    }

    /// Takes away values that were only asked about: all from this number of values, and of words, up.
    pub(crate) fn truncate(&mut self, values: usize, words: usize) {
        self.values.truncate(values);
        self.characters.truncate(values);
        self.tallies.truncate(values);
        self.days.truncate(values);
        self.numbers.truncate(values);
        self.bits.truncate(values);
        self.places.truncate(values);
        self.sounds.truncate(values);
        self.canonical.truncate(values);
        self.surnames.truncate(values);
        self.words.of_value.truncate(values);
        self.words.texts.truncate(words);
        self.words.tallies.truncate(words);
        self.words.frequency.truncate(words);
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

/// A value as it is compared, or `None` where it cannot be read as what it should be.
#[must_use]
pub fn canonical(written: &str, reads: Reads) -> Option<String> {
    let value = match reads {
        Reads::Text => plain(written),
        Reads::Words | Reads::ChineseAddress => written.to_owned(),
        Reads::ChineseName => written.chars().filter(|character| character.is_alphanumeric()).collect(),
        Reads::Date => {
            let day = read_written(written)?;
            format!("{:04}-{:02}-{:02}", day.year, day.month, day.day)
        }
        Reads::Number => written.parse::<f64>().ok().filter(|number| number.is_finite())?.to_string(),
        Reads::Code => written.chars().filter(|character| character.is_alphanumeric()).collect(),
        Reads::CitizenId => CitizenId::read(&written.to_ascii_uppercase()).ok()?.as_str().to_owned(),
        Reads::CreditCode => CreditCode::read(&written.to_ascii_uppercase()).ok()?.as_str().to_owned(),
        Reads::Hash => read_token(written).map(|_| written.to_owned())?,
        Reads::Bloom => read_bloom(written).map(|_| written.to_owned())?,
        Reads::Point => return None,
    };
    (!value.is_empty()).then_some(value)
}

/// Text without marks: what stands between words is one space.
fn plain(written: &str) -> String {
    let mut plain = String::with_capacity(written.len());
    for character in written.chars() {
        if character.is_alphanumeric() {
            plain.push(character);
        } else if character != '\'' && !plain.ends_with(' ') && !plain.is_empty() {
            plain.push(' ');
        }
    }
    if plain.trim_end().is_empty() { written.to_owned() } else { plain.trim_end().to_owned() }
}

/// The words of a value: runs of letters or digits; Chinese text in overlapping pairs of characters.
#[must_use]
pub fn split_words(value: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Mark,
        Digit,
        Letter,
        Han,
    }
    let class = |character: char| match character {
        _ if hanzi::is_han(character) => Class::Han,
        _ if character.is_ascii_digit() => Class::Digit,
        _ if character.is_alphanumeric() => Class::Letter,
        _ => Class::Mark,
    };
    let mut words = Vec::new();
    let characters: Vec<char> = value.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let kind = class(characters[at]);
        let end =
            characters[at..].iter().position(|&next| class(next) != kind).map_or(characters.len(), |more| at + more);
        let run = &characters[at..end];
        match kind {
            Class::Mark => {}
            Class::Han if run.len() > 1 => {
                words.extend(run.windows(2).map(|two| two.iter().map(|&one| hanzi::canonical(one)).collect()));
            }
            Class::Han => words.push(hanzi::canonical(run[0]).to_string()),
            Class::Digit | Class::Letter => words.push(run.iter().collect()),
        }
        at = end;
    }
    words
}

/// What of a value's sound survives a spelling mistake: the first letter and the other consonants, doubled ones
/// once; of Chinese, each character's usual reading, near sounds as one.
#[must_use]
pub fn sound(value: &str) -> String {
    let mut sound = String::with_capacity(value.len());
    let mut last = None;
    for (at, character) in value.chars().filter(|character| character.is_alphanumeric()).enumerate() {
        if hanzi::is_han(character) {
            let reading = character.to_pinyin().map(|reading| hanzi::near_reading(reading.plain()));
            sound.push_str(&reading.unwrap_or_else(|| character.to_string()));
            sound.push(' ');
            last = None;
            continue;
        }
        let group = match character {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w' if at > 0 => None,
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' => Some('a'),
            'b' | 'f' | 'p' | 'v' => Some('b'),
            'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => Some('c'),
            'd' | 't' => Some('d'),
            'm' | 'n' => Some('m'),
            other => Some(other),
        };
        if let Some(group) = group
            && last != Some(group)
        {
            sound.push(group);
        }
        last = group.or(last);
    }
    sound
}
