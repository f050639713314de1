//! Grants of the visitor's department: what each lets out, until when, how to call it, and its token.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

pub use yihe_exchange::GrantState;

use super::proof::{self, ProofLink};
use crate::{
    language::{Text, capital},
    layout::{self, Frame},
};

/// Longest name of a token, in characters.
pub const TOKEN_NAME_MAX: usize = 60;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct GrantsView {
    /// Grants, newest first.
    pub grants: Vec<Grant>,
    /// A token that was just made; shown once and never again.
    pub new_token: Option<NewToken>,
    /// Address of this server as callers write it, for the example.
    pub server: String,
}

/// A token at its birth.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Grant it belongs to.
    pub grant: String,
    /// The token itself.
    pub token: String,
}

/// One grant.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Identifier.
    pub id: String,
    /// Title of the entry.
    pub entry_title: Text,
    /// Address of the entry.
    pub entry_href: String,
    /// Department that may use it.
    pub holder: Text,
    /// Purpose as it was granted.
    pub purpose: String,
    /// Columns: name, title, and whether it is masked.
    pub columns: Vec<(String, Text, bool)>,
    /// Conditions on rows, each of which holds; none: all rows.
    pub rows: Vec<Text>,
    /// Last day.
    pub until_on: Date,
    /// How it stands.
    pub state: GrantState,
    /// Why it is suspended or terminated.
    pub reason: Option<String>,
    /// Address of its data, below `/api/v1/share/`.
    pub resource: String,
    /// Names of the key's parts, in order.
    pub key: Vec<String>,
    /// Calls answered today, of how many.
    pub calls_today: u64,
    /// Calls per day.
    pub calls_per_day: u64,
    /// Last call.
    pub last_call_at: Option<Timestamp>,
    /// Whether this visitor may make a token for it.
    pub may_make_token: bool,
    /// What this visitor may do to it: name in the address, title.
    pub steps: Vec<(&'static str, Text)>,
    /// Version that the visitor sees.
    pub version: i64,
    /// What the ledger has of it: the grant itself, and the last calls.
    pub proofs: Vec<ProofLink>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &GrantsView) -> Markup {
    let words = frame.words;
    let title = words.of("授权与令牌", "Grants and tokens");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    p { (words.of("每项授权写明列、行、脱敏、用途和期限；任何通道都不会多给一格。", "A grant names columns, rows, masks, purpose and term; no door gives a cell more.")) }
                }
                @if let Some(new) = &view.new_token {
                    div.notice.warn role="status" {
                        h2 { (words.of("新令牌只显示这一次，请立即保存", "This token is shown once; keep it now")) }
                        p { span.code { (new.grant) } }
                        pre tabindex="0" aria-label=(words.of("令牌", "Token")) { (new.token) }
                    }
                }
                @if view.grants.is_empty() {
                    p.empty { (words.of("本单位还没有授权。", "Your department has no grant yet. ")) a href="/catalogue" { (words.of("到目录里申请", "Request one from the catalogue")) } }
                }
                div.stack { @for grant in &view.grants { (card(frame, view, grant)) } }
            }
        },
    )
}

fn card(frame: &Frame, view: &GrantsView, grant: &Grant) -> Markup {
    let words = frame.words;
    let class = match grant.state {
        GrantState::Active => "tag good",
        GrantState::Pending => "tag river",
        GrantState::Suspended => "tag warn",
        GrantState::Expired => "tag",
        GrantState::Terminated => "tag bad",
    };
    html! {
        section.card id=(grant.id) aria-label=(grant.entry_title.get(words.0)) {
            h2 { a href=(grant.entry_href) { (words.text(&grant.entry_title)) } " " span class=(class) { (words.text(&capital(grant.state.title()))) } }
            @if let Some(reason) = &grant.reason { p.notice.warn { (reason) } }
            dl.facts {
                dt { (words.of("授权编号", "Grant")) } dd.code { (grant.id) }
                dt { (words.of("使用单位", "Holder")) } dd { (words.text(&grant.holder)) }
                dt { (words.of("用途", "Purpose")) } dd { (grant.purpose) }
                dt { (words.of("信息项", "Columns")) }
                dd { @for (index, (name, title, masked)) in grant.columns.iter().enumerate() {
                    @if index > 0 { (words.of("、", ", ")) } span title=(name) { (words.text(title)) } @if *masked { (words.of("（脱敏）", " (masked)")) } } }
                dt { (words.of("行范围", "Rows")) } dd { @if grant.rows.is_empty() { (words.of("全部", "all")) }
                    @for (at, condition) in grant.rows.iter().enumerate() { @if at > 0 { " ∧ " } span.code { (words.text(condition)) } } }
                dt { (words.of("有效至", "Until")) } dd { (words.day(grant.until_on)) }
                dt { (words.of("今日调用", "Calls today")) } dd.num { (words.count(grant.calls_today)) " / " (words.count(grant.calls_per_day)) @if let Some(at) = grant.last_call_at { " · " (words.instant(at)) } }
            }
            @if grant.state == GrantState::Active {
                details {
                    summary { (words.of("怎样调用", "How to call")) }
                    pre tabindex="0" aria-label=(words.of("调用示例", "Example call")) {
                        "curl -H 'Authorization: Bearer …' -H 'X-Yihe-Case: " (words.of("办件编号", "CASE-NUMBER")) "' \\\n  " (view.server) "/api/v1/share/" (grant.resource) "/records/" (grant.key.iter().map(|part| format!("{{{part}}}")).collect::<Vec<_>>().join("/"))
                    }
                }
            }
            details {
                summary { (words.of("存证", "Proof")) }
                (proof::list(words, &grant.proofs))
            }
            @if let Some(visitor) = &frame.visitor {
                @if grant.may_make_token {
                    form.act method="post" action={ "/grants/" (grant.id) "/token" } {
                        (layout::form_token(&visitor.form_token))
                        div.field {
                            label for={ "name-" (grant.id) } { (words.of("令牌用在哪个系统", "System that will use the token")) }
                            input id={ "name-" (grant.id) } name="name" type="text" required maxlength=(TOKEN_NAME_MAX);
                        }
                        p.actions { button.button.quiet type="submit" { (words.of("生成新令牌", "Make a new token")) } }
                    }
                }
                @for (name, title) in &grant.steps {
                    form.act method="post" action={ "/grants/" (grant.id) "/" (name) } {
                        (layout::form_token(&visitor.form_token))
                        input type="hidden" name="version" value=(grant.version);
                        div.field {
                            label for={ (name) "-" (grant.id) } { (words.text(title)) (words.of("：理由", ": reason")) }
                            textarea id={ (name) "-" (grant.id) } name="reason" rows="2" required maxlength=(super::request::SAID_MAX) {}
                        }
                        p.actions { button.button.grave type="submit" { (words.text(title)) } }
                    }
                }
            }
        }
    }
}
