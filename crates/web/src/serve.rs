//! Handlers of the pages: ask the rooms, fill the view, render. No rule is decided here.

#![expect(clippy::missing_errors_doc, reason = "handlers refuse with a `Problem`, which says itself what happened")]

pub mod apply;
pub mod assets;
pub mod catalogue;
pub mod docket;
pub mod entry;
pub mod grants;
pub mod home;
pub mod items;
pub mod ledger;
pub mod login;
pub mod objection;
pub mod problems;
pub mod proof;
pub mod quality;
pub mod registry;
pub mod request;
pub mod ticket;

use axum::response::{Html, IntoResponse, Response};
use maud::Markup;
use yihe_definitions::Pack;
use yihe_docket::{Item, Standing};

use crate::{
    language::Text,
    pages::{ClockView, Stop},
    problem::Problem,
};

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

/// A page as an answer.
#[must_use]
pub fn html(markup: Markup) -> Response {
    Html(markup.into_string()).into_response()
}

/// Somebody else's error as our own failure: `.map_err(internal)`.
pub fn internal<E: std::error::Error>(error: E) -> Problem {
    Problem::internal(&error)
}

/// The clock of a docket item for a page; `None`: no term runs.
#[must_use]
pub fn clock_view(item: &Item) -> Option<ClockView> {
    let clock = item.clock.as_ref()?;
    let days_left = match item.standing {
        Standing::Untimed => return None,
        Standing::Running { days } | Standing::Stopped { days } => i64::from(days),
        Standing::Overdue { days } => -i64::from(days),
    };
    Some(ClockView {
        purpose: item.title.clone(),
        due_on: item.due_on,
        days_left,
        term_days: u64::from(clock.term_days + clock.extension_days),
        source: None,
        stops: clock
            .stops
            .iter()
            .map(|stop| Stop {
                from_on: stop.from,
                until_on: stop.until,
                reason: Text::new("等待申请单位补正", "the requester completes the file"),
            })
            .collect(),
    })
}

/// Who must act on an item: department and role.
#[must_use]
pub fn waits_for(pack: &Pack, item: &Item) -> Text {
    let name = crate::state::department_name(pack, &item.department);
    let Ok(role) = item.role.parse::<yihe_store::Role>() else { return name };
    let (zh, en) = role.titles();
    Text { zh: format!("{} · {zh}", name.zh), en: name.en.map(|name| format!("{name} · {en}")) }
}

/// Said where clocks would stand when the calendar lacks a year.
#[must_use]
pub fn calendar_alarm() -> Text {
    Text::new(
        "工作日历缺少所需年份，时限无法计算。请管理员把国务院办公厅的放假通知加入数据包。",
        "The working-day calendar lacks a year, so terms cannot be counted. The administrator adds the State Council's notice to the pack.",
    )
}
