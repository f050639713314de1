//! Division codes (行政区划代码).

use std::str::FromStr;

use crate::text_form::{ascii, character_at, text_form};

/// A code of 6 digits (province, city, county: GB/T 2260), 9 (street or town: GB/T 10114) or 12
/// (village or community: statistical code). Functional zones have local codes of the same build.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DivisionCode {
    digits: [u8; 12],
    length: u8,
}

text_form!(DivisionCode);

impl std::fmt::Debug for DivisionCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DivisionCode({})", self.as_str())
    }
}

/// Why a text is no division code. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DivisionCodeDefect {
    /// Not 6, 9 or 12 characters.
    #[error("found {found} characters, expected 6, 9 or 12")]
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

/// How far down a division stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DivisionLevel {
    /// 省级
    Province,
    /// 地级
    City,
    /// 县级, functional zones among them
    County,
    /// 乡级: streets, towns
    Town,
    /// 村级: villages, communities
    Village,
}

impl DivisionLevel {
    /// The word in division files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Town => "town",
            Self::Village => "village",
        }
    }
}

impl FromStr for DivisionLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Province, Self::City, Self::County, Self::Town, Self::Village]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("found level `{text}`, expected province, city, county, town or village"))
    }
}

/// Finds the first defect, left to right. Allocates nothing.
///
/// # Errors
/// The first defect.
pub fn check(text: &[u8]) -> Result<(), DivisionCodeDefect> {
    if ![6, 9, 12].contains(&text.len()) {
        return Err(DivisionCodeDefect::Length { found: text.len() });
    }
    for (index, byte) in text.iter().enumerate() {
        let (fits, expected) = match index {
            0 => ((b'1'..=b'9').contains(byte), "a digit from 1 to 9"),
            _ => (byte.is_ascii_digit(), "a digit"),
        };
        if !fits {
            let position = index + 1;
            return Err(DivisionCodeDefect::Character { position, found: character_at(text, position), expected });
        }
    }
    Ok(())
}

/// Whether [`check`] finds nothing.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    check(text).is_ok()
}

impl DivisionCode {
    /// The digits as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.digits[..usize::from(self.length)])
    }

    /// Level by the digits that are not a zero tail: `371300` is a city, `371302000000` a county.
    #[must_use]
    pub fn level(&self) -> DivisionLevel {
        if self.digits[9..] != *b"000" {
            DivisionLevel::Village
        } else if self.digits[6..9] != *b"000" {
            DivisionLevel::Town
        } else if self.digits[4..6] != *b"00" {
            DivisionLevel::County
        } else if self.digits[2..4] != *b"00" {
            DivisionLevel::City
        } else {
            DivisionLevel::Province
        }
    }

    /// The shortest code of the same division: `371302000000` becomes `371302`.
    #[must_use]
    pub fn shortest(&self) -> Self {
        let length = match self.level() {
            DivisionLevel::Province | DivisionLevel::City | DivisionLevel::County => 6,
            DivisionLevel::Town => 9,
            DivisionLevel::Village => 12,
        };
        Self { digits: self.digits, length }
    }

    /// Whether `other` is this division or lies in it, by digits alone.
    ///
    /// ```
    /// use yihe_vocabulary::DivisionCode;
    /// let city: DivisionCode = "371300".parse()?;
    /// assert!(city.covers(&"371302001003".parse()?));
    /// assert!(!city.covers(&"370102".parse()?));
    /// # Ok::<(), yihe_vocabulary::DivisionCodeDefect>(())
    /// ```
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let significant = match self.level() {
            DivisionLevel::Province => 2,
            DivisionLevel::City => 4,
            DivisionLevel::County => 6,
            DivisionLevel::Town => 9,
            DivisionLevel::Village => 12,
        };
        self.digits[..significant] == other.digits[..significant]
    }
}

impl FromStr for DivisionCode {
    type Err = DivisionCodeDefect;

    fn from_str(text: &str) -> Result<Self, DivisionCodeDefect> {
        check(text.as_bytes())?;
        let mut digits = [b'0'; 12];
        digits[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { digits, length: u8::try_from(text.len()).expect("at most twelve") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_follows_from_the_digits() {
        let level = |text: &str| text.parse::<DivisionCode>().unwrap().level();
        assert_eq!(level("370000"), DivisionLevel::Province);
        assert_eq!(level("371300"), DivisionLevel::City);
        assert_eq!(level("371302"), DivisionLevel::County);
        assert_eq!(level("371302000000"), DivisionLevel::County);
        assert_eq!(level("371302001"), DivisionLevel::Town);
        assert_eq!(level("371302001003"), DivisionLevel::Village);
        assert_eq!("371302000000".parse::<DivisionCode>().unwrap().shortest().as_str(), "371302");
    }

    #[test]
    fn defects_name_their_place() {
        let defect = |text: &str| text.parse::<DivisionCode>().unwrap_err().to_string();
        assert_eq!(defect("3713"), "found 4 characters, expected 6, 9 or 12");
        assert_eq!(defect("37130X"), "found `X` at position 6, expected a digit");
        assert_eq!(defect("071302"), "found `0` at position 1, expected a digit from 1 to 9");
    }

    #[test]
    fn every_level_reads_its_own_word() {
        assert_eq!("town".parse(), Ok(DivisionLevel::Town));
        assert!("street".parse::<DivisionLevel>().is_err());
    }
}
