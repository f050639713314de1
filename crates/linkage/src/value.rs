//! One value: as it is compared, its words, its sound.

use std::borrow::Cow;

use pinyin::ToPinyin;
use yihe_vocabulary::{CitizenId, CreditCode};

use crate::{
    dates::read_written,
    hanzi,
    hash::{read_bloom, read_token},
    model::Reads,
};

/// A value as it is compared, or `None` where it cannot be read as what it should be.
#[must_use]
pub fn canonical(written: &str, reads: Reads) -> Option<Cow<'_, str>> {
    let alphanumeric = || -> Cow<'_, str> {
        if written.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return written.into();
        }
        written.chars().filter(|character| character.is_alphanumeric()).collect()
    };
    let value: Cow<'_, str> = match reads {
        Reads::Text => plain(written),
        Reads::Words | Reads::ChineseAddress => written.into(),
        Reads::ChineseName | Reads::Code => alphanumeric(),
        Reads::Date => {
            let day = read_written(written)?;
            format!("{:04}-{:02}-{:02}", day.year, day.month, day.day).into()
        }
        Reads::Number => number(written)?.to_string().into(),
        // Either has fifteen characters at least.
        Reads::CitizenId | Reads::CreditCode if written.len() < 15 => return None,
        Reads::CitizenId => CitizenId::read(&written.to_ascii_uppercase()).ok()?.as_str().to_owned().into(),
        Reads::CreditCode => CreditCode::read(&written.to_ascii_uppercase()).ok()?.as_str().to_owned().into(),
        Reads::Hash => read_token(written).map(|_| written.into())?,
        Reads::Bloom => read_bloom(written).map(|_| written.into())?,
        Reads::Point => return None,
    };
    (!value.is_empty()).then_some(value)
}

/// A number as people write it: with a sign of currency or 元 beside it, and commas between thousands.
#[must_use]
pub fn number(written: &str) -> Option<f64> {
    let plain = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    plain(written).or_else(|| {
        let bare = written.trim_start_matches(['$', '€', '£', '¥', '￥']).trim_end_matches(['€', '元']).trim();
        let mut groups = bare.split(',');
        let whole = groups.next()?;
        let in_thousands = groups.all(|group| group.split('.').next().is_some_and(|digits| digits.len() == 3));
        let starts = whole.trim_start_matches('-').starts_with(|one: char| one.is_ascii_digit());
        if in_thousands && starts { plain(&bare.replace(',', "")) } else { None }
    })
}

/// Text without marks: what stands between words is one space.
fn plain(written: &str) -> Cow<'_, str> {
    if is_plain(written.as_bytes()) {
        return written.into();
    }
    let mut plain = String::with_capacity(written.len());
    for character in written.chars() {
        if character.is_alphanumeric() {
            plain.push(character);
        } else if character != '\'' && !plain.ends_with(' ') && !plain.is_empty() {
            plain.push(' ');
        }
    }
    plain.truncate(plain.trim_end().len());
    if plain.is_empty() { written.into() } else { plain.into() }
}

/// Whether a text has only letters and digits of ASCII, and single spaces between them.
fn is_plain(bytes: &[u8]) -> bool {
    let mut after_word = false;
    for &byte in bytes {
        let in_word = byte.is_ascii_alphanumeric();
        let between_words = byte == b' ' && after_word;
        if !(in_word || between_words) {
            return false;
        }
        after_word = in_word;
    }
    after_word
}

/// The words of a value: runs of letters or digits; Chinese text in overlapping pairs of characters.
#[must_use]
pub fn split_words(value: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Mark,
        Digit,
        Letter,
        Han,
    }
    let class = |character: char| match character {
        _ if hanzi::is_han(character) => Class::Han,
        _ if character.is_ascii_digit() => Class::Digit,
        _ if character.is_alphanumeric() => Class::Letter,
        _ => Class::Mark,
    };
    let mut words = Vec::new();
    let characters: Vec<char> = value.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let kind = class(characters[at]);
        let end =
            characters[at..].iter().position(|&next| class(next) != kind).map_or(characters.len(), |more| at + more);
        let run = &characters[at..end];
        match kind {
            Class::Mark => {}
            Class::Han if run.len() > 1 => {
                words.extend(run.windows(2).map(|two| two.iter().map(|&one| hanzi::canonical(one)).collect()));
            }
            Class::Han => words.push(hanzi::canonical(run[0]).to_string()),
            Class::Digit | Class::Letter => words.push(run.iter().collect()),
        }
        at = end;
    }
    words
}

/// Writes what of a value's sound survives a spelling mistake: the first letter and the other consonants, doubled ones
/// once; of Chinese, each character's usual reading, near sounds as one.
pub fn write_sound(value: &str, sound: &mut String) {
    sound.clear();
    let mut last = None;
    for (at, character) in value.chars().filter(|character| character.is_alphanumeric()).enumerate() {
        if hanzi::is_han(character) {
            let reading = character.to_pinyin().map(|reading| hanzi::near_reading(reading.plain()));
            sound.push_str(&reading.unwrap_or_else(|| character.to_string()));
            sound.push(' ');
            last = None;
            continue;
        }
        let group = match character {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w' if at > 0 => None,
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' => Some('a'),
            'b' | 'f' | 'p' | 'v' => Some('b'),
            'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => Some('c'),
            'd' | 't' => Some('d'),
            'm' | 'n' => Some('m'),
            other => Some(other),
        };
        if let Some(group) = group
            && last != Some(group)
        {
            sound.push(group);
        }
        last = group.or(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (written, value) in [
            ("44", 44.0),
            ("$1,299.00", 1299.0),
            ("¥88.5", 88.5),
            ("12,000元", 12000.0),
            ("-3.5", -3.5),
            ("1e3", 1000.0),
        ] {
            assert_eq!(number(written), Some(value), "{written}");
        }
        for written in ["1,29", "12,0000", "a", "", "$", "元", "1,2,3", "inf", "$nan"] {
            assert_eq!(number(written), None, "{written}");
        }
    }
}
