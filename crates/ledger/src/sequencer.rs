//! From the outbox into the log.
//!
//! A business transaction and its outbox row commit together; the sequencer gives the rows their
//! places. Between entering and acknowledging it may die: the rows come again, keep their ids, and
//! the log gives them the places they have. There is one sequencer, because there is one
//! [`Ledger`] per folder.

use jiff::{SignedDuration, Timestamp};

use crate::{
    entry::{EntryDefect, PendingEntry},
    error::LedgerError,
    ledger::Ledger,
    seal::{Event, Salt, seal},
};

/// Rows fetched at once.
pub const FETCH_MAX: usize = 4_096;
/// Rows taken in one [`Sequencer::drain`]; what is left comes with the next.
pub const DRAIN_MAX: usize = 1_000_000;
/// A log that says nothing for this long enters a sign of life, so that silence means something.
pub const HEARTBEAT_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Kind of the sign of life.
pub const HEARTBEAT_KIND: &str = "ledger.heartbeat";

/// Where committed events wait for their place. Implemented by the store.
pub trait Outbox {
    type Error: std::error::Error + Send + Sync + 'static;

    /// The oldest rows not yet acknowledged or refused, at most `limit`.
    ///
    /// # Errors
    /// The store's own.
    fn fetch(&mut self, limit: usize) -> Result<Vec<PendingEntry>, Self::Error>;

    /// These rows have these indexes and are durable.
    ///
    /// # Errors
    /// The store's own.
    fn acknowledge(&mut self, placed: &[(String, u64)]) -> Result<(), Self::Error>;

    /// This row can never enter. It must not be fetched again, and somebody must learn of it.
    ///
    /// # Errors
    /// The store's own.
    fn refuse(&mut self, entry_id: &str, defect: &EntryDefect) -> Result<(), Self::Error>;
}

/// What one drain did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Rows acknowledged, whether new or seen before.
    pub acknowledged: u64,
    /// Rows set aside as defective.
    pub refused: u64,
    /// Whether [`DRAIN_MAX`] was reached before the outbox was empty.
    pub more: bool,
}

/// A drain that stopped; nothing acknowledged is lost and nothing is entered twice when it runs
/// again.
#[derive(Debug, thiserror::Error)]
pub enum DrainError<E: std::error::Error + 'static> {
    #[error("the outbox failed to {action}")]
    Outbox { action: &'static str, source: E },
    #[error("the ledger did not take a batch")]
    Ledger { source: LedgerError },
}

/// Moves rows from an outbox into a ledger.
#[derive(Debug, Default)]
pub struct Sequencer {
    last_entered_at: Option<Timestamp>,
}

impl Sequencer {
    /// Enters everything that waits, in the outbox's order.
    ///
    /// # Errors
    /// The outbox's or the ledger's.
    pub fn drain<O: Outbox>(&mut self, ledger: &mut Ledger, outbox: &mut O) -> Result<Drained, DrainError<O::Error>> {
        let mut drained = Drained::default();
        let mut taken = 0;
        loop {
            let rows = outbox.fetch(FETCH_MAX).map_err(|source| DrainError::Outbox { action: "fetch", source })?;
            if rows.is_empty() {
                return Ok(drained);
            }
            taken += rows.len();
            let mut batch = Vec::with_capacity(rows.len());
            for row in rows {
                match row.check() {
                    Ok(()) => batch.push(row),
                    Err(defect) => {
                        outbox
                            .refuse(&row.id, &defect)
                            .map_err(|source| DrainError::Outbox { action: "refuse", source })?;
                        drained.refused += 1;
                    }
                }
            }
            let indexes = ledger.append_batch(&batch).map_err(|source| DrainError::Ledger { source })?;
            self.last_entered_at = batch.last().map(|entry| entry.at).max(self.last_entered_at);
            let placed: Vec<(String, u64)> = batch.into_iter().map(|entry| entry.id).zip(indexes).collect();
            outbox.acknowledge(&placed).map_err(|source| DrainError::Outbox { action: "acknowledge", source })?;
            drained.acknowledged += placed.len() as u64;
            if taken >= DRAIN_MAX {
                return Ok(Drained { more: true, ..drained });
            }
        }
    }

    /// Enters a sign of life when nothing has been entered for [`HEARTBEAT_AFTER`]. Returns whether
    /// it did. Call it now and then with the time; the entry's id follows from `now`.
    ///
    /// # Errors
    /// The ledger's.
    pub fn keep_alive(&mut self, ledger: &mut Ledger, now: Timestamp) -> Result<bool, LedgerError> {
        if self.last_entered_at.is_none() && ledger.size() > 0 {
            self.last_entered_at = Some(ledger.entry(ledger.size() - 1)?.at);
        }
        if self.last_entered_at.is_some_and(|last| now.duration_since(last) < HEARTBEAT_AFTER) {
            return Ok(false);
        }
        let origin = ledger.view().trusted().origin().to_owned();
        // Nothing here is secret: a known salt keeps the sign of life checkable by everyone.
        let payload = serde_json::json!({ "origin": origin, "size": ledger.size() });
        let event = Event {
            id: &format!("heartbeat-{}", now.as_millisecond()),
            kind: HEARTBEAT_KIND,
            at: now,
            actor: "ledger",
            org: "ledger",
            object: "urn:yihe:ledger",
            salt_id: "none",
        };
        let entry = seal(&event, &payload, &Salt([0; 32])).expect("an origin and a size have a canonical form");
        ledger.append_batch(&[entry])?;
        self.last_entered_at = Some(now);
        Ok(true)
    }
}
