//! Patterns whose positions do not depend on one another: eight positions are tested at once.

use super::automaton::Automaton;

/// Longest fixed match that is kept as ranges.
const POSITIONS_MAX: usize = 64;

/// Two ranges of ASCII per position, eight positions to a word; a position with one range has it twice.
///
/// For bytes below 0x80, `byte + (0x80 - first)` has its high bit set where `byte ≥ first`, and
/// `byte + (0x7f - last)` where `byte > last`; neither carries into the next byte.
#[derive(Debug, Clone)]
pub struct Positions {
    length: usize,
    /// Where a word begins in the text, and what is added to it.
    words: Vec<(usize, [u64; 4])>,
}

impl Positions {
    /// The ranges, where the automaton is a chain.
    pub(super) fn of(automaton: &Automaton) -> Option<Self> {
        let live = automaton.live();
        let mut ranges = Vec::new();
        let mut state = automaton.first();
        loop {
            let mut member = [false; 256];
            let mut only = None;
            for byte in 0..256 {
                let to = automaton.step(state, byte);
                if live[to] {
                    if only.is_some_and(|known| known != to) {
                        return None;
                    }
                    only = Some(to);
                    member[byte] = true;
                }
            }
            match (automaton.accepting[state], only) {
                (true, None) => return Some(Self::new(&ranges)),
                (false, Some(to)) if ranges.len() < POSITIONS_MAX => {
                    ranges.push(two_ranges(&member)?);
                    state = to;
                }
                _ => return None,
            }
        }
    }

    /// The last word ends with the text and may overlap the one before; a text of fewer than eight bytes is filled
    /// up with zeros, which pass.
    fn new(ranges: &[[u8; 4]]) -> Self {
        let length = ranges.len();
        let mut starts: Vec<usize> = (0..length / 8).map(|word| word * 8).collect();
        if !length.is_multiple_of(8) {
            starts.push(length.saturating_sub(8));
        }
        let word = |start: usize| {
            let mut added = [[0_u8; 8]; 4];
            for byte in 0..8 {
                let [first, last, second, second_last] = ranges.get(start + byte).copied().unwrap_or([0, 0, 0, 0]);
                added[0][byte] = 0x80 - first;
                added[1][byte] = 0x7f - last;
                added[2][byte] = 0x80 - second;
                added[3][byte] = 0x7f - second_last;
            }
            (start, added.map(u64::from_le_bytes))
        };
        Self { length, words: starts.into_iter().map(word).collect() }
    }

    /// Whether the whole of `text` matches.
    #[inline]
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        if text.len() != self.length {
            return false;
        }
        if self.length < 8 {
            return self.words.iter().all(|(_, added)| fits(crate::key::short_word(text), added));
        }
        // The first and the last word of a text are at hand; most codes have no others, or one.
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            match self.words.as_slice() {
                [(_, only)] => return fits(first, only),
                [(_, one), (_, two)] => return fits(first, one) & fits(last, two),
                [(_, one), (_, two), (_, three)] => {
                    let middle = text[8..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                    return fits(first, one) & fits(middle, two) & fits(last, three);
                }
                _ => {}
            }
        }
        let mut good = true;
        for (start, added) in &self.words {
            let Some(bytes) = text.get(*start..).and_then(<[u8]>::first_chunk::<8>) else { return false };
            good &= fits(u64::from_le_bytes(*bytes), added);
        }
        good
    }
}

/// Whether each of eight bytes lies in one of its two ranges.
#[inline]
const fn fits(word: u64, added: &[u64; 4]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let ascii = word & !HIGH;
    let first = ascii.wrapping_add(added[0]) & !ascii.wrapping_add(added[1]);
    let second = ascii.wrapping_add(added[2]) & !ascii.wrapping_add(added[3]);
    (first | second) & !word & HIGH == HIGH
}

/// `[first, last, first, last]` of at most two runs of ASCII bytes.
fn two_ranges(member: &[bool; 256]) -> Option<[u8; 4]> {
    let mut runs = Vec::new();
    let mut byte = 0_usize;
    while byte < 256 {
        if member[byte] {
            let start = byte;
            while byte < 256 && member[byte] {
                byte += 1;
            }
            if byte > 0x80 {
                return None;
            }
            runs.push([u8::try_from(start).ok()?, u8::try_from(byte - 1).ok()?]);
        } else {
            byte += 1;
        }
    }
    match runs.as_slice() {
        [[first, last]] => Some([*first, *last, *first, *last]),
        [[first, last], [second, second_last]] => Some([*first, *last, *second, *second_last]),
        _ => None,
    }
}
