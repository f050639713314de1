//! Regular expressions, turned into tables.
//!
//! The expression is explored once into a complete automaton over bytes; matching is then one table step per
//! byte and allocates nothing. Expressions whose every match has the same length and whose positions do not
//! depend on one another (`1[3-9]\d{9}`: most codes) become two ranges per position, and eight positions are
//! tested at once ([`Positions`]); others of few states take eight short texts side by side ([`Small`]). What needs
//! more than [`STATES_MAX`] states is refused: a city's codes need some dozens.

mod automaton;
mod positions;
mod small;

use std::sync::Arc;

use regex_automata::{MatchKind, hybrid::dfa::DFA, util::syntax};

use automaton::Automaton;
pub use positions::Positions;
pub use small::Small;

use crate::{
    bits::{Bits, Rows},
    column::{Memory, TextData},
};

/// Most states of an automaton.
pub const STATES_MAX: usize = 8192;
/// Longest expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;

/// A regular expression that a whole text must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    automaton: Automaton,
    form: Form,
}

/// In what form a pattern is asked of many texts.
#[derive(Debug, Clone)]
pub enum Form {
    /// Two ranges per position.
    Positions(Positions),
    /// By state and byte.
    Small(Arc<Small>),
    /// By state and class of byte.
    Walked,
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
        Ok(Self::of(automaton))
    }

    fn of(automaton: Automaton) -> Self {
        let form = match Positions::of(&automaton) {
            Some(positions) => Form::Positions(positions),
            None => Small::of(&automaton).map_or(Form::Walked, |small| Form::Small(Arc::new(small))),
        };
        Self { automaton, form }
    }

    /// Whether the whole of `text` matches.
    #[inline]
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.form {
            Form::Positions(positions) => positions.matches(text),
            Form::Small(_) | Form::Walked => self.automaton.matches(text),
        }
    }

    /// Which rows among `valid` do not match.
    #[must_use]
    pub fn refused(&self, text: &TextData, valid: &Rows, memory: &mut Memory) -> Bits {
        // The form is known outside the loop.
        match &self.form {
            Form::Positions(positions) => text.select(valid, memory, |text| !positions.matches(text)),
            Form::Small(small) if text.is_utf8() => small.refused(text, valid, memory),
            Form::Small(_) | Form::Walked => text.select(valid, memory, |text| !self.automaton.matches(text)),
        }
    }

    /// The form in which many texts are asked.
    #[must_use]
    pub const fn form(&self) -> &Form {
        &self.form
    }

    /// The pattern of the texts that match this one and `other`; `None` where there is no such text, or it would be
    /// large.
    #[must_use]
    pub fn both(&self, other: &Self) -> Option<Self> {
        self.automaton.both(&other.automaton).map(Self::of)
    }

    /// Whether every text that matches this pattern matches `other`. False also where finding out would take long.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.automaton.is_within(&other.automaton)
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
        assert!(matches!(pattern.form, Form::Positions(_)));
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
        /// Of two patterns together match the texts that match each.
        #[test]
        fn both_is_each(text in "[一二]{0,5}|[0-9X中a]{0,20}|[0-9]{17}[0-9X]", one in 0_usize..8, two in 0_usize..8) {
            let expressions =
                ["[一-龥·]{2,20}", "(?s:.{2,4})", r"\d{17}[\dX]", "[1-9].*", ".*", "[0-9X]+", "中?a*", r"(?s:.{18})"];
            let (one, two) = (Pattern::new(expressions[one]).unwrap(), Pattern::new(expressions[two]).unwrap());
            let expected = one.matches(text.as_bytes()) && two.matches(text.as_bytes());
            prop_assert_eq!(one.both(&two).is_some_and(|both| both.matches(text.as_bytes())), expected);
        }

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
