//! Building a registry: members' checked tables in, golden table and conflicts out.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use yihe_definitions::Registry;
use yihe_lake::{CommitKey, FaultHook, Lake, LakeError, Layout, TableName, Zone};
use yihe_store::{Actor, NewRun, RunBegun, Store, StoreError};
use yihe_vocabulary::Clock;

use crate::{
    error::RegistryError,
    gather::{Gathered, gather},
    resolve::{Resolved, resolve},
    shape,
};

/// The points at which [`Builder::faults`] is called, in the order in which a build meets them.
pub const FAULT_POINTS: [&str; 4] =
    ["build.after_begin", "build.after_gather", "build.after_conflicts", "build.after_golden"];

/// How long a build may be silent before another may take it over.
const LEASE: Duration = Duration::from_secs(120);
/// How long a build may take in all.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);

/// Builds registries.
#[derive(Clone)]
pub struct Builder {
    /// Where tables are.
    pub lake: Lake,
    /// Where runs are recorded.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who builds.
    pub actor: Actor,
    /// Name of this process, for the lease.
    pub holder: String,
    /// Crash tests' hook.
    pub faults: FaultHook,
}

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// Registry.
    pub registry: String,
    /// Records of all members that have a usable key.
    pub records: u64,
    /// Records that could not be joined.
    pub unlinked: u64,
    /// Golden records.
    pub entities: u64,
    /// Conflicts.
    pub conflicts: u64,
    /// Version of the golden table.
    pub version: i64,
    /// Whether nothing had changed since the last build, so that nothing was done.
    pub unchanged: bool,
}

impl Builder {
    /// Builds one registry. The same inputs and definition are built once; a crash is repeated by the next call.
    ///
    /// # Errors
    /// Somebody else is building it; the lake or the store failed. The registry that stood before still stands.
    pub async fn build(&self, registry: &Registry) -> Result<BuildReport, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let now = self.clock.now();
        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let new = NewRun {
            step: "build",
            subject: &registry.id,
            holder: &self.holder,
            lease_until: now + LEASE,
            deadline_at: now + DEADLINE,
        };
        let run = match tx.run_begin(&new, &self.actor.act("run.started", now)).await.map_err(store_failed)? {
            RunBegun::Started(run) => run,
            RunBegun::Busy(run) if run.holder == self.holder => run,
            RunBegun::Busy(run) => {
                return Err(RegistryError::Busy { registry: registry.id.clone(), holder: run.holder });
            }
        };
        tx.commit().await.map_err(store_failed)?;
        (self.faults)("build.after_begin");

        let clock = Arc::clone(&self.clock);
        let beating = self.store.run_keep_alive(&run, LEASE, move || clock.now());
        let outcome = self.work(registry).await;
        beating.abort();

        let mut tx = self.store.begin().await.map_err(store_failed)?;
        let at = self.clock.now();
        match outcome {
            Ok(report) => {
                let result = json!({
                    "records": report.records, "unlinked": report.unlinked, "entities": report.entities,
                    "conflicts": report.conflicts, "version": report.version, "unchanged": report.unchanged,
                });
                tx.run_finish(&run.id, &result.to_string(), &self.actor.act("registry.built", at))
                    .await
                    .map_err(store_failed)?;
                tx.commit().await.map_err(store_failed)?;
                Ok(report)
            }
            Err(error) => {
                tx.run_fail(&run.id, &error.to_string(), &self.actor.act("run.failed", at))
                    .await
                    .map_err(store_failed)?;
                tx.commit().await.map_err(store_failed)?;
                Err(error)
            }
        }
    }

    async fn work(&self, registry: &Registry) -> Result<BuildReport, RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let golden = shape::golden_table(registry).map_err(failed("name tables"))?;
        let conflicts = shape::conflicts_table(registry).map_err(failed("name tables"))?;
        let unlinked = shape::unlinked_table(registry).map_err(failed("name tables"))?;
        let inputs = self.inputs(registry).await.map_err(failed("read versions"))?;
        let key = commit_key(registry, &inputs).map_err(failed("name the build"))?;

        if self.lake.exists(&golden)
            && let Some(done) = self.lake.committed(&golden, &key).await.map_err(failed("look for an earlier build"))?
        {
            return Ok(report(registry, &done.meta, done.version, true));
        }
        let mut rows: u64 = 0;
        for (table, version) in &inputs {
            if version.is_some() {
                rows = rows.max(self.lake.count(table, *version).await.map_err(failed("count rows"))?);
            }
        }
        let layout = Layout::keyed([registry.key.as_str()], Layout::buckets_for(rows));
        let layout = if self.lake.exists(&golden) {
            self.lake.layout(&golden).await.map_err(failed("read the layout"))?
        } else {
            layout
        };
        self.lake
            .create(&golden, shape::golden_schema(registry), layout)
            .await
            .map_err(failed("create the golden table"))?;
        self.lake
            .create(&conflicts, shape::conflicts_schema(), Layout::rows())
            .await
            .map_err(failed("create the conflicts table"))?;
        self.lake
            .create(&unlinked, shape::unlinked_schema(), Layout::rows())
            .await
            .map_err(failed("create the unlinked table"))?;

        let mut lost = self.lake.replacer(&unlinked, key.clone()).await.map_err(failed("write unlinked records"))?;
        let gathered = Arc::new(gather(&self.lake, registry, &inputs, Some(&mut lost)).await?);
        lost.commit(Map::new()).await.map_err(failed("write unlinked records"))?;
        (self.faults)("build.after_gather");

        let mut golden_rows = self.lake.replacer(&golden, key.clone()).await.map_err(failed("write golden records"))?;
        let mut conflict_rows = self.lake.replacer(&conflicts, key).await.map_err(failed("write conflicts"))?;
        let shared = Arc::new(registry.clone());
        let work = (0..gathered.partitions)
            .map(|partition| resolve_partition(Arc::clone(&shared), Arc::clone(&gathered), partition));
        // Results come in the order of partitions, so the tables do not depend on which thread was faster.
        let mut resolved = futures::stream::iter(work).buffered(self.lake.options().threads.max(1));
        while let Some(part) = resolved.next().await {
            let part = part?;
            golden_rows.write(part.golden).await.map_err(failed("write golden records"))?;
            conflict_rows.write(part.conflicts).await.map_err(failed("write conflicts"))?;
        }
        let (entities, disagreements) = (golden_rows.rows(), conflict_rows.rows());
        conflict_rows.commit(Map::new()).await.map_err(failed("write conflicts"))?;
        (self.faults)("build.after_conflicts");
        let meta = meta(&gathered, entities, disagreements);
        // The golden table is committed last: its commit is what says that the build is done.
        let commit = golden_rows.commit(meta).await.map_err(failed("write golden records"))?;
        (self.faults)("build.after_golden");
        Ok(report(registry, &commit.meta, commit.version, false))
    }

    /// Each member's checked table and its version; `None` where nothing was delivered yet.
    pub(crate) async fn inputs(&self, registry: &Registry) -> Result<Vec<(TableName, Option<i64>)>, LakeError> {
        let mut inputs = Vec::with_capacity(registry.members.len());
        for member in &registry.members {
            let table = TableName::new(Zone::Checked, member.dataset.as_str())?;
            let version = if self.lake.exists(&table) { Some(self.lake.version(&table).await?) } else { None };
            inputs.push((table, version));
        }
        Ok(inputs)
    }
}

async fn resolve_partition(
    registry: Arc<Registry>,
    gathered: Arc<Gathered>,
    partition: usize,
) -> Result<Resolved, RegistryError> {
    let id = registry.id.clone();
    let work = move || resolve(&registry, &gathered.partition(partition)?);
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| RegistryError::Stopped { registry: id.clone(), detail: error.to_string() })?;
    done.map_err(|source| RegistryError::Spool { registry: id, source })
}

/// The same inputs under the same definition have the same key.
fn commit_key(registry: &Registry, inputs: &[(TableName, Option<i64>)]) -> Result<CommitKey, LakeError> {
    let definition = serde_json::to_string(registry).expect("definitions serialise");
    let mut digest = Sha256::new().chain_update(definition.as_bytes());
    for (table, version) in inputs {
        digest.update(format!("\n{table}@{}", version.unwrap_or(-1)));
    }
    CommitKey::new(format!("build:{}:{}", registry.id, hex::encode(&digest.finalize()[..16])))
}

fn meta(gathered: &Gathered, entities: u64, conflicts: u64) -> Map<String, Value> {
    let mut meta = Map::new();
    for (name, value) in [
        ("records", gathered.records),
        ("unlinked", gathered.unlinked),
        ("entities", entities),
        ("conflicts", conflicts),
    ] {
        meta.insert(name.to_owned(), value.into());
    }
    meta
}

fn report(registry: &Registry, meta: &Map<String, Value>, version: i64, unchanged: bool) -> BuildReport {
    let figure = |name: &str| meta.get(name).and_then(Value::as_u64).unwrap_or(0);
    BuildReport {
        registry: registry.id.clone(),
        records: figure("records"),
        unlinked: figure("unlinked"),
        entities: figure("entities"),
        conflicts: figure("conflicts"),
        version,
        unchanged,
    }
}
