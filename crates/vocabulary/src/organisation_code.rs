//! Organisation codes (组织机构代码), which live on as characters 9–17 of the credit code.

use std::str::FromStr;

use crate::text_form::{ascii, character_at, text_form};

const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Eight digits or capital letters and a check character.
///
/// # Source
/// GB 11714-1997.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganisationCode([u8; 9]);

text_form!(OrganisationCode);

/// Why a text is no organisation code. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationCodeDefect {
    /// Not 9 characters.
    #[error("found {found} characters, expected 9")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Neither digit nor capital letter.
    #[error("found `{found}` at position {position}, expected a digit or a capital letter")]
    Character {
        /// Where.
        position: usize,
        /// The character there.
        found: char,
    },
    /// The last character does not follow from the first eight.
    #[error("found check character `{found}`, expected `{expected}`")]
    CheckCharacter {
        /// The last character.
        found: char,
        /// The one that the first eight call for.
        expected: char,
    },
}

/// Finds the first defect of nine characters without hyphen, left to right. Allocates nothing.
///
/// # Errors
/// The first defect.
///
/// # Source
/// GB 11714-1997.
pub fn check(text: &[u8]) -> Result<(), OrganisationCodeDefect> {
    let Ok(bytes) = <&[u8; 9]>::try_from(text) else {
        let found = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
        return Err(OrganisationCodeDefect::Length { found });
    };
    let [first8 @ .., last] = bytes;
    let expected = check_character(first8)?;
    if *last != expected {
        return Err(OrganisationCodeDefect::CheckCharacter {
            found: character_at(bytes, 9),
            expected: char::from(expected),
        });
    }
    Ok(())
}

/// Whether [`check`] finds nothing.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    check(text).is_ok()
}

/// The check character that eight characters call for: `0`–`9` or `X`.
///
/// # Errors
/// A character that is neither digit nor capital letter.
pub fn check_character(first8: &[u8; 8]) -> Result<u8, OrganisationCodeDefect> {
    let mut weighted_sum = 0;
    for (index, (byte, weight)) in first8.iter().zip(WEIGHTS).enumerate() {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            _ => {
                let position = index + 1;
                return Err(OrganisationCodeDefect::Character { position, found: character_at(first8, position) });
            }
        };
        weighted_sum += u32::from(value) * weight;
    }
    Ok(b"0X987654321"[(weighted_sum % 11) as usize])
}

impl OrganisationCode {
    /// The nine characters, without hyphen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl FromStr for OrganisationCode {
    type Err = OrganisationCodeDefect;

    /// Reads nine characters, or ten with the hyphen that old certificates print before the last.
    fn from_str(text: &str) -> Result<Self, OrganisationCodeDefect> {
        let mut plain = [0_u8; 9];
        let bytes = match text.as_bytes() {
            [first @ .., b'-', last] if first.len() == 8 => {
                plain[..8].copy_from_slice(first);
                plain[8] = *last;
                &plain[..]
            }
            bytes => bytes,
        };
        check(bytes)?;
        Ok(Self(bytes.try_into().expect("the check admits nine bytes only")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_9_to_17_of_real_credit_codes_add_up() {
        for credit_code in ["91350100M000100Y43", "11370800004312466C", "11100000000013338W"] {
            let code = &credit_code[8..17];
            assert_eq!(code.parse::<OrganisationCode>().unwrap().as_str(), code);
        }
        assert_eq!("M000100Y-4".parse::<OrganisationCode>().unwrap().as_str(), "M000100Y4");
    }

    #[test]
    fn defects_name_their_place() {
        let defect = |text: &str| text.parse::<OrganisationCode>().unwrap_err().to_string();
        assert_eq!(defect("M000100Y5"), "found check character `5`, expected `4`");
        assert_eq!(defect("M000100y4"), "found `y` at position 8, expected a digit or a capital letter");
        assert_eq!(defect("M000"), "found 4 characters, expected 9");
    }

    proptest! {
        #[test]
        fn any_one_changed_digit_is_caught(position in 0_usize..9, slip in "[0-9]") {
            let mut text = "004312466".to_owned();
            prop_assume!(text[position..=position] != slip);
            text.replace_range(position..=position, &slip);
            prop_assert!(!is_valid(text.as_bytes()));
        }
    }
}
