//! Entities that are likely one: a person with two numbers, a body under an old and a new code.
//!
//! A model is learned from what departments say of the same number: a sample of the members' records is laid beside the
//! golden records, where each has its own entity. The same model then lays golden records beside one another. Numbers
//! themselves are not compared, for they differ; a person's birth date is read from the number where no department
//! tells it. Pairs stand among the candidates, in place of a record the entity that would be merged away.
//!
//! The first search lays every entity beside every other that its blocking rules let; a later one only those whose golden
//! record changed, by the model of the first, as long as no more than an eighth changed and the definition did not.

use std::collections::{HashMap, HashSet};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use yihe_definitions::{EntityKind, Registry};
use yihe_lake::{Differing, Gone, LakeError, Scan, TableName};
use yihe_linkage::{
    document,
    labels::prior_shift,
    model::Model,
    propose::propose,
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
};
use yihe_store::{DecisionFilter, PAGE_ROWS_MAX, StoreError};

use crate::{
    build::Builder,
    candidates::{
        Candidate, Golden, LISTED_FROM, Place, Waterfall, birth_field, birth_of, candidates_table, explained,
    },
    error::RegistryError,
    gather::columns_of,
    identity::is_entity_id,
    key,
    links::Links,
    record, review,
};

/// Stands for the dataset of a record where the other side of a pair is an entity.
pub const ENTITY_SIDE: &str = "~";
/// Records of members that the model is learned from, of all members together.
const SAMPLE_RECORDS: u64 = 20_000;
/// Golden records that these are laid beside; of more a share is taken, and the records' own.
const SAMPLE_ENTITIES: usize = 200_000;
/// Share of the entities that are taken to have a second number, before anybody judged a pair.
const DOUBLED: f64 = 0.03;
/// A share of the entities, one in so many, from which all are laid beside one another again.
const SHARE: u64 = 8;
/// Changed entities that are always laid beside the others alone.
const ALWAYS: u64 = 2_000;
/// Most pairs of entities that are listed, the most likely ones.
const PAIRS_MAX: usize = 100_000;
/// Most decisions that a model learns from, the newest.
const LEARNED_MAX: usize = 10_000;
/// Member of the candidates' commit that keeps the model and what it was used on.
const MEMBER: &str = "duplicates";
/// Versions looked through for the last search.
const DEPTH: u32 = 64;

/// Whether entities of this kind may bear two numbers: what is issued to somebody is issued again.
#[must_use]
pub const fn may_be_double(kind: EntityKind) -> bool {
    matches!(kind, EntityKind::Person | EntityKind::Organisation)
}

/// What a search for entities that are one came to.
#[derive(Default)]
pub(crate) struct Found {
    /// Pairs, with the place of the entity that would be merged away.
    pub pairs: Vec<(Candidate, Place)>,
    /// What is kept with the list.
    pub meta: Map<String, Value>,
    /// Entities that were laid beside the others.
    pub laid: u64,
}

/// The search before.
struct Before {
    model: Model,
    golden: i64,
    definition: String,
    pairs: Vec<review::Pair>,
}

impl Builder {
    /// Entities that are likely one.
    pub(crate) async fn duplicates(
        &self,
        registry: &Registry,
        golden: &TableName,
        known: &Golden,
        threads: usize,
    ) -> Result<Found, RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        if !may_be_double(registry.entity) || known.keys.len() < 2 {
            return Ok(Found::default());
        }
        let version = self.lake.version(golden).await.map_err(failed("read versions"))?;
        let definition = hex::encode(Sha256::digest(
            serde_json::to_string(&(&registry.entity, &registry.fields, &registry.members))
                .expect("definitions serialise"),
        ));
        let apart = Apart::of(self, registry).await?;
        let before = self.before(registry).await?.filter(|before| before.definition == definition);
        let changed = match &before {
            Some(before) => self.changed(registry, golden, (before.golden, version), known.keys.len() as u64).await?,
            None => None,
        };
        let rows: HashMap<&str, u32> = known.keys.iter().map(String::as_str).zip(0..).collect();
        let (model, records, pairs, mut found) = match (before, changed) {
            (Some(before), Some(changed)) => {
                let there: Vec<u32> =
                    known.keys.iter().zip(0..).filter(|(key, _)| changed.contains(*key)).map(|(_, row)| row).collect();
                let stays = |key: &str| !changed.contains(key) && rows.contains_key(key);
                let kept: Vec<(Candidate, Place)> = before
                    .pairs
                    .into_iter()
                    .filter_map(|pair| {
                        let other = record::read(&pair.record_key);
                        let is_sound = stays(&other) && stays(&pair.entity) && !apart.parts(&other, &pair.entity);
                        is_sound.then(|| self.again(registry, pair, &other))
                    })
                    .collect();
                let found = Found { pairs: kept, laid: there.len() as u64, ..Found::default() };
                let names = names(registry);
                let records = Records::two(known.table.clone(), known.of(&there), &names)
                    .map_err(|source| RegistryError::Linkage { registry: registry.id.clone(), source })?;
                let pairs = pairs_of(registry, &before.model, &records, threads, &|row| {
                    if (row as usize) < known.keys.len() { row } else { there[row as usize - known.keys.len()] }
                })?;
                (before.model, records, pairs, found)
            }
            _ => {
                let Some(model) = self.learned(registry, known, threads).await? else { return Ok(Found::default()) };
                let records = Records::one(known.table.clone());
                let pairs = pairs_of(registry, &model, &records, threads, &|row| row)?;
                (model, records, pairs, Found { laid: known.keys.len() as u64, ..Found::default() })
            }
        };
        let mut named: Vec<Candidate> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        for pair in pairs {
            let (survivor, merged) = known.survivor(pair.rows.0, pair.rows.1);
            let (survivor, merged) = (&known.keys[survivor as usize], &known.keys[merged as usize]);
            if apart.parts(survivor, merged) {
                continue;
            }
            named.push(Candidate {
                entity: survivor.clone(),
                lost: places.len(),
                probability: pair.probability,
                rank: 1,
                pair: if survivor == &known.keys[pair.rows.0 as usize] { pair.at } else { (pair.at.1, pair.at.0) },
                model: String::new(),
                waterfall: String::new(),
            });
            places.push(self.place(registry, merged));
        }
        explained(registry, &model, &records, &mut named)?;
        found.pairs.extend(named.into_iter().zip(places));
        found.pairs.sort_by(|(a, at), (b, beside)| {
            b.probability
                .total_cmp(&a.probability)
                .then_with(|| a.entity.cmp(&b.entity))
                .then_with(|| at.record_key.cmp(&beside.record_key))
        });
        found.pairs.truncate(PAIRS_MAX);
        let kept = json!({ "model": document::model(&model), "golden": version, "definition": definition });
        found.meta.insert(MEMBER.to_owned(), kept);
        Ok(found)
    }

    /// Where the entity that would be merged away stands in place of a record. Its batch is its name, which may stand in
    /// an address.
    fn place(&self, registry: &Registry, merged: &str) -> Place {
        Place {
            dataset: ENTITY_SIDE.to_owned(),
            record_key: record::spell(merged),
            batch: self.entity_name(registry, merged),
            row: 0,
        }
    }

    fn again(&self, registry: &Registry, pair: review::Pair, other: &str) -> (Candidate, Place) {
        let waterfall = pair.waterfall.map(|waterfall| serde_json::to_string(&waterfall).expect("always JSON"));
        let candidate = Candidate {
            entity: pair.entity,
            lost: 0,
            probability: pair.probability,
            rank: 1,
            pair: (0, 0),
            model: pair.model,
            waterfall: waterfall.unwrap_or_default(),
        };
        (candidate, self.place(registry, other))
    }

    /// The last search, if its model and its list are there.
    async fn before(&self, registry: &Registry) -> Result<Option<Before>, RegistryError> {
        let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
        let table = candidates_table(registry).map_err(failed)?;
        if !self.lake.exists(&table) {
            return Ok(None);
        }
        let Some(commit) = self.lake.newest_with(&table, MEMBER, DEPTH).await.map_err(failed)? else { return Ok(None) };
        let kept = commit.meta.get(MEMBER).cloned().unwrap_or_default();
        let text = |name: &str| kept.get(name).and_then(Value::as_str);
        let (Some(model), Some(golden), Some(definition)) =
            (text("model"), kept.get("golden").and_then(Value::as_i64), text("definition"))
        else {
            return Ok(None);
        };
        // A model that another release cannot read any more is learned again.
        let Ok(model) = Model::parse(model) else { return Ok(None) };
        let scan = Scan { filter_sql: Some(format!("dataset = '{ENTITY_SIDE}'")), ..Scan::default() };
        let mut stream = self.lake.scan(&table, scan).await.map_err(failed)?;
        let mut pairs = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            for row in 0..batch.num_rows() {
                pairs.push(review::read(&batch, row).map_err(failed)?);
            }
        }
        Ok(Some(Before { model, golden, definition: definition.to_owned(), pairs }))
    }

    /// Entities whose golden record came, went or changed between two versions. `None`: so many that all are laid beside
    /// one another again, or the earlier version is gone.
    async fn changed(
        &self,
        registry: &Registry,
        golden: &TableName,
        (then, now): (i64, i64),
        entities: u64,
    ) -> Result<Option<HashSet<String>>, RegistryError> {
        if then == now {
            return Ok(Some(HashSet::new()));
        }
        let mut columns = vec![registry.key.clone()];
        columns.extend(registry.fields.iter().map(|field| field.name.clone()));
        let bound = (entities / SHARE).max(ALWAYS);
        let differing = match self.lake.differing(golden, (then, now), &columns, Gone::All, bound).await {
            Ok(differing) => differing,
            Err(LakeError::File { .. } | LakeError::NoVersion { .. } | LakeError::NoColumn { .. }) => return Ok(None),
            Err(source) => {
                let action = "compare versions of the golden table";
                return Err(RegistryError::Lake { action, registry: registry.id.clone(), source });
            }
        };
        let Some(Differing { gone, came, .. }) = differing else { return Ok(None) };
        let mut changed = HashSet::new();
        for batch in gone.iter().chain(&came) {
            let keys = text(registry, batch, &registry.key)?;
            changed.extend(keys.iter().flatten().map(str::to_owned));
        }
        Ok(Some(changed))
    }

    /// A model learned from records of members beside the golden records of their own numbers, and from what people
    /// decided. `None`: there are no records, or nothing in them tells entities apart.
    async fn learned(
        &self,
        registry: &Registry,
        known: &Golden,
        threads: usize,
    ) -> Result<Option<Model>, RegistryError> {
        let failed = |source| RegistryError::Linkage { registry: registry.id.clone(), source };
        let (sample, own) = self.sampled(registry).await?;
        if sample.rows == 0 {
            return Ok(None);
        }
        let step = known.keys.len().div_ceil(SAMPLE_ENTITIES).max(1);
        let taken: Vec<u32> = (0_u32..)
            .zip(&known.keys)
            .filter(|(row, key)| (*row as usize).is_multiple_of(step) || own.contains(*key))
            .map(|(row, _)| row)
            .collect();
        let beside = taken.len();
        let records = Records::two(known.of(&taken), sample, &names(registry)).map_err(failed)?;
        let Ok(proposal) = propose(&records, Vec::new()) else { return Ok(None) };
        let options = Options { threads, ..Options::default() };
        let mut model = run(&proposal.model, &records, &options, &|_, _, _| {}).map_err(failed)?.model;
        // What was learned is of records that have an entity; of entities few have another beside them.
        #[expect(clippy::cast_precision_loss, reason = "counts of entities are far below 2^53")]
        let (all, beside) = (known.keys.len() as f64, beside as f64);
        let prior = (DOUBLED / all).min(0.5);
        let judged = learned_from(self, registry, true).await?;
        model.prior = Some(shifted(prior, &judged));
        model.kin_prior = model.kin_prior.map(|kin| (kin * beside / all).clamp(1e-15, 0.5));
        Ok(Some(model))
    }

    /// Records of every member that has a usable key, evenly taken, and their keys.
    async fn sampled(&self, registry: &Registry) -> Result<(Table, HashSet<String>), RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let mut columns: Vec<ColumnBuilder> =
            registry.fields.iter().map(|field| ColumnBuilder::new(&field.name)).collect();
        let birth = birth_field(registry);
        let inputs = self.inputs(registry).await.map_err(failed("read versions"))?;
        let rules = self.rules_now(registry, &inputs).await?;
        let each = SAMPLE_RECORDS / registry.members.len().max(1) as u64;
        let (mut rows, mut own) = (0, HashSet::new());
        for (index, (member, (table, version))) in registry.members.iter().zip(&inputs).enumerate() {
            if version.is_none() {
                continue;
            }
            let there = self.lake.count(table, *version).await.map_err(failed("count rows"))?;
            let step = (there / each.max(1)).max(1);
            let scan = Scan {
                version: *version,
                columns: Some(columns_of(registry, member, &rules.keys[index])),
                filter_sql: (step > 1).then(|| format!("_row % {step} = 0")),
                ordered: true,
                ..Scan::default()
            };
            let mut stream = self.lake.scan(table, scan).await.map_err(failed("read a member"))?;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(failed("read a member"))?;
                let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
                let keys = key::delivered(&member.key, &batch).map_err(spool_failed)?;
                let usable: Vec<(usize, String)> = (0..batch.num_rows())
                    .filter(|row| keys.is_valid(*row))
                    .filter_map(|row| Some((row, key::usable(registry.entity, keys.value(row))?.into_owned())))
                    .collect();
                for (at, (column, field)) in columns.iter_mut().zip(&registry.fields).enumerate() {
                    let values = member.fields.get(&field.name).map(|name| text(registry, &batch, name)).transpose()?;
                    for (row, key) in &usable {
                        let value =
                            values.as_ref().filter(|values| values.is_valid(*row)).map(|values| values.value(*row));
                        match value {
                            None if birth == Some(at) => column.push(birth_of(key).as_deref()),
                            value => column.push(value),
                        }
                    }
                }
                rows += usable.len();
                own.extend(usable.into_iter().map(|(_, key)| key));
            }
        }
        let columns = columns.into_iter().map(ColumnBuilder::finish).collect();
        Ok((Table { name: "records".to_owned(), columns, rows }, own))
    }
}

fn text(registry: &Registry, batch: &RecordBatch, name: &str) -> Result<StringArray, RegistryError> {
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| spool_failed(ArrowError::SchemaError(format!("no column `{name}`"))))?;
    Ok(cast(column, &DataType::Utf8).map_err(spool_failed)?.as_string::<i32>().clone())
}

/// The columns of two tables that both have the registry's fields.
fn names(registry: &Registry) -> Vec<(String, String)> {
    registry.fields.iter().map(|field| (field.name.clone(), field.name.clone())).collect()
}

/// Two entities that are likely one.
struct Double {
    /// Their rows in the golden table, the lesser first.
    rows: (u32, u32),
    /// Rows of the run, of the same order.
    at: (u32, u32),
    probability: f64,
}

/// Pairs from [`LISTED_FROM`] up, each once; `golden` tells the row in the golden table of a row of the run.
fn pairs_of(
    registry: &Registry,
    model: &Model,
    records: &Records,
    threads: usize,
    golden: &dyn Fn(u32) -> u32,
) -> Result<Vec<Double>, RegistryError> {
    let failed = |source| RegistryError::Linkage { registry: registry.id.clone(), source };
    let options = Options { threads, pairs_from: Some(LISTED_FROM), ..Options::default() };
    let outcome = run(model, records, &options, &|_, _, _| {}).map_err(failed)?;
    let mut met: HashSet<(u32, u32)> = HashSet::new();
    let doubles = outcome.pairs.iter().filter_map(|pair| {
        let (left, right) = (golden(pair.left), golden(pair.right));
        let (rows, at) = if left < right {
            ((left, right), (pair.left, pair.right))
        } else {
            ((right, left), (pair.right, pair.left))
        };
        (left != right && met.insert(rows)).then(|| Double { rows, at, probability: pair.probability() })
    });
    Ok(doubles.collect())
}

impl Golden {
    /// Some of the records, as a table of their own.
    fn of(&self, rows: &[u32]) -> Table {
        if rows.len() == self.keys.len() {
            return self.table.clone();
        }
        let columns = self.table.columns.iter().map(|column| {
            let mut builder = ColumnBuilder::new(&column.name);
            for row in rows {
                builder.push(column.value(*row as usize));
            }
            builder.finish()
        });
        Table { name: self.table.name.clone(), columns: columns.collect(), rows: rows.len() }
    }

    /// Which of two entities stays: the one with a number, then the one of more records, then the lesser key.
    fn survivor(&self, one: u32, other: u32) -> (u32, u32) {
        let rank = |row: u32| {
            let at = row as usize;
            (is_entity_id(&self.keys[at]), std::cmp::Reverse(self.records[at]), &self.keys[at])
        };
        if rank(one) <= rank(other) { (one, other) } else { (other, one) }
    }
}

/// Entities that people found to be two, or one, by the entity that each key stands for now.
pub(crate) struct Apart {
    links: Links,
    apart: HashSet<(String, String)>,
}

impl Apart {
    pub async fn of(builder: &Builder, registry: &Registry) -> Result<Self, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let standing = crate::links::standing(&builder.store, &registry.id).await.map_err(store_failed)?;
        Ok(Self::new(Links::new(registry, &builder.secret, &standing), &standing))
    }

    pub fn new(links: Links, standing: &[crate::links::Standing]) -> Self {
        let between = standing.iter().filter(|one| one.kind == "apart" && one.record_key.is_empty());
        let apart = between.map(|one| ordered(links.root(&one.entity_key), links.root(&one.other_key))).collect();
        Self { links, apart }
    }

    /// Whether a pair is settled: two by decision, one by decision, or one of them is merged into a third already.
    pub fn parts(&self, one: &str, other: &str) -> bool {
        let (root, beside) = (self.links.root(one), self.links.root(other));
        root != one || beside != other || self.apart.contains(&ordered(root, beside))
    }
}

fn ordered(one: &str, other: &str) -> (String, String) {
    let (one, other) = if one <= other { (one, other) } else { (other, one) };
    (one.to_owned(), other.to_owned())
}

/// What people decided on pairs that a model had weighed: the weight without the odds before comparing, and whether they
/// are the same. Of pairs of entities, or of pairs of record and entity.
pub(crate) async fn learned_from(
    builder: &Builder,
    registry: &Registry,
    of_entities: bool,
) -> Result<Vec<(f64, bool)>, RegistryError> {
    let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
    let filter = DecisionFilter { registry: registry.id.clone(), standing: true, ..DecisionFilter::default() };
    let mut judged = Vec::new();
    let mut offset = 0;
    while judged.len() < LEARNED_MAX {
        let page = builder.store.decision_list_newest(&filter, offset, PAGE_ROWS_MAX).await.map_err(store_failed)?;
        if page.is_empty() {
            break;
        }
        offset += PAGE_ROWS_MAX;
        for row in page {
            // What the model did by itself teaches it nothing.
            if row.decided_by == "model" || row.record_key.is_empty() != of_entities {
                continue;
            }
            let same = match row.kind.as_str() {
                "merge" | "join" => true,
                "apart" => false,
                _ => continue,
            };
            let weighed = row.evidence.as_deref().and_then(|text| serde_json::from_str::<Waterfall>(text).ok());
            if let Some(weighed) = weighed {
                judged.push((bits(weighed.pair_probability) - weighed.prior, same));
            }
        }
    }
    Ok(judged)
}

/// The prior that what people decided makes likely.
pub(crate) fn shifted(prior: f64, judged: &[(f64, bool)]) -> f64 {
    if judged.is_empty() {
        return prior;
    }
    let from = bits(prior);
    let weights: Vec<(f64, bool)> = judged.iter().map(|(weight, same)| (weight + from, *same)).collect();
    (prior * prior_shift(&weights).exp2()).clamp(1e-15, 0.5)
}

/// A probability as odds in bits.
fn bits(probability: f64) -> f64 {
    let bounded = probability.clamp(1e-15, 1.0 - 1e-12);
    (bounded / (1.0 - bounded)).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_decided_moves_the_odds() {
        let prior = 1e-6;
        assert!((shifted(prior, &[]) - prior).abs() < 1e-18);
        // Pairs that were taken for likely and are two, pairs that were taken for unlikely and are one.
        assert!(shifted(prior, &[(22.0, false), (23.0, false), (21.0, false)]) < prior / 2.0);
        assert!(shifted(prior, &[(17.0, true), (16.0, true), (18.0, true)]) > prior * 2.0);
    }

    #[test]
    fn a_pair_that_was_judged_comes_no_more() {
        let standing = |kind: &str, one: &str, other: &str| crate::links::Standing {
            id: format!("{kind}{one}{other}"),
            kind: kind.to_owned(),
            dataset: String::new(),
            record_key: String::new(),
            entity_key: one.to_owned(),
            other_key: other.to_owned(),
        };
        let all = [standing("apart", "A", "B"), standing("merge", "C", "A")];
        let registry: Registry = serde_json::from_str(
            r#"{"id":"r","title":"R","department":"d","entity":"person","key":"k","members":[],"fields":[]}"#,
        )
        .expect("a registry");
        let secret = crate::identity::EntitySecret::new(&[1; 32]);
        let apart = Apart::new(Links::new(&registry, &secret, &all), &all);
        assert!(apart.parts("C", "B") && apart.parts("B", "C"), "A is C now, and A is not B");
        assert!(apart.parts("A", "D"), "A is merged away");
        assert!(!apart.parts("C", "D"));
    }
}
