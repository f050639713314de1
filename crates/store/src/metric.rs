//! Quality figures: the newest of each dataset, and those of every check.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    error::{StoreError, failed, insert_failed},
    row::{Cells as _, Fetch as _, micros},
    store::{Store, page},
    tx::Tx,
};

/// A dataset's newest figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Dataset.
    pub dataset: String,
    /// Run that measured.
    pub run: String,
    /// When.
    pub measured_at: Timestamp,
    /// Rows that were looked at.
    pub rows_checked: i64,
    /// Rows with at least one fault.
    pub rows_faulty: i64,
    /// Rows held back from the checked table.
    pub rows_held: i64,
    /// Figures per rule and dimension, as JSON.
    pub body: String,
}

/// The figures of one check, kept for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricRun {
    /// Run that measured.
    pub run: String,
    /// Dataset.
    pub dataset: String,
    /// When.
    pub measured_at: Timestamp,
    /// Rows that were looked at.
    pub rows_checked: i64,
    /// Rows with at least one fault.
    pub rows_faulty: i64,
    /// Rows held back from the checked table.
    pub rows_held: i64,
    /// Rows of the whole table after the check, those held back included.
    pub rows_standing: i64,
    /// Figures per rule, dimension and county, as JSON.
    pub body: String,
}

impl Store {
    /// A dataset's checks, newest first; of every dataset when `dataset` is `None`. At most
    /// [`crate::PAGE_ROWS_MAX`] at a time, from `offset` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_run_list(
        &self,
        dataset: Option<&str>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<MetricRun>, StoreError> {
        sqlx::query(
            "SELECT * FROM metric_run WHERE ($1 = '' OR dataset = $1) \
             ORDER BY measured_at DESC, run DESC LIMIT $2 OFFSET $3",
        )
        .bind(dataset.unwrap_or(""))
        .bind(page(limit))
        .bind(offset.max(0))
        .all(&self.readers, "list checks", read_run)
        .await
    }

    /// The newest check of every dataset, by dataset.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_run_list_last(&self) -> Result<Vec<MetricRun>, StoreError> {
        sqlx::query(
            "SELECT r.* FROM metric_run r JOIN metric m ON m.dataset = r.dataset AND m.run = r.run ORDER BY r.dataset",
        )
        .all(&self.readers, "list the last checks", read_run)
        .await
    }

    /// A dataset's figures; `None` before the first check.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_find(&self, dataset: &str) -> Result<Option<Metric>, StoreError> {
        sqlx::query("SELECT * FROM metric WHERE dataset = $1")
            .bind(dataset)
            .one(&self.readers, "find a dataset's figures", read)
            .await
    }

    /// Every dataset's figures, by dataset.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_list(&self) -> Result<Vec<Metric>, StoreError> {
        sqlx::query("SELECT * FROM metric ORDER BY dataset").all(&self.readers, "list figures", read).await
    }
}

impl Tx {
    /// Appends the figures of a check.
    ///
    /// # Errors
    /// The run has figures already; the database failed.
    pub async fn metric_run_insert(&mut self, figures: &MetricRun) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO metric_run (run, dataset, measured_at, rows_checked, rows_faulty, rows_held, rows_standing, \
             body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&figures.run)
        .bind(&figures.dataset)
        .bind(micros(figures.measured_at))
        .bind(figures.rows_checked)
        .bind(figures.rows_faulty)
        .bind(figures.rows_held)
        .bind(figures.rows_standing)
        .bind(&figures.body)
        .execute(self.connection())
        .await
        .map_err(insert_failed("insert a check's figures", figures.run.clone()))?;
        Ok(())
    }

    /// Replaces a dataset's figures.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_put(&mut self, metric: &Metric) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO metric (dataset, run, measured_at, rows_checked, rows_faulty, rows_held, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (dataset) DO UPDATE SET run = excluded.run, measured_at = excluded.measured_at, \
             rows_checked = excluded.rows_checked, rows_faulty = excluded.rows_faulty, \
             rows_held = excluded.rows_held, body = excluded.body",
        )
        .bind(&metric.dataset)
        .bind(&metric.run)
        .bind(micros(metric.measured_at))
        .bind(metric.rows_checked)
        .bind(metric.rows_faulty)
        .bind(metric.rows_held)
        .bind(&metric.body)
        .execute(self.connection())
        .await
        .map_err(failed("replace a dataset's figures"))?;
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<Metric, StoreError> {
    Ok(Metric {
        dataset: row.text("dataset")?,
        run: row.text("run")?,
        measured_at: row.instant("measured_at")?,
        rows_checked: row.whole("rows_checked")?,
        rows_faulty: row.whole("rows_faulty")?,
        rows_held: row.whole("rows_held")?,
        body: row.text("body")?,
    })
}

fn read_run(row: &AnyRow) -> Result<MetricRun, StoreError> {
    Ok(MetricRun {
        run: row.text("run")?,
        dataset: row.text("dataset")?,
        measured_at: row.instant("measured_at")?,
        rows_checked: row.whole("rows_checked")?,
        rows_faulty: row.whole("rows_faulty")?,
        rows_held: row.whole("rows_held")?,
        rows_standing: row.whole("rows_standing")?,
        body: row.text("body")?,
    })
}
