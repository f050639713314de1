//! Configuration: defaults, then the file, then the environment; checked whole at start-up.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::civil::Time;
use serde::Deserialize;
use yihe_definitions::Text;

use crate::cli::Common;

/// Address served on when nothing else is said.
pub const LISTEN: &str = "127.0.0.1:8371";
/// When the ledger is verified every night unless the city says otherwise.
const VERIFY_AT: Time = Time::constant(2, 30, 0, 0);
/// Six signs of life missed.
const SILENCE_MINUTES: u32 = 60;
/// The ledger gives a sign of life every ten minutes; less than two of them would be a false alarm.
const SILENCE_MINUTES_MIN: u32 = 20;
const SILENCE_MINUTES_MAX: u32 = 60 * 24 * 31;

/// Everything that can be set.
#[derive(Clone)]
pub struct Config {
    /// Folder of everything Yihe keeps.
    pub data: PathBuf,
    /// Name of the city on the pages.
    pub city: Text,
    /// Department that is the competent authority (政务数据共享工作主管部门).
    pub authority: String,
    /// Address to serve on.
    pub listen: String,
    /// How the server is reached from outside, without a slash at the end.
    pub address: Option<String>,
    /// Metadata store: `sqlite:<path>` or `postgres://…`.
    pub store: String,
    /// Foreign databases by name; addresses may hold passwords and are never shown.
    pub connections: BTreeMap<String, String>,
    /// Threads for scans and builds.
    pub threads: usize,
    /// Memory for sorts, joins and aggregates, in MiB.
    pub memory_mib: usize,
    /// Whether other engines read the tables: every change is then written where they see it at once.
    pub other_engines: bool,
    /// Origin of the ledger: a name that no other log has.
    pub origin: String,
    /// Whom the ledger's readers believe: our log keys, witnesses, quorum (C2SP `tlog-policy`).
    pub policy: Option<PathBuf>,
    /// Time of day in China at which the ledger is verified while the server runs.
    pub verify_at: Time,
    /// Longest time without an entry that is not an alarm, in minutes.
    pub silence_minutes: u32,
    /// What is logged to standard error, as in `info,yihe_lake=debug`.
    pub log: String,
}

/// The file `yihe.yaml`. Every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    city: Option<Text>,
    authority: Option<String>,
    listen: Option<String>,
    address: Option<String>,
    store: Option<String>,
    #[serde(default)]
    connections: BTreeMap<String, String>,
    threads: Option<usize>,
    memory_mib: Option<usize>,
    #[serde(default)]
    other_engines: bool,
    origin: Option<String>,
    policy: Option<PathBuf>,
    verify_at: Option<String>,
    silence_minutes: Option<u32>,
    log: Option<String>,
}

/// What is wrong with the configuration; all of it.
#[derive(Debug)]
pub struct ConfigFaults(pub Vec<String>);

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every fault at once: an unreadable file, unknown keys, values out of range.
    pub fn load(common: &Common) -> Result<Self, ConfigFaults> {
        let mut faults = Vec::new();
        let data = common.data.clone().unwrap_or_else(|| PathBuf::from("yihe-data"));
        let path = common.config.clone().unwrap_or_else(|| data.join("yihe.yaml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => serde_saphyr::from_str::<File>(&text).unwrap_or_else(|error| {
                let sentence = error.to_string();
                faults.push(format!("{}: {}", path.display(), sentence.lines().next().unwrap_or_default()));
                File::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && common.config.is_none() => File::default(),
            Err(error) => {
                faults.push(format!("{}: {error}", path.display()));
                File::default()
            }
        };
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut config = Self {
            city: file.city.unwrap_or_else(|| Text::new("示范市", "Demonstration City")),
            authority: variable("YIHE_AUTHORITY").or(file.authority).unwrap_or_else(|| "dashuju".to_owned()),
            listen: variable("YIHE_LISTEN").or(file.listen).unwrap_or_else(|| LISTEN.to_owned()),
            address: variable("YIHE_ADDRESS").or(file.address),
            store: variable("YIHE_STORE")
                .or(file.store)
                .unwrap_or_else(|| format!("sqlite:{}", data.join("store").join("yihe.sqlite").display())),
            connections: file.connections,
            threads: file.threads.unwrap_or_else(|| processors.min(8)),
            memory_mib: file.memory_mib.unwrap_or(1_024),
            other_engines: file.other_engines,
            origin: variable("YIHE_ORIGIN").or(file.origin).unwrap_or_else(|| "yihe.demo/ledger".to_owned()),
            policy: variable("YIHE_POLICY").map(PathBuf::from).or(file.policy),
            verify_at: VERIFY_AT,
            silence_minutes: file.silence_minutes.unwrap_or(SILENCE_MINUTES),
            log: variable("YIHE_LOG").or(file.log).unwrap_or_else(|| "warn".to_owned()),
            data,
        };
        for (name, url) in std::env::vars() {
            if let Some(name) = name.strip_prefix("YIHE_CONNECTION_") {
                config.connections.insert(name.to_ascii_lowercase(), url);
            }
        }
        if let Some(threads) = variable("YIHE_THREADS") {
            match threads.parse() {
                Ok(threads) => config.threads = threads,
                Err(_) => faults.push(format!("YIHE_THREADS: found `{threads}`, expected a whole number")),
            }
        }
        if let Some(time) = variable("YIHE_VERIFY_AT").or(file.verify_at) {
            match time.parse() {
                Ok(time) => config.verify_at = time,
                Err(_) => faults.push(format!("verify_at: found `{time}`, expected a time of day such as 02:30")),
            }
        }
        if !(SILENCE_MINUTES_MIN..=SILENCE_MINUTES_MAX).contains(&config.silence_minutes) {
            faults.push(format!(
                "silence_minutes: found {}, expected {SILENCE_MINUTES_MIN} to {SILENCE_MINUTES_MAX}",
                config.silence_minutes
            ));
        }
        if !(1..=256).contains(&config.threads) {
            faults.push(format!("threads: found {}, expected 1 to 256", config.threads));
        }
        if config.memory_mib < 128 {
            faults.push(format!("memory_mib: found {}, expected at least 128", config.memory_mib));
        }
        if faults.is_empty() { Ok(config) } else { Err(ConfigFaults(faults)) }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
