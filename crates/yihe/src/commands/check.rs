//! `yihe check`

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use yihe_definitions::Pack;
use yihe_quality::{
    Baseline, QualityError,
    file_check::{CheckOptions, RuleFile, check_files},
    tickets::TicketChanges,
    walk::{CheckReport, Engine},
};
use yihe_vocabulary::{Clock, SystemClock};

use crate::{
    app::App,
    cli::Check,
    commands::collect,
    output::{Exit, Output, grouped},
    sequence,
};

/// Checks what landed.
pub async fn datasets(app: &App, wanted: &[String], output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    collect::known(&pack, wanted)?;
    let began = Instant::now();
    let reports = check(app, &pack, wanted, output).await?;
    sequence::settle(app).await?;
    let mut rows = Vec::new();
    for report in reports.iter().filter(|report| report.batches > 0) {
        let title = pack.dataset(&report.dataset).map_or("", |dataset| dataset.title.get(output.language));
        rows.push(vec![
            title.to_owned(),
            grouped(report.rows),
            grouped(report.accepted),
            grouped(report.held),
            grouped(report.faulty),
            worst(report),
        ]);
    }
    for report in reports.iter().filter(|report| !report.kept_out.is_empty()) {
        let Some(dataset) = pack.dataset(&report.dataset) else { continue };
        let title = dataset.title.get(output.language);
        output.line(&format!("{title}：{}", output.say("整批拦截，未入库", "the delivery is kept out as a whole")));
        for reason in &report.kept_out {
            output.line(&format!("  {}", reason.sentence(dataset).get(output.language)));
        }
    }
    if rows.is_empty() {
        output.line(output.say("没有待检查的批次。", "nothing waits to be checked."));
    }
    let headings = [
        output.say("数据集", "dataset"),
        output.say("行", "rows"),
        output.say("通过", "accepted"),
        output.say("扣留", "held"),
        output.say("有问题", "faulty"),
        output.say("最差规则", "worst rule"),
    ];
    if !rows.is_empty() {
        output.table(&headings, &rows);
        let tickets = tickets(&reports);
        output.line(&format!(
            "{} {}，{} {}，{} {}，{} {}",
            output.say("工单：新开", "tickets: opened"),
            tickets.opened,
            output.say("重开", "opened again"),
            tickets.reopened,
            output.say("复核办结", "closed by themselves"),
            tickets.closed,
            output.say("待办", "open"),
            tickets.open,
        ));
    }
    let objects: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "dataset": report.dataset, "batches": report.batches, "rows": report.rows, "accepted": report.accepted,
                "held": report.held, "faulty": report.faulty, "rules": report.metrics,
                "faults": report.followed.tallies, "tickets": report.tickets, "kept_out": report.kept_out,
            })
        })
        .collect();
    output.object(&json!({ "datasets": objects, "seconds": began.elapsed().as_secs_f64() }));
    Ok(Exit::Done)
}

/// Checks the wanted datasets, all of them when none is named, in the order of the pack.
pub async fn check(app: &App, pack: &Pack, wanted: &[String], output: &Output) -> Result<Vec<CheckReport>> {
    let walk = app.walk(pack)?;
    let chosen: Vec<_> =
        pack.datasets.iter().filter(|dataset| wanted.is_empty() || wanted.contains(&dataset.id)).collect();
    let bar = output.bar(output.say("检查", "checking"), chosen.len() as u64);
    let mut reports = Vec::with_capacity(chosen.len());
    for dataset in chosen {
        let report =
            walk.check(pack, dataset).await.map_err(|error| anyhow::anyhow!(error.message(output.language)))?;
        reports.push(report);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(reports)
}

/// What the checks did to tickets, in all.
pub fn tickets(reports: &[CheckReport]) -> TicketChanges {
    let mut all = TicketChanges::default();
    for report in reports {
        all.add(report.tickets);
    }
    all
}

/// The rule that most rows fail.
fn worst(report: &CheckReport) -> String {
    let worst = report.metrics.iter().filter(|metric| metric.failed > 0).max_by_key(|metric| metric.failed);
    worst.map_or_else(String::new, |metric| format!("{} ({})", metric.id, grouped(metric.failed)))
}

/// Checks files by themselves.
pub fn files(check: &Check, output: &Output) -> Result<Exit> {
    let rules = check.rules.as_ref().expect("the caller asked for rules");
    let told = |error: QualityError| anyhow!(error.message(output.language));
    let ready = Pack::from_files(&[crate::packs::base()])?;
    let rules = RuleFile::read(rules, &ready).map_err(told)?;
    let paths: Vec<PathBuf> = check.subjects.iter().map(PathBuf::from).collect();
    let mut options = CheckOptions::new(SystemClock.now());
    options.threads = check.threads;
    options.predicates = Some(&Engine);
    options.delimiter = match check.delimiter {
        None => None,
        Some(character) if character.is_ascii() => u8::try_from(character).ok(),
        Some(character) => {
            bail!("found the separator `{character}`, expected one ASCII character (分隔符应为一个半角字符)")
        }
    };
    let before = check.before.as_deref().map(figures).transpose()?.flatten();
    options.baseline = before.as_ref();
    let began = Instant::now();
    let report = check_files(&paths, &rules, check.faults.as_deref(), &options).map_err(told)?;
    if let Some(path) = &check.before {
        let written = serde_json::to_vec_pretty(&report.baseline)?;
        std::fs::write(path, written).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let rows: Vec<Vec<String>> = report
        .rules
        .iter()
        .map(|metric| {
            let share = metric.value.map_or_else(String::new, |value| format!("{:.4}%", value * 100.0));
            vec![metric.id.clone(), metric.kind.to_owned(), grouped(metric.evaluated), grouped(metric.failed), share]
        })
        .collect();
    output.line(&format!("{} {}", output.say("行数", "rows"), grouped(report.rows)));
    let headings = [
        output.say("规则", "rule"),
        output.say("类型", "kind"),
        output.say("评价", "evaluated"),
        output.say("不符", "failed"),
        output.say("合格率", "passed"),
    ];
    output.table(&headings, &rows);
    let mut object = serde_json::to_value(&report)?;
    object["seconds"] = began.elapsed().as_secs_f64().into();
    output.object(&object);
    let failed = report.rules.iter().any(|metric| metric.failed > 0);
    Ok(if failed { Exit::Found } else { Exit::Done })
}

/// The figures of the version before; `None` before there is one.
fn figures(path: &Path) -> Result<Option<Baseline>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let figures = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} holds no figures of an earlier check (不是先前核验留下的统计)", path.display()))?;
    Ok(Some(figures))
}
