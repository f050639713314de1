//! A run: the keys of the rows of one or several deliveries, in the order of their hashes, so that a later delivery
//! finds its own few among them without reading the others.
//!
//! A family of keys (the business key, or the key of one uniqueness rule) is one block for each partition:
//! ```text
//! filter                           64 bits for 4 keys
//! numbers                          8 bytes each, ascending by `spread`
//! rows                             4 bytes each
//! filter of longer keys
//! hashes of longer keys            8 bytes each, ascending by `spread`
//! their rows                       4 bytes each
//! their ends                       4 bytes each
//! their bytes
//! ```
//! The filter says of 99 in 100 keys that are not there that they are not. One that may be there is looked for where
//! its hash lets expect it: hashes are spread evenly, so that is within a page or two.

use std::path::Path;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::chunks::{Chunk, ChunkFile, ChunkWriter, halves, words};
use crate::{
    error::QualityError,
    key::spread,
    key_store::{Keys, PARTITIONS},
};

/// Keys for which a word of the filter stands.
const KEYS_OF_WORD: u64 = 4;
/// Numbers that the directory of a family holds for each partition.
const HEAD: usize = 4;

/// Rows of one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptPart {
    /// Its identifier.
    pub batch: String,
    /// Number of its first row.
    pub first_row: u64,
    /// Rows.
    pub rows: u64,
    /// Bitmap of the numbers that its rows have in the batch.
    pub places: Chunk,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RunDirectory {
    /// Number of the first row.
    pub first_row: u64,
    /// One after that of the last.
    pub end_row: u64,
    /// Where the rows came from.
    pub parts: Vec<KeptPart>,
    /// By family; an empty chunk: no such keys.
    pub families: Vec<Chunk>,
    /// By rule: rows that fail; not for uniqueness, which is known by group.
    pub failed: Vec<Chunk>,
    /// By rule: rows to which it does not apply.
    pub skipped: Vec<Chunk>,
}

/// A run that is open for reading.
#[derive(Debug)]
pub(super) struct Run {
    pub name: String,
    pub file: ChunkFile,
    pub directory: RunDirectory,
    /// By family, [`HEAD`] numbers for each partition: offset, keys, longer keys, their bytes.
    heads: Vec<Vec<u64>>,
}

/// A run that is being written, family by family and partition by partition.
pub(super) struct RunWriter {
    pub out: ChunkWriter,
    pub directory: RunDirectory,
    heads: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    at: u64,
    keys: u64,
    longer: u64,
    longer_bytes: u64,
}

impl Block {
    const fn filter_words(keys: u64) -> u64 {
        keys.div_ceil(KEYS_OF_WORD)
    }

    const fn numbers(self) -> u64 {
        self.at + Self::filter_words(self.keys) * 8
    }

    const fn rows(self) -> u64 {
        self.numbers() + self.keys * 8
    }

    const fn longer_filter(self) -> u64 {
        self.rows() + self.keys * 4
    }

    const fn hashes(self) -> u64 {
        self.longer_filter() + Self::filter_words(self.longer) * 8
    }

    const fn longer_rows(self) -> u64 {
        self.hashes() + self.longer * 8
    }

    const fn ends(self) -> u64 {
        self.longer_rows() + self.longer * 4
    }

    const fn bytes(self) -> u64 {
        self.ends() + self.longer * 4
    }

    const fn end(self) -> u64 {
        self.bytes() + self.longer_bytes
    }
}

/// Word and bits of a key in a filter.
const fn filter_place(number: u64, words: u64) -> (usize, u64) {
    let mixed = (spread(number) ^ 0x51_7c_c1_b7_27_22_0a_95).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = mixed ^ (mixed >> 29);
    let word = ((mixed >> 32) * words) >> 32;
    let bits =
        (1 << (mixed & 63)) | (1 << ((mixed >> 6) & 63)) | (1 << ((mixed >> 12) & 63)) | (1 << ((mixed >> 18) & 63));
    (word as usize, bits)
}

fn filter_of(numbers: impl ExactSizeIterator<Item = u64>) -> Vec<u64> {
    let count = Block::filter_words(numbers.len() as u64);
    let mut filter = vec![0; count as usize];
    for number in numbers {
        let (word, bits) = filter_place(number, count);
        filter[word] |= bits;
    }
    filter
}

fn may_hold(filter: &[u64], number: u64) -> bool {
    let (word, bits) = filter_place(number, filter.len() as u64);
    filter.get(word).is_some_and(|found| found & bits == bits)
}

impl RunWriter {
    pub fn create(path: &Path) -> Result<Self, QualityError> {
        Ok(Self { out: ChunkWriter::create(path)?, directory: RunDirectory::default(), heads: Vec::new() })
    }

    /// Adds a partition of the family that is being written; partitions come in order.
    pub fn partition(&mut self, keys: &Keys) -> Result<(), QualityError> {
        let mut order: Vec<(u64, u32)> = keys.numbers.iter().map(|number| spread(*number)).zip(0..).collect();
        order.sort_unstable();
        let mut longer: Vec<(u64, u32, &[u8])> = keys.records().collect();
        longer.sort_unstable_by_key(|(hash, row, _)| (spread(*hash), *row));
        let longer_bytes: u64 = longer.iter().map(|(_, _, bytes)| bytes.len() as u64).sum();
        if longer_bytes > u64::from(u32::MAX) {
            return Err(QualityError::RowBound { row: longer_bytes, bound: u64::from(u32::MAX) });
        }
        self.heads.extend([self.out.offset(), order.len() as u64, longer.len() as u64, longer_bytes]);
        let numbers = || order.iter().map(|(_, at)| keys.numbers[*at as usize]);
        let mut bytes = Vec::with_capacity(order.len() * 14 + longer.len() * 18 + longer_bytes as usize);
        let words_into =
            |bytes: &mut Vec<u8>, words: &[u64]| bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        words_into(&mut bytes, &filter_of(numbers()));
        bytes.extend(numbers().flat_map(u64::to_le_bytes));
        bytes.extend(order.iter().flat_map(|(_, at)| keys.rows[*at as usize].to_le_bytes()));
        words_into(&mut bytes, &filter_of(longer.iter().map(|(hash, _, _)| *hash)));
        bytes.extend(longer.iter().flat_map(|(hash, _, _)| hash.to_le_bytes()));
        bytes.extend(longer.iter().flat_map(|(_, row, _)| row.to_le_bytes()));
        let mut end = 0_u32;
        for (_, _, key) in &longer {
            end += key.len() as u32;
            bytes.extend(end.to_le_bytes());
        }
        for (_, _, key) in &longer {
            bytes.extend_from_slice(key);
        }
        self.out.put(&bytes).map(drop)
    }

    /// Ends a family.
    pub fn family(&mut self) -> Result<(), QualityError> {
        let heads = std::mem::take(&mut self.heads);
        let chunk = self.out.put_words(&heads)?;
        self.directory.families.push(chunk);
        Ok(())
    }

    pub fn close(self) -> Result<(), QualityError> {
        self.out.close(&self.directory)
    }
}

impl Run {
    pub fn open(folder: &Path, name: &str) -> Result<Self, QualityError> {
        let (file, directory) = ChunkFile::open::<RunDirectory>(&folder.join(name))?;
        let mut heads = Vec::new();
        for chunk in &directory.families {
            let words = file.words(*chunk)?;
            if !words.is_empty() && words.len() != PARTITIONS * HEAD {
                return Err(file.damaged(format!(
                    "a family has {} numbers, expected {}",
                    words.len(),
                    PARTITIONS * HEAD
                )));
            }
            heads.push(words);
        }
        let run = Self { name: name.to_owned(), file, directory, heads };
        let rows = run.directory.parts.iter().map(|part| part.rows).sum::<u64>();
        if rows != run.directory.end_row.saturating_sub(run.directory.first_row) {
            return Err(run.file.damaged(format!("its batches have {rows} rows, other than its directory says")));
        }
        Ok(run)
    }

    /// Rows, those that no longer stand included.
    pub const fn rows(&self) -> u64 {
        self.directory.end_row - self.directory.first_row
    }

    fn block(&self, family: usize, partition: usize) -> Option<Block> {
        let head = self.heads.get(family)?.get(partition * HEAD..(partition + 1) * HEAD)?;
        let &[at, keys, longer, longer_bytes] = head else { return None };
        (keys + longer > 0).then_some(Block { at, keys, longer, longer_bytes })
    }

    fn bytes(&self, from: u64, to: u64) -> Result<Vec<u8>, QualityError> {
        self.file.read(Chunk { offset: from, bytes: to - from }, 0, to - from)
    }

    /// Adds every key of a partition.
    pub fn load(&self, family: usize, partition: usize, keys: &mut Keys) -> Result<(), QualityError> {
        let Some(block) = self.block(family, partition) else { return Ok(()) };
        keys.numbers.extend(words(&self.bytes(block.numbers(), block.rows())?));
        keys.rows.extend(halves(&self.bytes(block.rows(), block.longer_filter())?));
        let hashes = words(&self.bytes(block.hashes(), block.longer_rows())?);
        let rows = halves(&self.bytes(block.longer_rows(), block.ends())?);
        let ends = halves(&self.bytes(block.ends(), block.bytes())?);
        let bytes = self.bytes(block.bytes(), block.end())?;
        let mut begin = 0;
        for ((hash, row), end) in hashes.iter().zip(rows).zip(ends) {
            let Some(key) = bytes.get(begin..end as usize) else {
                return Err(self.file.damaged("a longer key ends before it begins".to_owned()));
            };
            keys.put_record(*hash, row, key);
            begin = end as usize;
        }
        Ok(())
    }

    /// Adds to `found` the keys of a partition that are among `wanted`, where `skip` does not say that the one at a
    /// position is of no interest.
    pub fn probe(
        &self,
        (family, partition): (usize, usize),
        wanted: &Keys,
        skip: &Skip<'_>,
        found: &mut Keys,
    ) -> Result<(), QualityError> {
        let Some(block) = self.block(family, partition) else { return Ok(()) };
        if block.keys > 0 && !wanted.numbers.is_empty() {
            let filter = words(&self.bytes(block.at, block.numbers())?);
            let likely = wanted.numbers.iter().enumerate();
            let likely = likely.filter(|(at, number)| may_hold(&filter, **number) && !(skip.number)(*at));
            let mut likely: Vec<u64> = likely.map(|(_, number)| *number).collect();
            likely.sort_unstable();
            likely.dedup();
            let table = Sorted::new(self, block.numbers(), block.keys, likely.len())?;
            for number in likely {
                let (from, to) = table.find(number)?;
                if from < to {
                    let rows = halves(&self.bytes(block.rows() + from * 4, block.rows() + to * 4)?);
                    found.numbers.extend(std::iter::repeat_n(number, rows.len()));
                    found.rows.extend(rows);
                }
            }
        }
        if block.longer > 0 && !wanted.longer.is_empty() {
            let filter = words(&self.bytes(block.longer_filter(), block.hashes())?);
            let likely = wanted.records().enumerate();
            let likely = likely.filter(|(at, (hash, _, _))| may_hold(&filter, *hash) && !(skip.longer)(*at));
            let mut likely: Vec<(u64, &[u8])> = likely.map(|(_, (hash, _, key))| (hash, key)).collect();
            likely.sort_unstable();
            likely.dedup();
            let table = Sorted::new(self, block.hashes(), block.longer, likely.len())?;
            for (hash, key) in likely {
                let (from, to) = table.find(hash)?;
                for at in from..to {
                    let before = at.saturating_sub(1);
                    let ends = halves(&self.bytes(block.ends() + before * 4, block.ends() + (at + 1) * 4)?);
                    let begin = if at == 0 { 0 } else { u64::from(ends[0]) };
                    let end = u64::from(*ends.last().unwrap_or(&0));
                    if end < begin || end > block.longer_bytes {
                        return Err(self.file.damaged("a longer key ends before it begins".to_owned()));
                    }
                    if self.bytes(block.bytes() + begin, block.bytes() + end)? == key {
                        let row = self.bytes(block.longer_rows() + at * 4, block.longer_rows() + (at + 1) * 4)?;
                        found.put_record(hash, halves(&row)[0], key);
                    }
                }
            }
        }
        Ok(())
    }

    /// The batch of a row and the row's number in it.
    pub fn place(&self, row: u32, places: &mut PlaceCache) -> Result<Option<(String, u64)>, QualityError> {
        let row = u64::from(row);
        let parts = &self.directory.parts;
        let at = parts.partition_point(|part| part.first_row + part.rows <= row);
        let Some(part) = parts.get(at).filter(|part| part.first_row <= row) else { return Ok(None) };
        if places.of.as_ref().is_none_or(|(known, _)| *known != part.first_row) {
            places.of = Some((part.first_row, self.file.bitmap(part.places)?));
        }
        let Some((_, bitmap)) = &places.of else { return Ok(None) };
        // A part has less rows than a scan numbers.
        let place = bitmap.select((row - part.first_row) as u32);
        Ok(place.map(|place| (part.batch.clone(), u64::from(place))))
    }

    /// A bitmap of the directory, by rule.
    pub fn bitmap(&self, of: &[Chunk], rule: usize) -> Result<RoaringBitmap, QualityError> {
        self.file.bitmap(of.get(rule).copied().unwrap_or_default())
    }
}

/// Keys, by position, for which nobody needs to look.
pub(super) struct Skip<'a> {
    pub number: &'a dyn Fn(usize) -> bool,
    pub longer: &'a dyn Fn(usize) -> bool,
}

/// The places of the part that was asked for last.
#[derive(Default)]
pub(super) struct PlaceCache {
    of: Option<(u64, RoaringBitmap)>,
}

/// Numbers of a block, ascending by `spread`: held whole when many are asked for, else read around each.
struct Sorted<'a> {
    run: &'a Run,
    at: u64,
    count: u64,
    reach: u64,
    whole: Option<Vec<u8>>,
}

impl<'a> Sorted<'a> {
    fn new(run: &'a Run, at: u64, count: u64, asked: usize) -> Result<Self, QualityError> {
        // Where a hash is expected, give or take: four standard deviations of so many even draws.
        let reach = 32 + 2 * count.isqrt();
        let whole = asked as u64 * reach > count;
        let whole = whole.then(|| run.bytes(at, at + count * 8)).transpose()?;
        Ok(Self { run, at, count, reach, whole })
    }

    /// The positions at which `number` stands.
    fn find(&self, number: u64) -> Result<(u64, u64), QualityError> {
        if let Some(whole) = &self.whole {
            return Ok(range_of(whole, number, 0));
        }
        let target = spread(number);
        let expected = ((u128::from(target << 9) * u128::from(self.count)) >> 64) as u64;
        let mut reach = self.reach;
        loop {
            let (from, to) = (expected.saturating_sub(reach), (expected + reach).min(self.count));
            let bytes = self.run.bytes(self.at + from * 8, self.at + to * 8)?;
            let window = bytes.as_chunks::<8>().0;
            let below = from == 0 || window.first().is_some_and(|first| spread(u64::from_le_bytes(*first)) < target);
            let above =
                to == self.count || window.last().is_some_and(|last| spread(u64::from_le_bytes(*last)) > target);
            if below && above {
                return Ok(range_of(&bytes, number, from));
            }
            reach = reach.saturating_mul(8);
        }
    }
}

/// The positions at which `number` stands among sorted ones, `from` added.
fn range_of(bytes: &[u8], number: u64, from: u64) -> (u64, u64) {
    let numbers = bytes.as_chunks::<8>().0;
    let target = spread(number);
    let begin = numbers.partition_point(|found| spread(u64::from_le_bytes(*found)) < target);
    let same = numbers[begin..].iter().take_while(|found| u64::from_le_bytes(**found) == number).count();
    (from + begin as u64, from + (begin + same) as u64)
}
