//! `yihe witness`: a tiny role that opens no lake and no store, only its own folder.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, bail};
use rand::RngExt as _;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};
use yihe_ledger::{
    keys::Signer,
    policy::Policy,
    signature::Algorithm,
    witness::{REQUEST_BYTES_MAX, WitnessState, WitnessedLog},
};
use yihe_vocabulary::{Clock, SystemClock};
use yihe_web::witness::{Door, serve_on};

use crate::{
    cli::{Witness, WitnessAct, WitnessOptions},
    commands::serve::interrupted,
    config::Config,
    output::{Exit, Output, warn},
};

/// Key files in the witness's folder: one cosigns SHA-256 trees, the other SM3 trees.
const KEY_FILES: [(&str, Algorithm); 2] =
    [("cosigner-ed25519", Algorithm::Ed25519Cosignature), ("cosigner-sm2", Algorithm::Sm2Cosignature)];

/// The command.
pub async fn run(config: &Config, witness: Witness, output: &Output) -> Result<Exit> {
    let folder = config.data.join("witness");
    match witness.act {
        Some(WitnessAct::Keys { name }) => keys(&folder, name.as_deref(), output),
        Some(WitnessAct::Cosign { requests, out, options }) => {
            cosign(&folder, &options, &requests, out.as_deref(), output)
        }
        None => serve(&folder, &witness.options, &witness.listen, output).await,
    }
}

/// Its signing keys, made at first use.
fn signers(folder: &Path, name: Option<&str>) -> Result<Vec<Signer>> {
    let keys = folder.join("keys");
    std::fs::create_dir_all(&keys).with_context(|| format!("failed to create {}", keys.display()))?;
    let mut random = rand::rng();
    let mut signers = Vec::with_capacity(KEY_FILES.len());
    for (file, algorithm) in KEY_FILES {
        let path = keys.join(file);
        let signer = if path.exists() {
            Signer::read(&path)?
        } else {
            let Some(name) = name else {
                bail!(
                    "a new witness needs a name that nobody else has, put into its keys: --name audit.example \
                     (新的见证方须以 --name 取一个独有的名称)"
                );
            };
            Signer::read_or_create(&path, name, algorithm, &random.random())?
        };
        if let Some(name) = name.filter(|name| *name != signer.verifier().name()) {
            bail!(
                "the keys in {} are those of `{}`, not of `{name}` (密钥属于另一名称)",
                keys.display(),
                signer.verifier().name()
            );
        }
        signers.push(signer);
    }
    Ok(signers)
}

fn open(folder: &Path, options: &WitnessOptions) -> Result<WitnessState> {
    let signers = signers(folder, options.name.as_deref())?;
    let path = options.policy.clone().unwrap_or_else(|| folder.join("policy.txt"));
    let text = std::fs::read(&path).with_context(|| {
        format!(
            "failed to read {}, the policy that names the logs to cosign (策略文件写明见证哪些账本)",
            path.display()
        )
    })?;
    let policy = Policy::read(&text).with_context(|| format!("{} is not a policy", path.display()))?;
    let mut logs: Vec<WitnessedLog> = Vec::new();
    for log in policy.logs() {
        match logs.iter_mut().find(|known| known.origin == log.key.name()) {
            // A log under rotation has two keys.
            Some(known) => known.keys.push(log.key.clone()),
            None => logs.push(WitnessedLog { origin: log.key.name().to_owned(), keys: vec![log.key.clone()] }),
        }
    }
    if logs.is_empty() {
        bail!("{} names no log, expected a line `log <verifier key>` (策略文件里没有账本)", path.display());
    }
    Ok(WitnessState::open(&folder.join("records"), signers, logs)?)
}

fn keys(folder: &Path, name: Option<&str>, output: &Output) -> Result<Exit> {
    let signers = signers(folder, name)?;
    let verifiers: Vec<String> = signers.iter().map(|signer| signer.verifier().to_string()).collect();
    for verifier in &verifiers {
        output.line(verifier);
    }
    output.object(&json!({ "name": signers[0].verifier().name(), "ed25519": verifiers[0], "sm2": verifiers[1] }));
    Ok(Exit::Done)
}

async fn serve(folder: &Path, options: &WitnessOptions, listen: &str, output: &Output) -> Result<Exit> {
    let state = open(folder, options)?;
    let verifiers: Vec<String> = state.verifiers().map(ToString::to_string).collect();
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!(
            "failed to listen on {listen}; choose another address with --listen (该地址已被占用，可用 --listen 另选)"
        )
    })?;
    let address = format!("http://{}", listener.local_addr()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let door = Arc::new(Door { state: Mutex::new(state), clock });
    let (stop, mut stopped) = watch::channel(false);
    let serving = tokio::spawn(serve_on(listener, door, async move {
        let _ = stopped.changed().await;
    }));
    output.line(&format!("{} {address}", output.say("见证服务已开：", "witness serving at")));
    for verifier in &verifiers {
        output.line(verifier);
    }
    output.object(&json!({ "address": address, "keys": verifiers }));
    interrupted().await;
    let _ = stop.send(true);
    serving.await?.context("the listener failed")?;
    Ok(Exit::Done)
}

/// Cosigns requests that were carried here as files.
fn cosign(
    folder: &Path,
    options: &WitnessOptions,
    requests: &[PathBuf],
    out: Option<&Path>,
    output: &Output,
) -> Result<Exit> {
    let mut state = open(folder, options)?;
    if let Some(out) = out {
        std::fs::create_dir_all(out).with_context(|| format!("failed to create {}", out.display()))?;
    }
    let (mut exit, mut told) = (Exit::Done, Vec::new());
    for path in requests {
        let length = std::fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?.len();
        if length > REQUEST_BYTES_MAX as u64 {
            bail!("{} has {length} bytes, a request has at most {REQUEST_BYTES_MAX} (请求文件过大)", path.display());
        }
        let body = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let answer = state.handle_add_checkpoint(&body, seconds(SystemClock.now()));
        if answer.status == 200 {
            let folder = out.or(path.parent()).unwrap_or(Path::new("."));
            let file = folder.join(path.file_name().unwrap_or_default()).with_extension("cosignature");
            std::fs::write(&file, &answer.body).with_context(|| format!("failed to write {}", file.display()))?;
            output.line(&format!("{} {}", output.say("已会签", "cosigned"), file.display()));
            told.push(json!({ "request": path, "status": 200, "cosignature": file }));
        } else {
            exit = Exit::Found;
            let why = answer.body.trim();
            warn(&match answer.status {
                409 => format!(
                    "{}: {} {why}",
                    path.display(),
                    output.say(
                        "不从本方上次会签处接续；请以此重写请求：yihe ledger cosign-request --old",
                        "does not begin where this witness cosigned last; write the request again with: yihe ledger cosign-request --old"
                    )
                ),
                status => format!("{}: {} {status}: {why}", path.display(), output.say("不予会签", "not cosigned,")),
            });
            told.push(json!({ "request": path, "status": answer.status, "answer": why }));
        }
    }
    output.object(&json!({ "answers": told }));
    Ok(exit)
}

/// Seconds since 1970; a cosignature cannot state an earlier time.
fn seconds(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}
