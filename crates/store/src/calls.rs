//! Calls in bulk: the use records of one interface and interval become one object and one leaf of the
//! ledger, which holds the Merkle roots over them. Each call is still proven by itself, under a salt
//! of its own, so that showing one says nothing about its neighbours.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use yihe_ledger::{
    calls::{CallBatch, CallProof},
    entry::Entry,
    hashes::TreeHash,
    seal::Salt,
    verify::Item,
};

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    ledger::sealed_payload,
    object::{ObjectKind, canonical},
    outbox::{self, OutboxRow},
    row::{Cells as _, corrupt, micros},
    store::Store,
    tx::Tx,
};

/// Most calls in one batch; a busier interface gets several in one interval.
pub const CALLS_PER_BATCH_MAX: i64 = 20_000;
/// Batches closed in one round; what is left comes with the next.
const BATCHES_PER_ROUND_MAX: usize = 1_000;
/// Changed calls that are named for one batch.
const CALLS_NAMED_MAX: usize = 20;

impl Store {
    /// Closes the interval: every use record that waits goes into a batch of its interface, with its
    /// ledger entry, all in one transaction per batch. Returns how many batches were made; a crash
    /// between two loses nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn calls_close(&self, act: &Act<'_>) -> Result<usize, StoreError> {
        for made in 0..BATCHES_PER_ROUND_MAX {
            let mut tx = self.begin().await?;
            if !tx.calls_close_one(act).await? {
                return Ok(made);
            }
            tx.commit().await?;
        }
        Ok(BATCHES_PER_ROUND_MAX)
    }

    /// The last outbox row about an object that stands in the ledger; of a supplied call, its batch's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ledger_last_row(&self, object: &str) -> Result<Option<OutboxRow>, StoreError> {
        let last = async |object: &str| {
            let row =
                sqlx::query("SELECT * FROM outbox WHERE object = $1 AND leaf IS NOT NULL ORDER BY seq DESC LIMIT 1")
                    .bind(object)
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(failed("find an object's last ledger entry"))?;
            row.as_ref().map(outbox::read).transpose()
        };
        match (last(object).await?, ObjectKind::parse(object)) {
            (None, Some((ObjectKind::Usage, id))) => match self.call_batch_of(id).await? {
                Some(batch) => last(&ObjectKind::Calls.name(&batch)).await,
                None => Ok(None),
            },
            (found, _) => Ok(found),
        }
    }

    /// What a person needs beside the proof of a row: its entry as it stands in the log, payload and
    /// salt. For a supplied call of a batch, `object` names the call, and the item proves it too.
    ///
    /// # Errors
    /// The database failed, or holds a batch that cannot be read.
    pub async fn ledger_item(&self, row: &OutboxRow, entry: Entry, object: &str) -> Result<Item, StoreError> {
        let call = match (ObjectKind::parse(object), ObjectKind::parse(&row.object)) {
            (Some((ObjectKind::Usage, call)), Some((ObjectKind::Calls, batch))) => self.call_proof(batch, call).await?,
            _ => None,
        };
        Ok(Item { entry, payload: Some(sealed_payload(row)), salt: row.salt.map(Salt), call })
    }

    async fn call_batch_of(&self, call: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT batch FROM usage_row WHERE id = $1 AND batch NOT IN ('', '-')")
            .bind(call)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a call's batch"))?;
        row.map(|row| row.text("batch")).transpose()
    }

    async fn call_proof(&self, batch: &str, call: &str) -> Result<Option<(Value, CallProof)>, StoreError> {
        let found = sqlx::query("SELECT * FROM call_batch WHERE id = $1")
            .bind(batch)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a batch of calls"))?;
        let Some(kept) = found.map(|row| Kept::read(&row)).transpose()? else { return Ok(None) };
        // Once the secret was destroyed, a call can no longer be shown to be the one.
        let Some(secret) = kept.secret.clone() else { return Ok(None) };
        let calls = self.calls_of(batch).await?;
        let Some(position) = calls.iter().position(|(id, _)| id == call) else { return Ok(None) };
        let values: Vec<Value> = calls.into_iter().map(|(_, value)| value).collect();
        let proof = kept
            .batch(&values, secret)
            .and_then(|sealed| sealed.prove(TreeHash::Sha256, position as u64))
            .map_err(|error| StoreError::Unsealable { object: kept.name(), why: error.to_string() })?;
        Ok(values.into_iter().nth(position).map(|value| (value, proof)))
    }

    /// The calls of a batch in their order, as they are digested.
    async fn calls_of(&self, batch: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(calls_sql()))
            .bind(batch)
            .bind(CALLS_PER_BATCH_MAX + 1)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list the calls of a batch"))?;
        rows.iter().map(|row| Ok((row.text("id")?, cells(row)?))).collect()
    }

    /// A batch as its calls are now: the roots computed anew, and every changed call by name.
    pub(crate) async fn calls_now(&self, row: &str, batch: &str) -> Result<String, StoreError> {
        let found = sqlx::query("SELECT * FROM call_batch WHERE id = $1")
            .bind(batch)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a batch of calls"))?;
        let Some(kept) = found.map(|row| Kept::read(&row)).transpose()? else { return Ok(row.to_owned()) };
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(row) else { return Ok(row.to_owned()) };
        let calls = self.calls_of(batch).await?;
        let values: Vec<Value> = calls.iter().map(|(_, value)| value.clone()).collect();
        // What is stored and what is computed must both be what was entered.
        let mut compare = |name: String, computed: Value| {
            if members.get(&name) != Some(&computed) {
                let stored = members.get(&name).map_or_else(String::new, Value::to_string);
                members.insert(name, format!("{stored}, computed {computed}").into());
            }
        };
        compare("calls".to_owned(), values.len().into());
        // Without the secret nothing more can be computed.
        if let Some(sealed) = kept.secret.clone().and_then(|secret| kept.batch(&values, secret).ok()) {
            for hash in TreeHash::BOTH {
                compare(format!("calls_root_{}", hash.name()), hex::encode(sealed.root(hash)).into());
            }
            name_changes(&kept, &calls, &sealed, &mut members);
        }
        let now = Value::Object(members);
        let bytes = yihe_ledger::canonical::canonical(&now);
        Ok(bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| now.to_string()))
    }
}

/// Adds a member for each call that is not the one that was entered, by its identifier, and for each
/// that is gone, by its place.
fn name_changes(kept: &Kept, calls: &[(String, Value)], sealed: &CallBatch, members: &mut Map<String, Value>) {
    let now: Vec<String> = sealed.leaves(TreeHash::Sha256).iter().map(hex::encode).collect();
    let then: Vec<&str> = kept.leaves.as_bytes().chunks(64).filter_map(|leaf| std::str::from_utf8(leaf).ok()).collect();
    if now.len() == then.len() {
        let changed = now.iter().zip(&then).zip(calls).filter(|((now, then), _)| now != *then);
        for (_, (id, _)) in changed.take(CALLS_NAMED_MAX) {
            members.insert(format!("call {id}"), "changed".into());
        }
        return;
    }
    // Every call's salt follows from its place, so after a missing one all others differ: the place says it.
    if let Some(place) = now.iter().zip(&then).position(|(now, then)| now != then).or(Some(now.len().min(then.len()))) {
        let what = if now.len() < then.len() { "removed" } else { "put in" };
        members.insert(format!("call at place {place} of {}", then.len()), what.into());
    }
}

impl Tx {
    /// Makes one batch of the interface whose call waits longest; `false` when none waits.
    async fn calls_close_one(&mut self, act: &Act<'_>) -> Result<bool, StoreError> {
        let waiting = sqlx::query("SELECT entry FROM usage_row WHERE batch = '' ORDER BY at, id LIMIT 1")
            .fetch_optional(self.connection())
            .await
            .map_err(failed("find calls without a batch"))?;
        let Some(waiting) = waiting else { return Ok(false) };
        let entry = waiting.text("entry")?;
        let id = self.new_id(act.at);
        // Taken first and read afterwards: whatever is read is in the batch, though others insert meanwhile.
        sqlx::query(
            "UPDATE usage_row SET batch = $1 WHERE batch = '' AND id IN \
             (SELECT id FROM usage_row WHERE batch = '' AND entry = $2 ORDER BY at, id LIMIT $3)",
        )
        .bind(&id)
        .bind(&entry)
        .bind(CALLS_PER_BATCH_MAX)
        .execute(self.connection())
        .await
        .map_err(failed("put calls into a batch"))?;
        let rows = sqlx::query(AssertSqlSafe(calls_sql()))
            .bind(&id)
            .bind(CALLS_PER_BATCH_MAX)
            .fetch_all(self.connection())
            .await
            .map_err(failed("list the calls of a batch"))?;
        let Some(first) = rows.first() else { return Ok(false) };
        let (from_at, secret) = (first.instant("at")?, self.identity.bytes());
        let calls = rows.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        let unsealable = |why: String| StoreError::Unsealable { object: ObjectKind::Calls.name(&id), why };
        let sealed = CallBatch::new(&entry, from_at, act.at, &calls, Salt(secret))
            .map_err(|error| unsealable(error.to_string()))?;
        let leaves: String = sealed.leaves(TreeHash::Sha256).iter().map(hex::encode).collect();
        sqlx::query(
            "INSERT INTO call_batch (id, entry, from_at, until_at, calls, calls_root_sha256, calls_root_sm3, leaves, \
             secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&id)
        .bind(&entry)
        .bind(micros(from_at))
        .bind(micros(act.at))
        .bind(i64::try_from(calls.len()).expect("a batch is bounded"))
        .bind(hex::encode(sealed.root(TreeHash::Sha256)))
        .bind(hex::encode(sealed.root(TreeHash::Sm3)))
        .bind(leaves)
        .bind(hex::encode(secret))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a batch of calls", ObjectKind::Calls.name(&id)))?;
        self.record(ObjectKind::Calls, &id, act).await?;
        Ok(true)
    }

    /// Destroys the secret of a batch: the batch stays in the ledger, but no call can be shown to be
    /// one of it any more, by anybody.
    ///
    /// # Errors
    /// There is no such batch, or its secret was destroyed before; the database failed.
    pub async fn calls_destroy_secret(&mut self, batch: &str) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE call_batch SET secret = '' WHERE id = $1 AND secret <> ''")
            .bind(batch)
            .execute(self.connection())
            .await
            .map_err(failed("destroy the secret of a batch of calls"))?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        Err(StoreError::State { object: ObjectKind::Calls.name(batch), expected: "a batch whose secret is there" })
    }
}

fn calls_sql() -> String {
    format!("SELECT {} FROM usage_row WHERE batch = $1 ORDER BY at, id LIMIT $2", ObjectKind::Usage.columns())
}

fn cells(row: &sqlx::any::AnyRow) -> Result<Value, StoreError> {
    serde_json::from_str(&canonical(row)).map_err(|_| corrupt("call", "<cells>", "cells with a canonical form"))
}

/// A batch as it is kept.
struct Kept {
    id: String,
    entry: String,
    from_at: jiff::Timestamp,
    until_at: jiff::Timestamp,
    leaves: String,
    secret: Option<Salt>,
}

impl Kept {
    fn read(row: &sqlx::any::AnyRow) -> Result<Self, StoreError> {
        let secret = row.text("secret")?;
        let mut bytes = [0; 32];
        let secret = match secret.as_str() {
            "" => None,
            text => {
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| corrupt("secret", "<secret>", "64 hexadecimal digits"))?;
                Some(Salt(bytes))
            }
        };
        Ok(Self {
            id: row.text("id")?,
            entry: row.text("entry")?,
            from_at: row.instant("from_at")?,
            until_at: row.instant("until_at")?,
            leaves: row.text("leaves")?,
            secret,
        })
    }

    fn name(&self) -> String {
        ObjectKind::Calls.name(&self.id)
    }

    fn batch(&self, calls: &[Value], secret: Salt) -> Result<CallBatch, yihe_ledger::calls::CallsError> {
        CallBatch::new(&self.entry, self.from_at, self.until_at, calls, secret)
    }
}
