//! Verifying without a data folder: one proof, or an exported log.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use yihe_definitions::Language;
use yihe_ledger::{
    audit::{AuditOptions, audit},
    keys::TrustedKeys,
    monitor::MonitorReport,
    policy::Policy,
    verify::{ITEM_BYTES_MAX, verify_proof},
    view::LogView,
};

use crate::{
    output::{Exit, Output, warn},
    sequence,
};

/// One proof against a policy.
pub fn proof(policy: &Path, proof: &Path, item: &Path, output: &Output) -> Result<Exit> {
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
            output.line(&format!("{} {} {}", proven.entry.at, proven.entry.kind, proven.entry.object));
            if proven.call {
                output.line(output.say("该次调用在此批次之中", "the call is one of this batch"));
            }
            let witnesses: Vec<_> =
                proven.witnesses.iter().map(|(name, at)| json!({ "name": name, "cosigned_at": at })).collect();
            output.object(&json!({
                "proven": true, "origin": proven.origin, "index": proven.index, "size": proven.size,
                "kind": proven.entry.kind, "at": proven.entry.at.to_string(), "object": proven.entry.object,
                "witnesses": witnesses, "call": proven.call,
            }));
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

/// A file of bounded length.
fn read(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?.len();
    if length > ITEM_BYTES_MAX as u64 {
        anyhow::bail!("{} has {length} bytes, at most {ITEM_BYTES_MAX} are read (文件过大)", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// An exported log: every tile read, both roots recomputed.
pub async fn log(folder: &Path, keys: &Path, output: &Output) -> Result<Exit> {
    let view = LogView::new(folder, TrustedKeys::read(keys)?);
    let bar = output.bar(output.say("验证账本", "verifying"), 0);
    let report = tokio::task::spawn_blocking(move || {
        // What a policy does not name is not judged here; strays are those of whoever copied the folder.
        let options = AuditOptions { strays: false, ..AuditOptions::default() };
        let report = audit(&view, &options, &mut |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        report
    })
    .await
    .context("the audit stopped")?;
    Ok(super::show(&MonitorReport { audit: report, ..MonitorReport::default() }, output))
}
