//! Rules that look at one text: `pattern`, `length`, `code_list`, `check_digit`.

use std::sync::Arc;

use yihe_definitions::rule::Identifier;
use yihe_vocabulary as vocabulary;

use crate::{
    bits::{Bits, Rows},
    column::{Memory, Reading},
    key::KeyMap,
    pattern::{Form, Pattern},
    rules::{Batch, Plan, Slot, Verdict, code_list::part_of},
};

/// One column, read as text, and what is asked of it.
#[derive(Debug)]
pub struct TextRule {
    slot: Slot,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Pattern(Pattern),
    Length {
        min: usize,
        max: usize,
    },
    OneOf(Arc<KeyMap>),
    /// These characters, first and last, are one of the codes.
    PartOf(Arc<KeyMap>, (u32, u32)),
    Identifier(Identifier),
}

impl TextRule {
    /// The whole text matches.
    ///
    /// # Errors
    /// No such column, or the expression is none.
    pub fn pattern(column: &str, pattern: &str, plan: &mut Plan<'_>) -> Result<Self, String> {
        Ok(Self { slot: plan.slot(column, Reading::Text)?, test: Test::Pattern(Pattern::new(pattern)?) })
    }

    /// Characters, not bytes, are counted.
    ///
    /// # Errors
    /// No such column, no bound, or bounds that leave nothing.
    pub fn length(column: &str, min: Option<u32>, max: Option<u32>, plan: &mut Plan<'_>) -> Result<Self, String> {
        if min.is_none() && max.is_none() {
            return Err("has neither `min` nor `max`, expected one or both".to_owned());
        }
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(u32::MAX));
        if min > max {
            return Err(format!("asks for {min} to {max} characters, expected min ≤ max"));
        }
        let test = Test::Length { min: min as usize, max: max as usize };
        Ok(Self { slot: plan.slot(column, Reading::Text)?, test })
    }

    /// The text, or some characters of it, is one of these codes.
    ///
    /// # Errors
    /// No such column.
    pub fn one_of(
        column: &str,
        codes: Arc<KeyMap>,
        characters: Option<(u32, u32)>,
        plan: &mut Plan<'_>,
    ) -> Result<Self, String> {
        let test = match characters {
            None => Test::OneOf(codes),
            Some(part) => Test::PartOf(codes, part),
        };
        Ok(Self { slot: plan.slot(column, Reading::Text)?, test })
    }

    /// The text is an identifier of this kind.
    ///
    /// # Errors
    /// No such column.
    pub fn identifier(column: &str, identifier: Identifier, plan: &mut Plan<'_>) -> Result<Self, String> {
        Ok(Self { slot: plan.slot(column, Reading::Text)?, test: Test::Identifier(identifier) })
    }

    /// Where the text stands.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Patterns that tell what the test asks for: the first has every text that passes and perhaps more, the second
    /// no text that fails and perhaps fewer. `None` where there is none, or it would be long.
    #[must_use]
    pub fn patterns(&self) -> (Option<Pattern>, Option<Pattern>) {
        /// Longest lengths that become patterns.
        const SIZE_MAX: usize = 64;
        let same = |expression: String| {
            let pattern = Pattern::new(&expression).ok();
            (pattern.clone(), pattern)
        };
        match &self.test {
            Test::Pattern(pattern) => (Some(pattern.clone()), Some(pattern.clone())),
            Test::Length { min, max } if *min <= SIZE_MAX && *max <= SIZE_MAX => {
                (None, Pattern::new(&format!("(?s:.{{{min},{max}}})")).ok())
            }
            Test::Length { min, max } if *min <= SIZE_MAX && *max == u32::MAX as usize => {
                (None, Pattern::new(&format!("(?s:.{{{min},}})")).ok())
            }
            Test::Length { .. } | Test::OneOf(_) | Test::PartOf(..) => (None, None),
            Test::Identifier(identifier) => match identifier {
                Identifier::CitizenId => (Pattern::new(r"[1-9]\d{16}[\dX]").ok(), None),
                Identifier::CitizenIdLegacy => (Pattern::new(r"\d{15}|\d{17}[\dX]").ok(), None),
                Identifier::CreditCode => (Pattern::new("[0-9A-Z]{18}").ok(), None),
                Identifier::OrganisationCode => (Pattern::new("[0-9A-Z]{8}-?[0-9X]").ok(), None),
                Identifier::Mobile => same(r"1[3-9]\d{9}".to_owned()),
                Identifier::PostalCode => same(r"\d{6}".to_owned()),
                Identifier::CertificateId | Identifier::ServiceItem | Identifier::RealEstateUnit => (None, None),
            },
        }
    }

    /// The identifier that is asked for, if one is.
    #[must_use]
    pub const fn identifier_asked(&self) -> Option<Identifier> {
        match &self.test {
            Test::Identifier(identifier) => Some(*identifier),
            Test::Pattern(_) | Test::Length { .. } | Test::OneOf(_) | Test::PartOf(..) => None,
        }
    }

    /// Whether the test goes through the text byte by byte.
    #[must_use]
    pub const fn is_walked(&self) -> bool {
        matches!(&self.test, Test::Pattern(pattern) if !matches!(pattern.form(), Form::Positions(_)))
    }

    /// As [`Self::judge`], where only `suspects` can fail.
    #[must_use]
    pub fn judge_suspects(&self, batch: &Batch<'_>, suspects: &Bits) -> Verdict {
        let column = batch.column(self.slot);
        let mut failed = Bits::none(batch.rows());
        if let Some(text) = column.text() {
            for row in suspects.iter().filter(|row| !self.passes(text.value(*row))) {
                failed.insert(row);
            }
        }
        column.valid.confine(&mut failed);
        Verdict { evaluated: column.valid.clone(), failed }
    }

    fn passes(&self, text: &[u8]) -> bool {
        match &self.test {
            Test::Pattern(pattern) => pattern.matches(text),
            Test::Length { min, max } => (*min..=*max).contains(&characters(text)),
            Test::OneOf(codes) => codes.contains(text),
            Test::PartOf(codes, part) => codes.contains(part_of(text, *part)),
            Test::Identifier(identifier) => is_identifier(*identifier, text),
        }
    }

    /// Rows with a value are evaluated.
    #[must_use]
    pub fn judge(&self, batch: &Batch<'_>, memory: &mut Memory) -> Verdict {
        let column = batch.column(self.slot);
        let Some(text) = column.text() else {
            return Verdict { evaluated: Rows::Some(Bits::none(batch.rows())), failed: Bits::none(batch.rows()) };
        };
        let valid = &column.valid;
        // One loop per test, so that the test is known inside the loop.
        let failed = match &self.test {
            Test::Pattern(pattern) => pattern.refused(text, valid, memory),
            Test::Length { min, max } => text.select(valid, memory, |text| !(*min..=*max).contains(&characters(text))),
            Test::OneOf(codes) => text.select(valid, memory, |text| !codes.contains(text)),
            Test::PartOf(codes, part) => text.select(valid, memory, |text| !codes.contains(part_of(text, *part))),
            Test::Identifier(Identifier::CitizenId) => {
                let mut failed = batch.citizens(self.slot, memory).complement();
                valid.confine(&mut failed);
                failed
            }
            Test::Identifier(Identifier::CreditCode) => {
                text.select(valid, memory, |text| !vocabulary::credit_code::is_valid(text))
            }
            Test::Identifier(Identifier::Mobile) => {
                text.select(valid, memory, |text| !vocabulary::mobile::is_valid(text))
            }
            Test::Identifier(identifier) => text.select(valid, memory, |text| !is_identifier(*identifier, text)),
        };
        Verdict { evaluated: valid.clone(), failed }
    }
}

/// Characters of UTF-8: bytes that do not continue one, counted eight at a time.
#[inline]
fn characters(text: &[u8]) -> usize {
    /// Continuations are 10xxxxxx: the high bit set and the next one not. The product adds the bytes up.
    const fn continuations(word: u64) -> u64 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        ((word >> 7) & !(word >> 6) & ONES).wrapping_mul(ONES) >> 56
    }
    // Names and codes: two words that may overlap, the overlap shifted out of the second.
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>())
        && text.len() <= 16
    {
        let rest = u64::from_le_bytes(*last).unbounded_shr((16 - text.len() as u32) * 8);
        return text.len() - (continuations(u64::from_le_bytes(*first)) + continuations(rest)) as usize;
    }
    let (words, rest) = text.as_chunks::<8>();
    let mut continued = 0;
    for word in words {
        continued += continuations(u64::from_le_bytes(*word));
    }
    continued += continuations(crate::key::short_word(rest));
    text.len() - continued as usize
}

/// Whether a text is an identifier of a kind, exactly as it stands: no trimming, no case folding.
#[must_use]
pub fn is_identifier(identifier: Identifier, text: &[u8]) -> bool {
    match identifier {
        Identifier::CitizenId => vocabulary::citizen_id::is_valid(text),
        Identifier::CitizenIdLegacy => vocabulary::citizen_id::is_valid(text) || is_legacy_citizen_id(text),
        Identifier::CreditCode => vocabulary::credit_code::is_valid(text),
        Identifier::OrganisationCode => match text {
            [first @ .., b'-', check] if first.len() == 8 => {
                let mut joined = [*check; 9];
                joined[..8].copy_from_slice(first);
                vocabulary::organisation_code::is_valid(&joined)
            }
            _ => vocabulary::organisation_code::is_valid(text),
        },
        Identifier::CertificateId => vocabulary::certificate_id::is_valid(text),
        Identifier::ServiceItem => vocabulary::item_code::is_valid(text),
        Identifier::RealEstateUnit => vocabulary::real_estate_unit::is_valid(text),
        Identifier::Mobile => vocabulary::mobile::is_valid(text),
        Identifier::PostalCode => text.len() == 6 && text.iter().all(u8::is_ascii_digit),
    }
}

/// The 15-digit form of before 1999: 6 division, 6 birth date, 3 sequence, no check character.
fn is_legacy_citizen_id(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text.len() == 15 && vocabulary::CitizenId::from_legacy15(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_as_people_count_them() {
        for (text, expected) in
            [("", 0), ("abc", 3), ("沂河", 2), ("𠮷野家的牛肉饭", 7), ("é", 1), ("12345678", 8), ("1234567é9", 9)]
        {
            assert_eq!(characters(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn every_identifier_has_a_good_and_a_broken_example() {
        for (identifier, good, broken) in [
            (Identifier::CitizenId, "11010519491231002X", "110105194912310021"),
            (Identifier::CitizenIdLegacy, "110105491231002", "110105491331002"),
            (Identifier::CreditCode, "91350100M000100Y43", "91350100M000100Y44"),
            (Identifier::OrganisationCode, "M000100Y-4", "M000100Y-5"),
            (Identifier::OrganisationCode, "M000100Y4", "M000100Y5"),
            (Identifier::ServiceItem, "11370800MB285591843370117002011", "11370800MB285591853370117002011"),
            (Identifier::RealEstateUnit, "371302001001GB00001F00010001", "371302001001GQ00001F00010001"),
            (Identifier::Mobile, "13812345678", "12812345678"),
            (Identifier::PostalCode, "276000", "27600"),
        ] {
            assert!(is_identifier(identifier, good.as_bytes()), "{identifier:?} {good}");
            assert!(!is_identifier(identifier, broken.as_bytes()), "{identifier:?} {broken}");
        }
    }
}
