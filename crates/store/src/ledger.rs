//! The store's side of the ledger: the outbox that is drained, and the database that is held against it.
//!
//! The ledger is synchronous and the store is not: [`LedgerOutbox`] and [`LedgerDatabase`] wait for the
//! runtime they were given, so they belong on a thread of `spawn_blocking`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::runtime::Handle;
use yihe_ledger::{
    canonical::canonical as ledger_canonical,
    entry::{EntryDefect, PendingEntry},
    monitor::{DatabaseRow, DatabaseView, ObjectNow},
    seal::{Event, Salt, seal},
    sequencer::Outbox,
};

use crate::{
    error::{StoreError, failed},
    object::{ObjectKind, URN, canonical},
    outbox::{self, OutboxRow},
    row::{Cells as _, micros},
    store::{PAGE_ROWS_MAX, Store, page},
};

/// A row of the outbox, and its object as the database holds it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPayload {
    /// The row.
    pub row: OutboxRow,
    /// The object.
    pub now: ObjectState,
}

/// An object as the database holds it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectState {
    /// A later row tells of the object.
    Superseded,
    /// Its row is gone.
    Gone,
    /// In the same canonical form as the outbox row's payload.
    Is(String),
}

impl Store {
    /// Rows of the outbox after position `after`, in order, each with its object; at most `limit`.
    /// An empty answer ends the walk.
    ///
    /// # Errors
    /// A row that cannot be read; the database failed.
    pub async fn ledger_payloads(&self, after: i64, limit: i64) -> Result<Vec<LedgerPayload>, StoreError> {
        let rows = sqlx::query(
            "SELECT o.*, (SELECT MAX(later.seq) FROM outbox later WHERE later.object = o.object) AS last_seq \
             FROM outbox o WHERE o.seq > $1 ORDER BY o.seq LIMIT $2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list the entries of the ledger"))?;
        let mut listed = Vec::with_capacity(rows.len());
        let mut wanted: BTreeMap<ObjectKind, Vec<String>> = BTreeMap::new();
        for row in &rows {
            let last = row.whole("last_seq")? == row.whole("seq")?;
            let row = outbox::read(row)?;
            // A name of no kind has no row; it is reported as gone.
            if let (true, Some((kind, id))) = (last, ObjectKind::parse(&row.object)) {
                wanted.entry(kind).or_default().push(id.to_owned());
            }
            listed.push((row, last));
        }
        let mut current = BTreeMap::new();
        for (kind, ids) in wanted {
            self.current_payloads(kind, &ids, &mut current).await?;
        }
        Ok(listed
            .into_iter()
            .map(|(row, last)| {
                let now = if last {
                    current.remove(&row.object).map_or(ObjectState::Gone, ObjectState::Is)
                } else {
                    ObjectState::Superseded
                };
                LedgerPayload { row, now }
            })
            .collect())
    }

    /// Objects of which no entry tells: rows that were put in behind the application's back.
    /// At most [`PAGE_ROWS_MAX`] of each kind.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ledger_unrecorded(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for kind in ObjectKind::ALL {
            let (table, key) = (kind.table(), kind.key());
            // A call's leaf is its batch's; one that waits for its batch has none yet.
            let other_leaf = if kind == ObjectKind::Usage {
                "t.batch <> '' AND NOT EXISTS (SELECT 1 FROM call_batch c WHERE c.id = t.batch) AND "
            } else {
                ""
            };
            let sql = format!(
                "SELECT t.{key} AS id FROM {table} t WHERE {other_leaf}NOT EXISTS \
                 (SELECT 1 FROM outbox o WHERE o.object = '{URN}{kind}:' || t.{key}) ORDER BY t.{key} LIMIT $1"
            );
            let rows = sqlx::query(AssertSqlSafe(sql))
                .bind(PAGE_ROWS_MAX)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("list objects without a ledger entry"))?;
            for row in rows {
                names.push(kind.name(&row.text("id")?));
            }
        }
        Ok(names)
    }

    async fn current_payloads(
        &self,
        kind: ObjectKind,
        ids: &[String],
        into: &mut BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let (columns, table, key) = (kind.columns(), kind.table(), kind.key());
        let sql = format!("SELECT {columns} FROM {table} WHERE {key} IN ({})", places.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&self.readers).await.map_err(failed("read the objects of the ledger"))?;
        for row in rows {
            let id = row.text(key)?;
            let mut now = canonical(&row);
            if kind == ObjectKind::Calls {
                now = self.calls_now(&now, &id).await?;
            }
            into.insert(kind.name(&id), now);
        }
        Ok(())
    }
}

/// The outbox, as the sequencer drains it.
#[derive(Debug, Clone)]
pub struct LedgerOutbox {
    store: Store,
    runtime: Handle,
}

impl LedgerOutbox {
    /// Drains `store`, waiting for `runtime`. Use it on a thread that may block.
    #[must_use]
    pub fn new(store: Store, runtime: Handle) -> Self {
        Self { store, runtime }
    }
}

impl Outbox for LedgerOutbox {
    type Error = StoreError;

    fn fetch(&mut self, limit: usize) -> Result<Vec<PendingEntry>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(PAGE_ROWS_MAX);
        let rows = self.runtime.block_on(self.store.outbox_list_pending(limit))?;
        rows.iter().map(sealed).collect()
    }

    fn acknowledge(&mut self, placed: &[(String, u64)]) -> Result<(), StoreError> {
        self.runtime.block_on(async {
            let mut tx = self.store.begin().await?;
            tx.outbox_acknowledge(placed).await?;
            tx.commit().await
        })
    }

    fn refuse(&mut self, entry_id: &str, defect: &EntryDefect) -> Result<(), StoreError> {
        self.runtime.block_on(async {
            let mut tx = self.store.begin().await?;
            tx.outbox_refuse(entry_id, &defect.to_string()).await?;
            tx.commit().await
        })
    }
}

/// The database, as the monitor holds it against the log.
#[derive(Debug, Clone)]
pub struct LedgerDatabase {
    store: Store,
    runtime: Handle,
}

impl LedgerDatabase {
    /// Compares `store`, waiting for `runtime`. Use it on a thread that may block.
    #[must_use]
    pub fn new(store: Store, runtime: Handle) -> Self {
        Self { store, runtime }
    }
}

impl DatabaseView for LedgerDatabase {
    type Error = StoreError;

    fn rows(&mut self) -> Box<dyn Iterator<Item = Result<DatabaseRow, StoreError>> + '_> {
        Box::new(Pages { database: self, after: 0, page: VecDeque::new(), failed: false })
    }

    fn unrecorded(&mut self) -> Result<Vec<String>, StoreError> {
        self.runtime.block_on(self.store.ledger_unrecorded())
    }
}

/// The rows, a page at a time.
struct Pages<'a> {
    database: &'a LedgerDatabase,
    after: i64,
    page: VecDeque<LedgerPayload>,
    failed: bool,
}

impl Iterator for Pages<'_> {
    type Item = Result<DatabaseRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.failed {
            let LedgerDatabase { store, runtime } = self.database;
            match runtime.block_on(store.ledger_payloads(self.after, PAGE_ROWS_MAX)) {
                Ok(page) => self.page = page.into(),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let LedgerPayload { row, now } = self.page.pop_front()?;
        self.after = row.seq;
        Some(Ok(DatabaseRow {
            name: format!("outbox {}", row.entry_id),
            entry_id: row.entry_id.clone(),
            object: row.object.clone(),
            kind: row.kind.clone(),
            index: row.leaf.and_then(|leaf| u64::try_from(leaf).ok()),
            payload: payload(&row, &row.payload),
            salt: row.salt.map(Salt),
            now: match now {
                ObjectState::Superseded => ObjectNow::Superseded,
                ObjectState::Gone => ObjectNow::Gone,
                ObjectState::Is(current) => ObjectNow::Is(payload(&row, &current)),
            },
        }))
    }
}

/// The row as the ledger takes it.
///
/// # Errors
/// The ledger could never take it: a field outside its alphabet, a payload beyond its bounds.
pub(crate) fn sealed(row: &OutboxRow) -> Result<PendingEntry, StoreError> {
    let unsealable = |why: String| StoreError::Unsealable { object: row.object.clone(), why };
    let Some(salt) = row.salt else { return Err(unsealable("its salt was destroyed".to_owned())) };
    let event = Event {
        id: &row.entry_id,
        kind: &row.kind,
        at: row.at,
        actor: &row.actor,
        org: &row.org,
        object: &row.object,
        salt_id: &row.entry_id,
    };
    let entry =
        seal(&event, &payload(row, &row.payload), &Salt(salt)).map_err(|error| unsealable(error.to_string()))?;
    entry.check().map_err(|defect| unsealable(defect.to_string()))?;
    Ok(entry)
}

/// The payload of a row as it is digested: what an item file holds.
#[must_use]
pub fn sealed_payload(row: &OutboxRow) -> Value {
    payload(row, &row.payload)
}

/// What is digested: the object's cells, and the outbox row's own under names with an underscore, so
/// that a changed cell of either is found.
fn payload(row: &OutboxRow, cells: &str) -> Value {
    // A text that is not canonical was not written here; as a text it cannot agree with any digest.
    let Some(Value::Object(mut members)) = serde_json::from_str::<Value>(cells)
        .ok()
        .filter(|value| ledger_canonical(value).is_ok_and(|bytes| bytes == cells.as_bytes()))
    else {
        return Value::from(cells);
    };
    members.insert("_actor".to_owned(), row.actor.clone().into());
    members.insert("_at".to_owned(), micros(row.at).into());
    members.insert("_entry".to_owned(), row.entry_id.clone().into());
    members.insert("_org".to_owned(), row.org.clone().into());
    Value::Object(members)
}
