//! Complete automata over bytes: one table step per byte.

use std::collections::{HashMap, HashSet};

use regex_automata::{
    Anchored,
    hybrid::{LazyStateID, dfa::DFA},
    util::start,
};

use super::STATES_MAX;

/// Most states and pairs of states that are looked at to see whether one pattern includes another.
const INCLUSION_MAX: usize = 4096;
/// Most states that are brought to the fewest.
const MINIMAL_MAX: usize = 1024;

/// An automaton that has a next state for every byte.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    /// Class of a byte.
    pub classes: Box<[u8; 256]>,
    /// Next state by `state + class`; states are multiples of the number of classes.
    pub next: Vec<u32>,
    /// By state divided by the number of classes.
    pub accepting: Vec<bool>,
    pub stride: u32,
    pub start: u32,
}

impl Automaton {
    /// Whether the whole of `text` matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        for byte in text {
            state = self.next[state.wrapping_add(u32::from(self.classes[usize::from(*byte)])) as usize];
        }
        self.accepting[(state / self.stride) as usize]
    }

    /// The state after a byte; states are counted by one here.
    pub fn step(&self, state: usize, byte: usize) -> usize {
        let stride = self.stride as usize;
        self.next[state * stride + usize::from(self.classes[byte])] as usize / stride
    }

    /// The state before the first byte, counted by one.
    pub fn first(&self) -> usize {
        (self.start / self.stride) as usize
    }

    /// Whether every text that matches this automaton matches `outer`. False also where finding out would take long.
    pub fn is_within(&self, outer: &Self) -> bool {
        if self.accepting.len() > INCLUSION_MAX || outer.accepting.len() > INCLUSION_MAX {
            return false;
        }
        let live = self.live();
        let first = (self.first(), outer.first());
        let mut seen = HashSet::from([first]);
        let mut waiting = vec![first];
        while let Some((state, beside)) = waiting.pop() {
            if self.accepting[state] && !outer.accepting[beside] {
                return false;
            }
            for byte in 0..256 {
                let next = (self.step(state, byte), outer.step(beside, byte));
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

    /// The automaton of the texts that match both; `None` where there is no such text, or it would be large.
    pub fn both(&self, other: &Self) -> Option<Self> {
        let (live, other_live) = (self.live(), other.live());
        // Bytes that neither automaton tells apart are one class.
        let mut pairs: Vec<(u8, u8)> = Vec::new();
        let mut classes = Box::new([0_u8; 256]);
        let mut representatives = Vec::new();
        for byte in 0..256 {
            let pair = (self.classes[byte], other.classes[byte]);
            let class = pairs.iter().position(|known| *known == pair).unwrap_or_else(|| {
                pairs.push(pair);
                representatives.push(byte);
                pairs.len() - 1
            });
            classes[byte] = u8::try_from(class).ok()?;
        }
        // Every pair from which no match can be reached is the first state here.
        let mut numbers: HashMap<(usize, usize), usize> = HashMap::new();
        let mut states = vec![None, Some((self.first(), other.first()))];
        let (mut next, mut accepting) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(state) = states.get(at).copied() {
            accepting.push(state.is_some_and(|(one, two)| self.accepting[one] && other.accepting[two]));
            for byte in &representatives {
                let to = state.map(|(one, two)| (self.step(one, *byte), other.step(two, *byte)));
                next.push(match to.filter(|(one, two)| live[*one] && other_live[*two]) {
                    None => 0,
                    Some(pair) => *numbers.entry(pair).or_insert_with(|| {
                        states.push(Some(pair));
                        states.len() - 1
                    }),
                });
            }
            if states.len() > INCLUSION_MAX {
                return None;
            }
            at += 1;
        }
        if !accepting.contains(&true) {
            return None;
        }
        let stride = representatives.len();
        let next = next.into_iter().map(|state| u32::try_from(state * stride)).collect::<Result<_, _>>().ok()?;
        let stride = u32::try_from(stride).ok()?;
        Some(Self { classes, next, accepting, stride, start: stride }.minimal())
    }

    /// The same automaton with the fewest states, where finding them takes no time.
    pub fn minimal(self) -> Self {
        let (states, stride) = (self.accepting.len(), self.stride as usize);
        if states > MINIMAL_MAX {
            return self;
        }
        // States are alike until a byte leads them to states that are not (Moore).
        let mut group: Vec<u32> = self.accepting.iter().map(|accepting| u32::from(*accepting)).collect();
        let mut groups = 0;
        loop {
            let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
            let mut finer = Vec::with_capacity(states);
            for state in 0..states {
                let row = &self.next[state * stride..(state + 1) * stride];
                let mut says = Vec::with_capacity(stride + 1);
                says.push(group[state]);
                says.extend(row.iter().map(|to| group[*to as usize / stride]));
                let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
                finer.push(*known.entry(says).or_insert(number));
            }
            let count = known.len();
            group = finer;
            if count == groups {
                break;
            }
            groups = count;
        }
        let mut next = vec![0; groups * stride];
        let mut accepting = vec![false; groups];
        for state in 0..states {
            let to = group[state] as usize;
            accepting[to] = self.accepting[state];
            for class in 0..stride {
                // The states of `self` are counted by the same stride, and there are no more groups than states.
                next[to * stride + class] = group[self.next[state * stride + class] as usize / stride] * self.stride;
            }
        }
        let start = group[self.first()] * self.stride;
        Self { classes: self.classes, next, accepting, stride: self.stride, start }
    }

    /// Walks every state that any text can reach.
    ///
    /// # Errors
    /// There are more than [`STATES_MAX`], or the expression asks what no table can tell.
    pub fn explore(dfa: &DFA) -> Result<Self, String> {
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
        Ok(Self { classes, next, accepting, stride: stride32, start: 0 }.minimal())
    }

    /// States from which a match can still be reached.
    pub fn live(&self) -> Vec<bool> {
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
