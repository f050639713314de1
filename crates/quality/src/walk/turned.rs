//! Rows of earlier deliveries whose verdict a delivery changed: the other one of a pair that is found only now, the
//! one that stands alone again. They are read from the landing table, and only they.

use std::collections::{BTreeMap, HashMap};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use roaring::RoaringBitmap;
use serde_json::Map;
use yihe_definitions::{Dataset, Mode, Pack};
use yihe_lake::{CommitKey, Scan, TableName};

use super::{SCAN_ROWS, Walk, WalkError, follow::Follow, gate::GateFault, holds, inputs};
use crate::{checker::Checker, error::QualityError, state::Grown};

/// Rows of one batch that are asked for by their numbers; more are found by reading the batch.
const NUMBERS_MAX: usize = 500;

/// Rows of earlier deliveries that a check changed.
pub(super) struct Older<'a> {
    pub pack: &'a Pack,
    pub dataset: &'a Dataset,
    pub landing: &'a TableName,
    pub checked: &'a TableName,
    pub version: i64,
    pub checker: &'a Checker,
    pub grown: &'a Grown,
}

impl Walk {
    /// Tells the history of rows whose verdict changed, and moves them out of the checked table or into it; with them
    /// leave the records of the keys `displaced`, whose newest rows are held back as one of several.
    pub(super) async fn turn(
        &self,
        older: &Older<'_>,
        displaced: Vec<RecordBatch>,
        follow: &mut Follow,
        key: &CommitKey,
    ) -> Result<(), WalkError> {
        let dataset = || older.dataset.id.clone();
        let lake_failed = |action| move |source| WalkError::Lake { action, dataset: older.dataset.id.clone(), source };
        let check_failed = |source| WalkError::Check { dataset: dataset(), source };
        let Grown { turned, state, .. } = older.grown;
        let mut all = RoaringBitmap::new();
        for turned in turned {
            all |= &turned.failing;
            all |= &turned.passing;
        }
        let is_kept = older.dataset.source.mode == Mode::Increment && !older.dataset.key.is_empty();
        let mut leaving = if is_kept { displaced } else { Vec::new() };
        if all.is_empty() && leaving.is_empty() {
            return Ok(());
        }
        let held = self.held(older).map_err(check_failed)?.filter(|_| is_kept);
        let mut entering = Vec::new();
        for (batch_id, rows) in state.places(&all).map_err(check_failed)? {
            let numbers: HashMap<i64, u32> =
                rows.iter().map(|(place, row)| (i64::try_from(*place).unwrap_or(-1), *row)).collect();
            let mut filter = format!("_batch = '{}'", batch_id.replace('\'', "''"));
            if rows.len() <= NUMBERS_MAX {
                let list: Vec<String> = rows.iter().map(|(place, _)| place.to_string()).collect();
                filter.push_str(&format!(" AND _row IN ({})", list.join(", ")));
            }
            let scan = Scan {
                version: Some(older.version),
                filter_sql: Some(filter),
                batch_size: Some(SCAN_ROWS),
                ..Scan::default()
            };
            let read = lake_failed("read the landing table");
            let mut stream = self.lake.scan(older.landing, scan).await.map_err(read)?;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(lake_failed("read the landing table"))?;
                let (batch, rows) = chosen(&batch, &numbers).map_err(check_failed)?;
                let (failing, passing) = verdicts(older, &batch, &rows);
                follow.see_older(&batch, &batch_id, &failing, &passing).map_err(check_failed)?;
                if let Some(held) = &held {
                    leaving.extend(part(&batch, &rows, |row| held.leave.contains(row)).map_err(check_failed)?);
                    entering.extend(part(&batch, &rows, |row| held.enter.contains(row)).map_err(check_failed)?);
                }
            }
        }
        if !leaving.is_empty() {
            let failed = lake_failed("take rows out of the checked table");
            let key = CommitKey::new(format!("{key}:leave")).map_err(failed)?;
            let mut writer = self
                .lake
                .deleter(older.checked, key)
                .await
                .map_err(lake_failed("take rows out of the checked table"))?;
            for batch in leaving {
                let columns: Vec<usize> =
                    older.dataset.key.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
                let keys = batch.project(&columns).map_err(QualityError::from).map_err(check_failed)?;
                writer.write(keys).await.map_err(lake_failed("take rows out of the checked table"))?;
            }
            writer.commit(Map::new()).await.map_err(lake_failed("take rows out of the checked table"))?;
        }
        if !entering.is_empty() {
            let key = CommitKey::new(format!("{key}:enter")).map_err(lake_failed("write the checked table"))?;
            let order = inputs::order_columns(older.pack, older.dataset);
            let order: Vec<&str> = order.iter().map(String::as_str).collect();
            let mut writer =
                self.lake.upserter(older.checked, key, &order).await.map_err(lake_failed("write the checked table"))?;
            for batch in entering {
                writer.write(batch).await.map_err(lake_failed("write the checked table"))?;
            }
            writer.commit(Map::new()).await.map_err(lake_failed("write the checked table"))?;
        }
        Ok(())
    }

    /// Rows that a rule holds back now and did not before, and rows that none holds back any more. `None`: neither.
    fn held(&self, older: &Older<'_>) -> Result<Option<Held>, QualityError> {
        let (checker, grown) = (older.checker, older.grown);
        let rules: Vec<usize> =
            (0..checker.rules().len()).filter(|rule| holds(checker.rules()[*rule].severity)).collect();
        let (mut leave, mut enter) = (RoaringBitmap::new(), RoaringBitmap::new());
        for rule in &rules {
            leave |= &grown.turned[*rule].failing;
            enter |= &grown.turned[*rule].passing;
        }
        if leave.is_empty() && enter.is_empty() {
            return Ok(None);
        }
        if !enter.is_empty() {
            for rule in rules {
                enter -= grown.state.failing(checker, rule)?;
            }
        }
        Ok(Some(Held { leave, enter }))
    }
}

struct Held {
    leave: RoaringBitmap,
    enter: RoaringBitmap,
}

/// The rows of a batch that are asked for, with their numbers in the state.
fn chosen(batch: &RecordBatch, numbers: &HashMap<i64, u32>) -> Result<(RecordBatch, Vec<u32>), QualityError> {
    let column = batch.column_by_name("_row");
    let column = column.ok_or_else(|| QualityError::BatchColumn { column: "_row".to_owned() })?;
    let places = cast(column, &DataType::Int64)?;
    let places = places.as_primitive::<Int64Type>().values();
    let mask: BooleanArray = places.iter().map(|place| Some(numbers.contains_key(place))).collect();
    let rows = places.iter().filter_map(|place| numbers.get(place).copied()).collect();
    Ok((filter_record_batch(batch, &mask)?, rows))
}

fn part(batch: &RecordBatch, rows: &[u32], wanted: impl Fn(u32) -> bool) -> Result<Option<RecordBatch>, QualityError> {
    let mask: BooleanArray = rows.iter().map(|row| Some(wanted(*row))).collect();
    Ok((mask.true_count() > 0).then(|| filter_record_batch(batch, &mask)).transpose()?)
}

/// What rows fail now, and, by row of the batch, the rules that they pass now.
fn verdicts(older: &Older<'_>, batch: &RecordBatch, rows: &[u32]) -> (Vec<GateFault>, BTreeMap<usize, Vec<usize>>) {
    let mut failing = Vec::new();
    let mut passing: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (rule, turned) in older.grown.turned.iter().enumerate() {
        for (at, row) in rows.iter().enumerate() {
            if turned.failing.contains(*row) {
                let columns = older.checker.shown_columns(rule).join(", ");
                failing.push(GateFault { rule, row: at, columns, found: older.checker.found(batch, rule, at) });
            }
            if turned.passing.contains(*row) {
                passing.entry(at).or_default().push(rule);
            }
        }
    }
    (failing, passing)
}
