//! Who was supplied with a value before it was corrected.
//!
//! Use records name the entry and the key that was looked up, so the question is one of the metadata store and needs
//! no other room. A value that was held back was never supplied; one that was supplied before the fault began was
//! another value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use yihe_definitions::{Dataset, Pack};
use yihe_store::{Store, StoreError};

use crate::history::{Change, FaultRecord};

/// Use records that one notice names; more are counted.
pub const RECEIPTS_MAX: usize = 200;
/// Use records that one search may meet; beyond it the notice says how many were met.
const SUPPLIES_MAX: usize = 100_000;

/// A department that must be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Rule whose faults ended.
    pub rule: String,
    /// Department that was supplied.
    pub department: String,
    /// `corrected` or `gone`.
    pub outcome: String,
    /// Supplies.
    pub supplies: u64,
    /// Their use records, at most [`RECEIPTS_MAX`].
    pub receipts: Vec<String>,
}

/// The entries under which records of a dataset are supplied.
#[derive(Debug, Clone)]
pub struct Recipients {
    store: Store,
    /// Entry of the dataset itself, when something was supplied under it.
    own: Option<String>,
    /// Entries of the registries it feeds, in the order of the pack.
    registries: Vec<Option<String>>,
}

impl Recipients {
    /// Finds the entries of a dataset and of the registries it feeds.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of_dataset(store: &Store, pack: &Pack, dataset: &Dataset) -> Result<Self, StoreError> {
        let own = supplied(store, "dataset", &dataset.id).await?;
        let mut registries = Vec::new();
        for registry in &pack.registries {
            for member in &registry.members {
                if member.dataset == dataset.id {
                    registries.push(supplied(store, "registry", &registry.id).await?);
                }
            }
        }
        Ok(Self { store: store.clone(), own, registries })
    }

    /// Begins to gather faults that ended.
    #[must_use]
    pub fn collector(&self) -> Collector<'_> {
        Collector { recipients: self, waiting: BTreeMap::new(), told: BTreeMap::new() }
    }
}

async fn supplied(store: &Store, kind: &str, source: &str) -> Result<Option<String>, StoreError> {
    let Some(entry) = store.entry_find_by_source(kind, source).await? else { return Ok(None) };
    Ok(store.usage_exists(&entry.code).await?.then_some(entry.code))
}

/// What ended of a record: rule, outcome, and since when the wrong value stood.
type Ended = (String, &'static str, i64);

/// Gathers faults that ended and looks up who had their values.
#[derive(Debug)]
pub struct Collector<'a> {
    recipients: &'a Recipients,
    /// Entry and key as it was looked up → what ended.
    waiting: BTreeMap<(String, String), Vec<Ended>>,
    told: BTreeMap<(String, String, &'static str), (u64, Vec<String>)>,
}

impl Collector<'_> {
    /// Takes a fault that ended. `entities` are the record's keys in the registries.
    pub fn ended(&mut self, record: &FaultRecord, change: Change, entities: Vec<Option<String>>) {
        if record.severity == "hold" {
            return;
        }
        let outcome = if change == Change::Gone { "gone" } else { "corrected" };
        let mut wait = |entry: &Option<String>, looked_up: String| {
            if let Some(entry) = entry {
                let ended = (record.rule.clone(), outcome, record.opened_at);
                self.waiting.entry((entry.clone(), looked_up)).or_default().push(ended);
            }
        };
        wait(&self.recipients.own, record.key.clone());
        for (entry, entity) in self.recipients.registries.iter().zip(entities) {
            if let Some(entity) = entity {
                wait(entry, serde_json::to_string(&[entity]).expect("texts are always JSON"));
            }
        }
    }

    /// Looks up what waits.
    ///
    /// # Errors
    /// The store failed.
    pub async fn look_up(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut by_entry: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (entry, looked_up) in waiting.keys() {
            by_entry.entry(entry).or_default().push(looked_up.clone());
        }
        for (entry, keys) in by_entry {
            for usage in self.recipients.store.usage_list_of_records(entry, &keys, SUPPLIES_MAX).await? {
                let Some(ended) = waiting.get(&(entry.to_owned(), usage.looked_up.clone())) else { continue };
                for (rule, outcome, opened_at) in ended {
                    if usage.at.as_microsecond() < *opened_at {
                        continue;
                    }
                    let told = self.told.entry((rule.clone(), usage.grantee.clone(), outcome)).or_default();
                    told.0 += 1;
                    if told.1.len() < RECEIPTS_MAX {
                        told.1.push(usage.id.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// Who must be told.
    #[must_use]
    pub fn finish(self) -> Vec<Told> {
        let told = self.told.into_iter();
        told.map(|((rule, department, outcome), (supplies, receipts))| Told {
            rule,
            department,
            outcome: outcome.to_owned(),
            supplies,
            receipts,
        })
        .collect()
    }
}

/// Everybody who was supplied with one record under one entry, by department.
///
/// # Errors
/// The store failed.
pub async fn of_record(
    store: &Store,
    entry: &str,
    looked_up: &str,
    before: Timestamp,
) -> Result<BTreeMap<String, (u64, Vec<String>)>, StoreError> {
    let mut departments: BTreeMap<String, (u64, Vec<String>)> = BTreeMap::new();
    for usage in store.usage_list_of_records(entry, &[looked_up.to_owned()], SUPPLIES_MAX).await? {
        if usage.at > before {
            continue;
        }
        let told = departments.entry(usage.grantee).or_default();
        told.0 += 1;
        if told.1.len() < RECEIPTS_MAX {
            told.1.push(usage.id);
        }
    }
    Ok(departments)
}
