//! Codes of information resources in the catalogue (政务信息资源代码).

use std::str::FromStr;

/// Digits of a sub-section at most; the guide leaves the length open.
pub const SUBSECTION_DIGITS_MAX: usize = 12;

/// Where a resource stands in the catalogue: class 1 digit, item 2, section 3, sub-section of its own
/// length (类, 项, 目, 细目).
///
/// In packs it is written with slashes, `1/01/001/02`; in resource codes without.
///
/// # Source
/// 政务信息资源目录编制指南(试行), 发改高技〔2017〕1272号.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Classification {
    class: u8,
    item: u8,
    section: u16,
    subsection: String,
}

/// The code of one resource: the classification's digits, `/`, a sequence number (顺序号).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceCode {
    classification: Classification,
    sequence: u32,
}

/// Why a text is no classification or resource code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceCodeDefect {
    /// Not four parts between slashes.
    #[error("found {found} parts, expected 4: class/item/section/sub-section, as in 1/01/001/02")]
    Parts {
        /// Parts found.
        found: usize,
    },
    /// A part of the wrong length or with other characters than digits.
    #[error("found {part} `{found}`, expected {expected}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// No slash before a sequence number.
    #[error("found no sequence number, expected `/` and digits at the end, as in 10100102/000017")]
    Sequence,
}

impl Classification {
    /// Class: 1 basic, 2 theme, 3 department.
    #[must_use]
    pub const fn class(&self) -> u8 {
        self.class
    }

    /// Item within the class, 0–99.
    #[must_use]
    pub const fn item(&self) -> u8 {
        self.item
    }

    /// Section within the item, 0–999.
    #[must_use]
    pub const fn section(&self) -> u16 {
        self.section
    }

    /// Digits of the sub-section; may be empty.
    #[must_use]
    pub fn subsection(&self) -> &str {
        &self.subsection
    }

    /// The digits joined, as a resource code begins.
    #[must_use]
    pub fn digits(&self) -> String {
        format!("{}{:02}{:03}{}", self.class, self.item, self.section, self.subsection)
    }

    fn read(class: &str, item: &str, section: &str, subsection: &str) -> Result<Self, ResourceCodeDefect> {
        let class_value = digits("class", class, 1..=1, "one digit from 1 to 9")?;
        if class_value == 0 {
            return Err(wrong("class", class, "one digit from 1 to 9"));
        }
        let narrow = "the part has few digits";
        if !subsection.is_empty() {
            digits("sub-section", subsection, 1..=SUBSECTION_DIGITS_MAX, "at most 12 digits")?;
        }
        Ok(Self {
            class: u8::try_from(class_value).expect(narrow),
            item: u8::try_from(digits("item", item, 2..=2, "two digits")?).expect(narrow),
            section: u16::try_from(digits("section", section, 3..=3, "three digits")?).expect(narrow),
            subsection: subsection.to_owned(),
        })
    }
}

fn wrong(part: &'static str, found: &str, expected: &'static str) -> ResourceCodeDefect {
    ResourceCodeDefect::Part { part, found: found.to_owned(), expected }
}

fn digits(
    part: &'static str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<u64, ResourceCodeDefect> {
    if !length.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(part, text, expected));
    }
    text.parse().map_err(|_| wrong(part, text, expected))
}

impl FromStr for Classification {
    type Err = ResourceCodeDefect;

    fn from_str(text: &str) -> Result<Self, ResourceCodeDefect> {
        let parts: Vec<&str> = text.splitn(8, '/').collect();
        let [class, item, section, subsection] = parts[..] else {
            return Err(ResourceCodeDefect::Parts { found: parts.len() });
        };
        Self::read(class, item, section, subsection)
    }
}

impl std::fmt::Display for Classification {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{:02}/{:03}/{}", self.class, self.item, self.section, self.subsection)
    }
}

impl ResourceCode {
    /// The code of the resource with this sequence number in a classification.
    #[must_use]
    pub const fn new(classification: Classification, sequence: u32) -> Self {
        Self { classification, sequence }
    }

    /// Where the resource stands.
    #[must_use]
    pub const fn classification(&self) -> &Classification {
        &self.classification
    }

    /// Its number there.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }
}

impl FromStr for ResourceCode {
    type Err = ResourceCodeDefect;

    fn from_str(text: &str) -> Result<Self, ResourceCodeDefect> {
        let (head, sequence) = text.split_once('/').ok_or(ResourceCodeDefect::Sequence)?;
        let sequence = digits("sequence number", sequence, 1..=9, "1 to 9 digits")?;
        let cut = |range: std::ops::Range<usize>| head.get(range).unwrap_or_default();
        let classification = Classification::read(cut(0..1), cut(1..3), cut(3..6), cut(6..head.len().max(6)))?;
        Ok(Self { classification, sequence: u32::try_from(sequence).expect("nine digits fit") })
    }
}

impl std::fmt::Display for ResourceCode {
    /// The sequence number has at least six digits.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{:06}", self.classification.digits(), self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_the_classification_a_slash_and_a_number() {
        let classification: Classification = "1/01/001/02".parse().unwrap();
        let code = ResourceCode::new(classification, 17);
        assert_eq!(code.to_string(), "10100102/000017");
        assert_eq!(code.to_string().parse(), Ok(code));
    }

    #[test]
    fn defects_name_the_part() {
        let defect = |text: &str| text.parse::<Classification>().unwrap_err().to_string();
        assert_eq!(defect("1/01/001"), "found 3 parts, expected 4: class/item/section/sub-section, as in 1/01/001/02");
        assert_eq!(defect("1/1/001/02"), "found item `1`, expected two digits");
        assert_eq!(defect("0/01/001/02"), "found class `0`, expected one digit from 1 to 9");
        assert!("10100102".parse::<ResourceCode>().is_err());
        assert!("1010/000017".parse::<ResourceCode>().is_err());
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(class in 1_u8..=9, item in 0_u8..100, section in 0_u16..1000, subsection in "[0-9]{0,6}", sequence in 0_u32..1_000_000_000) {
            let classification = Classification { class, item, section, subsection };
            prop_assert_eq!(classification.to_string().parse(), Ok(classification.clone()));
            let code = ResourceCode::new(classification, sequence);
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<ResourceCode>();
            let _ = text.parse::<Classification>();
        }
    }
}
