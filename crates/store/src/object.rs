//! Objects whose every change goes to the ledger.
//!
//! What is digested is the row as the database holds it *after* the change, read back in the same
//! transaction. Verification reads the row again and compares: a cell that was changed behind the
//! application's back no longer matches the object's last entry.

use std::fmt;

use serde_json::{Map, Value};
use sqlx::{
    Column as _, Row as _, TypeInfo as _, ValueRef as _,
    any::{AnyQueryResult, AnyRow},
};

use crate::{
    actor::Act,
    error::{StoreError, failed},
    ledger,
    outbox::OutboxRow,
    row::micros,
    tx::Tx,
};

/// How every object's name begins.
pub const URN: &str = "urn:yihe:";

/// A kind of object that the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A version of a definition.
    Definition,
    /// A delivered batch.
    Batch,
    /// A run of a step.
    Run,
    /// A catalogue entry.
    Entry,
    /// A share request.
    Request,
    /// A share grant.
    Grant,
    /// One supplied call. Its leaf is that of its batch.
    Usage,
    /// The calls of one interface in one interval.
    Calls,
    /// A docket item.
    Item,
    /// A ticket for faults, or an objection.
    Ticket,
    /// A notice of a correction.
    Notice,
    /// A decision on who is whom.
    Decision,
    /// A reviewer's answer on a pair.
    Label,
    /// The protection of an entity.
    Protection,
    /// A record shown in clear.
    Disclosure,
    /// A delivery that is kept out as a whole.
    Embargo,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Definition,
        Self::Batch,
        Self::Run,
        Self::Entry,
        Self::Request,
        Self::Grant,
        Self::Usage,
        Self::Calls,
        Self::Item,
        Self::Ticket,
        Self::Notice,
        Self::Decision,
        Self::Label,
        Self::Protection,
        Self::Disclosure,
        Self::Embargo,
    ];

    /// The word in an object's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Batch => "batch",
            Self::Run => "run",
            Self::Entry => "entry",
            Self::Request => "request",
            Self::Grant => "grant",
            Self::Usage => "usage",
            Self::Calls => "calls",
            Self::Item => "item",
            Self::Ticket => "ticket",
            Self::Notice => "notice",
            Self::Decision => "decision",
            Self::Label => "label",
            Self::Protection => "protection",
            Self::Disclosure => "disclosure",
            Self::Embargo => "embargo",
        }
    }

    /// The object's name: a URN of kind and identifier, e.g. `urn:yihe:batch:0199…`.
    #[must_use]
    pub fn name(self, id: &str) -> String {
        format!("{URN}{self}:{id}")
    }

    /// Splits a name into kind and identifier; `None` when the kind is unknown.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Self, &str)> {
        let (kind, id) = name.strip_prefix(URN)?.split_once(':')?;
        Self::ALL.into_iter().find(|candidate| candidate.as_str() == kind).map(|kind| (kind, id))
    }

    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Batch => "batch",
            Self::Run => "run",
            Self::Entry => "entry",
            Self::Request => "request",
            Self::Grant => "share_grant",
            Self::Usage => "usage_row",
            Self::Calls => "call_batch",
            Self::Item => "docket_item",
            Self::Ticket => "ticket",
            Self::Notice => "notice",
            Self::Decision => "link_decision",
            Self::Label => "link_label",
            Self::Protection => "protected_entity",
            Self::Disclosure => "disclosure",
            Self::Embargo => "embargo",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Entry => "code",
            Self::Definition
            | Self::Batch
            | Self::Run
            | Self::Request
            | Self::Grant
            | Self::Usage
            | Self::Calls
            | Self::Item
            | Self::Ticket
            | Self::Notice
            | Self::Decision
            | Self::Label
            | Self::Protection
            | Self::Disclosure
            | Self::Embargo => "id",
        }
    }

    /// The columns that are digested: all but a run's lease, which moves while it works, and what a check counts
    /// under a ticket.
    pub(crate) fn columns(self) -> &'static str {
        match self {
            Self::Definition => "id, kind, name, version, sha256, body, applied_at, applied_by, retired_at",
            Self::Batch => {
                "id, dataset, idempotency_key, file_name, sha256, state, attempt, rows_in, rows_accepted, \
                 rows_quarantined, landing_version, error, received_at, ended_at, checked_by, checked_at"
            }
            Self::Run => "id, step, subject, state, holder, started_at, deadline_at, ended_at, result, error",
            Self::Entry => {
                "code, classification, serial, source_kind, source, department, title_zh, title_en, title_key, \
                 sharing, state, body, search_text, search_pinyin, search_initials, created_at, changed_at, \
                 published_at, version"
            }
            Self::Request => "id, entry, requester, provider, state, body, created_by, created_at, changed_at, version",
            Self::Grant => {
                "id, request, entry, grantee, provider, state, reason, valid_from, valid_until, calls_per_day, \
                 body, created_at, changed_at, version"
            }
            Self::Usage => {
                "id, grant_id, entry, grantee, token, door, purpose, case_number, looked_up, columns, row_count, \
                 table_version, at"
            }
            Self::Calls => "id, entry, from_at, until_at, calls, calls_root_sha256, calls_root_sm3",
            Self::Item => {
                "id, procedure, subject, title_zh, title_en, state, department, role, received_on, term_days, \
                 extension_days, stops, due_on, escalation, opened_at, changed_at, closed_at, outcome, version"
            }
            Self::Ticket => {
                "id, kind, dataset, rule, severity, department, entry, record_key, field, value_digest, raised_by, \
                 receipt, statement, state, reason, explanation, times, opened_at, changed_at, closed_at, version"
            }
            Self::Notice => {
                "id, ticket, department, outcome, supplies, receipts, told_at, acknowledged_at, acknowledged_by, \
                 remark, version"
            }
            Self::Decision => {
                "id, registry, kind, dataset, record_key, entity_key, other_key, reason, decided_by, decided_at, \
                 model, probability_ppm, revoked_at, revoked_by, revoked_reason, version"
            }
            Self::Label => {
                "id, registry, dataset, record_key, entity_key, reviewer, answer, answered_at, seconds, \
                 probability_ppm, version"
            }
            Self::Protection => {
                "id, registry, entity_key, basis, since, until, noted_by, noted_at, lifted_at, lifted_by, version"
            }
            Self::Embargo => {
                "id, dataset, batches, check_key, reasons, rows_kept_out, state, statement, began_at, ended_at, \
                 ended_by, version"
            }
            Self::Disclosure => "id, registry, entity, record, reason, department, account, at",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Tx {
    /// Records a change of the one object that was to be at `expected`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was at another version: somebody else was faster; the database failed.
    pub(crate) async fn record_change(
        &mut self,
        changed: &AnyQueryResult,
        kind: ObjectKind,
        id: &str,
        expected: i64,
        act: &Act<'_>,
    ) -> Result<(), StoreError> {
        if changed.rows_affected() != 1 {
            return Err(StoreError::Conflict { object: kind.name(id), expected });
        }
        self.record(kind, id, act).await
    }

    /// Writes the ledger entry for a change of `kind/id` that was just made in this transaction.
    ///
    /// # Errors
    /// The row is not there, or the database failed.
    pub(crate) async fn record(&mut self, kind: ObjectKind, id: &str, act: &Act<'_>) -> Result<(), StoreError> {
        let select = format!("SELECT {} FROM {} WHERE {} = $1", kind.columns(), kind.table(), kind.key());
        let row = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(id)
            .fetch_optional(self.connection())
            .await
            .map_err(failed("read back a changed object"))?;
        let Some(row) = row else {
            return Err(StoreError::State { object: kind.name(id), expected: "an existing object" });
        };
        let salt = self.identity.bytes();
        let entry = OutboxRow {
            seq: 0,
            entry_id: self.new_id(act.at),
            kind: act.kind.to_owned(),
            object: kind.name(id),
            org: act.org.to_owned(),
            actor: act.actor.to_owned(),
            at: act.at,
            payload: canonical(&row),
            salt: Some(salt),
            leaf: None,
            refused: None,
        };
        // Refused here, the whole transaction fails and its maker learns of it; refused later, nobody would.
        ledger::sealed(&entry)?;
        sqlx::query(
            "INSERT INTO outbox (entry_id, kind, object, org, actor, at, payload, salt) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(entry.entry_id)
        .bind(entry.kind)
        .bind(entry.object)
        .bind(entry.org)
        .bind(entry.actor)
        .bind(micros(act.at))
        .bind(entry.payload)
        .bind(hex::encode(salt))
        .execute(self.connection())
        .await
        .map_err(failed("write to the outbox"))?;
        Ok(())
    }
}

/// The row as the ledger's canonical JSON: keys in order, no blanks. Two databases agree on it.
pub(crate) fn canonical(row: &AnyRow) -> String {
    let cells = row.columns().iter().map(|column| (column.name().to_owned(), cell(row, column.ordinal())));
    let value = Value::Object(cells.collect::<Map<_, _>>());
    match yihe_ledger::canonical::canonical(&value) {
        Ok(bytes) => String::from_utf8(bytes).expect("canonical JSON is UTF-8"),
        // Beyond the ledger's bounds: sealing it fails with the bound named.
        Err(_) => value.to_string(),
    }
}

/// A cell of a type that the store never writes is kept as its type's name: it can only be tampering.
fn cell(row: &AnyRow, ordinal: usize) -> Value {
    if let Ok(whole) = row.try_get::<Option<i64>, _>(ordinal) {
        return whole.map_or(Value::Null, Value::from);
    }
    if let Ok(text) = row.try_get::<String, _>(ordinal) {
        return Value::from(text);
    }
    let found = row.try_get_raw(ordinal).map(|raw| raw.type_info().name().to_owned());
    Value::from(format!("<{}>", found.as_deref().unwrap_or("unreadable")))
}
