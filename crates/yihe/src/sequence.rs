//! The store's outbox into the ledger: its keys, and who drains when.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rand::RngExt as _;
use tokio::{runtime::Handle, sync::mpsc};
use yihe_ledger::{
    error::LedgerError,
    hashes::TreeHash,
    keys::{KeySeeds, LogKeys, TrustedKeys},
    ledger::Ledger,
    policy::Policy,
    sequencer::{DrainError, Drained, Sequencer},
    view::LogView,
};
use yihe_store::{Actor, LedgerOutbox, Store, StoreError};
use yihe_vocabulary::Clock;

use crate::{
    app::App,
    config::Config,
    cosign::{self, Carried},
};

/// How often a server looks for new rows: half of what a reader may wait for a checkpoint.
const EVERY: Duration = Duration::from_millis(200);
/// Longest that a command waits for the server's sequencer.
const ENTERED_WITHIN: Duration = Duration::from_secs(30);

/// What the entry of an interval's calls is called.
pub const CALLS_KIND: &str = "calls.supplied";

/// Folder of the ledger's files.
pub fn folder(config: &Config) -> PathBuf {
    config.data.join("ledger")
}

/// The signing keys, made at first use.
pub fn keys(config: &Config) -> Result<LogKeys> {
    let mut random = rand::rng();
    let seeds = KeySeeds { ed25519: random.random(), sm2: random.random() };
    Ok(LogKeys::read_or_create(&config.data.join("keys"), &config.origin, &seeds)?)
}

/// Whom readers of our log believe; `None` when the configuration names no policy.
pub fn policy(config: &Config) -> Result<Option<Policy>> {
    let Some(path) = &config.policy else { return Ok(None) };
    let text = std::fs::read(path).with_context(|| format!("failed to read the policy {}", path.display()))?;
    Policy::read(&text).map(Some).with_context(|| format!("{} is not a policy (不是信任策略)", path.display()))
}

/// The policy that goes with a proof: the configured one, else this log alone, without witnesses.
pub fn policy_text(config: &Config, view: &LogView) -> Result<String> {
    if let Some(path) = &config.policy {
        return std::fs::read_to_string(path).with_context(|| format!("failed to read the policy {}", path.display()));
    }
    Ok(alone(view))
}

fn alone(view: &LogView) -> String {
    let mut text = String::new();
    for key in TreeHash::BOTH.into_iter().flat_map(|hash| view.trusted().of(hash)) {
        text.push_str(&format!("log {key}\n"));
    }
    text.push_str("quorum none\n");
    text
}

/// Where cosignatures that came as files wait for a running server.
pub fn carried_folder(config: &Config) -> PathBuf {
    folder(config).join("state").join("carried")
}

/// The log as anybody may read it; `None` until its keys were made.
pub fn view(config: &Config) -> Result<Option<LogView>> {
    let path = config.data.join("keys").join(yihe_ledger::keys::VERIFIER_KEYS_FILE);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(LogView::new(folder(config).join("public"), TrustedKeys::read(&path)?)))
}

/// Enters whatever waits. `None` when another process holds the ledger: then that process does it.
pub async fn settle(app: &App) -> Result<Option<Drained>> {
    let keys = keys(&app.config)?;
    let folder = folder(&app.config);
    let machine = app.machine();
    app.store.calls_close(&machine.act(CALLS_KIND, app.clock.now())).await?;
    let mut outbox = LedgerOutbox::new(app.store.clone(), Handle::current());
    let faults = Arc::clone(&app.faults);
    tokio::task::spawn_blocking(move || {
        faults("ledger.before_drain");
        let mut ledger = match Ledger::open(&folder, keys) {
            Ok(ledger) => ledger,
            Err(LedgerError::Held { .. }) => return Ok(None),
            Err(error) => return Err(error).context("failed to open the ledger"),
        };
        let drained = Sequencer::default().drain(&mut ledger, &mut outbox).map_err(sequencing)?;
        ledger.settle().context("failed to settle the ledger")?;
        ledger.close().context("failed to close the ledger")?;
        faults("ledger.after_drain");
        Ok(Some(drained))
    })
    .await
    .context("the sequencer stopped")?
}

/// Enters whatever waits, or waits until the process that holds the ledger has done it.
pub async fn entered(app: &App) -> Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        if settle(app).await?.is_some() || app.store.outbox_count_pending().await? == 0 {
            return Ok(());
        }
        if waited >= ENTERED_WITHIN {
            anyhow::bail!("the ledger has not taken everything within {ENTERED_WITHIN:?} (账本尚未全部登记)");
        }
        tokio::time::sleep(EVERY).await;
        waited += EVERY;
    }
}

/// Enters rows for as long as the server runs, and takes in what witnesses answered.
pub async fn run(
    store: Store,
    config: Config,
    clock: Arc<dyn Clock>,
    mut answers: mpsc::Receiver<Carried>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Result<()> {
    let keys = keys(&config)?;
    let folder = folder(&config);
    let carried = carried_folder(&config);
    let policy = policy(&config)?.map(Arc::new);
    let ledger = tokio::task::spawn_blocking(move || Ledger::open(&folder, keys)).await?;
    let mut state = (ledger.context("failed to open the ledger")?, Sequencer::default());
    loop {
        let mut outbox = LedgerOutbox::new(store.clone(), Handle::current());
        let now = clock.now();
        let (policy, carried) = (policy.clone(), carried.clone());
        let mut answered = Vec::new();
        while let Ok(answer) = answers.try_recv() {
            answered.push(answer);
        }
        state = tokio::task::spawn_blocking(move || {
            let (mut ledger, mut sequencer) = state;
            // What fails now is tried again in a moment; nothing was acknowledged that is not durable.
            if let Err(error) = sequencer.drain(&mut ledger, &mut outbox) {
                tracing::error!(error = %chain(&error), "the outbox was not entered");
            }
            if let Err(error) = sequencer.keep_alive(&mut ledger, now) {
                tracing::error!(error = %chain(&error), "no sign of life was entered");
            }
            if let Some(policy) = policy {
                for answer in answered {
                    if let Err(error) = cosign::take(&mut ledger, &policy, &answer) {
                        tracing::error!(error = %chain(error.as_ref()), "a witness's answer was refused");
                    }
                }
                cosign::take_carried(&carried, &mut ledger, &policy);
            }
            (ledger, sequencer)
        })
        .await
        .context("the sequencer stopped")?;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    let (mut ledger, mut sequencer) = state;
    // The doors are closed: what was supplied last goes in with the rest.
    let machine = Actor { department: config.authority.clone(), ..Actor::system() };
    if let Err(error) = store.calls_close(&machine.act(CALLS_KIND, clock.now())).await {
        tracing::error!(error = %chain(&error), "supplied calls were not entered");
    }
    let mut outbox = LedgerOutbox::new(store, Handle::current());
    tokio::task::spawn_blocking(move || {
        sequencer.drain(&mut ledger, &mut outbox).map_err(sequencing)?;
        ledger.settle().context("failed to settle the ledger")?;
        ledger.close().context("failed to close the ledger")
    })
    .await?
}

fn sequencing(error: DrainError<StoreError>) -> anyhow::Error {
    anyhow::Error::new(error).context("failed to enter the outbox in the ledger")
}

/// An error with its causes in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
