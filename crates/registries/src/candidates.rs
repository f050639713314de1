//! Which entity a record without a usable key is likely of: a model proposed from the golden table and these
//! records, trained without labels, its odds moved by what people decided before, its candidates listed with their
//! probability for a person to decide. Beside them stand the entities that are likely one ([`crate::duplicates`]).

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    error::ArrowError,
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use sha2::{Digest, Sha256};
use yihe_definitions::{ColumnType, EntityKind, Registry, Sensitivity};
use yihe_lake::{CommitKey, Lake, LakeError, Layout, Scan, TableName, Zone};
use yihe_linkage::{
    document,
    explain::explain_each,
    model::Model,
    propose::propose,
    records::{ColumnBuilder, Records, Table},
    run::{Options, run},
};
use yihe_vocabulary::CitizenId;

use crate::{
    build::Builder,
    duplicates::{learned_from, shifted},
    error::RegistryError,
    gather::columns_of,
    key,
    record::{self, KeyColumns},
    shape,
};

/// Probability from which an entity is listed as a candidate.
pub(crate) const LISTED_FROM: f64 = 0.2;
/// Probability from which a candidate is called certain.
pub const CERTAIN_FROM: f64 = 0.99;
/// Most golden records that are linked against in one run.
const GOLDEN_MAX: u64 = 20_000_000;

/// What a search for candidates came to.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateReport {
    /// Registry.
    pub registry: String,
    /// Records without a usable key.
    pub unlinked: u64,
    /// Of these, how many have a candidate of at least [`CERTAIN_FROM`].
    pub certain: u64,
    /// Of the others, how many have a candidate at all.
    pub doubtful: u64,
    /// Pairs of entities that are likely one.
    pub doubles: u64,
    /// Entities that were laid beside the others for it: all, or those whose golden record changed.
    pub laid: u64,
    /// The model with what was learned; `None` where there was nothing to link.
    pub model: Option<Model>,
}

/// The table of candidates: `conflicts/<id>_candidates`.
///
/// # Errors
/// The registry's identifier cannot name a table.
pub fn candidates_table(registry: &Registry) -> Result<TableName, LakeError> {
    TableName::new(Zone::Conflicts, format!("{}_candidates", registry.id))
}

/// Schema of the candidates: what the record is called and where it is, the entity's key, the probability, the rank
/// from 1, the digest of the model, and the weights that the probability is made of, as JSON (a [`Waterfall`]). Of two
/// entities the one that would be merged away stands for the record: its dataset is
/// [`crate::duplicates::ENTITY_SIDE`], its batch the entity's name.
#[must_use]
pub fn candidates_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text("dataset"),
        text("record_key"),
        text("batch"),
        Field::new("row", DataType::Int64, false),
        text("entity"),
        Field::new("probability", DataType::Float64, false),
        Field::new("rank", DataType::Int64, false),
        text("model"),
        text("waterfall"),
    ]))
}

/// Why a record may be of an entity: weights in bits, which add up to the odds of the pair alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    /// Odds before anything is compared.
    pub prior: f64,
    /// One for each comparison, in the order of the model.
    pub steps: Vec<WaterfallStep>,
    /// What is given back because all that changes together may have changed: somebody moved.
    pub moved: f64,
    /// What is taken off because they may be related people, negative or zero.
    pub kin: f64,
    /// Probability of the pair alone, before the record's other candidates are considered.
    pub pair_probability: f64,
    /// Probability among the record's candidates: a record is of one entity at most.
    pub probability: f64,
    /// Place among them, from 1.
    pub rank: i64,
    /// Digest of the model.
    pub model: String,
}

impl Waterfall {
    /// As JSON, without the values that were compared.
    pub(crate) fn without_values(&self) -> String {
        let steps = self.steps.iter().map(|step| WaterfallStep { entity: None, record: None, ..step.clone() });
        let bare = Self { steps: steps.collect(), ..self.clone() };
        serde_json::to_string(&bare).expect("numbers and texts are always JSON")
    }
}

/// What one comparison says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaterfallStep {
    /// Field of the registry.
    pub field: String,
    /// The entity's value as it was compared. Personal data.
    pub entity: Option<String>,
    /// The record's value as it was compared. Personal data.
    pub record: Option<String>,
    /// How far they agree, in words; `missing` where a value is missing.
    pub level: String,
    /// Bits for (positive) or against (negative).
    pub weight: f64,
    /// The part of the weight that the value's rarity makes.
    pub rarity: f64,
}

/// The weights of a pair, as the last search for candidates found them. `entity` is the entity's key. `None`: the
/// pair is not among the candidates.
///
/// # Errors
/// [`RegistryError::NoCandidates`] before the first search; [`RegistryError::Lake`].
pub async fn pair(
    lake: &Lake,
    registry: &Registry,
    dataset: &str,
    record_key: &str,
    entity: &str,
) -> Result<Option<Waterfall>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
    let table = candidates_table(registry).map_err(failed)?;
    if !lake.exists(&table) {
        return Err(RegistryError::NoCandidates { registry: registry.id.clone() });
    }
    let found = lake.lookup(&table, &[dataset, record_key, entity]).await.map_err(failed)?;
    let row = found.iter().find(|batch| batch.num_rows() > 0);
    let text = row.and_then(|batch| Some(batch.column_by_name("waterfall")?.as_string::<i32>().value(0)));
    Ok(text.and_then(|text| serde_json::from_str(text).ok()))
}

/// A likely entity of a record.
pub(crate) struct Candidate {
    /// The entity's key.
    pub entity: String,
    /// Place of the record among those that are listed.
    pub lost: usize,
    pub probability: f64,
    /// From 1, the most likely first.
    pub rank: i64,
    /// Rows of the pair, the entity's first, for explaining.
    pub pair: (u32, u32),
    /// Digest of the model.
    pub model: String,
    pub waterfall: String,
}

/// Where a record of a pair is.
pub(crate) struct Place {
    pub dataset: String,
    /// As spelled outside.
    pub record_key: String,
    pub batch: String,
    pub row: i64,
}

/// The golden table as a table to link.
pub(crate) struct Golden {
    /// Its fields only.
    pub table: Table,
    /// The keys as they are.
    pub keys: Vec<String>,
    /// Records that each entity was made of.
    pub records: Vec<i64>,
}

impl Builder {
    /// Lists the likely entities of every record without a usable key, and the entities that are likely one, in place
    /// of the list before.
    ///
    /// # Errors
    /// The lake failed; the registry is larger than one machine links at once.
    pub async fn candidates(&self, registry: &Registry, threads: usize) -> Result<CandidateReport, RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let mut report = CandidateReport {
            registry: registry.id.clone(),
            unlinked: 0,
            certain: 0,
            doubtful: 0,
            doubles: 0,
            laid: 0,
            model: None,
        };
        let golden = shape::golden_table(registry).map_err(failed("name tables"))?;
        let table = candidates_table(registry).map_err(failed("name tables"))?;
        if !self.lake.exists(&golden) {
            return Ok(report);
        }
        let entities = self.lake.count(&golden, None).await.map_err(failed("count rows"))?;
        if entities > GOLDEN_MAX {
            return Err(RegistryError::TooLarge { registry: registry.id.clone(), entities, most: GOLDEN_MAX });
        }
        let known = self.golden_records(registry, &golden).await?;
        let (lost, mut places) = self.unlinked_records(registry).await?;
        let apart = self.apart(registry).await?;
        report.unlinked = places.len() as u64;
        let mut rows = Vec::new();
        let mut meta = Map::new();
        if !places.is_empty() && !known.keys.is_empty() {
            let not_apart = |place: usize, entity: &str| {
                let place: &Place = &places[place];
                let pair = (place.dataset.clone(), place.record_key.clone(), entity.to_owned());
                !apart.contains(&pair)
            };
            let judged = learned_from(self, registry, false).await?;
            let (model, found) = link(registry, &known, lost, threads, &judged, &not_apart)?;
            // The model is kept with the list that it made.
            meta.insert("model".to_owned(), document::model(&model).into());
            report.model = Some(model);
            rows = found;
        }
        for best in rows.iter().filter(|row| row.rank == 1) {
            if best.probability >= CERTAIN_FROM { report.certain += 1 } else { report.doubtful += 1 }
        }
        let doubles = self.duplicates(registry, &golden, &known, threads).await?;
        (report.doubles, report.laid) = (doubles.pairs.len() as u64, doubles.laid);
        for (pair, place) in doubles.pairs {
            rows.push(Candidate { lost: places.len(), ..pair });
            places.push(place);
        }
        meta.extend(doubles.meta);
        let batch =
            batch(&rows, &places).map_err(|source| RegistryError::Spool { registry: registry.id.clone(), source })?;
        self.lake
            .create(&table, candidates_schema(), Layout::keyed(["dataset", "record_key", "entity"], 1))
            .await
            .map_err(failed("create the candidates table"))?;
        let key = CommitKey::new(format!("candidates:{}:{}", registry.id, self.clock.now().as_microsecond()))
            .map_err(failed("name the list"))?;
        let mut writer = self.lake.replacer(&table, key).await.map_err(failed("write candidates"))?;
        writer.write(batch).await.map_err(failed("write candidates"))?;
        writer.commit(meta).await.map_err(failed("write candidates"))?;
        Ok(report)
    }

    /// Pairs of record and entity of which people said that they are not the same.
    async fn apart(&self, registry: &Registry) -> Result<HashSet<(String, String, String)>, RegistryError> {
        let store_failed = |source| RegistryError::Store { registry: registry.id.clone(), source };
        let standing = crate::links::standing(&self.store, &registry.id).await.map_err(store_failed)?;
        let apart = standing.into_iter().filter(|one| one.kind == "apart");
        Ok(apart.map(|one| (one.dataset, one.record_key, one.entity_key)).collect())
    }

    /// The golden table as a table to link. A person's birth date is read from the number where nobody tells it.
    async fn golden_records(&self, registry: &Registry, golden: &TableName) -> Result<Golden, RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let mut names = vec![registry.key.clone()];
        names.extend(registry.fields.iter().map(|field| field.name.clone()));
        names.push(shape::RECORDS.to_owned());
        let scan = Scan { columns: Some(names.clone()), ordered: true, ..Scan::default() };
        let mut columns: Vec<ColumnBuilder> =
            names[1..=registry.fields.len()].iter().map(|name| ColumnBuilder::new(name)).collect();
        let birth = birth_field(registry);
        let (mut keys, mut records) = (Vec::new(), Vec::new());
        let mut stream = self.lake.scan(golden, scan).await.map_err(failed("read the golden table"))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed("read the golden table"))?;
            let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
            // A key is a name to be given back to the letter; what is compared is normalised.
            let texts = cast(batch.column(0), &DataType::Utf8).map_err(spool_failed)?;
            keys.extend(texts.as_string::<i32>().iter().map(|key| key.unwrap_or_default().to_owned()));
            for (at, (column, values)) in columns.iter_mut().zip(&batch.columns()[1..]).enumerate() {
                let keys = (birth == Some(at)).then(|| texts.as_string::<i32>());
                push_all(column, values, keys).map_err(spool_failed)?;
            }
            let made_of = batch.column(names.len() - 1).as_primitive::<Int64Type>();
            records.extend_from_slice(made_of.values());
        }
        let columns = columns.into_iter().map(ColumnBuilder::finish).collect();
        Ok(Golden { table: Table { name: registry.id.clone(), columns, rows: keys.len() }, keys, records })
    }

    /// Every member's records without a usable key, with the registry's names of columns, and where they are.
    async fn unlinked_records(&self, registry: &Registry) -> Result<(Table, Vec<Place>), RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let spool_failed = |source: ArrowError| RegistryError::Spool { registry: registry.id.clone(), source };
        let mut columns: Vec<ColumnBuilder> =
            registry.fields.iter().map(|field| ColumnBuilder::new(&field.name)).collect();
        let mut places = Vec::new();
        let inputs = self.inputs(registry).await.map_err(failed("read versions"))?;
        let rules = self.rules_now(registry, &inputs).await?;
        // A hash is of a known number or not as the last build found it.
        let unlinked = shape::unlinked_table(registry).map_err(failed("name tables"))?;
        let mut name = String::new();
        for (index, (member, (table, version))) in registry.members.iter().zip(&inputs).enumerate() {
            if version.is_none() {
                continue;
            }
            let wanted = columns_of(registry, member, &rules.keys[index]);
            let lost_hashes = match &member.hashed {
                Some(_) => self.unlinked_of(registry, &unlinked, &member.dataset).await?,
                None => HashSet::new(),
            };
            let scan = Scan { version: *version, columns: Some(wanted), ordered: true, ..Scan::default() };
            let mut stream = self.lake.scan(table, scan).await.map_err(failed("read a member"))?;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(failed("read a member"))?;
                let text = |name: &str| -> Result<StringArray, ArrowError> {
                    let column = batch.column_by_name(name);
                    let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))?;
                    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
                };
                let keys = key::delivered(&member.key, &batch).map_err(spool_failed)?;
                let hashed = member.hashed.is_some();
                let business = KeyColumns::new(&rules.keys[index], &batch).map_err(spool_failed)?;
                let mut lost: Vec<usize> = Vec::new();
                let mut names: Vec<String> = Vec::new();
                for row in 0..batch.num_rows() {
                    let usable = keys.is_valid(row).then(|| key::usable(registry.entity, keys.value(row))).flatten();
                    if usable.is_some() {
                        continue;
                    }
                    business.write(row, &mut name);
                    let spelled = record::spell(&name);
                    let is_lost = if hashed {
                        lost_hashes.contains(&spelled)
                    } else {
                        rules.links.assign(index, &name, None).is_none()
                    };
                    if is_lost {
                        lost.push(row);
                        names.push(spelled);
                    }
                }
                if lost.is_empty() {
                    continue;
                }
                let batches = text("_batch").map_err(spool_failed)?;
                let rows = batch.column_by_name("_row").map(|column| cast(column, &DataType::Int64)).transpose();
                let rows = rows.map_err(spool_failed)?;
                for (&row, record_key) in lost.iter().zip(names) {
                    places.push(Place {
                        dataset: member.dataset.clone(),
                        record_key,
                        batch: batches.value(row).to_owned(),
                        row: rows.as_ref().map_or(0, |rows| rows.as_primitive::<Int64Type>().value(row)),
                    });
                }
                for (column, field) in columns.iter_mut().zip(&registry.fields) {
                    let values =
                        member.fields.get(&field.name).map(|name| text(name)).transpose().map_err(spool_failed)?;
                    for &row in &lost {
                        column.push(
                            values.as_ref().filter(|values| values.is_valid(row)).map(|values| values.value(row)),
                        );
                    }
                }
            }
        }
        let table = Table {
            name: "unlinked".to_owned(),
            rows: places.len(),
            columns: columns.into_iter().map(ColumnBuilder::finish).collect(),
        };
        Ok((table, places))
    }
}

/// Adds values; where one is missing, the birth date in the key of its row, if keys are given.
fn push_all(column: &mut ColumnBuilder, values: &ArrayRef, keys: Option<&StringArray>) -> Result<(), ArrowError> {
    let texts = cast(values, &DataType::Utf8)?;
    for (row, text) in texts.as_string::<i32>().iter().enumerate() {
        match (text, keys) {
            (None, Some(keys)) => column.push(birth_of(keys.value(row)).as_deref()),
            (text, _) => column.push(text),
        }
    }
    Ok(())
}

/// The field that tells when a person was born, by its place.
pub(crate) fn birth_field(registry: &Registry) -> Option<usize> {
    let is_birth = |field: &yihe_definitions::Field| {
        field.column_type == ColumnType::Date && field.sensitivity == Sensitivity::BirthDate
    };
    registry.fields.iter().position(is_birth).filter(|_| registry.entity == EntityKind::Person)
}

/// The birth date in a person's number.
pub(crate) fn birth_of(key: &str) -> Option<String> {
    key.parse::<CitizenId>().ok().map(|number| number.birth_on().to_string())
}

/// The model that was learned, and the candidates of each record, the most likely first.
fn link(
    registry: &Registry,
    known: &Golden,
    lost: Table,
    threads: usize,
    judged: &[(f64, bool)],
    may_be: &dyn Fn(usize, &str) -> bool,
) -> Result<(Model, Vec<Candidate>), RegistryError> {
    let failed = |source| RegistryError::Linkage { registry: registry.id.clone(), source };
    let (first, keys) = (known.keys.len(), &known.keys);
    let names: Vec<(String, String)> =
        registry.fields.iter().map(|field| (field.name.clone(), field.name.clone())).collect();
    let records = Records::two(known.table.clone(), lost, &names).map_err(failed)?;
    let model = propose(&records, Vec::new()).map_err(failed)?.model;
    let options = Options { threads, pairs_from: Some(LISTED_FROM), ..Options::default() };
    let mut outcome = run(&model, &records, &options, &|_, _, _| {}).map_err(failed)?;
    if let (false, Some(prior)) = (judged.is_empty(), outcome.model.prior) {
        // What people decided of pairs like these says how likely any of them is before it is compared.
        let taught = Model { prior: Some(shifted(prior, judged)), ..outcome.model };
        outcome = run(&taught, &records, &options, &|_, _, _| {}).map_err(failed)?;
    }
    let mut found: Vec<Candidate> = outcome
        .pairs
        .iter()
        .map(|pair| Candidate {
            entity: keys[pair.left as usize].clone(),
            lost: pair.right as usize - first,
            probability: pair.probability(),
            rank: 1,
            pair: (pair.left, pair.right),
            model: String::new(),
            waterfall: String::new(),
        })
        .filter(|found| may_be(found.lost, &found.entity))
        .collect();
    found.sort_by(|a, b| {
        a.lost.cmp(&b.lost).then(b.probability.total_cmp(&a.probability)).then_with(|| a.entity.cmp(&b.entity))
    });
    for rivals in found.chunk_by_mut(|a, b| a.lost == b.lost) {
        // A record is of one entity at most, and an entity is in the registry once: its candidates share what is
        // likely. Of two namesakes neither is probable when nothing but the name is known.
        let odds = |probability: f64| probability / (1.0 - probability).max(1e-12);
        let all: f64 = rivals.iter().map(|rival| odds(rival.probability)).sum();
        for (rank, rival) in (1..).zip(rivals) {
            rival.probability = odds(rival.probability) / (1.0 + all);
            rival.rank = rank;
        }
    }
    explained(registry, &outcome.model, &records, &mut found)?;
    Ok((outcome.model, found))
}

/// Writes to candidates what their probability is made of.
pub(crate) fn explained(
    registry: &Registry,
    model: &Model,
    records: &Records,
    found: &mut [Candidate],
) -> Result<(), RegistryError> {
    let pairs: Vec<(u32, u32)> = found.iter().map(|candidate| candidate.pair).collect();
    let mut waterfalls = Vec::with_capacity(pairs.len());
    explain_each(model, records, &pairs, |waterfall| waterfalls.push(waterfall))
        .map_err(|source| RegistryError::Linkage { registry: registry.id.clone(), source })?;
    let digest = hex::encode(&Sha256::digest(document::model(model).as_bytes())[..16]);
    for (candidate, waterfall) in found.iter_mut().zip(waterfalls) {
        // A pair is explained the lesser row first, and the entity need not be that.
        let is_turned = candidate.pair.0 > candidate.pair.1;
        let steps = waterfall.steps.into_iter().map(|step| {
            let (entity, record) = if is_turned { (step.right, step.left) } else { (step.left, step.right) };
            WaterfallStep {
                field: step.column,
                entity,
                record,
                level: step.level,
                weight: step.weight,
                rarity: step.rarity,
            }
        });
        let whole = Waterfall {
            prior: waterfall.prior,
            steps: steps.collect(),
            moved: waterfall.moved,
            kin: waterfall.kin,
            pair_probability: waterfall.probability,
            probability: candidate.probability,
            rank: candidate.rank,
            model: digest.clone(),
        };
        candidate.waterfall = serde_json::to_string(&whole).expect("numbers and texts are always JSON");
        candidate.model.clone_from(&digest);
    }
    Ok(())
}

fn batch(rows: &[Candidate], places: &[Place]) -> Result<RecordBatch, ArrowError> {
    let place = |row: &Candidate| &places[row.lost];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| place(row).dataset.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| place(row).record_key.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| place(row).batch.as_str()))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| place(row).row))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.entity.as_str()))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.probability))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.rank))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.model.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.waterfall.as_str()))),
    ];
    RecordBatch::try_new(candidates_schema(), columns)
}
