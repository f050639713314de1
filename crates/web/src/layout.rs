//! The frame around every page: head, masthead with navigation and language switch, foot.

use maud::{DOCTYPE, Markup, html};

use crate::{
    assets,
    language::{Text, Words, name},
};

/// What the frame needs to know; the same for every page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Language of the answer.
    pub words: Words,
    /// Name of the city.
    pub city: Text,
    /// Path and query of this page without `lang`, for the language switch, e.g. `/catalogue?q=lsq`.
    pub here: String,
    /// Which part of the navigation this page belongs to.
    pub part: Part,
    /// Who is signed in.
    pub visitor: Option<SignedIn>,
}

/// The account in whose name the page is shown.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Name people read.
    pub name: String,
    /// Token that forms of this session carry.
    pub form_token: String,
    /// What the account does here.
    pub standing: Standing,
    /// Items on the docket that wait for this account.
    pub waiting: u64,
}

/// What an account does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds a role in its department: it has a docket and grants.
    Party,
    /// It holds none: an office of administration, say.
    Onlooker,
}

/// Parts of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The city's numbers.
    Home,
    /// The catalogue and its entries.
    Catalogue,
    /// The base registries.
    Registries,
    /// Scores and faults.
    Quality,
    /// Requests and what waits.
    Docket,
    /// Tickets.
    Tickets,
    /// Grants and tokens.
    Grants,
    /// The ledger.
    Ledger,
    /// None of them: sign-in, problems.
    Elsewhere,
}

/// Name of the hidden field that carries a session's form token.
pub const FORM_TOKEN: &str = "form_token";

/// A whole page. `title` is what the browser's tab and the history show before the name of the platform.
#[must_use]
pub fn page(frame: &Frame, title: &str, body: &Markup) -> Markup {
    let words = frame.words;
    html! {
        (DOCTYPE)
        html lang=(words.tag()) {
            head {
                meta charset="utf-8";
                title { (title) " · " (words.of("沂河", "Yihe")) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(assets::style());
                link rel="icon" type="image/svg+xml" href=(assets::mark());
            }
            body {
                a.skip href="#content" { (words.of("跳到正文", "Skip to content")) }
                (masthead(frame))
                main #content tabindex="-1" { (body) }
                (foot(frame))
            }
        }
    }
}

/// The way back to where a page hangs: `crumbs(words, &[("/catalogue", "数据目录")], "人口基本信息")`.
#[must_use]
pub fn crumbs(words: Words, above: &[(&str, Markup)], here: &Markup) -> Markup {
    html! {
        nav.crumbs aria-label=(words.of("所在位置", "Breadcrumb")) {
            ol {
                @for (href, title) in above { li { a href=(href) { (title) } } }
                li aria-current="page" { (here) }
            }
        }
    }
}

/// The hidden field that proves a form was sent from our own page.
#[must_use]
pub fn form_token(token: &str) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(token); }
}

fn masthead(frame: &Frame) -> Markup {
    let words = frame.words;
    let waiting = frame.visitor.as_ref().map_or(0, |visitor| visitor.waiting);
    let link = |part: Part, href: &str, title: &str| {
        html! { li { a href=(href) aria-current=[(frame.part == part).then_some("true")] { (title)
            @if part == Part::Docket && waiting > 0 {
                span.count { (words.count(waiting)) span.visually-hidden { (words.of("件待办", " waiting")) } }
            }
        } } }
    };
    html! {
        header.masthead {
            div.wrap {
                a.brand href="/" {
                    (mark())
                    span { (words.of("沂河", "Yihe")) small { (words.text(&frame.city)) (words.of("公共数据平台", " public data platform")) } }
                }
                nav.nav aria-label=(words.of("主导航", "Main")) {
                    ul {
                        (link(Part::Home, "/", words.of("首页", "Home")))
                        (link(Part::Catalogue, "/catalogue", words.of("数据目录", "Catalogue")))
                        (link(Part::Registries, "/registries", words.of("基础库", "Registries")))
                        (link(Part::Quality, "/quality", words.of("数据质量", "Quality")))
                        @if frame.visitor.as_ref().is_some_and(|visitor| visitor.standing == Standing::Party) {
                            (link(Part::Docket, "/docket", words.of("待办", "Docket")))
                            (link(Part::Tickets, "/tickets", words.of("工单", "Tickets")))
                            (link(Part::Grants, "/grants", words.of("授权", "Grants")))
                        }
                        (link(Part::Ledger, "/ledger", words.of("存证账本", "Ledger")))
                    }
                }
                div.tools {
                    (language_switch(frame))
                    @match &frame.visitor {
                        Some(visitor) => {
                            form method="post" action="/logout" {
                                (form_token(&visitor.form_token))
                                button type="submit" { (words.of("退出", "Sign out")) " · " (visitor.name) }
                            }
                        }
                        None => a href="/login" { (words.of("登录", "Sign in")) },
                    }
                }
            }
        }
    }
}

fn language_switch(frame: &Frame) -> Markup {
    let other = Words(frame.words.other());
    let joiner = if frame.here.contains('?') { '&' } else { '?' };
    let href = format!("{}{joiner}lang={}", frame.here, name(other.0));
    html! { a href=(href) hreflang=(other.tag()) lang=(other.tag()) rel="alternate" { (other.of("中文", "English")) } }
}

fn foot(frame: &Frame) -> Markup {
    let words = frame.words;
    html! {
        footer.foot {
            div.wrap {
                p { (words.text(&frame.city)) " · " (words.of("数据由各提供部门负责；每次共享均入账可查。", "Providers answer for their data; every supply is on the ledger.")) }
                ul {
                    li { a href="/ledger" { (words.of("验证账本", "Verify the ledger")) } }
                    li { a href="/api/v1/openapi.json" { (words.of("接口文档", "API description")) } }
                }
            }
        }
    }
}

/// Three waves in a seal.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 34 34" aria-hidden="true" focusable="false" {
            rect.mark-ground width="34" height="34" rx="4" {}
            path.mark-line d="M6 11c3.7-3.4 7.3-3.4 11 0s7.3 3.4 11 0" {}
            path.mark-line d="M6 17.5c3.7-3.4 7.3-3.4 11 0s7.3 3.4 11 0" {}
            path.mark-line d="M6 24c3.7-3.4 7.3-3.4 11 0s7.3 3.4 11 0" {}
        }
    }
}
