//! A ticket, and the steps that people take on it.

use jiff::Timestamp;
use yihe_definitions::Text;
use yihe_store::{Actor, Role, StoreError, TicketRow, Tx};

use super::{
    ANSWER, FAULT_PROCEDURE, OBJECTION_PROCEDURE, TicketError, Tickets, demand, failed, notice::Telling, subject_of,
};
use crate::recipients;

/// What a ticket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketKind {
    /// The faults of a rule (核验).
    Fault,
    /// A record or field that a user objects to (校核).
    Objection,
}

impl TicketKind {
    /// The word in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Objection => "objection",
        }
    }

    pub(super) const fn procedure(self) -> &'static str {
        match self {
            Self::Fault => FAULT_PROCEDURE,
            Self::Objection => OBJECTION_PROCEDURE,
        }
    }
}

/// Why a ticket was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 已更正: the source says it has corrected; the next check has the last word.
    Corrected,
    /// 误报: what was found is right.
    FalseAlarm,
    /// 确认有误暂不能改: wrong, and it cannot be changed for now.
    Unresolvable,
    /// 复核通过: a check found nothing of it any more.
    Rechecked,
    /// 规则已撤销: the rule is no longer one.
    RuleWithdrawn,
    /// 撤回: whoever objected took it back.
    TakenBack,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Corrected, Self::FalseAlarm, Self::Unresolvable, Self::Rechecked, Self::RuleWithdrawn, Self::TakenBack];
    /// Those that a department may give.
    pub const GIVEN: [Self; 3] = [Self::Corrected, Self::FalseAlarm, Self::Unresolvable];

    /// The word in the store, on the command line and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::FalseAlarm => "false_alarm",
            Self::Unresolvable => "unresolvable",
            Self::Rechecked => "rechecked",
            Self::RuleWithdrawn => "rule_withdrawn",
            Self::TakenBack => "taken_back",
        }
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Corrected => Text::new("源头已更正", "corrected at the source"),
            Self::FalseAlarm => Text::new("误报", "false alarm"),
            Self::Unresolvable => Text::new("确认有误，暂不能改", "wrong, and cannot be changed for now"),
            Self::Rechecked => Text::new("复核通过", "found corrected by a check"),
            Self::RuleWithdrawn => Text::new("规则已撤销", "the rule was withdrawn"),
            Self::TakenBack => Text::new("提出方撤回", "taken back by who raised it"),
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Identifier.
    pub id: String,
    /// What it is about.
    pub kind: TicketKind,
    /// Dataset whose department answers; of an objection the one the value was taken from.
    pub dataset: String,
    /// Rule; empty for an objection.
    pub rule: String,
    /// What a failing row means: `info`, `warn`, `hold`.
    pub severity: String,
    /// Department that answers.
    pub department: String,
    /// Objection: entry under which the value was supplied.
    pub entry: String,
    /// Objection: the record's key as a JSON list. Personal data: for the parties only.
    pub record_key: String,
    /// Objection: the field; empty for the whole record.
    pub field: String,
    /// Objection: department that raised it.
    pub raised_by: String,
    /// Objection: the use record under which the value was supplied.
    pub receipt: String,
    /// Objection: what was said.
    pub statement: String,
    /// Whether it waits.
    pub is_open: bool,
    /// Why it was closed.
    pub reason: Option<Reason>,
    /// What was said on closing or opening again.
    pub explanation: Option<String>,
    /// How often it was opened.
    pub times: i64,
    /// When it was first opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Faults that stand.
    pub rows_open: i64,
    /// Faults that ever stood.
    pub rows_seen: i64,
    /// When a check last looked.
    pub seen_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
    pub(super) row: TicketRow,
}

impl Ticket {
    /// Reads a row.
    ///
    /// # Errors
    /// A word that no version of this program writes.
    pub fn read(row: TicketRow) -> Result<Self, TicketError> {
        let corrupt = |element, found: &str| TicketError::Corrupt {
            object: subject_of(&row.id),
            element,
            found: found.chars().take(80).collect(),
        };
        let kind = match row.kind.as_str() {
            "fault" => TicketKind::Fault,
            "objection" => TicketKind::Objection,
            found => return Err(corrupt("kind", found)),
        };
        let reason = match &row.reason {
            Some(word) => Some(Reason::parse(word).ok_or_else(|| corrupt("reason", word))?),
            None => None,
        };
        Ok(Self {
            id: row.id.clone(),
            kind,
            dataset: row.dataset.clone(),
            rule: row.rule.clone(),
            severity: row.severity.clone(),
            department: row.department.clone(),
            entry: row.entry.clone(),
            record_key: row.record_key.clone(),
            field: row.field.clone(),
            raised_by: row.raised_by.clone(),
            receipt: row.receipt.clone(),
            statement: row.statement.clone(),
            is_open: row.state == "open",
            reason,
            explanation: row.explanation.clone(),
            times: row.times,
            opened_at: row.opened_at,
            changed_at: row.changed_at,
            closed_at: row.closed_at,
            rows_open: row.rows_open,
            rows_seen: row.rows_seen,
            seen_at: row.seen_at,
            version: row.version,
            row,
        })
    }

    /// Name in the ledger and on the docket.
    #[must_use]
    pub fn subject(&self) -> String {
        subject_of(&self.id)
    }
}

impl Tickets {
    /// Whether `actor` may close `ticket` as it stands: an officer or the head of the department that answers.
    #[must_use]
    pub fn may_close(&self, ticket: &Ticket, actor: &Actor) -> bool {
        let department = &ticket.department;
        ticket.is_open && (actor.is(Role::Officer, department) || actor.is(Role::Head, department))
    }

    /// Whether `actor` may open `ticket` again: a reviewer of the authority, or an officer of who raised it.
    #[must_use]
    pub fn may_reopen(&self, ticket: &Ticket, actor: &Actor) -> bool {
        let raised = !ticket.raised_by.is_empty() && actor.is(Role::Officer, &ticket.raised_by);
        !ticket.is_open && (actor.is(Role::Reviewer, &self.authority) || raised)
    }

    /// Whether `actor` may take back `ticket`: an officer of who raised it.
    #[must_use]
    pub fn may_take_back(&self, ticket: &Ticket, actor: &Actor) -> bool {
        ticket.is_open && !ticket.raised_by.is_empty() && actor.is(Role::Officer, &ticket.raised_by)
    }

    /// The department answers: the reason is one of [`Reason::GIVEN`], and it says why. Whoever objected is told;
    /// where a value was corrected, everybody who was supplied with it.
    ///
    /// # Errors
    /// Another's ticket, a ticket that is closed, another reason, nothing said; somebody else was quicker.
    pub async fn close(
        &self,
        id: &str,
        reason: Reason,
        explanation: &str,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let step = || Text::new("办结工单", "close the ticket");
        if !Reason::GIVEN.contains(&reason) {
            return Err(TicketError::Reason { found: reason.as_str().to_owned() });
        }
        let explanation = demand("explanation", explanation)?;
        let ticket = self.known(id, actor).await?;
        if !actor.is(Role::Head, &ticket.department) && !actor.is(Role::Officer, &ticket.department) {
            return Err(not_allowed(step(), Role::Officer, &ticket.department));
        }
        let telling = self.telling(&ticket, reason, at).await?;
        let mut tx = self.store.begin().await.map_err(failed("close a ticket"))?;
        let ticket = self.load(&mut tx, id, version, "open").await?;
        let closed = self.close_in(&mut tx, &ticket, reason, Some(&explanation), actor, at).await?;
        self.tell(&mut tx, &closed, &telling, actor, at).await?;
        tx.commit().await.map_err(failed("close a ticket"))?;
        Ok(closed)
    }

    /// Opens a ticket again: its answer is not accepted.
    ///
    /// # Errors
    /// As [`Tickets::close`]; and a rule whose newer ticket is open.
    pub async fn reopen(
        &self,
        id: &str,
        explanation: &str,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let explanation = demand("explanation", explanation)?;
        let ticket = self.known(id, actor).await?;
        let raised = !ticket.raised_by.is_empty() && actor.is(Role::Officer, &ticket.raised_by);
        if !raised && !actor.is(Role::Reviewer, &self.authority) {
            return Err(not_allowed(Text::new("重开工单", "open the ticket again"), Role::Reviewer, &self.authority));
        }
        let mut tx = self.store.begin().await.map_err(failed("open a ticket again"))?;
        let ticket = self.load(&mut tx, id, version, "closed").await?;
        let title = title(&ticket);
        let opened = self.reopen_in(&mut tx, &ticket, Some(&explanation), title, actor, at).await?;
        tx.commit().await.map_err(failed("open a ticket again"))?;
        Ok(opened)
    }

    /// Who objected takes it back.
    ///
    /// # Errors
    /// As [`Tickets::close`].
    pub async fn take_back(
        &self,
        id: &str,
        explanation: &str,
        version: Option<i64>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let explanation = demand("explanation", explanation)?;
        let ticket = self.known(id, actor).await?;
        if ticket.raised_by.is_empty() || !actor.is(Role::Officer, &ticket.raised_by) {
            return Err(not_allowed(
                Text::new("撤回校核", "take the objection back"),
                Role::Officer,
                &ticket.raised_by,
            ));
        }
        let mut tx = self.store.begin().await.map_err(failed("take an objection back"))?;
        let ticket = self.load(&mut tx, id, version, "open").await?;
        let closed = self.close_in(&mut tx, &ticket, Reason::TakenBack, Some(&explanation), actor, at).await?;
        tx.commit().await.map_err(failed("take an objection back"))?;
        Ok(closed)
    }

    async fn known(&self, id: &str, actor: &Actor) -> Result<Ticket, TicketError> {
        let found = self.find(id, actor).await?;
        found.ok_or_else(|| TicketError::NotFound { object: subject_of(id) })
    }

    async fn load(
        &self,
        tx: &mut Tx,
        id: &str,
        version: Option<i64>,
        expected: &'static str,
    ) -> Result<Ticket, TicketError> {
        let row = tx.ticket_find(id).await.map_err(failed("find a ticket"))?;
        let ticket = Ticket::read(row.ok_or_else(|| TicketError::NotFound { object: subject_of(id) })?)?;
        if version.is_some_and(|version| version != ticket.version) {
            let source = StoreError::Conflict { object: ticket.subject(), expected: version.unwrap_or(0) };
            return Err(TicketError::Store { action: "take a step on a ticket", source: Box::new(source) });
        }
        if ticket.row.state != expected {
            return Err(TicketError::WrongState { ticket: ticket.id, state: ticket.row.state, expected });
        }
        Ok(ticket)
    }

    /// Closes an open ticket in a transaction of the caller's.
    pub(super) async fn close_in(
        &self,
        tx: &mut Tx,
        ticket: &Ticket,
        reason: Reason,
        explanation: Option<&str>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let row = TicketRow {
            state: "closed".to_owned(),
            reason: Some(reason.as_str().to_owned()),
            explanation: explanation.map(str::to_owned),
            closed_at: Some(at),
            ..ticket.row.clone()
        };
        tx.ticket_update(&row, &actor.act("ticket.closed", at)).await.map_err(failed("close a ticket"))?;
        self.take_off(tx, ticket.kind.procedure(), &ticket.subject(), reason.as_str(), actor, at).await?;
        changed(row, at)
    }

    /// Opens a closed ticket again in a transaction of the caller's.
    pub(super) async fn reopen_in(
        &self,
        tx: &mut Tx,
        ticket: &Ticket,
        explanation: Option<&str>,
        title: Text,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let row = TicketRow {
            state: "open".to_owned(),
            reason: None,
            explanation: explanation.map(str::to_owned),
            closed_at: None,
            times: ticket.times + 1,
            ..ticket.row.clone()
        };
        tx.ticket_update(&row, &actor.act("ticket.reopened", at)).await.map_err(failed("open a ticket again"))?;
        let place = (ticket.subject(), title);
        self.put(tx, ticket.kind.procedure(), place, &ticket.department, &ANSWER, actor, at).await?;
        changed(row, at)
    }

    /// Who must be told when a department closes a ticket. Faults of a rule are told of when a check has proven
    /// that they are corrected; an objection is answered at once.
    async fn telling(&self, ticket: &Ticket, reason: Reason, at: Timestamp) -> Result<Vec<Telling>, TicketError> {
        if ticket.kind == TicketKind::Fault {
            return Ok(Vec::new());
        }
        let mut tellings = vec![Telling {
            department: ticket.raised_by.clone(),
            outcome: reason.as_str().to_owned(),
            supplies: 1,
            receipts: vec![ticket.receipt.clone()],
        }];
        if reason == Reason::Corrected {
            let supplied = recipients::of_record(&self.store, &ticket.entry, &ticket.record_key, at)
                .await
                .map_err(failed("look for who was supplied"))?;
            for (department, (supplies, receipts)) in supplied {
                let outcome = reason.as_str().to_owned();
                tellings.retain(|telling| telling.department != department);
                tellings.push(Telling { department, outcome, supplies, receipts });
            }
        }
        Ok(tellings)
    }
}

fn not_allowed(step: Text, role: Role, department: &str) -> TicketError {
    TicketError::NotAllowed { step, role, department: department.to_owned() }
}

/// The ticket as it stands after its row was written once.
fn changed(row: TicketRow, at: Timestamp) -> Result<Ticket, TicketError> {
    Ticket::read(TicketRow { version: row.version + 1, changed_at: at, ..row })
}

/// What people read on the docket where nothing better is known. It names no person.
pub(super) fn title(ticket: &Ticket) -> Text {
    match ticket.kind {
        TicketKind::Fault => Text::new(
            format!("数据问题：{} · {}", ticket.dataset, ticket.rule),
            format!("faults: {} · {}", ticket.dataset, ticket.rule),
        ),
        TicketKind::Objection => Text::new(
            format!("数据校核：{} {}", ticket.entry, ticket.field),
            format!("objection: {} {}", ticket.entry, ticket.field),
        ),
    }
}
