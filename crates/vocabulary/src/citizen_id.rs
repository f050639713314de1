//! Identity numbers of citizens (公民身份号码).

use std::str::FromStr;

use jiff::civil::Date;

use crate::{
    spelling::{half_width, normalise_key, trim},
    text_form::{ascii, character_at, text_form},
};

/// Weights of positions 1–17: 2^(18−i) mod 11.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check character by weighted sum mod 11.
const CHECK: &[u8; 11] = b"10X98765432";

/// An 18-character identity number that adds up: 6 division (of first issue), 8 birth date, 3 sequence
/// (odd: male), 1 check character.
///
/// Prefixes 81–83 are residence permits of Hong Kong, Macao and Taiwan residents, prefix 9 permanent
/// residents' cards; they are built the same way. The division is not looked up: it is that of first
/// issue and may be long gone.
///
/// # Source
/// GB 11643-1999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CitizenId([u8; 18]);

text_form!(CitizenId);

/// Why a text is no identity number. Positions are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CitizenIdDefect {
    /// Neither 18 characters nor, where that is allowed, 15.
    #[error("found {found} characters, expected {expected}")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters expected.
        expected: usize,
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
    /// Positions 7–14 are no calendar day between 1800 and 2199.
    #[error("found {year:04}-{month:02}-{day:02} at positions 7 to 14, expected a calendar day from 1800 to 2199")]
    BirthDate {
        /// Year found.
        year: i16,
        /// Month found.
        month: i8,
        /// Day found.
        day: i8,
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

/// Sex as the 17th digit tells it (GB/T 2261.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// 男, code 1
    Male,
    /// 女, code 2
    Female,
}

impl Sex {
    /// Code of GB/T 2261.1: `1` or `2`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// Finds the first defect of an 18-character identity number, left to right. Allocates nothing.
///
/// Reads the bytes exactly as they stand: no trimming, no case folding.
///
/// # Errors
/// The first defect.
///
/// # Source
/// GB 11643-1999.
pub fn check(text: &[u8]) -> Result<(), CitizenIdDefect> {
    let Ok(bytes) = <&[u8; 18]>::try_from(text) else {
        return Err(CitizenIdDefect::Length { found: characters(text), expected: 18 });
    };
    let mut weighted_sum = 0_u32;
    let mut strange = 0_u32;
    for (byte, weight) in bytes[..17].iter().zip(WEIGHTS) {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        strange |= u32::from(digit > 9);
        weighted_sum += (digit & 0xf) * weight;
    }
    if strange != 0 || bytes[0] == b'0' {
        return Err(first_strange(bytes));
    }
    birth(bytes)?;
    let expected = CHECK[(weighted_sum % 11) as usize];
    if bytes[17] != expected {
        return Err(CitizenIdDefect::CheckCharacter { found: character_at(bytes, 18), expected: char::from(expected) });
    }
    Ok(())
}

/// Whether [`check`] finds nothing.
///
/// Asked for every row of every table of persons, so it looks for no defect to name, and reads eight digits at a
/// time.
#[inline]
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 18]>::try_from(text) else { return false };
    let (Some(first), Some(second)) = (bytes.first_chunk::<8>(), bytes[8..].first_chunk::<8>()) else { return false };
    let (first, second) = (digits(*first), digits(*second));
    let seventeenth = bytes[16].wrapping_sub(b'0');
    let strange = above_nine(first) | above_nine(second) != 0 || seventeenth > 9 || bytes[0] == b'0';
    let sum = weighted(first, [7, 9, 10, 5, 8, 4, 2, 1]) + weighted(second, [6, 3, 7, 9, 10, 5, 8, 4]);
    // Where a byte is strange the sum means nothing; it stays within 64 bits all the same.
    let sum = sum + u64::from(seventeenth) * 2;
    if strange || CHECK[(sum % 11) as usize] != bytes[17] {
        return false;
    }
    // Positions 7 to 14, as pairs: century, year, month, day.
    let born = first >> 48 | second << 16;
    let pairs = born.wrapping_mul(10).wrapping_add(born >> 8);
    let pair = |at: u32| (pairs >> (at * 16)) as u8;
    let (century, year, month, day) = (pair(0), pair(1), pair(2), pair(3));
    (18..=21).contains(&century)
        && crate::dates::is_day(i16::from(century) * 100 + i16::from(year), month.cast_signed(), day.cast_signed())
}

/// Eight characters less `0`, the first in the lowest byte; a character that is no digit becomes more than nine.
#[inline]
const fn digits(text: [u8; 8]) -> u64 {
    u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030
}

/// Not 0 where one of eight bytes is above nine.
#[inline]
const fn above_nine(digits: u64) -> u64 {
    // A byte above 9 carries into its high bit when 0x76 is added, or has it set already.
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The sum of eight digits, each times its weight.
#[inline]
fn weighted(digits: u64, weights: [u64; 8]) -> u64 {
    // Every second digit in a lane of 16 bits; in the product the highest lane is the sum over all lanes, because
    // no lane can overflow: four times nine times ten is 360.
    const LANES: u64 = 0x000f_000f_000f_000f;
    let lanes = |at: usize| weights[at] << 48 | weights[at + 2] << 32 | weights[at + 4] << 16 | weights[at + 6];
    let even = (digits & LANES).wrapping_mul(lanes(0));
    let odd = (digits >> 8 & LANES).wrapping_mul(lanes(1));
    (even >> 48) + (odd >> 48)
}

/// The check character that 17 digits call for.
///
/// # Errors
/// A character that is no digit.
pub fn check_character(first17: &[u8; 17]) -> Result<u8, CitizenIdDefect> {
    let mut weighted_sum = 0_u32;
    for (index, (byte, weight)) in first17.iter().zip(WEIGHTS).enumerate() {
        if !byte.is_ascii_digit() {
            return Err(CitizenIdDefect::Character {
                position: index + 1,
                found: character_at(first17, index + 1),
                expected: "a digit",
            });
        }
        weighted_sum += u32::from(byte - b'0') * weight;
    }
    Ok(CHECK[(weighted_sum % 11) as usize])
}

fn first_strange(bytes: &[u8; 18]) -> CitizenIdDefect {
    if bytes[0] == b'0' {
        return CitizenIdDefect::Character { position: 1, found: '0', expected: "a digit from 1 to 9" };
    }
    let position = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(0) + 1;
    CitizenIdDefect::Character { position, found: character_at(bytes, position), expected: "a digit" }
}

fn birth(bytes: &[u8; 18]) -> Result<(i16, i8, i8), CitizenIdDefect> {
    let digit = |index: usize| i16::from(bytes[index] - b'0');
    let year = digit(6) * 1000 + digit(7) * 100 + digit(8) * 10 + digit(9);
    let pair = |index: usize| ((bytes[index] - b'0') * 10 + (bytes[index + 1] - b'0')).cast_signed();
    let (month, day) = (pair(10), pair(12));
    if (1800..=2199).contains(&year) && crate::dates::is_day(year, month, day) {
        Ok((year, month, day))
    } else {
        Err(CitizenIdDefect::BirthDate { year, month, day })
    }
}

fn characters(text: &[u8]) -> usize {
    std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count())
}

impl CitizenId {
    /// Reads a number in any of the spellings departments use: outer blanks, full-width digits, a small
    /// `x`, or the 15-digit form issued before 1999, which is carried over to 18 characters.
    ///
    /// This is the key of the population registry: what it refuses cannot be joined.
    ///
    /// # Errors
    /// The first defect of the normalised text.
    pub fn read(text: &str) -> Result<Self, CitizenIdDefect> {
        let trimmed = trim(text).as_bytes();
        if check(trimmed).is_ok() {
            return Ok(Self::kept(trimmed));
        }
        let key = normalise_key(text);
        if key.len() == 15 { Self::from_legacy15(&key) } else { key.parse() }
    }

    /// Carries a 15-digit number over: `19` goes before the two-digit year, the check character is added.
    ///
    /// # Errors
    /// Anything but 15 digits with a calendar day at positions 7–12.
    ///
    /// # Source
    /// GB 11643-1999, against GB 11643-1989.
    pub fn from_legacy15(text: &str) -> Result<Self, CitizenIdDefect> {
        let Ok(old) = <&[u8; 15]>::try_from(text.as_bytes()) else {
            return Err(CitizenIdDefect::Length { found: text.chars().count(), expected: 15 });
        };
        let mut first17 = [0_u8; 17];
        first17[..6].copy_from_slice(&old[..6]);
        first17[6..8].copy_from_slice(b"19");
        first17[8..].copy_from_slice(&old[6..]);
        if let Some(index) = old.iter().position(|byte| !byte.is_ascii_digit()) {
            let found = character_at(old, index + 1);
            return Err(CitizenIdDefect::Character { position: index + 1, found, expected: "a digit" });
        }
        let mut number = [0_u8; 18];
        number[..17].copy_from_slice(&first17);
        number[17] = check_character(&first17)?;
        check(&number)?;
        Ok(Self(number))
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

    /// Division of first issue, 6 digits.
    #[must_use]
    pub fn division(&self) -> &str {
        ascii(&self.0[..6])
    }

    /// Birth date, positions 7–14.
    #[must_use]
    pub fn birth_on(&self) -> Date {
        let (year, month, day) = birth(&self.0).expect("checked when the number was read");
        Date::new(year, month, day).expect("checked when the number was read")
    }

    /// Sex, by the 17th digit.
    #[must_use]
    pub const fn sex(&self) -> Sex {
        if self.0[16] % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    fn kept(text: &[u8]) -> Self {
        Self(text.try_into().expect("the check admits 18 bytes only"))
    }
}

impl FromStr for CitizenId {
    type Err = CitizenIdDefect;

    /// Reads 18 characters exactly as issued: no trimming, no case folding. See [`CitizenId::read`].
    fn from_str(text: &str) -> Result<Self, CitizenIdDefect> {
        check(text.as_bytes())?;
        Ok(Self::kept(text.as_bytes()))
    }
}

/// One key of the population registry in its one spelling; `None` where it is unusable.
///
/// The same law as [`CitizenId::read`], for loops over whole columns.
#[must_use]
pub fn normalise(text: &str) -> Option<String> {
    let mut number = [0; 18];
    normalise_into(text, &mut number).then(|| ascii(&number).to_owned())
}

/// Returns whether the key is usable, and then it is in `number`.
fn normalise_into(text: &str, number: &mut [u8; 18]) -> bool {
    let text = trim(text);
    let mut folded = [0_u8; 18];
    let mut length = 0;
    for found in text.chars() {
        let found = half_width(found).to_ascii_uppercase();
        let (Some(place), Ok(byte)) = (folded.get_mut(length), u8::try_from(found)) else {
            return false;
        };
        if !byte.is_ascii() {
            return false;
        }
        *place = byte;
        length += 1;
    }
    let read = match length {
        18 => check(&folded).is_ok().then_some(CitizenId(folded)),
        15 => CitizenId::from_legacy15(ascii(&folded[..15])).ok(),
        _ => None,
    };
    if let Some(read) = read {
        *number = read.0;
    }
    read.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// GB 11643-1999, annex: both samples.
    const WORKED_EXAMPLES: [&str; 2] = ["11010519491231002X", "440524188001010014"];

    #[test]
    fn the_standards_examples_are_read() {
        for example in WORKED_EXAMPLES {
            assert_eq!(example.parse::<CitizenId>().unwrap().as_str(), example);
        }
        let number: CitizenId = "11010519491231002X".parse().unwrap();
        assert_eq!(number.birth_on().to_string(), "1949-12-31");
        assert_eq!(number.sex(), Sex::Female);
        assert_eq!(number.division(), "110105");
    }

    #[test]
    fn every_defect_names_its_place_and_what_was_expected() {
        let defect = |text: &str| text.parse::<CitizenId>().unwrap_err().to_string();
        assert_eq!(defect("1101051949123100"), "found 16 characters, expected 18");
        assert_eq!(defect("1101051949A231002X"), "found `A` at position 11, expected a digit");
        assert_eq!(defect("01010519491231002X"), "found `0` at position 1, expected a digit from 1 to 9");
        assert_eq!(
            defect("110105194902310026"),
            "found 1949-02-31 at positions 7 to 14, expected a calendar day from 1800 to 2199"
        );
        assert_eq!(defect("110105194912310021"), "found check character `1`, expected `X`");
        assert_eq!(defect("11010519491231002x"), "found check character `x`, expected `X`");
    }

    #[test]
    fn departments_spellings_are_read_as_one_number() {
        for spelling in
            ["11010519491231002X", " 11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ　", "110105491231002"]
        {
            assert_eq!(CitizenId::read(spelling).unwrap().as_str(), "11010519491231002X", "{spelling}");
        }
    }

    proptest! {
        /// The check character catches every single-character slip.
        #[test]
        fn any_one_changed_character_is_caught(position in 0_usize..18, slip in "[0-9X]") {
            let mut text = WORKED_EXAMPLES[0].to_owned();
            prop_assume!(text[position..=position] != slip);
            text.replace_range(position..=position, &slip);
            prop_assert!(!is_valid(text.as_bytes()));
        }

        /// The quick answer is that of the thorough one.
        #[test]
        fn the_quick_check_says_what_the_thorough_one_says(
            text in "[0-9]{6}(19|20|21|00)[0-9]{2}(0[0-9]|1[0-3])[0-3][0-9][0-9]{3}",
            last in any::<u8>(),
            slip in prop::option::of((0_usize..18, any::<u8>())),
        ) {
            let mut bytes: Vec<u8> = text.into_bytes();
            let adds_up = check_character(bytes.first_chunk::<17>().unwrap()).unwrap();
            bytes.push(if last < 200 { adds_up } else { last });
            if let Some((position, byte)) = slip {
                bytes[position] = byte;
            }
            prop_assert_eq!(is_valid(&bytes), check(&bytes).is_ok());
        }

        /// So does it catch two neighbours that changed places.
        #[test]
        fn any_two_swapped_neighbours_are_caught(position in 0_usize..17) {
            let mut bytes = *b"11010519491231002X";
            prop_assume!(bytes[position] != bytes[position + 1]);
            bytes.swap(position, position + 1);
            prop_assert!(!is_valid(&bytes));
        }

        /// ISO 7064, MOD 11-2, as the standard states it: all 18 values with weights 2^(18−i) leave 1 modulo 11.
        #[test]
        fn the_check_character_follows_the_congruence(first17 in "[1-9][0-9]{16}") {
            let bytes: &[u8; 17] = first17.as_bytes().try_into().unwrap();
            let check = match check_character(bytes).unwrap() {
                b'X' => 10,
                digit => u64::from(digit - b'0'),
            };
            let values = bytes.iter().map(|byte| u64::from(byte - b'0')).chain([check]);
            let sum: u64 = (0..18).rev().zip(values).map(|(power, value)| value << power).sum();
            prop_assert_eq!(sum % 11, 1);
        }

        #[test]
        fn both_ways_to_normalise_agree(text in "[ 　]?[0-9０-９]{14,17}[0-9xXｘ]?[ ]?") {
            let mut number = [0_u8; 18];
            let usable = normalise_into(&text, &mut number);
            let read = CitizenId::read(&text);
            prop_assert_eq!(usable, read.is_ok());
            if let Ok(read) = read {
                prop_assert_eq!(read.as_bytes(), &number);
            }
        }

        #[test]
        fn a_legacy_number_carries_over_to_a_valid_one(division in 110_000_u32..660_000, year in 0_i16..100, month in 1_i8..=12, day in 1_i8..=28, sequence in 0_u32..1000) {
            let old = format!("{division}{year:02}{month:02}{day:02}{sequence:03}");
            let number = CitizenId::from_legacy15(&old).unwrap();
            prop_assert!(is_valid(number.as_bytes()));
            prop_assert_eq!(number.birth_on().year(), 1900 + year);
        }

        #[test]
        fn no_bytes_make_the_check_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = check(&bytes);
        }
    }
}
