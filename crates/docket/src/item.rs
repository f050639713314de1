//! Items: opened, advanced, stopped, resumed, extended and closed inside the room's own transaction.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use yihe_definitions::Text;
use yihe_store::{Actor, ItemRow, ItemStep, Role, StoreError, Tx};
use yihe_vocabulary::{WorkingCalendar, clock::local_day, working_days::CalendarError};

use crate::{
    clock::{STOPS_MAX, Standing, Stop, TermClock},
    error::DocketError,
};

/// The docket: what the rooms open, advance and close.
#[derive(Debug, Clone)]
pub struct Docket {
    calendar: Arc<WorkingCalendar>,
    /// The same, with the weekdays of years that were not announced.
    assuming: Arc<WorkingCalendar>,
}

/// Who must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsFor {
    /// Department.
    pub department: String,
    /// Role in it.
    pub role: Role,
}

/// Which item is meant: an object has one open item in each procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matter<'a> {
    /// Procedure, e.g. `share_request`.
    pub procedure: &'a str,
    /// The object, e.g. `urn:yihe:request:…`.
    pub subject: &'a str,
}

/// Something that begins to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Procedure, e.g. `share_request`.
    pub procedure: &'static str,
    /// The object, e.g. `urn:yihe:request:…`.
    pub subject: String,
    /// What people read on the list.
    pub title: Text,
    /// The first step.
    pub step: Step,
}

/// A step: the state it is in, who must act, and for how long they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// State of the procedure.
    pub state: &'static str,
    /// Who must act.
    pub waits_for: WaitsFor,
    /// For how long they may take.
    pub term: Term,
}

/// For how long a step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// No law sets a term.
    Untimed,
    /// So many working days after today.
    WorkingDays(u32),
    /// So many working days after today; where they run into a year that was not announced, by its weekdays until
    /// it is ([`Docket::sweep`] counts again). Not for terms of the law.
    Assumed(u32),
    /// The clock of the step before goes on as it is: running, or standing still.
    Continued,
}

/// An item as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Identifier.
    pub id: String,
    /// Procedure.
    pub procedure: String,
    /// The object.
    pub subject: String,
    /// What people read.
    pub title: Text,
    /// State of the procedure.
    pub state: String,
    /// Department that must act.
    pub department: String,
    /// Role that must act.
    pub role: String,
    /// The clock of the present step; `None`: no term runs.
    pub clock: Option<TermClock>,
    /// Last day; `None` while nothing runs or the clock stands still.
    pub due_on: Option<Date>,
    /// How the clock stands today.
    pub standing: Standing,
    /// Highest escalation of the present step; 0: none.
    pub escalation: i64,
    /// When the item was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

impl Docket {
    /// A docket that counts working days by `calendar`.
    #[must_use]
    pub fn new(calendar: Arc<WorkingCalendar>) -> Self {
        let assuming = Arc::new(calendar.assuming_weekdays());
        Self { calendar, assuming }
    }

    /// The calendar.
    #[must_use]
    pub fn calendar(&self) -> &WorkingCalendar {
        &self.calendar
    }

    /// Puts something on the list.
    ///
    /// # Errors
    /// The object has an open item in this procedure; the calendar lacks a year; the store failed.
    pub async fn open(&self, tx: &mut Tx, opening: &Opening, actor: &Actor, at: Timestamp) -> Result<(), DocketError> {
        let Opening { procedure, subject, title, step } = opening;
        let mut item = ItemRow {
            id: tx.new_id(at),
            procedure: (*procedure).to_owned(),
            subject: subject.clone(),
            title_zh: title.zh.clone(),
            title_en: title.en.clone().unwrap_or_default(),
            state: String::new(),
            department: String::new(),
            role: String::new(),
            received_on: local_day(at),
            term_days: None,
            extension_days: 0,
            stops: "[]".to_owned(),
            due_on: None,
            escalation: 0,
            opened_at: at,
            changed_at: at,
            closed_at: None,
            outcome: None,
            version: 1,
        };
        self.begin_step(&mut item, step, at)?;
        tx.item_insert(&item, &actor.act("item.opened", at)).await.map_err(failed("open", subject))
    }

    /// The present task is done with `outcome`; the next step begins with its own term, or goes on with
    /// the clock of this one ([`Term::Continued`]).
    ///
    /// # Errors
    /// Nothing waits; somebody else was quicker; the calendar lacks a year; the store failed.
    pub async fn advance(
        &self,
        tx: &mut Tx,
        matter: Matter<'_>,
        step: &Step,
        outcome: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), DocketError> {
        let mut item = find_open(tx, matter).await?;
        self.begin_step(&mut item, step, at)?;
        let act = actor.act("item.advanced", at);
        tx.item_update(&item, ItemStep::Advance { outcome }, &act).await.map_err(failed("advance", matter.subject))
    }

    /// Stops the clock: something is awaited from somebody else.
    ///
    /// # Errors
    /// Nothing waits; no term runs; the clock stands still already; the store failed.
    pub async fn stop(&self, tx: &mut Tx, matter: Matter<'_>, actor: &Actor, at: Timestamp) -> Result<(), DocketError> {
        let mut item = find_open(tx, matter).await?;
        let mut clock = clock_of(&item)?.ok_or_else(|| DocketError::Untimed { subject: matter.subject.to_owned() })?;
        if clock.is_stopped() {
            return Err(DocketError::AlreadyStopped { subject: matter.subject.to_owned() });
        }
        if clock.stops.len() >= STOPS_MAX {
            return Err(DocketError::Stops { subject: matter.subject.to_owned(), limit: STOPS_MAX });
        }
        clock.stops.push(Stop { from: local_day(at), until: None });
        self.set_clock(&mut item, &clock)?;
        let act = actor.act("item.stopped", at);
        tx.item_update(&item, ItemStep::Clock, &act).await.map_err(failed("stop", matter.subject))
    }

    /// Lets the clock run on: what was awaited came in.
    ///
    /// # Errors
    /// Nothing waits; the clock is not standing still; the calendar lacks a year; the store failed.
    pub async fn resume(
        &self,
        tx: &mut Tx,
        matter: Matter<'_>,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), DocketError> {
        let mut item = find_open(tx, matter).await?;
        let mut clock = clock_of(&item)?.ok_or_else(|| DocketError::Untimed { subject: matter.subject.to_owned() })?;
        let Some(stop) = clock.stops.last_mut().filter(|stop| stop.until.is_none()) else {
            return Err(DocketError::NotStopped { subject: matter.subject.to_owned() });
        };
        stop.until = Some(local_day(at));
        self.set_clock(&mut item, &clock)?;
        let act = actor.act("item.resumed", at);
        tx.item_update(&item, ItemStep::Clock, &act).await.map_err(failed("resume", matter.subject))
    }

    /// Extends the present term by `days` working days, of which the law allows `limit_days` in all.
    ///
    /// # Errors
    /// Nothing waits; no term runs; more days than the law leaves; the store failed.
    pub async fn extend(
        &self,
        tx: &mut Tx,
        matter: Matter<'_>,
        days: u32,
        limit_days: u32,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), DocketError> {
        let mut item = find_open(tx, matter).await?;
        let mut clock = clock_of(&item)?.ok_or_else(|| DocketError::Untimed { subject: matter.subject.to_owned() })?;
        let limit = limit_days.saturating_sub(clock.extension_days);
        if days == 0 || days > limit {
            return Err(DocketError::Extension { subject: matter.subject.to_owned(), found: days, limit });
        }
        clock.extension_days += days;
        // The longer term has its own reminders.
        item.escalation = 0;
        self.set_clock(&mut item, &clock)?;
        let act = actor.act("item.extended", at);
        tx.item_update(&item, ItemStep::Advance { outcome: "extended" }, &act)
            .await
            .map_err(failed("extend", matter.subject))
    }

    /// Takes the object off the list.
    ///
    /// # Errors
    /// Nothing waits; somebody else was quicker; the store failed.
    pub async fn close(
        &self,
        tx: &mut Tx,
        matter: Matter<'_>,
        outcome: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<(), DocketError> {
        let mut item = find_open(tx, matter).await?;
        item.closed_at = Some(at);
        item.outcome = Some(outcome.to_owned());
        item.due_on = None;
        let act = actor.act("item.closed", at);
        tx.item_update(&item, ItemStep::Close { outcome }, &act).await.map_err(failed("close", matter.subject))
    }

    /// Where a clock stands on `today`. A list that cannot be shown would help nobody when a year was not announced:
    /// the weekdays of such a year are counted, and the missing year is an alarm of its own ([`Self::sweep`]).
    pub(crate) fn standing(&self, clock: &TermClock, today: Date) -> Result<Standing, CalendarError> {
        clock.standing(today, self.calendar()).or_else(|_| clock.standing(today, &self.assuming))
    }

    /// The calendar in which every year has at least its weekdays.
    pub(crate) fn assuming(&self) -> &WorkingCalendar {
        &self.assuming
    }

    /// A row as people see it on `today`.
    ///
    /// # Errors
    /// The row's clock cannot be read.
    pub fn view(&self, row: &ItemRow, today: Date) -> Result<Item, DocketError> {
        let clock = clock_of(row)?;
        let standing = match (&clock, row.closed_at) {
            (Some(clock), None) => self.standing(clock, today).map_err(uncounted(&row.subject))?,
            (Some(_), Some(_)) | (None, _) => Standing::Untimed,
        };
        Ok(Item {
            id: row.id.clone(),
            procedure: row.procedure.clone(),
            subject: row.subject.clone(),
            title: Text { zh: row.title_zh.clone(), en: Some(row.title_en.clone()).filter(|en| !en.is_empty()) },
            state: row.state.clone(),
            department: row.department.clone(),
            role: row.role.clone(),
            clock,
            due_on: row.due_on,
            standing,
            escalation: row.escalation,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
        })
    }

    fn begin_step(&self, item: &mut ItemRow, step: &Step, at: Timestamp) -> Result<(), DocketError> {
        step.state.clone_into(&mut item.state);
        item.department.clone_from(&step.waits_for.department);
        step.waits_for.role.as_str().clone_into(&mut item.role);
        item.escalation = 0;
        let term_days = match step.term {
            Term::Continued => return Ok(()),
            Term::Untimed => None,
            Term::WorkingDays(days) | Term::Assumed(days) => Some(days),
        };
        item.received_on = local_day(at);
        item.term_days = term_days.map(i64::from);
        item.extension_days = 0;
        "[]".clone_into(&mut item.stops);
        item.due_on = None;
        let Some(days) = term_days else { return Ok(()) };
        let clock = TermClock::new(item.received_on, days);
        match (self.set_clock(item, &clock), &step.term) {
            (Err(DocketError::Calendar { .. }), Term::Assumed(_)) => {
                item.due_on = clock.due_on(&self.assuming).map_err(uncounted(&item.subject))?;
                Ok(())
            }
            (outcome, _) => outcome,
        }
    }

    fn set_clock(&self, item: &mut ItemRow, clock: &TermClock) -> Result<(), DocketError> {
        item.extension_days = i64::from(clock.extension_days);
        item.stops = serde_json::to_string(&clock.stops).expect("a list of days is always JSON");
        item.due_on = clock.due_on(&self.calendar).map_err(uncounted(&item.subject))?;
        Ok(())
    }
}

/// The clock of a row; `None` when no term runs.
pub(crate) fn clock_of(item: &ItemRow) -> Result<Option<TermClock>, DocketError> {
    let Some(term_days) = item.term_days else { return Ok(None) };
    let corrupt = |found: &str| DocketError::Corrupt { subject: item.subject.clone(), found: found.to_owned() };
    let whole = |days: i64| u32::try_from(days).map_err(|_| corrupt(&days.to_string()));
    Ok(Some(TermClock {
        received_on: item.received_on,
        term_days: whole(term_days)?,
        extension_days: whole(item.extension_days)?,
        stops: serde_json::from_str(&item.stops).map_err(|_| corrupt(&item.stops))?,
    }))
}

pub(crate) fn failed(action: &'static str, subject: &str) -> impl FnOnce(StoreError) -> DocketError {
    let subject = subject.to_owned();
    move |source| DocketError::Store { action, subject, source: Box::new(source) }
}

pub(crate) fn uncounted(subject: &str) -> impl FnOnce(CalendarError) -> DocketError {
    let subject = subject.to_owned();
    move |source| DocketError::Calendar { subject, source }
}

async fn find_open(tx: &mut Tx, matter: Matter<'_>) -> Result<ItemRow, DocketError> {
    let Matter { procedure, subject } = matter;
    let found = tx.item_find_open(procedure, subject).await.map_err(failed("find", subject))?;
    found.ok_or_else(|| DocketError::NotOpen { procedure: procedure.to_owned(), subject: subject.to_owned() })
}
