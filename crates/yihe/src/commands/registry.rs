//! `yihe registry build|show`

use std::path::PathBuf;

use anyhow::{Result, bail};
use arrow::{array::RecordBatch, util::display::array_value_to_string};
use futures::StreamExt;
use serde_json::{Value, json};
use yihe_definitions::{Pack, Registry as Definition, Sensitivity};
use yihe_lake::Scan;
use yihe_quality::fault_list::mask_of;
use yihe_registries::{BuildReport, key, shape, sight::key_sensitivity, what_if::FieldChange};

use crate::{
    app::App,
    cli::Registry,
    commands::ticket,
    output::{Exit, Output, grouped},
    sequence,
};

/// The command.
pub async fn run(app: &App, registry: Registry, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    match registry {
        Registry::Build { registries } => {
            let reports = build(app, &pack, &registries, output).await?;
            sequence::settle(app).await?;
            show(&pack, &reports, output);
            Ok(Exit::Done)
        }
        Registry::WhatIf { registry, field, authority } => {
            what_if(app, defined(&pack, &registry)?, &field, authority, output).await
        }
        Registry::Candidates { registry, threads, save_model } => {
            candidates(app, defined(&pack, &registry)?, threads, save_model, output).await
        }
        Registry::Show { registry, key } => provenance(app, &pack, &registry, &key, output).await,
    }
}

/// Builds the wanted registries, all of them when none is named.
pub async fn build(app: &App, pack: &Pack, wanted: &[String], output: &Output) -> Result<Vec<BuildReport>> {
    for name in wanted {
        defined(pack, name)?;
    }
    let builder = app.builder();
    let tickets = ticket::room(app, pack)?;
    let mut reports = Vec::new();
    for registry in pack.registries.iter().filter(|registry| wanted.is_empty() || wanted.contains(&registry.id)) {
        let progress =
            output.progress(&format!("{} {}", output.say("建库", "building"), registry.title.get(output.language)));
        let report = builder.build(registry).await.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
        // A value that somebody objected to may have changed with the build.
        let now = app.clock.now();
        let rechecked = tickets.recheck("registry", &registry.id, &app.machine(), now).await;
        rechecked.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
        progress.finish_and_clear();
        reports.push(report);
    }
    Ok(reports)
}

fn defined<'a>(pack: &'a Pack, name: &str) -> Result<&'a Definition> {
    let Some(registry) = pack.registry(name) else {
        let known: Vec<&str> = pack.registries.iter().map(|registry| registry.id.as_str()).collect();
        bail!("found no registry `{name}`, expected one of: {}", known.join(", "));
    };
    Ok(registry)
}

fn show(pack: &Pack, reports: &[BuildReport], output: &Output) {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let title = pack.registry(&report.registry).map_or("", |registry| registry.title.get(output.language));
            vec![
                title.to_owned(),
                grouped(report.records),
                grouped(report.entities),
                grouped(report.conflicts),
                grouped(report.unlinked),
                if report.unchanged { output.say("无变化", "unchanged").to_owned() } else { String::new() },
            ]
        })
        .collect();
    let headings = [
        output.say("基础库", "registry"),
        output.say("来源记录", "records"),
        output.say("实体", "entities"),
        output.say("冲突", "conflicts"),
        output.say("无可用主键", "unlinked"),
        output.say("说明", "remark"),
    ];
    output.table(&headings, &rows);
    let objects: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "registry": report.registry, "records": report.records, "entities": report.entities,
                "conflicts": report.conflicts, "unlinked": report.unlinked, "version": report.version,
                "unchanged": report.unchanged,
            })
        })
        .collect();
    output.object(&json!({ "registries": objects }));
}

/// Tries an order of authority and says what it would alter.
async fn what_if(
    app: &App,
    registry: &Definition,
    field: &str,
    authority: Vec<String>,
    output: &Output,
) -> Result<Exit> {
    let mut proposed = registry.clone();
    let known: Vec<&str> = registry.fields.iter().map(|field| field.name.as_str()).collect();
    let Some(changed) = proposed.fields.iter_mut().find(|other| other.name == field) else {
        bail!("found no field `{field}` in registry `{}`, expected one of: {}", registry.id, known.join(", "));
    };
    for dataset in &authority {
        let feeds = registry.members.iter().filter(|member| member.fields.contains_key(field));
        let feeding: Vec<&str> = feeds.map(|member| member.dataset.as_str()).collect();
        if !feeding.contains(&dataset.as_str()) {
            bail!("dataset `{dataset}` does not feed `{field}`, expected some of: {}", feeding.join(", "));
        }
    }
    changed.authority = authority;
    let progress = output.progress(output.say("预演", "trying"));
    let outcome = app
        .builder()
        .what_if(registry, &proposed)
        .await
        .map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    progress.finish_and_clear();
    let rows: Vec<Vec<String>> = outcome
        .fields
        .iter()
        .filter(|field| field.is_change())
        .map(|field| {
            vec![
                field.field.clone(),
                grouped(field.altered),
                grouped(field.gained),
                grouped(field.lost),
                grouped(field.moved),
            ]
        })
        .collect();
    if rows.is_empty() {
        output.line(output.say("没有任何值会改变。", "no value would change."));
    } else {
        let headings = [
            output.say("字段", "field"),
            output.say("值改变", "other value"),
            output.say("新有值", "gained"),
            output.say("失去值", "lost"),
            output.say("值同源异", "other source"),
        ];
        output.table(&headings, &rows);
    }
    let fields: Vec<_> = outcome
        .fields
        .iter()
        .map(|field| {
            json!({
                "field": field.field, "altered": field.altered, "gained": field.gained, "lost": field.lost,
                "moved": field.moved, "examples": examples(registry, field),
            })
        })
        .collect();
    output.object(&json!({ "registry": registry.id, "entities": outcome.entities, "fields": fields }));
    Ok(Exit::Done)
}

/// Entities that would change, masked as a page masks them: nobody named a purpose for seeing them.
fn examples(registry: &Definition, change: &FieldChange) -> Vec<Value> {
    let field = registry.fields.iter().find(|field| field.name == change.field);
    let sensitivity = field.map_or(Sensitivity::Hidden, |field| field.sensitivity);
    change
        .examples
        .iter()
        .map(|example| {
            json!({
                "key": masked(key_sensitivity(registry.entity), &example.key),
                "before": masked(sensitivity, &example.before), "before_from": example.before_from,
                "after": masked(sensitivity, &example.after), "after_from": example.after_from,
            })
        })
        .collect()
}

/// A value as it is shown to somebody who has stated no reason.
fn masked(sensitivity: Sensitivity, value: &str) -> String {
    match mask_of(sensitivity) {
        None => value.to_owned(),
        Some(mask) => mask.apply(value).unwrap_or_else(|| "***".to_owned()),
    }
}

/// Lists the likely entities of records without a usable key.
async fn candidates(
    app: &App,
    registry: &Definition,
    threads: usize,
    save_model: Option<PathBuf>,
    output: &Output,
) -> Result<Exit> {
    let progress = output.progress(output.say("查找候选", "looking for candidates"));
    let report = app
        .builder()
        .candidates(registry, threads)
        .await
        .map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    progress.finish_and_clear();
    if let (Some(path), Some(model)) = (save_model, &report.model) {
        yihe_linkage::document::save(&path, &yihe_linkage::document::model(model))?;
    }
    let none = report.unlinked - report.certain - report.doubtful;
    let rows = vec![vec![
        registry.title.get(output.language).to_owned(),
        grouped(report.unlinked),
        grouped(report.certain),
        grouped(report.doubtful),
        grouped(none),
    ]];
    let headings = [
        output.say("基础库", "registry"),
        output.say("无可用主键", "without a key"),
        output.say("可确定", "certain"),
        output.say("待核", "to be reviewed"),
        output.say("无候选", "no candidate"),
    ];
    output.table(&headings, &rows);
    output.object(&json!({
        "registry": report.registry, "unlinked": report.unlinked, "certain": report.certain,
        "doubtful": report.doubtful, "none": none,
    }));
    Ok(Exit::Done)
}

/// Values that lost against the golden record's, by field: the dataset, the value, the batch and row.
async fn losers(app: &App, registry: &Definition, key: &str) -> Result<Vec<[String; 5]>> {
    // A key that was found usable has letters and digits only, so it is safe between quotes.
    let scan = Scan { filter_sql: Some(format!("entity = '{}'", key.replace('\'', "''"))), ..Scan::default() };
    let mut stream = app.lake.scan(&shape::conflicts_table(registry)?, scan).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let cell = |name: &str| {
                batch.column_by_name(name).and_then(|array| array_value_to_string(array, row).ok()).unwrap_or_default()
            };
            found.push([cell("field"), cell("lost_from"), cell("lost"), cell("lost_batch"), cell("lost_row")]);
        }
    }
    found.sort();
    Ok(found)
}

/// Shows each field of a record with the dataset it was taken from. Sensitive values are hidden: whoever may see
/// them has a grant and asks through it.
async fn provenance(app: &App, pack: &Pack, registry: &str, text: &str, output: &Output) -> Result<Exit> {
    let registry = defined(pack, registry)?;
    let Some(key) = key::usable(registry.entity, text) else {
        bail!("found a key that does not add up, expected one of registry `{}` (主键校验不符)", registry.id);
    };
    let batches = app.lake.lookup(&shape::golden_table(registry)?, &[&key]).await?;
    let Some(record) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        output.line(output.say("没有这条记录。", "there is no such record."));
        output.object(&json!({ "found": false }));
        return Ok(Exit::Found);
    };
    let losers = losers(app, registry, &key).await?;
    let mut rows = Vec::new();
    let mut fields = Vec::new();
    for field in &registry.fields {
        let value = cell(record, &field.name);
        let from = cell(record, &shape::from_column(&field.name));
        let hidden = field.sensitivity != Sensitivity::Plain && value.is_some();
        let shown = if hidden { "***".to_owned() } else { value.unwrap_or_default() };
        let title = from.as_deref().and_then(|id| pack.dataset(id)).map(|dataset| dataset.title.get(output.language));
        let mut against = Vec::new();
        let mut said = Vec::new();
        for [_, dataset, value, batch, row] in losers.iter().filter(|loser| loser[0] == field.name) {
            let value = if field.sensitivity == Sensitivity::Plain { value.as_str() } else { "***" };
            let name = pack.dataset(dataset).map_or(dataset.as_str(), |dataset| dataset.title.get(output.language));
            said.push(format!("{name}: {value}"));
            against.push(json!({ "value": value, "from": dataset, "batch": batch, "row": row.parse::<i64>().ok() }));
        }
        rows.push(vec![
            field.title.get(output.language).to_owned(),
            shown.clone(),
            title.unwrap_or_default().to_owned(),
            said.join("; "),
        ]);
        fields.push(json!({ "field": field.name, "value": shown, "from": from, "lost": against }));
    }
    let headings = [
        output.say("字段", "field"),
        output.say("值", "value"),
        output.say("来源", "taken from"),
        output.say("落选", "lost"),
    ];
    output.table(&headings, &rows);
    output.object(&json!({ "found": true, "fields": fields }));
    Ok(Exit::Done)
}

fn cell(record: &RecordBatch, column: &str) -> Option<String> {
    let array = record.column_by_name(column)?;
    if array.is_null(0) {
        return None;
    }
    array_value_to_string(array, 0).ok()
}

/// The key of some record, for the demonstration.
pub async fn any_key(app: &App, registry: &Definition) -> Result<String> {
    let scan = Scan { columns: Some(vec![registry.key.clone()]), limit: Some(1), ordered: true, ..Scan::default() };
    let mut stream = app.lake.scan(&shape::golden_table(registry)?, scan).await?;
    while let Some(batch) = stream.next().await {
        if let Some(key) = cell(&batch?, &registry.key) {
            return Ok(key);
        }
    }
    bail!("registry `{}` has no record", registry.id)
}
