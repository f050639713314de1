//! Legal terms. A city may shorten one, never lengthen it.

use std::collections::BTreeMap;

/// The longest the law allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermLimit {
    /// Name of the term, e.g. `request.answer.conditional`.
    pub name: &'static str,
    /// Working days, at least 1.
    pub legal_days: u32,
    /// The clause.
    pub source: &'static str,
}

/// The terms in force: the law's, where the city has not set a shorter one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    days: BTreeMap<&'static str, u32>,
}

/// Why a city's term is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermDefect {
    /// No law knows this term.
    #[error("found term `{found}`, expected one of: {expected}")]
    Unknown {
        /// The name.
        found: String,
        /// The names that are known.
        expected: String,
    },
    /// Longer than the law allows, or nothing at all.
    #[error("found {found} working days for `{name}`, expected 1 to {legal_days} ({clause})")]
    OutOfLaw {
        /// Name of the term.
        name: &'static str,
        /// The city's days.
        found: u32,
        /// The law's days.
        legal_days: u32,
        /// The clause.
        clause: &'static str,
    },
}

impl Terms {
    /// The law's terms, shortened where `city` says so. Names in `city` are those of `limits`.
    ///
    /// # Errors
    /// Every name that no limit has and every term beyond the law, at once.
    pub fn new(limits: &[TermLimit], city: &BTreeMap<String, u32>) -> Result<Self, Vec<TermDefect>> {
        let mut days: BTreeMap<&'static str, u32> = limits.iter().map(|limit| (limit.name, limit.legal_days)).collect();
        let mut defects = Vec::new();
        for (name, &found) in city {
            let Some(limit) = limits.iter().find(|limit| limit.name == name) else {
                let expected = limits.iter().map(|limit| limit.name).collect::<Vec<_>>().join(", ");
                defects.push(TermDefect::Unknown { found: name.clone(), expected });
                continue;
            };
            let TermLimit { name, legal_days, source: clause } = *limit;
            if (1..=legal_days).contains(&found) {
                days.insert(name, found);
            } else {
                defects.push(TermDefect::OutOfLaw { name, found, legal_days, clause });
            }
        }
        if defects.is_empty() { Ok(Self { days }) } else { Err(defects) }
    }

    /// The law's own terms.
    #[must_use]
    pub fn legal(limits: &[TermLimit]) -> Self {
        Self { days: limits.iter().map(|limit| (limit.name, limit.legal_days)).collect() }
    }

    /// Working days of a term.
    ///
    /// # Panics
    /// `limit` is not one of those the terms were made from: a room asked for another room's term.
    #[must_use]
    pub fn days(&self, limit: &TermLimit) -> u32 {
        *self.days.get(limit.name).expect("a room asks for its own terms only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: TermLimit = TermLimit { name: "answer", legal_days: 10, source: "art. 21" };

    #[test]
    fn a_city_may_shorten_a_term_and_never_lengthen_it() {
        let city = |days| BTreeMap::from([("answer".to_owned(), days)]);
        assert_eq!(Terms::legal(&[ANSWER]).days(&ANSWER), 10);
        assert_eq!(Terms::new(&[ANSWER], &city(5)).unwrap().days(&ANSWER), 5);
        for beyond in [0, 11] {
            let defects = Terms::new(&[ANSWER], &city(beyond)).unwrap_err();
            assert!(defects[0].to_string().contains("1 to 10"), "{defects:?}");
        }
    }

    #[test]
    fn unknown_terms_are_refused_with_the_known_ones() {
        let city = BTreeMap::from([("anwser".to_owned(), 5), ("answer".to_owned(), 99)]);
        let defects = Terms::new(&[ANSWER], &city).unwrap_err();
        assert_eq!(defects.len(), 2);
        assert!(defects.iter().any(|defect| matches!(defect, TermDefect::Unknown { .. })));
    }
}
