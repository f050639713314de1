//! The key of an entity as departments write it, brought to one spelling.

use std::borrow::Cow;

use yihe_definitions::EntityKind;
use yihe_vocabulary::{citizen_id, credit_code, division_code, normalise_key};

/// Brings a key to its one spelling; `None` when it cannot identify anybody.
///
/// Blanks at the ends are dropped, full-width characters become half-width and letters upper-case. A person's
/// 15-digit number becomes the 18-digit one (GB 11643). A number or code whose check character does not
/// add up is unusable: it must neither join nor separate records.
#[must_use]
pub fn usable(kind: EntityKind, text: &str) -> Option<Cow<'_, str>> {
    match kind {
        EntityKind::Person => {
            let mut number = [0; 18];
            citizen_id::normalise_into(text, &mut number)
                .then(|| Cow::Owned(number.iter().map(|byte| char::from(*byte)).collect()))
        }
        EntityKind::Organisation => {
            let code = normalise_key(text);
            credit_code::is_valid(code.as_bytes()).then_some(code)
        }
        EntityKind::Place => {
            let code = normalise_key(text);
            division_code::is_valid(code.as_bytes()).then_some(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_number_however_it_is_written() {
        let number = "11010519491231002X";
        for spelling in
            ["11010519491231002X", " 11010519491231002x ", "１１０１０５１９４９１２３１００２Ｘ", "110105491231002"]
        {
            assert_eq!(usable(EntityKind::Person, spelling).as_deref(), Some(number), "{spelling}");
        }
    }

    #[test]
    fn a_number_that_does_not_add_up_joins_nothing() {
        assert_eq!(usable(EntityKind::Person, "110105194912310021"), None);
        assert_eq!(usable(EntityKind::Person, ""), None);
        assert_eq!(usable(EntityKind::Organisation, "91350100M000100Y44"), None);
        assert!(usable(EntityKind::Organisation, "91350100M000100Y43").is_some());
    }
}
