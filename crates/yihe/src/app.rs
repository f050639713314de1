//! The opened data folder: lake, store, clock, ledger keys, and the rooms over them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use yihe_collect::Collector;
use yihe_definitions::Pack;
use yihe_docket::Docket;
use yihe_lake::{FaultHook, Lake, LakeOptions};
use yihe_quality::walk::Walk;
use yihe_registries::{Builder, EntitySecret, HashKeys};
use yihe_store::{Actor, Identity as _, Store, StoreError, SystemIdentity};
use yihe_vocabulary::{Clock, SystemClock, WorkingCalendar, WorkingYear};

use crate::{commands::ticket, config::Config, faults, packs};

/// Everything a command works with.
pub struct App {
    /// Configuration.
    pub config: Config,
    /// Tables.
    pub lake: Lake,
    /// Metadata.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Crash tests' hook.
    pub faults: FaultHook,
    /// From what the names of registries' entities follow.
    pub secret: EntitySecret,
    holder: String,
}

impl App {
    /// Opens the data folder, making what is not there yet.
    pub async fn open(config: Config) -> Result<Self> {
        let data = &config.data;
        std::fs::create_dir_all(data)
            .with_context(|| format!("failed to create the data folder {}", data.display()))?;
        let holder = format!("{}-{}", hostname(), std::process::id());
        // A spill folder of its own, for opening a lake empties it.
        let mut options = LakeOptions::new(data.join("spill").join(&holder));
        options.memory_limit = config.memory_mib << 20;
        if config.other_engines {
            options.beside_from = u64::MAX;
        }
        options.threads = config.threads;
        let faults = faults::hook();
        options.faults = Arc::clone(&faults);
        let lake = Lake::open(&data.join("lake"), options)?;
        let store = Store::open(&config.store, SystemIdentity).await?;
        let secret = data.join("keys").join("entity.key");
        let secret = EntitySecret::read_or_create(&secret, &SystemIdentity.bytes())
            .with_context(|| format!("failed to read or make {}", secret.display()))?;
        let app = Self { lake, store, secret, clock: Arc::new(SystemClock), faults, holder, config };
        app.bury_the_dead().await?;
        Ok(app)
    }

    /// Gives up the runs of processes of this machine that are gone. Their lease would end by itself, but whoever
    /// runs a command again after a crash should not wait for it.
    async fn bury_the_dead(&self) -> Result<()> {
        let here = format!("{}-", hostname());
        for run in self.store.run_list_running(yihe_store::PAGE_ROWS_MAX).await? {
            let process = run.holder.strip_prefix(&here).and_then(|process| process.parse::<u32>().ok());
            if process.is_some_and(|process| !is_alive(process)) {
                let mut tx = self.store.begin().await?;
                let act = self.machine();
                let act = act.act("run.abandoned", self.clock.now());
                // Another process may have done it in this moment; then there is nothing left to do.
                match tx.run_fail(&run.id, "the process ended before the work did", &act).await {
                    Ok(()) => tx.commit().await?,
                    Err(StoreError::State { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// The definitions in force.
    pub async fn pack(&self) -> Result<Pack> {
        packs::in_force(&self.store).await
    }

    /// Where departments put their files.
    pub fn inbox(&self) -> PathBuf {
        self.config.data.join("inbox")
    }

    /// The collector, acting for the competent authority.
    pub fn collector(&self) -> Collector {
        Collector {
            lake: self.lake.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            actor: self.machine(),
            spool: self.config.data.join("spool"),
            faults: Arc::clone(&self.faults),
        }
    }

    /// The checker.
    pub fn walk(&self, pack: &Pack) -> Result<Walk> {
        Ok(Walk {
            lake: self.lake.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            tickets: ticket::room(self, pack)?,
            actor: self.machine(),
            holder: self.holder.clone(),
            faults: Arc::clone(&self.faults),
        })
    }

    /// The builder of registries.
    pub fn builder(&self) -> Builder {
        Builder {
            hash_keys: hash_keys(&self.config.data),
            lake: self.lake.clone(),
            store: self.store.clone(),
            secret: self.secret.clone(),
            clock: Arc::clone(&self.clock),
            actor: self.machine(),
            holder: self.holder.clone(),
            faults: Arc::clone(&self.faults),
        }
    }

    /// The docket by the pack's calendar.
    pub fn docket(&self, pack: &Pack) -> Result<Docket> {
        Ok(Docket::new(Arc::new(calendar(pack)?)))
    }

    /// This process, by host and number: who holds a run.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// What the program does by itself, on behalf of the competent authority.
    pub fn machine(&self) -> Actor {
        Actor { department: self.config.authority.clone(), ..Actor::system() }
    }
}

/// Keys under which departments hash numbers: of the name `n` the variable `YIHE_HASH_KEY_N`, else the file
/// `keys/hash/n.key` of the data folder.
fn hash_keys(data: &Path) -> HashKeys {
    let folder = data.join("keys").join("hash");
    HashKeys::new(move |name| match std::env::var_os(format!("YIHE_HASH_KEY_{}", name.to_ascii_uppercase())) {
        Some(key) => Ok(key.into_encoded_bytes()),
        None => std::fs::read(folder.join(format!("{name}.key"))),
    })
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(self.config.data.join("spill").join(&self.holder));
    }
}

/// The working-day calendar of a pack.
pub fn calendar(pack: &Pack) -> Result<WorkingCalendar> {
    let day = |text: &String| {
        text.parse::<jiff::civil::Date>()
            .with_context(|| format!("found day `{text}` in a calendar, expected YYYY-MM-DD"))
    };
    let mut years = Vec::with_capacity(pack.calendars.len());
    for year in &pack.calendars {
        years.push(WorkingYear {
            year: year.year,
            holidays: year.holidays.iter().map(day).collect::<Result<_>>()?,
            makeup_days: year.makeup_days.iter().map(day).collect::<Result<_>>()?,
        });
    }
    Ok(WorkingCalendar::new(years)?)
}

/// Whether a process of this machine is alive and is one of ours; numbers are used again.
fn is_alive(process: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
    name.is_ok_and(|name| name.trim() == "yihe")
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "yihe".to_owned(), |name| name.trim().to_owned())
}
