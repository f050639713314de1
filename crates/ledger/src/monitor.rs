//! The monitor: the whole log audited, the database held against it, silence noticed.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    audit::{AuditOptions, FAULTS_TOLD_MAX, Progress, Report, audit},
    entry::Entry,
    error::LedgerError,
    hashes::TreeHash,
    seal::{PayloadVerdict, Salt},
    tiles::{TILE_WIDTH, TileKind, bundle_entries},
    view::LogView,
};

/// Rows a database may hand over; more is an error naming the bound.
pub const ROWS_MAX: u64 = 1_000_000_000;
/// Waiting rows whose ids are remembered, so that one that is just being entered is no fault.
const PENDING_MAX: usize = 1_000_000;

/// What the database says of one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseRow {
    /// How an operator finds the row: `outbox 0197…`.
    pub name: String,
    pub entry_id: String,
    pub object: String,
    pub kind: String,
    /// The entry's index; `None` while the row waits for its place.
    pub index: Option<u64>,
    /// The payload kept with the entry.
    pub payload: Value,
    /// `None` once it was destroyed.
    pub salt: Option<Salt>,
    pub now: ObjectNow,
}

/// The object itself as the database holds it at this moment.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectNow {
    /// Not to be compared: a later entry tells of the object.
    Superseded,
    /// Its row is gone.
    Gone,
    /// In the same form as the payload.
    Is(Value),
}

/// The database's side of the comparison. Implemented by whoever owns the database.
pub trait DatabaseView {
    type Error: std::error::Error + Send + Sync + 'static;

    /// One row per entry, in any order. The last row about an object carries the object as it is
    /// now.
    fn rows(&mut self) -> Box<dyn Iterator<Item = Result<DatabaseRow, Self::Error>> + '_>;

    /// Objects in the database of which no entry tells.
    ///
    /// # Errors
    /// The database's own.
    fn unrecorded(&mut self) -> Result<Vec<String>, Self::Error>;

    /// Whether the database must have a row for this entry. The log's own kinds have none.
    fn covers(&self, entry: &Entry) -> bool {
        !entry.kind.starts_with("ledger.")
    }
}

/// A row that is not what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFault {
    /// The payload kept in the row is not the one that was entered.
    Payload { row: String, index: u64 },
    /// The object was changed behind the application's back since its last entry.
    Object { row: String, object: String, index: u64, fields: Vec<String> },
    /// The object's row was removed behind the application's back.
    Gone { row: String, object: String, index: u64 },
    /// The row claims an entry that is about something else.
    Elsewhere { row: String, index: u64, found: String },
    /// The row claims an entry that the log does not have.
    NoEntry { row: String, index: u64, size: u64 },
    /// Two rows claim one entry.
    Twice { row: String, index: u64 },
    /// The log has an entry whose row is gone.
    NoRow { index: u64, kind: String, object: String },
    /// An object that no entry tells of.
    Unrecorded { object: String },
}

impl RowFault {
    /// For people, Chinese.
    #[must_use]
    pub fn sentence_zh(&self) -> String {
        match self {
            Self::Payload { row, index } => format!("数据库行 {row} 保存的内容与第 {index} 号登记不一致"),
            Self::Object { row, object, index, fields } => {
                format!("{object} 在第 {index} 号登记之后被绕过系统改动，字段：{}（行 {row}）", fields.join("、"))
            }
            Self::Gone { row, object, index } => format!("{object} 在第 {index} 号登记之后被绕过系统删除（行 {row}）"),
            Self::Elsewhere { row, index, found } => {
                format!("数据库行 {row} 指向第 {index} 号登记，而该登记属于 {found}")
            }
            Self::NoEntry { row, index, size } => format!("数据库行 {row} 指向第 {index} 号登记，账本只有 {size} 条"),
            Self::Twice { row, index } => format!("数据库行 {row} 与另一行同时指向第 {index} 号登记"),
            Self::NoRow { index, kind, object } => {
                format!("第 {index} 号登记（{kind}，{object}）在数据库中没有对应的行")
            }
            Self::Unrecorded { object } => format!("{object} 存在于数据库，但账本中从未登记"),
        }
    }

    /// For people, English.
    #[must_use]
    pub fn sentence_en(&self) -> String {
        match self {
            Self::Payload { row, index } => format!("the payload in row {row} is not the one of entry {index}"),
            Self::Object { row, object, index, fields } => {
                format!(
                    "{object} was changed behind the application's back after entry {index}: {} (row {row})",
                    fields.join(", ")
                )
            }
            Self::Gone { row, object, index } => {
                format!("{object} was removed behind the application's back after entry {index} (row {row})")
            }
            Self::Elsewhere { row, index, found } => format!("row {row} claims entry {index}, which is about {found}"),
            Self::NoEntry { row, index, size } => format!("row {row} claims entry {index}, the log has {size}"),
            Self::Twice { row, index } => format!("row {row} and another both claim entry {index}"),
            Self::NoRow { index, kind, object } => {
                format!("entry {index} ({kind}, {object}) has no row in the database")
            }
            Self::Unrecorded { object } => format!("{object} is in the database and no entry tells of it"),
        }
    }
}

/// A stretch of time in which nothing was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Index of the entry after the gap; the log's size when the gap lasts until now.
    pub before: u64,
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Silence {
    /// For people, Chinese.
    #[must_use]
    pub fn sentence_zh(&self) -> String {
        format!("第 {} 号登记之前账本沉默：{} 至 {}", self.before, self.from, self.until)
    }

    /// For people, English.
    #[must_use]
    pub fn sentence_en(&self) -> String {
        format!("the log was silent before entry {}: from {} to {}", self.before, self.from, self.until)
    }
}

/// What a monitor's round found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MonitorReport {
    pub audit: Report,
    /// Rows compared.
    pub rows: u64,
    /// Rows whose salt was destroyed: the entry stands, the payload cannot be compared.
    pub erased: u64,
    /// Rows that wait for their place in the log.
    pub pending: u64,
    /// At most [`FAULTS_TOLD_MAX`].
    pub row_faults: Vec<RowFault>,
    pub row_faults_more: u64,
    pub silences: Vec<Silence>,
}

impl MonitorReport {
    /// Whether files and rows are what was entered. Silence is an alarm, not a fault.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.audit.is_sound() && self.row_faults.is_empty()
    }

    fn add(&mut self, fault: RowFault) {
        if self.row_faults.len() < FAULTS_TOLD_MAX {
            self.row_faults.push(fault);
        } else {
            self.row_faults_more += 1;
        }
    }
}

/// How to watch.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    pub audit: AuditOptions,
    /// Longest time without an entry that is not an alarm.
    pub silence_after: SignedDuration,
    pub now: Timestamp,
}

/// A round that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError<E: std::error::Error + 'static> {
    #[error("the database could not be read")]
    Database { source: E },
    #[error("the database has more than {ROWS_MAX} rows to compare")]
    Rows,
}

/// Audits the files, then compares every row and looks for silence.
///
/// # Errors
/// A database that cannot be read; what is wrong in it or in the log is in the report.
pub fn monitor<D: DatabaseView>(
    view: &LogView,
    database: &mut D,
    options: &MonitorOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<MonitorReport, MonitorError<D::Error>> {
    let mut report = MonitorReport { audit: audit(view, &options.audit, progress), ..MonitorReport::default() };
    let size = report.audit.entries;
    let rows = compare_rows(view, database, size, &mut report)?;
    walk_entries(view, database, size, &rows, options, &mut report);
    for object in database.unrecorded().map_err(|source| MonitorError::Database { source })? {
        report.add(RowFault::Unrecorded { object });
    }
    Ok(report)
}

/// What the rows were found to tell of.
struct RowsSeen {
    /// One bit per entry that some row claims.
    claimed: Vec<u64>,
    /// Ids of rows that wait for their place; one may just have got it.
    pending: HashSet<String>,
}

/// Compares rows with entries.
fn compare_rows<D: DatabaseView>(
    view: &LogView,
    database: &mut D,
    size: u64,
    report: &mut MonitorReport,
) -> Result<RowsSeen, MonitorError<D::Error>> {
    let mut seen = RowsSeen {
        claimed: vec![0; usize::try_from(size.div_ceil(64)).expect("fits memory")],
        pending: HashSet::new(),
    };
    let mut reader = EntryReader::new(view, size);
    for row in database.rows() {
        let row = row.map_err(|source| MonitorError::Database { source })?;
        report.rows += 1;
        if report.rows > ROWS_MAX {
            return Err(MonitorError::Rows);
        }
        let Some(index) = row.index else {
            report.pending += 1;
            if seen.pending.len() < PENDING_MAX {
                seen.pending.insert(row.entry_id);
            }
            continue;
        };
        if index >= size {
            // Entered since the head was read: only a row beyond the present head is wrong.
            let now = view.head(TreeHash::Sha256).map_or(size, |head| head.size);
            if index >= now {
                report.add(RowFault::NoEntry { row: row.name, index, size: now });
            }
            continue;
        }
        let word = &mut seen.claimed[usize::try_from(index / 64).expect("fits memory")];
        let bit = 1_u64 << (index % 64);
        if *word & bit != 0 {
            report.add(RowFault::Twice { row: row.name.clone(), index });
        }
        *word |= bit;
        // An unreadable entry has been named by the audit.
        if let Ok(entry) = reader.get(index) {
            compare_row(row, index, &entry, report);
        }
    }
    Ok(seen)
}

fn compare_row(row: DatabaseRow, index: u64, entry: &Entry, report: &mut MonitorReport) {
    if entry.id != row.entry_id || entry.object != row.object || entry.kind != row.kind {
        report.add(RowFault::Elsewhere { row: row.name, index, found: format!("{} ({})", entry.object, entry.kind) });
        return;
    }
    match PayloadVerdict::of(Some(&row.payload), row.salt.as_ref(), &entry.digest_sha256, &entry.digest_sm3) {
        PayloadVerdict::Matches => {}
        PayloadVerdict::SaltDestroyed => report.erased += 1,
        PayloadVerdict::Differs | PayloadVerdict::NotGiven => {
            report.add(RowFault::Payload { row: row.name, index });
            return;
        }
    }
    match row.now {
        ObjectNow::Superseded => {}
        ObjectNow::Gone => report.add(RowFault::Gone { row: row.name, object: row.object, index }),
        ObjectNow::Is(now) => {
            let fields = differing_fields(&row.payload, &now);
            if !fields.is_empty() {
                report.add(RowFault::Object { row: row.name, object: row.object, index, fields });
            }
        }
    }
}

/// Names of the top-level members in which two objects differ.
fn differing_fields(entered: &Value, now: &Value) -> Vec<String> {
    let (Some(entered), Some(now)) = (entered.as_object(), now.as_object()) else {
        return if entered == now { Vec::new() } else { vec!["*".to_owned()] };
    };
    let names: std::collections::BTreeSet<&String> = entered.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| entered.get(*name) != now.get(*name)).cloned().collect()
}

/// Every entry once, in order: rows that are missing, and silence.
fn walk_entries<D: DatabaseView>(
    view: &LogView,
    database: &D,
    size: u64,
    rows: &RowsSeen,
    options: &MonitorOptions,
    report: &mut MonitorReport,
) {
    let mut latest: Option<Timestamp> = None;
    let mut reader = EntryReader::new(view, size);
    for index in 0..size {
        let Ok(entry) = reader.get(index) else { continue };
        let has_row = rows.claimed[usize::try_from(index / 64).expect("fits memory")] & (1 << (index % 64)) != 0;
        if !has_row && !rows.pending.contains(&entry.id) && database.covers(&entry) {
            report.add(RowFault::NoRow { index, kind: entry.kind.clone(), object: entry.object.clone() });
        }
        if let Some(from) = latest {
            note_silence(index, from, entry.at, options, report);
        }
        latest = latest.max(Some(entry.at));
    }
    if let Some(from) = latest {
        note_silence(size, from, options.now, options, report);
    }
}

fn note_silence(before: u64, from: Timestamp, until: Timestamp, options: &MonitorOptions, report: &mut MonitorReport) {
    if until.duration_since(from) > options.silence_after && report.silences.len() < FAULTS_TOLD_MAX {
        report.silences.push(Silence { before, from, until });
    }
}

/// Reads entries, keeping the bundle of the last one.
struct EntryReader<'a> {
    view: &'a LogView,
    size: u64,
    bundle: Option<(u64, Vec<u8>)>,
}

impl<'a> EntryReader<'a> {
    fn new(view: &'a LogView, size: u64) -> Self {
        Self { view, size, bundle: None }
    }

    fn get(&mut self, index: u64) -> Result<Entry, LedgerError> {
        let number = index / TILE_WIDTH;
        if self.bundle.as_ref().is_none_or(|(held, _)| *held != number) {
            self.bundle = Some((number, self.view.tile(TreeHash::Sha256, TileKind::Entries, number, self.size)?));
        }
        let bundle = self.bundle.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        let (entries, _) = bundle_entries(bundle);
        let (_, bytes) = entries
            .get(usize::try_from(index % TILE_WIDTH).expect("below 256"))
            .ok_or(LedgerError::NoSuchEntry { index, size: self.size })?;
        Entry::from_canonical(bytes).map_err(|source| LedgerError::Foreign { index, source })
    }
}
