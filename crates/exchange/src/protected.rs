//! Protected people (受保护人员) are in no answer, unless the grant's conditions speak of protection itself.
//!
//! Asked anew at every call and of every table, a base registry, a theme or a dataset: a protection holds from the
//! moment it is noted, whatever was built when. A row is of somebody when a column that identifies people, or a part
//! of the record's key, bears the number; a number that was merged with the protected one is the same person's.

use std::collections::BTreeMap;

use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch},
    datatypes::DataType,
};
use yihe_definitions::Sensitivity;
use yihe_vocabulary::{citizen_id, normalise_key};

use crate::{
    error::ExchangeError,
    grant::Grant,
    procedure::{Exchange, failed},
    supply::Refused,
};

/// The column of a condition that speaks of protection: with the value `true` the grant covers protected people.
/// In golden tables it marks those who were protected when they were built, as `registries::shape` names it.
pub const PROTECTED: &str = "_protected";

/// What stands between the parts of a key in a golden table.
const BETWEEN_PARTS: char = '|';

impl Grant {
    /// Whether a condition says that protected people are covered.
    pub(crate) fn covers_protected(&self) -> bool {
        let says_so = |value: &String| value == "true";
        self.rows.iter().any(|condition| condition.column == PROTECTED && condition.values.iter().any(says_so))
    }
}

impl Exchange {
    /// The columns that say of whom a row is; none where the grant covers everybody.
    pub(crate) async fn identifying(&self, grant: &Grant) -> Result<Vec<String>, ExchangeError> {
        if grant.covers_protected() {
            return Ok(Vec::new());
        }
        let entry = self.catalogue.find(&grant.entry).await;
        let entry = entry
            .map_err(|source| ExchangeError::Catalogue { entry: grant.entry.clone(), source: Box::new(source) })?;
        let entry = entry.ok_or(ExchangeError::Refused { why: Refused::Resource })?;
        let identify = entry.items.into_iter().filter(|item| item.sensitivity == Sensitivity::CitizenId);
        let mut columns: Vec<String> = identify.map(|item| item.name).collect();
        columns.extend(grant.key.iter().filter(|name| !columns.contains(name)).cloned().collect::<Vec<_>>());
        Ok(columns)
    }

    /// The rows that are of nobody protected.
    pub(crate) async fn without_protected(
        &self,
        grant: &Grant,
        identifying: &[String],
        batches: Vec<RecordBatch>,
    ) -> Result<Vec<RecordBatch>, ExchangeError> {
        let unreadable = |source| ExchangeError::Answer { grant: grant.id.clone(), source };
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        let mut left = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut keep = vec![true; batch.num_rows()];
            for name in identifying {
                let column = batch.column(batch.schema().index_of(name).map_err(unreadable)?);
                let texts = cast(column, &DataType::Utf8).map_err(unreadable)?;
                for (keep, text) in keep.iter_mut().zip(texts.as_string::<i32>()) {
                    for key in text.unwrap_or_default().split(BETWEEN_PARTS).chain(text).map(spelled) {
                        if !*keep || key.is_empty() {
                            continue;
                        }
                        let is_protected = match known.get(&key) {
                            Some(known) => *known,
                            None => {
                                let stands = self.store.protection_stands_for(&key).await;
                                *known.entry(key).or_insert(stands.map_err(failed("ask who is protected"))?)
                            }
                        };
                        *keep = !is_protected;
                    }
                }
            }
            left.push(filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(unreadable)?);
        }
        Ok(left)
    }
}

/// A key in the one spelling in which registries keep it.
fn spelled(text: &str) -> String {
    citizen_id::normalise(text).unwrap_or_else(|| normalise_key(text).into_owned())
}
