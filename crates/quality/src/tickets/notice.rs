//! Everybody who was supplied with the old value is told, and acknowledges.

use std::collections::BTreeSet;

use jiff::Timestamp;
use yihe_definitions::Text;
use yihe_store::{Actor, NoticeRow, ObjectKind, Role, StoreError, Tx};

use super::{ACKNOWLEDGE, NOTICE_PROCEDURE, STATEMENT_CHARACTERS_MAX, Ticket, TicketError, Tickets, failed};
use crate::recipients::RECEIPTS_MAX;

/// A notice as its department reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Identifier.
    pub id: String,
    /// Ticket.
    pub ticket: String,
    /// Department that is told.
    pub department: String,
    /// What became of the value: `corrected`, `gone`, or the reason of an answer.
    pub outcome: String,
    /// Supplies that had it.
    pub supplies: i64,
    /// Their use records; of many, the first.
    pub receipts: Vec<String>,
    /// When it was told.
    pub told_at: Timestamp,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// What was said with it.
    pub remark: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

/// Who is to be told what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    pub department: String,
    pub outcome: String,
    pub supplies: u64,
    pub receipts: Vec<String>,
}

impl Notice {
    fn read(row: NoticeRow) -> Result<Self, TicketError> {
        let receipts = serde_json::from_str(&row.receipts).map_err(|_| TicketError::Corrupt {
            object: ObjectKind::Notice.name(&row.id),
            element: "receipts",
            found: row.receipts.chars().take(80).collect(),
        })?;
        Ok(Self {
            id: row.id,
            ticket: row.ticket,
            department: row.department,
            outcome: row.outcome,
            supplies: row.supplies,
            receipts,
            told_at: row.told_at,
            acknowledged_at: row.acknowledged_at,
            remark: row.remark,
            version: row.version,
        })
    }
}

impl Tickets {
    /// Notices of a ticket, or to the actor's department; the authority reads all. Those that wait come first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn notices(
        &self,
        ticket: Option<&str>,
        actor: &Actor,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Notice>, TicketError> {
        let owns = match ticket {
            Some(id) => {
                let row = self.store.ticket_find(id).await.map_err(failed("find a ticket"))?;
                row.is_some_and(|row| row.department == actor.department)
            }
            None => false,
        };
        let department = (!owns && !self.oversees(actor)).then_some(actor.department.as_str());
        let rows = self.store.notice_list(ticket, department, offset, limit).await.map_err(failed("list notices"))?;
        rows.into_iter().map(Notice::read).collect()
    }

    /// The department says that it knows, and what it did with the old value. The remark may be empty.
    ///
    /// # Errors
    /// Another's notice, one that is acknowledged, too long a remark; somebody else was quicker.
    pub async fn acknowledge(
        &self,
        id: &str,
        remark: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Notice, TicketError> {
        let remark = remark.trim();
        let found = remark.chars().count();
        if found > STATEMENT_CHARACTERS_MAX {
            return Err(TicketError::Statement { what: "remark", found, limit: STATEMENT_CHARACTERS_MAX });
        }
        let subject = ObjectKind::Notice.name(id);
        let mut tx = self.store.begin().await.map_err(failed("acknowledge a notice"))?;
        let row = tx.notice_find(id).await.map_err(failed("find a notice"))?;
        let row = row.filter(|row| row.department == actor.department || self.oversees(actor));
        let row = row.ok_or_else(|| TicketError::NotFound { object: subject.clone() })?;
        if !actor.is(Role::Officer, &row.department) && !actor.is(Role::Head, &row.department) {
            let step = Text::new("确认知悉", "acknowledge");
            return Err(TicketError::NotAllowed { step, role: Role::Officer, department: row.department });
        }
        if row.acknowledged_at.is_some() {
            let source = StoreError::State { object: subject, expected: "a notice that waits to be acknowledged" };
            return Err(TicketError::Store { action: "acknowledge a notice", source: Box::new(source) });
        }
        let row = NoticeRow {
            acknowledged_at: Some(at),
            acknowledged_by: Some(actor.account.clone()),
            remark: (!remark.is_empty()).then(|| remark.to_owned()),
            ..row
        };
        let act = actor.act("notice.acknowledged", at);
        tx.notice_update(&row, &act).await.map_err(failed("acknowledge a notice"))?;
        self.take_off(&mut tx, NOTICE_PROCEDURE, &subject, "acknowledged", actor, at).await?;
        tx.commit().await.map_err(failed("acknowledge a notice"))?;
        Notice::read(NoticeRow { version: row.version + 1, ..row })
    }

    /// Writes notices in a transaction of the caller's. A department whose notice of the same ticket still waits
    /// reads of the further supplies on that one.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        ticket: &Ticket,
        tellings: &[Telling],
        actor: &Actor,
        at: Timestamp,
    ) -> Result<usize, TicketError> {
        for telling in tellings {
            let open = tx.notice_find_open(&ticket.id, &telling.department).await.map_err(failed("find a notice"))?;
            let supplies = i64::try_from(telling.supplies).unwrap_or(i64::MAX);
            if let Some(open) = open {
                let known = Notice::read(open.clone())?;
                let mut receipts: BTreeSet<String> = known.receipts.iter().cloned().collect();
                let before = receipts.len();
                receipts.extend(telling.receipts.iter().cloned());
                if receipts.len() == before && known.outcome == telling.outcome {
                    continue;
                }
                let row = NoticeRow {
                    outcome: telling.outcome.clone(),
                    supplies: open.supplies.saturating_add(supplies),
                    receipts: listed(receipts.iter()),
                    ..open
                };
                tx.notice_update(&row, &actor.act("notice.extended", at)).await.map_err(failed("extend a notice"))?;
                continue;
            }
            let row = NoticeRow {
                id: tx.new_id(at),
                ticket: ticket.id.clone(),
                department: telling.department.clone(),
                outcome: telling.outcome.clone(),
                supplies,
                receipts: listed(telling.receipts.iter()),
                told_at: at,
                acknowledged_at: None,
                acknowledged_by: None,
                remark: None,
                version: 1,
            };
            tx.notice_insert(&row, &actor.act("notice.told", at)).await.map_err(failed("write a notice"))?;
            let title = Text::new(
                format!("数据更正告知：{} {}", ticket.dataset, ticket.field),
                format!("correction notice: {} {}", ticket.dataset, ticket.field),
            );
            let place = (ObjectKind::Notice.name(&row.id), title);
            self.put(tx, NOTICE_PROCEDURE, place, &telling.department, &ACKNOWLEDGE, actor, at).await?;
        }
        Ok(tellings.len())
    }
}

fn listed<'a>(receipts: impl Iterator<Item = &'a String>) -> String {
    let receipts: Vec<&String> = receipts.take(RECEIPTS_MAX).collect();
    serde_json::to_string(&receipts).expect("texts are always JSON")
}
