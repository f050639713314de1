//! `yihe registry build|show|what-if|candidates` and, in files of their own, changes and decisions.

mod changes;
mod decide;

use std::path::PathBuf;

use anyhow::{Result, bail};
use arrow::{array::RecordBatch, util::display::array_value_to_string};
use futures::StreamExt;
use serde_json::{Value, json};
use yihe_definitions::{Language, Pack, Registry as Definition, Sensitivity};
use yihe_lake::Scan;
use yihe_quality::fault_list::mask_of;
use yihe_registries::{
    BuildReport, HashedCount, How,
    identity::is_entity_id,
    key, shape,
    sight::key_sensitivity,
    what_if::FieldChange,
    why::{self, Reason},
};

use crate::{
    app::App,
    cli::Registry,
    commands::ticket,
    conflicts,
    output::{Exit, Output, grouped, warn},
    sequence,
};

/// The command.
pub async fn run(app: &App, registry: Registry, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    match registry {
        Registry::Build { registries, full } => {
            let reports = build_from(app, &pack, &registries, full, output).await?;
            sequence::settle(app).await?;
            show(&pack, &reports, output);
            let alarming = reports.iter().flat_map(|report| &report.hashed).any(HashedCount::is_alarming);
            Ok(if alarming { Exit::Found } else { Exit::Done })
        }
        Registry::WhatIf { registry, field, authority } => {
            what_if(app, defined(&pack, &registry)?, &field, authority, output).await
        }
        Registry::Candidates { registry, threads, save_model } => {
            candidates(app, defined(&pack, &registry)?, threads, save_model, output).await
        }
        Registry::Changes { registry, since, until, limit } => {
            let asked = changes::Asked { since, until, limit };
            changes::run(app, defined(&pack, &registry)?, &asked, output).await
        }
        Registry::Decide { registry, what } => decide::decide(app, defined(&pack, &registry)?, what, output).await,
        Registry::Revoke { registry, decision, reason } => {
            decide::revoke(app, defined(&pack, &registry)?, &decision, &reason, output).await
        }
        Registry::Decisions { registry, all, limit } => {
            decide::decisions(app, defined(&pack, &registry)?, all, limit, output).await
        }
        Registry::Join { registry } => decide::join(app, defined(&pack, &registry)?, output).await,
        Registry::Protect { registry, key, basis, until } => {
            decide::protect(app, defined(&pack, &registry)?, &key, &basis, until.as_deref(), output).await
        }
        Registry::Unprotect { registry, key } => decide::unprotect(app, defined(&pack, &registry)?, &key, output).await,
        Registry::Show { registry, key } => provenance(app, &pack, &registry, &key, output).await,
    }
}

/// Builds the wanted registries, all of them when none is named.
pub async fn build(app: &App, pack: &Pack, wanted: &[String], output: &Output) -> Result<Vec<BuildReport>> {
    build_from(app, pack, wanted, false, output).await
}

/// As [`build`], from nothing where `full` asks for it.
async fn build_from(
    app: &App,
    pack: &Pack,
    wanted: &[String],
    full: bool,
    output: &Output,
) -> Result<Vec<BuildReport>> {
    for name in wanted {
        defined(pack, name)?;
    }
    let builder = app.builder();
    let tickets = ticket::room(app, pack)?;
    let mut reports = Vec::new();
    for registry in pack.registries.iter().filter(|registry| wanted.is_empty() || wanted.contains(&registry.id)) {
        let progress =
            output.progress(&format!("{} {}", output.say("建库", "building"), registry.title.get(output.language)));
        let report = if full { builder.rebuild(registry).await } else { builder.build(registry).await };
        let report = report.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
        // A value that somebody objected to may have changed with the build.
        let now = app.clock.now();
        let rechecked = tickets.recheck("registry", &registry.id, &app.machine(), now).await;
        rechecked.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
        conflicts::settle(app, pack, registry, &tickets).await.map_err(|error| {
            error.context(output.say("冲突工单更新失败", "failed to move the tickets of conflicts"))
        })?;
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
                remark(&report.how, output),
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
    for count in reports.iter().flat_map(|report| &report.hashed).filter(|count| count.is_alarming()) {
        warn(&match output.language {
            Language::Zh => format!(
                "{} 送来 {} 条杂凑号码，无一可识别：多半是双方密钥或算法不同，请与该部门核对",
                count.dataset, count.records
            ),
            Language::En => format!(
                "none of the {} hashed numbers of {} is of anybody known: most likely the department hashed under \
                 another key or algorithm; compare them with it",
                count.records, count.dataset
            ),
        });
    }
    let objects: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "registry": report.registry, "records": report.records, "entities": report.entities,
                "conflicts": report.conflicts, "unlinked": report.unlinked, "version": report.version,
                "unchanged": report.unchanged, "how": how(&report.how),
                "hashed": report.hashed.iter().map(|count| json!({
                    "dataset": count.dataset, "records": count.records, "recognised": count.recognised,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    output.object(&json!({ "registries": objects }));
}

fn remark(how: &How, output: &Output) -> String {
    match how {
        How::Unchanged => output.say("无变化", "unchanged").to_owned(),
        How::Changes { records, decisions, entities } => format!(
            "{} {} / {} / {}",
            output.say("按变化：记录、认定、实体", "from changes: records, decisions, entities"),
            grouped(*records),
            grouped(*decisions),
            grouped(*entities),
        ),
        How::Full(why) => format!("{}{}", output.say("全量：", "from nothing: "), why.words(output.language)),
    }
}

fn how(how: &How) -> Value {
    match how {
        How::Unchanged => json!({ "from": "nothing_changed" }),
        How::Changes { records, decisions, entities } => {
            json!({ "from": "changes", "records": records, "decisions": decisions, "entities": entities })
        }
        How::Full(why) => json!({ "from": "nothing", "why": why.to_string() }),
    }
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
        grouped(report.doubles),
    ]];
    let headings = [
        output.say("基础库", "registry"),
        output.say("无可用主键", "without a key"),
        output.say("可确定", "certain"),
        output.say("待核", "to be reviewed"),
        output.say("无候选", "no candidate"),
        output.say("疑似同一实体", "entities likely one"),
    ];
    output.table(&headings, &rows);
    output.object(&json!({
        "registry": report.registry, "unlinked": report.unlinked, "certain": report.certain,
        "doubtful": report.doubtful, "none": none, "doubles": report.doubles, "entities_laid": report.laid,
    }));
    Ok(Exit::Done)
}

/// Shows each field of a record with the dataset it was taken from, and the values that lost. Sensitive values are
/// hidden, of a protected person all: whoever may see them has a grant and asks through it.
async fn provenance(app: &App, pack: &Pack, registry: &str, text: &str, output: &Output) -> Result<Exit> {
    let registry = defined(pack, registry)?;
    if !is_entity_id(text) && key::usable(registry.entity, text).is_none() {
        bail!("found a key that does not add up, expected one of registry `{}` (主键校验不符)", registry.id);
    }
    let found = why::golden(&app.lake, &app.store, registry, text).await;
    let found = found.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    let Some(why) = found else {
        output.line(output.say("没有这条记录。", "there is no such record."));
        output.object(&json!({ "found": false }));
        return Ok(Exit::Found);
    };
    let dataset =
        |id: &str| pack.dataset(id).map_or(id.to_owned(), |known| known.title.get(output.language).to_owned());
    let mut rows = Vec::new();
    let mut fields = Vec::new();
    for (field, shown) in registry.fields.iter().zip(&why.fields) {
        let hidden = why.protected || field.sensitivity != Sensitivity::Plain;
        let mask = |value: &str| if hidden { "***".to_owned() } else { value.to_owned() };
        let value = shown.value.as_deref().map(mask).unwrap_or_default();
        let mut said = Vec::new();
        let mut lost = Vec::new();
        for loser in &shown.losers {
            let value = mask(&loser.value);
            said.push(format!("{}: {value}（{}）", dataset(&loser.dataset), reason(loser.reason, output)));
            lost.push(json!({
                "value": value, "from": loser.dataset, "changed_on": loser.changed_on, "batch": loser.batch,
                "row": loser.row, "arrived_at": loser.arrived_at, "reason": loser.reason,
            }));
        }
        rows.push(vec![
            shown.title.get(output.language).to_owned(),
            value.clone(),
            shown.from.as_deref().map(dataset).unwrap_or_default(),
            shown.changed_on.clone().unwrap_or_default(),
            shown.arrived_at.as_deref().map(|at| at.chars().take(10).collect()).unwrap_or_default(),
            said.join("; "),
        ]);
        fields.push(json!({
            "field": shown.field, "value": value, "from": shown.from, "changed_on": shown.changed_on,
            "batch": shown.batch, "row": shown.row, "arrived_at": shown.arrived_at, "group": shown.group, "lost": lost,
        }));
    }
    let headings = [
        output.say("字段", "field"),
        output.say("值", "value"),
        output.say("来源", "taken from"),
        output.say("变更日期", "changed on"),
        output.say("到达日期", "arrived on"),
        output.say("落选", "lost"),
    ];
    output.table(&headings, &rows);
    let records: Vec<_> = why
        .records
        .iter()
        .map(|record| {
            json!({ "dataset": record.dataset, "batch": record.batch, "row": record.row, "joined_by": record.joined_by })
        })
        .collect();
    let decisions: Vec<_> = why
        .decisions
        .iter()
        .map(|decision| {
            json!({
                "id": decision.id, "kind": decision.kind, "decided_by": decision.decided_by,
                "decided_at": decision.decided_at, "probability": decision.probability,
                "revoked_at": decision.revoked_at,
            })
        })
        .collect();
    output.object(&json!({
        "found": true, "entity": why.entity, "standing": why.standing, "protected": why.protected,
        "merged_keys": why.other_keys.len(), "fields": fields, "records": records, "decisions": decisions,
    }));
    Ok(Exit::Done)
}

fn reason(reason: Reason, output: &Output) -> &'static str {
    match reason {
        Reason::LowerAuthority => output.say("数源次序在后", "believed later"),
        Reason::TooOld => output.say("超过时效", "too old"),
        Reason::Older => output.say("同源有更新记录", "the same dataset has a later record"),
        Reason::Group => output.say("同组取自他处", "its group was taken elsewhere"),
        Reason::NotListed => output.say("不在数源之列", "may not supply it"),
    }
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
    let scan = Scan {
        columns: Some(vec![registry.key.clone()]),
        filter_sql: Some(format!("NOT {}", shape::PROTECTED)),
        limit: Some(1),
        ordered: true,
        ..Scan::default()
    };
    let mut stream = app.lake.scan(&shape::golden_table(registry)?, scan).await?;
    while let Some(batch) = stream.next().await {
        if let Some(key) = cell(&batch?, &registry.key) {
            return Ok(key);
        }
    }
    bail!("registry `{}` has no record", registry.id)
}
