//! Unified social credit codes (统一社会信用代码).

use std::str::FromStr;

use crate::{
    organisation_code::{OrganisationCode, OrganisationCodeDefect},
    spelling::normalise_key,
    text_form::{ascii, character_at, text_form},
};

/// The 31 symbols: digits and capital letters without I, O, S, V and Z.
pub const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Weights of positions 1–17: 3^(i−1) mod 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// Value of a byte, 0xff where it is no symbol.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 31_u8 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// An 18-character credit code that adds up: 1 registering authority, 1 kind of body, 6 division,
/// 9 organisation code, 1 check character.
///
/// # Source
/// GB 32100-2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreditCode([u8; 18]);

text_form!(CreditCode);

/// Why a text is no credit code. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditCodeDefect {
    /// Not 18 characters.
    #[error("found {found} characters, expected 18")]
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
    /// The last character does not follow from the first 17.
    #[error("found check character `{found}`, expected `{expected}`")]
    CheckCharacter {
        /// The last character.
        found: char,
        /// The one that the first 17 call for.
        expected: char,
    },
}

/// Finds the first defect, left to right. Allocates nothing.
///
/// Reads the bytes exactly as they stand: no trimming, no case folding. The organisation code inside has
/// a check character of its own, which is not looked at here; see [`CreditCode::organisation_code`].
///
/// # Errors
/// The first defect.
///
/// # Source
/// GB 32100-2015.
pub fn check(text: &[u8]) -> Result<(), CreditCodeDefect> {
    let Ok(bytes) = <&[u8; 18]>::try_from(text) else {
        let found = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
        return Err(CreditCodeDefect::Length { found });
    };
    let [first17 @ .., last] = bytes;
    let expected = check_character(first17)?;
    if *last != expected {
        return Err(CreditCodeDefect::CheckCharacter {
            found: character_at(bytes, 18),
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

/// The check character that 17 characters call for.
///
/// # Errors
/// A character outside the alphabet, or no digit in the division (positions 3–8).
pub fn check_character(first17: &[u8; 17]) -> Result<u8, CreditCodeDefect> {
    let mut weighted_sum = 0;
    for (index, (byte, weight)) in first17.iter().zip(WEIGHTS).enumerate() {
        let value = VALUES[usize::from(*byte)];
        let in_division = (2..8).contains(&index);
        if value == 0xff || (in_division && value > 9) {
            let position = index + 1;
            return Err(CreditCodeDefect::Character {
                position,
                found: character_at(first17, position),
                expected: if in_division { "a digit" } else { "a digit or a capital letter except I, O, S, V and Z" },
            });
        }
        weighted_sum += u32::from(value) * weight;
    }
    Ok(ALPHABET[((31 - weighted_sum % 31) % 31) as usize])
}

impl CreditCode {
    /// Reads a code in any of the spellings departments use: outer blanks, full-width and small letters.
    ///
    /// This is the key of the registry of legal entities: what it refuses cannot be joined.
    ///
    /// # Errors
    /// The first defect of the normalised text.
    pub fn read(text: &str) -> Result<Self, CreditCodeDefect> {
        normalise_key(text).parse()
    }

    /// The 18 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// The 18 characters as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 18] {
        &self.0
    }

    /// Division of the registering authority, 6 digits.
    #[must_use]
    pub fn division(&self) -> &str {
        ascii(&self.0[2..8])
    }

    /// The organisation code inside: a second, independent check.
    ///
    /// # Errors
    /// Characters 9–17 do not add up by GB 11714.
    pub fn organisation_code(&self) -> Result<OrganisationCode, OrganisationCodeDefect> {
        ascii(&self.0[8..17]).parse()
    }
}

impl FromStr for CreditCode {
    type Err = CreditCodeDefect;

    /// Reads 18 characters exactly as registered. See [`CreditCode::read`].
    fn from_str(text: &str) -> Result<Self, CreditCodeDefect> {
        check(text.as_bytes())?;
        Ok(Self(text.as_bytes().try_into().expect("the check admits 18 bytes only")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Registered bodies' codes.
    const REGISTERED: [&str; 3] = ["91350100M000100Y43", "11370800004312466C", "11100000000013338W"];

    #[test]
    fn registered_codes_are_read() {
        for text in REGISTERED {
            let code: CreditCode = text.parse().unwrap();
            assert_eq!(code.as_str(), text);
            assert_eq!(code.organisation_code().unwrap().as_str(), &text[8..17]);
        }
        assert_eq!(CreditCode::read(" ９１350100m000100y43 ").unwrap().as_str(), REGISTERED[0]);
        assert_eq!(REGISTERED[1].parse::<CreditCode>().unwrap().division(), "370800");
    }

    #[test]
    fn every_defect_names_its_place_and_what_was_expected() {
        let defect = |text: &str| text.parse::<CreditCode>().unwrap_err().to_string();
        assert_eq!(defect("91350100M000100Y4"), "found 17 characters, expected 18");
        assert_eq!(
            defect("91350100M0O0100Y43"),
            "found `O` at position 11, expected a digit or a capital letter except I, O, S, V and Z"
        );
        assert_eq!(defect("9135A100M000100Y43"), "found `A` at position 5, expected a digit");
        assert_eq!(defect("91350100M000100Y4Z"), "found check character `Z`, expected `3`");
    }

    proptest! {
        /// The check character catches every single-character slip.
        #[test]
        fn any_one_changed_character_is_caught(position in 0_usize..18, slip in "[0-9A-HJ-NP-RTUW-Y]") {
            let mut text = REGISTERED[0].to_owned();
            prop_assume!(text[position..=position] != slip);
            text.replace_range(position..=position, &slip);
            prop_assert!(text.parse::<CreditCode>().is_err());
        }

        /// GB 32100 as it states the check: values with weights 3^(i−1) and the check value leave 0 modulo 31.
        #[test]
        fn the_check_character_follows_the_congruence(first17 in "[19][1-3][0-9]{6}[0-9A-HJ-NP-RTUW-Y]{9}") {
            let check = check_character(first17.as_bytes().try_into().unwrap()).unwrap();
            let value = |byte: u8| ALPHABET.iter().position(|symbol| *symbol == byte).unwrap() as u64;
            let weighted = first17.bytes().zip(0_u32..).map(|(byte, power)| value(byte) * 3_u64.pow(power));
            prop_assert_eq!((weighted.sum::<u64>() + value(check)) % 31, 0);
        }

        #[test]
        fn no_bytes_make_the_check_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = check(&bytes);
        }
    }
}
