//! The page for what could not be done: what happened, what to do, and the number under which the cause is logged.

use maud::{Markup, html};

use crate::{
    layout::{self, Frame},
    problem::Problem,
};

/// The page.
#[must_use]
pub fn page(frame: &Frame, problem: &Problem, trace_id: &str) -> Markup {
    let words = frame.words;
    let title = problem.kind.title();
    layout::page(
        frame,
        title.get(words.0),
        &html! {
            div.wrap {
                header.pagehead {
                    p.under.num { (problem.kind.status()) }
                    h1 { (words.text(&title)) }
                    p { (words.text(&problem.detail())) }
                }
                div.notice { p { (words.text(&problem.kind.advice())) } }
                p.note { a href="/" { (words.of("回到首页", "Home")) } " · " a href="/catalogue" { (words.of("数据目录", "Catalogue")) } }
                p.under { (words.of("追踪编号 ", "Trace ")) span.code { (trace_id) } }
            }
        },
    )
}
