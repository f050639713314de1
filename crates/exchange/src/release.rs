//! Automation on proof: the supply begins once the ledger holds what the city's rule demands
//! (both signatures, the assessment), and says on which entries it rests.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use yihe_definitions::Release as Rule;
use yihe_ledger::{
    release::{Citation, Release, ReleaseRule},
    view::LogView,
};
use yihe_store::{Actor, ObjectKind, RequestFilter, StoreError, Tx};

use crate::{
    error::ExchangeError,
    procedure::{Exchange, failed},
    request::{Request, RequestState},
    steps::{Action, changed},
};

/// Requests that one sweep releases; the next one goes on.
const SWEEP_MAX: i64 = 200;

/// A rule and the log that must prove it.
#[derive(Debug, Clone)]
pub struct Gate {
    /// What must be proven.
    pub rule: Rule,
    /// Where.
    pub log: LogView,
}

/// On which entries of the ledger something rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Identifier of the rule.
    pub rule: String,
    /// The entries.
    pub cites: Vec<Cited>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    /// Kind of the entry.
    pub kind: String,
    /// Its index: `GET /ledger/proof/{index}` proves it.
    pub index: u64,
    /// Its leaf in the SHA-256 tree, hexadecimal.
    pub leaf_sha256: String,
}

impl fmt::Display for Cited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{} {}", self.index, self.kind)
    }
}

impl From<Citation> for Cited {
    fn from(citation: Citation) -> Self {
        Self { kind: citation.kind, index: citation.index, leaf_sha256: hex::encode(citation.leaf) }
    }
}

impl Exchange {
    /// The same exchange, with a supply that begins only on proof.
    #[must_use]
    pub fn released_on_proof(self, gate: Option<Gate>) -> Self {
        Self { gate: gate.map(std::sync::Arc::new), ..self }
    }

    /// Begins by itself every supply whose proof is complete, when the rule says so. What is not
    /// proven yet waits for the next sweep. Returns the requests.
    ///
    /// # Errors
    /// The store or the ledger failed.
    pub async fn release_sweep(&self, machine: &Actor, at: Timestamp) -> Result<Vec<String>, ExchangeError> {
        if !self.gate.as_ref().is_some_and(|gate| gate.rule.automatic) {
            return Ok(Vec::new());
        }
        let filter =
            RequestFilter { party: None, entry: None, state: Some(RequestState::Consented.as_str().to_owned()) };
        let rows = self.store.request_list(&filter, 0, SWEEP_MAX).await.map_err(failed("list share requests"))?;
        let mut begun = Vec::new();
        for row in rows {
            let request = Request::read(row)?;
            let id = request.id.clone();
            let mut tx = self.store.begin().await.map_err(failed("begin a supply"))?;
            match self.take(&mut tx, request, &Action::Supply, machine, at).await {
                Ok(_) => {
                    tx.commit().await.map_err(failed("begin a supply"))?;
                    begun.push(id);
                }
                Err(ExchangeError::NotProven { .. } | ExchangeError::Undone { .. }) => {}
                // Somebody took the step in this moment.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(begun)
    }

    /// Enters the release of a request with the entries it rests on; without a rule there is nothing
    /// to enter. The request is then one version further.
    pub(crate) async fn release(
        &self,
        tx: &mut Tx,
        mut request: Request,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Request, ExchangeError> {
        let Some(gate) = &self.gate else { return Ok(request) };
        let cites = self.proven(gate, &request).await?;
        request.release = Some(Released { rule: gate.rule.id.clone(), cites });
        tx.request_update(&request.row(), &actor.act("request.released", at))
            .await
            .map_err(failed("release a supply"))?;
        Ok(changed(request, at))
    }

    /// The entries that the rule demands, as they stand in the published log.
    async fn proven(&self, gate: &Gate, request: &Request) -> Result<Vec<Cited>, ExchangeError> {
        let objects = [ObjectKind::Request.name(&request.id), ObjectKind::Entry.name(&request.entry)];
        let (mut cites, mut missing) = (Vec::new(), Vec::new());
        for (object, of) in objects.iter().zip(["request.", "entry."]) {
            let of_it = |kinds: &[String]| kinds.iter().filter(|kind| kind.starts_with(of)).cloned().collect();
            let rule = ReleaseRule {
                releases: "request.released".to_owned(),
                requires: of_it(&gate.rule.requires),
                unless: of_it(&gate.rule.unless),
            };
            if rule.requires.is_empty() && rule.unless.is_empty() {
                continue;
            }
            // The store says where to look; what stands there is read from the log itself.
            let last = self.store.ledger_last_row(object).await.map_err(failed("find a ledger entry"))?;
            let last = last.and_then(|row| row.leaf).and_then(|leaf| u64::try_from(leaf).ok());
            match self.evaluate(gate, rule, last, object).await? {
                Release::Ready { citations } => cites.extend(citations.into_iter().map(Cited::from)),
                Release::Waiting { missing: some } => missing.extend(some),
                Release::Undone { kind, index } => return Err(ExchangeError::Undone { kind, index }),
            }
        }
        if missing.is_empty() { Ok(cites) } else { Err(ExchangeError::NotProven { missing }) }
    }

    async fn evaluate(
        &self,
        gate: &Gate,
        rule: ReleaseRule,
        last: Option<u64>,
        object: &str,
    ) -> Result<Release, ExchangeError> {
        let (log, object) = (gate.log.clone(), object.to_owned());
        let found = tokio::task::spawn_blocking(move || rule.evaluate_in(&log, last, &object)).await;
        let unread = |_| ExchangeError::Store {
            action: "look for proof",
            source: StoreError::State { object: "ledger".to_owned(), expected: "a reader that does not panic" },
        };
        found.map_err(unread)?.map_err(|source| ExchangeError::Ledger { source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use yihe_definitions::Releases;

    use crate::procedure::RequestStep;

    #[test]
    fn what_a_rule_may_name_of_a_request_is_what_its_steps_enter() {
        let acts = RequestStep::ALL.map(RequestStep::act);
        let named = Releases::Supply.evidence().iter().filter(|kind| kind.starts_with("request."));
        for kind in named {
            assert!(acts.contains(kind), "no step enters `{kind}`");
        }
    }
}
