//! `yihe rules propose`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt;
use serde_json::json;
use yihe_lake::{Scan, TableName, Zone};
use yihe_quality::{
    QualityError,
    file_check::{CheckOptions, propose_for_files},
    propose::{Profile, Proposal, day_of, document},
};
use yihe_vocabulary::{Clock, SystemClock};

use crate::{
    app::App,
    config::Config,
    output::{Exit, Output},
};

/// Rows of a table that are profiled; more say nothing more.
const ROWS_MAX: u64 = 20_000_000;

/// Profiles files, or a dataset of the data folder, and writes a rule file.
pub async fn propose(config: Config, subjects: &[String], out: Option<&Path>, output: &Output) -> Result<Exit> {
    let told = |error: QualityError| anyhow!(error.message(output.language));
    let paths: Vec<PathBuf> = subjects.iter().map(PathBuf::from).collect();
    let proposals = if paths.iter().all(|path| path.is_file()) {
        propose_for_files(&paths, &CheckOptions::new(SystemClock.now())).map_err(told)?
    } else if let [dataset] = subjects {
        propose_for_dataset(&App::open(config).await?, dataset, output).await?
    } else {
        let missing =
            paths.iter().find(|path| !path.is_file()).map_or_else(String::new, |path| path.display().to_string());
        bail!("there is no file {missing} (没有此文件)");
    };
    let text = document(&subjects.join(" "), &proposals);
    match out {
        Some(path) => {
            std::fs::write(path, &text).with_context(|| format!("failed to write {}", path.display()))?;
            let said = output.say("已写出，请逐条核对：", "written, read each rule before you keep it:");
            output.line(&format!("{said} {}", path.display()));
        }
        None => output.line(text.trim_end()),
    }
    let rules: Vec<_> =
        proposals.iter().map(|proposal| json!({ "rule": proposal.rule, "reason": proposal.reason })).collect();
    output.object(&json!({ "proposals": rules, "document": text }));
    Ok(Exit::Done)
}

async fn propose_for_dataset(app: &App, dataset: &str, output: &Output) -> Result<Vec<Proposal>> {
    let pack = app.pack().await?;
    if pack.dataset(dataset).is_none() {
        bail!("`{dataset}` is neither a file nor a dataset (既不是文件，也不是数据集)");
    }
    let checked = TableName::new(Zone::Checked, dataset)?;
    let landing = TableName::new(Zone::Landing, dataset)?;
    let table = [checked, landing].into_iter().find(|table| app.lake.exists(table));
    let Some(table) = table else {
        bail!("nothing of dataset `{dataset}` has landed yet (该数据集尚无数据)");
    };
    let columns: Vec<String> = pack
        .dataset(dataset)
        .map(|dataset| dataset.columns.iter().map(|column| column.name.clone()).collect())
        .unwrap_or_default();
    let scan = Scan { columns: Some(columns), ..Scan::default() };
    let mut stream = app.lake.scan(&table, scan).await?;
    let mut profile = Profile::new();
    while let Some(batch) = stream.next().await {
        profile.add(&batch?).map_err(|error| anyhow!(error.message(output.language)))?;
        if profile.rows() >= ROWS_MAX {
            break;
        }
    }
    Ok(profile.proposals_on(day_of(app.clock.now())))
}
