//! Codes of government service items (政务服务事项编码).

use std::str::FromStr;

use crate::{
    credit_code::{self, CreditCodeDefect},
    text_form::{ascii, character_at, text_form},
};

/// Basic code (基本编码), 12 digits: 2 province (`00` national), 2 type, 5 main item, 3 sub-item.
///
/// # Source
/// GB/T 39554.1-2020.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BasicItemCode([u8; 12]);

/// Implementation code (实施编码), 31 characters: 18 credit code of the body that handles the item,
/// 1 level (1 state … 6 village), 12 basic code.
///
/// # Source
/// GB/T 39554.1-2020.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemCode([u8; 31]);

text_form!(BasicItemCode, ItemCode);

/// Why a text is no item code. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemCodeDefect {
    /// Not 12 or 31 characters, whichever was asked for.
    #[error("found {found} characters, expected {expected}")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters expected.
        expected: usize,
    },
    /// The first 18 characters are no credit code.
    #[error("the first 18 characters are no credit code")]
    Body {
        /// Its defect.
        source: CreditCodeDefect,
    },
    /// A character that cannot stand there.
    #[error("found `{found}` at position {position}, expected {expected}")]
    Character {
        /// Where.
        position: usize,
        /// The character there.
        found: char,
        /// What may stand there.
        expected: &'static str,
    },
}

/// Finds the first defect of a 31-character implementation code. Allocates nothing.
///
/// # Errors
/// The first defect, left to right.
pub fn check(text: &[u8]) -> Result<(), ItemCodeDefect> {
    let Some((body, rest)) = text.split_first_chunk::<18>().filter(|_| text.len() == 31) else {
        return Err(ItemCodeDefect::Length { found: text.len(), expected: 31 });
    };
    credit_code::check(body).map_err(|source| ItemCodeDefect::Body { source })?;
    if !(b'1'..=b'6').contains(&rest[0]) {
        return Err(strange(text, 19, "a level from 1 (state) to 6 (village)"));
    }
    all_digits(text, 19)
}

/// Whether [`check`] finds nothing.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    check(text).is_ok()
}

/// Finds the first defect of a 12-digit basic code. Allocates nothing.
///
/// # Errors
/// The first defect, left to right.
pub fn check_basic(text: &[u8]) -> Result<(), ItemCodeDefect> {
    if text.len() != 12 {
        return Err(ItemCodeDefect::Length { found: text.len(), expected: 12 });
    }
    all_digits(text, 0)
}

fn all_digits(text: &[u8], from: usize) -> Result<(), ItemCodeDefect> {
    match text[from..].iter().position(|byte| !byte.is_ascii_digit()) {
        None => Ok(()),
        Some(index) => Err(strange(text, from + index + 1, "a digit")),
    }
}

fn strange(text: &[u8], position: usize, expected: &'static str) -> ItemCodeDefect {
    ItemCodeDefect::Character { position, found: character_at(text, position), expected }
}

impl BasicItemCode {
    /// The 12 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// Item type: 01 licence, 02 penalty … 20 public service; the list is a code table.
    #[must_use]
    pub fn item_type(&self) -> &str {
        ascii(&self.0[2..4])
    }
}

impl ItemCode {
    /// The 31 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// Credit code of the body that handles the item.
    #[must_use]
    pub fn body(&self) -> &str {
        ascii(&self.0[..18])
    }

    /// Level of exercise, 1 (state) to 6 (village).
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.0[18] - b'0'
    }

    /// The basic code inside.
    #[must_use]
    pub fn basic(&self) -> BasicItemCode {
        BasicItemCode(*self.0.last_chunk().expect("31 characters end with 12"))
    }
}

impl FromStr for BasicItemCode {
    type Err = ItemCodeDefect;

    fn from_str(text: &str) -> Result<Self, ItemCodeDefect> {
        check_basic(text.as_bytes())?;
        Ok(Self(text.as_bytes().try_into().expect("the check admits 12 bytes only")))
    }
}

impl FromStr for ItemCode {
    type Err = ItemCodeDefect;

    fn from_str(text: &str) -> Result<Self, ItemCodeDefect> {
        check(text.as_bytes())?;
        Ok(Self(text.as_bytes().try_into().expect("the check admits 31 bytes only")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a published implementation list.
    const PUBLISHED: &str = "11370800MB285591843370117002011";

    #[test]
    fn a_published_code_is_read_part_by_part() {
        let code: ItemCode = PUBLISHED.parse().unwrap();
        assert_eq!((code.body(), code.level()), ("11370800MB28559184", 3));
        assert_eq!(code.basic().as_str(), "370117002011");
        assert_eq!(code.basic().item_type(), "01");
        assert_eq!("370117002011".parse::<BasicItemCode>().unwrap(), code.basic());
    }

    #[test]
    fn defects_name_their_place() {
        let defect = |text: &str| text.parse::<ItemCode>().unwrap_err();
        assert_eq!(defect("1137").to_string(), "found 4 characters, expected 31");
        assert!(matches!(defect("11370800MB285591853370117002011"), ItemCodeDefect::Body { .. }));
        assert_eq!(
            defect("11370800MB285591847370117002011").to_string(),
            "found `7` at position 19, expected a level from 1 (state) to 6 (village)"
        );
        assert_eq!(defect("11370800MB28559184337011700201A").to_string(), "found `A` at position 31, expected a digit");
    }
}
