//! `yihe registry decide|revoke|decisions|protect|unprotect|join`

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use yihe_definitions::{Language, Registry as Definition};
use yihe_registries::{Decision, Proposal, RecordRef, RegistryError, why::DecisionSeen};
use yihe_store::{Actor, DecisionFilter, PAGE_ROWS_MAX, Role};

use crate::{
    app::App,
    cli::{Decide, Named},
    commands::ticket,
    output::{Exit, Output, grouped},
    sequence,
};

fn told(output: &Output) -> impl Fn(RegistryError) -> anyhow::Error {
    let language = output.language;
    move |error| anyhow!(error.message(language))
}

/// The officer of the department that runs the registry.
async fn keeper(app: &App, registry: &Definition) -> Result<Actor> {
    ticket::acting(app, &registry.department, Role::Officer).await
}

fn record(named: &Named) -> RecordRef {
    RecordRef { dataset: named.dataset.clone(), record_key: yihe_registries::record::canonical(&named.record) }
}

/// Records a decision.
pub async fn decide(app: &App, registry: &Definition, what: Decide, output: &Output) -> Result<Exit> {
    let (decision, reason) = match what {
        Decide::Join { named, entity, reason } => (Decision::Join { record: record(&named), entity }, reason),
        Decide::Split { named, entity, other, reason } => {
            (Decision::Split { record: record(&named), entity, other }, reason)
        }
        Decide::Apart { named, entity, reason } => (Decision::Apart { record: record(&named), entity }, reason),
        Decide::Distinct { one, other, reason } => (Decision::Distinct { one, other }, reason),
        Decide::Merge { survivor, merged, reason } => (Decision::Merge { survivor, merged }, reason),
    };
    let actor = keeper(app, registry).await?;
    let kind = decision.word();
    let made = app.builder().decide(registry, decision, &reason, &Proposal::default(), &actor).await;
    let id = made.map_err(told(output))?;
    sequence::settle(app).await?;
    output.line(&format!("{} {id}", output.say("已认定，下次建库生效：", "decided, in force with the next build:")));
    output.object(&json!({ "decision": id, "kind": kind, "registry": registry.id }));
    Ok(Exit::Done)
}

/// Revokes a decision.
pub async fn revoke(app: &App, registry: &Definition, id: &str, reason: &str, output: &Output) -> Result<Exit> {
    let actor = keeper(app, registry).await?;
    app.builder().revoke(registry, id, reason, &actor).await.map_err(told(output))?;
    sequence::settle(app).await?;
    output.line(output.say("已撤销，下次建库生效。", "revoked, in force with the next build."));
    output.object(&json!({ "revoked": id, "registry": registry.id }));
    Ok(Exit::Done)
}

/// Lists decisions, newest first. Keys are shown to no terminal; JSON has them, for whoever asks for it.
pub async fn decisions(app: &App, registry: &Definition, all: bool, limit: i64, output: &Output) -> Result<Exit> {
    let filter = DecisionFilter { registry: registry.id.clone(), standing: !all, ..DecisionFilter::default() };
    let rows = app.store.decision_list_newest(&filter, 0, limit.clamp(1, PAGE_ROWS_MAX)).await?;
    let total = app.store.decision_count(&filter).await?;
    let word = |kind: &str| match kind {
        "join" => output.say("并入", "join").to_owned(),
        "merge" => output.say("合并", "merge").to_owned(),
        "split" => output.say("拆分", "split").to_owned(),
        "apart" => output.say("不得关联", "apart").to_owned(),
        other => other.to_owned(),
    };
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.clone(),
                word(&row.kind),
                row.dataset.clone(),
                row.decided_by.clone(),
                row.decided_at.strftime("%Y-%m-%d").to_string(),
                row.reason.clone(),
                if row.revoked_at.is_some() { output.say("已撤销", "revoked").to_owned() } else { String::new() },
            ]
        })
        .collect();
    let headings = [
        output.say("认定", "decision"),
        output.say("种类", "kind"),
        output.say("数据集", "dataset"),
        output.say("认定人", "by"),
        output.say("日期", "on"),
        output.say("理由", "reason"),
        output.say("说明", "remark"),
    ];
    output.table(&headings, &shown);
    let rows: Vec<DecisionSeen> = rows.into_iter().map(DecisionSeen::from).collect();
    output.object(&json!({ "registry": registry.id, "total": total, "decisions": rows }));
    Ok(Exit::Done)
}

/// Protects an entity.
pub async fn protect(
    app: &App,
    registry: &Definition,
    key: &str,
    basis: &str,
    until: Option<&str>,
    output: &Output,
) -> Result<Exit> {
    let until = until
        .map(|day| day.parse().with_context(|| format!("found day `{day}`, expected YYYY-MM-DD (日期格式)")))
        .transpose()?;
    let actor = keeper(app, registry).await?;
    let id = app.builder().protect(registry, key, basis, until, &actor).await.map_err(told(output))?;
    sequence::settle(app).await?;
    output.line(output.say(
        "已列为受保护：供数和页面即时生效，基础库和主题库中的标识随下次建库更新。",
        "protected: supplies and pages leave it out from now on, the mark in registries and themes comes with their \
         next build.",
    ));
    output.object(&json!({ "protection": id, "registry": registry.id }));
    Ok(Exit::Done)
}

/// Ends a protection.
pub async fn unprotect(app: &App, registry: &Definition, key: &str, output: &Output) -> Result<Exit> {
    let actor = keeper(app, registry).await?;
    let was = app.builder().unprotect(registry, key, &actor).await.map_err(told(output))?;
    sequence::settle(app).await?;
    output.line(if was {
        output.say("已解除保护，随下次建库生效。", "no longer protected, in force with the next build.")
    } else {
        output.say("本未受保护。", "it was not protected.")
    });
    output.object(&json!({ "lifted": was, "registry": registry.id }));
    Ok(if was { Exit::Done } else { Exit::Found })
}

/// Records what the model decides by itself, where the definition lets it.
pub async fn join(app: &App, registry: &Definition, output: &Output) -> Result<Exit> {
    let language = output.language;
    let Some(from) = registry.join_from else {
        let text = if language == Language::Zh {
            format!("基础库“{}”未定 `join_from`，模型不得自行认定", registry.id)
        } else {
            format!("registry `{}` declares no `join_from`: the model decides nothing by itself", registry.id)
        };
        return Err(anyhow!(text));
    };
    let joined = app.builder().join(registry, from).await.map_err(told(output))?;
    sequence::settle(app).await?;
    output.line(&format!(
        "{} {}，{} {}",
        output.say("并入", "joined"),
        grouped(joined.joined),
        output.say("与既有认定相抵触", "against what stands"),
        grouped(joined.refused),
    ));
    output.object(&json!({
        "registry": registry.id, "joined": joined.joined, "refused": joined.refused, "from": from,
    }));
    Ok(Exit::Done)
}
