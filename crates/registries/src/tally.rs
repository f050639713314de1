//! How many values of each field each dataset supplied, and how many of its values lost (一数一源的占比).

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
    error::ArrowError,
};
use futures::StreamExt;
use yihe_definitions::Registry;
use yihe_lake::{Lake, LakeError, QueryTable, TableName};

use crate::{
    candidates::{CERTAIN_FROM, candidates_table},
    error::RegistryError,
    shape,
};

/// Counts of a registry, by field and dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Values taken: field, dataset → number.
    pub taken: BTreeMap<(String, String), u64>,
    /// Values that differ from the one kept: field, dataset → number.
    pub lost: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Values of a field that were taken, from any dataset.
    #[must_use]
    pub fn filled(&self, field: &str) -> u64 {
        of_field(&self.taken, field)
    }

    /// Values of a field that lost, of any dataset.
    #[must_use]
    pub fn conflicts(&self, field: &str) -> u64 {
        of_field(&self.lost, field)
    }
}

fn of_field(counts: &BTreeMap<(String, String), u64>, field: &str) -> u64 {
    counts.iter().filter(|((name, _), _)| name == field).map(|(_, number)| number).sum()
}

/// Counts the golden table and the conflicts as they are now; reads one column for each field.
///
/// # Errors
/// [`RegistryError::Lake`], [`RegistryError::Spool`].
pub async fn tally(lake: &Lake, registry: &Registry) -> Result<Tally, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "count values", registry: registry.id.clone(), source };
    let golden = shape::golden_table(registry).map_err(failed)?;
    let conflicts = shape::conflicts_table(registry).map_err(failed)?;
    let of_field = |field: &yihe_definitions::Field| {
        let from = shape::from_column(&field.name);
        // Names of fields are identifiers: letters, digits, underscores.
        format!(
            "SELECT '{0}' AS field, \"{from}\" AS dataset, count(*) AS n FROM golden \
             WHERE \"{from}\" IS NOT NULL GROUP BY \"{from}\"",
            field.name
        )
    };
    let all = registry.fields.iter().map(of_field).collect::<Vec<_>>().join(" UNION ALL ");
    let taken =
        if registry.fields.is_empty() { BTreeMap::new() } else { counted(lake, registry, &all, golden).await? };
    let lost = "SELECT field, lost_from AS dataset, count(*) AS n FROM golden GROUP BY field, lost_from";
    let lost = counted(lake, registry, lost, conflicts).await?;
    Ok(Tally { taken, lost })
}

/// Records without a usable number for which an entity is likely and not certain: they wait for a person.
/// `None`: candidates were not looked for yet.
///
/// # Errors
/// [`RegistryError::Lake`], [`RegistryError::Spool`].
pub async fn doubtful(lake: &Lake, registry: &Registry) -> Result<Option<u64>, RegistryError> {
    let failed = |source| RegistryError::Lake { action: "count candidates", registry: registry.id.clone(), source };
    let table = candidates_table(registry).map_err(failed)?;
    if !lake.exists(&table) {
        return Ok(None);
    }
    let sql = format!(
        "SELECT 'all' AS field, 'all' AS dataset, count(*) AS n FROM golden \
         WHERE probability > 0.01 AND probability < {CERTAIN_FROM}"
    );
    Ok(Some(counted(lake, registry, &sql, table).await?.into_values().sum()))
}

async fn counted(
    lake: &Lake,
    registry: &Registry,
    sql: &str,
    table: TableName,
) -> Result<BTreeMap<(String, String), u64>, RegistryError> {
    let mut found = BTreeMap::new();
    if !lake.exists(&table) {
        return Ok(found);
    }
    let failed =
        |source: LakeError| RegistryError::Lake { action: "count values", registry: registry.id.clone(), source };
    let spool_failed = |source: ArrowError| RegistryError::Spool { registry: registry.id.clone(), source };
    let mut stream = lake.query(sql, &[QueryTable::newest("golden", table)], Vec::new()).await.map_err(failed)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        let text = |column: usize| cast(batch.column(column), &DataType::Utf8).map_err(spool_failed);
        let (fields, datasets) = (text(0)?, text(1)?);
        let numbers = cast(batch.column(2), &DataType::Int64).map_err(spool_failed)?;
        let (fields, datasets) = (fields.as_string::<i32>(), datasets.as_string::<i32>());
        for row in 0..batch.num_rows() {
            let number = u64::try_from(numbers.as_primitive::<Int64Type>().value(row)).unwrap_or(0);
            if datasets.is_valid(row) {
                *found.entry((fields.value(row).to_owned(), datasets.value(row).to_owned())).or_default() += number;
            }
        }
    }
    Ok(found)
}
