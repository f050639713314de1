//! One delivery into the lake: begun in the store, read once, committed, ended in the store.
//!
//! The batch keeps its identifier through every attempt and both tables are committed under it, so an
//! attempt after a crash finds what the earlier one had finished and does only the rest.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use yihe_definitions::{Dataset, Language};
use yihe_lake::{CommitKey, FaultHook, Lake, LakeError, Layout, TableName, Writer, Zone};
use yihe_store::{Actor, Batch, BatchBegun, BatchLanding, NewBatch, Store};
use yihe_vocabulary::Clock;

use crate::{
    decode::{self, Inspection, Sink},
    error::CollectError,
    extract,
    fit::{self, Counts, Fitter, Piece},
    headers::Headers,
    inbox::{Delivery, Origin},
    quarantine,
    record::Record,
};

/// The points at which [`Collector::faults`] is called, in the order in which a delivery meets them.
pub const FAULT_POINTS: [&str; 4] =
    ["collect.after_begin", "collect.after_quarantine", "collect.after_landing", "collect.after_end"];

/// Pieces that may wait between the reading and the writing thread.
const PIECES_WAITING_MAX: usize = 4;

/// Takes deliveries.
#[derive(Clone)]
pub struct Collector {
    /// Where rows land.
    pub lake: Lake,
    /// Where batches are recorded.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who collects.
    pub actor: Actor,
    /// Folder for spooled tables of foreign databases.
    pub spool: PathBuf,
    /// Crash tests' hook.
    pub faults: FaultHook,
}

/// What became of a delivery.
#[derive(Debug)]
pub struct Received {
    /// Dataset.
    pub dataset: String,
    /// File name, or connection and table.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Outcome {
    /// Every row stands in landing or in quarantine.
    Landed {
        /// The batch.
        batch: String,
        /// What went where.
        counts: Counts,
        /// Columns that were promised and not delivered.
        withheld: Vec<String>,
    },
    /// The same content landed before; nothing was done.
    Known {
        /// The batch it landed as.
        batch: String,
        /// What went where then.
        counts: Counts,
    },
    /// The file was refused whole.
    Refused(CollectError),
}

impl Collector {
    /// Takes one delivery. A file at fault is an [`Outcome::Refused`]; an error of the platform's own is `Err`.
    ///
    /// # Errors
    /// The store or the lake failed, or the disk is full. Nothing is half-landed; run again.
    pub async fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, CollectError> {
        let began = Instant::now();
        let name = delivery.origin.name();
        let outcome = match self.take(delivery, &name).await {
            Ok(outcome) => outcome,
            Err(
                error @ (CollectError::Store(_)
                | CollectError::Lake(_)
                | CollectError::DiskFull
                | CollectError::Stopped { .. }),
            ) => {
                return Err(error);
            }
            Err(error) => Outcome::Refused(error),
        };
        Ok(Received { dataset: delivery.dataset.id.clone(), name, outcome, seconds: began.elapsed().as_secs_f64() })
    }

    async fn take(&self, delivery: &Delivery<'_>, name: &str) -> Result<Outcome, CollectError> {
        let dataset = delivery.dataset;
        let path = match &delivery.origin {
            Origin::File(path) => path.clone(),
            Origin::Table { connection, url, table } => {
                extract::spool(connection, url, table, dataset.source.format, &self.spool).await?
            }
        };
        let inspected = path.clone();
        let inspection = blocking(move || decode::inspect(&inspected)).await?;
        let batch = match self.begin(dataset, name, &inspection).await? {
            BatchBegun::Landed(batch) => {
                let counts = counts_of(&batch);
                return Ok(Outcome::Known { batch: batch.id, counts });
            }
            BatchBegun::Started(batch) | BatchBegun::Resumed(batch) => batch,
        };
        (self.faults)("collect.after_begin");
        match self.land(dataset, &path, inspection, &batch.id).await {
            Ok((counts, withheld, version)) => {
                self.end(&batch.id, counts, version).await?;
                (self.faults)("collect.after_end");
                Ok(Outcome::Landed { batch: batch.id, counts, withheld })
            }
            Err(error) => {
                // A full disk or a failing lake is not the department's fault: the batch stays open and is resumed.
                if !matches!(error, CollectError::Lake(_) | CollectError::DiskFull | CollectError::Stopped { .. }) {
                    self.refuse(&batch.id, &error).await?;
                }
                Err(error)
            }
        }
    }

    async fn begin(&self, dataset: &Dataset, name: &str, inspection: &Inspection) -> Result<BatchBegun, CollectError> {
        let new = NewBatch {
            dataset: &dataset.id,
            // The content is the key: the same file sent twice is one delivery, whatever it is called.
            idempotency_key: &inspection.sha256,
            file_name: name,
            sha256: &inspection.sha256,
        };
        let mut tx = self.store.begin().await.map_err(CollectError::Store)?;
        let begun = tx
            .batch_begin(&new, &self.actor.act("batch.received", self.clock.now()))
            .await
            .map_err(CollectError::Store)?;
        tx.commit().await.map_err(CollectError::Store)?;
        Ok(begun)
    }

    async fn end(&self, batch: &str, counts: Counts, version: i64) -> Result<(), CollectError> {
        let landing = BatchLanding {
            rows_accepted: counts.accepted.cast_signed(),
            rows_quarantined: counts.quarantined.cast_signed(),
            landing_version: Some(version),
        };
        let mut tx = self.store.begin().await.map_err(CollectError::Store)?;
        tx.batch_land(batch, &landing, &self.actor.act("batch.landed", self.clock.now()))
            .await
            .map_err(CollectError::Store)?;
        tx.commit().await.map_err(CollectError::Store)
    }

    async fn refuse(&self, batch: &str, error: &CollectError) -> Result<(), CollectError> {
        let text = error.message(Language::Zh);
        let mut tx = self.store.begin().await.map_err(CollectError::Store)?;
        tx.batch_fail(batch, &text, &self.actor.act("batch.refused", self.clock.now()))
            .await
            .map_err(CollectError::Store)?;
        tx.commit().await.map_err(CollectError::Store)
    }

    async fn land(
        &self,
        dataset: &Dataset,
        path: &Path,
        inspection: Inspection,
        batch: &str,
    ) -> Result<(Counts, Vec<String>, i64), CollectError> {
        let landing = table(Zone::Landing, dataset)?;
        let refused = table(Zone::Quarantine, dataset)?;
        self.lake.create(&landing, fit::landing_schema(dataset), Layout::rows()).await.map_err(lake_error)?;
        self.lake.create(&refused, quarantine::schema(), Layout::rows()).await.map_err(lake_error)?;
        let key = CommitKey::new(format!("collect:{batch}")).map_err(lake_error)?;
        let mut rows = self.lake.appender(&landing, key.clone()).await.map_err(lake_error)?;
        let mut refusals = self.lake.appender(&refused, key).await.map_err(lake_error)?;

        let (sender, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let reader = {
            let (dataset, path, batch) = (dataset.clone(), path.to_path_buf(), batch.to_owned());
            tokio::task::spawn_blocking(move || read(&path, &dataset, &inspection, &batch, &sender))
        };
        let written = write(&mut pieces, &mut rows, &mut refusals).await;
        drop(pieces);
        let read = reader.await.map_err(|error| CollectError::Stopped { detail: error.to_string() })?;
        written?;
        let (counts, withheld) = read?;

        let meta = meta(counts);
        let earlier = refusals.commit(meta.clone()).await.map_err(lake_error)?;
        // An attempt that crashed between the two commits read the same bytes; only another definition of the
        // columns could have judged them differently.
        if earlier.already_done && earlier.rows != counts.quarantined {
            let detail = format!(
                "an earlier attempt quarantined {} rows and this one {}: the dataset's columns were changed in between; restore them and run again",
                earlier.rows, counts.quarantined
            );
            return Err(CollectError::Stopped { detail });
        }
        (self.faults)("collect.after_quarantine");
        let commit = rows.commit(meta).await.map_err(lake_error)?;
        (self.faults)("collect.after_landing");
        Ok((counts, withheld, commit.version))
    }
}

/// The landing or quarantine table of a dataset.
///
/// # Errors
/// The dataset's identifier cannot name a table.
pub fn table(zone: Zone, dataset: &Dataset) -> Result<TableName, CollectError> {
    TableName::new(zone, dataset.id.as_str()).map_err(CollectError::Lake)
}

fn lake_error(error: LakeError) -> CollectError {
    match error {
        LakeError::StorageFull { .. } => CollectError::DiskFull,
        other => CollectError::Lake(other),
    }
}

fn counts_of(batch: &Batch) -> Counts {
    Counts {
        rows_in: batch.rows_in.unsigned_abs(),
        accepted: batch.rows_accepted.unsigned_abs(),
        quarantined: batch.rows_quarantined.unsigned_abs(),
    }
}

fn meta(counts: Counts) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert("rows_in".to_owned(), counts.rows_in.into());
    meta.insert("accepted".to_owned(), counts.accepted.into());
    meta.insert("quarantined".to_owned(), counts.quarantined.into());
    meta
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CollectError> + Send + 'static,
) -> Result<T, CollectError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| CollectError::Stopped { detail: error.to_string() })?
}

async fn write(
    pieces: &mut mpsc::Receiver<Piece>,
    rows: &mut Writer,
    refusals: &mut Writer,
) -> Result<(), CollectError> {
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Landing(batch) => rows.write(batch).await.map_err(lake_error)?,
            Piece::Quarantine(batch) => refusals.write(batch).await.map_err(lake_error)?,
        }
    }
    Ok(())
}

/// Reads a file on a thread of its own and hands the pieces over.
fn read(
    path: &Path,
    dataset: &Dataset,
    inspection: &Inspection,
    batch: &str,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(Counts, Vec<String>), CollectError> {
    let mut feeder = Feeder { dataset, batch, pieces, fitter: None, withheld: Vec::new(), typed: Counts::default() };
    decode::decode(path, dataset, inspection, &mut feeder)?;
    let mut counts = feeder.typed;
    if let Some(fitter) = feeder.fitter.take() {
        let (left, fitted) = fitter.finish();
        for piece in left {
            feeder.send(piece)?;
        }
        counts.rows_in += fitted.rows_in;
        counts.accepted += fitted.accepted;
        counts.quarantined += fitted.quarantined;
    }
    Ok((counts, feeder.withheld))
}

struct Feeder<'a> {
    dataset: &'a Dataset,
    batch: &'a str,
    pieces: &'a mpsc::Sender<Piece>,
    fitter: Option<Fitter>,
    withheld: Vec<String>,
    typed: Counts,
}

impl Feeder<'_> {
    fn send(&self, piece: Piece) -> Result<(), CollectError> {
        self.pieces.blocking_send(piece).map_err(|_| CollectError::Stopped { detail: "the writer ended".to_owned() })
    }
}

impl Sink for Feeder<'_> {
    fn columns(&mut self, headers: &Headers) -> Result<(), CollectError> {
        self.withheld = headers.withheld(self.dataset).into_iter().map(str::to_owned).collect();
        self.fitter = Some(Fitter::new(self.dataset, headers, self.batch));
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<(), CollectError> {
        match self.fitter.as_mut().expect("columns come before records").push(record) {
            Some(piece) => self.send(piece),
            None => Ok(()),
        }
    }

    fn typed(&mut self, rows: &RecordBatch) -> Result<(), CollectError> {
        let first = self.typed.rows_in;
        let count = rows.num_rows();
        self.typed.rows_in += count as u64;
        self.typed.accepted += count as u64;
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(self.batch, count))));
        columns
            .push(Arc::new(Int64Array::from_iter_values((0..count).map(|row| (first + row as u64 + 1).cast_signed()))));
        let batch = RecordBatch::try_new(fit::landing_schema(self.dataset), columns)
            .expect("types were compared by the decoder");
        self.send(Piece::Landing(batch))
    }
}
