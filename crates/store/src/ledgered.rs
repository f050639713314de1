//! The database's side of the comparison with the ledger: what each object is now, beside the last
//! entry that tells of it.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use crate::{
    error::{StoreError, failed},
    object::{ObjectKind, URN, canonical},
    outbox::{self, OutboxRow},
    row::Cells as _,
    store::{PAGE_ROWS_MAX, Store, page},
};

/// An object and the last ledger entry that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPayload {
    /// The entry: object, salt, leaf and the payload as it was written then.
    pub last: OutboxRow,
    /// The object as the database holds it now, in the same canonical form; `None` when its row is gone.
    pub current: Option<String>,
}

impl LedgerPayload {
    /// Whether the row is what the entry's payload says. The payload itself is proven by the ledger.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.current.as_deref() == Some(self.last.payload.as_str())
    }
}

impl Store {
    /// Objects in the order of their last entries, after outbox position `after`; at most `limit`.
    /// An empty answer ends the walk.
    ///
    /// # Errors
    /// The outbox names a kind of object that this release does not know; the database failed.
    pub async fn ledger_payloads(&self, after: i64, limit: i64) -> Result<Vec<LedgerPayload>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM outbox o WHERE o.seq > $1 AND NOT EXISTS \
             (SELECT 1 FROM outbox later WHERE later.object = o.object AND later.seq > o.seq) \
             ORDER BY o.seq LIMIT $2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list the objects of the ledger"))?;
        let last = rows.iter().map(outbox::read).collect::<Result<Vec<_>, _>>()?;
        let mut wanted: BTreeMap<ObjectKind, Vec<String>> = BTreeMap::new();
        for row in &last {
            // A name of no kind has no row; it is reported as gone.
            if let Some((kind, id)) = ObjectKind::parse(&row.object) {
                wanted.entry(kind).or_default().push(id.to_owned());
            }
        }
        let mut current = BTreeMap::new();
        for (kind, ids) in wanted {
            self.current_payloads(kind, &ids, &mut current).await?;
        }
        Ok(last
            .into_iter()
            .map(|last| {
                let current = current.remove(&last.object);
                LedgerPayload { last, current }
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
            let sql = format!(
                "SELECT t.{key} AS id FROM {table} t WHERE NOT EXISTS \
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
        let sql =
            format!("SELECT {} FROM {} WHERE {} IN ({})", kind.columns(), kind.table(), kind.key(), places.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&self.readers).await.map_err(failed("read the objects of the ledger"))?;
        for row in rows {
            into.insert(kind.name(&row.text(kind.key())?), canonical(&row));
        }
        Ok(())
    }
}
