//! Keys: a short text becomes one number, without ever two texts becoming the same.
//!
//! [`packed`] maps what codes and numbers look like — up to 7 bytes, or 8 to 18 digits, or 17 digits and an `X` —
//! to distinct 64-bit numbers, so that comparing numbers *is* comparing texts. Other keys keep their bytes and
//! are hashed; whoever finds equal hashes compares the bytes.

use std::{collections::HashMap, hash::BuildHasherDefault};

use xxhash_rust::xxh3::xxh3_64;

/// Numbers for digit texts by length: where those of a length begin. The sum over 8..=18 digits is below 2^61.
const DIGITS_FROM: [u64; 19] = {
    let mut from = [0_u64; 19];
    let mut length = 8;
    let mut next = 0;
    while length <= 18 {
        from[length] = next;
        next += 10_u64.pow(length as u32);
        length += 1;
    }
    from
};
/// Numbers for 17 digits and an `X` begin here.
const X_FROM: u64 = DIGITS_FROM[18] + 10_u64.pow(18);
/// Short texts have this in the top byte, plus their length.
const SHORT_TAG: u64 = 0xf0;

/// The number of a text that fits into one; `None` for others. Two texts never share a number.
#[inline]
#[must_use]
pub fn packed(text: &[u8]) -> Option<u64> {
    let length = text.len();
    if length < 8 {
        return Some(short_word(text) | (SHORT_TAG + length as u64) << 56);
    }
    if length > 18 {
        return None;
    }
    let first = eight_digits(*text.first_chunk::<8>()?)?;
    let mut number = first;
    let mut at = 8;
    if length >= 16 {
        number = number * 100_000_000 + eight_digits(text[8..16].try_into().ok()?)?;
        at = 16;
    }
    while at < length {
        let digit = text[at].wrapping_sub(b'0');
        if digit > 9 {
            return (at == 17 && text[at] == b'X').then(|| X_FROM + number);
        }
        number = number * 10 + u64::from(digit);
        at += 1;
    }
    Some(DIGITS_FROM[length] + number)
}

/// Up to seven bytes as the low bytes of a number. Loads that overlap are cheaper than a copy of unknown length.
#[inline]
#[must_use]
pub(crate) fn short_word(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << ((length - 4) * 8);
    }
    match text {
        [] => 0,
        [first] => u64::from(*first),
        [first, .., last] => {
            u64::from(*first) | u64::from(text[length / 2]) << (length / 2 * 8) | u64::from(*last) << ((length - 1) * 8)
        }
    }
}

/// The text of a number that [`packed`] gave.
#[must_use]
pub fn unpacked(number: u64) -> Vec<u8> {
    let tag = number >> 56;
    if tag >= SHORT_TAG {
        // The tag is at most 0xf7, so the length is at most 7.
        let length = (tag - SHORT_TAG) as usize;
        return number.to_le_bytes()[..length.min(7)].to_vec();
    }
    if number >= X_FROM {
        return format!("{:017}X", number - X_FROM).into_bytes();
    }
    let length = (8..=18).rev().find(|length| number >= DIGITS_FROM[*length]).unwrap_or(8);
    format!("{:0length$}", number - DIGITS_FROM[length]).into_bytes()
}

/// Eight ASCII digits at once, without a loop.
#[inline]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let chunk = u64::from_le_bytes(bytes);
    let digits = chunk ^ 0x3030_3030_3030_3030;
    // A byte above 9 carries into its high nibble when 0x76 is added, or has it set already.
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// Spreads the bits of a packed number; a bijection, so it makes no two numbers the same.
#[inline]
#[must_use]
pub const fn spread(number: u64) -> u64 {
    let mixed = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Appends one part of a composite key: its length, then its bytes, so that `("ab", "c")` is not `("a", "bc")`.
pub fn append_part(key: &mut Vec<u8>, part: &[u8]) {
    // Parts are bounded by the batch, whose offsets are 32-bit or which is refused by `KeyBound` later.
    let mut length = part.len();
    while length >= 0x80 {
        key.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    key.push(length as u8);
    key.extend_from_slice(part);
}

/// The parts of a composite key; `None` if the bytes are none.
#[must_use]
pub fn parts(mut key: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !key.is_empty() {
        let mut length = 0_usize;
        let mut shift = 0;
        loop {
            let (byte, rest) = key.split_first()?;
            key = rest;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 35 {
                return None;
            }
        }
        let (part, rest) = key.split_at_checked(length)?;
        parts.push(part);
        key = rest;
    }
    Some(parts)
}

/// A map from texts to numbers, filled once and asked for every row.
#[derive(Debug, Clone, Default)]
pub struct KeyMap {
    /// Open addressing over packed keys; the place of key 0 is outside, because 0 marks an empty slot.
    slots: Vec<(u64, u32)>,
    zero: Option<u32>,
    shift: u32,
    filled: usize,
    longer: HashMap<Box<[u8]>, u32, BuildHasherDefault<TextHasher>>,
}

impl KeyMap {
    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filled + usize::from(self.zero.is_some()) + self.longer.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a key.
    #[inline]
    #[must_use]
    pub fn get(&self, text: &[u8]) -> Option<u32> {
        match packed(text) {
            Some(0) => self.zero,
            Some(number) => self.find(number),
            None => self.longer.get(text).copied(),
        }
    }

    /// Whether the key is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, text: &[u8]) -> bool {
        self.get(text).is_some()
    }

    /// Adds a key; a key that is there keeps its first number. Returns the key's number.
    pub fn insert(&mut self, text: &[u8], value: u32) -> u32 {
        let Some(number) = packed(text) else {
            return *self.longer.entry(text.into()).or_insert(value);
        };
        if number == 0 {
            return *self.zero.get_or_insert(value);
        }
        if let Some(known) = self.find(number) {
            return known;
        }
        if (self.filled + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.place(number, value);
        self.filled += 1;
        value
    }

    #[inline]
    fn find(&self, number: u64) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = (spread(number) >> self.shift) as usize;
        loop {
            let (key, value) = self.slots[at & mask];
            if key == number {
                return Some(value);
            }
            if key == 0 {
                return None;
            }
            at += 1;
        }
    }

    fn place(&mut self, number: u64, value: u32) {
        let mask = self.slots.len() - 1;
        let mut at = (spread(number) >> self.shift) as usize;
        while self.slots[at & mask].0 != 0 {
            at += 1;
        }
        self.slots[at & mask] = (number, value);
    }

    fn grow(&mut self) {
        let capacity = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![(0, 0); capacity]);
        self.shift = 64 - capacity.trailing_zeros();
        for (number, value) in old {
            if number != 0 {
                self.place(number, value);
            }
        }
    }
}

/// xxh3 of the bytes written, for keys that do not fit into a number.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextHasher(u64);

impl std::hash::Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_of_the_country_fit_into_a_number() {
        for text in ["", "0", "371302", "13812345678", "11010519491231002X", "440524188001010014", "00000000", "沂河"]
        {
            let number = packed(text.as_bytes()).unwrap();
            assert_eq!(unpacked(number), text.as_bytes());
        }
        assert_eq!(packed(b"91350100M000100Y43"), None);
        assert_eq!(packed(b"11010519491231002x"), None);
        assert_eq!(packed(b"1101051949123100200"), None);
        assert_eq!(packed(b"1234567X"), None);
    }

    proptest! {
        /// What is packed is unpacked to the same text, so no two texts share a number.
        #[test]
        fn packing_loses_nothing(text in prop_oneof!["[0-9]{0,20}", "[0-9]{17}[0-9X]", "[0-9a-zX/:]{0,19}"]) {
            if let Some(number) = packed(text.as_bytes()) {
                prop_assert_eq!(unpacked(number), text.into_bytes());
            }
        }

        #[test]
        fn a_map_answers_what_was_put_into_it(texts in prop::collection::vec("[0-9]{0,18}X?|[a-z]{0,12}", 0..200)) {
            let mut map = KeyMap::default();
            let mut plain = HashMap::new();
            for (index, text) in texts.iter().enumerate() {
                let index = u32::try_from(index).unwrap();
                map.insert(text.as_bytes(), index);
                plain.entry(text.clone()).or_insert(index);
            }
            prop_assert_eq!(map.len(), plain.len());
            for text in &texts {
                prop_assert_eq!(map.get(text.as_bytes()), plain.get(text).copied());
            }
            prop_assert_eq!(map.get(b"never there"), None);
        }

        #[test]
        fn parts_of_a_composite_key_come_back(texts in prop::collection::vec(".{0,200}", 0..5)) {
            let mut key = Vec::new();
            for text in &texts {
                append_part(&mut key, text.as_bytes());
            }
            let back: Vec<&[u8]> = parts(&key).unwrap();
            prop_assert_eq!(back, texts.iter().map(String::as_bytes).collect::<Vec<_>>());
        }
    }
}
