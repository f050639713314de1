//! What a build of a registry does to tickets: a value that lost against the authority's is a fault of the department
//! that delivered it, until its source agrees with the authority, or the authority with it.
//!
//! One ticket for each dataset and field, like a rule's; its evidence is the registry's table of conflicts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use yihe_definitions::Dataset;
use yihe_store::{Actor, TicketFilter};

use super::{Reason, Ticket, TicketChanges, TicketError, Tickets, failed};
use crate::history::Tally;

/// How the rule of such a ticket begins; registry, a dot and field follow.
pub const CONFLICT: &str = "conflict:";

/// Name of the rule under which conflicts of a field are asked about.
#[must_use]
pub fn conflict_rule(registry: &str, field: &str) -> String {
    format!("{CONFLICT}{registry}.{field}")
}

/// The field that a rule of this kind is about; `None`: it is a rule of the dataset's own.
#[must_use]
pub fn conflict_field(rule: &str) -> Option<(&str, &str)> {
    rule.strip_prefix(CONFLICT)?.split_once('.')
}

impl Tickets {
    /// Moves the tickets of a dataset to where its conflicts in a registry stand: `lost` has, by field, how many of
    /// its values lost against another department's.
    ///
    /// # Errors
    /// The store failed, or somebody moved a ticket in this moment: the build is then repeated and changes nothing
    /// but this.
    pub async fn after_build(
        &self,
        registry: &str,
        dataset: &Dataset,
        lost: &BTreeMap<String, u64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<TicketChanges, TicketError> {
        let known = TicketFilter {
            dataset: Some(dataset.id.clone()),
            state: Some("open".to_owned()),
            kind: Some("fault".to_owned()),
            ..TicketFilter::default()
        };
        let open = self.store.ticket_list(&known, 0, yihe_store::PAGE_ROWS_MAX).await;
        let open = open.map_err(failed("list tickets"))?;
        let of_registry = |rule: &str| conflict_field(rule).is_some_and(|(known, _)| known == registry);
        let mut rules: BTreeSet<String> = lost.keys().map(|field| conflict_rule(registry, field)).collect();
        rules.extend(open.into_iter().map(|ticket| ticket.rule).filter(|rule| of_registry(rule)));
        let mut changes = TicketChanges::default();
        if rules.is_empty() {
            return Ok(changes);
        }
        let mut tx = self.store.begin().await.map_err(failed("move the tickets of conflicts"))?;
        for rule in rules {
            let count = conflict_field(&rule).and_then(|(_, field)| lost.get(field)).copied().unwrap_or(0);
            let last = tx.ticket_find_last(&dataset.id, &rule).await.map_err(failed("find a rule's ticket"))?;
            let last = last.map(Ticket::read).transpose()?;
            let tally = tally(last.as_ref(), count);
            let ticket = self.moved(&mut tx, dataset, &rule, &tally, last, &mut changes, actor, at).await?;
            changes.open += u64::from(ticket.is_some_and(|ticket| ticket.is_open));
        }
        tx.commit().await.map_err(failed("move the tickets of conflicts"))?;
        Ok(changes)
    }
}

/// What a count of conflicts means for the ticket there was.
fn tally(last: Option<&Ticket>, count: u64) -> Tally {
    let known = last.map_or(0, |ticket| u64::try_from(ticket.rows_open).unwrap_or(0));
    let more = count.saturating_sub(known);
    let (new, reopened) = match last {
        None => (count, 0),
        Some(ticket) if ticket.is_open => (more, 0),
        // An excuse covers what its department looked at, as far as a count can say.
        Some(ticket) if matches!(ticket.reason, Some(Reason::FalseAlarm | Reason::Unresolvable)) => (more, more),
        Some(_) => (more, count),
    };
    Tally { new, reopened, open: count, ..Tally::default() }
}
