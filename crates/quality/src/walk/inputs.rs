//! What a check needs beside the rows: code tables, keys of other tables, the engine for conditions, its own key.

use arrow::{array::BooleanArray, array::RecordBatch, datatypes::Schema};
use futures::StreamExt;
use sha2::{Digest, Sha256};
use yihe_definitions::{Dataset, Pack};
use yihe_lake::{CommitKey, LakeError, RowCondition, Scan, TableName, Zone};
use yihe_store::Batch;

use super::{Walk, WalkError};
use crate::rules::{
    code_list::CodeTables,
    predicate::{Predicates, RowPredicate},
    reference::{KeySet, References, wanted},
};

/// The lake's engine, as the kernel wants it.
#[derive(Debug, Clone, Copy)]
pub struct Engine;

impl Predicates for Engine {
    fn compile(&self, sql: &str, schema: &Schema) -> Result<Box<dyn RowPredicate>, String> {
        RowCondition::compile(sql, schema).map(|condition| Box::new(Condition(condition)) as Box<dyn RowPredicate>)
    }
}

#[derive(Debug)]
struct Condition(RowCondition);

impl RowPredicate for Condition {
    fn columns(&self) -> Vec<String> {
        self.0.columns().to_vec()
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        self.0.evaluate(batch)
    }
}

/// The pack's code tables; its divisions stand among them as `divisions`.
pub(super) fn code_tables(pack: &Pack, dataset: &Dataset) -> Result<CodeTables, WalkError> {
    let failed = |reason| WalkError::Definition { dataset: dataset.id.clone(), reason };
    let mut tables = CodeTables::new();
    for table in &pack.code_tables {
        tables.insert(table).map_err(failed)?;
    }
    let mut divisions = crate::rules::code_list::Codes::default();
    for division in &pack.divisions {
        let from = Some(division.valid_from.as_str()).filter(|day| !day.is_empty());
        let to = Some(division.valid_to.as_str()).filter(|day| !day.is_empty());
        divisions.insert(&division.code, from, to).map_err(failed)?;
    }
    if tables.get("divisions").is_none() {
        tables.insert_codes("divisions", divisions);
    }
    Ok(tables)
}

impl Walk {
    /// Keys of other datasets that rules ask for: of the checked table, or of what landed where nothing was
    /// checked yet. A table that was never delivered has no keys, so every reference into it fails.
    pub(super) async fn references(&self, pack: &Pack, dataset: &Dataset) -> Result<References, WalkError> {
        let failed = |source| WalkError::Lake {
            action: "read a table that rules refer to",
            dataset: dataset.id.clone(),
            source,
        };
        let mut references = References::new();
        for (name, columns) in wanted(&dataset.rules) {
            if pack.dataset(&name).is_none() {
                let reason = format!("found a rule on table `{name}`, expected a dataset of the pack");
                return Err(WalkError::Definition { dataset: dataset.id.clone(), reason });
            }
            let checked = TableName::new(Zone::Checked, name.as_str()).map_err(failed)?;
            let landing = TableName::new(Zone::Landing, name.as_str()).map_err(failed)?;
            let table = if self.lake.exists(&checked) { checked } else { landing };
            let mut keys = KeySet::new();
            if self.lake.exists(&table) {
                let scan = Scan { columns: Some(columns.clone()), ..Scan::default() };
                let mut stream = self.lake.scan(&table, scan).await.map_err(failed)?;
                while let Some(batch) = stream.next().await {
                    let added = keys.add(&batch.map_err(failed)?, &columns);
                    added.map_err(|source| WalkError::Check { dataset: dataset.id.clone(), source })?;
                }
            }
            references.insert(&name, &columns, keys);
        }
        Ok(references)
    }
}

/// The rows of these batches, as a condition. Identifiers of batches are ours and hold no quote.
pub(super) fn batch_filter(batches: &[Batch]) -> String {
    let list: Vec<String> = batches.iter().map(|batch| format!("'{}'", batch.id.replace('\'', "''"))).collect();
    format!("_batch IN ({})", list.join(", "))
}

/// The same batches under the same definition have the same key.
pub(super) fn commit_key(dataset: &Dataset, batches: &[Batch]) -> Result<CommitKey, LakeError> {
    let definition = serde_json::to_string(dataset).expect("definitions serialise");
    let mut digest = Sha256::new().chain_update(definition.as_bytes());
    for batch in batches {
        digest.update(batch.id.as_bytes());
    }
    CommitKey::new(format!("check:{}:{}", dataset.id, hex::encode(&digest.finalize()[..16])))
}

/// The column that says which of two rows with one key is newer: that of the first registry the dataset feeds.
pub(super) fn order_columns(pack: &Pack, dataset: &Dataset) -> Vec<String> {
    let members = pack.registries.iter().flat_map(|registry| &registry.members);
    let member = members.filter(|member| member.dataset == dataset.id).find_map(|member| member.changed_on.clone());
    let own = || dataset.columns.iter().find(|column| column.name == "changed_on").map(|column| column.name.clone());
    member.or_else(own).into_iter().collect()
}
