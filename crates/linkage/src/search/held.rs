//! What an index holds of a table: each distinct value once as text, and for every record the numbers of its values.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    field::point,
    intern::Interner,
    model::Reads,
    records::{Column, MISSING, ValueId},
    value::canonical,
};

/// The values of one field as they are compared, each once, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Held {
    text: String,
    ends: Vec<u64>,
    /// Records that have each value.
    pub counts: Vec<u32>,
    /// Values by half a hash of their text.
    by_hash: Vec<(u32, ValueId)>,
}

impl Held {
    /// The values of a column, and the number of the value of every record; `with` is the longitude of a point.
    pub(crate) fn read(column: &Column, with: Option<&Column>, reads: Reads) -> (Self, Vec<ValueId>) {
        let mut held = Self::default();
        let mut known = Interner::default();
        let ids = match with.filter(|_| reads == Reads::Point) {
            Some(with) => (0..column.ids.len())
                .map(|row| {
                    let (latitude, longitude) = column.value(row).zip(with.value(row))?;
                    let (_, text) = point(latitude, longitude)?;
                    Some(held.number(&text, &mut known))
                })
                .map(|id| id.unwrap_or(MISSING))
                .collect(),
            None => {
                let translated = held.translate(column, reads, &mut known);
                column.ids.iter().map(|&id| if id == MISSING { MISSING } else { translated[id as usize] }).collect()
            }
        };
        held.text.shrink_to_fit();
        held.counts = vec![0; held.ends.len()];
        let ids: Vec<ValueId> = ids;
        for &id in ids.iter().filter(|&&id| id != MISSING) {
            held.counts[id as usize] += 1;
        }
        held.by_hash = (0..held.len() as ValueId).map(|id| (hash(held.get(id)), id)).collect();
        held.by_hash.sort_unstable();
        (held, ids)
    }

    /// The number that each value of a column has here.
    fn translate(&mut self, column: &Column, reads: Reads, known: &mut Interner) -> Vec<ValueId> {
        let as_written = |value: &str| matches!(canonical(value, reads), Some(Cow::Borrowed(same)) if same == value);
        self.ends.reserve_exact(column.values.len());
        if column.values.iter().all(|value| as_written(value)) {
            // Values that are compared as they were written are distinct already: nothing needs to be looked for.
            self.text.reserve_exact(column.values.iter().map(|value| value.len()).sum());
            return column.values.iter().map(|value| self.push(value)).collect();
        }
        let mut number = |written: &str| canonical(written, reads).map_or(MISSING, |value| self.number(&value, known));
        column.values.iter().map(|written| number(written)).collect()
    }

    fn number(&mut self, value: &str, known: &mut Interner) -> ValueId {
        let next = self.ends.len() as ValueId;
        let (id, is_new) = known.number_by(value, next, |id| self.get(id) == value);
        if is_new {
            self.push(value);
        }
        id
    }

    fn push(&mut self, value: &str) -> ValueId {
        self.text.push_str(value);
        self.ends.push(self.text.len() as u64);
        self.ends.len() as ValueId - 1
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A value.
    pub(crate) fn get(&self, id: ValueId) -> &str {
        let id = id as usize;
        let from = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        &self.text[from..self.ends[id] as usize]
    }

    /// The number of a value; [`MISSING`] where no record has it.
    pub(crate) fn find(&self, value: &str) -> ValueId {
        let hash = hash(value);
        let from = self.by_hash.partition_point(|(other, _)| *other < hash);
        let alike = self.by_hash[from..].iter().take_while(|(other, _)| *other == hash);
        alike.map(|&(_, id)| id).find(|&id| self.get(id) == value).unwrap_or(MISSING)
    }

    /// The values with the number of records that have each.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.len() as ValueId).map(|id| self.get(id)).zip(self.counts.iter().copied())
    }
}

fn hash(value: &str) -> u32 {
    (xxh3_64(value.as_bytes()) >> 32) as u32
}

/// The numbers of the records' values, record by record: what a look-up needs of one stands in one place.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ids: Vec<ValueId>,
    width: usize,
}

impl Rows {
    /// Room for so many fields of so many records.
    pub(crate) fn new(rows: usize, width: usize) -> Self {
        Self { ids: vec![MISSING; rows * width], width }
    }

    /// Says the values of one field.
    pub(crate) fn set(&mut self, field: usize, ids: &[ValueId]) {
        for (row, &id) in self.ids.chunks_exact_mut(self.width.max(1)).zip(ids) {
            row[field] = id;
        }
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len() / self.width.max(1)
    }

    /// The values of a record.
    pub(crate) fn of(&self, row: u32) -> &[ValueId] {
        &self.ids[row as usize * self.width..][..self.width]
    }

    /// The values of every record.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[ValueId]> {
        self.ids.chunks_exact(self.width.max(1))
    }
}
