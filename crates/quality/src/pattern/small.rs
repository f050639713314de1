//! Patterns of few states: eight short texts go through the automaton side by side.
//!
//! Each step of an automaton waits for the one before. Eight texts wait together, so that a name costs the steps and
//! not the waiting. Texts of up to twelve bytes lie in the views themselves; what is behind their end is filled up
//! with a byte that no UTF-8 has and that changes no state.

use arrow::array::StringViewArray;

use super::automaton::Automaton;
use crate::{
    bits::{Bits, Rows},
    column::{Memory, TextData},
};

/// A byte that occurs in no UTF-8.
const FILLER: u8 = 0xff;
/// Bytes of text that lie in a view.
const INLINE: usize = 12;
/// Texts side by side.
const LANES: usize = 8;
/// What fills a view up behind a text of that many bytes; the text begins at its fifth byte.
const FILLERS: [u128; INLINE + 1] = {
    let mut fillers = [0; INLINE + 1];
    let mut length = 0;
    while length < INLINE {
        fillers[length] = u128::MAX << ((length + 4) * 8);
        length += 1;
    }
    fillers
};

/// An automaton of at most 256 states by state and byte. Only for UTF-8.
#[derive(Debug, Clone)]
pub enum Small {
    /// It stays in the first cache.
    Few(Table<64>),
    /// It does not.
    Many(Table<256>),
}

/// The next state by state and byte. `N` is a power of two, at most 256.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    next: Box<[[u8; 256]; N]>,
    accepting: Box<[bool; N]>,
    start: u8,
}

impl Small {
    /// The automaton by byte, where it is small.
    pub(super) fn of(automaton: &Automaton) -> Option<Self> {
        match automaton.accepting.len() {
            0..=64 => Table::of(automaton).map(Self::Few),
            65..=256 => Table::of(automaton).map(Self::Many),
            _ => None,
        }
    }

    /// Which rows among `valid` do not match. The text is UTF-8.
    #[must_use]
    pub(super) fn refused(&self, text: &TextData, valid: &Rows, memory: &mut Memory) -> Bits {
        match self {
            Self::Few(table) => table.refused(text, valid, memory),
            Self::Many(table) => table.refused(text, valid, memory),
        }
    }
}

impl<const N: usize> Table<N> {
    fn of(automaton: &Automaton) -> Option<Self> {
        let mut next: Box<[[u8; 256]; N]> = vec![[0; 256]; N].try_into().ok()?;
        let mut accepting: Box<[bool; N]> = vec![false; N].try_into().ok()?;
        for (state, accepts) in automaton.accepting.iter().enumerate() {
            accepting[state] = *accepts;
            for byte in 0..256 {
                next[state][byte] = u8::try_from(automaton.step(state, byte)).ok()?;
            }
            next[state][usize::from(FILLER)] = u8::try_from(state).ok()?;
        }
        Some(Self { next, accepting, start: u8::try_from(automaton.first()).ok()? })
    }

    #[inline]
    fn step(&self, state: u8, byte: u8) -> u8 {
        // The mask changes nothing and saves the test of a bound.
        self.next[usize::from(state) & (N - 1)][usize::from(byte)]
    }

    #[inline]
    fn accepts(&self, state: u8) -> bool {
        self.accepting[usize::from(state) & (N - 1)]
    }

    #[inline]
    fn matches(&self, text: &[u8]) -> bool {
        self.accepts(text.iter().fold(self.start, |state, byte| self.step(state, *byte)))
    }

    fn refused(&self, text: &TextData, valid: &Rows, memory: &mut Memory) -> Bits {
        let TextData::Utf8View(array) = text else {
            return text.select(valid, memory, |text| !self.matches(text));
        };
        let mut refused = self.refused_views(array);
        valid.confine(&mut refused);
        refused
    }

    fn refused_views(&self, array: &StringViewArray) -> Bits {
        let views = array.views();
        let mut words = vec![0_u64; views.len().div_ceil(64)];
        let (eights, rest) = views.as_chunks::<LANES>();
        for (index, eight) in eights.iter().enumerate() {
            let row = index * LANES;
            let longest = eight.iter().fold(0, |longest, view| longest.max(*view as u32)) as usize;
            let refused = if longest <= INLINE {
                self.refused_inline(eight, longest)
            } else {
                let one = |lane: usize| u64::from(!self.matches(array.value(row + lane).as_bytes())) << lane;
                (0..LANES).fold(0, |refused, lane| refused | one(lane))
            };
            words[row / 64] |= refused << (row % 64);
        }
        let begin = eights.len() * LANES;
        for row in begin..begin + rest.len() {
            words[row / 64] |= u64::from(!self.matches(array.value(row).as_bytes())) << (row % 64);
        }
        Bits::of_words(words, views.len())
    }

    /// One bit per lane.
    #[inline]
    fn refused_inline(&self, views: &[u128; LANES], longest: usize) -> u64 {
        let texts: [[u8; 16]; LANES] =
            views.map(|view| (view | FILLERS[(view as u32 as usize).min(INLINE)]).to_le_bytes());
        let mut states = [self.start; LANES];
        for at in 0..longest.min(INLINE) {
            for (state, text) in states.iter_mut().zip(&texts) {
                *state = self.step(*state, text[at + 4]);
            }
        }
        let mut refused = 0;
        for (lane, state) in states.iter().enumerate() {
            refused |= u64::from(!self.accepts(*state)) << lane;
        }
        refused
    }
}
