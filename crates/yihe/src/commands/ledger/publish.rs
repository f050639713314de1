//! `yihe ledger export|anchor|rotate-key`: the log for others to keep, and its keys.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rand::RngExt as _;
use serde_json::json;
use tokio::runtime::Handle;
use yihe_ledger::{
    anchor::{Anchor, FileAnchor, Receipt, Rfc3161Anchor, Transport},
    error::LedgerError,
    export::export,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, rotation_payload},
    ledger::Ledger,
    seal::{Event, Salt, seal},
};
use yihe_vocabulary::{Clock as _, SystemClock};

use super::existing;
use crate::{
    config::Config,
    output::{Exit, Output, grouped},
    sequence,
};

/// Longest a time-stamping authority is waited for.
const AUTHORITY_WITHIN: Duration = Duration::from_secs(30);
/// Longest answer of a time-stamping authority.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Copies the log as static files.
pub async fn copy(config: &Config, to: &Path, output: &Output) -> Result<Exit> {
    let view = existing(config)?;
    let bar = output.bar(output.say("导出账本", "exporting"), 0);
    let target = to.to_owned();
    let exported = tokio::task::spawn_blocking(move || {
        let exported = export(&view, &target, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        exported
    })
    .await
    .context("the export stopped")?
    .with_context(|| format!("failed to export to {} (导出未完成)", to.display()))?;
    output.line(&format!(
        "{} {} {}, {} {}, {} {}",
        output.say("已导出", "exported"),
        grouped(exported.entries),
        output.say("条登记", "entries"),
        output.say("新写", "wrote"),
        grouped(exported.files),
        output.say("个文件至", "files to"),
        to.display()
    ));
    output.line(&format!(
        "yihe ledger verify --log {} --keys {}",
        to.display(),
        to.join(yihe_ledger::keys::VERIFIER_KEYS_FILE).display()
    ));
    output.object(
        &json!({ "entries": exported.entries, "files": exported.files, "bytes": exported.bytes, "folder": to }),
    );
    Ok(Exit::Done)
}

/// Leaves the checkpoints of both trees elsewhere.
pub async fn anchor(
    config: &Config,
    file: Option<PathBuf>,
    authority: Option<String>,
    out: Option<PathBuf>,
    output: &Output,
) -> Result<Exit> {
    let view = existing(config)?;
    let mut anchor: Box<dyn Anchor + Send> = match (file, authority) {
        (Some(folder), _) => Box::new(FileAnchor::new(&folder)),
        (None, Some(url)) => {
            let folder = out.unwrap_or_else(|| sequence::folder(config).join("anchors"));
            Box::new(Rfc3161Anchor::new(&folder, over_http(&url)?, rand::rng().random()))
        }
        (None, None) => bail!("name a folder with --file or an authority with --rfc3161 (须指定 --file 或 --rfc3161)"),
    };
    let receipts: Vec<Receipt> = tokio::task::spawn_blocking(move || {
        view.heads()?.iter().map(|head| Ok(anchor.anchor(&head.note)?)).collect::<Result<_>>()
    })
    .await
    .context("anchoring stopped")??;
    for receipt in &receipts {
        let files: Vec<String> = receipt.files.iter().map(|file| file.display().to_string()).collect();
        output.line(&format!("{} {} {}", receipt.origin, grouped(receipt.size), files.join(" ")));
        if let Some(at) = &receipt.seen_at {
            output.line(&format!("  {} {at}", output.say("时间戳", "time stamp")));
        }
    }
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            json!({
                "anchor": receipt.anchor, "origin": receipt.origin, "size": receipt.size, "files": receipt.files,
                "seen_at": receipt.seen_at,
            })
        })
        .collect();
    output.object(&json!({ "receipts": told }));
    Ok(Exit::Done)
}

/// RFC 3161 §3.4: the query as the body of a POST.
fn over_http(url: &str) -> Result<Transport> {
    let client = reqwest::Client::builder().timeout(AUTHORITY_WITHIN).build().context("no HTTP client")?;
    let (url, runtime) = (url.to_owned(), Handle::current());
    Ok(Box::new(move |query: &[u8]| {
        let asking = async {
            let mut answer = client
                .post(&url)
                .header("content-type", "application/timestamp-query")
                .body(query.to_vec())
                .send()
                .await?
                .error_for_status()?;
            let mut reply = Vec::new();
            while let Some(part) = answer.chunk().await? {
                if reply.len() + part.len() > REPLY_BYTES_MAX {
                    return Ok(None);
                }
                reply.extend_from_slice(&part);
            }
            Ok::<_, reqwest::Error>(Some(reply))
        };
        match runtime.block_on(asking) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(io::Error::other(format!("the answer has more than {REPLY_BYTES_MAX} bytes"))),
            Err(error) => Err(io::Error::other(error)),
        }
    }))
}

/// Puts new keys in place and enters the rotation, signed by the new ones.
pub async fn rotate(config: &Config, output: &Output) -> Result<Exit> {
    let (folder, keys, origin) = (sequence::folder(config), config.data.join("keys"), config.origin.clone());
    if sequence::view(config)?.is_none() {
        bail!("found no ledger in {} (没有账本)", config.data.display());
    }
    let old = sequence::keys(config)?;
    let now = SystemClock.now();
    let rotated = tokio::task::spawn_blocking(move || {
        let before = old.trusted().clone();
        // Whoever holds the ledger signs with the old keys and would go on doing so.
        let ledger = match Ledger::open(&folder, old) {
            Err(LedgerError::Held { holder, .. }) => bail!(
                "the ledger is being written by {holder}; stop yihe serve, then rotate (请先停止 yihe serve 再更换密钥)"
            ),
            ledger => ledger.context("failed to open the ledger")?,
        };
        ledger.close().context("failed to close the ledger")?;
        let mut random = rand::rng();
        let seeds = KeySeeds { ed25519: random.random(), sm2: random.random() };
        let new = LogKeys::rotate(&keys, &origin, &seeds)?;
        let after = new.trusted().clone();
        let mut ledger = Ledger::open(&folder, new).context("failed to open the ledger with its new keys")?;
        let event = Event {
            id: &format!("rotation-{}", now.as_millisecond()),
            kind: "ledger.keys_rotated",
            at: now,
            actor: "ledger",
            org: "ledger",
            object: "urn:yihe:ledger:keys",
            salt_id: "none",
        };
        // Public keys are no secret: a known salt lets everyone check the entry.
        let entry = seal(&event, &rotation_payload(&before, &after), &Salt([0; 32]))?;
        let index = ledger.append_batch(&[entry]).context("failed to enter the rotation")?[0];
        ledger.close().context("failed to close the ledger")?;
        anyhow::Ok((index, after))
    })
    .await
    .context("the rotation stopped")??;
    let (index, trusted) = rotated;
    let current = TreeHash::BOTH.map(|hash| trusted.of(hash)[0].to_string());
    output.line(&format!("{} {index}", output.say("密钥已更换，登记为第", "keys are replaced; entered as entry")));
    for key in &current {
        output.line(key);
    }
    output.line(output.say(
        "请把新公钥交给见证方和验证者；旧私钥留在 keys/ 下，由保管人销毁。",
        "Give the new public keys to witnesses and verifiers; the old private keys stay in keys/ until their keeper destroys them.",
    ));
    output.object(&json!({ "index": index, "sha256": current[0], "sm3": current[1] }));
    Ok(Exit::Done)
}
