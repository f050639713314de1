//! Keys that are made of several columns (复合主键): a published decision, a value of an indicator.
//!
//! Each part is brought to its one spelling; between the parts stands `|`, which no part may contain.

use crate::{citizen_id, credit_code, division_code, normalise_key, period};

/// Stands between the parts of a key that is made of several.
pub const BETWEEN: char = '|';
/// Longest document number or indicator code that is read, in characters.
pub const PART_LENGTH_MAX: usize = 128;

/// The key of a published decision: the party's code and the number of the document (双公示: 行政相对人代码 and 文书号).
///
/// A party is a body by its credit code or a person by the identity number; whose check character does not add
/// up has no key.
///
/// ```
/// use yihe_vocabulary::composite_key::credit_record;
/// let key = credit_record("91350100m000100y43", " 临城罚决字（2026）第12号 ");
/// assert_eq!(key.as_deref(), Some("91350100M000100Y43|临城罚决字(2026)第12号"));
/// assert_eq!(credit_record("91350100M000100Y44", "临城罚决字（2026）第12号"), None);
/// ```
#[must_use]
pub fn credit_record(party: &str, document: &str) -> Option<String> {
    let code = normalise_key(party);
    let party = if credit_code::is_valid(code.as_bytes()) { code } else { citizen_id::normalise(party)?.into() };
    Some(format!("{party}{BETWEEN}{}", word(document)?))
}

/// The key of an indicator's value: code, period and division (指标代码, 期别, 区划代码).
///
/// ```
/// use yihe_vocabulary::composite_key::indicator;
/// assert_eq!(indicator("a001", "2026年第3季度", "371302").as_deref(), Some("A001|2026Q3|371302"));
/// assert_eq!(indicator("A001", "2026Q3", "3713"), None);
/// ```
#[must_use]
pub fn indicator(code: &str, period: &str, division: &str) -> Option<String> {
    let division = normalise_key(division);
    if !division_code::is_valid(division.as_bytes()) {
        return None;
    }
    let period = period::normalise(period)?;
    Some(format!("{}{BETWEEN}{period}{BETWEEN}{division}", word(code)?))
}

/// A part that is free within its bound: not blank, no separator, no control character.
fn word(text: &str) -> Option<String> {
    let word = normalise_key(text);
    let fits = !word.is_empty()
        && word.chars().count() <= PART_LENGTH_MAX
        && !word.chars().any(|found| found == BETWEEN || found.is_control());
    fits.then(|| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_a_body_or_a_person_however_it_is_written() {
        let document = "371302-2026-12";
        for (party, expected) in [
            ("９１３５０１００Ｍ０００１００Ｙ４３", "91350100M000100Y43"),
            ("11010519491231002x", "11010519491231002X"),
            ("110105491231002", "11010519491231002X"),
        ] {
            assert_eq!(credit_record(party, document), Some(format!("{expected}|{document}")), "{party}");
        }
    }

    #[test]
    fn a_key_with_a_part_that_cannot_stand_is_none() {
        let body = "91350100M000100Y43";
        for (party, document) in
            [(body, ""), (body, "  "), (body, "a|b"), (body, "a\tb"), ("", "x"), ("110105194912310021", "x")]
        {
            assert_eq!(credit_record(party, document), None, "{party} {document:?}");
        }
        assert_eq!(credit_record(body, &"字".repeat(PART_LENGTH_MAX + 1)), None);
        assert_eq!(indicator("", "2026Q3", "371302"), None);
        assert_eq!(indicator("A001", "2026Q9", "371302"), None);
    }
}
