//! Where a golden record is from: each field's value, the record it was taken from, and the values that lost and why.
//!
//! Everything is derived again from the records the entity was made of, as they were at the last build, by the same
//! code that built it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    util::display::array_value_to_string,
};
use futures::StreamExt;
use serde::Serialize;
use yihe_definitions::{Registry, Text};
use yihe_lake::{Lake, LakeError, Scan, TableName, Zone};
use yihe_store::{DecisionFilter, DecisionRow, Store, StoreError};

use crate::{
    candidates::Waterfall,
    error::RegistryError,
    gather::{Newest, Numbers, Part, Rules, Splitter, columns_of},
    identity::{EntitySecret, is_entity_id},
    key,
    links::Links,
    record,
    resolve::{Leads, Plans},
    shape,
    sources::source_lines,
    state,
};

pub use crate::candidates::pair;

/// Decisions that are shown with a golden record, the newest first.
const DECISIONS_SHOWN: i64 = 200;

/// A golden record and why it is as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoldenWhy {
    /// The entity's durable name.
    pub entity: String,
    /// Its key. Personal data.
    pub key: String,
    /// Keys that were merged into it.
    pub other_keys: Vec<String>,
    /// `living`, `deceased`, `emigrated`, `existing`, `dissolved`; `None` where the registry declares nothing.
    pub standing: Option<String>,
    /// Whether its values are shown to those only whose grant says so.
    pub protected: bool,
    /// One for each field, in the order of the registry.
    pub fields: Vec<FieldWhy>,
    /// The records it was made of: by dataset in the order of the registry, the one that counts most first.
    pub records: Vec<RecordWhy>,
    /// Decisions that name it or gave it a record, revoked ones too, newest first; at most 200.
    pub decisions: Vec<DecisionSeen>,
}

/// A golden field and where it is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldWhy {
    /// Its name.
    pub field: String,
    /// Its title.
    pub title: Text,
    /// Its value as text. Personal data, unless the registry's definition says that it is plain.
    pub value: Option<String>,
    /// Dataset it was taken from.
    pub from: Option<String>,
    /// When that record was last changed, where the dataset tells.
    pub changed_on: Option<String>,
    /// Batch and row in which that record was delivered.
    pub batch: Option<String>,
    /// Row of the batch.
    pub row: Option<i64>,
    /// When that batch arrived, RFC 3339.
    pub arrived_at: Option<String>,
    /// Fields of one group come from one record together.
    pub group: Option<String>,
    /// Other values that were delivered.
    pub losers: Vec<Loser>,
}

/// A value that was delivered and not taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loser {
    /// Dataset.
    pub dataset: String,
    /// The value as text.
    pub value: String,
    /// When its record was last changed.
    pub changed_on: Option<String>,
    /// Batch.
    pub batch: String,
    /// Row of the batch.
    pub row: i64,
    /// When the batch arrived, RFC 3339.
    pub arrived_at: Option<String>,
    /// Why it lost.
    pub reason: Reason,
}

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Another dataset is believed before it.
    LowerAuthority,
    /// It is older than the field allows.
    TooOld,
    /// The same dataset has a record that was changed later.
    Older,
    /// The field's group was taken from another record.
    Group,
    /// The dataset may not supply the field, it may only disagree.
    NotListed,
}

/// A record of a golden record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordWhy {
    /// Dataset.
    pub dataset: String,
    /// Business key as a JSON list of texts. Personal data.
    pub record_key: String,
    /// Batch in which it was delivered.
    pub batch: String,
    /// Row of the batch.
    pub row: i64,
    /// `key`, or the identifier of the decision that gave it to the entity.
    pub joined_by: String,
}

/// A decision as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionSeen {
    /// Identifier.
    pub id: String,
    /// `join`, `merge`, `split` or `apart`.
    pub kind: String,
    /// Dataset of the record.
    pub dataset: String,
    /// Business key of the record. Personal data.
    pub record_key: String,
    /// Entity.
    pub entity_key: String,
    /// The other entity.
    pub other_key: String,
    /// Why.
    pub reason: String,
    /// Account, or `model`.
    pub decided_by: String,
    /// When, RFC 3339.
    pub decided_at: String,
    /// Digest of the model that proposed it.
    pub model: String,
    /// Probability the model gave.
    pub probability: Option<f64>,
    /// What it is made of, without the values that were compared.
    pub evidence: Option<Waterfall>,
    /// Version of the table of candidates that keeps the model.
    pub model_version: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// Why.
    pub revoked_reason: Option<String>,
}

impl From<DecisionRow> for DecisionSeen {
    fn from(row: DecisionRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            dataset: row.dataset,
            record_key: row.record_key,
            entity_key: row.entity_key,
            other_key: row.other_key,
            reason: row.reason,
            decided_by: row.decided_by,
            decided_at: row.decided_at.to_string(),
            model: row.model,
            probability: row.probability_ppm.map(from_ppm),
            evidence: row.evidence.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            model_version: row.model_version,
            revoked_at: row.revoked_at.map(|at| at.to_string()),
            revoked_by: row.revoked_by,
            revoked_reason: row.revoked_reason,
        }
    }
}

/// A probability from millionths.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "millionths are far below 2^53")]
pub fn from_ppm(ppm: i64) -> f64 {
    ppm as f64 / 1e6
}

/// A probability in millionths.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a probability is between 0 and 1")]
pub fn to_ppm(probability: f64) -> i64 {
    (probability.clamp(0.0, 1.0) * 1e6).round() as i64
}

/// The key under which an entity stands in the golden table: given its key in its one spelling, a key merged into
/// it, or its name. `None`: there is none.
///
/// # Errors
/// [`RegistryError::Lake`].
pub async fn entity_key(lake: &Lake, registry: &Registry, text: &str) -> Result<Option<String>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "look up an entity", registry: registry.id.clone(), source };
    let golden = shape::golden_table(registry).map_err(failed)?;
    if !lake.exists(&golden) {
        return Ok(None);
    }
    if is_there(&lake.lookup(&golden, &[text]).await.map_err(failed)?) {
        return Ok(Some(text.to_owned()));
    }
    let keys = shape::keys_table(registry).map_err(failed)?;
    if lake.exists(&keys) {
        for batch in lake.lookup(&keys, &[text]).await.map_err(failed)? {
            if batch.num_rows() > 0 {
                return Ok(Some(batch.column(2).as_string::<i32>().value(0).to_owned()));
            }
        }
    }
    if !is_entity_id(text) {
        return Ok(None);
    }
    let found = match lake.find(&golden, shape::ENTITY, text).await {
        Ok(found) => found,
        // Built by an earlier release, which gave no names.
        Err(LakeError::NoColumn { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let keys = found.iter().filter_map(|batch| batch.column_by_name(&registry.key).filter(|keys| !keys.is_empty()));
    Ok(keys.map(|keys| keys.as_string::<i32>().value(0).to_owned()).next())
}

fn is_there(batches: &[RecordBatch]) -> bool {
    batches.iter().any(|batch| batch.num_rows() > 0)
}

/// Why a golden record is as it is. `text` is its key in any spelling, a key merged into it, or its name.
/// `None`: there is no such record.
///
/// # Errors
/// [`RegistryError::Lake`], [`RegistryError::Store`], [`RegistryError::Spool`].
pub async fn golden(
    lake: &Lake,
    store: &Store,
    registry: &Registry,
    text: &str,
) -> Result<Option<GoldenWhy>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "look up an entity", registry: registry.id.clone(), source };
    let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let spelled = if is_entity_id(text) {
        text.to_owned()
    } else {
        let Some(key) = key::usable(registry.entity, text) else { return Ok(None) };
        key.into_owned()
    };
    let Some(key) = entity_key(lake, registry, &spelled).await? else { return Ok(None) };
    let golden = shape::golden_table(registry).map_err(failed)?;
    let found = lake.lookup(&golden, &[&key]).await.map_err(failed)?;
    let Some(row) = found.into_iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };

    let (part, members) = gathered(lake, registry, &golden, &key).await?;
    let leads: Vec<Leads<'_>> = part.members.iter().map(Leads::of).collect();
    let plans = Plans::new(registry, &part).map_err(spool_failed)?;
    // Of each member the record that counts most comes first, and speaks.
    let mut ranked: Vec<Vec<usize>> = Vec::with_capacity(leads.len());
    for lead in &leads {
        let mut rows: Vec<usize> = (0..lead.keys.len()).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(lead.order(&part, *row)));
        ranked.push(rows);
    }
    let speakers: Vec<Option<usize>> = ranked.iter().map(|rows| rows.first().copied()).collect();
    let mut fields = Vec::with_capacity(registry.fields.len());
    for index in 0..registry.fields.len() {
        fields.push(field_why(registry, &part, &plans, &leads, &ranked, &speakers, index).map_err(spool_failed)?);
    }
    tell_arrivals(store, &mut fields).await.map_err(store_failed)?;
    let mut records = Vec::new();
    for (member, rows) in ranked.iter().enumerate() {
        for &at in rows {
            records.push(RecordWhy {
                dataset: members[member].clone(),
                record_key: record::spell(leads[member].record(at)),
                batch: leads[member].batch(&part, at).to_owned(),
                row: leads[member].row(at),
                joined_by: leads[member].by(at).unwrap_or("key").to_owned(),
            });
        }
    }
    let text_of = |name: &str| {
        row.column_by_name(name)
            .filter(|column| column.is_valid(0))
            .and_then(|column| array_value_to_string(column, 0).ok())
    };
    let other_keys = merged_into(lake, registry, &key).await.map_err(failed)?;
    let decisions = decisions_of(store, registry, &key, &other_keys, &records).await.map_err(store_failed)?;
    Ok(Some(GoldenWhy {
        entity: text_of(shape::ENTITY).unwrap_or_default(),
        key,
        other_keys,
        standing: text_of(shape::STANDING),
        protected: text_of(shape::PROTECTED).as_deref() == Some("true"),
        fields,
        records,
        decisions,
    }))
}

/// An entity's records as they were at the last build, as [`crate::gather`] gathers them.
async fn gathered(
    lake: &Lake,
    registry: &Registry,
    golden: &TableName,
    key: &str,
) -> Result<(Part, Vec<String>), RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read records", registry: registry.id.clone(), source };
    let spool_failed = |source| RegistryError::Spool { registry: registry.id.clone(), source };
    let sources = shape::sources_table(registry).map_err(failed)?;
    let known = state::last(lake, golden).await.map_err(failed)?.map(|(state, _, _)| state);
    let mut wanted: Vec<HashMap<String, Option<String>>> = vec![HashMap::new(); registry.members.len()];
    if lake.exists(&sources) {
        for batch in lake.lookup(&sources, &[key]).await.map_err(failed)? {
            let lines = batch.column(1).as_string::<i32>().iter().flatten().map(|text| (key, text));
            for line in lines.flat_map(source_lines) {
                if let Some(member) = registry.members.iter().position(|member| member.dataset == line.dataset) {
                    wanted[member].insert(line.record.into_owned(), line.by.map(str::to_owned));
                }
            }
        }
    }
    let mut keys = Vec::with_capacity(registry.members.len());
    let mut tables = Vec::with_capacity(registry.members.len());
    for member in &registry.members {
        let table = TableName::new(Zone::Checked, member.dataset.as_str()).map_err(failed)?;
        let there = lake.exists(&table);
        keys.push(if there { lake.layout(&table).await.map_err(failed)?.key().to_vec() } else { Vec::new() });
        tables.push(there.then_some(table));
    }
    let nobody = EntitySecret::new(&[0; 32]);
    let links = Links::new(registry, &nobody, &[]);
    let rules = Arc::new(Rules { registry: registry.clone(), links, secret: nobody, keys, hashed: Vec::new() });
    let numbers = Arc::new(Numbers::default());
    let mut members = Vec::with_capacity(registry.members.len());
    let mut newest = Vec::with_capacity(registry.members.len());
    for (index, given) in wanted.into_iter().enumerate() {
        let member = &registry.members[index];
        let schema = crate::gather::member_schema(registry, member);
        let at = known.as_ref().and_then(|known| known.newest.get(index).copied().flatten());
        let mut latest = Newest { at, day: 1 };
        let mut linked = Vec::new();
        if let (Some(table), false) = (&tables[index], given.is_empty()) {
            let version = known.as_ref().and_then(|known| known.inputs.get(index).copied().flatten());
            let columns = columns_of(registry, member, &rules.keys[index]);
            let batches = read(lake, table, version, &columns, &rules.keys[index], &given).await.map_err(failed)?;
            let mut splitter = Splitter::new(Arc::clone(&rules), index, Arc::clone(&numbers)).given(key, given);
            for batch in batches {
                let split = splitter.split(&batch).map_err(spool_failed)?;
                latest.day = split.newest.day.max(latest.day);
                linked.push(split.linked);
            }
        }
        members.push(arrow::compute::concat_batches(&schema, &linked).map_err(spool_failed)?);
        newest.push(latest);
    }
    let part = Part { members, batches: Arc::new(numbers.finish()), newest: Arc::new(newest) };
    Ok((part, registry.members.iter().map(|member| member.dataset.clone()).collect()))
}

/// Notes when each value's batch arrived.
async fn tell_arrivals(store: &Store, fields: &mut [FieldWhy]) -> Result<(), StoreError> {
    let mut known: HashMap<String, Option<String>> = HashMap::new();
    let batches =
        fields.iter().flat_map(|field| field.batch.iter().chain(field.losers.iter().map(|loser| &loser.batch)));
    for batch in batches.cloned().collect::<HashSet<_>>() {
        let arrived = store.batch_find(&batch).await?.map(|batch| batch.received_at.to_string());
        known.insert(batch, arrived);
    }
    for field in fields {
        field.arrived_at = field.batch.as_ref().and_then(|batch| known.get(batch).cloned().flatten());
        for loser in &mut field.losers {
            loser.arrived_at = known.get(&loser.batch).cloned().flatten();
        }
    }
    Ok(())
}

/// The versions of the members' checked tables that the golden table was last built from, in the order of the members;
/// `None` for a member that had nothing then. Empty before the first build.
///
/// # Errors
/// [`RegistryError::Lake`].
pub async fn built_from(lake: &Lake, registry: &Registry) -> Result<Vec<Option<i64>>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "read versions", registry: registry.id.clone(), source };
    let golden = shape::golden_table(registry).map_err(failed)?;
    Ok(state::last(lake, &golden).await.map_err(failed)?.map(|(state, _, _)| state.inputs).unwrap_or_default())
}

/// Records as they were at `version`, or as they are where that was cleaned away.
async fn read(
    lake: &Lake,
    table: &TableName,
    version: Option<i64>,
    columns: &[String],
    business_key: &[String],
    given: &HashMap<String, Option<String>>,
) -> Result<Vec<RecordBatch>, LakeError> {
    if business_key.is_empty() {
        let places: Vec<String> = given
            .keys()
            .filter_map(|key| {
                let (batch, row) = key.strip_prefix('#')?.rsplit_once(':')?;
                let row: i64 = row.parse().ok()?;
                Some(format!("(_batch = '{}' AND _row = {row})", batch.replace('\'', "''")))
            })
            .collect();
        let scan = Scan {
            version,
            columns: Some(columns.to_vec()),
            filter_sql: Some(places.join(" OR ")).filter(|filter| !filter.is_empty()),
            ..Scan::default()
        };
        let mut stream = lake.scan(table, scan).await?;
        let mut found = Vec::new();
        while let Some(batch) = stream.next().await {
            found.push(batch?);
        }
        return Ok(found);
    }
    let keys = || given.keys().cloned();
    match lake.pick(table, version, columns, keys()).await {
        Err(LakeError::File { .. } | LakeError::NoVersion { .. }) => lake.pick(table, None, columns, keys()).await,
        found => found,
    }
}

fn field_why(
    registry: &Registry,
    part: &Part,
    plans: &Plans,
    leads: &[Leads<'_>],
    ranked: &[Vec<usize>],
    speakers: &[Option<usize>],
    index: usize,
) -> Result<FieldWhy, arrow::error::ArrowError> {
    let field = &registry.fields[index];
    let plan = &plans.0[index];
    let turn = plans.choose(index, speakers, leads);
    let kept = turn.filter(|(place, row)| plan.columns[*place].has(*row));
    let mut why = FieldWhy {
        field: field.name.clone(),
        title: field.title.clone(),
        value: None,
        from: None,
        changed_on: None,
        batch: None,
        row: None,
        arrived_at: None,
        group: field.group.clone(),
        losers: Vec::new(),
    };
    let day = |dataset: usize, row: usize| {
        leads[dataset].changed(row).and_then(|changed| day_text(changed, part.newest[dataset].day))
    };
    if let Some((place, row)) = kept {
        let dataset = plan.columns[place].dataset;
        why.value = Some(plan.columns[place].text(row)?);
        why.from = Some(registry.members[dataset].dataset.clone());
        why.changed_on = day(dataset, row);
        why.batch = Some(leads[dataset].batch(part, row).to_owned());
        why.row = Some(leads[dataset].row(row));
    }
    let group_decided = field.group.is_some() && plans.decided_by(index, speakers, leads).is_some();
    for (place, column) in plan.columns.iter().enumerate() {
        for (rank, &row) in ranked[column.dataset].iter().enumerate() {
            if !column.has(row) || kept.is_some_and(|kept| plans.says_same(index, kept, (place, row))) {
                continue;
            }
            let reason = if rank > 0 {
                Reason::Older
            } else if !plans.has_turn(index, column.dataset) {
                Reason::NotListed
            } else if plans.is_too_old(index, column.dataset, leads[column.dataset].changed(row)) {
                Reason::TooOld
            } else if kept.is_none() && group_decided {
                Reason::Group
            } else {
                Reason::LowerAuthority
            };
            why.losers.push(Loser {
                dataset: registry.members[column.dataset].dataset.clone(),
                value: column.text(row)?,
                changed_on: day(column.dataset, row),
                batch: leads[column.dataset].batch(part, row).to_owned(),
                row: leads[column.dataset].row(row),
                arrived_at: None,
                reason,
            });
        }
    }
    Ok(why)
}

/// A day as `2026-11-02`, given in units of which `day` make one, from 1970-01-01.
fn day_text(at: i64, day: i64) -> Option<String> {
    let days = i32::try_from(at.div_euclid(day.max(1))).ok()?;
    let first = jiff::civil::date(1970, 1, 1);
    first.checked_add(jiff::Span::new().try_days(days).ok()?).ok().map(|day| day.to_string())
}

/// Keys that were merged into an entity.
async fn merged_into(lake: &Lake, registry: &Registry, key: &str) -> Result<Vec<String>, LakeError> {
    let table = shape::keys_table(registry)?;
    if !lake.exists(&table) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut stream = lake.scan(&table, Scan::default()).await?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let (keys, survivors) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
        for row in (0..batch.num_rows()).filter(|row| survivors.value(*row) == key) {
            found.push(keys.value(row).to_owned());
        }
    }
    found.sort();
    Ok(found)
}

async fn decisions_of(
    store: &Store,
    registry: &Registry,
    key: &str,
    others: &[String],
    records: &[RecordWhy],
) -> Result<Vec<DecisionSeen>, StoreError> {
    let mut found: BTreeMap<String, DecisionRow> = BTreeMap::new();
    for key in std::iter::once(key).chain(others.iter().map(String::as_str)) {
        let filter = DecisionFilter {
            registry: registry.id.clone(),
            entity_key: Some(key.to_owned()),
            ..DecisionFilter::default()
        };
        for row in store.decision_list_newest(&filter, 0, DECISIONS_SHOWN).await? {
            found.insert(row.id.clone(), row);
        }
    }
    for record in records.iter().filter(|record| record.joined_by != "key") {
        if let Some(row) = store.decision_find(&record.joined_by).await? {
            found.insert(row.id.clone(), row);
        }
    }
    let shown = usize::try_from(DECISIONS_SHOWN).unwrap_or(usize::MAX);
    Ok(found.into_values().rev().take(shown).map(DecisionSeen::from).collect())
}
