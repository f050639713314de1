//! Docket items in words: what is to be done, about what, and where it is shown.

use yihe_catalogue::EntryState;
use yihe_docket::Item;
use yihe_exchange::RequestState;
use yihe_quality::tickets::{Ticket, TicketKind};
use yihe_store::object::URN;

use super::{catalogue::refused, internal, ledger::alarm_href};
use crate::{
    language::{Text, capital},
    pages::catalogue::entry_href,
    problem::Problem,
    state::AppState,
};

/// An item as people read it.
#[derive(Debug, Clone)]
pub struct Described {
    /// What is to be done now.
    pub task: Text,
    /// What it is about.
    pub subject: Text,
    /// Where it is shown, for those who may see it.
    pub href: Option<String>,
}

/// Describes an item by the object it is about; an object that is gone leaves the item's own title.
///
/// # Errors
/// The store failed.
pub async fn describe(state: &AppState, item: &Item) -> Result<Described, Problem> {
    let plain = Described { task: item.title.clone(), subject: item.title.clone(), href: None };
    let Some((kind, id)) = item.subject.strip_prefix(URN).and_then(|rest| rest.split_once(':')) else {
        return Ok(plain);
    };
    match kind {
        "request" => {
            let Some(row) = state.store.request_find(id).await.map_err(internal)? else { return Ok(plain) };
            let title = entry_title(state, &row.entry).await?.unwrap_or(plain.subject);
            let task = RequestState::ALL
                .into_iter()
                .find(|known| known.as_str() == item.state)
                .map_or(plain.task, |known| capital(known.title()));
            Ok(Described {
                task,
                subject: before("共享申请：", "Share request: ", &title),
                href: Some(format!("/requests/{id}")),
            })
        }
        "entry" => {
            let title = entry_title(state, id).await?;
            let href = title.is_some().then(|| entry_href(id));
            let task = EntryState::ALL
                .into_iter()
                .find(|known| known.as_str() == item.state)
                .map_or(plain.task, |known| capital(known.title()));
            Ok(Described { task, subject: before("目录条目：", "Entry: ", &title.unwrap_or(plain.subject)), href })
        }
        "ledger" => Ok(Described { href: alarm_href(&item.subject).map(str::to_owned), ..plain }),
        "ticket" => {
            let Some(row) = state.store.ticket_find(id).await.map_err(internal)? else { return Ok(plain) };
            let Ok(ticket) = Ticket::read(row) else { return Ok(plain) };
            let task = match ticket.kind {
                TicketKind::Fault => Text::new("核实并更正数据问题", "Verify and correct faults"),
                TicketKind::Objection => Text::new("答复校核", "Answer an objection"),
            };
            let subject = super::ticket::subject(&state.pack(), &ticket);
            Ok(Described { task, subject, href: Some(format!("/tickets/{id}")) })
        }
        "notice" => {
            let task = Text::new("确认知悉数据更正", "Acknowledge a correction");
            Ok(Described { task, subject: plain.subject, href: Some(format!("/notices/{id}")) })
        }
        _ => Ok(plain),
    }
}

async fn entry_title(state: &AppState, code: &str) -> Result<Option<Text>, Problem> {
    Ok(state.catalogue.find_published(code).await.map_err(refused)?.map(|entry| entry.title))
}

fn before(zh: &str, en: &str, text: &Text) -> Text {
    Text { zh: format!("{zh}{}", text.zh), en: text.en.as_ref().map(|text| format!("{en}{text}")) }
}
