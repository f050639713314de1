//! `yihe ledger …`

mod carry;
mod offline;
mod prove;
mod publish;

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use serde_json::json;
use yihe_definitions::Language;
use yihe_ledger::{
    hashes::TreeHash,
    monitor::{MonitorOptions, MonitorReport},
    view::LogView,
};

use crate::{
    app::App,
    cli::Ledger,
    config::Config,
    output::{Exit, Output, grouped, warn},
    sequence, watch,
};

/// The command.
pub async fn run(config: Config, ledger: Ledger, output: &Output) -> Result<Exit> {
    match ledger {
        Ledger::Verify { policy: Some(policy), proof: Some(proof), item: Some(item), .. } => {
            offline::proof(&policy, &proof, &item, output)
        }
        Ledger::Verify { log: Some(folder), keys: Some(keys), .. } => offline::log(&folder, &keys, output).await,
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
        Ledger::Prove { object, out } => prove::run(&App::open(config).await?, &object, &out, output).await,
        Ledger::Export { dir } => publish::copy(&config, &dir, output).await,
        Ledger::Anchor { file, rfc3161, out } => publish::anchor(&config, file, rfc3161, out, output).await,
        Ledger::RotateKey => publish::rotate(&config, output).await,
        Ledger::CosignRequest { out, old } => carry::request(&config, &out, old, output),
        Ledger::CosignAccept { files, requests } => carry::accept(&config, &files, requests.as_deref(), output).await,
    }
}

/// Recomputes both trees and compares the database.
pub async fn verify(app: &App, output: &Output) -> Result<MonitorReport> {
    let view = existing(&app.config)?;
    let options = MonitorOptions {
        audit: watch::audit_options(&app.config)?,
        silence_after: SignedDuration::from_mins(app.config.silence_minutes.into()),
        now: app.clock.now(),
    };
    let bar = output.bar(output.say("验证账本", "verifying"), 0);
    watch::round(&app.store, view, options, move |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if progress.done == progress.total {
            bar.finish_and_clear();
        }
    })
    .await
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
