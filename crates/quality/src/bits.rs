//! One bit per row of a batch: the shape in which every rule answers.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// A set of rows of one batch. Bits beyond `rows` are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    /// No row.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], rows }
    }

    /// Every row.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        let mut all = Self { words: vec![u64::MAX; rows.div_ceil(64)], rows };
        all.trim();
        all
    }

    /// Asks `member` for every row, 64 rows to a word.
    #[inline]
    pub fn collect(rows: usize, mut member: impl FnMut(usize) -> bool) -> Self {
        let mut words = Vec::with_capacity(rows.div_ceil(64));
        let mut start = 0;
        while start < rows {
            let end = rows.min(start + 64);
            let mut word = 0_u64;
            for row in start..end {
                word |= u64::from(member(row)) << (row - start);
            }
            words.push(word);
            start = end;
        }
        Self { words, rows }
    }

    /// The rows whose value in `values` is a member; the loop has a form that compilers turn into vectors.
    #[inline]
    pub fn of_values<T: Copy>(values: &[T], member: impl Fn(T) -> bool) -> Self {
        let mut words = Vec::with_capacity(values.len().div_ceil(64));
        let mut chunks = values.chunks_exact(64);
        for chunk in &mut chunks {
            let mut bytes = [0_u8; 8];
            for (byte, eight) in bytes.iter_mut().zip(chunk.chunks_exact(8)) {
                for (bit, value) in eight.iter().enumerate() {
                    *byte |= u8::from(member(*value)) << bit;
                }
            }
            words.push(u64::from_le_bytes(bytes));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = 0;
            for (bit, value) in rest.iter().enumerate() {
                word |= u64::from(member(*value)) << bit;
            }
            words.push(word);
        }
        Self { words, rows: values.len() }
    }

    /// The rows of which a pair of values is a member, as [`Self::of_values`]; both slices are of one length.
    #[inline]
    pub fn of_pairs<A: Copy, B: Copy>(first: &[A], second: &[B], member: impl Fn(A, B) -> bool) -> Self {
        let rows = first.len().min(second.len());
        let pair = |row: usize| u64::from(member(first[row], second[row]));
        let words = (0..rows.div_ceil(64)).map(|word| {
            let begin = word * 64;
            let (first, second) = (&first[begin..rows.min(begin + 64)], &second[begin..rows.min(begin + 64)]);
            match (<&[A; 64]>::try_from(first), <&[B; 64]>::try_from(second)) {
                (Ok(first), Ok(second)) => {
                    let mut bits = 0;
                    for bit in 0..64 {
                        bits |= u64::from(member(first[bit], second[bit])) << bit;
                    }
                    bits
                }
                _ => (0..first.len()).fold(0, |bits, bit| bits | pair(begin + bit) << bit),
            }
        });
        Self { words: words.collect(), rows }
    }

    /// The rows of these words, row 0 in the lowest bit of the first; what is beyond `rows` is left out.
    #[must_use]
    pub fn of_words(words: Vec<u64>, rows: usize) -> Self {
        let mut bits = Self { words, rows };
        bits.words.resize(rows.div_ceil(64), 0);
        bits.trim();
        bits
    }

    /// The rows that have a value.
    #[must_use]
    pub fn of_valid(nulls: &NullBuffer) -> Self {
        Self::of_buffer(nulls.inner())
    }

    /// The rows that are true; a sliced buffer is shifted into place.
    #[must_use]
    pub fn of_buffer(buffer: &BooleanBuffer) -> Self {
        let words = buffer.bit_chunks().iter_padded().take(buffer.len().div_ceil(64)).collect();
        let mut bits = Self { words, rows: buffer.len() };
        bits.trim();
        bits
    }

    /// The same set as an Arrow bitmap.
    #[must_use]
    pub fn to_buffer(&self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words.clone()), 0, self.rows)
    }

    /// Rows of the batch, in the set or not.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The words, row 0 in the lowest bit of the first.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many rows are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        // Most words are empty or full; what is cheap for them is cheap for a batch.
        let ones = |word: u64| match word {
            0 => 0,
            u64::MAX => 64,
            some => u64::from(some.count_ones()),
        };
        self.words.iter().map(|word| ones(*word)).sum()
    }

    /// Whether `row` is in the set.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        row < self.rows && self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// Adds `row`, which is below [`Self::rows`].
    pub fn insert(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Adds `row`, which is below [`Self::rows`], where `member` says so, without a branch.
    #[inline]
    pub fn put(&mut self, row: usize, member: bool) {
        self.words[row / 64] |= u64::from(member) << (row % 64);
    }

    /// Keeps what is in both.
    pub fn intersect(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Takes out what is in `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// Adds what is in `other`.
    pub fn unite(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// The rows that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut complement = Self { words: self.words.iter().map(|word| !word).collect(), rows: self.rows };
        complement.trim();
        complement
    }

    /// The rows in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            std::iter::successors((*word != 0).then_some(*word), |left| {
                let left = left & (left - 1);
                (left != 0).then_some(left)
            })
            .map(move |left| index * 64 + left.trailing_zeros() as usize)
        })
    }

    fn trim(&mut self) {
        if !self.rows.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << (self.rows % 64)) - 1;
        }
    }
}

/// Which rows, where most often the answer is "all of them".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Every row of the batch.
    All,
    /// These.
    Some(Bits),
}

impl Rows {
    /// How many of a batch of `rows` rows.
    #[must_use]
    pub fn count(&self, rows: usize) -> u64 {
        match self {
            Self::All => rows as u64,
            Self::Some(bits) => bits.count(),
        }
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (rows, Self::All) => rows,
            (Self::All, Self::Some(bits)) => Self::Some(bits.clone()),
            (Self::Some(mut bits), Self::Some(other)) => {
                bits.intersect(other);
                Self::Some(bits)
            }
        }
    }

    /// Takes out of `bits` what is not among these rows.
    pub fn confine(&self, bits: &mut Bits) {
        if let Self::Some(rows) = self {
            bits.intersect(rows);
        }
    }

    /// Calls `body` for each of them, of a batch of `rows` rows; words that are full are walked without a look.
    #[inline]
    pub fn each(&self, rows: usize, mut body: impl FnMut(usize)) {
        let bits = match self {
            Self::All => return (0..rows).for_each(body),
            Self::Some(bits) => bits,
        };
        for (index, word) in bits.words.iter().enumerate() {
            let start = index * 64;
            if *word == u64::MAX {
                (start..start + 64).for_each(&mut body);
                continue;
            }
            let mut left = *word;
            while left != 0 {
                body(start + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    /// Whether `row` is among them.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(bits) => bits.contains(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_batch_are_never_in_the_set() {
        assert_eq!(Bits::all(70).count(), 70);
        assert_eq!(Bits::none(70).complement().count(), 70);
        assert_eq!(Bits::none(0).complement().count(), 0);
        assert!(!Bits::all(3).contains(3));
    }

    #[test]
    fn a_sliced_validity_buffer_is_shifted_into_place() {
        let nulls = NullBuffer::from((0..200).map(|row| row % 3 != 0).collect::<Vec<_>>()).slice(65, 100);
        let rows: Vec<usize> = Bits::of_valid(&nulls).iter().collect();
        let expected: Vec<usize> = (0..100).filter(|row| (row + 65) % 3 != 0).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn all_ways_of_collecting_agree() {
        let values: Vec<u32> = (0..131).collect();
        let expected = Bits::collect(131, |row| row % 7 == 0);
        assert_eq!(Bits::of_values(&values, |value| value % 7 == 0), expected);
        assert_eq!(Bits::of_pairs(&values, &values, |first, second| (first + 6 * second) % 49 == 0), expected);
    }
}
