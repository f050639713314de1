//! What becomes of a fault: first seen, returned to its department, corrected, open again, gone.
//!
//! A fault is one rule that one record fails. It is known by the rule and the record's business key, so a record
//! that is delivered again is recognised, however often and in whichever file. Records without a key are known by
//! batch and row and can only be replaced whole. The histories of a dataset's faults are one table of the lake,
//! keyed and bucketed like any other (design: no row per fault in the metadata store).
//!
//! [`advance`] is the whole law of it, without tables or time.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use serde::{Deserialize, Serialize};

/// The key under which a fault of the whole table is kept.
pub const WHOLE_TABLE: &str = "*";
/// How the key of a record without a business key begins; batch and row follow.
pub const NO_KEY: char = '#';

/// Where a fault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultState {
    /// The record fails the rule.
    Open,
    /// It fails, and its department has said why it stays: a false alarm, or wrong and for now not to be changed.
    Excused,
    /// A later delivery of the record passes.
    Corrected,
    /// The record is no longer delivered.
    Gone,
    /// The rule is no longer a rule of the dataset.
    Withdrawn,
}

impl FaultState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Open, Self::Excused, Self::Corrected, Self::Gone, Self::Withdrawn];

    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Excused => "excused",
            Self::Corrected => "corrected",
            Self::Gone => "gone",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether the record still fails.
    #[must_use]
    pub const fn stands(self) -> bool {
        matches!(self, Self::Open | Self::Excused)
    }

    /// Reads the word; an unknown one is none of ours.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The history of one fault. Instants are microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRecord {
    /// Rule.
    pub rule: String,
    /// Business key as a JSON list of texts; [`WHOLE_TABLE`]; or [`NO_KEY`], batch and row.
    pub key: String,
    /// Where it stands.
    pub state: FaultState,
    /// What a failing row means: `info`, `warn`, `hold`.
    pub severity: String,
    /// Columns looked at.
    pub columns: String,
    /// Value found last.
    pub found: Option<String>,
    /// Batch in which it was seen last.
    pub batch: String,
    /// Row of that batch.
    pub row: i64,
    /// When it was first seen.
    pub first_seen_at: i64,
    /// When it was last seen.
    pub last_seen_at: i64,
    /// When it was opened the last time.
    pub opened_at: i64,
    /// When its department was asked; `None` for notes, about which nobody is asked.
    pub returned_at: Option<i64>,
    /// When it was found corrected, gone or withdrawn.
    pub ended_at: Option<i64>,
    /// How often it was opened.
    pub times: i64,
}

/// What a check saw of a record under a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    /// It fails.
    Failing(&'a Failing),
    /// It was delivered and passes, or the rule does not apply to it any more.
    Passing,
    /// The whole table was delivered without it.
    Absent,
    /// The rule is gone.
    RuleGone,
}

/// A failing record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// What it means.
    pub severity: &'static str,
    /// Columns looked at.
    pub columns: String,
    /// Value found.
    pub found: Option<String>,
    /// Batch.
    pub batch: String,
    /// Row of the batch.
    pub row: i64,
}

/// What a check did to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Seen for the first time.
    New,
    /// Seen again.
    Again,
    /// Came back after it had ended, or lost its excuse.
    Reopened,
    /// Excused, still or from now on.
    Excused,
    /// Corrected.
    Corrected,
    /// Gone.
    Gone,
    /// Its rule is gone.
    Withdrawn,
}

/// The next state of a fault. `old` is its history so far, `excused_at` the instant at which its department last
/// excused what stood under the rule. `None`: nothing changes.
#[must_use]
pub fn advance(
    old: Option<&FaultRecord>,
    rule: &str,
    key: &str,
    sight: Sight<'_>,
    excused_at: Option<i64>,
    now: i64,
) -> Option<(FaultRecord, Change)> {
    let failing = match (sight, old) {
        (Sight::Failing(failing), _) => failing,
        (Sight::Passing, Some(old)) if old.state.stands() => {
            return Some((ended(old, FaultState::Corrected, now), Change::Corrected));
        }
        (Sight::Absent, Some(old)) if old.state.stands() => {
            return Some((ended(old, FaultState::Gone, now), Change::Gone));
        }
        (Sight::RuleGone, Some(old)) if old.state.stands() => {
            return Some((ended(old, FaultState::Withdrawn, now), Change::Withdrawn));
        }
        (Sight::Passing | Sight::Absent | Sight::RuleGone, _) => return None,
    };
    let asked = failing.severity != "info";
    let Some(old) = old else {
        let record = FaultRecord {
            rule: rule.to_owned(),
            key: key.to_owned(),
            state: FaultState::Open,
            severity: failing.severity.to_owned(),
            columns: failing.columns.clone(),
            found: failing.found.clone(),
            batch: failing.batch.clone(),
            row: failing.row,
            first_seen_at: now,
            last_seen_at: now,
            opened_at: now,
            returned_at: asked.then_some(now),
            ended_at: None,
            times: 1,
        };
        return Some((record, Change::New));
    };
    let seen = FaultRecord {
        severity: failing.severity.to_owned(),
        columns: failing.columns.clone(),
        found: failing.found.clone(),
        batch: failing.batch.clone(),
        row: failing.row,
        last_seen_at: now,
        ..old.clone()
    };
    // An excuse covers what its department looked at: this value, seen before it was given.
    let is_excused = excused_at.is_some_and(|at| old.state.stands() && old.opened_at <= at && old.found == seen.found);
    let (state, change) = match old.state {
        FaultState::Open | FaultState::Excused if is_excused => (FaultState::Excused, Change::Excused),
        FaultState::Open => (FaultState::Open, Change::Again),
        FaultState::Excused | FaultState::Corrected | FaultState::Gone | FaultState::Withdrawn => {
            (FaultState::Open, Change::Reopened)
        }
    };
    let record = match change {
        Change::Reopened => FaultRecord {
            state,
            opened_at: now,
            returned_at: asked.then_some(now),
            ended_at: None,
            times: old.times + 1,
            ..seen
        },
        _ => FaultRecord { state, ..seen },
    };
    Some((record, change))
}

fn ended(old: &FaultRecord, state: FaultState, now: i64) -> FaultRecord {
    FaultRecord { state, ended_at: Some(now), ..old.clone() }
}

/// How many faults of one rule a check moved, and how many stand after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Seen for the first time.
    pub new: u64,
    /// Seen again.
    pub again: u64,
    /// Came back.
    pub reopened: u64,
    /// Excused.
    pub excused: u64,
    /// Corrected.
    pub corrected: u64,
    /// Gone.
    pub gone: u64,
    /// Withdrawn with their rule.
    pub withdrawn: u64,
    /// Open after the check, in the whole table.
    pub open: u64,
}

impl Tally {
    /// Counts a change from `old` to `new`.
    pub fn count(&mut self, old: Option<FaultState>, new: FaultState, change: Change) {
        match change {
            Change::New => self.new += 1,
            Change::Again => self.again += 1,
            Change::Reopened => self.reopened += 1,
            Change::Excused => self.excused += 1,
            Change::Corrected => self.corrected += 1,
            Change::Gone => self.gone += 1,
            Change::Withdrawn => self.withdrawn += 1,
        }
        match (old == Some(FaultState::Open), new == FaultState::Open) {
            (false, true) => self.open += 1,
            (true, false) => self.open = self.open.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
    }

    /// Faults that this check saw and that nobody excused.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.new + self.again + self.reopened
    }
}

/// Schema of every history table. Its key is `rule` and `key`.
#[must_use]
pub fn history_schema() -> SchemaRef {
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    let instant = |name: &str, nullable: bool| {
        Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), nullable)
    };
    Arc::new(Schema::new(vec![
        text("rule", false),
        text("key", false),
        text("state", false),
        text("severity", false),
        text("columns", false),
        text("found", true),
        text("_batch", false),
        Field::new("_row", DataType::Int64, false),
        instant("first_seen_at", false),
        instant("last_seen_at", false),
        instant("opened_at", false),
        instant("returned_at", true),
        instant("ended_at", true),
        Field::new("times", DataType::Int64, false),
    ]))
}

/// Rows of a history table as a batch.
///
/// # Panics
/// Never: the builders follow the schema.
#[must_use]
pub fn to_batch(records: &[FaultRecord]) -> RecordBatch {
    let text = |of: &dyn Fn(&FaultRecord) -> &str| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(of(record))).collect::<StringArray>())
    };
    let whole = |of: &dyn Fn(&FaultRecord) -> i64| -> ArrayRef {
        let mut builder = Int64Builder::with_capacity(records.len());
        for record in records {
            builder.append_value(of(record));
        }
        Arc::new(builder.finish())
    };
    let instant = |of: &dyn Fn(&FaultRecord) -> Option<i64>| -> ArrayRef {
        let mut builder = TimestampMicrosecondBuilder::with_capacity(records.len());
        for record in records {
            builder.append_option(of(record));
        }
        Arc::new(builder.finish().with_timezone("UTC"))
    };
    let mut found = StringBuilder::new();
    for record in records {
        found.append_option(record.found.as_deref());
    }
    let columns: Vec<ArrayRef> = vec![
        text(&|record| &record.rule),
        text(&|record| &record.key),
        text(&|record| record.state.as_str()),
        text(&|record| &record.severity),
        text(&|record| &record.columns),
        Arc::new(found.finish()),
        text(&|record| &record.batch),
        whole(&|record| record.row),
        instant(&|record| Some(record.first_seen_at)),
        instant(&|record| Some(record.last_seen_at)),
        instant(&|record| Some(record.opened_at)),
        instant(&|record| record.returned_at),
        instant(&|record| record.ended_at),
        whole(&|record| record.times),
    ];
    RecordBatch::try_new(history_schema(), columns).expect("the builders follow the schema")
}

/// Reads rows of a history table. `None`: the batch is not one of ours.
#[must_use]
pub fn from_batch(batch: &RecordBatch) -> Option<Vec<FaultRecord>> {
    let text = |name: &str| -> Option<StringArray> { batch.column_by_name(name)?.as_string_opt::<i32>().cloned() };
    let whole =
        |name: &str| -> Option<Int64Array> { batch.column_by_name(name)?.as_primitive_opt::<Int64Type>().cloned() };
    let instant = |name: &str| -> Option<TimestampMicrosecondArray> {
        batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>().cloned()
    };
    let (rule, key, state) = (text("rule")?, text("key")?, text("state")?);
    let (severity, columns, found, batches) = (text("severity")?, text("columns")?, text("found")?, text("_batch")?);
    let (row, times) = (whole("_row")?, whole("times")?);
    let (first, last, opened) = (instant("first_seen_at")?, instant("last_seen_at")?, instant("opened_at")?);
    let (returned, ended) = (instant("returned_at")?, instant("ended_at")?);
    let some = |array: &TimestampMicrosecondArray, at: usize| array.is_valid(at).then(|| array.value(at));
    (0..batch.num_rows())
        .map(|at| {
            Some(FaultRecord {
                rule: rule.value(at).to_owned(),
                key: key.value(at).to_owned(),
                state: FaultState::parse(state.value(at))?,
                severity: severity.value(at).to_owned(),
                columns: columns.value(at).to_owned(),
                found: found.is_valid(at).then(|| found.value(at).to_owned()),
                batch: batches.value(at).to_owned(),
                row: row.value(at),
                first_seen_at: first.value(at),
                last_seen_at: last.value(at),
                opened_at: opened.value(at),
                returned_at: some(&returned, at),
                ended_at: some(&ended, at),
                times: times.value(at),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failing(found: &str) -> Failing {
        Failing {
            severity: "warn",
            columns: "mobile".to_owned(),
            found: Some(found.to_owned()),
            batch: "b".to_owned(),
            row: 7,
        }
    }

    fn step(old: Option<&FaultRecord>, sight: Sight<'_>, excused: Option<i64>, now: i64) -> (FaultRecord, Change) {
        advance(old, "mobile_form", "[\"1\"]", sight, excused, now).expect("something changes")
    }

    #[test]
    fn a_fault_is_seen_returned_corrected_and_opened_again_when_it_comes_back() {
        let bad = failing("1390");
        let (first, change) = step(None, Sight::Failing(&bad), None, 10);
        assert_eq!((change, first.first_seen_at, first.returned_at, first.times), (Change::New, 10, Some(10), 1));
        let (again, change) = step(Some(&first), Sight::Failing(&bad), None, 20);
        assert_eq!((change, again.last_seen_at, again.opened_at), (Change::Again, 20, 10));
        let (corrected, change) = step(Some(&again), Sight::Passing, None, 30);
        assert_eq!((change, corrected.state, corrected.ended_at), (Change::Corrected, FaultState::Corrected, Some(30)));
        assert_eq!(advance(Some(&corrected), "r", "k", Sight::Passing, None, 35), None);
        let (back, change) = step(Some(&corrected), Sight::Failing(&bad), None, 40);
        assert_eq!((change, back.first_seen_at, back.opened_at, back.times), (Change::Reopened, 10, 40, 2));
        assert_eq!(back.ended_at, None);
        let (gone, change) = step(Some(&back), Sight::Absent, None, 50);
        assert_eq!((change, gone.state), (Change::Gone, FaultState::Gone));
    }

    #[test]
    fn an_excuse_covers_the_value_that_was_looked_at_and_no_other() {
        let bad = failing("1390");
        let (first, _) = step(None, Sight::Failing(&bad), None, 10);
        let (excused, change) = step(Some(&first), Sight::Failing(&bad), Some(15), 20);
        assert_eq!((change, excused.state, excused.times), (Change::Excused, FaultState::Excused, 1));
        let (other, change) = step(Some(&excused), Sight::Failing(&failing("1391")), Some(15), 30);
        assert_eq!((change, other.state, other.times), (Change::Reopened, FaultState::Open, 2));
        // Once the excuse is taken back, the fault stands again.
        let (back, change) = step(Some(&excused), Sight::Failing(&bad), None, 30);
        assert_eq!((change, back.state), (Change::Reopened, FaultState::Open));
        // What came after the excuse is not covered by it.
        let (late, _) = step(None, Sight::Failing(&bad), Some(5), 10);
        assert_eq!(step(Some(&late), Sight::Failing(&bad), Some(5), 20).1, Change::Again);
    }

    #[test]
    fn nobody_is_asked_about_a_note() {
        let note = Failing { severity: "info", ..failing("x") };
        assert_eq!(step(None, Sight::Failing(&note), None, 10).0.returned_at, None);
    }

    proptest! {
        /// Open faults are those whose last sight failed, whatever happened before; the tally says the same.
        #[test]
        fn the_tally_counts_what_stands(sights in prop::collection::vec((0_usize..4, 0_u8..4), 0..60)) {
            let mut records: Vec<Option<FaultRecord>> = vec![None; 4];
            let mut tally = Tally::default();
            let mut expected = [false; 4];
            let bad = failing("x");
            for (now, (which, sight)) in sights.into_iter().enumerate() {
                let now = i64::try_from(now).expect("few steps");
                let sight = match sight {
                    0 => Sight::Failing(&bad),
                    1 => Sight::Passing,
                    2 => Sight::Absent,
                    _ => Sight::RuleGone,
                };
                let old = records[which].clone();
                if let Some((record, change)) = advance(old.as_ref(), "r", "k", sight, None, now) {
                    tally.count(old.map(|old| old.state), record.state, change);
                    records[which] = Some(record);
                }
                expected[which] = matches!(sight, Sight::Failing(_));
            }
            prop_assert_eq!(tally.open, expected.iter().filter(|open| **open).count() as u64);
            prop_assert_eq!(from_batch(&to_batch(&records.iter().flatten().cloned().collect::<Vec<_>>())).expect("ours"),
                records.into_iter().flatten().collect::<Vec<_>>());
        }
    }
}
