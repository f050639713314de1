//! `yihe ledger prove`: what a person takes away to check elsewhere.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;
use yihe_ledger::hashes::TreeHash;
use yihe_store::object::URN;

use super::existing;
use crate::{
    app::App,
    output::{Exit, Output},
    sequence,
};

/// Writes `<name>.tlog-proof`, `<name>.json` and `policy.txt` for an object's last entry.
pub async fn run(app: &App, object: &str, out: &Path, output: &Output) -> Result<Exit> {
    sequence::settle(app).await?;
    // `request:0199…` is enough; the rest of the name is always the same.
    let object = &if object.starts_with(URN) { object.to_owned() } else { format!("{URN}{object}") };
    let Some(row) = app.store.ledger_last_row(object).await? else {
        bail!("found no ledger entry of `{object}`, expected an object such as request:0199… (账本中没有该对象)");
    };
    let view = existing(&app.config)?;
    let index = row.leaf.and_then(|leaf| u64::try_from(leaf).ok()).context("an entry's index is not negative")?;
    let head = view.head(TreeHash::Sha256)?;
    let proof = view.prove(TreeHash::Sha256, index)?;
    let item = app.store.ledger_item(&row, view.entry(index, head.size)?, object).await?;
    std::fs::create_dir_all(out).with_context(|| format!("failed to create {}", out.display()))?;
    let name = object.replace(['/', ':'], "-");
    let write = |file: String, text: String| {
        let path = out.join(file);
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        anyhow::Ok(path)
    };
    let proof = write(format!("{name}.tlog-proof"), proof.to_string())?;
    let item = write(format!("{name}.json"), serde_json::to_string_pretty(&item.to_json()?)?)?;
    let policy = write("policy.txt".to_owned(), sequence::policy_text(&app.config, &view)?)?;
    output.line(&format!(
        "{} {} {} {}",
        output.say("已写出", "written:"),
        proof.display(),
        item.display(),
        policy.display()
    ));
    output.line(&format!("yihe ledger verify --policy {} {} {}", policy.display(), proof.display(), item.display()));
    output.object(&json!({ "proof": proof, "item": item, "policy": policy, "index": index }));
    Ok(Exit::Done)
}
