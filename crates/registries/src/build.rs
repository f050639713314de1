//! Building a registry: members' checked tables and the decisions that stand in, golden table and conflicts out.
//!
//! What comes out depends on what went in and on nothing else, so a build may start from nothing ([`full`]) or from
//! what changed since the last one (`increment`): the tables are the same.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use futures::StreamExt;
use serde_json::json;
use yihe_definitions::{Language, Registry};
use yihe_lake::{CommitKey, FaultHook, Lake, LakeError, Layout, TableName, Zone};
use yihe_store::{Actor, Store, StoreError};
use yihe_vocabulary::Clock;

use crate::{
    error::RegistryError,
    gather::{Gathered, Rules, gather},
    hashed::{self, HashKeys, HashedCount},
    identity::EntitySecret,
    lease::Leased,
    links::{self, Links, Standing},
    resolve::{Resolved, resolve},
    shape,
    state::{self, Figures, State},
};

/// The point at which [`Builder::faults`] is called in a build from changes, where one from nothing meets
/// `build.after_gather`.
pub const FAULT_POINT_CHANGES: &str = "build.after_changes";
/// The points at which [`Builder::faults`] is called in a build from nothing, in this order.
pub const FAULT_POINTS: [&str; 7] = [
    "build.after_begin",
    "build.after_gather",
    "build.after_unlinked",
    "build.after_conflicts",
    "build.after_sources",
    "build.after_decisions",
    "build.after_golden",
];

/// How long a build may take in all.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);

/// Builds registries.
#[derive(Clone)]
pub struct Builder {
    /// Where tables are.
    pub lake: Lake,
    /// Where runs are recorded, and decisions.
    pub store: Store,
    /// From what entities' names follow.
    pub secret: EntitySecret,
    /// Where the keys are under which members hash their numbers.
    pub hash_keys: HashKeys,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who builds.
    pub actor: Actor,
    /// Name of this process, for the lease.
    pub holder: String,
    /// Crash tests' hook.
    pub faults: FaultHook,
}

/// How a build was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Nothing had changed since the last one.
    Unchanged,
    /// From what changed.
    Changes {
        /// Records that came, went or changed.
        records: u64,
        /// Decisions that were made or revoked.
        decisions: u64,
        /// Entities that were derived again.
        entities: u64,
    },
    /// From nothing.
    Full(Why),
}

/// Why a build was made from nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is the first.
    First,
    /// It was asked for.
    Asked,
    /// The definition changed, or this is a later release.
    Definition,
    /// A member was delivered for the first time, or is gone.
    Members,
    /// A member's dataset has no business key.
    NoKey,
    /// So much changed that it is quicker.
    TooMuch,
    /// A member tells of later changes than before, and a field asks how old a value is.
    Age,
    /// An earlier build broke off.
    BrokeOff,
    /// A version that would be compared with was cleaned away.
    Vacuumed,
}

impl Why {
    /// The words people read.
    #[must_use]
    pub fn words(self, language: Language) -> &'static str {
        let (zh, en) = match self {
            Self::First => ("首次建库", "the first build"),
            Self::Asked => ("按要求重建", "asked for"),
            Self::Definition => ("定义或程序版本已变", "the definition or the release changed"),
            Self::Members => ("来源数据集首次到达或已移除", "a member came for the first time or is gone"),
            Self::NoKey => ("有来源数据集未定主键", "a member's dataset has no business key"),
            Self::TooMuch => ("变化较多，重建更快", "so much changed that it is quicker"),
            Self::Age => ("来源的最新变更日期已变，字段限定时效", "the age of values counts and has moved"),
            Self::BrokeOff => ("上次建库中断", "an earlier build broke off"),
            Self::Vacuumed => ("用于比较的旧版本已清理", "the version to compare with was cleaned away"),
        };
        if language == Language::Zh { zh } else { en }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.words(Language::En))
    }
}

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// Registry.
    pub registry: String,
    /// Records of all members that are of a known entity.
    pub records: u64,
    /// Records that are not.
    pub unlinked: u64,
    /// Golden records.
    pub entities: u64,
    /// Conflicts.
    pub conflicts: u64,
    /// Version of the golden table.
    pub version: i64,
    /// Whether nothing had changed since the last build, so that nothing was done.
    pub unchanged: bool,
    /// How it was made.
    pub how: How,
    /// Of each member that delivers hashes, how many are of a known number.
    pub hashed: Vec<HashedCount>,
}

/// Whether a build may start from what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Changes,
    Nothing,
}

impl Builder {
    /// Builds one registry, from what changed where that is enough. The same inputs, decisions and definition are
    /// built once; a crash is repeated by the next call.
    ///
    /// # Errors
    /// Somebody else is building it; the lake or the store failed. The registry that stood before still stands.
    pub async fn build(&self, registry: &Registry) -> Result<BuildReport, RegistryError> {
        self.run(registry, From::Changes).await
    }

    /// Builds one registry from nothing, whatever stands.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn rebuild(&self, registry: &Registry) -> Result<BuildReport, RegistryError> {
        self.run(registry, From::Nothing).await
    }

    async fn run(&self, registry: &Registry, from: From) -> Result<BuildReport, RegistryError> {
        let run = Leased {
            step: "build",
            subject: &registry.id,
            named: &registry.id,
            deadline: DEADLINE,
            begun: "build.after_begin",
            done: "registry.built",
        };
        let result = |report: &BuildReport| {
            json!({
                "records": report.records, "unlinked": report.unlinked, "entities": report.entities,
                "conflicts": report.conflicts, "version": report.version, "unchanged": report.unchanged,
            })
        };
        self.leased(run, self.work(registry, from), result).await
    }

    async fn work(&self, registry: &Registry, from: From) -> Result<BuildReport, RegistryError> {
        let mut report = self.built(registry, from).await?;
        report.hashed = self.hashed_counts(registry).await?;
        Ok(report)
    }

    async fn built(&self, registry: &Registry, from: From) -> Result<BuildReport, RegistryError> {
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        self.lift_expired(registry).await?;
        let tables = Tables::of(registry).map_err(failed("name tables"))?;
        let inputs = self.inputs(registry).await.map_err(failed("read versions"))?;
        let standing = links::standing(&self.store, &registry.id).await.map_err(store_failed)?;
        let hashed = hashed::hashed_members(&self.hash_keys, registry)?;
        let mut state = State::of(registry, &self.secret, &hashed::marks(&hashed), &inputs, &standing);
        let last = state::last(&self.lake, &tables.golden).await.map_err(failed("look for an earlier build"))?;
        let before = last.as_ref().map_or(-1, |(_, _, version)| *version);
        state.commit = format!("build:{}:{before}:{}", registry.id, state.digest);
        if from == From::Changes
            && let Some((known, figures, version)) = &last
            && known.digest == state.digest
        {
            return Ok(report(registry, *figures, *version, How::Unchanged));
        }
        if from == From::Nothing {
            state.commit.push_str(":anew");
        }
        let rules = self.rules(registry, &inputs, &standing).await.map_err(failed("read the layout"))?;
        let build =
            Build { builder: self, rules: Arc::new(Rules { hashed, ..rules }), tables, inputs, standing, state };
        let why = match (&last, from) {
            (_, From::Nothing) => Why::Asked,
            (None, From::Changes) => Why::First,
            (Some((known, _, _)), From::Changes) => match build.increment(known).await? {
                Ok(report) => return Ok(report),
                Err(why) => why,
            },
        };
        build.full(why).await
    }

    /// What records of these inputs are given to entities by.
    pub(crate) async fn rules(
        &self,
        registry: &Registry,
        inputs: &[(TableName, Option<i64>)],
        standing: &[Standing],
    ) -> Result<Rules, LakeError> {
        let mut keys = Vec::with_capacity(inputs.len());
        for (table, version) in inputs {
            keys.push(match version {
                Some(_) => self.lake.layout(table).await?.key().to_vec(),
                None => Vec::new(),
            });
        }
        Ok(Rules {
            registry: registry.clone(),
            links: Links::new(registry, &self.secret, standing),
            secret: self.secret.clone(),
            keys,
            hashed: vec![None; registry.members.len()],
        })
    }

    /// What records are given to entities by now.
    pub(crate) async fn rules_now(
        &self,
        registry: &Registry,
        inputs: &[(TableName, Option<i64>)],
    ) -> Result<Rules, RegistryError> {
        let store_failed = |source: StoreError| RegistryError::Store { registry: registry.id.clone(), source };
        let standing = links::standing(&self.store, &registry.id).await.map_err(store_failed)?;
        let rules = self.rules(registry, inputs, &standing).await;
        let failed = |source| RegistryError::Lake { action: "read the layout", registry: registry.id.clone(), source };
        Ok(Rules { hashed: hashed::hashed_members(&self.hash_keys, registry)?, ..rules.map_err(failed)? })
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

/// The tables of a registry.
pub(crate) struct Tables {
    pub golden: TableName,
    pub conflicts: TableName,
    pub unlinked: TableName,
    pub keys: TableName,
    pub sources: TableName,
    pub decisions: TableName,
}

impl Tables {
    pub fn of(registry: &Registry) -> Result<Self, LakeError> {
        Ok(Self {
            golden: shape::golden_table(registry)?,
            conflicts: shape::conflicts_table(registry)?,
            unlinked: shape::unlinked_table(registry)?,
            keys: shape::keys_table(registry)?,
            sources: shape::sources_table(registry)?,
            decisions: shape::decisions_table(registry)?,
        })
    }

    /// All but the golden table.
    pub fn others(&self) -> [&TableName; 5] {
        [&self.conflicts, &self.unlinked, &self.keys, &self.sources, &self.decisions]
    }
}

/// One build on its way.
pub(crate) struct Build<'a> {
    pub builder: &'a Builder,
    pub rules: Arc<Rules>,
    pub tables: Tables,
    pub inputs: Vec<(TableName, Option<i64>)>,
    pub standing: Vec<Standing>,
    /// What the tables will be built from.
    pub state: State,
}

impl Build<'_> {
    pub fn registry(&self) -> &Registry {
        &self.rules.registry
    }

    pub fn lake(&self) -> &Lake {
        &self.builder.lake
    }

    pub fn failed(&self, action: &'static str) -> impl Fn(LakeError) -> RegistryError + Copy + '_ {
        move |source| RegistryError::Lake { action, registry: self.registry().id.clone(), source }
    }

    pub fn spool_failed(&self) -> impl Fn(arrow::error::ArrowError) -> RegistryError + Copy + '_ {
        move |source| RegistryError::Spool { registry: self.registry().id.clone(), source }
    }

    pub fn key(&self) -> Result<CommitKey, RegistryError> {
        CommitKey::new(self.state.commit.as_str()).map_err(self.failed("name the build"))
    }

    pub fn fault(&self, point: &'static str) {
        debug_assert!(point == FAULT_POINT_CHANGES || FAULT_POINTS.contains(&point), "{point} is listed");
        (self.builder.faults)(point);
    }

    /// Everything from nothing.
    pub async fn full(mut self, why: Why) -> Result<BuildReport, RegistryError> {
        let lake = self.lake().clone();
        self.create().await?;
        let mut lost =
            lake.replacer(&self.tables.unlinked, self.key()?).await.map_err(self.failed("write unlinked records"))?;
        let gathered = Arc::new(gather(&lake, &self.rules, &self.inputs, Some(&mut lost)).await?);
        self.fault("build.after_gather");
        lost.commit(state::mark(&self.state.commit)).await.map_err(self.failed("write unlinked records"))?;
        self.fault("build.after_unlinked");

        let mut golden =
            lake.replacer(&self.tables.golden, self.key()?).await.map_err(self.failed("write golden records"))?;
        let mut conflicts =
            lake.replacer(&self.tables.conflicts, self.key()?).await.map_err(self.failed("write conflicts"))?;
        let mut sources =
            lake.replacer(&self.tables.sources, self.key()?).await.map_err(self.failed("write sources"))?;
        let work = (0..gathered.partitions)
            .map(|partition| resolve_partition(Arc::clone(&self.rules), Arc::clone(&gathered), partition));
        // Results come in the order of partitions, so the tables do not depend on which thread was faster.
        let mut resolved = futures::stream::iter(work).buffered(lake.options().threads.max(1));
        while let Some(part) = resolved.next().await {
            let part = part?;
            golden.write(part.golden).await.map_err(self.failed("write golden records"))?;
            conflicts.write(part.conflicts).await.map_err(self.failed("write conflicts"))?;
            sources.write(part.sources).await.map_err(self.failed("write sources"))?;
        }
        drop(resolved);
        let figures = Figures {
            records: gathered.records,
            unlinked: gathered.unlinked,
            entities: golden.rows(),
            conflicts: conflicts.rows(),
        };
        let newest: Vec<Option<i64>> = gathered.newest.iter().map(|newest| newest.at).collect();
        drop(gathered);
        conflicts.commit(state::mark(&self.state.commit)).await.map_err(self.failed("write conflicts"))?;
        self.fault("build.after_conflicts");
        sources.commit(state::mark(&self.state.commit)).await.map_err(self.failed("write sources"))?;
        self.fault("build.after_sources");
        self.write_decisions().await?;
        self.state.newest = if asks_for_age(self.registry()) { newest } else { Vec::new() };
        self.state.tables = self.versions().await?;
        // The golden table is committed last: its commit is what says that the build is done.
        let commit = golden.commit(self.state.meta(&figures)).await.map_err(self.failed("write golden records"))?;
        self.fault("build.after_golden");
        Ok(report(self.registry(), figures, commit.version, How::Full(why)))
    }

    /// Makes the tables that are not there yet.
    async fn create(&self) -> Result<(), RegistryError> {
        let lake = self.lake();
        let mut rows: u64 = 0;
        for (table, version) in &self.inputs {
            if version.is_some() {
                rows = rows.max(lake.count(table, *version).await.map_err(self.failed("count rows"))?);
            }
        }
        let key = self.registry().key.as_str();
        let wanted = [
            (
                &self.tables.golden,
                shape::golden_schema(self.registry()),
                Layout::keyed([key], Layout::buckets_for(rows)).found_by([shape::ENTITY]),
            ),
            (&self.tables.conflicts, shape::conflicts_schema(), shape::conflicts_layout(rows)),
            (&self.tables.unlinked, shape::unlinked_schema(), shape::unlinked_layout()),
            (&self.tables.keys, shape::keys_schema(), Layout::keyed(["key"], 1)),
            (&self.tables.sources, shape::sources_schema(), Layout::keyed(["key"], Layout::buckets_for(rows))),
            (&self.tables.decisions, shape::decisions_schema(), Layout::keyed(["id"], 1)),
        ];
        for (table, schema, layout) in wanted {
            // Buckets are fixed when a table is made; what has grown since stays in them.
            let layout = if lake.exists(table) {
                let found_by = layout.filtered().to_vec();
                let known = lake.layout(table).await.map_err(self.failed("read the layout"))?;
                if *table != self.tables.golden && known.key() != layout.key() {
                    layout
                } else {
                    known.found_by(found_by)
                }
            } else {
                layout
            };
            match lake.create(table, Arc::clone(&schema), layout.clone()).await {
                // Of an earlier release. It follows from the members and the decisions, and all of it is written anew.
                Err(LakeError::Shape { .. }) if *table != self.tables.golden => {
                    lake.forget(table).await.map_err(self.failed("remove a table of an earlier release"))?;
                    lake.create(table, schema, layout).await.map_err(self.failed("create a table"))?;
                }
                done => done.map_err(self.failed("create a table"))?,
            }
        }
        Ok(())
    }

    /// Writes the keys that were merged and the decisions that were built with, each whole: both are small.
    pub async fn write_decisions(&self) -> Result<(), RegistryError> {
        let lake = self.lake();
        let merged = merged_keys(&self.rules).map_err(self.spool_failed())?;
        let mut keys = lake.replacer(&self.tables.keys, self.key()?).await.map_err(self.failed("write merged keys"))?;
        keys.write(merged).await.map_err(self.failed("write merged keys"))?;
        keys.commit(state::mark(&self.state.commit)).await.map_err(self.failed("write merged keys"))?;
        let rows = state::decision_rows(&self.standing).map_err(self.spool_failed())?;
        let writer = lake.replacer(&self.tables.decisions, self.key()?).await;
        let mut decisions = writer.map_err(self.failed("write decisions"))?;
        decisions.write(rows).await.map_err(self.failed("write decisions"))?;
        decisions.commit(state::mark(&self.state.commit)).await.map_err(self.failed("write decisions"))?;
        self.fault("build.after_decisions");
        Ok(())
    }

    /// Versions of the other tables now.
    pub async fn versions(&self) -> Result<BTreeMap<String, i64>, RegistryError> {
        let mut versions = BTreeMap::new();
        for table in self.tables.others() {
            let version = self.lake().version(table).await.map_err(self.failed("read versions"))?;
            versions.insert(table.to_string(), version);
        }
        Ok(versions)
    }
}

/// Whether any field asks how old a value is.
pub(crate) fn asks_for_age(registry: &Registry) -> bool {
    registry.fields.iter().any(|field| field.max_age_days.is_some())
}

fn merged_keys(rules: &Rules) -> Result<RecordBatch, arrow::error::ArrowError> {
    use arrow::array::{ArrayRef, StringArray};
    let rows: Vec<(&str, String, &str, &str)> = rules
        .links
        .merged()
        .map(|(key, survivor, why)| {
            let entity = if crate::identity::is_entity_id(survivor) {
                survivor.to_owned()
            } else {
                rules.secret.entity_id(&rules.registry.id, survivor)
            };
            (key, entity, survivor, why)
        })
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    RecordBatch::try_new(shape::keys_schema(), columns)
}

async fn resolve_partition(
    rules: Arc<Rules>,
    gathered: Arc<Gathered>,
    partition: usize,
) -> Result<Resolved, RegistryError> {
    let id = rules.registry.id.clone();
    let work = move || {
        let part = gathered.partition(partition)?;
        gathered.forget(partition);
        resolve(&rules, &part)
    };
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| RegistryError::Stopped { registry: id.clone(), detail: error.to_string() })?;
    done.map_err(|source| RegistryError::Spool { registry: id, source })
}

pub(crate) fn report(registry: &Registry, figures: Figures, version: i64, how: How) -> BuildReport {
    BuildReport {
        registry: registry.id.clone(),
        records: figures.records,
        unlinked: figures.unlinked,
        entities: figures.entities,
        conflicts: figures.conflicts,
        version,
        unchanged: how == How::Unchanged,
        how,
        hashed: Vec::new(),
    }
}
