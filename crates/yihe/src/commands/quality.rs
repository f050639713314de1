//! `yihe quality …`

use anyhow::{Result, bail};
use serde_json::{Value, json};
use yihe_definitions::{Dataset, Language, Pack};
use yihe_quality::{
    Score,
    fault_list::{self, FaultFilter, ShownFault, Sight},
    figures::Figures,
    history::FaultState,
    overview::Overview,
    walk::Embargo,
};
use yihe_store::Role;

use crate::{
    app::App,
    cli::Quality,
    commands::ticket,
    output::{Exit, Output, grouped},
    sequence,
};

/// The command.
pub async fn run(app: &App, words: Quality, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    match words {
        Quality::Show { department } => show(app, &pack, department.as_deref(), output).await,
        Quality::Faults { dataset, rule, state, limit } => {
            let state = match state.as_str() {
                "all" => None,
                word => Some(FaultState::parse(word).ok_or_else(|| {
                    anyhow::anyhow!("found state `{word}`, expected open, excused, corrected, gone, withdrawn or all")
                })?),
            };
            let filter = FaultFilter { rule, state, severity: None };
            list(app, defined(&pack, &dataset)?, &filter, limit, output).await
        }
        Quality::Held { dataset, limit } => {
            let filter = FaultFilter { rule: None, state: Some(FaultState::Open), severity: Some("hold".to_owned()) };
            held(app, &pack, defined(&pack, &dataset)?, &filter, limit, output).await
        }
        Quality::Release { dataset, reason } => release(app, &pack, defined(&pack, &dataset)?, &reason, output).await,
        Quality::History { dataset } => history(app, defined(&pack, &dataset)?, output).await,
    }
}

async fn show(app: &App, pack: &Pack, department: Option<&str>, output: &Output) -> Result<Exit> {
    let overview = Overview::read(&app.store, pack).await?;
    let scheme = pack.scheme();
    let mut rows = Vec::new();
    let mut line = |kind: &str, name: String, score: &Score, open: Option<u64>| {
        let grade = score.value.and_then(|value| scheme.grade(value)).map(|grade| grade.title.get(output.language));
        rows.push(vec![
            kind.to_owned(),
            name,
            score.value.map_or_else(|| "–".to_owned(), |value| format!("{:.2}", (value * 100.0).floor() / 100.0)),
            grade.unwrap_or_default().to_owned(),
            grouped(score.rows),
            open.map(grouped).unwrap_or_default(),
        ]);
    };
    let all: u64 = overview.datasets.values().map(|dataset| dataset.open).sum();
    if department.is_none() {
        line(output.say("全市", "city"), String::new(), &overview.city, Some(all));
        for (id, score) in &overview.departments {
            let name = pack.department(id).map_or(id.as_str(), |known| known.name.get(output.language));
            line(output.say("部门", "department"), name.to_owned(), score, None);
        }
        for (code, score) in &overview.counties {
            let known = pack.departments.iter().find(|known| known.division.as_deref() == Some(code));
            let name = known.map_or(code.as_str(), |known| known.name.get(output.language));
            line(output.say("县区", "county"), name.to_owned(), score, None);
        }
    }
    for (id, dataset) in &overview.datasets {
        let Some(known) = pack.dataset(id) else { continue };
        if department.is_none_or(|department| department == known.department) {
            let name = known.title.get(output.language).to_owned();
            line(output.say("数据集", "dataset"), name, &dataset.score, Some(dataset.open));
        }
    }
    let headings = [
        output.say("层级", "level"),
        output.say("名称", "name"),
        output.say("得分", "score"),
        output.say("等级", "grade"),
        output.say("行", "rows"),
        output.say("未更正", "standing"),
    ];
    output.table(&headings, &rows);
    let datasets: Vec<Value> = overview
        .datasets
        .iter()
        .map(|(id, dataset)| {
            json!({ "dataset": id, "score": dataset.score, "rows": dataset.rows, "open": dataset.open })
        })
        .collect();
    output.object(&json!({
        "city": overview.city, "departments": overview.departments, "counties": overview.counties,
        "datasets": datasets, "open": all,
    }));
    Ok(Exit::Done)
}

fn defined<'a>(pack: &'a Pack, id: &str) -> Result<&'a Dataset> {
    let Some(dataset) = pack.dataset(id) else {
        bail!("found no dataset `{id}` in the packs in force (没有此数据集)")
    };
    Ok(dataset)
}

/// What is held back: a delivery as a whole, and rows.
async fn held(
    app: &App,
    pack: &Pack,
    dataset: &Dataset,
    filter: &FaultFilter,
    limit: usize,
    output: &Output,
) -> Result<Exit> {
    let kept_out = app.walk(pack)?.kept_out(dataset).await?;
    if let Some(embargo) = &kept_out {
        output.line(&format!(
            "{} {:.0}，{} {}",
            output.say("整批拦截自", "a delivery is kept out since"),
            embargo.row.began_at,
            output.say("行数", "rows"),
            grouped(u64::try_from(embargo.row.rows_kept_out).unwrap_or(0)),
        ));
        for reason in &embargo.reasons {
            output.line(&format!("  {}", reason.sentence(dataset).get(output.language)));
        }
        let hint = output.say("放行", "to let it in");
        output.line(&format!("  {hint}: yihe quality release {} --reason …", dataset.id));
    }
    let shown = faults(app, dataset, filter, limit).await?;
    if !shown.is_empty() {
        output.table(&fault_headings(output), &fault_rows(&shown));
    } else if kept_out.is_none() {
        output.line(output.say("没有。", "none."));
    }
    output.object(&json!({
        "kept_out": kept_out.as_ref().map(|embargo| embargo_object(dataset, embargo)),
        "faults": shown.iter().map(fault_object).collect::<Vec<_>>(),
    }));
    Ok(Exit::Done)
}

fn embargo_object(dataset: &Dataset, embargo: &Embargo) -> Value {
    let reasons: Vec<Value> = embargo
        .reasons
        .iter()
        .map(|reason| {
            let sentence = reason.sentence(dataset);
            json!({
                "rule": reason.rule, "evaluated": reason.evaluated, "failed": reason.failed, "found": reason.found(),
                "above_percent": reason.above_percent,
                "zh": sentence.get(Language::Zh), "en": sentence.get(Language::En),
            })
        })
        .collect();
    json!({
        "id": embargo.row.id, "state": embargo.row.state, "since": embargo.row.began_at.to_string(),
        "batches": embargo.batches, "rows": embargo.row.rows_kept_out, "reasons": reasons,
        "statement": embargo.row.statement, "decided_by": embargo.row.ended_by,
    })
}

/// The authority lets a delivery in that is kept out, and it is taken in at once.
async fn release(app: &App, pack: &Pack, dataset: &Dataset, reason: &str, output: &Output) -> Result<Exit> {
    let actor = ticket::acting(app, &app.config.authority, Role::Reviewer).await?;
    let walk = app.walk(pack)?;
    let released = walk.release(dataset, reason, &actor).await;
    let released = released.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    let report = walk.check(pack, dataset).await.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
    sequence::settle(app).await?;
    output.line(&format!(
        "{} {}，{} {}",
        output.say("已放行，入库行数", "let in; rows taken in"),
        grouped(report.accepted),
        output.say("决定人", "decided by"),
        released.row.ended_by.as_deref().unwrap_or_default(),
    ));
    output.object(&json!({ "released": embargo_object(dataset, &released), "accepted": report.accepted }));
    Ok(Exit::Done)
}

async fn list(app: &App, dataset: &Dataset, filter: &FaultFilter, limit: usize, output: &Output) -> Result<Exit> {
    let shown = faults(app, dataset, filter, limit).await?;
    if shown.is_empty() {
        output.line(output.say("没有。", "none."));
    } else {
        output.table(&fault_headings(output), &fault_rows(&shown));
    }
    output.object(&json!({ "faults": shown.iter().map(fault_object).collect::<Vec<_>>() }));
    Ok(Exit::Done)
}

async fn faults(app: &App, dataset: &Dataset, filter: &FaultFilter, limit: usize) -> Result<Vec<ShownFault>> {
    let found = fault_list::list(&app.lake, &dataset.id, filter, 0, limit).await?;
    Ok(found.into_iter().map(|record| fault_list::shown(dataset, record, Sight::Masked)).collect())
}

/// Headings of [`fault_rows`].
pub fn fault_headings(output: &Output) -> [&'static str; 7] {
    match output.language {
        Language::Zh => ["规则", "主键", "发现的值", "状态", "首次发现", "最近发现", "批次:行"],
        Language::En => ["rule", "key", "found", "state", "first seen", "last seen", "batch:row"],
    }
}

/// Faults as lines of a table.
pub fn fault_rows(faults: &[ShownFault]) -> Vec<Vec<String>> {
    faults
        .iter()
        .map(|fault| {
            let key: Vec<&str> = fault.key.iter().map(|(_, value)| value.as_str()).collect();
            vec![
                fault.record.rule.clone(),
                if key.is_empty() { fault.record.key.clone() } else { key.join(" ") },
                fault.record.found.clone().unwrap_or_default(),
                fault.record.state.as_str().to_owned(),
                instant(fault.record.first_seen_at),
                instant(fault.record.last_seen_at),
                format!("{}:{}", fault.record.batch, fault.record.row),
            ]
        })
        .collect()
}

/// A fault as JSON.
pub fn fault_object(fault: &ShownFault) -> Value {
    let record = &fault.record;
    json!({
        "rule": record.rule, "key": record.key, "state": record.state.as_str(), "severity": record.severity,
        "columns": record.columns, "found": record.found, "batch": record.batch, "row": record.row,
        "first_seen_at": instant(record.first_seen_at), "last_seen_at": instant(record.last_seen_at),
        "opened_at": instant(record.opened_at), "returned_at": record.returned_at.map(instant),
        "ended_at": record.ended_at.map(instant), "times": record.times,
    })
}

fn instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |at| format!("{at:.0}"))
}

async fn history(app: &App, dataset: &Dataset, output: &Output) -> Result<Exit> {
    let mut runs = app.store.metric_run_list(Some(&dataset.id), 0, yihe_store::PAGE_ROWS_MAX).await?;
    runs.reverse();
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for run in &runs {
        let figures = Figures::read(run);
        let sum = |of: &dyn Fn(&yihe_quality::history::Tally) -> u64| -> u64 {
            figures.metrics.iter().map(|metric| of(&metric.tally)).sum()
        };
        let (new, corrected) = (sum(&|tally| tally.new), sum(&|tally| tally.corrected));
        let (reopened, open) = (sum(&|tally| tally.reopened), sum(&|tally| tally.open));
        rows.push(vec![
            format!("{:.0}", run.measured_at),
            grouped(u64::try_from(run.rows_checked).unwrap_or(0)),
            grouped(new),
            grouped(reopened),
            grouped(corrected),
            grouped(open),
        ]);
        objects.push(json!({
            "run": run.run, "measured_at": run.measured_at.to_string(), "rows": run.rows_checked,
            "faulty": run.rows_faulty, "held": run.rows_held, "standing": run.rows_standing, "new": new,
            "reopened": reopened, "corrected": corrected, "open": open, "figures": figures,
        }));
    }
    let headings = [
        output.say("检查时间", "checked at"),
        output.say("行", "rows"),
        output.say("新发现", "new"),
        output.say("复现", "came back"),
        output.say("已更正", "corrected"),
        output.say("未更正", "standing"),
    ];
    output.table(&headings, &rows);
    output.object(&json!({ "dataset": dataset.id, "checks": objects }));
    Ok(Exit::Done)
}
