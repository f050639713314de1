//! The rows behind a conflict's ticket: which record of which batch lost a field, and against whom.
//!
//! Values stay in the golden record's own pages, where the reader states why they are wanted.

use arrow::{array::AsArray, compute::cast, datatypes::DataType};
use futures::StreamExt;
use yihe_definitions::Registry;
use yihe_lake::{Lake, LakeError, Scan};

use crate::{error::RegistryError, shape};

/// A row whose value lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loser {
    /// Batch in which the row was delivered.
    pub batch: String,
    /// Row of the batch, from 0.
    pub row: i64,
    /// Dataset whose value was kept.
    pub kept_from: String,
}

/// Rows of `dataset` whose value of `field` lost in the last build, at most `limit`, in no order. None before the first.
///
/// # Errors
/// [`RegistryError::Lake`], [`RegistryError::Spool`].
pub async fn losers(
    lake: &Lake,
    registry: &Registry,
    field: &str,
    dataset: &str,
    limit: usize,
) -> Result<Vec<Loser>, RegistryError> {
    let failed =
        |source: LakeError| RegistryError::Lake { action: "read conflicts", registry: registry.id.clone(), source };
    let table = shape::conflicts_table(registry).map_err(failed)?;
    if !lake.exists(&table) {
        return Ok(Vec::new());
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let scan = Scan {
        columns: Some(["lost_batch", "lost_row", "kept_from"].map(str::to_owned).to_vec()),
        filter_sql: Some(format!("field = {} AND lost_from = {}", quoted(field), quoted(dataset))),
        limit: Some(limit),
        ..Scan::default()
    };
    let mut stream = lake.scan(&table, scan).await.map_err(failed)?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        let unread = |source| RegistryError::Spool { registry: registry.id.clone(), source };
        let text = |at: usize| cast(batch.column(at), &DataType::Utf8).map_err(unread);
        let columns = [text(0)?, text(1)?, text(2)?];
        let cell = |at: usize, row: usize| columns[at].as_string::<i32>().value(row);
        found.extend((0..batch.num_rows()).map(|row| Loser {
            batch: cell(0, row).to_owned(),
            row: cell(1, row).parse().unwrap_or_default(),
            kept_from: cell(2, row).to_owned(),
        }));
    }
    found.truncate(limit);
    Ok(found)
}
