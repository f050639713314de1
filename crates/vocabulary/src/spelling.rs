//! How a key is brought into one spelling before two departments' records are compared.

use std::borrow::Cow;

/// A key as registries compare it: outer blanks cut, full-width forms made half-width, Latin letters
/// upper-case. Inner blanks stay: they are a defect, not a spelling.
///
/// Borrows when nothing changes. 15-digit identity numbers are not carried over here but in
/// [`CitizenId::read`](crate::CitizenId::read), because only there the kind of key is known.
///
/// ```
/// assert_eq!(yihe_vocabulary::normalise_key("　１１０１０５19491231002x "), "11010519491231002X");
/// ```
#[must_use]
pub fn normalise_key(text: &str) -> Cow<'_, str> {
    let trimmed = trim(text);
    let settled = trimmed.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    if settled {
        return Cow::Borrowed(trimmed);
    }
    let folded: String = trimmed.chars().map(half_width).map(|found| found.to_ascii_uppercase()).collect();
    Cow::Owned(folded)
}

/// Outer blanks cut: Unicode white space (the full-width blank among it) and the byte-order mark.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(|found: char| found.is_whitespace() || found == '\u{feff}')
}

/// The half-width form of a full-width character (U+FF01–U+FF5E and U+3000); others stay.
#[must_use]
pub fn half_width(found: char) -> char {
    match found {
        // The block maps onto printable ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(found as u32 - 0xfee0).unwrap_or(found),
        '\u{3000}' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_settled_key_is_borrowed() {
        assert!(matches!(normalise_key(" 91350100M000100Y43 "), Cow::Borrowed("91350100M000100Y43")));
    }

    #[test]
    fn blanks_inside_a_key_stay() {
        assert_eq!(normalise_key("1101 05"), "1101 05");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = normalise_key(&text).into_owned();
            prop_assert_eq!(normalise_key(&once).into_owned(), once);
        }
    }
}
