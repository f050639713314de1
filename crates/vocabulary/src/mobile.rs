//! Mobile telephone numbers.

use std::str::FromStr;

use crate::text_form::{ascii, character_at, text_form};

/// An 11-digit mobile number of mainland China: `1`, then 3–9, then nine digits.
///
/// Thirteen-digit numbers exist for machines, not for people; they are a defect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mobile([u8; 11]);

text_form!(Mobile);

/// Why a text is no mobile number. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MobileDefect {
    /// Not 11 characters.
    #[error("found {found} characters, expected 11")]
    Length {
        /// Characters found.
        found: usize,
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

/// Finds the first defect, left to right. Allocates nothing.
///
/// # Errors
/// The first defect.
pub fn check(text: &[u8]) -> Result<(), MobileDefect> {
    let Ok(bytes) = <&[u8; 11]>::try_from(text) else {
        let found = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
        return Err(MobileDefect::Length { found });
    };
    for (index, byte) in bytes.iter().enumerate() {
        let (fits, expected) = match index {
            0 => (*byte == b'1', "1"),
            1 => ((b'3'..=b'9').contains(byte), "a digit from 3 to 9"),
            _ => (byte.is_ascii_digit(), "a digit"),
        };
        if !fits {
            let position = index + 1;
            return Err(MobileDefect::Character { position, found: character_at(bytes, position), expected });
        }
    }
    Ok(())
}

/// Whether [`check`] finds nothing.
#[inline]
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 11]>::try_from(text) else { return false };
    bytes[0] == b'1' && matches!(bytes[1], b'3'..=b'9') && bytes.iter().all(u8::is_ascii_digit)
}

impl Mobile {
    /// The 11 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl FromStr for Mobile {
    type Err = MobileDefect;

    fn from_str(text: &str) -> Result<Self, MobileDefect> {
        check(text.as_bytes())?;
        Ok(Self(text.as_bytes().try_into().expect("the check admits 11 bytes only")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_name_their_place() {
        assert!("13905391234".parse::<Mobile>().is_ok());
        let defect = |text: &str| text.parse::<Mobile>().unwrap_err().to_string();
        assert_eq!(defect("23905391234"), "found `2` at position 1, expected 1");
        assert_eq!(defect("12905391234"), "found `2` at position 2, expected a digit from 3 to 9");
        assert_eq!(defect("139-5391234"), "found `-` at position 4, expected a digit");
        assert_eq!(defect("1390539123"), "found 10 characters, expected 11");
        for text in ["13905391234", "23905391234", "12905391234", "139-5391234", "1390539123", "139053912345", ""] {
            assert_eq!(is_valid(text.as_bytes()), check(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
