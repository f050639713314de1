//! Automation on proof: something may begin once certain entries stand in the ledger.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// Most kinds of entries that a rule names.
pub const RELEASE_KINDS_MAX: usize = 16;

/// "Release X when entries A and B exist": what the ledger does not hold has not happened. Whoever
/// begins it must wait for the proof, and the beginning cites the entries it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Stable identifier, e.g. `supply`.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// What begins.
    pub releases: Releases,
    /// Kinds of entries that must exist, in any order, e.g. `request.signed`.
    pub requires: Vec<String>,
    /// Kinds that undo: one of them, newer than what is required of the same object, holds it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// Whether it begins by itself as soon as the proof is there; else somebody takes the step.
    #[serde(default)]
    pub automatic: bool,
}

/// What can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Releases {
    /// The supply under a share request that was consented to (条例, art. 22).
    Supply,
}

impl Releases {
    /// The word in a document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supply => "supply",
        }
    }

    /// The kinds of entries that tell of it: of the share request, and of the catalogue entry it is about.
    #[must_use]
    pub fn evidence(self) -> &'static [&'static str] {
        match self {
            Self::Supply => &[
                "request.submitted",
                "request.signed",
                "request.declined",
                "request.notified",
                "request.forwarded",
                "request.answer_proposed",
                "request.answered",
                "request.answer_sent_back",
                "request.withdrawn",
                "entry.signed",
                "entry.published",
                "entry.withdrawn",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pack::{Pack, PackError, PackFiles};

    fn faults(document: &str) -> Vec<String> {
        let mut files = PackFiles::default();
        files.0.insert("pack.yaml".to_owned(), "id: p\nversion: 0.1.0\ntitle: p\nlicence: x\n".to_owned());
        files.0.insert("release.yaml".to_owned(), document.to_owned());
        match Pack::from_files(&[files]) {
            Ok(_) => Vec::new(),
            Err(PackError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(error) => panic!("{error}"),
        }
    }

    const GOOD: &str = "kind: release\nid: on_proof\ntitle: t\nreleases: supply\n\
                        requires: [request.signed, request.answered]\nunless: [request.withdrawn]\n";

    #[test]
    fn a_rule_is_read_and_every_fault_of_one_is_named() {
        assert_eq!(faults(GOOD), Vec::<String>::new());
        for (from, to, said) in [
            ("request.signed", "request.signd", "found no kind of entry `request.signd`"),
            ("[request.signed, request.answered]", "[]", "found 0 kinds in requires"),
            ("unless: [request.withdrawn]", "unless: [request.signed]", "both in requires and in unless"),
            ("releases: supply", "releases: money", "money"),
            ("id: on_proof", "id: On Proof", "found name `On Proof`"),
        ] {
            let found = faults(&GOOD.replace(from, to));
            assert!(found.len() == 1 && found[0].contains(said), "{said}: {found:?}");
            assert!(found[0].starts_with("release.yaml:"), "{found:?}");
        }
        let twice = faults(&format!("{GOOD}---\n{}", GOOD.replace("on_proof", "again")));
        assert!(twice.len() == 1 && twice[0].contains("released by `on_proof` already"), "{twice:?}");
    }
}
