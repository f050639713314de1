//! Keys with their rows, spread over partitions, in bounded memory.
//!
//! What is beyond the budget goes to an unnamed file in the spill folder, partition by partition, and comes back
//! one partition at a time. A partition of a table of 100 M rows is about 2 MB.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use roaring::RoaringBitmap;

use crate::{error::QualityError, key::spread};

/// How many parts the keys are spread over.
pub const PARTITIONS: usize = 512;
/// Longest key that is kept, in bytes.
pub const KEY_BYTES_MAX: usize = 1 << 20;
/// Numbers in a block. Blocks are filled once and never copied, as a growing array would be.
const BLOCK: usize = 512;
/// Numbers of a partition that wait, side by side with those of the others, to go to their block. So a key
/// touches two cache lines that are warm instead of following pointers to cold ones.
const WAITING: usize = 32;
/// Bytes in a block of longer keys.
const BLOCK_BYTES: usize = 8 << 10;
/// Hash, row and length before the bytes of a longer key.
const RECORD_HEAD: usize = 16;

/// The keys of one rule.
#[derive(Debug)]
pub struct KeyStore {
    rule: String,
    parts: Vec<Part>,
    waiting: Vec<u8>,
    waiting_numbers: Vec<[u64; WAITING]>,
    waiting_rows: Vec<[u32; WAITING]>,
    bytes: usize,
    spilled: Vec<Chunk>,
    spill: Option<Spill>,
}

/// Keys of one partition in memory.
#[derive(Debug, Default)]
pub struct Part {
    blocks: Vec<Block>,
    longer: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Block {
    numbers: Vec<u64>,
    rows: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    partition: usize,
    offset: u64,
    numbers: usize,
    longer_bytes: usize,
}

#[derive(Debug)]
struct Spill {
    file: File,
    path: PathBuf,
    end: u64,
}

/// The keys of one partition, together.
#[derive(Debug, Default)]
pub struct Keys {
    /// Packed keys.
    pub numbers: Vec<u64>,
    /// Their rows.
    pub rows: Vec<u32>,
    /// Records of longer keys: hash (8 bytes), row (4), length (4), bytes; little-endian.
    pub longer: Vec<u8>,
}

/// Rows whose key occurs more than once.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Duplicates {
    /// Every row of every group.
    pub rows: RoaringBitmap,
    /// Rows beyond the first of each group.
    pub surplus: u64,
}

impl KeyStore {
    /// An empty store for the keys of `rule`.
    #[must_use]
    pub fn new(rule: &str) -> Self {
        let mut parts = Vec::new();
        parts.resize_with(PARTITIONS, Part::default);
        Self {
            rule: rule.to_owned(),
            parts,
            waiting: vec![0; PARTITIONS],
            waiting_numbers: vec![[0; WAITING]; PARTITIONS],
            waiting_rows: vec![[0; WAITING]; PARTITIONS],
            bytes: 0,
            spilled: Vec::new(),
            spill: None,
        }
    }

    /// Bytes held in memory.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a packed key.
    #[inline]
    pub fn put_number(&mut self, number: u64, row: u32) {
        let partition = (spread(number) >> 55) as usize;
        let waiting = usize::from(self.waiting[partition]) % WAITING;
        self.waiting_numbers[partition][waiting] = number;
        self.waiting_rows[partition][waiting] = row;
        self.waiting[partition] = waiting as u8 + 1;
        if waiting + 1 == WAITING {
            self.settle(partition);
        }
    }

    /// Moves the waiting numbers of a partition to its blocks.
    fn settle(&mut self, partition: usize) {
        let count = usize::from(std::mem::take(&mut self.waiting[partition]));
        let numbers = &self.waiting_numbers[partition][..count];
        let rows = &self.waiting_rows[partition][..count];
        let part = &mut self.parts[partition];
        match part.blocks.last_mut() {
            Some(block) if block.numbers.len() + count <= BLOCK => {
                block.numbers.extend_from_slice(numbers);
                block.rows.extend_from_slice(rows);
            }
            last => {
                // The first block of a partition grows with it, so that a small table stays small.
                let capacity = if last.is_none() { WAITING } else { BLOCK };
                let mut block = Block { numbers: Vec::with_capacity(capacity), rows: Vec::with_capacity(capacity) };
                block.numbers.extend_from_slice(numbers);
                block.rows.extend_from_slice(rows);
                part.blocks.push(block);
                self.bytes += BLOCK * 12;
            }
        }
    }

    /// Keeps a longer key.
    ///
    /// # Errors
    /// The key is longer than [`KEY_BYTES_MAX`].
    pub fn put_bytes(&mut self, hash: u64, key: &[u8], row: u32) -> Result<(), QualityError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(QualityError::KeyBound {
                rule: self.rule.clone(),
                row: u64::from(row),
                bytes: key.len(),
                bound: KEY_BYTES_MAX,
            });
        }
        let part = &mut self.parts[(spread(hash) >> 55) as usize];
        let size = RECORD_HEAD + key.len();
        if part.longer.last().is_none_or(|block| block.len() + size > BLOCK_BYTES) {
            let capacity = if part.longer.is_empty() { size } else { size.max(BLOCK_BYTES) };
            part.longer.push(Vec::with_capacity(capacity));
            self.bytes += size.max(BLOCK_BYTES);
        }
        if let Some(block) = part.longer.last_mut() {
            block.extend_from_slice(&hash.to_le_bytes());
            block.extend_from_slice(&row.to_le_bytes());
            // The bound above is far below 2^32.
            block.extend_from_slice(&(key.len() as u32).to_le_bytes());
            block.extend_from_slice(key);
        }
        Ok(())
    }

    /// Writes everything in memory to the spill folder.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn spill(&mut self, folder: &Path) -> Result<(), QualityError> {
        if self.spill.is_none() {
            let file = tempfile::tempfile_in(folder).map_err(|source| QualityError::Io {
                doing: "create a spill file in",
                path: folder.to_owned(),
                source,
            })?;
            self.spill = Some(Spill { file, path: folder.to_owned(), end: 0 });
        }
        for partition in 0..PARTITIONS {
            self.settle(partition);
        }
        let Some(spill) = &mut self.spill else { return Ok(()) };
        let mut buffer = Vec::new();
        for (partition, part) in self.parts.iter_mut().enumerate() {
            let part = std::mem::take(part);
            let mut chunk = Chunk { partition, offset: spill.end, numbers: 0, longer_bytes: 0 };
            buffer.clear();
            for block in &part.blocks {
                chunk.numbers += block.numbers.len();
                buffer.extend(block.numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            for block in &part.blocks {
                buffer.extend(block.rows.iter().flat_map(|row| row.to_le_bytes()));
            }
            for block in &part.longer {
                chunk.longer_bytes += block.len();
                buffer.extend_from_slice(block);
            }
            if buffer.is_empty() {
                continue;
            }
            spill.file.write_all(&buffer).map_err(|source| spill.error("write", source))?;
            spill.end += buffer.len() as u64;
            self.spilled.push(chunk);
        }
        self.bytes = 0;
        Ok(())
    }

    /// Takes the keys of a partition out of the store, those that were spilled included.
    ///
    /// # Errors
    /// The spill file cannot be read.
    pub fn take(&mut self, partition: usize, keys: &mut Keys) -> Result<(), QualityError> {
        self.detach(partition, keys)?.move_to(keys);
        Ok(())
    }

    /// As [`Self::take`], but what is in memory is only handed over, so that others need not wait while it is copied.
    ///
    /// # Errors
    /// The spill file cannot be read.
    pub fn detach(&mut self, partition: usize, keys: &mut Keys) -> Result<Part, QualityError> {
        for chunk in self.spilled.iter().filter(|chunk| chunk.partition == partition) {
            let Some(spill) = &mut self.spill else { break };
            let mut bytes = vec![0; chunk.numbers * 12 + chunk.longer_bytes];
            spill.file.seek(SeekFrom::Start(chunk.offset)).and_then(|_| spill.file.read_exact(&mut bytes)).map_err(
                |source| QualityError::Io { doing: "read a spill file in", path: spill.path.clone(), source },
            )?;
            keys.add(&bytes, chunk.numbers);
        }
        self.settle(partition);
        Ok(std::mem::take(&mut self.parts[partition]))
    }
}

impl Part {
    /// Adds the keys to those of the partition.
    pub fn move_to(self, keys: &mut Keys) {
        let count = |blocks: &[Block]| blocks.iter().map(|block| block.numbers.len()).sum();
        keys.numbers.reserve(count(&self.blocks));
        keys.rows.reserve(count(&self.blocks));
        for block in self.blocks {
            keys.numbers.extend_from_slice(&block.numbers);
            keys.rows.extend_from_slice(&block.rows);
        }
        for block in self.longer {
            keys.longer.extend_from_slice(&block);
        }
    }
}

impl Spill {
    fn error(&self, doing: &'static str, source: std::io::Error) -> QualityError {
        QualityError::Io { doing, path: self.path.clone(), source }
    }
}

impl Keys {
    /// Adds a chunk as it stands in a file: numbers, their rows, records of longer keys.
    pub fn add(&mut self, bytes: &[u8], numbers: usize) {
        let (packed, rest) = bytes.split_at(numbers * 8);
        let (rows, longer) = rest.split_at(numbers * 4);
        self.numbers.extend(packed.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        self.rows.extend(rows.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)));
        self.longer.extend_from_slice(longer);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.rows.clear();
        self.longer.clear();
    }

    /// The records of longer keys: hash, row, bytes.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.longer }
    }

    /// Row and bytes of the record that begins at `offset`.
    fn record_at(&self, offset: usize) -> (u32, &[u8]) {
        let mut records = Records { rest: self.longer.get(offset..).unwrap_or_default() };
        records.next().map_or((0, &[]), |(_, row, key)| (row, key))
    }

    /// Adds a longer key, at most [`KEY_BYTES_MAX`] bytes.
    pub fn put_record(&mut self, hash: u64, row: u32, key: &[u8]) {
        self.longer.extend_from_slice(&hash.to_le_bytes());
        self.longer.extend_from_slice(&row.to_le_bytes());
        self.longer.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.longer.extend_from_slice(key);
    }

    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len() + self.records().count()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.longer.is_empty()
    }

    /// Keeps the keys of rows that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let mut kept = 0;
        for at in 0..self.numbers.len() {
            if keep(self.rows[at]) {
                self.numbers[kept] = self.numbers[at];
                self.rows[kept] = self.rows[at];
                kept += 1;
            }
        }
        self.numbers.truncate(kept);
        self.rows.truncate(kept);
        if !self.longer.is_empty() {
            let before = std::mem::take(&mut self.longer);
            for (hash, row, key) in (Records { rest: &before }) {
                if keep(row) {
                    self.put_record(hash, row, key);
                }
            }
        }
    }
}

/// The table in which the keys of a partition are found, and what was found of them.
#[derive(Debug, Default)]
pub struct Scratch {
    numbers: Slots,
    longer: Slots,
    /// Where the records of longer keys begin, and their hashes.
    records: Vec<(u64, usize)>,
    surplus: u64,
}

/// Open addressing: a slot holds the position of a key, plus one.
#[derive(Debug, Default)]
struct Slots {
    slots: Vec<u32>,
    shift: u32,
    /// By position.
    repeated: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Once,
    /// Occurs again among these keys.
    Again,
    /// Occurs among older keys.
    Before,
}

impl Slots {
    fn clear(&mut self, keys: usize) {
        let slots = (keys * 2).next_power_of_two().max(2);
        self.shift = 64 - slots.trailing_zeros();
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.repeated.clear();
        self.repeated.resize(keys, Seen::Once);
    }

    /// The slot in which a key is, or would be.
    #[inline]
    fn find(&self, hash: u64, mut same: impl FnMut(usize) -> bool) -> usize {
        // The partition took the highest bits of the hash; the multiplication brings the others up.
        let mut at = (spread(hash).wrapping_mul(0xd6e8_feb8_6659_fd93) >> self.shift) as usize;
        loop {
            at &= self.slots.len() - 1;
            let slot = self.slots[at];
            if slot == 0 || same(slot as usize - 1) {
                return at;
            }
            at += 1;
        }
    }

    /// Puts the key at `position` in; `true`: it was there.
    #[inline]
    fn put(&mut self, hash: u64, position: usize, same: impl FnMut(usize) -> bool) -> bool {
        let at = self.find(hash, same);
        let known = self.slots[at];
        if known == 0 {
            // Positions are rows of a scan, which are below 2^32.
            self.slots[at] = position as u32 + 1;
            return false;
        }
        self.repeated[known as usize - 1] = Seen::Again;
        self.repeated[position] = Seen::Again;
        true
    }
}

impl Scratch {
    /// Puts the keys of a partition in and finds those that occur more than once.
    pub fn index(&mut self, keys: &Keys) {
        self.surplus = 0;
        self.numbers.clear(keys.numbers.len());
        for (position, number) in keys.numbers.iter().enumerate() {
            let again = self.numbers.put(*number, position, |known| keys.numbers[known] == *number);
            self.surplus += u64::from(again);
        }
        self.records.clear();
        let mut offset = 0;
        for (hash, _, key) in keys.records() {
            self.records.push((hash, offset));
            offset += RECORD_HEAD + key.len();
        }
        self.longer.clear(self.records.len());
        for (position, (hash, offset)) in self.records.iter().enumerate() {
            let key = keys.record_at(*offset);
            let again = self.longer.put(*hash, position, |known| {
                let (known_hash, known_offset) = self.records[known];
                known_hash == *hash && keys.record_at(known_offset).1 == key.1
            });
            self.surplus += u64::from(again);
        }
    }

    /// Finds which older keys are among those that were put in, and calls `found` for each such older row.
    /// Returns how many different keys were found for the first time.
    ///
    /// # Errors
    /// What `found` refuses.
    pub fn seek(
        &mut self,
        keys: &Keys,
        older: &Keys,
        mut found: impl FnMut(u32, Option<u64>, &[u8]) -> Result<(), QualityError>,
    ) -> Result<u64, QualityError> {
        let mut first_time = 0;
        if !keys.numbers.is_empty() {
            for (number, row) in older.numbers.iter().zip(&older.rows) {
                let at = self.numbers.find(*number, |known| keys.numbers[known] == *number);
                let Some(known) = (self.numbers.slots[at] as usize).checked_sub(1) else { continue };
                first_time += u64::from(self.numbers.repeated[known] != Seen::Before);
                self.numbers.repeated[known] = Seen::Before;
                found(*row, Some(*number), &[])?;
            }
        }
        if !self.records.is_empty() {
            for (hash, row, key) in older.records() {
                let at = self.longer.find(hash, |known| {
                    let (known_hash, offset) = self.records[known];
                    known_hash == hash && keys.record_at(offset).1 == key
                });
                let Some(known) = (self.longer.slots[at] as usize).checked_sub(1) else { continue };
                first_time += u64::from(self.longer.repeated[known] != Seen::Before);
                self.longer.repeated[known] = Seen::Before;
                found(row, None, key)?;
            }
        }
        Ok(first_time)
    }

    /// Whether the key of the number at `position` was found among older keys.
    #[must_use]
    pub fn is_older(&self, position: usize) -> bool {
        self.numbers.repeated.get(position) == Some(&Seen::Before)
    }

    /// Whether the longer key at `position` was found among older keys.
    #[must_use]
    pub fn is_longer_older(&self, position: usize) -> bool {
        self.longer.repeated.get(position) == Some(&Seen::Before)
    }

    /// Calls `found` with the row of each key that occurs again here, and the row of its first occurrence.
    pub fn each_again(&self, keys: &Keys, mut found: impl FnMut(u32, u32)) {
        for (position, seen) in self.numbers.repeated.iter().enumerate().filter(|(_, seen)| **seen != Seen::Once) {
            debug_assert_ne!(*seen, Seen::Before, "older keys are looked for later");
            let number = keys.numbers[position];
            let at = self.numbers.find(number, |known| keys.numbers[known] == number);
            if let Some(first) = (self.numbers.slots[at] as usize).checked_sub(1) {
                found(keys.rows[position], keys.rows[first]);
            }
        }
        for (position, _) in self.longer.repeated.iter().enumerate().filter(|(_, seen)| **seen != Seen::Once) {
            let (hash, offset) = self.records[position];
            let (row, key) = keys.record_at(offset);
            let at = self.longer.find(hash, |known| {
                let (known_hash, known_offset) = self.records[known];
                known_hash == hash && keys.record_at(known_offset).1 == key
            });
            if let Some(first) = (self.longer.slots[at] as usize).checked_sub(1) {
                found(row, keys.record_at(self.records[first].1).0);
            }
        }
    }

    /// Calls `found` for each row that was put in and whose key occurs more than once, here or among older keys.
    /// Returns the rows beyond the first of each group here.
    ///
    /// # Errors
    /// What `found` refuses.
    pub fn report(
        &self,
        keys: &Keys,
        mut found: impl FnMut(u32, Option<u64>, &[u8]) -> Result<(), QualityError>,
    ) -> Result<u64, QualityError> {
        for (position, seen) in self.numbers.repeated.iter().enumerate() {
            if *seen != Seen::Once {
                found(keys.rows[position], Some(keys.numbers[position]), &[])?;
            }
        }
        for (seen, (_, offset)) in self.longer.repeated.iter().zip(&self.records) {
            if *seen != Seen::Once {
                let (row, key) = keys.record_at(*offset);
                found(row, None, key)?;
            }
        }
        Ok(self.surplus)
    }
}

/// Iterates over records of longer keys; stops at the end or at a record that is cut off.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Over records as they stand in [`Keys::longer`].
    #[must_use]
    pub const fn new(records: &'a [u8]) -> Self {
        Self { rest: records }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (hash, rest) = self.rest.split_first_chunk::<8>()?;
        let (row, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.rest = rest;
        Some((u64::from_le_bytes(*hash), u32::from_le_bytes(*row), key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::key::packed;

    fn duplicates(texts: &[String], spill_every: usize, hash: fn(&[u8]) -> u64) -> (Vec<u32>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = KeyStore::new("r");
        for (row, text) in (0..).zip(texts) {
            match packed(text.as_bytes()) {
                Some(number) => store.put_number(number, row),
                None => store.put_bytes(hash(text.as_bytes()), text.as_bytes(), row).unwrap(),
            }
            if row as usize % spill_every == spill_every - 1 {
                store.spill(folder.path()).unwrap();
            }
        }
        let mut rows = Vec::new();
        let mut surplus = 0;
        let mut keys = Keys::default();
        for partition in 0..PARTITIONS {
            keys.clear();
            store.take(partition, &mut keys).unwrap();
            let mut scratch = Scratch::default();
            scratch.index(&keys);
            let take = |row, _: Option<u64>, _: &[u8]| {
                rows.push(row);
                Ok(())
            };
            surplus += scratch.report(&keys, take).unwrap();
        }
        rows.sort_unstable();
        (rows, surplus)
    }

    fn plain(texts: &[String]) -> (Vec<u32>, u64) {
        let mut groups: HashMap<&str, Vec<u32>> = HashMap::new();
        for (row, text) in (0..).zip(texts) {
            groups.entry(text).or_default().push(row);
        }
        let repeated: Vec<Vec<u32>> = groups.into_values().filter(|rows| rows.len() > 1).collect();
        let surplus = repeated.iter().map(|rows| rows.len() as u64 - 1).sum();
        let mut rows: Vec<u32> = repeated.into_iter().flatten().collect();
        rows.sort_unstable();
        (rows, surplus)
    }

    #[test]
    fn equal_hashes_alone_make_no_duplicate() {
        let texts: Vec<String> =
            ["a long key, number one", "a long key, number two", "a long key, number one"].map(str::to_owned).to_vec();
        assert_eq!(duplicates(&texts, usize::MAX, |_| 7), (vec![0, 2], 1));
    }

    #[test]
    fn a_key_beyond_the_bound_is_refused_with_its_row() {
        let key = vec![b'x'; KEY_BYTES_MAX + 1];
        let refusal = KeyStore::new("r").put_bytes(0, &key, 5).unwrap_err().to_string();
        assert!(refusal.contains("row 5") && refusal.contains("1048577"), "{refusal}");
    }

    proptest! {
        #[test]
        fn duplicates_are_those_of_a_plain_grouping(
            texts in prop::collection::vec("[0-9]{0,2}|[0-9]{17}X|[a-b]{18,20}", 0..300),
            spill_every in 1_usize..400,
        ) {
            prop_assert_eq!(duplicates(&texts, spill_every, xxh3_64), plain(&texts));
        }
    }
}
