//! What a check does to the tickets of a dataset: opened, closed, opened again, and who is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use yihe_definitions::{Dataset, Severity};
use yihe_store::{Actor, TicketRow, Tx};

use super::{ANSWER, Reason, Ticket, TicketError, TicketKind, Tickets, conflict_field, failed, notice::Telling};
use crate::{
    history::Tally,
    messages,
    walk::{Followed, KEY_RULE},
};

/// What a check did to tickets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketChanges {
    /// Opened.
    pub opened: u64,
    /// Opened again.
    pub reopened: u64,
    /// Closed by themselves.
    pub closed: u64,
    /// Departments that were told of a correction.
    pub told: u64,
    /// Open after the check.
    pub open: u64,
}

impl TicketChanges {
    /// Adds those of another dataset.
    pub fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.closed += other.closed;
        self.told += other.told;
        self.open += other.open;
    }
}

impl Tickets {
    /// When the faults of each rule were last excused by their department, in microseconds.
    ///
    /// # Errors
    /// The store failed.
    pub async fn excuses(&self, dataset: &str) -> Result<BTreeMap<String, i64>, TicketError> {
        let reasons = [Reason::FalseAlarm.as_str(), Reason::Unresolvable.as_str()];
        let rows = self.store.ticket_list_excused(dataset, reasons).await.map_err(failed("list excused rules"))?;
        Ok(rows.into_iter().map(|(rule, at)| (rule, at.as_microsecond())).collect())
    }

    /// Moves the tickets of a dataset to where the faults stand, in the transaction that ends the check.
    ///
    /// # Errors
    /// The store failed, somebody moved a ticket in this moment: the check is then repeated.
    pub async fn after_check(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        followed: &Followed,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<TicketChanges, TicketError> {
        let mut changes = TicketChanges::default();
        for (rule, tally) in &followed.tallies {
            let last = tx.ticket_find_last(&dataset.id, rule).await.map_err(failed("find a rule's ticket"))?;
            let last = last.map(Ticket::read).transpose()?;
            let ticket = self.moved(tx, dataset, rule, tally, last, &mut changes, actor, at).await?;
            let Some(ticket) = ticket else { continue };
            changes.open += u64::from(ticket.is_open);
            let tellings: Vec<Telling> = followed
                .told
                .iter()
                .filter(|told| told.rule == *rule)
                .map(|told| Telling {
                    department: told.department.clone(),
                    outcome: told.outcome.clone(),
                    supplies: told.supplies,
                    receipts: told.receipts.clone(),
                })
                .collect();
            changes.told += self.tell(tx, &ticket, &tellings, actor, at).await? as u64;
        }
        Ok(changes)
    }

    #[expect(clippy::too_many_arguments, reason = "one rule of one check, told whole")]
    pub(super) async fn moved(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        rule: &str,
        tally: &Tally,
        last: Option<Ticket>,
        changes: &mut TicketChanges,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Ticket>, TicketError> {
        let open = i64::try_from(tally.open).unwrap_or(i64::MAX);
        let fresh = i64::try_from(tally.new).unwrap_or(i64::MAX);
        let severity = severity_of(dataset, rule);
        match last {
            Some(ticket) if ticket.is_open => {
                let seen = ticket.rows_seen.saturating_add(fresh);
                tx.ticket_count_rows(&ticket.id, open, seen, at).await.map_err(failed("count a ticket's rows"))?;
                let counted =
                    Ticket::read(TicketRow { rows_open: open, rows_seen: seen, seen_at: at, ..ticket.row.clone() })?;
                if open > 0 {
                    return Ok(Some(counted));
                }
                let reason = if severity.is_none() { Reason::RuleWithdrawn } else { Reason::Rechecked };
                changes.closed += 1;
                self.close_in(tx, &counted, reason, None, actor, at).await.map(Some)
            }
            // What came back, or was never corrected, belongs to the ticket that asked for it.
            Some(ticket) if tally.reopened + tally.again > 0 && asks(severity) => {
                let row = TicketRow {
                    rows_open: open,
                    rows_seen: ticket.rows_seen.saturating_add(fresh),
                    seen_at: at,
                    ..ticket.row.clone()
                };
                let counted = Ticket::read(row)?;
                changes.reopened += 1;
                let title = messages::ticket_title(dataset, rule);
                self.reopen_in(tx, &counted, None, title, actor, at).await.map(Some)
            }
            _ if tally.seen() > 0 && asks(severity) => {
                changes.opened += 1;
                self.opened(tx, dataset, rule, severity, open, actor, at).await.map(Some)
            }
            Some(ticket) => {
                tx.ticket_count_rows(&ticket.id, open, ticket.rows_seen, at)
                    .await
                    .map_err(failed("count a ticket's rows"))?;
                Ok(Some(ticket))
            }
            None => Ok(None),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a new ticket says")]
    async fn opened(
        &self,
        tx: &mut Tx,
        dataset: &Dataset,
        rule: &str,
        severity: Option<Severity>,
        rows: i64,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let row = TicketRow {
            id: tx.new_id(at),
            kind: TicketKind::Fault.as_str().to_owned(),
            dataset: dataset.id.clone(),
            rule: rule.to_owned(),
            severity: crate::walk::severity_word(severity.unwrap_or_default()).to_owned(),
            department: dataset.department.clone(),
            entry: String::new(),
            record_key: String::new(),
            field: String::new(),
            value_digest: String::new(),
            raised_by: String::new(),
            receipt: String::new(),
            statement: String::new(),
            state: "open".to_owned(),
            reason: None,
            explanation: None,
            times: 1,
            opened_at: at,
            changed_at: at,
            closed_at: None,
            rows_open: rows,
            rows_seen: rows,
            seen_at: at,
            version: 1,
        };
        tx.ticket_insert(&row, &actor.act("ticket.opened", at)).await.map_err(failed("open a ticket"))?;
        let ticket = Ticket::read(row)?;
        let place = (ticket.subject(), messages::ticket_title(dataset, rule));
        self.put(tx, TicketKind::Fault.procedure(), place, &ticket.department, &ANSWER, actor, at).await?;
        Ok(ticket)
    }
}

/// What a failing row of a rule means; `None`: the dataset has no such rule.
fn severity_of(dataset: &Dataset, rule: &str) -> Option<Severity> {
    if rule == KEY_RULE {
        return Some(Severity::Hold);
    }
    if conflict_field(rule).is_some() {
        return Some(Severity::Warn);
    }
    dataset.rules.iter().find(|known| known.id == rule).map(|known| known.severity)
}

/// Whether a department is asked about faults of this severity.
fn asks(severity: Option<Severity>) -> bool {
    matches!(severity, Some(Severity::Warn | Severity::Hold | Severity::Quarantine))
}
