//! What the tables of a registry were built from: written with the golden table's commit, which is the last.

use std::collections::BTreeMap;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray},
    error::ArrowError,
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use yihe_definitions::Registry;
use yihe_lake::{Lake, LakeError, Scan, TableName};

use crate::{identity::EntitySecret, links::Standing, shape};

/// Grows when the same inputs come out differently under a later release.
const RELEASE: u32 = 4;
/// The member of a commit's record that holds the state.
pub(crate) const MEMBER: &str = "state";
/// Versions looked through for the last build.
const DEPTH: u32 = 64;

/// What a golden table was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Digest of everything below; two builds of one digest come to the same tables.
    pub digest: String,
    /// Digest of the definition, the secret, the keys of hashes and the release.
    pub definition: String,
    /// Digest of the decisions that stood.
    pub decisions: String,
    /// Version of each member's checked table, in the order of the members.
    pub inputs: Vec<Option<i64>>,
    /// Greatest `changed_on` of each member, where a field asks how old a value is.
    pub newest: Vec<Option<i64>>,
    /// The commit that wrote it, and the other tables' last one.
    pub commit: String,
    /// Versions of the other tables, by name.
    pub tables: BTreeMap<String, i64>,
}

impl State {
    /// The state that a build of these inputs comes to.
    pub fn of(
        registry: &Registry,
        secret: &EntitySecret,
        marks: &[String],
        inputs: &[(TableName, Option<i64>)],
        standing: &[Standing],
    ) -> Self {
        let body = serde_json::to_string(registry).expect("definitions serialise");
        // The founding key is empty for nobody, so this name tells which secret it is and nothing else.
        let definition = Sha256::new()
            .chain_update(RELEASE.to_be_bytes())
            .chain_update(secret.entity_id(&registry.id, ""))
            .chain_update(body)
            .chain_update(marks.join("\n"));
        let mut decisions = Sha256::new();
        for one in standing {
            let texts = [&one.id, &one.kind, &one.dataset, &one.record_key, &one.entity_key, &one.other_key];
            for text in texts {
                decisions.update((text.len() as u64).to_be_bytes());
                decisions.update(text);
            }
        }
        let (definition, decisions) = (hex::encode(definition.finalize()), hex::encode(decisions.finalize()));
        let mut digest = Sha256::new().chain_update(&definition).chain_update(&decisions);
        for (table, version) in inputs {
            digest.update(format!("\n{table}@{}", version.unwrap_or(-1)));
        }
        Self {
            digest: hex::encode(&digest.finalize()[..16]),
            definition,
            decisions,
            inputs: inputs.iter().map(|(_, version)| *version).collect(),
            newest: Vec::new(),
            commit: String::new(),
            tables: BTreeMap::new(),
        }
    }

    /// What is written with the golden table's commit.
    pub fn meta(&self, figures: &Figures) -> Map<String, Value> {
        let mut meta = Map::new();
        meta.insert(MEMBER.to_owned(), serde_json::to_value(self).expect("a state serialises"));
        for (name, value) in
            [("records", figures.records), ("unlinked", figures.unlinked), ("conflicts", figures.conflicts)]
        {
            meta.insert(name.to_owned(), value.into());
        }
        meta
    }
}

/// What is written with the other tables' commits.
pub(crate) fn mark(commit: &str) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert(MEMBER.to_owned(), json!(commit));
    meta
}

/// The counts of a build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub records: u64,
    pub unlinked: u64,
    pub entities: u64,
    pub conflicts: u64,
}

/// The last build of a golden table: its state, its counts and its version.
pub(crate) async fn last(lake: &Lake, golden: &TableName) -> Result<Option<(State, Figures, i64)>, LakeError> {
    if !lake.exists(golden) {
        return Ok(None);
    }
    let Some(commit) = lake.newest_with(golden, MEMBER, DEPTH).await? else { return Ok(None) };
    let Some(state) = commit.meta.get(MEMBER).and_then(|state| serde_json::from_value(state.clone()).ok()) else {
        return Ok(None);
    };
    let figure = |name: &str| commit.meta.get(name).and_then(Value::as_u64).unwrap_or(0);
    let figures = Figures {
        records: figure("records"),
        unlinked: figure("unlinked"),
        entities: lake.count(golden, None).await?,
        conflicts: figure("conflicts"),
    };
    Ok(Some((state, figures, commit.version)))
}

/// The commit that last wrote one of the other tables, and the version it made.
pub(crate) async fn last_mark(lake: &Lake, table: &TableName) -> Result<Option<(String, i64)>, LakeError> {
    let Some(commit) = lake.newest_with(table, MEMBER, DEPTH).await? else { return Ok(None) };
    Ok(commit.meta.get(MEMBER).and_then(Value::as_str).map(|mark| (mark.to_owned(), commit.version)))
}

/// Decisions as rows of their table.
pub(crate) fn decision_rows(standing: &[Standing]) -> Result<RecordBatch, ArrowError> {
    let column = |cell: fn(&Standing) -> &String| -> ArrayRef {
        std::sync::Arc::new(StringArray::from_iter_values(standing.iter().map(cell)))
    };
    let columns = vec![
        column(|one| &one.id),
        column(|one| &one.kind),
        column(|one| &one.dataset),
        column(|one| &one.record_key),
        column(|one| &one.entity_key),
        column(|one| &one.other_key),
    ];
    RecordBatch::try_new(shape::decisions_schema(), columns)
}

/// The decisions that a build was made with.
pub(crate) async fn decisions_at(lake: &Lake, table: &TableName, version: i64) -> Result<Vec<Standing>, LakeError> {
    let scan = Scan { version: Some(version), ..Scan::default() };
    let mut stream = lake.scan(table, scan).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let columns: Vec<&StringArray> = batch.columns().iter().map(AsArray::as_string::<i32>).collect();
        for row in 0..batch.num_rows() {
            let cell = |at: usize| columns[at].value(row).to_owned();
            found.push(Standing {
                id: cell(0),
                kind: cell(1),
                dataset: cell(2),
                record_key: cell(3),
                entity_key: cell(4),
                other_key: cell(5),
            });
        }
    }
    found.sort();
    Ok(found)
}
