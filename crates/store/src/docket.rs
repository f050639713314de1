//! Docket items, tasks and escalations as rows. Terms and clocks are `docket`'s.

use jiff::{Timestamp, civil::Date};
use sqlx::any::AnyRow;

use crate::{
    actor::Act,
    error::{StoreError, failed, insert_failed},
    object::ObjectKind,
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// Something that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Identifier.
    pub id: String,
    /// Procedure, e.g. `share_request`.
    pub procedure: String,
    /// The object it is about, `kind/id`. One open item per subject and procedure.
    pub subject: String,
    /// Chinese title.
    pub title_zh: String,
    /// English title.
    pub title_en: String,
    /// State of the procedure.
    pub state: String,
    /// Department that must act.
    pub department: String,
    /// Role that must act.
    pub role: String,
    /// Day on which the present term's paper was received.
    pub received_on: Date,
    /// Term in working days; `None`: nothing runs.
    pub term_days: Option<i64>,
    /// Working days by which the term was extended.
    pub extension_days: i64,
    /// Intervals during which the clock stood still, as JSON.
    pub stops: String,
    /// Last day; `None` while nothing runs or the clock stands still.
    pub due_on: Option<Date>,
    /// Highest escalation of the present task; 0: none.
    pub escalation: i64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

/// What one role had, or has, to do on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Identifier.
    pub id: String,
    /// The item.
    pub item: String,
    /// State of the procedure in which it was opened.
    pub state: String,
    /// Department that must act.
    pub department: String,
    /// Role that must act.
    pub role: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Last day.
    pub due_on: Option<Date>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Account that closed it.
    pub closed_by: Option<String>,
    /// What it led to.
    pub outcome: Option<String>,
}

/// Whose list, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorklistFilter {
    /// Department that must act; `None`: every department.
    pub department: Option<String>,
    /// Role that must act; `None`: every role.
    pub role: Option<String>,
    /// Only items whose last day lies before this day.
    pub due_before: Option<Date>,
    /// Only items escalated at least so far.
    pub escalation_min: i64,
}

impl Store {
    /// An item.
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_find(&self, id: &str) -> Result<Option<ItemRow>, StoreError> {
        sqlx::query("SELECT * FROM docket_item WHERE id = $1")
            .bind(id)
            .one(&self.readers, "find a docket item", read)
            .await
    }

    /// The items about a subject, newest first, open and closed. At most [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_list_by_subject(&self, subject: &str) -> Result<Vec<ItemRow>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM docket_item WHERE subject = $1 ORDER BY opened_at DESC, id DESC LIMIT $2")
                .bind(subject)
                .bind(crate::PAGE_ROWS_MAX)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("list a subject's docket items"))?;
        rows.iter().map(read).collect()
    }

    /// Open items, the earliest last day first, those without one at the end; from `offset` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_list_open(
        &self,
        filter: &WorklistFilter,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM docket_item WHERE closed_at IS NULL AND ($1 = '' OR department = $1) \
             AND ($2 = '' OR role = $2) AND ($3 = '' OR due_on < $3) AND escalation >= $4 \
             ORDER BY CASE WHEN due_on IS NULL THEN 1 ELSE 0 END, due_on, opened_at, id LIMIT $5 OFFSET $6",
        )
        .bind(filter.department.as_deref().unwrap_or(""))
        .bind(filter.role.as_deref().unwrap_or(""))
        .bind(filter.due_before.map_or_else(String::new, |day| day.to_string()))
        .bind(filter.escalation_min)
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list open docket items", read)
        .await
    }

    /// How many open items `filter` leaves.
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_count_open(&self, filter: &WorklistFilter) -> Result<i64, StoreError> {
        sqlx::query(
            "SELECT COUNT(*) AS items FROM docket_item WHERE closed_at IS NULL AND ($1 = '' OR department = $1) \
             AND ($2 = '' OR role = $2) AND ($3 = '' OR due_on < $3) AND escalation >= $4",
        )
        .bind(filter.department.as_deref().unwrap_or(""))
        .bind(filter.role.as_deref().unwrap_or(""))
        .bind(filter.due_before.map_or_else(String::new, |day| day.to_string()))
        .bind(filter.escalation_min)
        .fetch_one(&self.readers)
        .await
        .map_err(failed("count open docket items"))?
        .whole("items")
    }

    /// Open items whose last day is on or before `until` and whose escalation is below `level`, the
    /// earliest first; after `after` (last day and identifier). At most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_list_due(
        &self,
        until: Date,
        level: i64,
        after: Option<(Date, &str)>,
        limit: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let (day, id) = after.map_or_else(|| (String::new(), ""), |(day, id)| (day.to_string(), id));
        sqlx::query(
            "SELECT * FROM docket_item WHERE closed_at IS NULL AND due_on <= $1 AND escalation < $2 \
             AND (due_on > $3 OR (due_on = $3 AND id > $4)) ORDER BY due_on, id LIMIT $5",
        )
        .bind(until.to_string())
        .bind(level)
        .bind(day)
        .bind(id)
        .bind(page(limit))
        .all(&self.readers, "list docket items that are due", read)
        .await
    }

    /// An item's tasks, oldest first. At most [`crate::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn task_list(&self, item: &str) -> Result<Vec<TaskRow>, StoreError> {
        sqlx::query("SELECT * FROM docket_task WHERE item = $1 ORDER BY opened_at, id LIMIT $2")
            .bind(item)
            .bind(crate::PAGE_ROWS_MAX)
            .all(&self.readers, "list an item's tasks", read_task)
            .await
    }
}

impl Tx {
    /// The open item of a subject in a procedure, as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn item_find_open(&mut self, procedure: &str, subject: &str) -> Result<Option<ItemRow>, StoreError> {
        sqlx::query("SELECT * FROM docket_item WHERE procedure = $1 AND subject = $2 AND closed_at IS NULL")
            .bind(procedure)
            .bind(subject)
            .one(self.connection(), "find an open docket item", read)
            .await
    }

    /// Inserts an item at version 1 together with its first task.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the subject has an open item in this procedure; the database failed.
    pub async fn item_insert(&mut self, item: &ItemRow, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO docket_item (id, procedure, subject, title_zh, title_en, state, department, role, \
             received_on, term_days, extension_days, stops, due_on, escalation, opened_at, changed_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1)",
        )
        .bind(&item.id)
        .bind(&item.procedure)
        .bind(&item.subject)
        .bind(&item.title_zh)
        .bind(&item.title_en)
        .bind(&item.state)
        .bind(&item.department)
        .bind(&item.role)
        .bind(item.received_on.to_string())
        .bind(item.term_days)
        .bind(item.extension_days)
        .bind(&item.stops)
        .bind(item.due_on.map(|day| day.to_string()))
        .bind(item.escalation)
        .bind(micros(act.at))
        .bind(micros(act.at))
        .execute(self.connection())
        .await
        .map_err(insert_failed("open a docket item", format!("{}/{}", item.procedure, item.subject)))?;
        self.task_open(item, act).await?;
        self.record(ObjectKind::Item, &item.id, act).await
    }

    /// Replaces an item if it is still at `item.version`. When department, role or state change, or the
    /// item is closed, its task is closed with `outcome`; while the item stays open a new one begins.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile; the database failed.
    pub async fn item_update(&mut self, item: &ItemRow, step: ItemStep<'_>, act: &Act<'_>) -> Result<(), StoreError> {
        let result = sqlx::query(
            "UPDATE docket_item SET state = $1, department = $2, role = $3, received_on = $4, term_days = $5, \
             extension_days = $6, stops = $7, due_on = $8, escalation = $9, changed_at = $10, closed_at = $11, \
             outcome = $12, version = version + 1 WHERE id = $13 AND version = $14 AND closed_at IS NULL",
        )
        .bind(&item.state)
        .bind(&item.department)
        .bind(&item.role)
        .bind(item.received_on.to_string())
        .bind(item.term_days)
        .bind(item.extension_days)
        .bind(&item.stops)
        .bind(item.due_on.map(|day| day.to_string()))
        .bind(item.escalation)
        .bind(micros(act.at))
        .bind(item.closed_at.map(micros))
        .bind(item.outcome.as_deref())
        .bind(&item.id)
        .bind(item.version)
        .execute(self.connection())
        .await
        .map_err(failed("update a docket item"))?;
        if result.rows_affected() != 1 {
            return Err(StoreError::Conflict { object: ObjectKind::Item.name(&item.id), expected: item.version });
        }
        match step {
            ItemStep::Advance { outcome } => {
                self.task_close(&item.id, outcome, act).await?;
                self.task_open(item, act).await?;
            }
            ItemStep::Close { outcome } => self.task_close(&item.id, outcome, act).await?,
            ItemStep::Clock => {
                sqlx::query("UPDATE docket_task SET due_on = $1 WHERE item = $2 AND closed_at IS NULL")
                    .bind(item.due_on.map(|day| day.to_string()))
                    .bind(&item.id)
                    .execute(self.connection())
                    .await
                    .map_err(failed("move a task's last day"))?;
            }
        }
        self.record(ObjectKind::Item, &item.id, act).await
    }

    /// Notes that the item's open task reached `level`; `false` when it had been noted before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn escalation_insert(&mut self, item: &str, level: i64, at: Timestamp) -> Result<bool, StoreError> {
        let result = sqlx::query(
            "INSERT INTO docket_escalation (task, level, at) \
             SELECT id, $1, $2 FROM docket_task WHERE item = $3 AND closed_at IS NULL \
             ON CONFLICT (task, level) DO NOTHING",
        )
        .bind(level)
        .bind(micros(at))
        .bind(item)
        .execute(self.connection())
        .await
        .map_err(failed("note an escalation"))?;
        Ok(result.rows_affected() == 1)
    }

    async fn task_open(&mut self, item: &ItemRow, act: &Act<'_>) -> Result<(), StoreError> {
        let id = self.new_id(act.at);
        sqlx::query(
            "INSERT INTO docket_task (id, item, state, department, role, opened_at, due_on) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(&item.id)
        .bind(&item.state)
        .bind(&item.department)
        .bind(&item.role)
        .bind(micros(act.at))
        .bind(item.due_on.map(|day| day.to_string()))
        .execute(self.connection())
        .await
        .map_err(failed("open a task"))?;
        Ok(())
    }

    async fn task_close(&mut self, item: &str, outcome: &str, act: &Act<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE docket_task SET closed_at = $1, closed_by = $2, outcome = $3 \
             WHERE item = $4 AND closed_at IS NULL",
        )
        .bind(micros(act.at))
        .bind(act.actor)
        .bind(outcome)
        .bind(item)
        .execute(self.connection())
        .await
        .map_err(failed("close a task"))?;
        Ok(())
    }
}

/// What an update of an item does to its open task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStep<'a> {
    /// The task is done and the next one begins.
    Advance {
        /// What the task led to.
        outcome: &'a str,
    },
    /// The task is done and no other follows.
    Close {
        /// What the task led to.
        outcome: &'a str,
    },
    /// The same task goes on; only its clock or escalation changed.
    Clock,
}

fn read(row: &AnyRow) -> Result<ItemRow, StoreError> {
    Ok(ItemRow {
        id: row.text("id")?,
        procedure: row.text("procedure")?,
        subject: row.text("subject")?,
        title_zh: row.text("title_zh")?,
        title_en: row.text("title_en")?,
        state: row.text("state")?,
        department: row.text("department")?,
        role: row.text("role")?,
        received_on: row.day("received_on")?,
        term_days: row.whole_opt("term_days")?,
        extension_days: row.whole("extension_days")?,
        stops: row.text("stops")?,
        due_on: row.day_opt("due_on")?,
        escalation: row.whole("escalation")?,
        opened_at: row.instant("opened_at")?,
        changed_at: row.instant("changed_at")?,
        closed_at: row.instant_opt("closed_at")?,
        outcome: row.text_opt("outcome")?,
        version: row.whole("version")?,
    })
}

fn read_task(row: &AnyRow) -> Result<TaskRow, StoreError> {
    Ok(TaskRow {
        id: row.text("id")?,
        item: row.text("item")?,
        state: row.text("state")?,
        department: row.text("department")?,
        role: row.text("role")?,
        opened_at: row.instant("opened_at")?,
        due_on: row.day_opt("due_on")?,
        closed_at: row.instant_opt("closed_at")?,
        closed_by: row.text_opt("closed_by")?,
        outcome: row.text_opt("outcome")?,
    })
}
