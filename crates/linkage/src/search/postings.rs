//! The records of one blocking rule by the hash of their key: four bytes a record and key beside a directory.

use std::collections::HashMap;

use crate::{
    block,
    error::LinkageError,
    field::{Field, Lists},
    keys::{KeyMaker, place_in, placed},
    model::{Part, Rule},
    records::{MISSING, ROWS_MAX, ValueId},
    search::held::{Held, Rows},
};

/// Keys of values that are kept from rule to rule, four bytes each.
const KEYS_KEPT_MAX: usize = 1 << 27;

/// The records of one rule.
#[derive(Debug)]
pub(crate) struct Postings {
    /// The rule in words.
    pub name: String,
    /// Field, part and place of each key.
    parts: Vec<(usize, Part, u64)>,
    shift: u32,
    starts: Vec<u32>,
    rows: Vec<u32>,
    /// Records of the blocks that were left out, by their place.
    left_out: HashMap<u32, u32>,
}

/// A block, or how many records it would have.
pub(crate) enum Block<'p> {
    /// Its records.
    Rows(&'p [u32]),
    /// Left out, because it has so many.
    LeftOut(u32),
}

/// The keys of a field's values for one part, made once for all rules.
#[derive(Debug, Default)]
pub(crate) struct PartKeys {
    known: HashMap<(usize, Part), OfValues>,
    held: usize,
}

/// The keys of a field's values: half a hash each is enough, since a directory's places are fewer.
#[derive(Debug)]
enum OfValues {
    /// One each, 0 for none.
    One(Vec<u32>),
    /// Each of several is enough.
    Several(Lists<u32>),
}

impl OfValues {
    fn new(field: &mut Field, held: &Held, part: Part) -> Self {
        let ids = 0..held.len() as ValueId;
        let mut of = |id: ValueId, each: &mut dyn FnMut(&[u64])| {
            let asked = field.ask_for_keys(held.get(id), part == Part::Word);
            each(KeyMaker::new(field).keys(asked, part));
            field.forget(asked);
        };
        if part.is_many() {
            let mut lists = Lists::new();
            ids.for_each(|id| of(id, &mut |keys| lists.push(keys.iter().map(|&key| short(key)))));
            return Self::Several(lists);
        }
        let mut keys = vec![0; held.len()];
        ids.for_each(|id| of(id, &mut |of_value| keys[id as usize] = of_value.first().map_or(0, |&key| short(key))));
        Self::One(keys)
    }

    fn get(&self, id: ValueId) -> &[u32] {
        match self {
            _ if id == MISSING => &[],
            Self::One(keys) if keys[id as usize] == 0 => &[],
            Self::One(keys) => &keys[id as usize..=id as usize],
            Self::Several(lists) => lists.get(id),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(keys) => keys.len(),
            Self::Several(lists) => lists.items(),
        }
    }
}

/// Half of a key, never 0.
fn short(key: u64) -> u32 {
    ((key >> 32) as u32).max(1)
}

/// The key of a record for a rule is the sum of those of its values, spread once more: a place is its highest bits.
fn combined(sums: &mut Vec<u64>, of_part: &[u32], place: u64) {
    if let [key] = of_part {
        let key = placed(u64::from(*key), place);
        for sum in sums.iter_mut() {
            *sum = sum.wrapping_add(key);
        }
        return;
    }
    let with = |sum: u64| of_part.iter().map(move |&key| sum.wrapping_add(placed(u64::from(key), place)));
    *sums = sums.iter().flat_map(|&sum| with(sum)).collect();
}

impl PartKeys {
    /// Makes the keys of a rule's parts, unless they are there.
    fn read(&mut self, parts: &[(usize, Part, u64)], fields: &mut [Field], held: &[Held]) {
        let wanted = |part: &(usize, Part)| parts.iter().any(|&(field, of, _)| (field, of) == *part);
        if self.held > KEYS_KEPT_MAX {
            self.known.retain(|part, _| wanted(part));
            self.held = self.known.values().map(OfValues::len).sum();
        }
        for &(field, part, _) in parts {
            self.known.entry((field, part)).or_insert_with(|| {
                let keys = OfValues::new(&mut fields[field], &held[field], part);
                self.held += keys.len();
                keys
            });
        }
    }
}

impl Postings {
    /// The records of a rule, in blocks of at most `most`; `fields` has the field of each key.
    ///
    /// # Errors
    /// More entries than numbers.
    pub(crate) fn new(
        rule: &Rule,
        of_keys: &[usize],
        most: usize,
        rows: &Rows,
        (fields, held): (&mut [Field], &[Held]),
        known: &mut PartKeys,
    ) -> Result<Self, LinkageError> {
        let keys = rule.keys.iter().zip(of_keys).enumerate();
        let parts: Vec<(usize, Part, u64)> =
            keys.map(|(at, (key, &field))| (field, key.part, place_in(rule, at))).collect();
        known.read(&parts, fields, held);
        let of_parts: Vec<(usize, &OfValues, u64)> =
            parts.iter().map(|&(field, part, place)| (field, &known.known[&(field, part)], place)).collect();
        // About two records to a place of the directory.
        let bits = (rows.len().max(2) as u64).ilog2().clamp(4, 28);
        let shift = 64 - bits;
        let mut sums = Vec::new();
        let mut places = |row: &[ValueId], each: &mut dyn FnMut(usize)| {
            sums.clear();
            sums.push(0);
            for &(field, keys, place) in &of_parts {
                combined(&mut sums, keys.get(row[field]), place);
            }
            spread(&mut sums, shift);
            for &place in &sums {
                each(place as usize);
            }
        };
        let mut counts = vec![0_u32; (1 << bits) + 1];
        for row in rows.each() {
            places(row, &mut |place| counts[place + 1] = counts[place + 1].saturating_add(1));
        }
        let mut left_out = HashMap::new();
        let mut entries = 0_usize;
        for (place, count) in counts.iter_mut().enumerate() {
            if *count as usize > most {
                left_out.insert(place as u32 - 1, *count);
                *count = 0;
            }
            entries += *count as usize;
            if entries > ROWS_MAX {
                return Err(LinkageError::TooManyRows { found: entries, most: ROWS_MAX });
            }
            *count = entries as u32;
        }
        let starts = counts;
        let mut filled = vec![0_u32; entries];
        let mut next: Vec<u32> = starts.clone();
        for (row, ids) in rows.each().enumerate() {
            places(ids, &mut |place| {
                // Blocks that were left out have no room.
                if next[place] < starts[place + 1] {
                    filled[next[place] as usize] = row as u32;
                    next[place] += 1;
                }
            });
        }
        Ok(Self { name: block::name(rule), parts, shift, starts, rows: filled, left_out })
    }

    /// The blocks of a record that is asked about; `fields` has its values, `ids` their numbers.
    pub(crate) fn blocks<'p>(&'p self, fields: &[Field], ids: &[ValueId], mut each: impl FnMut(Block<'p>)) {
        let mut sums = vec![0];
        for &(field, part, place) in &self.parts {
            let mut maker = KeyMaker::new(&fields[field]);
            let keys = if ids[field] == MISSING { &[] } else { maker.keys(ids[field], part) };
            let keys: Vec<u32> = keys.iter().map(|&key| short(key)).collect();
            combined(&mut sums, &keys, place);
        }
        spread(&mut sums, self.shift);
        for &place in &sums {
            each(match self.left_out.get(&(place as u32)) {
                Some(&records) => Block::LeftOut(records),
                None => {
                    let place = place as usize;
                    Block::Rows(&self.rows[self.starts[place] as usize..self.starts[place + 1] as usize])
                }
            });
        }
    }
}

/// Turns sums of keys into places of the directory, each once.
fn spread(sums: &mut Vec<u64>, shift: u32) {
    for sum in sums.iter_mut() {
        *sum = sum.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift;
    }
    sums.sort_unstable();
    sums.dedup();
}
