//! The newest quality figures of each dataset; their history stands in the lake.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use crate::{
    error::{StoreError, failed},
    row::{Cells as _, micros},
    store::Store,
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

impl Store {
    /// A dataset's figures; `None` before the first check.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_find(&self, dataset: &str) -> Result<Option<Metric>, StoreError> {
        let row = sqlx::query("SELECT * FROM metric WHERE dataset = $1")
            .bind(dataset)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("find a dataset's figures"))?;
        row.as_ref().map(read).transpose()
    }

    /// Every dataset's figures, by dataset.
    ///
    /// # Errors
    /// The database failed.
    pub async fn metric_list(&self) -> Result<Vec<Metric>, StoreError> {
        let rows = sqlx::query("SELECT * FROM metric ORDER BY dataset")
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list figures"))?;
        rows.iter().map(read).collect()
    }
}

impl Tx {
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
