//! Identifiers of electronic certificates (电子证照标识).

use std::{ops::Range, str::FromStr};

use crate::text_form::{character_at, text_form};

/// Root of all certificate identifiers in the object identifier tree.
pub const ROOT: &str = "1.2.156.3005.2";
/// Longest serial number that is read; fielded ones are up to 32 characters.
pub const SERIAL_LENGTH_MAX: usize = 64;

/// `1.2.156.3005.2 . type(21) . issuer(18) . serial . version(3) . check`.
///
/// The type is the credit code of the body that defined it and a 3-digit number. An issuer that is a
/// division code, or a serial of hexadecimal digits, is met in fielded data and accepted: the parts are
/// bound by the check character, not by their meaning.
///
/// # Source
/// GB/T 36904-2018; check character by ISO 7064, MOD 37,36.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateId {
    text: String,
    serial: Range<usize>,
}

text_form!(CertificateId);

/// Why a text is no certificate identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateIdDefect {
    /// Does not begin with the root.
    #[error("found another beginning, expected `1.2.156.3005.2.`")]
    Root,
    /// Not five parts behind the root.
    #[error("found {found} parts after the root, expected 5: type, issuer, serial, version, check character")]
    Parts {
        /// Parts found.
        found: usize,
    },
    /// A part of the wrong length.
    #[error("found {found} characters in the {part}, expected {expected}")]
    Length {
        /// Which part.
        part: &'static str,
        /// Characters found.
        found: usize,
        /// Characters expected.
        expected: &'static str,
    },
    /// Neither digit nor capital letter.
    #[error("found `{found}` at position {position} of the {part}, expected a digit or a capital letter")]
    Character {
        /// Which part.
        part: &'static str,
        /// Where in it, 1-based.
        position: usize,
        /// The character there.
        found: char,
    },
    /// The check character does not follow from the four parts.
    #[error("found check character `{found}`, expected `{expected}`")]
    CheckCharacter {
        /// The last character.
        found: char,
        /// The one that the parts call for.
        expected: char,
    },
}

/// Finds the first defect, left to right. Allocates nothing.
///
/// On issue a defect is an error, on import from elsewhere a warning: fielded systems get the check
/// character wrong.
///
/// # Errors
/// The first defect.
pub fn check(text: &[u8]) -> Result<(), CertificateIdDefect> {
    split(text).map(|_| ())
}

/// Whether [`check`] finds nothing.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    check(text).is_ok()
}

/// The check character over the joined parts (digits and capital letters; others are skipped).
///
/// # Source
/// ISO 7064:2003, MOD 37,36, hybrid system.
#[must_use]
pub fn check_character(parts: &[&[u8]]) -> u8 {
    let mut carried = 36_u32;
    for value in parts.iter().copied().flatten().filter_map(|byte| value_of(*byte)) {
        carried = (carried + value) % 36;
        if carried == 0 {
            carried = 36;
        }
        carried = carried * 2 % 37;
    }
    let value = (37 - carried) % 36;
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value as usize]
}

fn value_of(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 10),
        _ => None,
    }
}

/// Where the serial number stands.
fn split(text: &[u8]) -> Result<Range<usize>, CertificateIdDefect> {
    let rest =
        text.strip_prefix(ROOT.as_bytes()).and_then(|rest| rest.strip_prefix(b".")).ok_or(CertificateIdDefect::Root)?;
    let mut parts: [&[u8]; 5] = [b""; 5];
    let mut found = 0;
    for part in rest.split(|byte| *byte == b'.') {
        if let Some(place) = parts.get_mut(found) {
            *place = part;
        }
        found += 1;
    }
    if found != 5 {
        return Err(CertificateIdDefect::Parts { found });
    }
    let names = ["type", "issuer", "serial", "version", "check character"];
    let lengths =
        [(21..=21, "21"), (6..=18, "6 to 18"), (1..=SERIAL_LENGTH_MAX, "1 to 64"), (3..=3, "3"), (1..=1, "1")];
    for ((part, bytes), (length, expected)) in names.into_iter().zip(parts).zip(lengths) {
        if !length.contains(&bytes.len()) {
            return Err(CertificateIdDefect::Length { part, found: bytes.len(), expected });
        }
        if let Some(index) = bytes.iter().position(|byte| value_of(*byte).is_none()) {
            let position = index + 1;
            return Err(CertificateIdDefect::Character { part, position, found: character_at(bytes, position) });
        }
    }
    let expected = check_character(&parts[..4]);
    if parts[4][0] != expected {
        return Err(CertificateIdDefect::CheckCharacter {
            found: char::from(parts[4][0]),
            expected: char::from(expected),
        });
    }
    let start = ROOT.len() + 1 + parts[0].len() + 1 + parts[1].len() + 1;
    Ok(start..start + parts[2].len())
}

impl CertificateId {
    /// Puts an identifier together and adds the check character.
    ///
    /// # Errors
    /// A part of the wrong length or with other characters than digits and capital letters.
    pub fn issue(kind: &str, issuer: &str, serial: &str, version: u16) -> Result<Self, CertificateIdDefect> {
        let version = format!("{version:03}");
        let parts = [kind, issuer, serial, &version].map(str::as_bytes);
        let check = char::from(check_character(&parts));
        format!("{ROOT}.{kind}.{issuer}.{serial}.{version}.{check}").parse()
    }

    /// The whole identifier, with root and dots.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The 21 characters of the certificate type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.text[ROOT.len() + 1..ROOT.len() + 22]
    }

    /// The issuer's code.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.text[ROOT.len() + 23..self.serial.start - 1]
    }

    /// The serial number.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.text[self.serial.clone()]
    }
}

impl FromStr for CertificateId {
    type Err = CertificateIdDefect;

    fn from_str(text: &str) -> Result<Self, CertificateIdDefect> {
        let serial = split(text.as_bytes())?;
        Ok(Self { text: text.to_owned(), serial })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_character_is_that_of_iso_7064() {
        // The worked example of the Global Release Identifier, which uses the same system.
        assert_eq!(check_character(&[b"A12425GABC1234002"]), b'M');
    }

    #[test]
    fn an_issued_identifier_is_read_back_part_by_part() {
        let id = CertificateId::issue("11100000000013338W001", "11370800004312466C", "3713022024000017", 1).unwrap();
        let read: CertificateId = id.as_str().parse().unwrap();
        assert_eq!(read, id);
        assert_eq!(
            (read.kind(), read.issuer(), read.serial()),
            ("11100000000013338W001", "11370800004312466C", "3713022024000017")
        );
        assert!(is_valid(
            CertificateId::issue("11100000000013338W001", "340100", "0A1B2C", 2).unwrap().as_str().as_bytes()
        ));
    }

    #[test]
    fn defects_name_their_place() {
        let defect = |text: &str| text.parse::<CertificateId>().unwrap_err().to_string();
        assert_eq!(defect("1.2.156.1"), "found another beginning, expected `1.2.156.3005.2.`");
        assert_eq!(
            defect("1.2.156.3005.2.a.b"),
            "found 2 parts after the root, expected 5: type, issuer, serial, version, check character"
        );
        assert_eq!(
            defect("1.2.156.3005.2.11100000000013338W001.340100.a1.001.0"),
            "found `a` at position 1 of the serial, expected a digit or a capital letter"
        );
        assert_eq!(
            defect("1.2.156.3005.2.11100000000013338W1.340100.A1.001.0"),
            "found 19 characters in the type, expected 21"
        );
    }

    proptest! {
        #[test]
        fn any_one_changed_character_is_caught(index in 0_usize..16, slip in "[0-9A-Z]") {
            let good = CertificateId::issue("11100000000013338W001", "11370800004312466C", "3713022024000017", 1).unwrap();
            let position = good.serial.start + index;
            let mut text = good.as_str().to_owned();
            prop_assume!(text[position..=position] != slip);
            text.replace_range(position..=position, &slip);
            prop_assert!(!is_valid(text.as_bytes()));
        }
    }
}
