//! The decisions that stand, as the build asks for them: of which entity is a record, which is the survivor.
//!
//! Order does not matter: what follows is a function of the set of decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use yihe_definitions::Registry;
use yihe_store::{DecisionFilter, DecisionRow, PAGE_ROWS_MAX, Store, StoreError};

use crate::{identity::EntitySecret, record};

/// Most decisions of one registry that a build takes.
pub(crate) const DECISIONS_MAX: usize = 5_000_000;

/// One thing that stands and changes what is built: a decision, or a protection (kind `protected`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub id: String,
    pub kind: String,
    pub dataset: String,
    /// As spelled outside.
    pub record_key: String,
    pub entity_key: String,
    pub other_key: String,
}

/// Everything that stands for a registry, by identifier.
pub(crate) async fn standing(store: &Store, registry: &str) -> Result<Vec<Standing>, StoreError> {
    let filter = DecisionFilter { registry: registry.to_owned(), standing: true, ..DecisionFilter::default() };
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = store.decision_list(&filter, &after, PAGE_ROWS_MAX).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        found.extend(page.into_iter().map(Standing::from));
        if found.len() > DECISIONS_MAX {
            return Err(StoreError::Bound { what: "decisions", found: found.len(), limit: DECISIONS_MAX });
        }
    }
    after.clear();
    loop {
        let page = store.protection_list(registry, true, &after, PAGE_ROWS_MAX).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        found.extend(page.into_iter().map(|row| Standing {
            id: row.id,
            kind: "protected".to_owned(),
            dataset: String::new(),
            record_key: String::new(),
            entity_key: row.entity_key,
            other_key: String::new(),
        }));
        if found.len() > DECISIONS_MAX {
            return Err(StoreError::Bound { what: "protections", found: found.len(), limit: DECISIONS_MAX });
        }
    }
    found.sort();
    Ok(found)
}

impl From<DecisionRow> for Standing {
    fn from(row: DecisionRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            dataset: row.dataset,
            record_key: row.record_key,
            entity_key: row.entity_key,
            other_key: row.other_key,
        }
    }
}

/// What was said of one record.
struct Said {
    /// The entity it bears (split) or is given (join).
    entity: String,
    /// Where a split record belongs.
    other: String,
    id: String,
}

/// Decisions by what they are about.
#[derive(Default)]
pub(crate) struct Links {
    /// For each member, by business key.
    joins: Vec<HashMap<String, Said>>,
    splits: Vec<HashMap<String, Said>>,
    /// Merged entity → survivor and decision.
    merges: BTreeMap<String, (String, String)>,
    /// Merged entity → last survivor.
    roots: HashMap<String, String>,
    protected: HashSet<String>,
}

/// Of which entity a record is, and by which decision if not by its own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned<'a> {
    pub key: &'a str,
    pub by: Option<&'a str>,
}

impl Links {
    pub fn new(registry: &Registry, secret: &EntitySecret, standing: &[Standing]) -> Self {
        let mut links = Self::default();
        links.joins.resize_with(registry.members.len(), HashMap::new);
        links.splits.resize_with(registry.members.len(), HashMap::new);
        for one in standing {
            let member = registry.members.iter().position(|member| member.dataset == one.dataset);
            match (one.kind.as_str(), member) {
                ("join", Some(member)) => {
                    let said = Said { entity: one.entity_key.clone(), other: String::new(), id: one.id.clone() };
                    links.joins[member].insert(record::read(&one.record_key), said);
                }
                ("split", Some(member)) => {
                    let other = if one.other_key.is_empty() {
                        secret.entity_id(&registry.id, &format!("split:{}", one.id))
                    } else {
                        one.other_key.clone()
                    };
                    let said = Said { entity: one.entity_key.clone(), other, id: one.id.clone() };
                    links.splits[member].insert(record::read(&one.record_key), said);
                }
                ("merge", _) => {
                    links.merges.insert(one.other_key.clone(), (one.entity_key.clone(), one.id.clone()));
                }
                _ => {}
            }
        }
        for key in links.merges.keys() {
            let root = links.walk(key);
            links.roots.insert(key.clone(), root);
        }
        let protected = standing.iter().filter(|one| one.kind == "protected");
        links.protected = protected.map(|one| links.root(&one.entity_key).to_owned()).collect();
        links
    }

    /// The last survivor. Decisions that go in a circle (which deciding refuses) end at the least key of it.
    fn walk(&self, key: &str) -> String {
        let mut seen = BTreeSet::new();
        let mut at = key;
        while let Some((survivor, _)) = self.merges.get(at) {
            if !seen.insert(at) {
                // Everybody on the circle and before it must agree on one: the least of the circle itself.
                let mut least = at;
                let mut next = survivor.as_str();
                while next != at {
                    least = least.min(next);
                    next = self.merges.get(next).map_or(at, |(survivor, _)| survivor);
                }
                return least.to_owned();
            }
            at = survivor;
        }
        at.to_owned()
    }

    /// The entity that a key stands for after merges.
    pub fn root<'a>(&'a self, key: &'a str) -> &'a str {
        if self.roots.is_empty() { key } else { self.roots.get(key).map_or(key, String::as_str) }
    }

    /// Whether any decision is about records of a member; if not, a record is of its own key's entity.
    pub fn about_records(&self, member: usize) -> bool {
        !self.joins[member].is_empty() || !self.splits[member].is_empty()
    }

    /// The entity of a record: `own` is its usable key. `None`: of nobody known.
    pub fn assign<'a>(&'a self, member: usize, record: &str, own: Option<&'a str>) -> Option<Assigned<'a>> {
        let Some(own) = own else {
            let said = self.joins[member].get(record)?;
            return Some(Assigned { key: self.root(&said.entity), by: Some(&said.id) });
        };
        if let Some(said) = self.splits[member].get(record)
            && (said.entity == own || self.root(&said.entity) == self.root(own))
        {
            return Some(Assigned { key: self.root(&said.other), by: Some(&said.id) });
        }
        Some(Assigned { key: self.root(own), by: None })
    }

    /// The number that a record was split from, and where it belongs, if a split is about it.
    pub fn split_of(&self, member: usize, record: &str) -> Option<(&str, &str)> {
        self.splits[member].get(record).map(|said| (said.entity.as_str(), said.other.as_str()))
    }

    /// Whether the entity of a key, which is no merged one, is protected.
    pub fn is_protected(&self, root: &str) -> bool {
        !self.protected.is_empty() && self.protected.contains(root)
    }

    /// Every merged entity: its key, the last survivor, the decision.
    pub fn merged(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.merges.iter().map(|(key, (_, id))| (key.as_str(), self.root(key), id.as_str()))
    }
}
