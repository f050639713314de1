//! Follows every fault of a dataset from check to check.
//!
//! While the second reading passes, [`Follow::see`] notes two things of each record: the rules it fails, and that a
//! record with a standing fault was delivered again. What it noted is sorted into the buckets of the history table,
//! beyond [`EVENTS_IN_MEMORY`] on disk; then [`Follow::merge`] takes bucket by bucket, so memory depends neither on
//! the rows of the scan nor on the length of the history. An index of the standing faults, sixteen bytes each, is
//! the one thing that is held whole.

mod spool;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;
use yihe_definitions::{Dataset, EntityKind, Mode, Pack, Rule, Severity};
use yihe_lake::{CommitKey, Lake, LakeError, Layout, Scan, TableName, bucket_of};
use yihe_store::Batch;
use yihe_vocabulary::{citizen_id, composite_key, normalise_key, real_estate_unit};

use super::{EmbargoReason, KEY_RULE, gate::GateFault, severity_word};
use crate::{
    error::QualityError,
    history::{
        Change, Failing, FaultRecord, FaultState, NO_KEY, Sight, Tally, WHOLE_TABLE, advance, from_batch,
        history_schema, to_batch,
    },
    outcome::Metric,
    recipients::{Recipients, Told},
};

use spool::{Event, Spool};

/// Events held in memory before they go to disk.
const EVENTS_IN_MEMORY: usize = 200_000;
/// Rows of one batch that is written.
const BATCH_ROWS: usize = 8_192;
/// Name under which tallies stand in the log of the history table.
const META_TALLIES: &str = "tallies";
/// Name under which the departments that must be told stand there.
const META_TOLD: &str = "told";

/// What a check did to the faults of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// By rule.
    pub tallies: BTreeMap<String, Tally>,
    /// Departments that were supplied with a value before it was corrected.
    pub told: Vec<Told>,
}

/// A registry that the dataset feeds, and the columns that hold its key.
struct Feeds {
    entity: EntityKind,
    columns: Vec<String>,
}

/// The faults of one dataset while a check passes.
pub(super) struct Follow {
    lake: Lake,
    table: TableName,
    version: i64,
    buckets: u32,
    key: Vec<String>,
    feeds: Vec<Feeds>,
    rules: Vec<(String, &'static str)>,
    /// Standing faults: hash of the key and number of the rule, in order.
    standing: Vec<(u64, u16)>,
    /// Faults of this scan, when it has several batches: a later one may correct an earlier one.
    fresh: HashMap<u64, Vec<u16>>,
    open: BTreeMap<String, u64>,
    has_stray_rules: bool,
    full: bool,
    ordinals: HashMap<String, u32>,
    batches: Vec<String>,
    spool: Spool,
}

impl Follow {
    /// Opens the history of a dataset, making the table at the first check. `rows` is the size of the scan.
    pub async fn open(
        lake: &Lake,
        pack: &Pack,
        dataset: &Dataset,
        rules: &[Rule],
        batches: &[Batch],
        rows: u64,
    ) -> Result<Self, LakeError> {
        let table = TableName::new(yihe_lake::Zone::History, dataset.id.as_str())?;
        if !lake.exists(&table) {
            // Where one row in eight is at fault, a bucket holds a million of them.
            let layout = Layout::keyed(["rule", "key"], Layout::buckets_for(rows / 8));
            lake.create(&table, history_schema(), layout).await?;
        }
        let buckets = lake.layout(&table).await?.buckets();
        let version = lake.version(&table).await?;
        let rules: Vec<(String, &'static str)> = rules
            .iter()
            .map(|rule| (rule.id.clone(), severity_word(rule.severity)))
            .chain([(KEY_RULE.to_owned(), "hold")])
            .collect();
        let memberships = pack.registries.iter().flat_map(|registry| {
            registry
                .members
                .iter()
                .map(move |member| (registry.entity, member))
                .filter(|(_, member)| member.dataset == dataset.id)
        });
        let mut follow = Self {
            lake: lake.clone(),
            version,
            buckets,
            key: dataset.key.clone(),
            feeds: memberships
                .map(|(entity, member)| Feeds { entity, columns: member.key.columns().to_vec() })
                .collect(),
            rules,
            standing: Vec::new(),
            fresh: HashMap::new(),
            open: BTreeMap::new(),
            has_stray_rules: false,
            full: dataset.source.mode == Mode::Full,
            ordinals: batches.iter().zip(0..).map(|(batch, ordinal)| (batch.id.clone(), ordinal)).collect(),
            batches: batches.iter().map(|batch| batch.id.clone()).collect(),
            spool: Spool::new(&lake.options().spill_dir, EVENTS_IN_MEMORY),
            table,
        };
        follow.load().await?;
        Ok(follow)
    }

    /// The index of what stands.
    async fn load(&mut self) -> Result<(), LakeError> {
        let numbers: HashMap<&str, u16> =
            self.rules.iter().zip(0_u16..).map(|((id, _), number)| (id.as_str(), number)).collect();
        let scan = Scan {
            version: Some(self.version),
            columns: Some(vec!["rule".to_owned(), "key".to_owned(), "state".to_owned()]),
            filter_sql: Some("state IN ('open', 'excused')".to_owned()),
            ..Scan::default()
        };
        let mut stream = self.lake.scan(&self.table, scan).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let text = |at: usize| batch.column(at).as_string::<i32>();
            for row in 0..batch.num_rows() {
                let rule = text(0).value(row);
                if text(2).value(row) == FaultState::Open.as_str() {
                    *self.open.entry(rule.to_owned()).or_default() += 1;
                }
                match numbers.get(rule) {
                    Some(number) => self.standing.push((xxh3_64(text(1).value(row).as_bytes()), *number)),
                    None => self.has_stray_rules = true,
                }
            }
        }
        self.standing.sort_unstable();
        Ok(())
    }

    /// Notes what a batch of the second reading shows. `faults` are those that the gate found in it.
    pub fn see(&mut self, batch: &RecordBatch, faults: &[GateFault]) -> Result<(), QualityError> {
        if faults.is_empty() && self.standing.is_empty() && self.fresh.is_empty() {
            return Ok(());
        }
        let records = self.records(batch)?;
        let mut faults: Vec<&GateFault> = faults.iter().collect();
        faults.sort_by_key(|fault| fault.row);
        let mut next = 0;
        let only_faulty = self.standing.is_empty() && self.fresh.is_empty();
        let mut row = 0;
        while row < batch.num_rows() {
            if only_faulty {
                // Nothing stands, so only failing rows are of interest.
                match faults.get(next) {
                    Some(fault) => row = fault.row,
                    None => break,
                }
            }
            let first = next;
            while faults.get(next).is_some_and(|fault| fault.row == row) {
                next += 1;
            }
            let failing = &faults[first..next];
            let key = records.key(row);
            let hash = xxh3_64(key.as_bytes());
            let mut touched: Vec<u16> = self.rules_standing(hash);
            if failing.is_empty() && touched.is_empty() {
                row += 1;
                continue;
            }
            let ordinal = self.ordinals.get(records.batches.value(row)).copied().unwrap_or(0);
            let event = Event { ordinal, ..records.event(&self.feeds, row) };
            for fault in failing {
                let Ok(rule) = u16::try_from(fault.rule) else { continue };
                touched.retain(|known| *known != rule);
                if self.ordinals.len() > 1 {
                    let known = self.fresh.entry(hash).or_default();
                    if !known.contains(&rule) {
                        known.push(rule);
                    }
                }
                let failing = Some((fault.columns.clone(), fault.found.clone()));
                self.note(Event { rule, failing, ..event.clone() })?;
            }
            for rule in touched {
                self.note(Event { rule, ..event.clone() })?;
            }
            row += 1;
        }
        Ok(())
    }

    /// Notes rows of an earlier batch whose verdict changed without being delivered again: `failing` ones, and by row
    /// the rules that `passing` ones pass.
    pub fn see_older(
        &mut self,
        batch: &RecordBatch,
        id: &str,
        failing: &[GateFault],
        passing: &BTreeMap<usize, Vec<usize>>,
    ) -> Result<(), QualityError> {
        let ordinal = self.batches.iter().position(|known| known == id).unwrap_or_else(|| {
            self.batches.push(id.to_owned());
            self.batches.len() - 1
        });
        // A list of batches is bounded far below.
        let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
        let records = self.records(batch)?;
        for fault in failing {
            let Ok(rule) = u16::try_from(fault.rule) else { continue };
            let failing = Some((fault.columns.clone(), fault.found.clone()));
            self.note(Event { rule, ordinal, failing, ..records.event(&self.feeds, fault.row) })?;
        }
        for (row, rules) in passing {
            for rule in rules {
                let Ok(rule) = u16::try_from(*rule) else { continue };
                self.note(Event { rule, ordinal, ..records.event(&self.feeds, *row) })?;
            }
        }
        Ok(())
    }

    fn records(&self, batch: &RecordBatch) -> Result<Records, QualityError> {
        let column = |name: &str| {
            let found = batch.column_by_name(name);
            found.ok_or_else(|| QualityError::BatchColumn { column: name.to_owned() })
        };
        let entities = self
            .feeds
            .iter()
            .map(|feeds| feeds.columns.iter().map(|name| batch.column_by_name(name).map(texts).transpose()).collect());
        Ok(Records {
            batches: texts(column("_batch")?)?,
            rows: cast(column("_row")?, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
            keys: self.key.iter().map(|name| texts(column(name)?)).collect::<Result<_, QualityError>>()?,
            entities: entities.collect::<Result<_, _>>()?,
        })
    }

    /// Notes rules on the whole table, which have no row.
    /// Rules that keep whole deliveries out are followed so too.
    pub fn see_table(
        &mut self,
        rules: &[Rule],
        metrics: &[Metric],
        reasons: &[EmbargoReason],
    ) -> Result<(), QualityError> {
        let last = u32::try_from(self.batches.len().saturating_sub(1)).unwrap_or(u32::MAX);
        for (index, (definition, metric)) in rules.iter().zip(metrics).enumerate() {
            let is_of_table = definition.kind.is_of_table();
            if metric.evaluated == 0 || !(is_of_table || definition.severity == Severity::Quarantine) {
                continue;
            }
            let Ok(rule) = u16::try_from(index) else { continue };
            let reason = reasons.iter().find(|reason| reason.rule == definition.id);
            let failing = match reason {
                Some(reason) => Some((String::new(), Some(reason.found()))),
                None if is_of_table && metric.failed > 0 => Some((String::new(), metric.found.clone())),
                None => None,
            };
            let event =
                Event { rule, key: WHOLE_TABLE.to_owned(), ordinal: last, row: 0, failing, entities: Vec::new() };
            self.note(event)?;
        }
        Ok(())
    }

    /// The delivery is kept out: nothing is said of its rows, nor of those it lacks.
    pub const fn only_table(&mut self) {
        self.full = false;
    }

    fn rules_standing(&self, hash: u64) -> Vec<u16> {
        let from = self.standing.partition_point(|(known, _)| *known < hash);
        let standing = self.standing[from..].iter().take_while(|(known, _)| *known == hash).map(|(_, rule)| *rule);
        let mut rules: Vec<u16> = standing.collect();
        if let Some(fresh) = self.fresh.get(&hash) {
            rules.extend(fresh);
            rules.sort_unstable();
            rules.dedup();
        }
        rules
    }

    fn note(&mut self, event: Event) -> Result<(), QualityError> {
        let bucket = bucket_of(&[&self.rules[usize::from(event.rule)].0, &event.key], self.buckets);
        self.spool.push(bucket, event)
    }

    /// Writes the histories anew, in one commit under `key`. A commit that was made before is read back.
    pub async fn merge(
        mut self,
        key: CommitKey,
        excuses: &BTreeMap<String, i64>,
        recipients: &Recipients,
        now: i64,
    ) -> Result<Followed, FollowError> {
        let mut writer = self.lake.upserter(&self.table, key, &[]).await?;
        if let Some(done) = writer.already_done() {
            return Ok(read_meta(&done.meta));
        }
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for (rule, _) in &self.rules {
            tallies.insert(rule.clone(), Tally { open: self.open.get(rule).copied().unwrap_or(0), ..Tally::default() });
        }
        for (rule, open) in &self.open {
            tallies.entry(rule.clone()).or_insert_with(|| Tally { open: *open, ..Tally::default() });
        }
        let mut told = recipients.collector();
        for bucket in 0..self.buckets {
            let mut events = self.spool.take(bucket)?;
            if events.is_empty() && !self.full && !self.has_stray_rules {
                continue;
            }
            let mut changed = Vec::new();
            let scan = Scan { version: Some(self.version), buckets: Some(vec![bucket]), ..Scan::default() };
            let mut stream = self.lake.scan(&self.table, scan).await?;
            while let Some(batch) = stream.next().await {
                let Some(old) = from_batch(&batch?) else { return Err(FollowError::Foreign) };
                for old in old {
                    let event = self.number(&old.rule).and_then(|rule| events.remove(&(rule, old.key.clone())));
                    let Some((record, change)) = self.advanced(&old, event.as_ref(), excuses, now) else { continue };
                    tallies.entry(old.rule.clone()).or_default().count(Some(old.state), record.state, change);
                    if matches!(change, Change::Corrected | Change::Gone) {
                        let entities = event.map_or_else(|| self.entities_of(&old.key), |event| event.entities);
                        told.ended(&record, change, entities);
                    }
                    changed.push(record);
                    if changed.len() >= BATCH_ROWS {
                        writer.write(to_batch(&std::mem::take(&mut changed))).await?;
                    }
                }
            }
            for ((rule, key), event) in events {
                let (id, severity) = &self.rules[usize::from(rule)];
                let Some(failing) = self.failing(&event, severity) else { continue };
                let excused = excuses.get(id).copied();
                let Some((record, change)) = advance(None, id, &key, Sight::Failing(&failing), excused, now) else {
                    continue;
                };
                tallies.entry(id.clone()).or_default().count(None, record.state, change);
                changed.push(record);
            }
            for part in changed.chunks(BATCH_ROWS) {
                writer.write(to_batch(part)).await?;
            }
            told.look_up().await?;
        }
        let followed = Followed { tallies, told: told.finish() };
        writer.commit(meta_of(&followed)).await?;
        Ok(followed)
    }

    fn advanced(
        &self,
        old: &FaultRecord,
        event: Option<&Event>,
        excuses: &BTreeMap<String, i64>,
        now: i64,
    ) -> Option<(FaultRecord, Change)> {
        let excused = excuses.get(&old.rule).copied();
        let Some(rule) = self.number(&old.rule) else {
            return advance(Some(old), &old.rule, &old.key, Sight::RuleGone, excused, now);
        };
        let failing = event.map(|event| self.failing(event, self.rules[usize::from(rule)].1));
        let sight = match &failing {
            Some(Some(failing)) => Sight::Failing(failing),
            Some(None) => Sight::Passing,
            None if self.full && old.key != WHOLE_TABLE => Sight::Absent,
            None => return None,
        };
        advance(Some(old), &old.rule, &old.key, sight, excused, now)
    }

    fn failing(&self, event: &Event, severity: &'static str) -> Option<Failing> {
        let (columns, found) = event.failing.as_ref()?;
        let batch = self.batches.get(event.ordinal as usize).cloned().unwrap_or_default();
        Some(Failing { severity, columns: columns.clone(), found: found.clone(), batch, row: event.row })
    }

    fn number(&self, rule: &str) -> Option<u16> {
        self.rules.iter().position(|(id, _)| id == rule).and_then(|at| u16::try_from(at).ok())
    }

    /// The registries' keys of a record that is gone, as far as they are part of its own key.
    fn entities_of(&self, key: &str) -> Vec<Option<String>> {
        let parts: Vec<String> = serde_json::from_str(key).unwrap_or_default();
        self.feeds
            .iter()
            .map(|feeds| {
                let part = |name: &String| {
                    let at = self.key.iter().position(|column| column == name)?;
                    parts.get(at).cloned()
                };
                let parts: Option<Vec<String>> = feeds.columns.iter().map(part).collect();
                entity_key(feeds.entity, &parts?)
            })
            .collect()
    }
}

/// The records of a batch, as far as the history knows them.
struct Records {
    batches: StringArray,
    rows: Int64Array,
    keys: Vec<StringArray>,
    /// By registry that the dataset feeds, the columns of its key; `None`: one is not there.
    entities: Vec<Option<Vec<StringArray>>>,
}

impl Records {
    fn key(&self, row: usize) -> String {
        key_of(&self.keys, row)
            .unwrap_or_else(|| format!("{NO_KEY}{}:{}", self.batches.value(row), self.rows.value(row)))
    }

    /// A record that passes the first rule of the first batch; the caller says what else.
    fn event(&self, feeds: &[Feeds], row: usize) -> Event {
        let part = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
        let entities = self.entities.iter().zip(feeds).map(|(columns, feeds)| {
            let parts: Option<Vec<String>> = columns.as_ref()?.iter().map(part).collect();
            entity_key(feeds.entity, &parts?)
        });
        Event {
            rule: 0,
            key: self.key(row),
            ordinal: 0,
            row: self.rows.value(row),
            failing: None,
            entities: entities.collect(),
        }
    }
}

/// Why faults were not followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The spool on disk failed.
    #[error(transparent)]
    Quality(#[from] QualityError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] yihe_store::StoreError),
    /// The table holds what no version of this program writes.
    #[error("found a history table that is none of ours, expected the columns of this release")]
    Foreign,
}

/// The key as it stands in the history and in use records: a JSON list of texts. `None` where a part is missing.
fn key_of(keys: &[StringArray], row: usize) -> Option<String> {
    if keys.is_empty() || keys.iter().any(|column| column.is_null(row)) {
        return None;
    }
    let parts: Vec<&str> = keys.iter().map(|column| column.value(row)).collect();
    Some(serde_json::to_string(&parts).expect("texts are always JSON"))
}

/// The key of the entity as registries write it; `parts` has one text for each column of the member's key.
fn entity_key(kind: EntityKind, parts: &[String]) -> Option<String> {
    match (kind, parts) {
        (EntityKind::Person, [text]) => citizen_id::normalise(text),
        (EntityKind::Organisation | EntityKind::Place | EntityKind::Certificate, [text]) => {
            Some(normalise_key(text).into_owned())
        }
        (EntityKind::RealEstateUnit, [text]) => real_estate_unit::normalise(text).map(Cow::into_owned),
        (EntityKind::CreditRecord, [party, document]) => composite_key::credit_record(party, document),
        (EntityKind::Indicator, [code, period, division]) => composite_key::indicator(code, period, division),
        // A checked definition gives each kind as many columns as its key has parts.
        (
            EntityKind::Person
            | EntityKind::Organisation
            | EntityKind::Place
            | EntityKind::Certificate
            | EntityKind::RealEstateUnit
            | EntityKind::CreditRecord
            | EntityKind::Indicator,
            _,
        ) => None,
    }
}

fn texts(column: &ArrayRef) -> Result<StringArray, QualityError> {
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn meta_of(followed: &Followed) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert(META_TALLIES.to_owned(), json!(followed.tallies));
    meta.insert(META_TOLD.to_owned(), json!(followed.told));
    meta
}

fn read_meta(meta: &Map<String, Value>) -> Followed {
    let read = |name: &str| meta.get(name).cloned().unwrap_or(Value::Null);
    Followed {
        tallies: serde_json::from_value(read(META_TALLIES)).unwrap_or_default(),
        told: serde_json::from_value(read(META_TOLD)).unwrap_or_default(),
    }
}
