//! Decisions on who is whom: made by people, by reviewers who agree, or by the model where the definition lets it;
//! revoked by people. And protected entities.
//!
//! A decision changes nothing by itself: the next build derives the registry from those that stand. Revoked, it is
//! as if it had never been made.

use std::collections::BTreeSet;

use jiff::civil::Date;
use yihe_definitions::Registry;
use yihe_lake::TableName;
use yihe_lake::Zone;
use yihe_store::{Actor, DecisionRow, PAGE_ROWS_MAX, ProtectionRow, StoreError, Tx};

use crate::{
    build::Builder,
    candidates::Waterfall,
    duplicates::ENTITY_SIDE,
    error::RegistryError,
    identity::is_entity_id,
    key,
    record::{self, RecordRef},
    shape,
};

/// Longest reason or basis, in characters.
pub const REASON_MAX: usize = 500;

/// What is decided. Entities are named by their key, in any spelling, or by their name (`E…`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The record, which has no usable key, is of the entity.
    Join {
        /// Record.
        record: RecordRef,
        /// Entity.
        entity: String,
    },
    /// Two entities are one; `merged` goes into `survivor`.
    Merge {
        /// Entity that stays.
        survivor: String,
        /// Entity that is found under the other from now on.
        merged: String,
    },
    /// The record, though it bears the entity's key, is of another; `None`: of one of its own.
    Split {
        /// Record.
        record: RecordRef,
        /// Entity whose key it bears.
        entity: String,
        /// Whose it is.
        other: Option<String>,
    },
    /// Two entities are two, however alike they are, and are not to be proposed as one again.
    Distinct {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// The record is not of the entity and is not to be proposed for it again.
    Apart {
        /// Record.
        record: RecordRef,
        /// Entity.
        entity: String,
    },
}

impl Decision {
    /// The word in the store and the API.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Merge { .. } => "merge",
            Self::Split { .. } => "split",
            Self::Apart { .. } | Self::Distinct { .. } => "apart",
        }
    }
}

/// The model that proposed a decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proposal {
    /// Digest of the model; empty where none proposed it.
    pub model: String,
    /// Probability, in millionths.
    pub probability_ppm: Option<i64>,
    /// What the probability is made of. The values that were compared are not kept with the decision.
    pub evidence: Option<Waterfall>,
    /// Version of the table of candidates that keeps the model.
    pub model_version: Option<i64>,
}

impl Builder {
    /// Records a decision and returns its identifier.
    ///
    /// # Errors
    /// [`RegistryError::NoRecord`], [`RegistryError::NoEntity`], [`RegistryError::Key`] for what is not there;
    /// [`RegistryError::Contradicts`] names the decision that stands against it; [`RegistryError::Undecidable`] says
    /// why it makes no sense; [`RegistryError::Store`], [`RegistryError::Lake`].
    pub async fn decide(
        &self,
        registry: &Registry,
        decision: Decision,
        reason: &str,
        proposal: &Proposal,
        actor: &Actor,
    ) -> Result<String, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let row = self.checked(registry, decision, reason, proposal, actor).await?;
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let id = self.insert(registry, &mut tx, row, actor).await?;
        tx.commit().await.map_err(store_failed)?;
        Ok(id)
    }

    /// A decision as a row, once everything it names is there.
    pub(crate) async fn checked(
        &self,
        registry: &Registry,
        decision: Decision,
        reason: &str,
        proposal: &Proposal,
        actor: &Actor,
    ) -> Result<DecisionRow, RegistryError> {
        let undecidable = |why| RegistryError::Undecidable { registry: registry.id.clone(), why };
        let reason = bounded(registry, reason)?;
        let kind = decision.word();
        let (record, entity_key, other_key) = match decision {
            Decision::Join { record, entity } => {
                let (record, own) = self.existing(registry, record).await?;
                if own.is_some() {
                    return Err(undecidable(Undecidable::HasKey));
                }
                (Some(record), self.entity(registry, &entity).await?, String::new())
            }
            Decision::Apart { record, entity } => {
                (Some(self.existing(registry, record).await?.0), self.entity(registry, &entity).await?, String::new())
            }
            Decision::Split { record, entity, other } => {
                let (record, own) = self.existing(registry, record).await?;
                let Some(own) = own else { return Err(undecidable(Undecidable::NoKeyToSplit)) };
                let entity = self.entity(registry, &entity).await?;
                // Of a hash the number is not known, only that it is the entity's.
                let own = if own.is_empty() { entity.clone() } else { own };
                let other = match other {
                    Some(other) => self.entity(registry, &other).await?,
                    None => String::new(),
                };
                if own == other || entity == other {
                    return Err(undecidable(Undecidable::Itself));
                }
                // What it bears, should the entity be known by another of its keys.
                (Some(record), own, other)
            }
            Decision::Distinct { one, other } => {
                let (one, other) = (self.entity(registry, &one).await?, self.entity(registry, &other).await?);
                if one == other {
                    return Err(undecidable(Undecidable::Itself));
                }
                (None, one, other)
            }
            Decision::Merge { survivor, merged } => {
                let (survivor, merged) =
                    (self.entity(registry, &survivor).await?, self.entity(registry, &merged).await?);
                if survivor == merged {
                    return Err(undecidable(Undecidable::Itself));
                }
                if is_entity_id(&survivor) && !is_entity_id(&merged) {
                    return Err(undecidable(Undecidable::SurvivorWithoutNumber));
                }
                (None, survivor, merged)
            }
        };
        let record = record.unwrap_or(RecordRef { dataset: String::new(), record_key: String::new() });
        Ok(DecisionRow {
            id: String::new(),
            registry: registry.id.clone(),
            kind: kind.to_owned(),
            dataset: record.dataset,
            record_key: record.record_key,
            entity_key,
            other_key,
            reason,
            decided_by: actor.account.clone(),
            decided_at: self.clock.now(),
            model: proposal.model.clone(),
            probability_ppm: proposal.probability_ppm,
            evidence: proposal.evidence.as_ref().map(Waterfall::without_values),
            model_version: proposal.model_version,
            revoked_at: None,
            revoked_by: None,
            revoked_reason: None,
            version: 1,
        })
    }

    /// Inserts a checked decision unless another stands against it.
    pub(crate) async fn insert(
        &self,
        registry: &Registry,
        tx: &mut Tx,
        mut row: DecisionRow,
        actor: &Actor,
    ) -> Result<String, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let record = (row.dataset.as_str(), row.record_key.as_str());
        let keys = (row.entity_key.as_str(), row.other_key.as_str());
        let about = tx.decision_list_about(&registry.id, record, keys).await.map_err(store_failed)?;
        if let Some(against) = about.iter().find(|known| contradicts(known, &row)) {
            return Err(contradiction(registry, against));
        }
        if row.record_key.is_empty()
            && let Some(against) = against_entities(tx, &row).await.map_err(store_failed)?
        {
            return Err(contradiction(registry, &against));
        }
        if row.kind == "merge" {
            // Along the survivors: whoever is merged must not be found again.
            let mut at = row.entity_key.clone();
            for _ in 0..PAGE_ROWS_MAX {
                let next = tx.decision_list_about(&registry.id, ("", ""), (&at, "")).await.map_err(store_failed)?;
                let Some(next) = next.into_iter().find(|known| known.kind == "merge" && known.other_key == at) else {
                    break;
                };
                if next.entity_key == row.other_key {
                    return Err(contradiction(registry, &next));
                }
                at = next.entity_key;
            }
        }
        let at = self.clock.now();
        row.id = tx.new_id(at);
        tx.decision_insert(&row, &actor.act("link.decided", at)).await.map_err(store_failed)?;
        Ok(row.id)
    }

    /// Revokes a decision that stands.
    ///
    /// # Errors
    /// [`RegistryError::NoDecision`] when there is none of this identifier in the registry, or it was revoked;
    /// [`RegistryError::Store`].
    pub async fn revoke(
        &self,
        registry: &Registry,
        id: &str,
        reason: &str,
        actor: &Actor,
    ) -> Result<(), RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let reason = bounded(registry, reason)?;
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let known = tx.decision_find(id).await.map_err(store_failed)?;
        let Some(known) = known.filter(|known| known.registry == registry.id && known.revoked_at.is_none()) else {
            return Err(RegistryError::NoDecision { registry: registry.id.clone(), id: id.to_owned() });
        };
        let act = actor.act("link.revoked", self.clock.now());
        tx.decision_revoke(id, known.version, &reason, &act).await.map_err(store_failed)?;
        tx.commit().await.map_err(store_failed)
    }

    /// Protects an entity, from today; `until` is the last day.
    ///
    /// # Errors
    /// [`RegistryError::NoEntity`], [`RegistryError::Key`]; [`RegistryError::Store`], a duplicate among them.
    pub async fn protect(
        &self,
        registry: &Registry,
        entity: &str,
        basis: &str,
        until: Option<Date>,
        actor: &Actor,
    ) -> Result<String, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let basis = bounded(registry, basis)?;
        // Somebody may be protected before any department tells of them.
        let entity_key = self.spelled(registry, entity)?;
        let at = self.clock.now();
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let row = ProtectionRow {
            id: tx.new_id(at),
            registry: registry.id.clone(),
            entity_key,
            basis,
            since: self.clock.today(),
            until,
            noted_by: actor.account.clone(),
            noted_at: at,
            lifted_at: None,
            lifted_by: None,
            version: 1,
        };
        tx.protection_insert(&row, &actor.act("entity.protected", at)).await.map_err(store_failed)?;
        tx.commit().await.map_err(store_failed)?;
        Ok(row.id)
    }

    /// Ends the protection of an entity. False: it was not protected.
    ///
    /// # Errors
    /// [`RegistryError::Key`], [`RegistryError::Store`].
    pub async fn unprotect(&self, registry: &Registry, entity: &str, actor: &Actor) -> Result<bool, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let key = self.spelled(registry, entity)?;
        let Some(row) = self.store.protection_find_standing(&registry.id, &key).await.map_err(store_failed)? else {
            return Ok(false);
        };
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let act = actor.act("entity.unprotected", self.clock.now());
        tx.protection_lift(&row.id, row.version, &act).await.map_err(store_failed)?;
        tx.commit().await.map_err(store_failed)?;
        Ok(true)
    }

    /// Lifts protections whose last day has passed, so that what is built asks no clock.
    pub(crate) async fn lift_expired(&self, registry: &Registry) -> Result<(), RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let (today, at) = (self.clock.today(), self.clock.now());
        let mut after = String::new();
        loop {
            let page = self.store.protection_list(&registry.id, true, &after, PAGE_ROWS_MAX).await;
            let page = page.map_err(store_failed)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for row in page.iter().filter(|row| row.until.is_some_and(|until| until < today)) {
                let mut tx = self.store.begin().await.map_err(store_failed)?;
                let act = self.actor.act("entity.unprotected", at);
                match tx.protection_lift(&row.id, row.version, &act).await {
                    Ok(()) => tx.commit().await.map_err(store_failed)?,
                    // Somebody else lifted it in this moment.
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(store_failed(error)),
                }
            }
        }
    }

    /// The one spelling of an entity's key or name.
    ///
    /// # Errors
    /// [`RegistryError::Key`].
    pub fn spelled(&self, registry: &Registry, text: &str) -> Result<String, RegistryError> {
        if is_entity_id(text) {
            return Ok(text.to_owned());
        }
        let key = key::usable(registry.entity, text);
        key.map(std::borrow::Cow::into_owned).ok_or_else(|| RegistryError::Key { registry: registry.id.clone() })
    }

    /// The key of an entity that is in the registry: named by its key, by one merged into it, or by its name.
    async fn entity(&self, registry: &Registry, text: &str) -> Result<String, RegistryError> {
        let failed =
            |source| RegistryError::Lake { action: "look up an entity", registry: registry.id.clone(), source };
        let key = self.spelled(registry, text)?;
        let no_entity = || RegistryError::NoEntity { registry: registry.id.clone() };
        let golden = shape::golden_table(registry).map_err(failed)?;
        if !self.lake.exists(&golden) {
            return Err(no_entity());
        }
        let found = crate::why::entity_key(&self.lake, registry, &key).await?;
        found.ok_or_else(no_entity)
    }

    /// The record with its key in its one spelling, and its usable entity key if it has one; an empty one where the
    /// record bears a hash that the last build recognised.
    async fn existing(
        &self,
        registry: &Registry,
        record: RecordRef,
    ) -> Result<(RecordRef, Option<String>), RegistryError> {
        let failed = |source| RegistryError::Lake { action: "look up a record", registry: registry.id.clone(), source };
        let no_record = || RegistryError::NoRecord { registry: registry.id.clone(), dataset: record.dataset.clone() };
        let member = registry.members.iter().find(|member| member.dataset == record.dataset).ok_or_else(no_record)?;
        let table = TableName::new(Zone::Checked, member.dataset.as_str()).map_err(failed)?;
        if !self.lake.exists(&table) || record.record_key.starts_with('#') {
            return Err(no_record());
        }
        let text = record::read(&record.record_key);
        let layout = self.lake.layout(&table).await.map_err(failed)?;
        let parts = record::parts(&text);
        if parts.len() != layout.key().len() {
            return Err(no_record());
        }
        let found = self.lake.lookup(&table, &parts).await.map_err(failed)?;
        let Some(batch) = found.iter().find(|batch| batch.num_rows() > 0) else { return Err(no_record()) };
        let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
        if member.hashed.is_some() {
            let unlinked = shape::unlinked_table(registry).map_err(failed)?;
            let lost = self.unlinked_of(registry, &unlinked, &member.dataset).await?;
            let record = RecordRef { dataset: record.dataset.clone(), record_key: record::spell(&text) };
            let own = (!lost.contains(&record.record_key)).then(String::new);
            return Ok((record, own));
        }
        let found = key::delivered(&member.key, batch).map_err(spool_failed)?;
        let found: Option<&str> = found.iter().next().flatten();
        let own = found.and_then(|found| key::usable(registry.entity, found)).map(std::borrow::Cow::into_owned);
        let record = RecordRef { dataset: record.dataset.clone(), record_key: record::spell(&text) };
        Ok((record, own))
    }
}

/// What the model decided by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// Records that were joined.
    pub joined: u64,
    /// Records of which something that stands says otherwise.
    pub refused: u64,
}

impl Builder {
    /// Joins every record whose likeliest entity has at least the probability `from`, as the last search for
    /// candidates found it. Each is a decision as any other, made by `model`.
    ///
    /// # Errors
    /// [`RegistryError::NoCandidates`] before the first search; [`RegistryError::Lake`], [`RegistryError::Store`].
    pub async fn join(&self, registry: &Registry, from: f64) -> Result<Joined, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let mut done = Joined::default();
        let actor = Actor { account: "model".to_owned(), ..self.actor.clone() };
        let (pairs, model_version) = crate::review::pairs(&self.lake, registry).await?;
        for pair in pairs {
            if pair.rank != 1 || pair.probability < from || pair.dataset == ENTITY_SIDE {
                continue;
            }
            let row = DecisionRow {
                id: String::new(),
                registry: registry.id.clone(),
                kind: "join".to_owned(),
                dataset: pair.dataset,
                record_key: pair.record_key,
                entity_key: pair.entity,
                other_key: String::new(),
                reason: format!("{:.6} >= {from}", pair.probability),
                decided_by: actor.account.clone(),
                decided_at: self.clock.now(),
                model: pair.model,
                probability_ppm: Some(crate::why::to_ppm(pair.probability)),
                evidence: pair.waterfall.as_ref().map(Waterfall::without_values),
                model_version: Some(model_version),
                revoked_at: None,
                revoked_by: None,
                revoked_reason: None,
                version: 1,
            };
            let mut tx = self.store.begin().await.map_err(store_failed)?;
            match self.insert(registry, &mut tx, row, &actor).await {
                Ok(_) => {
                    tx.commit().await.map_err(store_failed)?;
                    done.joined += 1;
                }
                Err(RegistryError::Contradicts { .. }) => done.refused += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

fn bounded(registry: &Registry, reason: &str) -> Result<String, RegistryError> {
    let reason = reason.trim();
    let found = reason.chars().count();
    if (1..=REASON_MAX).contains(&found) {
        Ok(reason.to_owned())
    } else {
        Err(RegistryError::Reason { registry: registry.id.clone(), found, most: REASON_MAX })
    }
}

fn contradiction(registry: &Registry, against: &DecisionRow) -> RegistryError {
    RegistryError::Contradicts {
        registry: registry.id.clone(),
        id: against.id.clone(),
        kind: against.kind.clone(),
        decided_by: against.decided_by.clone(),
        on: against.decided_at.strftime("%Y-%m-%d").to_string(),
    }
}

/// The decision that stands against one on two entities, however far along merges: those that are one already cannot be
/// two, and those found to be two cannot become one.
pub(crate) async fn against_entities(tx: &mut Tx, row: &DecisionRow) -> Result<Option<DecisionRow>, StoreError> {
    let mine = merged_with(tx, &row.registry, &row.entity_key).await?;
    if row.kind == "apart" {
        if !mine.contains(&row.other_key) {
            return Ok(None);
        }
        let about = tx.decision_list_about(&row.registry, ("", ""), (&row.other_key, "")).await?;
        return Ok(about.into_iter().find(|known| known.kind == "merge"));
    }
    let theirs = merged_with(tx, &row.registry, &row.other_key).await?;
    for one in &mine {
        for other in &theirs {
            let about = tx.decision_list_about(&row.registry, ("", ""), (one, other)).await?;
            if let Some(against) = about.into_iter().find(|known| known.kind == "apart") {
                return Ok(Some(against));
            }
        }
    }
    Ok(None)
}

/// Most entities that are one by decisions, as far as they are looked through.
const MERGED_MAX: usize = 64;

/// The entities that merges make one with this one, itself among them.
async fn merged_with(tx: &mut Tx, registry: &str, key: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut found = BTreeSet::from([key.to_owned()]);
    let mut waiting = vec![key.to_owned()];
    while let Some(key) = waiting.pop() {
        for known in tx.decision_list_about(registry, ("", ""), (&key, "")).await? {
            if known.kind != "merge" {
                continue;
            }
            for other in [known.entity_key, known.other_key] {
                if found.len() < MERGED_MAX && found.insert(other.clone()) {
                    waiting.push(other);
                }
            }
        }
    }
    Ok(found)
}

/// Whether `known`, which stands, is against `row`.
pub(crate) fn contradicts(known: &DecisionRow, row: &DecisionRow) -> bool {
    let same_record =
        !row.record_key.is_empty() && (&known.dataset, &known.record_key) == (&row.dataset, &row.record_key);
    match (known.kind.as_str(), row.kind.as_str()) {
        // Whether two entities are one is said once.
        ("apart", "merge" | "apart") if row.record_key.is_empty() && known.record_key.is_empty() => {
            let pair = [(&known.entity_key, &known.other_key), (&known.other_key, &known.entity_key)];
            pair.contains(&(&row.entity_key, &row.other_key))
        }
        // A record is of one entity.
        ("join" | "split", "join" | "split") => same_record,
        ("apart", "join" | "apart") | ("join", "apart") => same_record && known.entity_key == row.entity_key,
        ("apart", "split") => same_record && known.entity_key == row.other_key,
        ("split", "apart") => same_record && known.other_key == row.entity_key,
        // An entity goes into one other, and nothing goes into what is gone.
        ("merge", "merge") => known.other_key == row.other_key || known.other_key == row.entity_key,
        _ => false,
    }
}

/// Why something cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecidable {
    /// The record has a usable key of its own, which counts.
    HasKey,
    /// The record has no key that could be split off.
    NoKeyToSplit,
    /// Both sides are one entity.
    Itself,
    /// The entity that is to stay has no number, the other has.
    SurvivorWithoutNumber,
}

impl Undecidable {
    /// Chinese and English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::HasKey => (
                "该记录有可用主键，以其主键为准；如主键有误，请用拆分",
                "the record has a usable key of its own, which counts; if that is wrong, split it",
            ),
            Self::NoKeyToSplit => (
                "该记录没有可用主键，无从拆分；请撤销其并入认定",
                "the record has no usable key to split off; revoke its join",
            ),
            Self::Itself => ("两边是同一实体", "both sides are one entity"),
            Self::SurvivorWithoutNumber => (
                "保留的一方没有号码而另一方有，请对调",
                "the side that is to stay has no number and the other has; swap them",
            ),
        }
    }
}
