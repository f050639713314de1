//! Long work on registries that a request begins and does not wait for: trials of another authority, and counts of
//! what each department supplied. It lives in memory and writes nothing, so a restart merely forgets it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use yihe_definitions::Registry;
use yihe_lake::LakeError;
use yihe_registries::{
    Builder, shape,
    tally::{Tally, tally},
    what_if::WhatIf,
};

use crate::language::{Language, Text};

/// Trials that are remembered; the oldest that has ended makes room.
pub const TRIALS_MAX: usize = 32;
/// Longest that a trial may take.
const TRIAL_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Longest that counting may take.
const COUNT_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long a page waits for counts before it goes without them.
const PAGE_WAITS: Duration = Duration::from_secs(2);

/// The desk.
pub struct Desk {
    /// Resolves registries.
    pub builder: Builder,
    trials: Mutex<Vec<Trial>>,
    counts: Mutex<HashMap<String, Count>>,
    /// One long work at a time: a trial reads every record of a registry.
    turn: Arc<Semaphore>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A trial as it was begun.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Name in addresses.
    pub id: String,
    /// Registry.
    pub registry: String,
    /// The field tried.
    pub field: String,
    /// Datasets in the order as it was, and as it is tried.
    pub before: Vec<String>,
    /// See `before`.
    pub after: Vec<String>,
    /// Who began it: only accounts that keep the registry see it.
    pub begun_by: String,
    /// When.
    pub begun_at: Timestamp,
    outcome: watch::Receiver<Outcome>,
}

/// How a trial stands.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It works, or waits for its turn.
    Running,
    /// It came to this.
    Done(Arc<WhatIf>),
    /// It failed, or ran into its bound.
    Failed(Text),
}

impl Trial {
    /// How it stands.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome.borrow().clone()
    }
}

/// A trial that is to be begun.
#[derive(Debug, Clone)]
pub struct NewTrial {
    /// Name.
    pub id: String,
    /// The field.
    pub field: String,
    /// The order that is tried.
    pub authority: Vec<String>,
    /// Who begins it.
    pub begun_by: String,
    /// When.
    pub begun_at: Timestamp,
}

struct Count {
    /// Versions of golden table and conflicts.
    of: [i64; 2],
    tally: watch::Receiver<Option<Arc<Tally>>>,
}

impl Desk {
    /// A desk over this builder.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        Self { builder, trials: Mutex::default(), counts: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Begins a trial of another order for one field. `None`: [`TRIALS_MAX`] are under way.
    #[must_use]
    pub fn try_order(&self, registry: &Registry, new: NewTrial) -> Option<Trial> {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        if trials.len() >= TRIALS_MAX {
            let ended = trials.iter().position(|trial| !matches!(trial.outcome(), Outcome::Running))?;
            trials.remove(ended);
        }
        let mut proposed = registry.clone();
        let field = proposed.fields.iter_mut().find(|field| field.name == new.field);
        let before = field.map(|field| std::mem::replace(&mut field.authority, new.authority.clone()));
        let (tell, outcome) = watch::channel(Outcome::Running);
        let trial = Trial {
            id: new.id,
            registry: registry.id.clone(),
            field: new.field,
            before: before.unwrap_or_default(),
            after: new.authority,
            begun_by: new.begun_by,
            begun_at: new.begun_at,
            outcome,
        };
        trials.push(trial.clone());
        drop(trials);
        let (builder, registry, turn) = (self.builder.clone(), registry.clone(), Arc::clone(&self.turn));
        tokio::spawn(async move {
            let Ok(_turn) = turn.acquire().await else { return };
            let outcome = match tokio::time::timeout(TRIAL_WITHIN, builder.what_if(&registry, &proposed)).await {
                Ok(Ok(found)) => Outcome::Done(Arc::new(found)),
                Ok(Err(error)) => {
                    tracing::error!(registry = registry.id, cause = crate::problem::chain(&error), "a trial failed");
                    Outcome::Failed(Text::new(error.message(Language::Zh), error.message(Language::En)))
                }
                Err(_) => {
                    let minutes = TRIAL_WITHIN.as_secs() / 60;
                    Outcome::Failed(Text::new(
                        format!("超过 {minutes} 分钟的上限，已停止。请用命令行 yihe registry what-if 在夜间运行。"),
                        format!("It ran into its bound of {minutes} minutes. Run yihe registry what-if at night."),
                    ))
                }
            };
            let _ = tell.send(outcome);
        });
        Some(trial)
    }

    /// A trial.
    #[must_use]
    pub fn trial(&self, registry: &str, id: &str) -> Option<Trial> {
        let trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.iter().find(|trial| trial.registry == registry && trial.id == id).cloned()
    }

    /// A registry's trials, newest first.
    #[must_use]
    pub fn trials(&self, registry: &str) -> Vec<Trial> {
        let trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.iter().rev().filter(|trial| trial.registry == registry).cloned().collect()
    }

    /// What each dataset supplied to a registry as it is now. `None`: it is being counted; ask again in a while.
    ///
    /// # Errors
    /// The lake failed to name the tables' versions.
    pub async fn tally(&self, registry: &Registry) -> Result<Option<Arc<Tally>>, LakeError> {
        let lake = &self.builder.lake;
        let mut of = [-1; 2];
        for (version, table) in of.iter_mut().zip([shape::golden_table(registry)?, shape::conflicts_table(registry)?]) {
            if lake.exists(&table) {
                *version = lake.version(&table).await?;
            }
        }
        let mut counted = self.counted(registry, of);
        let waited = tokio::time::timeout(PAGE_WAITS, counted.wait_for(Option::is_some)).await;
        Ok(waited.ok().and_then(Result::ok).and_then(|tally| tally.clone()))
    }

    /// The count of these versions; begins it where nobody did.
    fn counted(&self, registry: &Registry, of: [i64; 2]) -> watch::Receiver<Option<Arc<Tally>>> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // A count that failed has no sender any more and is begun again.
        let is_good =
            |count: &&Count| count.of == of && (count.tally.borrow().is_some() || count.tally.has_changed().is_ok());
        if let Some(count) = counts.get(&registry.id).filter(is_good) {
            return count.tally.clone();
        }
        let (tell, told) = watch::channel(None);
        counts.insert(registry.id.clone(), Count { of, tally: told.clone() });
        let (lake, registry, turn) = (self.builder.lake.clone(), registry.clone(), Arc::clone(&self.turn));
        tokio::spawn(async move {
            let Ok(_turn) = turn.acquire().await else { return };
            match tokio::time::timeout(COUNT_WITHIN, tally(&lake, &registry)).await {
                Ok(Ok(found)) => {
                    let _ = tell.send(Some(Arc::new(found)));
                }
                Ok(Err(error)) => {
                    tracing::error!(registry = registry.id, cause = crate::problem::chain(&error), "not counted");
                }
                Err(_) => tracing::error!(registry = registry.id, "counting ran into its bound"),
            }
        });
        told
    }
}
