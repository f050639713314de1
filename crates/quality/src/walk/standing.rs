//! The first reading: every rule over every row that came, among all that stands.
//!
//! What stands is kept in the folder `_state` beside the history of the dataset's faults. It is written before any
//! table: it names the batches it judged, so that whoever repeats a check after a crash repeats exactly that check.

use std::{collections::HashMap, path::PathBuf};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use roaring::RoaringBitmap;
use yihe_definitions::{Dataset, Mode};
use yihe_lake::{Scan, TableName, Zone};
use yihe_store::Batch;

use super::{SCAN_ROWS, Walk, WalkError, inputs};
use crate::{
    checker::Checker,
    error::QualityError,
    session::{Session, SessionOptions},
    state::{Grown, Growth, Part, State, grow},
};

/// Folder of the state, below that of the history.
const FOLDER: &str = "_state";

/// What a check reads.
pub(super) struct Reading<'a> {
    pub dataset: &'a Dataset,
    pub landing: &'a TableName,
    pub version: i64,
    pub checker: &'a Checker,
    pub batches: &'a [Batch],
}

impl Reading<'_> {
    fn check_failed(&self, source: QualityError) -> WalkError {
        WalkError::Check { dataset: self.dataset.id.clone(), source }
    }

    fn lake_failed(&self, source: yihe_lake::LakeError) -> WalkError {
        WalkError::Lake { action: "read the landing table", dataset: self.dataset.id.clone(), source }
    }
}

/// Batches that a scan passes through, with the numbers of their rows.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
}

impl Parts {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), QualityError> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| QualityError::BatchColumn { column: name.to_owned() })
        };
        let batches = cast(column("_batch")?, &DataType::Utf8)?;
        let batches = batches.as_string::<i32>();
        let rows = cast(column("_row")?, &DataType::Int64)?;
        let rows = rows.as_primitive::<Int64Type>().values();
        let mut from = 0;
        while from < rows.len() {
            let id = batches.value(from);
            // Batches land one after another, so most often all of these rows are of one.
            let same = batches.value(rows.len() - 1) == id;
            let to = if same {
                rows.len()
            } else {
                (from..rows.len()).find(|at| batches.value(*at) != id).unwrap_or(rows.len())
            };
            if self.parts.last().is_none_or(|part| part.batch != id) {
                self.parts.push(Part { batch: id.to_owned(), places: RoaringBitmap::new() });
            }
            if let Some(part) = self.parts.last_mut() {
                let numbers = rows[from..to].iter().map(|row| u32::try_from(*row).unwrap_or(u32::MAX));
                if part.places.append(numbers).is_err() {
                    return Err(QualityError::RowOrder { batch: id.to_owned() });
                }
            }
            from = to;
        }
        Ok(())
    }
}

impl Walk {
    pub(super) fn state_folder(&self, dataset: &Dataset) -> Result<PathBuf, WalkError> {
        Ok(self.lake.folder(&self.table(Zone::History, dataset)?).join(FOLDER))
    }

    /// The batches of a check that did not end, when it is some of those that wait: they are judged first, by
    /// themselves, so that what that check wrote is recognised.
    pub(super) fn unfinished(&self, dataset: &Dataset, waiting: &mut Vec<Batch>) -> Result<bool, WalkError> {
        let failed = |source| WalkError::Check { dataset: dataset.id.clone(), source };
        let Some(judged) = State::last_judged(&self.state_folder(dataset)?).map_err(failed)? else { return Ok(false) };
        let judged = judged.batches;
        let is_whole = judged.iter().all(|id| waiting.iter().any(|batch| batch.id == *id));
        if judged.is_empty() || !is_whole || judged.len() == waiting.len() {
            return Ok(false);
        }
        waiting.retain(|batch| judged.contains(&batch.id));
        Ok(true)
    }

    /// The definition under which a check of just these batches began to write, when it did not end and the definition
    /// was changed since. The check is then ended as it began: what it wrote is recognised, and nothing is written
    /// twice. `None`: the definition that is in force is the one.
    pub(super) async fn begun(&self, dataset: &Dataset, batches: &[Batch]) -> Result<Option<Dataset>, WalkError> {
        let failed = |source| WalkError::Check { dataset: dataset.id.clone(), source };
        let Some(judged) = State::last_judged(&self.state_folder(dataset)?).map_err(failed)? else { return Ok(None) };
        let same = judged.batches.len() == batches.len() && batches.iter().all(|one| judged.batches.contains(&one.id));
        let Some(before) = serde_json::from_str::<Dataset>(&judged.definition).ok().filter(|before| before != dataset)
        else {
            return Ok(None);
        };
        if !same || batches.is_empty() {
            return Ok(None);
        }
        let lake_failed = |source| WalkError::Lake { action: "look for faults", dataset: dataset.id.clone(), source };
        let faults = self.table(Zone::Faults, dataset)?;
        if !self.lake.exists(&faults) {
            return Ok(None);
        }
        let key = inputs::commit_key(&before, batches).map_err(lake_failed)?;
        let written = self.lake.committed(&faults, &key).await.map_err(lake_failed)?;
        if written.is_some() {
            tracing::info!(
                dataset = dataset.id,
                "a check began before the definition was changed; it ends as it began"
            );
        }
        Ok(written.map(|_| before))
    }

    /// Every rule over every row of the batches, among all that stands.
    pub(super) async fn judge(&self, reading: &Reading<'_>) -> Result<Grown, WalkError> {
        let folder = self.state_folder(reading.dataset)?;
        let replaces = reading.dataset.source.mode == Mode::Full;
        let waiting = |id: &str| reading.batches.iter().any(|batch| batch.id == id);
        let before = match State::open(&folder, reading.checker, waiting) {
            Ok(before) => before,
            Err(QualityError::ForeignState { .. }) => {
                tracing::info!(dataset = reading.dataset.id, "the rules changed; what stands is read once more");
                None
            }
            // Lost or damaged: it says nothing that the landing table does not say.
            Err(error @ (QualityError::Damaged { .. } | QualityError::Io { .. })) => {
                tracing::warn!(dataset = reading.dataset.id, %error, "what stands is read once more");
                None
            }
            Err(source) => return Err(reading.check_failed(source)),
        };
        let (before, is_new) =
            if replaces { (before, false) } else { self.caught_up(reading, &folder, before).await? };
        let first_row = before.as_ref().filter(|_| !replaces).map_or(0, State::next_row);
        let mut session = self.session(reading.checker);
        let filter = inputs::batch_filter(reading.batches);
        let parts = self.scan(reading, Some(filter), &mut session, first_row, |_| true).await?;
        let judged: Vec<String> = reading.batches.iter().map(|batch| batch.id.clone()).collect();
        // A definition that could not be written would not be read back, and the check be made anew.
        let definition = serde_json::to_string(reading.dataset).unwrap_or_default();
        let growth = Growth {
            folder: &folder,
            before: before.as_ref(),
            replaces,
            parts: &parts,
            judged: &judged,
            definition: &definition,
        };
        let failed = |source| reading.check_failed(source);
        let mut grown = grow(reading.checker, vec![session], &growth).map_err(failed)?;
        if is_new {
            // Nobody was told yet of pairs that were found while everything was read once more.
            for rule in 0..reading.checker.rules().len() {
                if reading.checker.is_unique_rule(rule) {
                    let mut failing = grown.state.failing(reading.checker, rule).map_err(failed)?;
                    failing.remove_range(u32::try_from(grown.first_row).unwrap_or(u32::MAX)..);
                    grown.turned[rule].failing |= failing;
                }
            }
        }
        Ok(grown)
    }

    fn session<'c>(&self, checker: &'c Checker) -> Session<'c> {
        checker.session(SessionOptions {
            spill_dir: self.lake.options().spill_dir.clone(),
            keep_skipped: true,
            ..SessionOptions::default()
        })
    }

    /// The state of all that was checked: the one there is, or one made from what landed, and whether it was made.
    async fn caught_up(
        &self,
        reading: &Reading<'_>,
        folder: &std::path::Path,
        state: Option<State>,
    ) -> Result<(Option<State>, bool), WalkError> {
        let failed = |source| WalkError::Store { dataset: reading.dataset.id.clone(), source };
        let checked = self.store.batch_rows_checked(&reading.dataset.id).await.map_err(failed)?;
        let known = state.as_ref().map_or(0, State::next_row);
        if u64::try_from(checked).unwrap_or(0) == known {
            return Ok((state, false));
        }
        let mut is_checked = HashMap::new();
        let mut batches = self
            .lake
            .scan(
                reading.landing,
                Scan {
                    version: Some(reading.version),
                    columns: Some(vec!["_batch".to_owned()]),
                    batch_size: Some(SCAN_ROWS),
                    ..Scan::default()
                },
            )
            .await
            .map_err(|source| reading.lake_failed(source))?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|source| reading.lake_failed(source))?;
            let ids = batch.column(0).as_string::<i32>();
            let mut last = "";
            for id in ids.iter().flatten() {
                if id != last && !is_checked.contains_key(id) {
                    let found = self.store.batch_find(id).await.map_err(failed)?;
                    is_checked.insert(id.to_owned(), found.is_some_and(|batch| batch.checked_by.is_some()));
                }
                last = id;
            }
        }
        let is_checked = |id: &str| is_checked.get(id).copied().unwrap_or(false);
        let mut session = self.session(reading.checker);
        let parts = self.scan(reading, None, &mut session, 0, is_checked).await?;
        if parts.is_empty() {
            return Ok((None, false));
        }
        let growth = Growth { folder, before: None, replaces: false, parts: &parts, judged: &[], definition: "" };
        let grown = grow(reading.checker, vec![session], &growth).map_err(|source| reading.check_failed(source))?;
        Ok((Some(grown.state), true))
    }

    /// Passes the rows of the batches that `wanted` names through the rules.
    async fn scan(
        &self,
        reading: &Reading<'_>,
        filter: Option<String>,
        session: &mut Session<'_>,
        first_row: u64,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Part>, WalkError> {
        let mut columns = reading.checker.columns().to_vec();
        columns.extend(["_batch".to_owned(), "_row".to_owned()]);
        let scan = Scan {
            version: Some(reading.version),
            columns: Some(columns),
            filter_sql: filter,
            batch_size: Some(SCAN_ROWS),
            ordered: true,
            ..Scan::default()
        };
        let mut stream = self.lake.scan(reading.landing, scan).await.map_err(|source| reading.lake_failed(source))?;
        let mut parts = Parts::default();
        let mut next = first_row;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|source| reading.lake_failed(source))?;
            let batch = only(&batch, &wanted).map_err(|source| reading.check_failed(source))?;
            session.check(&batch, next).map_err(|source| reading.check_failed(source))?;
            parts.add(&batch).map_err(|source| reading.check_failed(source))?;
            next += batch.num_rows() as u64;
        }
        Ok(parts.parts)
    }
}

/// The rows of a batch whose delivery is wanted.
fn only(batch: &RecordBatch, wanted: &impl Fn(&str) -> bool) -> Result<RecordBatch, QualityError> {
    let Some(ids) = batch.column_by_name("_batch") else {
        return Err(QualityError::BatchColumn { column: "_batch".to_owned() });
    };
    let ids = cast(ids, &DataType::Utf8)?;
    let ids = ids.as_string::<i32>();
    let is_one = ids.is_empty() || ids.value(0) == ids.value(ids.len() - 1);
    if is_one && (ids.is_empty() || wanted(ids.value(0))) {
        return Ok(batch.clone());
    }
    let mask = ids.iter().map(|id| Some(id.is_some_and(wanted))).collect();
    Ok(arrow::compute::filter_record_batch(batch, &mask)?)
}
