//! Rules that need not be asked where a stricter one has passed.
//!
//! A mobile number that is in order has eleven characters and is not blank; so a rule on the length of the same
//! column is asked only for the rows that fail the stricter rule, which are few. Departments and packs repeat
//! themselves in this way, and thirty-six rules cost little more than twelve.

use crate::{
    checker::{Compiled, Demand},
    pattern::Pattern,
    rules::{RowRule, Slot},
};

/// Rules per column that are considered as the stricter one.
const STRICT_MAX: usize = 64;
/// Texts that are not blank, as [`is_blank`](crate::value::is_blank) sees it: the blanks of Unicode, written out.
const NOT_BLANK: &str =
    r"(?s:.*[^\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}].*)";

/// What a rule asks of a text.
struct Asked {
    rule: usize,
    slot: Slot,
    /// Every text that passes, and perhaps more; `None` for a rule that cannot stand for others.
    passing: Option<Pattern>,
    /// Only texts that pass, and perhaps not all.
    sufficient: Option<Pattern>,
    identifier: Option<yihe_definitions::rule::Identifier>,
}

/// By rule, the rule that is stricter, and an order in which stricter rules come first.
#[must_use]
pub(crate) fn implied(compiled: &[Compiled]) -> (Vec<Option<usize>>, Vec<usize>) {
    let asked: Vec<Asked> =
        compiled.iter().enumerate().filter_map(|(rule, compiled)| Asked::of(rule, compiled)).collect();
    let mut by = vec![None; compiled.len()];
    for weak in &asked {
        let strict = asked.iter().filter(|strict| strict.slot == weak.slot && strict.passing.is_some());
        let found = strict.take(STRICT_MAX).find(|strict| {
            // Of two that ask the same the first is asked; so there is no circle.
            strict.rule != weak.rule
                && strict.implies(weak)
                && (strict.rule < weak.rule || weak.passing.is_none() || !weak.implies(strict))
        });
        by[weak.rule] = found.map(|strict| strict.rule);
    }
    let depth = |rule: usize| std::iter::successors(by[rule], |rule| by[*rule]).take(compiled.len()).count();
    let mut order: Vec<usize> = (0..compiled.len()).collect();
    order.sort_by_key(|rule| depth(*rule));
    (by, order)
}

impl Asked {
    fn of(rule: usize, compiled: &Compiled) -> Option<Self> {
        let Demand::Row(row_rule) = &compiled.demand else { return None };
        match row_rule {
            RowRule::Text(text) => {
                let (passing, sufficient) = text.patterns();
                let identifier = text.identifier_asked();
                // A rule that looks only at some rows says nothing of the others.
                let passing = passing.filter(|_| compiled.when.is_none());
                Some(Self { rule, slot: text.slot(), passing, sufficient, identifier })
            }
            RowRule::Present(present) => {
                let sufficient = Pattern::new(NOT_BLANK).ok();
                Some(Self { rule, slot: present.slot(), passing: None, sufficient, identifier: None })
            }
            RowRule::DatedCode(_)
            | RowRule::Range(_)
            | RowRule::Citizen(_)
            | RowRule::Order(_)
            | RowRule::Reference(_)
            | RowRule::Reconcile(_)
            | RowRule::Predicate(_) => None,
        }
    }

    /// Whether what passes this rule passes `weak`.
    fn implies(&self, weak: &Self) -> bool {
        let same = self.identifier.is_some() && self.identifier == weak.identifier;
        let within = || match (&self.passing, &weak.sufficient) {
            (Some(passing), Some(sufficient)) => passing.is_within(sufficient),
            _ => false,
        };
        same || within()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::is_blank;

    #[test]
    fn not_blank_means_what_the_kernel_means() {
        let pattern = Pattern::new(NOT_BLANK).unwrap();
        for character in (0..=0x1_ffff).filter_map(char::from_u32) {
            let text = character.to_string();
            assert_eq!(pattern.matches(text.as_bytes()), !is_blank(text.as_bytes()), "{character:?}");
        }
        assert!(!pattern.matches(b"") && pattern.matches("\u{3000}一 ".as_bytes()));
    }
}
