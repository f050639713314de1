//! Escalation: a clock that runs out is noticed by the program, once per step and level.

use jiff::{Timestamp, civil::Date};
use yihe_store::{Actor, ItemRow, ItemStep, Store};
use yihe_vocabulary::clock::local_day;

use crate::{
    clock::Standing,
    error::DocketError,
    item::{Docket, clock_of, failed, uncounted},
};

/// Pages of [`PAGE`] items that one sweep looks at; the next one goes on.
const PAGES_MAX: usize = 50;

const PAGE: i64 = 200;

/// How far a step was escalated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EscalationLevel {
    /// The last day is near: whoever must act is reminded.
    Reminder,
    /// The last day has passed: the department's head is told.
    Head,
    /// Days have passed since: the competent authority is told.
    Authority,
}

impl EscalationLevel {
    const ALL: [Self; 3] = [Self::Reminder, Self::Head, Self::Authority];

    /// The number in the database: 1, 2, 3.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Reminder => 1,
            Self::Head => 2,
            Self::Authority => 3,
        }
    }

    fn act(self) -> &'static str {
        match self {
            Self::Reminder => "item.reminded",
            Self::Head => "item.overdue",
            Self::Authority => "item.escalated",
        }
    }
}

/// When each level is reached. A city may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EscalationPolicy {
    /// Remind when so many working days, or fewer, are left after today.
    pub remind_days_before: u32,
    /// Tell the authority when the last day passed so many working days ago.
    pub authority_days_after: u32,
}

impl Default for EscalationPolicy {
    fn default() -> Self {
        Self { remind_days_before: 1, authority_days_after: 3 }
    }
}

/// Something that was escalated by this sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// Docket item.
    pub item: String,
    /// The object.
    pub subject: String,
    /// Department that must act.
    pub department: String,
    /// How far.
    pub level: EscalationLevel,
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Escalations, each written to the ledger.
    pub escalations: Vec<Escalation>,
    /// Items that somebody changed while the sweep looked at them; the next sweep sees them again.
    pub skipped: usize,
    /// A year that terms will soon reach and the calendar lacks: an alarm for the administrator.
    pub calendar_missing: Option<i16>,
}

impl Docket {
    /// Escalates every step whose clock says so at `now`. Each item is its own transaction: a crash
    /// between two loses nothing and repeats nothing, for a level is noted once per step.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sweep(
        &self,
        store: &Store,
        policy: EscalationPolicy,
        now: Timestamp,
    ) -> Result<SweepReport, DocketError> {
        let today = local_day(now);
        let mut report = SweepReport { calendar_missing: self.calendar_missing(today), ..SweepReport::default() };
        let until = self.assuming().add_working_days(today, policy.remind_days_before);
        let until = until.map_err(uncounted("the sweep"))?;
        let mut after: Option<(Date, String)> = None;
        for _ in 0..PAGES_MAX {
            let from = after.as_ref().map(|(day, id)| (*day, id.as_str()));
            let items = store
                .item_list_due(until, EscalationLevel::Authority.number(), from, PAGE)
                .await
                .map_err(|source| DocketError::Worklist { source: Box::new(source) })?;
            let Some(last) = items.last() else { break };
            after = last.due_on.map(|day| (day, last.id.clone()));
            for item in items {
                match self.escalate(store, item, policy, now).await {
                    Ok(escalations) => report.escalations.extend(escalations),
                    Err(error) if error.is_conflict() => report.skipped += 1,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(report)
    }

    async fn escalate(
        &self,
        store: &Store,
        mut item: ItemRow,
        policy: EscalationPolicy,
        now: Timestamp,
    ) -> Result<Vec<Escalation>, DocketError> {
        let Some(clock) = clock_of(&item)? else { return Ok(Vec::new()) };
        let standing = self.standing(&clock, local_day(now)).map_err(uncounted(&item.subject))?;
        // A term that was counted by weekdays is counted again as soon as its year is announced.
        if let Ok(Some(due_on)) = clock.due_on(self.calendar())
            && item.due_on.is_some_and(|known| known != due_on)
        {
            item.due_on = Some(due_on);
            let mut tx = store.begin().await.map_err(failed("count again", &item.subject))?;
            let act = Actor::system();
            tx.item_update(&item, ItemStep::Clock, &act.act("item.recounted", now))
                .await
                .map_err(failed("count again", &item.subject))?;
            tx.commit().await.map_err(failed("count again", &item.subject))?;
            item.version += 1;
        }
        let Some(reached) = reached(standing, policy) else { return Ok(Vec::new()) };
        if item.escalation >= reached.number() {
            return Ok(Vec::new());
        }
        let mut tx = store.begin().await.map_err(failed("escalate", &item.subject))?;
        let actor = Actor::system();
        let mut escalations = Vec::new();
        for level in EscalationLevel::ALL {
            if level.number() <= item.escalation || level > reached {
                continue;
            }
            let first =
                tx.escalation_insert(&item.id, level.number(), now).await.map_err(failed("escalate", &item.subject))?;
            if !first {
                continue;
            }
            item.escalation = level.number();
            tx.item_update(&item, ItemStep::Clock, &actor.act(level.act(), now))
                .await
                .map_err(failed("escalate", &item.subject))?;
            item.version += 1;
            escalations.push(Escalation {
                item: item.id.clone(),
                subject: item.subject.clone(),
                department: item.department.clone(),
                level,
            });
        }
        tx.commit().await.map_err(failed("escalate", &item.subject))?;
        Ok(escalations)
    }

    /// The longest legal term is 20 working days and may be extended by 10: two months ahead must be known.
    fn calendar_missing(&self, today: Date) -> Option<i16> {
        let ahead = today.saturating_add(jiff::Span::new().days(60));
        [today.year(), ahead.year()].into_iter().find(|year| !self.calendar().years().any(|known| known == *year))
    }
}

fn reached(standing: Standing, policy: EscalationPolicy) -> Option<EscalationLevel> {
    match standing {
        Standing::Untimed | Standing::Stopped { .. } => None,
        Standing::Running { days } => (days <= policy.remind_days_before).then_some(EscalationLevel::Reminder),
        Standing::Overdue { days } if days >= policy.authority_days_after => Some(EscalationLevel::Authority),
        Standing::Overdue { .. } => Some(EscalationLevel::Head),
    }
}
