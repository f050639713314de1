//! Regular expressions, turned into tables.
//!
//! The expression is explored once into a complete automaton over bytes; matching is then one table step per
//! byte and allocates nothing. Expressions whose every match has the same length and whose positions do not
//! depend on one another (`1[3-9]\d{9}`: most codes) become two ranges per position, and eight positions are
//! tested at once. What needs more than [`STATES_MAX`] states is refused: a city's codes need some dozens.

use std::collections::HashMap;

use regex_automata::{
    Anchored, MatchKind,
    hybrid::{LazyStateID, dfa::DFA},
    util::{start, syntax},
};

/// Most states of an automaton.
pub const STATES_MAX: usize = 8192;
/// Longest expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Longest fixed match that is kept as ranges.
const POSITIONS_MAX: usize = 64;

/// A regular expression that a whole text must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    automaton: Automaton,
    positions: Option<Positions>,
}

#[derive(Debug, Clone)]
struct Automaton {
    /// Class of a byte.
    classes: Box<[u8; 256]>,
    /// Next state by `state + class`; states are multiples of the number of classes.
    next: Vec<u32>,
    /// By state divided by the number of classes.
    accepting: Vec<bool>,
    stride: u32,
    start: u32,
    /// Of small automata: the next state by `state * 256 + byte`, so that a byte costs one step and not two.
    direct: Option<Direct>,
}

/// A small automaton by state and byte.
#[derive(Debug, Clone)]
pub struct Direct {
    next: Vec<[u16; 256]>,
    accepting: Vec<bool>,
}

impl Direct {
    /// Whether the whole of `text` matches.
    #[inline]
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut state = 0_u16;
        for byte in text {
            state = self.next[usize::from(state)][usize::from(*byte)];
        }
        self.accepting[usize::from(state)]
    }
}

/// Most states of an automaton that is also kept by byte: 32 KiB, the first cache.
const DIRECT_STATES_MAX: usize = 64;
/// Most states and pairs of states that are looked at to see whether one pattern includes another.
const INCLUSION_MAX: usize = 4096;

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

impl Pattern {
    /// Compiles an expression in RE2 syntax: `\d`, `\w` and `\s` are ASCII, everything else knows Unicode.
    ///
    /// # Errors
    /// What is wrong with it, or that it is beyond [`PATTERN_BYTES_MAX`] or [`STATES_MAX`].
    pub fn new(expression: &str) -> Result<Self, String> {
        if expression.len() > PATTERN_BYTES_MAX {
            return Err(format!("found a pattern of {} bytes, expected at most {PATTERN_BYTES_MAX}", expression.len()));
        }
        let dfa = DFA::builder()
            .configure(
                DFA::config().match_kind(MatchKind::All).cache_capacity(64 << 20).minimum_cache_clear_count(Some(0)),
            )
            .syntax(syntax::Config::new().unicode(true).utf8(true).nest_limit(64))
            .thompson(regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(1 << 20)))
            .build(&ascii_classes(expression))
            .map_err(|error| describe(expression, &error))?;
        let automaton = Automaton::explore(&dfa).map_err(|reason| format!("pattern `{expression}` {reason}"))?;
        let positions = Positions::of(&automaton);
        Ok(Self { automaton, positions })
    }

    /// Whether the whole of `text` matches.
    #[inline]
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.positions {
            Some(positions) => positions.matches(text),
            None => self.automaton.matches(text),
        }
    }

    /// The form in which eight positions are tested at once, where the pattern has one.
    #[must_use]
    pub const fn positions(&self) -> Option<&Positions> {
        self.positions.as_ref()
    }

    /// The form by byte, where the pattern is small.
    #[must_use]
    pub const fn direct(&self) -> Option<&Direct> {
        self.automaton.direct.as_ref()
    }

    /// Whether every text that matches this pattern matches `other`. False also where finding out would take long.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let (inner, outer) = (&self.automaton, &other.automaton);
        if inner.accepting.len() > INCLUSION_MAX || outer.accepting.len() > INCLUSION_MAX {
            return false;
        }
        let live = inner.live();
        let mut seen = std::collections::HashSet::from([(0, 0)]);
        let mut waiting = vec![(0, 0)];
        while let Some((state, beside)) = waiting.pop() {
            if inner.accepting[state] && !outer.accepting[beside] {
                return false;
            }
            for byte in 0..256 {
                let next = (inner.step(state, byte), outer.step(beside, byte));
                if live[next.0] && seen.insert(next) {
                    waiting.push(next);
                }
            }
            if seen.len() > INCLUSION_MAX {
                return false;
            }
        }
        true
    }
}

impl Automaton {
    #[inline]
    fn matches(&self, text: &[u8]) -> bool {
        if let Some(direct) = &self.direct {
            return direct.matches(text);
        }
        let mut state = self.start;
        for byte in text {
            state = self.next[state.wrapping_add(u32::from(self.classes[usize::from(*byte)])) as usize];
        }
        self.accepting[(state / self.stride) as usize]
    }

    /// The state after a byte; states are counted by one here.
    fn step(&self, state: usize, byte: usize) -> usize {
        let stride = self.stride as usize;
        self.next[state * stride + usize::from(self.classes[byte])] as usize / stride
    }

    /// The same automaton by byte, where it is small.
    fn with_direct(mut self) -> Self {
        let states = self.accepting.len();
        if states <= DIRECT_STATES_MAX {
            let row = |state| std::array::from_fn(|byte| u16::try_from(self.step(state, byte)).unwrap_or(0));
            let next = (0..states).map(row).collect();
            self.direct = Some(Direct { next, accepting: self.accepting.clone() });
        }
        self
    }

    /// Walks every state that any text can reach.
    fn explore(dfa: &DFA) -> Result<Self, String> {
        let mut cache = dfa.create_cache();
        let representatives: Vec<u8> =
            dfa.byte_classes().representatives(..).filter_map(regex_automata::util::alphabet::Unit::as_u8).collect();
        let mut classes = Box::new([0_u8; 256]);
        for byte in 0..=255_u8 {
            let class = dfa.byte_classes().get(byte);
            let index = representatives.iter().position(|known| dfa.byte_classes().get(*known) == class);
            // There are at most 256 classes of bytes.
            classes[usize::from(byte)] = u8::try_from(index.unwrap_or_default()).unwrap_or_default();
        }
        let stride = representatives.len();
        let too_big = || format!("needs more than {STATES_MAX} states");
        let start_config = start::Config::new().anchored(Anchored::Yes);
        let first = dfa.start_state(&mut cache, &start_config).map_err(|error| error.to_string())?;

        let mut numbers: HashMap<LazyStateID, usize> = HashMap::from([(first, 0)]);
        let mut states = vec![first];
        let mut next = Vec::new();
        let mut accepting = Vec::new();
        let mut at = 0;
        while at < states.len() {
            let state = states[at];
            let end = dfa.next_eoi_state(&mut cache, state).map_err(|_| too_big())?;
            accepting.push(end.is_match());
            for byte in &representatives {
                let to = dfa.next_state(&mut cache, state, *byte).map_err(|_| too_big())?;
                if to.is_quit() {
                    return Err("uses a word boundary that knows Unicode, expected one of ASCII: (?-u:\\b)".to_owned());
                }
                // A match tag on a state tells of the byte before; it is no part of the state's identity here.
                let number = *numbers.entry(to).or_insert_with(|| {
                    states.push(to);
                    states.len() - 1
                });
                next.push(number);
            }
            if states.len() > STATES_MAX || cache.clear_count() > 0 {
                return Err(too_big());
            }
            at += 1;
        }
        let stride32 = u32::try_from(stride).map_err(|_| too_big())?;
        let next = next.into_iter().map(|number| u32::try_from(number * stride)).collect::<Result<_, _>>();
        let next = next.map_err(|_| too_big())?;
        Ok(Self { classes, next, accepting, stride: stride32, start: 0, direct: None }.with_direct())
    }

    /// States from which a match can still be reached.
    fn live(&self) -> Vec<bool> {
        let stride = self.stride as usize;
        let mut live = self.accepting.clone();
        loop {
            let mut changed = false;
            for state in 0..live.len() {
                let row = &self.next[state * stride..(state + 1) * stride];
                if !live[state] && row.iter().any(|to| live[*to as usize / stride]) {
                    live[state] = true;
                    changed = true;
                }
            }
            if !changed {
                return live;
            }
        }
    }
}

impl Positions {
    /// The ranges, where the automaton is a chain.
    fn of(automaton: &Automaton) -> Option<Self> {
        let stride = automaton.stride as usize;
        let live = automaton.live();
        let mut ranges = Vec::new();
        let mut state = automaton.start as usize / stride;
        loop {
            let mut member = [false; 256];
            let mut only = None;
            for byte in 0..256 {
                let to = automaton.next[state * stride + usize::from(automaton.classes[byte])] as usize / stride;
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

/// Writes the Perl classes out in ASCII, as RE2 understands them; full-width digits are what we look for.
fn ascii_classes(expression: &str) -> String {
    let mut written = String::with_capacity(expression.len());
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            written.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => written.push_str("[0-9]"),
            Some('D') => written.push_str("[^0-9]"),
            Some('w') => written.push_str("[0-9A-Za-z_]"),
            Some('W') => written.push_str("[^0-9A-Za-z_]"),
            Some('s') => written.push_str("[\\t\\n\\x0B\\x0C\\r ]"),
            Some('S') => written.push_str("[^\\t\\n\\x0B\\x0C\\r ]"),
            Some('b') => written.push_str("(?-u:\\b)"),
            Some('B') => written.push_str("(?-u:\\B)"),
            Some(other) => {
                written.push('\\');
                written.push(other);
            }
            None => written.push('\\'),
        }
    }
    written
}

/// The innermost reason: outer ones only say that building failed.
fn describe(expression: &str, error: &dyn std::error::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let reason = innermost.to_string();
    let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    format!("found pattern `{expression}`, expected a regular expression of RE2: {last}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        let pattern = Pattern::new(r"1[3-9]\d{9}").unwrap();
        assert!(pattern.positions.is_some());
        assert!(pattern.matches(b"13812345678"));
        for wrong in ["1381234567", "138123456789", "12812345678", "１3812345678", "", "1381234567x"] {
            assert!(!pattern.matches(wrong.as_bytes()), "{wrong}");
        }
        let pattern = Pattern::new("a|ab").unwrap();
        assert!(pattern.matches(b"ab") && pattern.matches(b"a") && !pattern.matches(b"abb"));
    }

    #[test]
    fn a_stricter_pattern_is_within_a_weaker_one() {
        let within = |inner: &str, outer: &str| Pattern::new(inner).unwrap().is_within(&Pattern::new(outer).unwrap());
        assert!(within(r"1[3-9]\d{9}", r"1\d{10}") && !within(r"1\d{10}", r"1[3-9]\d{9}"));
        assert!(within(r"\d{17}[\dX]", r"(?s:.{18})") && !within(r"\d{17}[\dX]", r"(?s:.{17})"));
        assert!(within("[一-龥]{2,4}", "(?s:.{2,20})") && !within("[一-龥]{2,4}", "(?s:.{3,20})"));
        assert!(within("a", "a|b") && within("a|b", "b|a") && !within("a*", "a+"));
    }

    #[test]
    fn anchors_a_person_wrote_change_nothing() {
        for expression in [r"^\d{2}$", r"\d{2}", r"^\d{2}", r"\A\d{2}\z"] {
            let pattern = Pattern::new(expression).unwrap();
            assert!(pattern.matches(b"12") && !pattern.matches(b"123") && !pattern.matches(b"1"), "{expression}");
        }
    }

    #[test]
    fn digits_are_ascii_and_other_classes_know_chinese() {
        assert!(!Pattern::new(r"[\d-]+").unwrap().matches("１".as_bytes()));
        assert!(Pattern::new(r"[\d-]+").unwrap().matches(b"0539-1"));
        assert!(Pattern::new(r"\p{Han}{2,4}").unwrap().matches("欧阳修".as_bytes()));
        assert!(Pattern::new("[一-龥·]+").unwrap().matches("买买提·艾力".as_bytes()));
        assert!(Pattern::new("..").unwrap().matches("沂河".as_bytes()));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_text() {
        let refusal = Pattern::new("(a").unwrap_err();
        assert!(refusal.contains("`(a`") && refusal.contains("unclosed"), "{refusal}");
        let refusal = Pattern::new(r"(\p{L}{300}){300}").unwrap_err();
        assert!(refusal.contains("expected") || refusal.contains("states"), "{refusal}");
        let refusal = Pattern::new(r"[ab]*a[ab]{14}").unwrap_err();
        assert!(refusal.contains("states"), "{refusal}");
    }

    proptest! {
        /// Inclusion is believed only where it holds.
        #[test]
        fn a_text_of_the_inner_pattern_matches_the_outer(text in "[0-9X中a]{0,20}|[0-9]{17}[0-9X]|1[0-9]{10}", inner in 0_usize..8, outer in 0_usize..8) {
            let expressions =
                [r"\d{17}[\dX]", "[1-9].*", r"1[3-9]\d{9}", r"1\d{10}", ".*", r"(?s:.{2,18})", "[0-9X]+", "中?a*"];
            let (inner, outer) = (Pattern::new(expressions[inner]).unwrap(), Pattern::new(expressions[outer]).unwrap());
            if inner.is_within(&outer) && inner.matches(text.as_bytes()) {
                prop_assert!(outer.matches(text.as_bytes()));
            }
        }

        /// The table says what the library says.
        #[test]
        fn tables_agree_with_the_library(text in "[0-9Xxab１中-]{0,20}|[0-9]{5}|[0-9]{17}[0-9Xx]", which in 0_usize..9) {
            let expression = [
                r"\d{17}[\dX]", "(?:ab|a)*", r"[^a]{2,5}", "", r"\d+(-\d+)?", ".*中.*", r"\d{5}", "[0-9a-b]{3}", r"\d{16}..",
            ][which];
            let library = regex::Regex::new(&format!("^(?:{})$", ascii_classes(expression))).unwrap();
            prop_assert_eq!(Pattern::new(expression).unwrap().matches(text.as_bytes()), library.is_match(&text));
        }
    }
}
