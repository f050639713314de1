//! `yihe registry changes`: what builds changed in the golden table, entity by entity.

use anyhow::{Result, anyhow, bail};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    util::display::array_value_to_string,
};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use yihe_definitions::{Registry as Definition, Sensitivity};
use yihe_lake::CHANGE_COLUMN;
use yihe_registries::shape;

use super::masked;
use crate::{
    app::App,
    output::{Exit, Output, grouped},
};

/// Most changes that are listed.
const CHANGES_MAX: usize = 100_000;

/// The versions between which changes are asked for, and how many are listed.
pub struct Asked {
    /// Version from which on; the one before the newest when it is left out.
    pub since: Option<i64>,
    /// The newest when it is left out.
    pub until: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// Lists them by entity: values masked, those of protected people hidden.
pub async fn run(app: &App, registry: &Definition, asked: &Asked, output: &Output) -> Result<Exit> {
    if asked.limit > CHANGES_MAX {
        bail!("found --limit {}, expected at most {CHANGES_MAX} (至多列出 {CHANGES_MAX} 条)", asked.limit);
    }
    let table = shape::golden_table(registry)?;
    if !app.lake.exists(&table) {
        bail!("registry `{}` is not built yet, run `yihe registry build` (尚未建库)", registry.id);
    }
    let newest = app.lake.version(&table).await?;
    let until = asked.until.unwrap_or(newest);
    let since = asked.since.unwrap_or((until - 1).max(0));
    if !(0..=until).contains(&since) || until > newest {
        bail!("found versions {since} to {until}, expected two of 0 to {newest}, in order (版本应为 0 至 {newest})");
    }
    let mut stream = app.lake.changes(&table, since, until).await?;
    let (mut counts, mut changes) = ([0_u64; 3], Vec::new());
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let change = text(&batch, CHANGE_COLUMN, row)?.unwrap_or_default();
            let kind = ["insert", "update", "delete"].iter().position(|kind| *kind == change);
            counts[kind.ok_or_else(|| anyhow!("found change `{change}`, expected insert, update or delete"))?] += 1;
            if changes.len() < asked.limit {
                changes.push(line(registry, &batch, row, &change)?);
            }
        }
    }
    let [inserted, updated, deleted] = counts;
    for change in &changes {
        output.line(&format!(
            "{}  {}",
            change["change"].as_str().unwrap_or_default(),
            change["entity"].as_str().unwrap_or_default()
        ));
    }
    output.line(&format!(
        "{} {since} → {until}：{} {}，{} {}，{} {}",
        output.say("版本", "version"),
        output.say("新增", "inserted"),
        grouped(inserted),
        output.say("变更", "updated"),
        grouped(updated),
        output.say("删除", "deleted"),
        grouped(deleted),
    ));
    output.object(&json!({
        "registry": registry.id, "since": since, "until": until, "inserted": inserted, "updated": updated,
        "deleted": deleted, "changes": changes,
    }));
    Ok(Exit::Done)
}

fn line(registry: &Definition, batch: &RecordBatch, row: usize, change: &str) -> Result<Value> {
    let is_protected = batch
        .column_by_name(shape::PROTECTED)
        .is_some_and(|column| column.is_valid(row) && column.as_boolean().value(row));
    let mut fields = Map::new();
    for field in &registry.fields {
        let value = text(batch, &field.name, row)?;
        let sensitivity = if is_protected { Sensitivity::Hidden } else { field.sensitivity };
        fields.insert(field.name.clone(), value.map_or(Value::Null, |value| masked(sensitivity, &value).into()));
    }
    Ok(json!({
        "change": change, "entity": text(batch, shape::ENTITY, row)?, "protected": is_protected, "fields": fields,
    }))
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> Result<Option<String>> {
    let column = batch.column_by_name(name).ok_or_else(|| anyhow!("the golden table has no column `{name}`"))?;
    Ok(if column.is_null(row) { None } else { Some(array_value_to_string(column, row)?) })
}
