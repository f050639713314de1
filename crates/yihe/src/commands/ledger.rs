//! `yihe ledger verify|checkpoint|prove`

use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use yihe_definitions::Language;
use yihe_ledger::{
    audit::AuditOptions,
    hashes::TreeHash,
    monitor::{MonitorOptions, MonitorReport, monitor},
    policy::Policy,
    seal::Salt,
    verify::{Item, verify_proof},
    view::LogView,
};
use yihe_store::{LedgerDatabase, object::URN};

use crate::{
    app::App,
    cli::Ledger,
    config::Config,
    output::{Exit, Output, grouped, warn},
    sequence,
};

/// Longest time without an entry that is not an alarm while nobody serves.
const SILENCE_AFTER: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The command.
pub async fn run(config: Config, ledger: Ledger, output: &Output) -> Result<Exit> {
    match ledger {
        Ledger::Verify { policy: Some(policy), proof: Some(proof), item: Some(item) } => {
            offline(&policy, &proof, &item, output)
        }
        Ledger::Verify { .. } => {
            if !config.data.join("keys").exists() {
                bail!("found no ledger in {} (没有账本)", config.data.display());
            }
            let app = App::open(config).await?;
            sequence::settle(&app).await?;
            let report = verify(&app, output).await?;
            Ok(show(&report, output))
        }
        Ledger::Checkpoint => checkpoint(&config, output),
        Ledger::Prove { object, out } => prove(&App::open(config).await?, &object, &out, output).await,
    }
}

/// Recomputes both trees and compares the database.
pub async fn verify(app: &App, output: &Output) -> Result<MonitorReport> {
    let view = existing(&app.config)?;
    let mut database = LedgerDatabase::new(app.store.clone(), Handle::current());
    let options = MonitorOptions { audit: AuditOptions::default(), silence_after: SILENCE_AFTER, now: app.clock.now() };
    let bar = output.bar(output.say("验证账本", "verifying"), 0);
    let report = tokio::task::spawn_blocking(move || {
        let report = monitor(&view, &mut database, &options, &mut |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        report
    })
    .await
    .context("the monitor stopped")?;
    Ok(report?)
}

/// Shows a report.
pub fn show(report: &MonitorReport, output: &Output) -> Exit {
    let (faults, silences) = sentences(report, output.language);
    for fault in &faults {
        warn(fault);
    }
    let more = report.audit.faults_more + report.row_faults_more;
    if more > 0 {
        warn(&format!("… {} {more}", output.say("另有", "and more:")));
    }
    for silence in &silences {
        warn(silence);
    }
    let root = report.audit.root_sha256.map(hex::encode);
    let root_sm3 = report.audit.root_sm3.map(hex::encode);
    let sound = report.is_sound();
    let verdict = if sound {
        output.say("全部证实", "all is proven")
    } else {
        output.say("有未证实之处", "not all is proven")
    };
    output.line(&format!(
        "{verdict}: {} {}, {} {}",
        grouped(report.audit.entries),
        output.say("条登记", "entries"),
        grouped(report.rows),
        output.say("行比对", "rows compared"),
    ));
    output.line(&format!("SHA-256 {}", root.as_deref().unwrap_or("-")));
    output.line(&format!("SM3     {}", root_sm3.as_deref().unwrap_or("-")));
    output.object(&json!({
        "sound": sound, "entries": report.audit.entries, "root": root, "root_sm3": root_sm3, "rows": report.rows,
        "pending": report.pending, "erased": report.erased, "faults": faults, "faults_more": more, "silences": silences,
    }));
    if sound { Exit::Done } else { Exit::Found }
}

fn sentences(report: &MonitorReport, language: Language) -> (Vec<String>, Vec<String>) {
    let zh = language == Language::Zh;
    let files = report.audit.faults.iter().map(|fault| if zh { fault.sentence_zh() } else { fault.sentence_en() });
    let rows = report.row_faults.iter().map(|fault| if zh { fault.sentence_zh() } else { fault.sentence_en() });
    let silences = report.silences.iter().map(|silence| if zh { silence.sentence_zh() } else { silence.sentence_en() });
    (files.chain(rows).collect(), silences.collect())
}

fn existing(config: &Config) -> Result<LogView> {
    let view = sequence::view(config)?;
    view.with_context(|| format!("found no ledger in {} (没有账本)", config.data.display()))
}

fn checkpoint(config: &Config, output: &Output) -> Result<Exit> {
    let head = existing(config)?.head(TreeHash::Sha256)?;
    output.line(head.note.trim_end());
    output.object(&json!({ "size": head.size, "root": hex::encode(head.root), "note": head.note }));
    Ok(Exit::Done)
}

/// Writes `<name>.tlog-proof`, `<name>.json` and `policy.txt` for an object's last entry.
async fn prove(app: &App, object: &str, out: &Path, output: &Output) -> Result<Exit> {
    sequence::settle(app).await?;
    // `request:0199…` is enough; the rest of the name is always the same.
    let object = &if object.starts_with(URN) { object.to_owned() } else { format!("{URN}{object}") };
    let rows = app.store.outbox_list_by_object(object, yihe_store::PAGE_ROWS_MAX).await?;
    let Some(row) = rows.iter().rev().find(|row| row.leaf.is_some()) else {
        bail!("found no ledger entry of `{object}`, expected an object such as request:0199… (账本中没有该对象)");
    };
    let view = existing(&app.config)?;
    let index = row.leaf.and_then(|leaf| u64::try_from(leaf).ok()).context("an entry's index is not negative")?;
    let head = view.head(TreeHash::Sha256)?;
    let proof = view.prove_in(&head, index)?;
    let payload: Value = serde_json::from_str(&row.payload)?;
    let item =
        Item { entry: view.entry(index, head.size)?, payload: Some(payload), salt: row.salt.map(Salt), call: None };
    std::fs::create_dir_all(out).with_context(|| format!("failed to create {}", out.display()))?;
    let name = object.replace(['/', ':'], "-");
    let write = |file: String, text: String| {
        let path = out.join(file);
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        anyhow::Ok(path)
    };
    let proof = write(format!("{name}.tlog-proof"), proof.to_string())?;
    let item = write(format!("{name}.json"), serde_json::to_string_pretty(&item.to_json()?)?)?;
    let policy = write("policy.txt".to_owned(), policy_text(&view))?;
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

/// A policy that trusts this log alone, without witnesses.
fn policy_text(view: &LogView) -> String {
    let mut text = String::new();
    for key in view.trusted().of(TreeHash::Sha256) {
        text.push_str(&format!("log {key}\n"));
    }
    text.push_str("quorum none\n");
    text
}

fn offline(policy: &Path, proof: &Path, item: &Path, output: &Output) -> Result<Exit> {
    let read =
        |path: &Path| std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()));
    let policy = Policy::read(read(policy)?.as_bytes())?;
    match verify_proof(&policy, &read(proof)?, &read(item)?) {
        Ok(proven) => {
            let seen = proven.witnesses.len();
            output.line(&match output.language {
                Language::Zh => format!(
                    "已证实：{} 的第 {} 号登记（共 {} 条，{seen} 方见证）；{}",
                    proven.origin,
                    proven.index,
                    proven.size,
                    proven.payload.sentence_zh()
                ),
                Language::En => format!(
                    "proven: entry {} of {} in {} ({seen} witnesses); {}",
                    proven.index,
                    proven.size,
                    proven.origin,
                    proven.payload.sentence_en()
                ),
            });
            output.object(
                &json!({ "proven": true, "origin": proven.origin, "index": proven.index, "size": proven.size }),
            );
            Ok(Exit::Done)
        }
        Err(error) => {
            let reason = match output.language {
                Language::Zh => error.sentence_zh(),
                Language::En => sequence::chain(&error),
            };
            warn(&format!("{} {reason}", output.say("未证实：", "not proven:")));
            output.object(&json!({ "proven": false, "reason": reason }));
            Ok(Exit::Found)
        }
    }
}
