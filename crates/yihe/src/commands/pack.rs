//! `yihe pack check|apply|list`

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;
use yihe_definitions::{Pack, PackError, pack::PackFiles};

use crate::{
    app::App,
    output::{Exit, Output, warn},
    packs, sequence,
};

/// Checks folders, with the base pack before them.
pub async fn check(folders: &[PathBuf], output: &Output) -> Result<Exit> {
    match read(folders).await {
        Ok(pack) => {
            output.line(&format!(
                "{} {}",
                output.say("定义无误：", "the definitions are sound:"),
                summary(&pack, output)
            ));
            output
                .object(&json!({ "faults": [], "datasets": pack.datasets.len(), "registries": pack.registries.len(), "themes": pack.themes.len() }));
            Ok(Exit::Done)
        }
        Err(PackError::Faults(faults)) => {
            for fault in &faults {
                let line = fault.line.map_or_else(String::new, |line| format!(":{line}"));
                warn(&format!("{}{line}  {}", fault.file, fault.message.get(output.language)));
            }
            output.object(&json!({ "faults": faults }));
            Ok(Exit::Found)
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts folders in force.
pub async fn apply(app: &App, folders: &[PathBuf], output: &Output) -> Result<Exit> {
    let pack = match read(folders).await {
        Ok(pack) => pack,
        Err(PackError::Faults(_)) => return check(folders, output).await,
        Err(error) => return Err(error.into()),
    };
    let applied = put_in_force(app, &pack).await?;
    output.line(&format!(
        "{} v{}{} {}",
        output.say("已启用定义包", "definitions in force:"),
        applied.version,
        output.say("：", ":"),
        summary(&pack, output)
    ));
    output.object(&json!({ "version": applied.version, "changed": applied.changed, "unchanged": applied.unchanged }));
    Ok(Exit::Done)
}

/// Puts a pack in force and enters that in the ledger.
pub async fn put_in_force(app: &App, pack: &Pack) -> Result<yihe_store::PackApplied> {
    // A calendar that is none would stop every clock later; better to stop here.
    crate::app::calendar(pack)?;
    let applied = packs::apply(&app.store, pack, &app.machine().act("pack.applied", app.clock.now())).await?;
    std::fs::create_dir_all(app.inbox())?;
    sequence::settle(app).await?;
    Ok(applied)
}

/// What is in force.
pub async fn list(app: &App, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    let rows: Vec<Vec<String>> = pack
        .datasets
        .iter()
        .map(|dataset| {
            let department = pack.department(&dataset.department);
            vec![
                dataset.id.clone(),
                dataset.title.get(output.language).to_owned(),
                department.map_or_else(String::new, |department| department.name.get(output.language).to_owned()),
                dataset.columns.len().to_string(),
                dataset.rules.len().to_string(),
            ]
        })
        .collect();
    let headings = [
        output.say("数据集", "dataset"),
        output.say("名称", "title"),
        output.say("提供单位", "department"),
        output.say("列", "columns"),
        output.say("规则", "rules"),
    ];
    output.table(&headings, &rows);
    output.object(&serde_json::to_value(&pack)?);
    Ok(Exit::Done)
}

async fn read(folders: &[PathBuf]) -> Result<Pack, PackError> {
    let mut files = vec![packs::base()];
    for folder in folders {
        files.push(PackFiles::from_folder(folder)?);
    }
    let pack = Pack::from_files(&files)?;
    // What a document alone cannot say: whether the engine can answer a theme's query.
    let faults = yihe_registries::theme::check(&pack).await;
    if faults.is_empty() { Ok(pack) } else { Err(PackError::Faults(faults)) }
}

fn summary(pack: &Pack, output: &Output) -> String {
    let (departments, datasets) = (pack.departments.len(), pack.datasets.len());
    let (registries, themes) = (pack.registries.len(), pack.themes.len());
    match output.language {
        yihe_definitions::Language::Zh => {
            format!("{departments} 个部门，{datasets} 个数据集，{registries} 个基础库，{themes} 个主题库")
        }
        yihe_definitions::Language::En => {
            format!("{departments} departments, {datasets} datasets, {registries} registries, {themes} themes")
        }
    }
}
