//! Tickets for faults and objections as rows. What they mean, and who may close one, is `quality`'s.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// A ticket. Fields that a kind has no use for are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Identifier.
    pub id: String,
    /// `fault` or `objection`.
    pub kind: String,
    /// Dataset whose department answers.
    pub dataset: String,
    /// Rule that its rows fail.
    pub rule: String,
    /// What a failing row means: `info`, `warn`, `hold`.
    pub severity: String,
    /// Department that must answer.
    pub department: String,
    /// Objection: catalogue entry under which the value was supplied.
    pub entry: String,
    /// Objection: the record's key as a JSON list. Personal data: never logged.
    pub record_key: String,
    /// Objection: the field, or empty for the whole record.
    pub field: String,
    /// Objection: digest of identifier and value, by which a change is recognised.
    pub value_digest: String,
    /// Objection: department that raised it.
    pub raised_by: String,
    /// Objection: the use record under which the value was supplied.
    pub receipt: String,
    /// Objection: what was said.
    pub statement: String,
    /// `open` or `closed`.
    pub state: String,
    /// Why it was closed.
    pub reason: Option<String>,
    /// What was said on closing or on opening it again.
    pub explanation: Option<String>,
    /// How often it was opened.
    pub times: i64,
    /// When it was first opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Faults that stand now. Not told to the ledger.
    pub rows_open: i64,
    /// Faults that ever stood under it. Not told to the ledger.
    pub rows_seen: i64,
    /// When a check last looked. Not told to the ledger.
    pub seen_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// What a list of tickets is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketFilter {
    /// Department that answers.
    pub department: Option<String>,
    /// Department that answers or raised it.
    pub party: Option<String>,
    /// Dataset.
    pub dataset: Option<String>,
    /// `open` or `closed`.
    pub state: Option<String>,
    /// `fault` or `objection`.
    pub kind: Option<String>,
}

/// Tickets of one department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketTally {
    /// Department that answers.
    pub department: String,
    /// Open tickets.
    pub open: i64,
    /// Closed tickets.
    pub closed: i64,
    /// Faults that stand under the open ones.
    pub rows_open: i64,
}

/// A notice to a department that was supplied with a value before it was corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Identifier.
    pub id: String,
    /// The ticket.
    pub ticket: String,
    /// Department that is told.
    pub department: String,
    /// What became of the value: `corrected`, `gone`, or the answer to an objection.
    pub outcome: String,
    /// Supplies that had the old value.
    pub supplies: i64,
    /// Identifiers of their use records as a JSON list; of many, the first.
    pub receipts: String,
    /// When it was told.
    pub told_at: Timestamp,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// Account that acknowledged it.
    pub acknowledged_by: Option<String>,
    /// What was said with it.
    pub remark: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

const NARROWED: &str = "($1 = '' OR department = $1) AND ($2 = '' OR department = $2 OR raised_by = $2) \
                        AND ($3 = '' OR dataset = $3) AND ($4 = '' OR state = $4) AND ($5 = '' OR kind = $5)";

impl Store {
    /// A ticket.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_find(&self, id: &str) -> Result<Option<TicketRow>, StoreError> {
        sqlx::query("SELECT * FROM ticket WHERE id = $1").bind(id).one(&self.readers, "find a ticket", read).await
    }

    /// Tickets, open ones first, then by the day of their opening, newest first; from `offset` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_list(
        &self,
        filter: &TicketFilter,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<TicketRow>, StoreError> {
        let sql = format!(
            "SELECT * FROM ticket WHERE {NARROWED} \
             ORDER BY CASE WHEN state = 'open' THEN 0 ELSE 1 END, opened_at DESC, id DESC LIMIT $6 OFFSET $7"
        );
        narrowed(&sql, filter).bind(page(limit)).bind(offset.max(0)).all(&self.readers, "list tickets", read).await
    }

    /// How many tickets `filter` leaves.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_count(&self, filter: &TicketFilter) -> Result<i64, StoreError> {
        let sql = format!("SELECT COUNT(*) AS tickets FROM ticket WHERE {NARROWED}");
        narrowed(&sql, filter).fetch_one(&self.readers).await.map_err(failed("count tickets"))?.whole("tickets")
    }

    /// Tickets by department that answers.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_tally(&self) -> Result<Vec<TicketTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT department, CAST(SUM(CASE WHEN state = 'open' THEN 1 ELSE 0 END) AS BIGINT) AS open_tickets, \
             CAST(SUM(CASE WHEN state = 'open' THEN 0 ELSE 1 END) AS BIGINT) AS closed_tickets, \
             CAST(SUM(CASE WHEN state = 'open' THEN rows_open ELSE 0 END) AS BIGINT) AS standing \
             FROM ticket GROUP BY department ORDER BY department",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(failed("tally tickets"))?;
        rows.iter()
            .map(|row| {
                Ok(TicketTally {
                    department: row.text("department")?,
                    open: row.whole("open_tickets")?,
                    closed: row.whole("closed_tickets")?,
                    rows_open: row.whole("standing")?,
                })
            })
            .collect()
    }

    /// When the faults of a rule were last excused: the last closing of each rule with one of `reasons`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_list_excused(
        &self,
        dataset: &str,
        reasons: [&str; 2],
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = sqlx::query(
            "SELECT rule, MAX(closed_at) AS closed FROM ticket WHERE dataset = $1 AND kind = 'fault' \
             AND state = 'closed' AND reason IN ($2, $3) GROUP BY rule ORDER BY rule",
        )
        .bind(dataset)
        .bind(reasons[0])
        .bind(reasons[1])
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list excused rules"))?;
        rows.iter().map(|row| Ok((row.text("rule")?, row.instant("closed")?))).collect()
    }

    /// Open objections to what an entry supplies, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_list_objections(&self, entry: &str, limit: i64) -> Result<Vec<TicketRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM ticket WHERE entry = $1 AND kind = 'objection' AND state = 'open' \
             ORDER BY opened_at, id LIMIT $2",
        )
        .bind(entry)
        .bind(page(limit))
        .all(&self.readers, "list objections", read)
        .await
    }

    /// A notice.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice_find(&self, id: &str) -> Result<Option<NoticeRow>, StoreError> {
        sqlx::query("SELECT * FROM notice WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find a notice", read_notice)
            .await
    }

    /// Notices of a ticket or to a department, those not yet acknowledged first, then newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice_list(
        &self,
        ticket: Option<&str>,
        department: Option<&str>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM notice WHERE ($1 = '' OR ticket = $1) AND ($2 = '' OR department = $2) \
             ORDER BY CASE WHEN acknowledged_at IS NULL THEN 0 ELSE 1 END, told_at DESC, id DESC LIMIT $3 OFFSET $4",
        )
        .bind(ticket.unwrap_or(""))
        .bind(department.unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list notices", read_notice)
        .await
    }
}

fn narrowed<'q>(sql: &'q str, filter: &'q TicketFilter) -> sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments> {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(filter.department.as_deref().unwrap_or(""))
        .bind(filter.party.as_deref().unwrap_or(""))
        .bind(filter.dataset.as_deref().unwrap_or(""))
        .bind(filter.state.as_deref().unwrap_or(""))
        .bind(filter.kind.as_deref().unwrap_or(""))
}

impl Tx {
    /// A ticket as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_find(&mut self, id: &str) -> Result<Option<TicketRow>, StoreError> {
        sqlx::query("SELECT * FROM ticket WHERE id = $1").bind(id).one(self.connection(), "find a ticket", read).await
    }

    /// The last ticket of a rule as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_find_last(&mut self, dataset: &str, rule: &str) -> Result<Option<TicketRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM ticket WHERE dataset = $1 AND rule = $2 AND kind = 'fault' \
             ORDER BY opened_at DESC, id DESC LIMIT 1",
        )
        .bind(dataset)
        .bind(rule)
        .one(self.connection(), "find the last ticket of a rule", read)
        .await
    }

    /// Inserts a ticket at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the rule has an open one; the database failed.
    pub async fn ticket_insert(&mut self, ticket: &TicketRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO ticket (id, kind, dataset, rule, severity, department, entry, record_key, field, \
             value_digest, raised_by, receipt, statement, state, reason, explanation, times, opened_at, changed_at, \
             closed_at, rows_open, rows_seen, seen_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
             $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 1)",
        )
        .bind(&ticket.id)
        .bind(&ticket.kind)
        .bind(&ticket.dataset)
        .bind(&ticket.rule)
        .bind(&ticket.severity)
        .bind(&ticket.department)
        .bind(&ticket.entry)
        .bind(&ticket.record_key)
        .bind(&ticket.field)
        .bind(&ticket.value_digest)
        .bind(&ticket.raised_by)
        .bind(&ticket.receipt)
        .bind(&ticket.statement)
        .bind(&ticket.state)
        .bind(ticket.reason.as_deref())
        .bind(ticket.explanation.as_deref())
        .bind(ticket.times)
        .bind(micros(act.at))
        .bind(micros(act.at))
        .bind(ticket.closed_at.map(micros))
        .bind(ticket.rows_open)
        .bind(ticket.rows_seen)
        .bind(micros(ticket.seen_at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a ticket", ObjectKind::Ticket.name(&ticket.id)))?;
        self.record(ObjectKind::Ticket, &ticket.id, act).await
    }

    /// Replaces what may change of a ticket if it is still at `ticket.version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; [`StoreError::Duplicate`] when it would be the
    /// rule's second open one; the database failed.
    pub async fn ticket_update(&mut self, ticket: &TicketRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE ticket SET state = $1, reason = $2, explanation = $3, times = $4, changed_at = $5, \
             closed_at = $6, rows_open = $7, rows_seen = $8, seen_at = $9, version = version + 1 \
             WHERE id = $10 AND version = $11",
        )
        .bind(&ticket.state)
        .bind(ticket.reason.as_deref())
        .bind(ticket.explanation.as_deref())
        .bind(ticket.times)
        .bind(micros(act.at))
        .bind(ticket.closed_at.map(micros))
        .bind(ticket.rows_open)
        .bind(ticket.rows_seen)
        .bind(micros(ticket.seen_at))
        .bind(&ticket.id)
        .bind(ticket.version)
        .execute(self.connection())
        .await
        .map_err(insert_failed("update a ticket", ObjectKind::Ticket.name(&ticket.id)))?;
        self.record_change(&result, ObjectKind::Ticket, &ticket.id, ticket.version, act).await
    }

    /// Notes what a check counted. Not a ledger entry: the ticket did not move, and its version stays.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ticket_count_rows(
        &mut self,
        id: &str,
        rows_open: i64,
        rows_seen: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE ticket SET rows_open = $1, rows_seen = $2, seen_at = $3 WHERE id = $4")
            .bind(rows_open)
            .bind(rows_seen)
            .bind(micros(at))
            .bind(id)
            .execute(self.connection())
            .await
            .map_err(failed("count a ticket's rows"))?;
        Ok(())
    }

    /// The notice of a ticket to a department that waits for its acknowledgement.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice_find_open(&mut self, ticket: &str, department: &str) -> Result<Option<NoticeRow>, StoreError> {
        sqlx::query("SELECT * FROM notice WHERE ticket = $1 AND department = $2 AND acknowledged_at IS NULL")
            .bind(ticket)
            .bind(department)
            .one(self.connection(), "find an open notice", read_notice)
            .await
    }

    /// A notice as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice_find(&mut self, id: &str) -> Result<Option<NoticeRow>, StoreError> {
        sqlx::query("SELECT * FROM notice WHERE id = $1")
            .bind(id)
            .one(self.connection(), "find a notice", read_notice)
            .await
    }

    /// Inserts a notice at version 1.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the department has an open one for this ticket; the database failed.
    pub async fn notice_insert(&mut self, notice: &NoticeRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO notice (id, ticket, department, outcome, supplies, receipts, told_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
        )
        .bind(&notice.id)
        .bind(&notice.ticket)
        .bind(&notice.department)
        .bind(&notice.outcome)
        .bind(notice.supplies)
        .bind(&notice.receipts)
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a notice", ObjectKind::Notice.name(&notice.id)))?;
        self.record(ObjectKind::Notice, &notice.id, act).await
    }

    /// Replaces what may change of a notice if it is still at `notice.version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn notice_update(&mut self, notice: &NoticeRow, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE notice SET outcome = $1, supplies = $2, receipts = $3, acknowledged_at = $4, \
             acknowledged_by = $5, remark = $6, version = version + 1 WHERE id = $7 AND version = $8",
        )
        .bind(&notice.outcome)
        .bind(notice.supplies)
        .bind(&notice.receipts)
        .bind(notice.acknowledged_at.map(micros))
        .bind(notice.acknowledged_by.as_deref())
        .bind(notice.remark.as_deref())
        .bind(&notice.id)
        .bind(notice.version)
        .execute(self.connection())
        .await
        .map_err(failed("update a notice"))?;
        self.record_change(&result, ObjectKind::Notice, &notice.id, notice.version, act).await
    }
}

fn read(row: &AnyRow) -> Result<TicketRow, StoreError> {
    Ok(TicketRow {
        id: row.text("id")?,
        kind: row.text("kind")?,
        dataset: row.text("dataset")?,
        rule: row.text("rule")?,
        severity: row.text("severity")?,
        department: row.text("department")?,
        entry: row.text("entry")?,
        record_key: row.text("record_key")?,
        field: row.text("field")?,
        value_digest: row.text("value_digest")?,
        raised_by: row.text("raised_by")?,
        receipt: row.text("receipt")?,
        statement: row.text("statement")?,
        state: row.text("state")?,
        reason: row.text_opt("reason")?,
        explanation: row.text_opt("explanation")?,
        times: row.whole("times")?,
        opened_at: row.instant("opened_at")?,
        changed_at: row.instant("changed_at")?,
        closed_at: row.instant_opt("closed_at")?,
        rows_open: row.whole("rows_open")?,
        rows_seen: row.whole("rows_seen")?,
        seen_at: row.instant("seen_at")?,
        version: row.whole("version")?,
    })
}

fn read_notice(row: &AnyRow) -> Result<NoticeRow, StoreError> {
    Ok(NoticeRow {
        id: row.text("id")?,
        ticket: row.text("ticket")?,
        department: row.text("department")?,
        outcome: row.text("outcome")?,
        supplies: row.whole("supplies")?,
        receipts: row.text("receipts")?,
        told_at: row.instant("told_at")?,
        acknowledged_at: row.instant_opt("acknowledged_at")?,
        acknowledged_by: row.text_opt("acknowledged_by")?,
        remark: row.text_opt("remark")?,
        version: row.whole("version")?,
    })
}
