//! Automation on proof: something may begin when certain entries stand in the log.
//!
//! A definition says "release `supply.begins` when `request.signed`, `request.authorised` and
//! `assessment.passed` exist for the object". What the log does not hold has not happened; what is
//! released cites the entries it rests on, so that anyone can check the release.

use serde_json::{Value, json};

use crate::{
    error::LedgerError,
    hashes::{Hash, TreeHash},
    ledger::Ledger,
    proof::TlogProof,
    view::LogView,
};

/// A rule as a definition declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRule {
    /// Kind of the entry that the release itself will be.
    pub releases: String,
    /// Kinds that must exist for the object, in any order.
    pub requires: Vec<String>,
    /// Kinds that undo: one of these, newer than the newest required entry, holds the release back.
    pub unless: Vec<String>,
}

/// An entry that a release rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    pub kind: String,
    pub index: u64,
    /// Leaf hash in the SHA-256 tree.
    pub leaf: Hash,
    pub proof: TlogProof,
}

/// Whether a rule is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    Ready {
        citations: Vec<Citation>,
    },
    /// These kinds do not exist for the object yet.
    Waiting {
        missing: Vec<String>,
    },
    /// The condition was met and then undone by this entry.
    Undone {
        kind: String,
        index: u64,
    },
}

impl ReleaseRule {
    /// Looks the object's entries up and proves those the rule asks for; of several of one kind the
    /// newest counts.
    ///
    /// # Errors
    /// An unreadable log, or an object with more entries than are walked.
    pub fn evaluate(&self, ledger: &Ledger, object: &str) -> Result<Release, LedgerError> {
        self.evaluate_in(ledger.view(), ledger.last_of(object)?, object)
    }

    /// As [`Self::evaluate`], from the published files alone: for whoever does not hold the ledger.
    /// `last` is the index of the last entry about the object, as the store noted it; what it says is
    /// not believed, the entries are read.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_in(&self, view: &LogView, last: Option<u64>, object: &str) -> Result<Release, LedgerError> {
        let head = view.head(TreeHash::Sha256)?;
        let mut history = match last {
            Some(last) if last < head.size => view.history(last, head.size)?,
            Some(_) | None => Vec::new(),
        };
        history.retain(|(_, entry)| entry.object == object);
        let newest = |kind: &String| history.iter().find(|(_, entry)| entry.kind == *kind);
        let missing: Vec<String> = self.requires.iter().filter(|kind| newest(kind).is_none()).cloned().collect();
        if !missing.is_empty() {
            return Ok(Release::Waiting { missing });
        }
        let latest_required = self.requires.iter().filter_map(newest).map(|(index, _)| *index).max();
        let undoing = self.unless.iter().filter_map(newest).max_by_key(|(index, _)| *index);
        if let Some((index, entry)) = undoing
            && latest_required.is_none_or(|required| *index > required)
        {
            return Ok(Release::Undone { kind: entry.kind.clone(), index: *index });
        }
        let mut citations = Vec::with_capacity(self.requires.len());
        for (index, entry) in self.requires.iter().filter_map(newest) {
            let bytes = view.entry_bytes(*index, head.size)?;
            citations.push(Citation {
                kind: entry.kind.clone(),
                index: *index,
                leaf: TreeHash::Sha256.leaf(&bytes),
                proof: view.prove_in(&head, *index)?,
            });
        }
        Ok(Release::Ready { citations })
    }
}

/// The payload for the release's own entry.
#[must_use]
pub fn release_payload(object: &str, citations: &[Citation]) -> Value {
    let cites: Vec<Value> = citations
        .iter()
        .map(|cite| json!({ "kind": cite.kind, "index": cite.index, "leaf_sha256": hex::encode(cite.leaf) }))
        .collect();
    json!({ "object": object, "cites": cites })
}
