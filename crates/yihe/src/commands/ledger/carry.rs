//! `yihe ledger cosign-request|cosign-accept`: witnesses across a one-way network.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use yihe_ledger::{
    error::LedgerError,
    hashes::TreeHash,
    ledger::{Ledger, awaiting_quorum, tree_of_request},
    witness::REQUEST_BYTES_MAX,
};

use super::existing;
use crate::{
    config::Config,
    cosign::Carried,
    output::{Exit, Output},
    sequence,
};

/// How long a running server may take to take an answer in.
const SERVER_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Writes a request per tree: for the checkpoint that waits for its quorum, else for the present one.
pub fn request(config: &Config, out: &Path, old: u64, output: &Output) -> Result<Exit> {
    let view = existing(config)?;
    std::fs::create_dir_all(out).with_context(|| format!("failed to create {}", out.display()))?;
    let mut files = Vec::new();
    for hash in TreeHash::BOTH {
        // The others have cosigned that one already; a newer one would have to begin again.
        let waiting = awaiting_quorum(&sequence::folder(config), &view, hash)?;
        let head = match waiting.filter(|head| head.size >= old) {
            Some(head) => head,
            None => view.head(hash)?,
        };
        if old > head.size {
            bail!("the log has {} entries, no witness can have cosigned {old} (账本没有这么多条)", head.size);
        }
        let file = out.join(format!("{}-{}.request", hash.name(), head.size));
        std::fs::write(&file, view.witness_request(&head, old)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
        output.line(&format!("{} {}", output.say("已写出", "written"), file.display()));
        files.push(json!({ "tree": hash.name(), "size": head.size, "file": file }));
    }
    output.object(&json!({ "requests": files }));
    Ok(Exit::Done)
}

/// Takes answers in; a running server takes them itself.
pub async fn accept(config: &Config, files: &[PathBuf], requests: Option<&Path>, output: &Output) -> Result<Exit> {
    let view = existing(config)?;
    let Some(policy) = sequence::policy(config)? else {
        bail!(
            "the configuration names no policy, so no witness is known: set `policy` in yihe.yaml \
             (配置中没有 policy，无从认定见证方)"
        );
    };
    let mut told = Vec::new();
    for file in files {
        let name = PathBuf::from(file.file_name().unwrap_or_default()).with_extension("request");
        let request_path = requests.or(file.parent()).unwrap_or(Path::new(".")).join(name);
        let (request, answer) = (read(&request_path)?, read(file)?);
        let origin = view.trusted().origin();
        let hash = tree_of_request(&request, origin).with_context(|| {
            format!("{} is no request of the ledger `{origin}` (不是本账本的请求)", request_path.display())
        })?;
        let carried = Carried { hash, request, answer };
        let keys = sequence::keys(config)?;
        let folder = sequence::folder(config);
        let opened = tokio::task::spawn_blocking(move || Ledger::open(&folder, keys)).await?;
        match opened {
            Ok(mut ledger) => {
                let policy = policy.clone();
                let cosigned = tokio::task::spawn_blocking(move || {
                    let taken =
                        ledger.collect_cosignatures(carried.hash, &carried.request, &carried.answer, &policy)?;
                    ledger.close()?;
                    Ok::<_, LedgerError>(taken)
                })
                .await?
                .with_context(|| format!("{} was not taken (会签未被采纳)", file.display()))?;
                output.line(&format!(
                    "{} {} {}: {} {}",
                    hash.name(),
                    cosigned.size,
                    output.say("条", "entries"),
                    cosigned.cosignatures,
                    if cosigned.quorum {
                        output.say("方会签，已达法定数", "cosignatures, the quorum is reached")
                    } else {
                        output.say("方会签，未达法定数", "cosignatures, the quorum is not reached")
                    }
                ));
                told.push(json!({
                    "file": file, "tree": hash.name(), "size": cosigned.size, "cosignatures": cosigned.cosignatures,
                    "quorum": cosigned.quorum,
                }));
            }
            Err(LedgerError::Held { .. }) => {
                hand_over(config, &carried).await.with_context(|| format!("{} was not taken", file.display()))?;
                let line = output.say("已由运行中的服务收入", "taken in by the running server");
                output.line(&format!("{} {line}", file.display()));
                told.push(json!({ "file": file, "tree": hash.name(), "handed_over": true }));
            }
            Err(error) => return Err(error).context("failed to open the ledger"),
        }
    }
    output.object(&json!({ "taken": told }));
    Ok(Exit::Done)
}

/// Leaves an answer where the running server finds it, and waits for what it makes of it.
async fn hand_over(config: &Config, carried: &Carried) -> Result<()> {
    let path = carried.leave(&sequence::carried_folder(config))?;
    let refused = path.with_extension("refused");
    let mut waited = Duration::ZERO;
    while path.exists() {
        if waited >= SERVER_WITHIN {
            bail!("the running server has not looked at {} yet (服务尚未处理)", path.display());
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
    if refused.exists() {
        let why = std::fs::read_to_string(&refused).unwrap_or_default();
        let _ = std::fs::remove_file(&refused);
        bail!("the running server refused it: {why}");
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?.len();
    if length > REQUEST_BYTES_MAX as u64 {
        bail!("{} has {length} bytes, at most {REQUEST_BYTES_MAX} are read (文件过大)", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}
