//! Real-estate unit numbers (不动产单元代码).

use std::{borrow::Cow, str::FromStr};

use crate::{
    normalise_key,
    text_form::{ascii, character_at, text_form},
};

/// 28 characters: 6 county, 3 cadastral area, 3 cadastral sub-area, 2 parcel feature, 5 parcel number
/// (together the 19-character parcel code, 宗地代码), 1 fixture feature, 8 fixture unit.
///
/// There is no check character. Letters belong to it: a pattern of digits only is wrong.
///
/// # Source
/// GB/T 37346-2019.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealEstateUnit([u8; 28]);

text_form!(RealEstateUnit);

/// Why a text is no unit number. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RealEstateUnitDefect {
    /// Not 28 characters.
    #[error("found {found} characters, expected 28")]
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
pub fn check(text: &[u8]) -> Result<(), RealEstateUnitDefect> {
    let Ok(bytes) = <&[u8; 28]>::try_from(text) else {
        let found = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
        return Err(RealEstateUnitDefect::Length { found });
    };
    for (index, byte) in bytes.iter().enumerate() {
        let (fits, expected) = match index {
            12 => (b"GJZ".contains(byte), "G (state), J (collective) or Z (not settled)"),
            13 => (b"ABSXCDEFHGWYLN".contains(byte), "a parcel feature out of A B C D E F G H L N S W X Y"),
            19 => (b"FLQW".contains(byte), "F (building), L (trees), Q (other) or W (none)"),
            20..=27 if bytes[19] == b'W' => (*byte == b'0', "0, because there is no fixture"),
            _ => (byte.is_ascii_digit(), "a digit"),
        };
        if !fits {
            let position = index + 1;
            return Err(RealEstateUnitDefect::Character { position, found: character_at(bytes, position), expected });
        }
    }
    if bytes[13] == b'A' && bytes[12] != b'J' {
        let found = char::from(bytes[12]);
        return Err(RealEstateUnitDefect::Character {
            position: 13,
            found,
            expected: "J, because A is collective ownership",
        });
    }
    Ok(())
}

/// Whether [`check`] finds nothing.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    check(text).is_ok()
}

/// What stands behind a parcel code when the land alone is meant: no fixture.
const LAND_ALONE: &str = "W00000000";

/// Brings a unit number to its one spelling; a parcel code of 19 characters becomes the number of the land alone.
/// `None` when the result is no unit number.
///
/// ```
/// use yihe_vocabulary::real_estate_unit::normalise;
/// let land = "371302001001GB00001W00000000";
/// assert_eq!(normalise("371302001001gb00001").as_deref(), Some(land));
/// assert_eq!(normalise(land).as_deref(), Some(land));
/// ```
#[must_use]
pub fn normalise(text: &str) -> Option<Cow<'_, str>> {
    let mut number = normalise_key(text);
    if number.len() == 19 {
        number = Cow::Owned(format!("{number}{LAND_ALONE}"));
    }
    is_valid(number.as_bytes()).then_some(number)
}

impl RealEstateUnit {
    /// The 28 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// County, 6 digits.
    #[must_use]
    pub fn county(&self) -> &str {
        ascii(&self.0[..6])
    }

    /// Parcel code (宗地代码), 19 characters.
    #[must_use]
    pub fn parcel(&self) -> &str {
        ascii(&self.0[..19])
    }

    /// A unit that stands in for one not yet surveyed: cadastral area and sub-area are zero, outside the sea.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.0[6..12] == *b"000000" && self.0[13] != b'H'
    }
}

impl FromStr for RealEstateUnit {
    type Err = RealEstateUnitDefect;

    fn from_str(text: &str) -> Result<Self, RealEstateUnitDefect> {
        check(text.as_bytes())?;
        Ok(Self(text.as_bytes().try_into().expect("the check admits 28 bytes only")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_on_state_land_is_read_part_by_part() {
        let unit: RealEstateUnit = "371302001001GB00001F00010023".parse().unwrap();
        assert_eq!((unit.county(), unit.parcel()), ("371302", "371302001001GB00001"));
        assert!(!unit.is_virtual());
        assert!("371302000000GB00001F00010023".parse::<RealEstateUnit>().unwrap().is_virtual());
        assert!(is_valid(b"371302001001JA00001W00000000"));
    }

    #[test]
    fn land_alone_is_a_unit_without_a_fixture() {
        assert_eq!(normalise(" 371302001001JA00001 ").as_deref(), Some("371302001001JA00001W00000000"));
        assert_eq!(normalise("371302001001XB00001"), None);
        assert_eq!(normalise("371302001001GB00001W"), None);
    }

    #[test]
    fn defects_name_their_place() {
        let defect = |text: &str| text.parse::<RealEstateUnit>().unwrap_err().to_string();
        assert_eq!(defect("371302"), "found 6 characters, expected 28");
        assert_eq!(
            defect("371302001001XB00001F00010023"),
            "found `X` at position 13, expected G (state), J (collective) or Z (not settled)"
        );
        assert_eq!(
            defect("371302001001GB00001W00010023"),
            "found `1` at position 24, expected 0, because there is no fixture"
        );
        assert_eq!(
            defect("371302001001GA00001F00010023"),
            "found `G` at position 13, expected J, because A is collective ownership"
        );
    }
}
