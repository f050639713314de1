//! One scan: batches in, faults of each batch out, metrics at the end.
//!
//! A session is one thread's share of a scan. Sessions of the same checker are finished together
//! ([`finish`], or [`grow`](crate::state::grow) where a table stands already), in any number and order; the outcome is the same for every way of sharing the batches.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    datatypes::SchemaRef,
};
use roaring::RoaringBitmap;

use crate::{
    bits::{Bits, Rows},
    checker::{Checker, Demand},
    column::{Column, Memory},
    error::QualityError,
    key_store::{Duplicates, KeyStore, Keys, PARTITIONS, Scratch},
    outcome::{Counts, Outcome},
    rules::{
        Batch, Verdict,
        implied::{By, Joint, are_few},
        table::Gathered,
        unique::{Form, written},
    },
    value,
};

/// Rows of one scan are numbered with 32 bits.
pub const ROWS_MAX: u64 = u32::MAX as u64;

/// What a scan may use.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Bytes for keys of uniqueness rules, before they are spilled. Default 128 MiB.
    pub memory_bytes: usize,
    /// Folder for what does not fit. Default: that of the system.
    pub spill_dir: PathBuf,
    /// Whether to keep which rows a rule does not apply to. Default: only how many.
    pub keep_skipped: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { memory_bytes: 128 << 20, spill_dir: std::env::temp_dir(), keep_skipped: false }
    }
}

/// One thread's share of a scan.
#[derive(Debug)]
pub struct Session<'a> {
    checker: &'a Checker,
    options: SessionOptions,
    rules: Vec<RuleState>,
    /// Business keys, where no rule keeps them.
    identity: Option<KeyStore>,
    /// By condition.
    conditions: Vec<Memory>,
    joint: Vec<JointState>,
    rows: u64,
    schema: Option<SchemaRef>,
    positions: Vec<usize>,
}

#[derive(Debug)]
struct RuleState {
    counts: Counts,
    failed: RoaringBitmap,
    /// Rows to which the rule does not apply, when somebody wants to know.
    skipped: RoaringBitmap,
    gathered: Gathered,
    keys: Option<KeyStore>,
    memory: Memory,
}

/// What several rules ask together, and whether it was worth asking.
#[derive(Debug, Default)]
struct JointState {
    memory: Memory,
    /// Batches for which it is not asked, because too many rows failed it.
    idle: u32,
}

impl JointState {
    /// Batches that go by before what was no use is asked again.
    const IDLE: u32 = 15;

    fn suspects(&mut self, joint: &Joint, batch: &Batch<'_>) -> Option<Bits> {
        if self.idle > 0 {
            self.idle -= 1;
            return None;
        }
        let failed = joint.failed(batch, &mut self.memory);
        if are_few(&failed) {
            return Some(failed);
        }
        self.idle = Self::IDLE;
        None
    }
}

/// Faults of one batch, one bit per rule and row. Faults of uniqueness are known only at the end of the scan.
#[derive(Debug, Clone)]
pub struct FaultBatch {
    rows: usize,
    first_row: u64,
    failed: Vec<Option<Bits>>,
}

impl FaultBatch {
    /// Rows of the batch.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of its first row in the scan.
    #[must_use]
    pub const fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Rows of the batch that fail a rule; `None`: none does.
    #[must_use]
    pub fn failed(&self, rule: usize) -> Option<&Bits> {
        self.failed.get(rule).and_then(Option::as_ref)
    }

    /// The fault bitmap of a row: bit *r* of the words tells of rule *r*.
    #[must_use]
    pub fn row_words(&self, row: usize) -> Vec<u64> {
        let mut words = vec![0; self.failed.len().div_ceil(64)];
        for (rule, failed) in self.failed.iter().enumerate() {
            if failed.as_ref().is_some_and(|failed| failed.contains(row)) {
                words[rule / 64] |= 1 << (rule % 64);
            }
        }
        words
    }

    /// True for every row that fails none of `rules`: the filter of a gate.
    #[must_use]
    pub fn passes(&self, rules: &[usize]) -> BooleanArray {
        let mut failed = Bits::none(self.rows);
        for rule in rules {
            if let Some(bits) = self.failed(*rule) {
                failed.unite(bits);
            }
        }
        BooleanArray::new(failed.complement().to_buffer(), None)
    }
}

/// Receives the faults of uniqueness rules, which are known at the end of a scan, in no order.
pub trait LateFaults: Send {
    /// `row` fails `rule` with the key `found`.
    ///
    /// # Errors
    /// What stops the scan.
    fn fault(&mut self, rule: usize, row: u64, found: String) -> Result<(), QualityError>;
}

impl Checker {
    /// Begins a share of a scan.
    #[must_use]
    pub fn session(&self, options: SessionOptions) -> Session<'_> {
        let rules = self.compiled().iter().zip(self.rules()).map(|(compiled, rule)| RuleState {
            counts: Counts::default(),
            failed: RoaringBitmap::new(),
            skipped: RoaringBitmap::new(),
            gathered: Gathered::default(),
            keys: matches!(compiled.demand, Demand::Unique(_)).then(|| KeyStore::new(&rule.id)),
            memory: Memory::default(),
        });
        let mut conditions = Vec::new();
        conditions.resize_with(self.conditions().len(), Memory::default);
        let mut joint = Vec::new();
        joint.resize_with(self.shortcuts().joint().len(), JointState::default);
        Session {
            checker: self,
            options,
            rules: rules.collect(),
            identity: self.identity().map(|_| KeyStore::new("_key")),
            conditions,
            joint,
            rows: 0,
            schema: None,
            positions: Vec::new(),
        }
    }

    /// The values that explain a fault of `rule` in a row of a batch; `None` where all of them are NULL.
    #[must_use]
    pub fn found(&self, batch: &RecordBatch, rule: usize, row: usize) -> Option<String> {
        let columns = self.shown_columns(rule);
        let values: Vec<Option<String>> = columns
            .iter()
            .map(|column| batch.column_by_name(column).and_then(|array| value::shown(array.as_ref(), row)))
            .collect();
        match values.as_slice() {
            [one] => one.clone(),
            several if several.iter().all(Option::is_none) => None,
            several => {
                let written: Vec<&str> = several.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
                Some(written.join(", "))
            }
        }
    }
}

impl Session<'_> {
    /// Judges a batch whose first row is number `first_row` (0-based) of the scan. Batches may come in any order;
    /// no two of a scan may overlap.
    ///
    /// # Errors
    /// A column is missing, a predicate stopped, a key or the number of rows is beyond its bound, spilling failed.
    pub fn check(&mut self, record_batch: &RecordBatch, first_row: u64) -> Result<FaultBatch, QualityError> {
        let rows = record_batch.num_rows();
        let end = first_row.saturating_add(rows as u64);
        let Some(first) = u32::try_from(first_row).ok().filter(|_| end <= ROWS_MAX) else {
            return Err(QualityError::RowBound { row: end, bound: ROWS_MAX });
        };
        let batch = self.prepare(record_batch)?;
        let mut faults = FaultBatch { rows, first_row, failed: vec![None; self.rules.len()] };
        let mut key_bytes = 0;
        let conditions = self.checker.conditions().iter().zip(&mut self.conditions);
        let conditions: Vec<Rows> = conditions.map(|(when, memory)| when.rows(&batch, memory)).collect();
        let shortcuts = self.checker.shortcuts();
        let joint = shortcuts.joint().iter().zip(&mut self.joint);
        let joint: Vec<Option<Bits>> = joint.map(|(joint, state)| state.suspects(joint, &batch)).collect();
        let nobody = Bits::none(rows);
        for index in shortcuts.order() {
            let (state, compiled) = (&mut self.rules[*index], &self.checker.compiled()[*index]);
            let among = match compiled.when {
                None => Rows::All,
                Some(condition) => conditions[condition].clone(),
            };
            let failed = match &compiled.demand {
                Demand::Row(rule) => {
                    let suspects = shortcuts.by(*index).and_then(|by| match by {
                        By::Rule(strict) => Some(faults.failed[strict].as_ref().unwrap_or(&nobody)),
                        By::Joint(together) => joint[together].as_ref(),
                    });
                    let Verdict { evaluated, mut failed } = match suspects.filter(|suspects| are_few(suspects)) {
                        None => rule.judge(&batch, &mut state.memory)?,
                        Some(suspects) => rule.judge_suspects(&batch, suspects, &mut state.memory)?,
                    };
                    among.confine(&mut failed);
                    let evaluated = evaluated.and(&among);
                    state.counts.evaluated += evaluated.count(rows);
                    if self.options.keep_skipped {
                        skip(&mut state.skipped, &evaluated, first);
                    }
                    let count = failed.count();
                    state.counts.failed += count;
                    (count > 0).then_some(failed)
                }
                Demand::Unique(rule) => {
                    if let Some(store) = &mut state.keys {
                        let evaluated = rule.keep(&batch, &among, first, store)?;
                        state.counts.evaluated += evaluated.count(rows);
                        if self.options.keep_skipped {
                            skip(&mut state.skipped, &evaluated, first);
                        }
                        key_bytes += store.bytes();
                    }
                    None
                }
                Demand::Table(rule) => {
                    rule.gather(&batch, &among, &mut state.gathered);
                    None
                }
            };
            if let Some(failed) = &failed {
                remember(&mut state.failed, failed, first);
            }
            faults.failed[*index] = failed;
        }
        if let (Some(unique), Some(store)) = (self.checker.identity(), &mut self.identity) {
            unique.keep(&batch, &Rows::All, first, store)?;
            key_bytes += store.bytes();
        }
        self.rows += rows as u64;
        if key_bytes > self.options.memory_bytes {
            let stores = self.rules.iter_mut().filter_map(|state| state.keys.as_mut());
            for store in stores.chain(&mut self.identity) {
                store.spill(&self.options.spill_dir)?;
            }
        }
        Ok(faults)
    }

    /// Rows seen so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn prepare<'b>(&mut self, record_batch: &'b RecordBatch) -> Result<Batch<'b>, QualityError> {
        let schema = record_batch.schema();
        if !self.schema.as_ref().is_some_and(|known| std::sync::Arc::ptr_eq(known, &schema)) {
            self.positions = self
                .checker
                .slots()
                .iter()
                .map(|(name, _)| schema.index_of(name).map_err(|_| QualityError::BatchColumn { column: name.clone() }))
                .collect::<Result<_, _>>()?;
            self.schema = Some(schema);
        }
        let columns = self.checker.slots().iter().zip(&self.positions);
        let columns = columns.map(|((_, reading), at)| Column::prepare(record_batch.column(*at), *reading));
        Ok(Batch::new(record_batch, columns.collect::<Result<_, _>>()?))
    }
}

/// Adds the rows of a batch to those of the scan.
fn remember(failed: &mut RoaringBitmap, batch: &Bits, first: u32) {
    let rows = batch.iter().map(|row| first + row as u32);
    if failed.max().is_none_or(|last| last < first) {
        // The rows ascend and are above all known ones, which is all that `append` asks for.
        let _ = failed.append(rows);
    } else {
        failed.extend(rows);
    }
}

/// Adds the rows of a batch to which a rule does not apply.
fn skip(skipped: &mut RoaringBitmap, evaluated: &Rows, first: u32) {
    let Rows::Some(evaluated) = evaluated else { return };
    let words = evaluated.complement();
    if words.words().iter().any(|word| *word != 0) {
        let bytes: Vec<u8> = words.words().iter().flat_map(|word| word.to_le_bytes()).collect();
        *skipped |= RoaringBitmap::from_lsb0_bytes(first, &bytes);
    }
}

/// The shares of a scan, together.
pub(crate) struct Share {
    pub rows: u64,
    pub counts: Vec<Counts>,
    pub failed: Vec<RoaringBitmap>,
    pub skipped: Vec<RoaringBitmap>,
    pub gathered: Vec<Gathered>,
    /// By rule, of every session.
    pub stores: Vec<Vec<KeyStore>>,
    /// Business keys of every session, where no rule keeps them.
    pub identity: Vec<KeyStore>,
}

impl Share {
    pub fn together(checker: &Checker, sessions: Vec<Session<'_>>) -> Self {
        let rules = checker.rules().len();
        let mut all = Self {
            rows: 0,
            counts: vec![Counts::default(); rules],
            failed: vec![RoaringBitmap::new(); rules],
            skipped: vec![RoaringBitmap::new(); rules],
            gathered: vec![Gathered::default(); rules],
            stores: Vec::new(),
            identity: Vec::new(),
        };
        all.stores.resize_with(rules, Vec::new);
        for session in sessions {
            all.rows += session.rows;
            all.identity.extend(session.identity);
            for (rule, mut share) in session.rules.into_iter().enumerate() {
                share.gathered.settle();
                all.counts[rule].add(&share.counts);
                all.failed[rule] |= share.failed;
                all.skipped[rule] |= share.skipped;
                all.gathered[rule].merge(&share.gathered);
                all.stores[rule].extend(share.keys);
            }
        }
        all
    }
}

/// Brings the shares of a scan to its outcome, with as many threads as are allowed.
///
/// # Errors
/// Spilled keys cannot be read, or `late` refused a fault.
pub fn finish<'a>(
    checker: &Checker,
    sessions: Vec<Session<'_>>,
    threads: usize,
    mut late: Option<&'a mut (dyn LateFaults + 'a)>,
) -> Result<Outcome, QualityError> {
    let Share { rows, mut counts, mut failed, gathered, stores, .. } = Share::together(checker, sessions);
    for (rule, stores) in stores.into_iter().enumerate() {
        let Demand::Unique(unique) = &checker.compiled()[rule].demand else { continue };
        let search = Search { rule, form: unique.form() };
        let duplicates = search.run(stores, threads, late.as_deref_mut())?;
        failed[rule] |= duplicates.rows;
        counts[rule].failed = failed[rule].len();
        counts[rule].surplus = Some(counts[rule].surplus.unwrap_or(0) + duplicates.surplus);
    }
    Ok(Outcome { rows, counts, failed, gathered })
}

/// Rows that are gathered before they go into the bitmap, which likes them sorted.
const PENDING_MAX: usize = 1 << 20;

/// The search for duplicates of one rule.
struct Search {
    rule: usize,
    form: Form,
}

impl Search {
    fn run(
        &self,
        stores: Vec<KeyStore>,
        threads: usize,
        late: Option<&mut (dyn LateFaults + '_)>,
    ) -> Result<Duplicates, QualityError> {
        let next = AtomicUsize::new(0);
        let stores = Mutex::new(stores);
        let late = late.map(Mutex::new);
        let total = Mutex::new(Duplicates::default());
        let work = || -> Result<(), QualityError> {
            let (mut keys, mut scratch) = (Keys::default(), Scratch::default());
            let mut pending = Vec::new();
            let mut surplus = 0;
            let settle = |pending: &mut Vec<u32>, surplus: &mut u64| {
                pending.sort_unstable();
                let part: RoaringBitmap = pending.drain(..).collect();
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.rows |= part;
                total.surplus += std::mem::take(surplus);
            };
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= PARTITIONS {
                    break;
                }
                keys.clear();
                // Only the handing over is one thread's at a time; copying is each thread's own.
                let parts: Vec<_> = {
                    let mut stores = stores.lock().unwrap_or_else(PoisonError::into_inner);
                    stores.iter_mut().map(|store| store.detach(partition, &mut keys)).collect::<Result<_, _>>()?
                };
                for part in parts {
                    part.move_to(&mut keys);
                }
                scratch.index(&keys);
                let found = |row: u32, number: Option<u64>, bytes: &[u8]| {
                    pending.push(row);
                    if let Some(late) = &late {
                        let mut late = late.lock().unwrap_or_else(PoisonError::into_inner);
                        late.fault(self.rule, u64::from(row), written(self.form, number, bytes))?;
                    }
                    Ok(())
                };
                surplus += scratch.report(&keys, found)?;
                if pending.len() >= PENDING_MAX {
                    settle(&mut pending, &mut surplus);
                }
            }
            settle(&mut pending, &mut surplus);
            Ok(())
        };
        if threads <= 1 {
            work()?;
        } else {
            std::thread::scope(|scope| {
                let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                handles.into_iter().try_for_each(|handle| handle.join().map_err(|_| QualityError::Thread)?)
            })?;
        }
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
