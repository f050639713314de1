//! Rules that need not be asked of every row.
//!
//! A mobile number that is in order has eleven characters and is not blank; so a rule on the length of the same
//! column is asked only for the rows that fail the stricter rule, which are few. Where several rules ask of one
//! column and none is stricter than the others, what they ask together is asked once, and each only for the rows
//! that fail it: the two to four characters of a name and their being Chinese are one walk through the text.
//! Departments and packs repeat themselves in this way, and thirty-six rules cost little more than twelve.

use std::collections::BTreeSet;

use yihe_definitions::rule::Identifier;

use crate::{
    bits::Bits,
    checker::{Compiled, Demand},
    column::Memory,
    pattern::Pattern,
    rules::{Batch, RowRule, Slot, range::Range},
};

/// Rules per column that are considered as the stricter one.
const STRICT_MAX: usize = 64;
/// A rule is asked of its suspects only where they are at most one row in so many.
const SUSPECTS_PER: u64 = 16;
/// Texts that are not blank, as [`is_blank`](crate::value::is_blank) sees it: the blanks of Unicode, written out.
const NOT_BLANK: &str =
    r"(?s:.*[^\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}].*)";

/// In what order rules are asked, and of which rows.
#[derive(Debug, Default)]
pub(crate) struct Shortcuts {
    /// By rule: who knows which rows can fail it.
    by: Vec<Option<By>>,
    /// Stricter rules first.
    order: Vec<usize>,
    joint: Vec<Joint>,
}

/// Who knows which rows can fail a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A rule that is stricter.
    Rule(usize),
    /// What several rules ask together, by its place in [`Shortcuts::joint`].
    Joint(usize),
}

/// What several rules ask of one column.
#[derive(Debug)]
pub(crate) enum Joint {
    Text { slot: Slot, pattern: Pattern },
    Range(Range),
}

/// Whether few enough rows are left that asking them one by one is less work.
pub(crate) fn are_few(suspects: &Bits) -> bool {
    suspects.count() * SUSPECTS_PER <= suspects.rows() as u64
}

impl Joint {
    /// The rows with a value that fail.
    pub fn failed(&self, batch: &Batch<'_>, memory: &mut Memory) -> Bits {
        match self {
            Self::Text { slot, pattern } => {
                let column = batch.column(*slot);
                column
                    .text()
                    .map_or_else(|| Bits::none(batch.rows()), |text| pattern.refused(text, &column.valid, memory))
            }
            Self::Range(range) => range.judge(batch, memory).failed,
        }
    }
}

impl Shortcuts {
    /// Finds them among the rules of a table.
    pub fn of(compiled: &[Compiled]) -> Self {
        let not_blank = Pattern::new(NOT_BLANK).ok();
        let asked: Vec<Asked> = compiled
            .iter()
            .enumerate()
            .filter_map(|(rule, compiled)| Asked::of(rule, compiled, not_blank.as_ref()))
            .collect();
        let mut by = vec![None; compiled.len()];
        for weak in &asked {
            let strict = asked.iter().filter(|strict| strict.slot == weak.slot && strict.is_strict());
            let found = strict.take(STRICT_MAX).find(|strict| {
                // Of two that ask the same the first is asked; so there is no circle.
                strict.rule != weak.rule
                    && strict.implies(weak)
                    && (strict.rule < weak.rule || !weak.is_strict() || !weak.implies(strict))
            });
            by[weak.rule] = found.map(|strict| By::Rule(strict.rule));
        }
        let mut joint = Vec::new();
        let slots: BTreeSet<Slot> = asked.iter().map(|asked| asked.slot).collect();
        for slot in slots {
            let roots: Vec<&Asked> =
                asked.iter().filter(|asked| asked.slot == slot && by[asked.rule].is_none()).collect();
            for together in joint_text(slot, &roots).into_iter().chain(joint_range(&roots)) {
                for root in roots.iter().filter(|root| root.is_within(&together)) {
                    by[root.rule] = Some(By::Joint(joint.len()));
                }
                joint.push(together);
            }
        }
        let stricter = |rule: usize| match by[rule] {
            Some(By::Rule(strict)) => Some(strict),
            Some(By::Joint(_)) | None => None,
        };
        let depth = |rule: usize| std::iter::successors(stricter(rule), |rule| stricter(*rule)).take(by.len()).count();
        let mut order: Vec<usize> = (0..compiled.len()).collect();
        order.sort_by_key(|rule| depth(*rule));
        Self { by, order, joint }
    }

    pub fn by(&self, rule: usize) -> Option<By> {
        self.by[rule]
    }

    pub fn order(&self) -> &[usize] {
        &self.order
    }

    pub fn joint(&self) -> &[Joint] {
        &self.joint
    }
}

/// What rules of one column ask of its text together, where one of them walks through it anyway.
fn joint_text(slot: Slot, roots: &[&Asked]) -> Option<Joint> {
    let mut together: Option<Pattern> = None;
    let (mut rules, mut walked) = (0, false);
    for root in roots.iter().filter(|root| !root.conditional) {
        let Asks::Text { sufficient: Some(pattern), walks, .. } = &root.asks else { continue };
        let both = match &together {
            None => Some(pattern.clone()),
            Some(known) => known.both(pattern),
        };
        if let Some(both) = both {
            together = Some(both);
            rules += 1;
            walked |= walks;
        }
    }
    let pattern = together.filter(|_| rules > 1 && walked)?;
    Some(Joint::Text { slot, pattern })
}

/// What rules of one column ask of its size together.
fn joint_range(roots: &[&Asked]) -> Option<Joint> {
    let mut together: Option<Range> = None;
    let mut rules = 0;
    for root in roots.iter().filter(|root| !root.conditional) {
        let Asks::Range(range) = &root.asks else { continue };
        let both = match &together {
            None => Some(range.clone()),
            Some(known) => known.both(range),
        };
        if let Some(both) = both {
            together = Some(both);
            rules += 1;
        }
    }
    together.filter(|_| rules > 1).map(Joint::Range)
}

/// What a rule asks of a column.
struct Asked {
    rule: usize,
    slot: Slot,
    /// It looks only at some rows, so it says nothing of the others.
    conditional: bool,
    asks: Asks,
}

enum Asks {
    Text {
        /// Every text that passes, and perhaps more; `None` for a rule that cannot stand for others.
        passing: Option<Pattern>,
        /// Only texts that pass, and perhaps not all.
        sufficient: Option<Pattern>,
        identifier: Option<Identifier>,
        /// The rule goes through the text byte by byte.
        walks: bool,
    },
    Range(Range),
}

impl Asked {
    fn of(rule: usize, compiled: &Compiled, not_blank: Option<&Pattern>) -> Option<Self> {
        let Demand::Row(row_rule) = &compiled.demand else { return None };
        let conditional = compiled.when.is_some();
        let (slot, asks) = match row_rule {
            RowRule::Text(text) => {
                let (passing, sufficient) = text.patterns();
                let (identifier, walks) = (text.identifier_asked(), text.is_walked());
                (text.slot(), Asks::Text { passing, sufficient, identifier, walks })
            }
            RowRule::Present(present) => {
                let sufficient = not_blank.cloned();
                (present.slot(), Asks::Text { passing: None, sufficient, identifier: None, walks: false })
            }
            RowRule::Range(range) => (range.slot(), Asks::Range(range.clone())),
            RowRule::DatedCode(_)
            | RowRule::Citizen(_)
            | RowRule::Order(_)
            | RowRule::Reference(_)
            | RowRule::Reconcile(_)
            | RowRule::Predicate(_) => return None,
        };
        Some(Self { rule, slot, conditional, asks })
    }

    /// Whether it can stand for others.
    fn is_strict(&self) -> bool {
        !self.conditional && matches!(self.asks, Asks::Range(_) | Asks::Text { passing: Some(_), .. })
    }

    /// Whether what passes this rule passes `weak`.
    fn implies(&self, weak: &Self) -> bool {
        match (&self.asks, &weak.asks) {
            (Asks::Range(strict), Asks::Range(weak)) => strict.is_within(weak),
            (Asks::Text { passing, identifier, .. }, Asks::Text { sufficient, identifier: weak, .. }) => {
                let same = identifier.is_some() && identifier == weak;
                let within = || match (passing, sufficient) {
                    (Some(passing), Some(sufficient)) => passing.is_within(sufficient),
                    _ => false,
                };
                same || within()
            }
            (Asks::Range(_), Asks::Text { .. }) | (Asks::Text { .. }, Asks::Range(_)) => false,
        }
    }

    /// Whether what passes `joint` passes this rule.
    fn is_within(&self, joint: &Joint) -> bool {
        match (joint, &self.asks) {
            (Joint::Range(joint), Asks::Range(range)) => joint.is_within(range),
            (Joint::Text { pattern, .. }, Asks::Text { sufficient: Some(sufficient), .. }) => {
                pattern.is_within(sufficient)
            }
            _ => false,
        }
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
