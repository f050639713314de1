//! Lists faults with their history, a page at a time, and hides of them what the reader may not see.

use std::collections::BTreeMap;

use futures::StreamExt;
use yihe_definitions::{Dataset, Sensitivity};
use yihe_lake::{Lake, LakeError, Mask, Scan, TableName, Zone};

use crate::history::{FaultRecord, FaultState, NO_KEY, WHOLE_TABLE, from_batch};

/// Most faults of one page.
pub const PAGE_FAULTS_MAX: usize = 1_000;
/// Shown in place of a value that cannot be shown in part.
const HIDDEN: &str = "***";

/// What a list is narrowed to. Empty fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultFilter {
    /// Rule.
    pub rule: Option<String>,
    /// Where it stands.
    pub state: Option<FaultState>,
    /// What it means: `info`, `warn`, `hold`, `quarantine`; `hold` asks for every row that is held back.
    pub severity: Option<String>,
}

/// What of a fault a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every value: the department that answers for the data.
    Clear,
    /// Sensitive values masked as their columns say.
    Masked,
}

/// A fault as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFault {
    /// The history, its key and value as they may be seen.
    pub record: FaultRecord,
    /// The record's key, column by column; empty when it has none.
    pub key: Vec<(String, String)>,
    /// The columns looked at with the values found; `None`: empty.
    pub cells: Vec<(String, Option<String>)>,
}

impl FaultFilter {
    fn condition(&self) -> Option<String> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let mut parts = Vec::new();
        if let Some(rule) = &self.rule {
            parts.push(format!("rule = {}", quoted(rule)));
        }
        if let Some(state) = self.state {
            parts.push(format!("state = {}", quoted(state.as_str())));
        }
        if let Some(severity) = &self.severity {
            match severity.as_str() {
                "hold" => parts.push("severity IN ('hold', 'quarantine')".to_owned()),
                severity => parts.push(format!("severity = {}", quoted(severity))),
            }
        }
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }
}

/// Faults of a dataset from `offset` on, by bucket, rule and key; at most [`PAGE_FAULTS_MAX`].
///
/// # Errors
/// The lake failed.
pub async fn list(
    lake: &Lake,
    dataset: &str,
    filter: &FaultFilter,
    offset: usize,
    limit: usize,
) -> Result<Vec<FaultRecord>, LakeError> {
    let mut found = Vec::new();
    each(lake, dataset, filter, offset, limit.min(PAGE_FAULTS_MAX), |records| {
        found.extend(records);
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Hands every fault of a dataset to `take`, some thousands at a time, `limit` of them from `offset` on.
///
/// # Errors
/// The lake failed, or `take` did.
pub async fn each<E: From<LakeError>>(
    lake: &Lake,
    dataset: &str,
    filter: &FaultFilter,
    offset: usize,
    limit: usize,
    mut take: impl FnMut(Vec<FaultRecord>) -> Result<(), E>,
) -> Result<(), E> {
    let table = TableName::new(Zone::History, dataset)?;
    if !lake.exists(&table) {
        return Ok(());
    }
    let scan = Scan {
        filter_sql: filter.condition(),
        ordered: true,
        limit: Some(offset.saturating_add(limit)),
        ..Scan::default()
    };
    let mut stream = lake.scan(&table, scan).await?;
    let (mut skip, mut left) = (offset, limit);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let from = skip.min(batch.num_rows());
        skip -= from;
        let length = (batch.num_rows() - from).min(left);
        left -= length;
        if length > 0 {
            take(from_batch(&batch.slice(from, length)).unwrap_or_default())?;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// A fault as a reader of `sight` sees it.
#[must_use]
pub fn shown(dataset: &Dataset, mut record: FaultRecord, sight: Sight) -> ShownFault {
    let sensitivity = |name: &str| {
        let column = dataset.columns.iter().find(|column| column.name == name);
        column.map_or(Sensitivity::Plain, |column| column.sensitivity)
    };
    let hide = |name: &str, value: String| match (sight, mask_of(sensitivity(name))) {
        (Sight::Clear, _) | (Sight::Masked, None) => value,
        (Sight::Masked, Some(mask)) => mask.apply(&value).unwrap_or_else(|| HIDDEN.to_owned()),
    };
    let key: Vec<(String, String)> = if record.key == WHOLE_TABLE || record.key.starts_with(NO_KEY) {
        Vec::new()
    } else {
        let parts: Vec<String> = serde_json::from_str(&record.key).unwrap_or_default();
        dataset.key.iter().cloned().zip(parts).map(|(name, value)| (name.clone(), hide(&name, value))).collect()
    };
    let names: Vec<&str> = record.columns.split(", ").filter(|name| !name.is_empty()).collect();
    let cells: Vec<(String, Option<String>)> = match (names.as_slice(), &record.found) {
        ([], _) => Vec::new(),
        ([one], found) => vec![((*one).to_owned(), found.clone().map(|value| hide(one, value)))],
        (several, None) => several.iter().map(|name| ((*name).to_owned(), None)).collect(),
        (several, Some(found)) => {
            let values: Vec<&str> = found.split(", ").collect();
            // A value that holds a comma cannot be told from two values; then nothing sensitive is shown of it.
            let fits = values.len() == several.len();
            let any = several.iter().any(|name| mask_of(sensitivity(name)).is_some());
            if fits {
                let cells = several.iter().zip(values);
                let null = |value: &str| value == "NULL";
                cells
                    .map(|(name, value)| ((*name).to_owned(), (!null(value)).then(|| hide(name, value.to_owned()))))
                    .collect()
            } else {
                let all = if any && sight == Sight::Masked { HIDDEN.to_owned() } else { found.clone() };
                vec![(several.join(", "), Some(all))]
            }
        }
    };
    if !key.is_empty() {
        let parts: Vec<&str> = key.iter().map(|(_, value)| value.as_str()).collect();
        record.key = serde_json::to_string(&parts).expect("texts are always JSON");
    }
    if !names.is_empty() {
        let values: Vec<&str> = cells.iter().map(|(_, value)| value.as_deref().unwrap_or("NULL")).collect();
        record.found = record.found.is_some().then(|| values.join(", "));
    }
    ShownFault { record, key, cells }
}

/// The mask that a sensitivity calls for; `None` for plain values.
#[must_use]
pub fn mask_of(sensitivity: Sensitivity) -> Option<Mask> {
    match sensitivity {
        Sensitivity::Plain => None,
        Sensitivity::Name => Some(Mask::Name),
        Sensitivity::CitizenId => Some(Mask::CitizenId),
        Sensitivity::Phone => Some(Mask::Phone),
        Sensitivity::Account => Some(Mask::Account),
        Sensitivity::Address => Some(Mask::Address),
        Sensitivity::BirthDate => Some(Mask::BirthDate),
        Sensitivity::Hidden => Some(Mask::Hidden),
    }
}

/// A failing record as it was delivered, its bad cells marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRow {
    /// The fault.
    pub fault: ShownFault,
    /// Its cells in the order of the dataset's columns; empty when the delivery is no longer kept.
    pub cells: Vec<ShownCell>,
}

/// One cell of a failing record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCell {
    /// Column.
    pub column: String,
    /// Value as the reader may see it; `None`: empty.
    pub value: Option<String>,
    /// Whether the rule looked at it.
    pub is_bad: bool,
}

/// The records of some faults as they landed.
///
/// # Errors
/// The lake failed.
pub async fn rows(
    lake: &Lake,
    dataset: &Dataset,
    faults: Vec<FaultRecord>,
    sight: Sight,
) -> Result<Vec<ShownRow>, LakeError> {
    let landing = TableName::new(Zone::Landing, dataset.id.as_str())?;
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for fault in faults.iter().filter(|fault| fault.key != WHOLE_TABLE) {
        places.entry(&fault.batch).or_default().push(fault.row.to_string());
    }
    let mut found: BTreeMap<(String, i64), Vec<Option<String>>> = BTreeMap::new();
    if !places.is_empty() && lake.exists(&landing) {
        let columns = dataset.columns.iter().map(|column| column.name.clone());
        let condition: Vec<String> = places
            .iter()
            .map(|(batch, rows)| {
                format!("(_batch = '{}' AND _row IN ({}))", batch.replace('\'', "''"), rows.join(", "))
            })
            .collect();
        let scan = Scan {
            columns: Some(["_batch".to_owned(), "_row".to_owned()].into_iter().chain(columns).collect()),
            filter_sql: Some(condition.join(" OR ")),
            limit: Some(faults.len()),
            ..Scan::default()
        };
        let mut stream = lake.scan(&landing, scan).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let cells: Vec<Option<String>> =
                    batch.columns().iter().map(|column| crate::value::shown(column.as_ref(), row)).collect();
                let (Some(Some(batch)), Some(Some(number))) = (cells.first(), cells.get(1)) else { continue };
                if let Ok(number) = number.parse() {
                    found.insert((batch.clone(), number), cells[2..].to_vec());
                }
            }
        }
    }
    let rows = faults.into_iter().map(|fault| {
        let cells = found.get(&(fault.batch.clone(), fault.row)).cloned().unwrap_or_default();
        let fault = shown(dataset, fault, sight);
        let cells = dataset.columns.iter().zip(cells).map(|(column, value)| ShownCell {
            column: column.name.clone(),
            value: value.map(|value| match (sight, mask_of(column.sensitivity)) {
                (Sight::Clear, _) | (Sight::Masked, None) => value,
                (Sight::Masked, Some(mask)) => mask.apply(&value).unwrap_or_else(|| HIDDEN.to_owned()),
            }),
            is_bad: fault.cells.iter().any(|(name, _)| name.split(", ").any(|name| name == column.name)),
        });
        ShownRow { cells: cells.collect(), fault }
    });
    Ok(rows.collect())
}
