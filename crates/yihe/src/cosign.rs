//! Cosignatures for our ledger: asks the policy's witnesses in the background of `yihe serve`, and
//! takes in what was carried here as files. Business never waits for either.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use yihe_ledger::{
    disk::write_durably,
    hashes::TreeHash,
    ledger::Ledger,
    policy::Policy,
    view::{Head, LogView},
    witness::REQUEST_BYTES_MAX,
};

use crate::sequence::chain;

/// How often the head is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Longest a witness is waited for.
const WITNESS_WITHIN: Duration = Duration::from_secs(10);
/// A witness that fails is asked again after this, doubled each time up to the other.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Longest answer of a witness.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Answers that wait for the sequencer.
pub const CARRIED_MAX: usize = 64;
/// Carried files looked at in one round.
const FILES_MAX: usize = 100;

/// A request of ours and what a witness answered.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Which tree it is about.
    pub hash: TreeHash,
    /// The request as it was sent.
    pub request: String,
    /// Signature lines.
    pub answer: String,
}

/// The file in which an answer is handed to a running server.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedFile {
    tree: String,
    request: String,
    answer: String,
}

impl Carried {
    /// Leaves it in `folder` for the running server; returns where.
    pub fn leave(&self, folder: &Path) -> Result<PathBuf> {
        let file = CarriedFile {
            tree: self.hash.name().to_owned(),
            request: self.request.clone(),
            answer: self.answer.clone(),
        };
        let name = hex::encode(rand::random::<[u8; 8]>());
        let path = folder.join(format!("{name}.json"));
        write_durably(&path, &serde_json::to_vec(&file)?)?;
        Ok(path)
    }

    fn read(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path)?.len();
        if length > 2 * REQUEST_BYTES_MAX as u64 {
            anyhow::bail!("{length} bytes, at most {} are read", 2 * REQUEST_BYTES_MAX);
        }
        let file: CarriedFile = serde_json::from_slice(&std::fs::read(path)?)?;
        let hash = TreeHash::BOTH.into_iter().find(|hash| hash.name() == file.tree);
        Ok(Self {
            hash: hash.context("expected a tree `sha256` or `sm3`")?,
            request: file.request,
            answer: file.answer,
        })
    }
}

/// Takes in what was left in `folder`. What does not hold is set aside as `.refused` with the reason.
pub fn take_carried(folder: &Path, ledger: &mut Ledger, policy: &Policy) {
    let Ok(list) = std::fs::read_dir(folder) else { return };
    let is_one = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    for path in list.flatten().map(|item| item.path()).filter(is_one).take(FILES_MAX) {
        let taken = Carried::read(&path).and_then(|carried| take(ledger, policy, &carried));
        if let Err(error) = taken {
            let why = chain(error.as_ref());
            tracing::error!(error = %why, "a carried cosignature was refused");
            let _ = std::fs::write(path.with_extension("refused"), why);
        }
        let _ = std::fs::remove_file(&path);
    }
}

/// Holds an answer against the log and keeps it.
pub fn take(ledger: &mut Ledger, policy: &Policy, carried: &Carried) -> Result<()> {
    let cosigned = ledger.collect_cosignatures(carried.hash, &carried.request, &carried.answer, policy)?;
    tracing::info!(
        tree = carried.hash.name(),
        size = cosigned.size,
        cosignatures = cosigned.cosignatures,
        quorum = cosigned.quorum,
        "cosigned"
    );
    Ok(())
}

/// What is known of one witness.
struct Asked {
    name: String,
    url: String,
    /// Per tree: entries it cosigned last, and the head it has answered.
    trees: HashMap<TreeHash, (u64, String)>,
    failures: u32,
    not_before: Option<Instant>,
}

/// Why a witness gave no cosignature.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("it could not be reached")]
    Transport { source: reqwest::Error },
    #[error("it answered {status}: {said}")]
    Refused { status: u16, said: String },
    #[error("its answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// The one finding for which witnesses exist.
    #[error("it has cosigned {cosigned} entries, our log has {ours}: the log was rolled back or forked")]
    RolledBack { cosigned: u64, ours: u64 },
    #[error("the request could not be made")]
    Request { source: yihe_ledger::error::LedgerError },
}

/// Asks for as long as the server runs.
pub async fn run(
    view: LogView,
    policy: Policy,
    answers: mpsc::Sender<Carried>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let client = reqwest::Client::builder()
        .timeout(WITNESS_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("no HTTP client")?;
    let mut witnesses: Vec<Asked> = Vec::new();
    for (name, url) in policy.witness_urls() {
        // A witness with two keys stands on two lines with one address.
        if !witnesses.iter().any(|known| known.url == url) {
            let url = url.trim_end_matches('/').to_owned();
            witnesses.push(Asked { name, url, trees: HashMap::new(), failures: 0, not_before: None });
        }
    }
    loop {
        for hash in TreeHash::BOTH {
            let look = view.clone();
            let head = tokio::task::spawn_blocking(move || look.head(hash)).await?;
            let Ok(head) = head else { continue };
            round(&client, &view, &head, &mut witnesses, &answers).await;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => return Ok(()),
        }
    }
}

/// One head to every witness that has not answered it; all at once, none waits for another.
async fn round(
    client: &reqwest::Client,
    view: &LogView,
    head: &Head,
    witnesses: &mut [Asked],
    answers: &mpsc::Sender<Carried>,
) {
    let now = Instant::now();
    let due = witnesses.iter_mut().filter(|witness| {
        witness.not_before.is_none_or(|not_before| now >= not_before)
            && witness.trees.get(&head.hash).is_none_or(|(_, answered)| *answered != head.note)
    });
    let asked = join_all(due.map(async |witness| {
        let known = witness.trees.get(&head.hash).map_or(0, |(size, _)| *size);
        (ask(client, view, &witness.url, head, known.min(head.size)).await, witness)
    }))
    .await;
    for (answer, witness) in asked {
        match answer {
            Ok(carried) => {
                witness.trees.insert(head.hash, (head.size, head.note.clone()));
                (witness.failures, witness.not_before) = (0, None);
                if let Some(carried) = carried {
                    // A full channel means that the sequencer is behind; the next head asks again.
                    let _ = answers.try_send(carried);
                }
            }
            Err(error) => {
                witness.failures += 1;
                let pause = PAUSE.saturating_mul(1 << witness.failures.min(6)).min(PAUSE_MAX);
                witness.not_before = Some(now + pause);
                let (witness, tree) = (&witness.name, head.hash.name());
                if matches!(error, AskError::RolledBack { .. }) {
                    tracing::error!(witness, tree, error = %chain(&error), "ALARM: a witness contradicts the ledger");
                } else {
                    tracing::warn!(witness, tree, error = %chain(&error), "a witness has not cosigned");
                }
            }
        }
    }
}

/// Asks one witness; `None` when it does not watch this tree. It may say where it stands, once.
async fn ask(
    client: &reqwest::Client,
    view: &LogView,
    url: &str,
    head: &Head,
    mut known: u64,
) -> Result<Option<Carried>, AskError> {
    for attempt in 0.. {
        let (look, at) = (view.clone(), head.clone());
        let made = tokio::task::spawn_blocking(move || look.witness_request(&at, known)).await;
        let request = made.expect("making a proof does not panic").map_err(|source| AskError::Request { source })?;
        let sent = client.post(format!("{url}/add-checkpoint")).body(request.clone()).send().await;
        let mut answer = sent.map_err(|source| AskError::Transport { source })?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|source| AskError::Transport { source })? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(AskError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        let said = String::from_utf8_lossy(&body).into_owned();
        match status {
            200 => return Ok(Some(Carried { hash: head.hash, request, answer: said })),
            404 => return Ok(None),
            409 if attempt == 0 => {
                let Ok(cosigned) = said.trim().parse::<u64>() else {
                    return Err(AskError::Refused { status, said });
                };
                if cosigned > head.size {
                    // A newer head of ours, cosigned meanwhile, is no contradiction.
                    let look = view.clone();
                    let hash = head.hash;
                    let ours = tokio::task::spawn_blocking(move || look.head(hash)).await;
                    let ours = ours.ok().and_then(Result::ok).map_or(head.size, |head| head.size);
                    if cosigned > ours {
                        return Err(AskError::RolledBack { cosigned, ours });
                    }
                    return Ok(None);
                }
                known = cosigned;
            }
            _ => return Err(AskError::Refused { status, said: said.chars().take(200).collect() }),
        }
    }
    unreachable!("the second answer returns")
}
