//! Conflicts of a registry as faults of the departments whose values lost: the registries count them, the tickets of
//! quality ask about them, and neither knows the other.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::{array::AsArray, compute::cast, datatypes::DataType};
use futures::StreamExt;
use serde_json::{Value, json};
use yihe_definitions::{Pack, Registry};
use yihe_lake::Scan;
use yihe_quality::tickets::{TicketChanges, Tickets, conflict_field};
use yihe_registries::{
    losers::{Loser, losers},
    shape,
};

use crate::app::App;

/// Moves the tickets of every member's department to where its conflicts stand.
pub async fn settle(app: &App, pack: &Pack, registry: &Registry, tickets: &Tickets) -> Result<TicketChanges> {
    let mut lost: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let table = shape::conflicts_table(registry)?;
    if app.lake.exists(&table) {
        let columns = Some(vec!["lost_from".to_owned(), "field".to_owned()]);
        let mut stream = app.lake.scan(&table, Scan { columns, ..Scan::default() }).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let text = |at: usize| cast(batch.column(at), &DataType::Utf8);
            let (datasets, fields) = (text(0)?, text(1)?);
            let (datasets, fields) = (datasets.as_string::<i32>(), fields.as_string::<i32>());
            for (dataset, field) in datasets.iter().zip(fields).filter_map(|(dataset, field)| dataset.zip(field)) {
                match lost.get_mut(dataset).and_then(|fields| fields.get_mut(field)) {
                    Some(count) => *count += 1,
                    None => *lost.entry(dataset.to_owned()).or_default().entry(field.to_owned()).or_default() += 1,
                }
            }
        }
    }
    let mut changes = TicketChanges::default();
    let mut seen: Vec<&str> = Vec::new();
    for member in &registry.members {
        let Some(dataset) = pack.dataset(&member.dataset).filter(|dataset| !seen.contains(&dataset.id.as_str())) else {
            continue;
        };
        seen.push(&dataset.id);
        let lost = lost.get(&dataset.id).cloned().unwrap_or_default();
        let now = app.clock.now();
        changes.add(tickets.after_build(&registry.id, dataset, &lost, &app.machine(), now).await?);
    }
    Ok(changes)
}

/// Rows behind a ticket on conflicts, `limit` at most: which row of which batch lost, and against whom.
pub async fn evidence(app: &App, pack: &Pack, dataset: &str, rule: &str, limit: usize) -> Result<Vec<Value>> {
    let Some((registry, field)) = conflict_field(rule) else { return Ok(Vec::new()) };
    let Some(registry) = pack.registry(registry) else { return Ok(Vec::new()) };
    let lost = losers(&app.lake, registry, field, dataset, limit).await?;
    let line =
        |loser: Loser| json!({ "rule": rule, "batch": loser.batch, "row": loser.row, "kept_from": loser.kept_from });
    Ok(lost.into_iter().map(line).collect())
}
