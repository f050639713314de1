//! The loop 核验—反馈—更新: what is wrong goes back to the department that answers for it, on a legal clock, until
//! a check shows it corrected; and whoever was supplied with the old value is told.
//!
//! A ticket stands for all faults of one rule in one dataset, so that a department reads a dozen lines and not ten
//! thousand; its rows are those of the history. It closes by itself when none stands any more and opens again when
//! one comes back. An objection (校核) of a user is a ticket for one record or field, and ends the same way.
//! State, docket and outbox change in one transaction; a step that fails changes nothing.
//!
//! Deliberately absent: any change of a value. A ticket asks, the source corrects, the next delivery proves it.

mod after_build;
mod after_check;
mod notice;
mod objection;
mod ticket;

use std::collections::BTreeMap;

use yihe_definitions::{Language, Text};
use yihe_docket::{Docket, DocketError, Matter, Opening, Step, Term, TermDefect, TermLimit, Terms, WaitsFor};
use yihe_lake::{Lake, LakeError};
use yihe_store::{Actor, ObjectKind, Role, Store, StoreError, TicketFilter, Tx};
use yihe_vocabulary::clock::local_day;

pub use after_build::{CONFLICT, conflict_field, conflict_rule};
pub use after_check::TicketChanges;
pub use notice::Notice;
pub use objection::Objection;
pub use ticket::{Reason, Ticket, TicketKind};

/// Procedure of a ticket for faults on the docket.
pub const FAULT_PROCEDURE: &str = "fault_ticket";
/// Procedure of an objection on the docket.
pub const OBJECTION_PROCEDURE: &str = "objection";
/// Procedure of a notice of a correction on the docket.
pub const NOTICE_PROCEDURE: &str = "correction_notice";

/// The provider verifies and corrects what it is told is wrong (art. 26).
pub const ANSWER: TermLimit =
    TermLimit { name: "ticket.answer", legal_days: 10, source: "政务数据共享条例第二十六条" };

/// A recipient acknowledges that a value was corrected. The decree sets no term of its own; it follows the provider's.
pub const ACKNOWLEDGE: TermLimit =
    TermLimit { name: "notice.acknowledge", legal_days: 10, source: "政务数据共享条例第二十六条" };

/// Every term of this room.
pub const TERMS: [TermLimit; 2] = [ANSWER, ACKNOWLEDGE];

/// Longest statement, in characters.
pub const STATEMENT_CHARACTERS_MAX: usize = 2_000;

/// The tickets of one city.
#[derive(Clone, Debug)]
pub struct Tickets {
    store: Store,
    lake: Lake,
    docket: Docket,
    authority: String,
    terms: Terms,
}

/// Why a step on a ticket was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// No ticket or notice has this identifier, or the caller may not know of it.
    #[error("there is no `{object}`")]
    NotFound {
        /// The object.
        object: String,
    },
    /// The step belongs to another role or department.
    #[error("the step `{}` needs the role {role} in the department `{department}`", .step.get(Language::En))]
    NotAllowed {
        /// What was tried.
        step: Text,
        /// Role that may.
        role: Role,
        /// Department that may.
        department: String,
    },
    /// The ticket is not where the step begins.
    #[error("the ticket `{ticket}` is {state}, expected it to be {expected}")]
    WrongState {
        /// Ticket.
        ticket: String,
        /// Where it stands.
        state: String,
        /// Where it should stand.
        expected: &'static str,
    },
    /// A reason that only a check may give.
    #[error("found the reason `{found}`, expected one of: corrected, false_alarm, unresolvable")]
    Reason {
        /// The word.
        found: String,
    },
    /// Something must be said, and it must not be endless.
    #[error("found {found} characters for {what}, expected 1 to {limit}")]
    Statement {
        /// Of what.
        what: &'static str,
        /// Characters found.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// The receipt names nothing that this department was supplied with.
    #[error("the department was supplied with no record under the receipt `{receipt}`")]
    NotSupplied {
        /// The receipt.
        receipt: String,
    },
    /// The field was not part of the supply.
    #[error("found the field `{found}`, expected one that was supplied: {expected}")]
    Field {
        /// The field.
        found: String,
        /// Fields of the supply.
        expected: String,
    },
    /// The same department already objects to the same value.
    #[error("the objection `{ticket}` to the same value is open already")]
    AlreadyRaised {
        /// Ticket.
        ticket: String,
    },
    /// The docket refused.
    #[error("failed to put `{ticket}` on the docket")]
    Docket {
        /// Ticket or notice.
        ticket: String,
        /// Cause.
        source: Box<DocketError>,
    },
    /// The store failed, or somebody else was quicker.
    #[error("failed to {action}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: Box<StoreError>,
    },
    /// The lake failed.
    #[error("failed to read the value that ticket `{ticket}` is about")]
    Lake {
        /// Ticket.
        ticket: String,
        /// Cause.
        source: Box<LakeError>,
    },
    /// A row holds what no version of this program writes.
    #[error("`{object}` holds `{found}` as its {element}")]
    Corrupt {
        /// The object.
        object: String,
        /// Part of it.
        element: &'static str,
        /// What was found.
        found: String,
    },
}

impl TicketError {
    /// The sentence a person reads.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        match (language, self) {
            (_, Self::Store { source, .. }) => source.message(language),
            (_, Self::Docket { source, .. }) => source.message(language),
            (Language::En, _) => self.to_string(),
            (Language::Zh, Self::NotFound { object }) => format!("没有 `{object}`"),
            (Language::Zh, Self::NotAllowed { step, role, department }) => {
                format!("“{}”须由部门 `{department}` 的{}办理", step.zh, role.titles().0)
            }
            (Language::Zh, Self::WrongState { ticket, expected, .. }) => {
                let expected = if *expected == "open" { "待办" } else { "已办结" };
                format!("工单 {ticket} 当前不是“{expected}”状态，请刷新后查看")
            }
            (Language::Zh, Self::Reason { found }) => format!(
                "办结原因为 `{found}`，应为 corrected（已更正）、false_alarm（误报）或 unresolvable（确认有误暂不能改）"
            ),
            (Language::Zh, Self::Statement { found, limit, .. }) => {
                format!("说明有 {found} 个字，应为 1 至 {limit} 个字")
            }
            (Language::Zh, Self::NotSupplied { receipt }) => {
                format!("本部门没有回执为 `{receipt}` 的使用记录，只能对本部门收到的数据提出校核")
            }
            (Language::Zh, Self::Field { found, expected }) => {
                format!("字段 `{found}` 不在该次供给之中，可选：{expected}")
            }
            (Language::Zh, Self::AlreadyRaised { ticket }) => format!("同一数据的校核工单 {ticket} 正在办理"),
            (Language::Zh, Self::Lake { .. }) => "读取被校核的数据失败，请稍后重试；原因见日志".to_owned(),
            (Language::Zh, Self::Corrupt { object, .. }) => format!("`{object}` 的内容不符合预期，可能被直接改动"),
        }
    }
}

impl Tickets {
    /// The tickets of a city. `city_terms` may shorten [`TERMS`].
    ///
    /// # Errors
    /// Every unknown term and every term beyond the law.
    pub fn new(
        store: Store,
        lake: Lake,
        docket: Docket,
        authority: impl Into<String>,
        city_terms: &BTreeMap<String, u32>,
    ) -> Result<Self, Vec<TermDefect>> {
        let terms = Terms::new(&TERMS, city_terms)?;
        Ok(Self { store, lake, docket, authority: authority.into(), terms })
    }

    /// A ticket, if the actor may know of it: as its department, as who raised it, as one who was told, or for the
    /// authority.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find(&self, id: &str, actor: &Actor) -> Result<Option<Ticket>, TicketError> {
        let Some(row) = self.store.ticket_find(id).await.map_err(failed("find a ticket"))? else { return Ok(None) };
        let ticket = Ticket::read(row)?;
        if self.may_know(&ticket, actor) {
            return Ok(Some(ticket));
        }
        let notices = self.store.notice_list(Some(id), Some(&actor.department), 0, 1).await;
        Ok((!notices.map_err(failed("list notices"))?.is_empty()).then_some(ticket))
    }

    /// Tickets that the actor may know of, open ones first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(
        &self,
        filter: &TicketFilter,
        actor: &Actor,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Ticket>, TicketError> {
        let filter = self.narrowed(filter, actor);
        let rows = self.store.ticket_list(&filter, offset, limit).await.map_err(failed("list tickets"))?;
        rows.into_iter().map(Ticket::read).collect()
    }

    /// How many tickets a list has in all.
    ///
    /// # Errors
    /// The store failed.
    pub async fn count(&self, filter: &TicketFilter, actor: &Actor) -> Result<i64, TicketError> {
        self.store.ticket_count(&self.narrowed(filter, actor)).await.map_err(failed("count tickets"))
    }

    fn narrowed(&self, filter: &TicketFilter, actor: &Actor) -> TicketFilter {
        let party = (!self.oversees(actor)).then(|| actor.department.clone());
        TicketFilter { party, ..filter.clone() }
    }

    fn oversees(&self, actor: &Actor) -> bool {
        actor.department == self.authority || actor.account == Actor::system().account
    }

    fn may_know(&self, ticket: &Ticket, actor: &Actor) -> bool {
        self.oversees(actor) || ticket.department == actor.department || ticket.raised_by == actor.department
    }

    /// Puts a ticket or a notice on its department's docket. A year that is missing from the calendar is an alarm
    /// and no reason to let nobody know of the fault, or until when: its weekdays are counted until it is announced.
    #[expect(clippy::too_many_arguments, reason = "what, for whom, until when, by whom")]
    async fn put(
        &self,
        tx: &mut Tx,
        procedure: &'static str,
        (subject, title): (String, Text),
        department: &str,
        term: &TermLimit,
        actor: &Actor,
        at: jiff::Timestamp,
    ) -> Result<(), TicketError> {
        let days = self.terms.days(term);
        if let Err(missing) = self.docket.calendar().add_working_days(local_day(at), days) {
            tracing::error!(subject, %missing, "a term is counted by weekdays until the year is announced");
        }
        let opening = Opening {
            procedure,
            subject,
            title,
            step: Step {
                state: "open",
                waits_for: WaitsFor { department: department.to_owned(), role: Role::Officer },
                term: Term::Assumed(days),
            },
        };
        let outcome = self.docket.open(tx, &opening, actor, at).await;
        outcome.map_err(|source| TicketError::Docket { ticket: opening.subject.clone(), source: Box::new(source) })
    }

    /// Takes a ticket or a notice off the docket.
    async fn take_off(
        &self,
        tx: &mut Tx,
        procedure: &str,
        subject: &str,
        outcome: &str,
        actor: &Actor,
        at: jiff::Timestamp,
    ) -> Result<(), TicketError> {
        let matter = Matter { procedure, subject };
        self.docket
            .close(tx, matter, outcome, actor, at)
            .await
            .map_err(|source| TicketError::Docket { ticket: subject.to_owned(), source: Box::new(source) })
    }
}

/// Name of a ticket in the ledger and on the docket.
#[must_use]
pub fn subject_of(ticket: &str) -> String {
    ObjectKind::Ticket.name(ticket)
}

fn failed(action: &'static str) -> impl FnOnce(StoreError) -> TicketError {
    move |source| TicketError::Store { action, source: Box::new(source) }
}

/// A statement of 1 to [`STATEMENT_CHARACTERS_MAX`] characters, trimmed.
fn demand(what: &'static str, text: &str) -> Result<String, TicketError> {
    let text = text.trim();
    let found = text.chars().count();
    if (1..=STATEMENT_CHARACTERS_MAX).contains(&found) {
        return Ok(text.to_owned());
    }
    Err(TicketError::Statement { what, found, limit: STATEMENT_CHARACTERS_MAX })
}
