//! Doubtful pairs for people to judge, and what their answers come to.
//!
//! A pair is a record of no known entity and an entity it may be of, or two entities that may be one. When as many
//! reviewers as the definition asks agree, their answer becomes a decision in the same transaction: `join` or `merge`,
//! or `apart`.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Float64Type, Int64Type},
};
use futures::StreamExt;
use serde::Serialize;
use yihe_definitions::Registry;
use yihe_lake::{Lake, LakeError, Scan, TableName};
use yihe_store::{Actor, DecisionRow, LabelRow, PAGE_ROWS_MAX, Store, StoreError};

use crate::{
    build::Builder,
    candidates::{Waterfall, candidates_table},
    decide::{Decision, Proposal, against_entities, contradicts},
    duplicates::{Apart, ENTITY_SIDE},
    error::RegistryError,
    identity::EntitySecret,
    links::{self, Links},
    record::{self, RecordRef},
    why::to_ppm,
};

/// Most candidates that are read for a list, and most labels.
const PAIRS_MAX: usize = 500_000;
/// From this distance of a half on a pair is not doubtful: 0.01 and 0.99.
const DOUBT: f64 = 0.49;
/// Longest time at one pair that is believed, in seconds.
const SECONDS_MAX: i64 = 3_600;

/// A pair of record and entity, or of two entities, with its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Dataset of the record; [`ENTITY_SIDE`] where the other side is an entity.
    pub dataset: String,
    /// Business key of the record, or the key of the entity that would be merged away, as a JSON list of texts.
    /// Personal data.
    pub record_key: String,
    /// Batch in which it was delivered; the name of the entity that would be merged away.
    pub batch: String,
    /// Row of the batch.
    pub row: i64,
    /// The entity's key. Personal data.
    pub entity: String,
    /// Probability among the record's candidates.
    pub probability: f64,
    /// Place among them, from 1.
    pub rank: i64,
    /// Digest of the model.
    pub model: String,
    /// What the probability is made of.
    pub waterfall: Option<Waterfall>,
}

impl Pair {
    /// The key of the entity that would be merged away, of two entities. Personal data.
    #[must_use]
    pub fn merged(&self) -> Option<String> {
        (self.dataset == ENTITY_SIDE).then(|| record::read(&self.record_key))
    }
}

/// What a reviewer says of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The record is of the entity.
    Same,
    /// It is not.
    Different,
    /// It cannot be told from what is shown.
    Unsure,
}

impl Verdict {
    /// Every verdict, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Same, Self::Different, Self::Unsure];

    /// The word in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Unsure => "unsure",
        }
    }

    /// The verdict of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// How far reviewers agree.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Agreement {
    /// Answers by reviewer: same, different, unsure.
    pub reviewers: BTreeMap<String, [u64; 3]>,
    /// Pairs of answers of two reviewers on one pair of records, `unsure` left out.
    pub compared: u64,
    /// Share of these that are the same; `None` where there is none.
    pub share: Option<f64>,
    /// Cohen's kappa: of more than two reviewers the mean over every two, weighted by what both answered; `None` where
    /// it has no value, because everybody always says the same.
    pub kappa: Option<f64>,
    /// Pairs on which reviewers disagree, at most 200: dataset, record, entity. Personal data.
    pub disputed: Vec<(String, String, String)>,
}

/// Most disputed pairs that are listed.
const DISPUTED_MAX: usize = 200;

/// Every candidate of the last search, and the version of the table they are in.
///
/// # Errors
/// [`RegistryError::NoCandidates`] before the first search; [`RegistryError::Lake`].
pub async fn pairs(lake: &Lake, registry: &Registry) -> Result<(Vec<Pair>, i64), RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
    let (table, version) = searched(lake, registry).await?;
    let scan = Scan { version: Some(version), limit: Some(PAIRS_MAX), ..Scan::default() };
    let mut stream = lake.scan(&table, scan).await.map_err(failed)?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        for row in 0..batch.num_rows() {
            found.push(read(&batch, row).map_err(failed)?);
        }
    }
    Ok((found, version))
}

/// The table of candidates, and its version.
async fn searched(lake: &Lake, registry: &Registry) -> Result<(TableName, i64), RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
    let table = candidates_table(registry).map_err(failed)?;
    if !lake.exists(&table) {
        return Err(RegistryError::NoCandidates { registry: registry.id.clone() });
    }
    let version = lake.version(&table).await.map_err(failed)?;
    Ok((table, version))
}

/// What a candidate is called, and how far its probability is from a half.
struct Doubt {
    distance: f64,
    dataset: String,
    record_key: String,
    entity: String,
}

/// The doubtful ones among the candidates, the least certain first; nothing else of them is read. Of two entities
/// somebody decides however certain it seems.
async fn doubts(
    lake: &Lake,
    registry: &Registry,
    table: &TableName,
    version: i64,
) -> Result<Vec<Doubt>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
    let scan = Scan {
        version: Some(version),
        columns: Some(["dataset", "record_key", "entity", "probability"].map(str::to_owned).to_vec()),
        filter_sql: Some(format!("abs(probability - 0.5) < {DOUBT} OR dataset = '{ENTITY_SIDE}'")),
        limit: Some(PAIRS_MAX),
        ..Scan::default()
    };
    let mut stream = lake.scan(table, scan).await.map_err(failed)?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        let text = |at: usize, row: usize| batch.column(at).as_string::<i32>().value(row).to_owned();
        let probabilities = batch.column(3).as_primitive::<Float64Type>();
        found.extend((0..batch.num_rows()).map(|row| Doubt {
            distance: (probabilities.value(row) - 0.5).abs(),
            dataset: text(0, row),
            record_key: text(1, row),
            entity: text(2, row),
        }));
    }
    found.sort_by(|a, b| {
        a.distance
            .total_cmp(&b.distance)
            .then_with(|| (&a.dataset, &a.record_key, &a.entity).cmp(&(&b.dataset, &b.record_key, &b.entity)))
    });
    Ok(found)
}

/// One row of the candidates.
pub(crate) fn read(batch: &RecordBatch, row: usize) -> Result<Pair, LakeError> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.ok_or_else(|| LakeError::Refused { reason: format!("the candidates have no column `{name}`") })
    };
    let text = |name: &str| -> Result<String, LakeError> { Ok(column(name)?.as_string::<i32>().value(row).to_owned()) };
    let whole = |name: &str| -> Result<i64, LakeError> { Ok(column(name)?.as_primitive::<Int64Type>().value(row)) };
    Ok(Pair {
        dataset: text("dataset")?,
        record_key: text("record_key")?,
        batch: text("batch")?,
        row: whole("row")?,
        entity: text("entity")?,
        probability: column("probability")?.as_primitive::<Float64Type>().value(row),
        rank: whole("rank")?,
        model: text("model")?,
        waterfall: serde_json::from_str(&text("waterfall")?).ok(),
    })
}

/// Doubtful pairs, the least certain first, from the `offset`-th on; those left out that the reviewer answered or
/// that a decision is about. The second figure is how many there are in all.
///
/// # Errors
/// [`RegistryError::NoCandidates`], [`RegistryError::Lake`], [`RegistryError::Store`].
pub async fn list(
    lake: &Lake,
    store: &Store,
    registry: &Registry,
    reviewer: &str,
    offset: usize,
    limit: usize,
) -> Result<(Vec<Pair>, usize), RegistryError> {
    let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
    let mut answered: HashSet<(String, String, String)> = HashSet::new();
    for label in labels_of(store, &registry.id, reviewer).await.map_err(store_failed)? {
        answered.insert((label.dataset, label.record_key, label.entity_key));
    }
    let mut settled: HashSet<(String, String)> = HashSet::new();
    let standing = links::standing(store, &registry.id).await.map_err(store_failed)?;
    // What a split makes is named by a secret that nothing here asks for.
    let merges = Apart::new(Links::new(registry, &EntitySecret::new(&[0; 32]), &standing), &standing);
    for one in standing {
        match one.kind.as_str() {
            "join" | "split" => {
                settled.insert((one.dataset, one.record_key));
            }
            "apart" => {
                answered.insert((one.dataset, one.record_key, one.entity_key));
            }
            _ => {}
        }
    }
    let (table, version) = searched(lake, registry).await?;
    let mut doubtful = doubts(lake, registry, &table, version).await?;
    doubtful.retain(|pair| {
        let is_settled = pair.dataset == ENTITY_SIDE && merges.parts(&record::read(&pair.record_key), &pair.entity);
        !is_settled
            && !settled.contains(&(pair.dataset.clone(), pair.record_key.clone()))
            && !answered.contains(&(pair.dataset.clone(), pair.record_key.clone(), pair.entity.clone()))
    });
    let total = doubtful.len();
    let page: Vec<Doubt> = doubtful.into_iter().skip(offset).take(limit).collect();
    // Only the pairs of the page are read whole, with their weights.
    let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
    let name = |dataset: &str, record: &str, entity: &str| format!("{dataset}\u{1f}{record}\u{1f}{entity}");
    let keys = page.iter().map(|pair| name(&pair.dataset, &pair.record_key, &pair.entity));
    let schema = lake.schema(&table).await.map_err(failed)?;
    let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut whole: HashMap<String, Pair> = HashMap::new();
    for batch in lake.pick(&table, Some(version), &columns, keys).await.map_err(failed)? {
        for row in 0..batch.num_rows() {
            let pair = read(&batch, row).map_err(failed)?;
            whole.insert(name(&pair.dataset, &pair.record_key, &pair.entity), pair);
        }
    }
    let found = page.iter().filter_map(|pair| whole.remove(&name(&pair.dataset, &pair.record_key, &pair.entity)));
    Ok((found.collect(), total))
}

/// The answers of a registry in the order in which they were first given, whole pages of them until there are `most`.
///
/// # Errors
/// The database failed.
pub async fn labels(store: &Store, registry: &str, most: usize) -> Result<Vec<LabelRow>, StoreError> {
    let mut found = Vec::new();
    let mut after = String::new();
    while found.len() < most {
        let page = store.label_list(registry, &after, PAGE_ROWS_MAX).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        found.extend(page);
    }
    Ok(found)
}

/// The answers of one reviewer.
async fn labels_of(store: &Store, registry: &str, reviewer: &str) -> Result<Vec<LabelRow>, StoreError> {
    let mut found = Vec::new();
    let mut after = String::new();
    while found.len() < PAIRS_MAX {
        let page = store.label_list_by(registry, reviewer, &after, PAGE_ROWS_MAX).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        found.extend(page);
    }
    Ok(found)
}

/// What became of an answer, which is kept in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is noted; more reviewers are asked, or they disagree.
    Noted,
    /// It became a decision, with this identifier.
    Decided(String),
    /// A decision that stands says otherwise; its identifier.
    Against(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Record; of the dataset [`ENTITY_SIDE`] the entity that would be merged away, by its key.
    pub record: RecordRef,
    /// The entity's key.
    pub entity_key: String,
    /// What is said.
    pub verdict: Verdict,
    /// How long the pair was looked at.
    pub seconds: i64,
}

impl Builder {
    /// Takes a reviewer's answer, and makes the decision that follows from it once enough reviewers agree. An answer
    /// against a decision that stands counts for the agreement of reviewers and changes nothing.
    ///
    /// # Errors
    /// [`RegistryError::NoRecord`], [`RegistryError::NoEntity`]; [`RegistryError::Store`].
    pub async fn answer(&self, registry: &Registry, answer: &Answer, actor: &Actor) -> Result<Answered, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let record = RecordRef {
            dataset: answer.record.dataset.clone(),
            record_key: record::canonical(&answer.record.record_key),
        };
        let entity_key = self.spelled(registry, &answer.entity_key)?;
        let known = match crate::why::pair(&self.lake, registry, &record.dataset, &record.record_key, &entity_key).await
        {
            Ok(known) => known,
            // A pair may be judged that no search proposed.
            Err(RegistryError::NoCandidates { .. }) => None,
            Err(error) => return Err(error),
        };
        let proposal = Proposal {
            model: known.as_ref().map(|known| known.model.clone()).unwrap_or_default(),
            probability_ppm: known.as_ref().map(|known| to_ppm(known.probability)),
            model_version: match &known {
                Some(_) => Some(searched(&self.lake, registry).await?.1),
                None => None,
            },
            evidence: known,
        };
        // What would follow is judged before anything is written.
        let entity = entity_key.clone();
        let other = (record.dataset == ENTITY_SIDE).then(|| record::read(&record.record_key));
        let decision = match (answer.verdict, other) {
            (Verdict::Same, None) => Some(Decision::Join { record: record.clone(), entity }),
            (Verdict::Same, Some(merged)) => Some(Decision::Merge { survivor: entity, merged }),
            (Verdict::Different, None) => Some(Decision::Apart { record: record.clone(), entity }),
            (Verdict::Different, Some(other)) => Some(Decision::Distinct { one: entity, other }),
            (Verdict::Unsure, _) => None,
        };
        let row = match decision {
            Some(decision) => Some(self.checked(registry, decision, "人工复核 review", &proposal, actor).await?),
            None => None,
        };
        let at = self.clock.now();
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let label = LabelRow {
            id: tx.new_id(at),
            registry: registry.id.clone(),
            dataset: record.dataset.clone(),
            record_key: record.record_key.clone(),
            entity_key: entity_key.clone(),
            reviewer: actor.account.clone(),
            answer: answer.verdict.as_str().to_owned(),
            answered_at: at,
            seconds: answer.seconds.clamp(0, SECONDS_MAX),
            probability_ppm: proposal.probability_ppm,
            version: 1,
        };
        tx.label_put(&label, &actor.act("link.labelled", at)).await.map_err(store_failed)?;
        let said = tx.label_list_pair(&registry.id, (&record.dataset, &record.record_key), &entity_key).await;
        let said = said.map_err(store_failed)?;
        let agree = said.iter().filter(|label| label.answer == answer.verdict.as_str()).count();
        let disagree = said.iter().any(|label| label.answer != answer.verdict.as_str() && label.answer != "unsure");
        let mut answered = Answered::Noted;
        if let Some(row) = row {
            let pair = (row.dataset.as_str(), row.record_key.as_str());
            let entities = if row.record_key.is_empty() { (&*row.entity_key, &*row.other_key) } else { ("", "") };
            let mut about = tx.decision_list_about(&registry.id, pair, entities).await.map_err(store_failed)?;
            about.retain(|known| contradicts(known, &row));
            if row.record_key.is_empty() {
                about.extend(against_entities(&mut tx, &row).await.map_err(store_failed)?);
            }
            let same = |known: &DecisionRow| known.kind == row.kind && known.entity_key == row.entity_key;
            if let Some(against) = about.first() {
                // Of one mind with what stands: there is nothing left to decide.
                if !same(against) {
                    answered = Answered::Against(against.id.clone());
                }
            } else if !disagree && agree >= usize::from(registry.review.reviewers.max(1)) {
                answered = Answered::Decided(self.insert(registry, &mut tx, row, actor).await?);
            }
        }
        tx.commit().await.map_err(store_failed)?;
        Ok(answered)
    }
}

/// How far the reviewers of a registry agree.
///
/// # Errors
/// [`RegistryError::Store`].
pub async fn agreement(store: &Store, registry: &Registry) -> Result<Agreement, RegistryError> {
    let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
    Ok(agreement_of(&labels(store, &registry.id, PAIRS_MAX).await.map_err(store_failed)?))
}

#[expect(clippy::cast_precision_loss, reason = "counts of answers are far below 2^53")]
fn agreement_of(labels: &[LabelRow]) -> Agreement {
    let mut agreement = Agreement::default();
    let mut by_pair: BTreeMap<(&str, &str, &str), Vec<&LabelRow>> = BTreeMap::new();
    for label in labels {
        let place = match label.answer.as_str() {
            "same" => 0,
            "different" => 1,
            _ => 2,
        };
        agreement.reviewers.entry(label.reviewer.clone()).or_default()[place] += 1;
        if place < 2 {
            by_pair.entry((&label.dataset, &label.record_key, &label.entity_key)).or_default().push(label);
        }
    }
    // For every two reviewers, how often the one said this and the other that.
    let mut tables: BTreeMap<(&str, &str), [[u64; 2]; 2]> = BTreeMap::new();
    for ((dataset, record, entity), mut answers) in by_pair {
        answers.sort_by(|one, other| one.reviewer.cmp(&other.reviewer));
        for (at, one) in answers.iter().enumerate() {
            for other in &answers[at + 1..] {
                let table = tables.entry((&one.reviewer, &other.reviewer)).or_default();
                table[usize::from(one.answer != "same")][usize::from(other.answer != "same")] += 1;
            }
        }
        if answers.iter().any(|label| label.answer != answers[0].answer) && agreement.disputed.len() < DISPUTED_MAX {
            agreement.disputed.push((dataset.to_owned(), record.to_owned(), entity.to_owned()));
        }
    }
    let (mut equal, mut weighted, mut weight) = (0, 0.0, 0.0);
    for table in tables.values() {
        let compared: u64 = table.iter().flatten().sum();
        agreement.compared += compared;
        equal += table[0][0] + table[1][1];
        if let Some(kappa) = cohen(table) {
            weighted += kappa * compared as f64;
            weight += compared as f64;
        }
    }
    agreement.share = (agreement.compared > 0).then(|| equal as f64 / agreement.compared as f64);
    agreement.kappa = (weight > 0.0).then(|| weighted / weight);
    agreement
}

/// Kappa of two reviewers (Cohen 1960): each has a share of its own by which chance is reckoned. `None` where both
/// always gave the same one answer.
#[expect(clippy::cast_precision_loss, reason = "counts of answers are far below 2^53")]
fn cohen(table: &[[u64; 2]; 2]) -> Option<f64> {
    let all = table.iter().flatten().sum::<u64>() as f64;
    let share = |number: u64| number as f64 / all;
    let observed = share(table[0][0] + table[1][1]);
    let chance = share(table[0][0] + table[0][1]) * share(table[0][0] + table[1][0])
        + share(table[1][0] + table[1][1]) * share(table[0][1] + table[1][1]);
    (all > 0.0 && chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(reviewer: &str, record: &str, answer: &str) -> LabelRow {
        LabelRow {
            id: String::new(),
            registry: "people".to_owned(),
            dataset: "d".to_owned(),
            record_key: record.to_owned(),
            entity_key: "K".to_owned(),
            reviewer: reviewer.to_owned(),
            answer: answer.to_owned(),
            answered_at: jiff::Timestamp::UNIX_EPOCH,
            seconds: 1,
            probability_ppm: None,
            version: 1,
        }
    }

    #[test]
    fn agreement_beyond_chance_is_kappa() {
        let mut labels = Vec::new();
        // Twenty pairs: 45 % both same, 30 % both different, 25 % split, as in any textbook's table.
        for (count, one, other) in [(9, "same", "same"), (6, "different", "different"), (5, "same", "different")] {
            for _ in 0..count {
                let record = labels.len().to_string();
                labels.push(label("wang", &record, one));
                labels.push(label("li", &record, other));
            }
        }
        labels.push(label("wang", "x", "unsure"));
        let found = agreement_of(&labels);
        assert_eq!((found.compared, found.share), (20, Some(0.75)));
        // One says same of 14, the other of 9 of twenty; by chance 0.7 × 0.45 + 0.3 × 0.55 = 0.48.
        let kappa = found.kappa.expect("a value");
        assert!((kappa - (0.75 - 0.48) / (1.0 - 0.48)).abs() < 1e-12, "{kappa}");
        assert_eq!(found.reviewers["wang"], [14, 6, 1]);
        assert_eq!(found.disputed.len(), 5);
    }

    #[test]
    fn where_everybody_says_the_same_there_is_nothing_beyond_chance() {
        let found = agreement_of(&[label("wang", "1", "same"), label("li", "1", "same")]);
        assert_eq!((found.share, found.kappa), (Some(1.0), None));
        assert_eq!(agreement_of(&[]).share, None);
    }
}
