//! The store's outbox into the ledger: its keys, and who drains when.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rand::RngExt as _;
use tokio::runtime::Handle;
use yihe_ledger::{
    error::LedgerError,
    keys::{KeySeeds, LogKeys, TrustedKeys},
    ledger::Ledger,
    sequencer::{DrainError, Drained, Sequencer},
    view::LogView,
};
use yihe_store::{LedgerOutbox, Store, StoreError};
use yihe_vocabulary::Clock;

use crate::{app::App, config::Config};

/// How often a server looks for new rows: half of what a reader may wait for a checkpoint.
const EVERY: Duration = Duration::from_millis(200);

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

/// Enters rows for as long as the server runs.
pub async fn run(
    store: Store,
    config: Config,
    clock: Arc<dyn Clock>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Result<()> {
    let keys = keys(&config)?;
    let folder = folder(&config);
    let ledger = tokio::task::spawn_blocking(move || Ledger::open(&folder, keys)).await?;
    let mut state = (ledger.context("failed to open the ledger")?, Sequencer::default());
    loop {
        let mut outbox = LedgerOutbox::new(store.clone(), Handle::current());
        let now = clock.now();
        state = tokio::task::spawn_blocking(move || {
            let (mut ledger, mut sequencer) = state;
            // What fails now is tried again in a moment; nothing was acknowledged that is not durable.
            if let Err(error) = sequencer.drain(&mut ledger, &mut outbox) {
                tracing::error!(error = %chain(&error), "the outbox was not entered");
            }
            if let Err(error) = sequencer.keep_alive(&mut ledger, now) {
                tracing::error!(error = %chain(&error), "no sign of life was entered");
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
