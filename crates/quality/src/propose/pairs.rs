//! What two columns say of each other: a value in one calls for a value in the other; together they are a key.

use xxhash_rust::xxh3::xxh3_64;

use crate::{bits::Bits, key::spread};

/// Columns of which pairs are looked at for presence.
const PRESENCE_MAX: usize = 64;
/// Columns of which pairs are looked at as keys.
const KEYS_MAX: usize = 8;
/// Registers of the estimate of different pairs, as a power of two.
const REGISTER_BITS: u32 = 12;

/// Pairs of columns, by their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// Rows of the batch that have a value, by column.
    present: Vec<Bits>,
    /// Rows that have both, by pair of [`PRESENCE_MAX`] columns.
    both: Vec<u64>,
    /// Places of the columns that are looked at as parts of a key, and their hashes in the batch.
    parts: Vec<(usize, Vec<u64>)>,
    /// By pair of parts.
    registers: Vec<Vec<u8>>,
}

impl Pairs {
    /// A new batch of `rows` rows with `columns` columns, of which `parts` may be parts of a key.
    pub fn begin(&mut self, rows: usize, columns: usize, parts: impl Iterator<Item = usize>) {
        let columns = columns.min(PRESENCE_MAX);
        self.present = vec![Bits::none(rows); columns];
        self.both.resize(columns * columns, 0);
        if self.parts.is_empty() {
            self.parts = parts.take(KEYS_MAX).map(|at| (at, Vec::new())).collect();
            let pairs = self.parts.len() * self.parts.len();
            self.registers = vec![Vec::new(); pairs];
        }
        for (_, hashes) in &mut self.parts {
            hashes.clear();
            hashes.resize(rows, 0);
        }
    }

    /// A row has a value in a column.
    pub fn see(&mut self, column: usize, row: usize, value: &[u8]) {
        if let Some(present) = self.present.get_mut(column) {
            present.insert(row);
        }
        if let Some((_, hashes)) = self.parts.iter_mut().find(|(at, _)| *at == column) {
            hashes[row] = xxh3_64(value) | 1;
        }
    }

    /// The batch is complete.
    pub fn compare(&mut self) {
        let columns = self.present.len();
        for first in 0..columns {
            for second in 0..columns {
                let both = self.present[first].words().iter().zip(self.present[second].words());
                let rows: u64 = both.map(|(first, second)| u64::from((first & second).count_ones())).sum();
                self.both[first * columns + second] += rows;
            }
        }
        let parts = self.parts.len();
        for first in 0..parts {
            for second in first + 1..parts {
                let registers = &mut self.registers[first * parts + second];
                registers.resize(1 << REGISTER_BITS, 0);
                for (left, right) in self.parts[first].1.iter().zip(&self.parts[second].1) {
                    // 0: no value.
                    if *left != 0 && *right != 0 {
                        let hash = spread(left.rotate_left(32) ^ spread(*right)).wrapping_mul(0xd6e8_feb8_6659_fd93);
                        let register = &mut registers[(hash >> (64 - REGISTER_BITS)) as usize];
                        // At most 64 leading zeros.
                        let zeros = ((hash << REGISTER_BITS) | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
                        *register = (*register).max(zeros);
                    }
                }
            }
        }
    }

    /// Rows that have values in both columns.
    pub fn both(&self, first: usize, second: usize) -> u64 {
        let columns = self.present.len();
        if first >= columns || second >= columns { 0 } else { self.both[first * columns + second] }
    }

    /// Pairs that were looked at as keys, with the registers of their estimate.
    pub fn keys(&self) -> impl Iterator<Item = (usize, usize, &[u8])> {
        let parts = self.parts.len();
        (0..parts).flat_map(move |first| {
            (first + 1..parts).map(move |second| {
                let registers = self.registers[first * parts + second].as_slice();
                (self.parts[first].0, self.parts[second].0, registers)
            })
        })
    }
}
