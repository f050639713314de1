//! A ticket: what is wrong, the evidence, the clock, what its department answers, and who was told.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    ClockView,
    proof::{self, ProofLink},
    quality::dataset::{FaultLine, fault_cells},
};
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, of_class, table},
};

/// Longest text that can be written along, in characters.
pub const SAID_MAX: usize = yihe_quality::tickets::STATEMENT_CHARACTERS_MAX;

/// A list of tickets.
#[derive(Debug, Clone)]
pub struct TicketsView {
    /// `open`, `closed`, or empty for all.
    pub state: String,
    /// Lines.
    pub lines: Vec<TicketLine>,
    /// Tickets in all.
    pub total: u64,
    /// Page, from 1.
    pub page: usize,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// One ticket of a list.
#[derive(Debug, Clone)]
pub struct TicketLine {
    /// Identifier.
    pub id: String,
    /// What it is about.
    pub subject: Text,
    /// Department that answers.
    pub department: Text,
    /// Where it stands.
    pub state: Text,
    /// Whether it waits.
    pub is_open: bool,
    /// Faults that stand.
    pub rows: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// One ticket.
#[derive(Debug, Clone)]
pub struct TicketView {
    /// Identifier.
    pub id: String,
    /// What it is about.
    pub subject: Text,
    /// Department that answers.
    pub department: Text,
    /// Where it stands.
    pub state: Text,
    /// Whether it waits.
    pub is_open: bool,
    /// Facts in order.
    pub facts: Vec<(Text, Text)>,
    /// What was said by who objected.
    pub statement: Option<String>,
    /// What happened, oldest first.
    pub steps: Vec<StepLine>,
    /// What the ledger has of it, newest first.
    pub proofs: Vec<ProofLink>,
    /// The clock.
    pub clock: Option<ClockView>,
    /// Who must act.
    pub waits_for: Option<Text>,
    /// Titles of the columns of the evidence.
    pub columns: Vec<Text>,
    /// Rows at fault, some of them.
    pub faults: Vec<FaultLine>,
    /// Rows whose value lost against another department's, some of them: the row, and whose value was kept.
    pub lost: Vec<(String, Text)>,
    /// Where all of them are.
    pub all_href: Option<String>,
    /// Where they can be downloaded.
    pub workbook_href: Option<String>,
    /// Who was told.
    pub notices: Vec<NoticeLine>,
    /// What this visitor may do.
    pub acts: Vec<TicketAct>,
    /// Version that the visitor sees.
    pub version: i64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct StepLine {
    /// What.
    pub title: Text,
    /// Who did it.
    pub who: Text,
    /// When.
    pub at: Timestamp,
    /// What was said.
    pub said: Option<String>,
}

/// A department that was told.
#[derive(Debug, Clone)]
pub struct NoticeLine {
    /// Identifier.
    pub id: String,
    /// Department.
    pub department: Text,
    /// What became of the value.
    pub outcome: Text,
    /// Supplies that had it.
    pub supplies: u64,
    /// When it was told.
    pub told_at: Timestamp,
    /// When it acknowledged.
    pub acknowledged_at: Option<Timestamp>,
}

/// What a visitor may do on a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketAct {
    /// Answer and close.
    Close,
    /// Open again.
    Reopen,
    /// Take an objection back.
    TakeBack,
}

/// A notice as its department reads it.
#[derive(Debug, Clone)]
pub struct NoticeView {
    /// Identifier.
    pub id: String,
    /// What it is about.
    pub subject: Text,
    /// What became of the value.
    pub outcome: Text,
    /// Supplies that had it.
    pub supplies: u64,
    /// Their receipts with case number and time.
    pub receipts: Vec<(String, String, Timestamp)>,
    /// When it was told.
    pub told_at: Timestamp,
    /// When it was acknowledged, and what was said.
    pub acknowledged: Option<(Timestamp, Option<String>)>,
    /// Proofs of its entries in the ledger.
    pub proofs: Vec<ProofLink>,
    /// The clock.
    pub clock: Option<ClockView>,
    /// Whether this visitor may acknowledge.
    pub may_acknowledge: bool,
}

/// The list.
#[must_use]
pub fn list(frame: &Frame, view: &TicketsView) -> Markup {
    let words = frame.words;
    let title = words.of("工单", "Tickets");
    let states = [("open", "待办", "open"), ("closed", "已办结", "closed"), ("all", "全部", "all")];
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    h1 { (title) }
                    p { (words.of("同一数据集同一规则的问题合为一件；检查复核通过即自动办结，问题复现即重开。",
                        "The faults of one rule in one dataset are one ticket; it closes by itself when a check finds them corrected, and opens again when they come back.")) }
                }
                nav aria-label=(words.of("按状态筛选", "Filter by state")) {
                    ul.chips { @for (word, zh, en) in states { li { a href={ "/tickets?state=" (word) } aria-current=[(view.state == word).then_some("true")] { (words.of(zh, en)) } } } }
                }
                section.section aria-labelledby="list" {
                    h2 #list { (words.many(view.total, "件", "ticket", "tickets")) }
                    @if view.lines.is_empty() { p.empty { (words.of("没有工单。", "There is no ticket.")) } } @else { (lines(words, &view.lines)) }
                    nav.pager aria-label=(words.of("翻页", "Pages")) {
                        @if view.page > 1 { a href={ "/tickets?state=" (view.state) "&page=" (view.page - 1) } rel="prev" { (words.of("上一页", "Previous")) } }
                        @if view.has_more { a href={ "/tickets?state=" (view.state) "&page=" (view.page + 1) } rel="next" { (words.of("下一页", "Next")) } }
                    }
                }
            }
        },
    )
}

fn lines(words: Words, lines: &[TicketLine]) -> Markup {
    html! {
        (table("list", &[
            Head::Text(words.of("事由", "About")),
            Head::Text(words.of("责任部门", "Answers")),
            Head::Text(words.of("状态", "State")),
            Head::Number(words.of("未更正", "Standing")),
            Head::Text(words.of("开单", "Opened")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { a href={ "/tickets/" (line.id) } { (words.text(&line.subject)) } }
                    td { (words.text(&line.department)) }
                    td.nowrap { span class=(state_class(line.is_open)) { (words.text(&line.state)) } }
                    td.num { (words.count(line.rows)) }
                    td.nowrap { (words.instant(line.opened_at)) }
                }
            }
        }))
    }
}

fn state_class(is_open: bool) -> &'static str {
    if is_open { "tag warn" } else { "tag good" }
}

/// One ticket.
#[must_use]
pub fn page(frame: &Frame, view: &TicketView) -> Markup {
    let words = frame.words;
    let title = format!("{}{}", words.of("工单：", "Ticket: "), view.subject.get(words.0));
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/tickets", html! { (words.of("工单", "Tickets")) })], &html! { (words.of("工单", "Ticket")) }))
                    h1 { (words.text(&view.subject)) }
                    p { (words.of("责任部门：", "Answers: ")) (words.text(&view.department)) }
                    ul.tags { li { span class=(state_class(view.is_open)) { (words.text(&view.state)) } } li { span.tag.code { (view.id) } } }
                }
                div.split {
                    div.stack {
                        @if let Some(statement) = &view.statement {
                            section.card aria-labelledby="statement" {
                                h2 #statement { (words.of("校核理由", "The objection")) }
                                p lang="zh-Hans" { (statement) }
                            }
                        }
                        section.card aria-labelledby="facts" {
                            h2 #facts { (words.of("事实", "Facts")) }
                            dl.facts { @for (name, value) in &view.facts { dt { (words.text(name)) } dd { (words.text(value)) } } }
                        }
                        section.card aria-labelledby="steps" {
                            h2 #steps { (words.of("办理过程", "Progress")) }
                            ol.steps { @for step in &view.steps { (step_line(words, step)) } }
                        }
                    }
                    aside.stack aria-label=(words.of("时限与办理", "Clock and acting")) {
                        section.card {
                            h2 { (words.of("时限", "Clock")) }
                            @match &view.clock { Some(clock) => (clock.card(words)), None => p { (words.of("没有正在计时的时限。", "No clock is running.")) } }
                            @if let Some(who) = &view.waits_for { p.note { (words.of("等待：", "Waits for: ")) (words.text(who)) } }
                        }
                        @if !view.proofs.is_empty() { (proof::card(words, &view.proofs)) }
                        @if !view.acts.is_empty() {
                            section.card aria-labelledby="acts" {
                                h2 #acts { (words.of("办理", "Act")) }
                                @for act in &view.acts { (act_form(frame, view, *act)) }
                            }
                        }
                    }
                }
                @if !view.faults.is_empty() {
                    section.section aria-labelledby="evidence" {
                        h2 #evidence { (words.of("证据：有问题的行", "Evidence: rows at fault")) }
                        (evidence(words, view))
                    }
                }
                @if !view.lost.is_empty() {
                    section.section aria-labelledby="lost" {
                        header {
                            h2 #lost { (words.of("证据：未被采信的行", "Evidence: rows that lost")) }
                            p { (words.of("批次与行号；取值在基础库的记录页中，说明理由后可看。", "Batch and row. The values are on the registry's own pages, for a reason that is stated.")) }
                        }
                        (table("lost", &[
                            Head::Text(words.of("批次：行", "Batch: row")),
                            Head::Text(words.of("采信的来源", "Kept from")),
                        ], &html! { @for (row, kept_from) in &view.lost { tr { td { span.code { (row) } } td { (words.text(kept_from)) } } } }))
                        @if view.faults.is_empty() { @if let Some(href) = &view.all_href { p.actions { a href=(href) { (words.of("查看基础库", "See the registry")) } } } }
                    }
                }
                @if !view.notices.is_empty() {
                    section.section aria-labelledby="told" {
                        header {
                            h2 #told { (words.of("告知收到旧值的部门", "Departments that had the old value")) }
                        }
                        (notices(words, &view.notices))
                    }
                }
            }
        },
    )
}

fn step_line(words: Words, step: &StepLine) -> Markup {
    html! {
        li.done {
            h3 { (words.text(&step.title)) }
            p.when { (words.text(&step.who)) " · " (words.instant(step.at)) }
            @if let Some(said) = &step.said { p lang="zh-Hans" { (said) } }
        }
    }
}

fn evidence(words: Words, view: &TicketView) -> Markup {
    let mut heads: Vec<Head<'_>> = view.columns.iter().map(|column| Head::Own(words.text(column))).collect();
    heads.push(Head::Text(words.of("首次发现", "First seen")));
    html! {
        (of_class("evidence", Some("faults"), &heads, &html! {
            @for line in &view.faults {
                tr {
                    (fault_cells(words, line, view.columns.len()))
                    td.nowrap { (words.instant(line.first_seen_at)) }
                }
            }
        }))
        p.actions {
            @if let Some(href) = &view.all_href { a href=(href) { (words.of("查看全部", "See all of them")) } }
            @if let Some(href) = &view.workbook_href { a.button.quiet href=(href) { (words.of("下载工作簿（xlsx）", "Download as a workbook (xlsx)")) } }
        }
    }
}

fn notices(words: Words, lines: &[NoticeLine]) -> Markup {
    html! {
        (table("told", &[
            Head::Text(words.of("部门", "Department")),
            Head::Text(words.of("结果", "Outcome")),
            Head::Number(words.of("供给次数", "Supplies")),
            Head::Text(words.of("告知", "Told")),
            Head::Text(words.of("确认知悉", "Acknowledged")),
        ], &html! {
            @for line in lines {
                tr {
                    th scope="row" { a href={ "/notices/" (line.id) } { (words.text(&line.department)) } }
                    td { (words.text(&line.outcome)) }
                    td.num { (words.count(line.supplies)) }
                    td.nowrap { (words.instant(line.told_at)) }
                    td.nowrap { @match line.acknowledged_at { Some(at) => (words.instant(at)), None => span.tag.warn { (words.of("待确认", "waits")) } } }
                }
            }
        }))
    }
}

fn act_form(frame: &Frame, view: &TicketView, act: TicketAct) -> Markup {
    let words = frame.words;
    let (name, class, title, explains) = match act {
        TicketAct::Close => (
            "close",
            "button",
            words.of("答复并办结", "Answer and close"),
            words.of(
                "请先在源头更正；下一次检查会复核，未改的会重开。",
                "Correct at the source first: the next check verifies, and opens it again if it was not.",
            ),
        ),
        TicketAct::Reopen => (
            "reopen",
            "button quiet",
            words.of("不认可，重开", "Not accepted: open again"),
            words.of("请写明为什么不认可这个答复。", "Say why the answer is not accepted."),
        ),
        TicketAct::TakeBack => (
            "take-back",
            "button grave",
            words.of("撤回校核", "Take the objection back"),
            words.of("请写明理由。", "Say why."),
        ),
    };
    html! {
        form.act method="post" action={ "/tickets/" (view.id) "/" (name) } {
            @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
            input type="hidden" name="version" value=(view.version);
            p.note { (explains) }
            @if act == TicketAct::Close {
                fieldset.field {
                    legend { (words.of("原因", "Reason")) }
                    @for (index, reason) in yihe_quality::tickets::Reason::GIVEN.into_iter().enumerate() {
                        div.check { label { input type="radio" name="reason" value=(reason.as_str()) required checked[index == 0]; (words.text(&crate::language::capital(reason.title()))) } }
                    }
                }
            }
            div.field {
                label for={ (name) "-said" } { (words.of("说明", "Explanation")) }
                textarea id={ (name) "-said" } name="said" rows="3" maxlength=(SAID_MAX) required {}
            }
            p.actions { button class=(class) type="submit" { (title) } }
        }
    }
}

/// A notice.
#[must_use]
pub fn notice(frame: &Frame, view: &NoticeView) -> Markup {
    let words = frame.words;
    let title = words.of("数据更正告知", "Notice of a correction");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/docket", html! { (words.of("待办", "Docket")) })], &html! { (title) }))
                    h1 { (title) }
                    p { (words.text(&view.subject)) }
                    ul.tags { li { span.tag.river { (words.text(&view.outcome)) } } li { span.tag.code { (view.id) } } }
                }
                div.split {
                    div.stack {
                        section.card aria-labelledby="supplies" {
                            h2 #supplies { (words.of("本部门收到旧值的使用记录", "Supplies in which your department had the old value")) }
                            p { (words.many(view.supplies, "次供给。请核对据此办理的事项，需要时重新查询。", "supply. Look at what was done with it and ask again where needed.", "supplies. Look at what was done with them and ask again where needed.")) }
                            (table("supplies", &[
                                Head::Text(words.of("回执", "Receipt")),
                                Head::Text(words.of("办件编号", "Case")),
                                Head::Text(words.of("供给时间", "Supplied")),
                            ], &html! {
                                @for (receipt, case_number, at) in &view.receipts { tr { th.code scope="row" { (receipt) } td { (case_number) } td.nowrap { (words.instant(*at)) } } }
                            }))
                        }
                    }
                    aside.stack aria-label=(words.of("时限与办理", "Clock and acting")) {
                        section.card {
                            h2 { (words.of("时限", "Clock")) }
                            @match &view.clock { Some(clock) => (clock.card(words)), None => p { (words.of("没有正在计时的时限。", "No clock is running.")) } }
                            p.note { (words.of("告知时间：", "Told: ")) (words.instant(view.told_at)) }
                        }
                        @if !view.proofs.is_empty() { (proof::card(words, &view.proofs)) }
                        @match &view.acknowledged {
                            Some((at, remark)) => section.card {
                                h2 { (words.of("已确认知悉", "Acknowledged")) }
                                p { (words.instant(*at)) }
                                @if let Some(remark) = remark { p lang="zh-Hans" { (remark) } }
                            },
                            None => @if view.may_acknowledge {
                                section.card aria-labelledby="acts" {
                                    h2 #acts { (words.of("办理", "Act")) }
                                    form.act method="post" action={ "/notices/" (view.id) "/acknowledge" } {
                                        @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
                                        div.field {
                                            label for="said" { (words.of("旧值如何处置（可不填）", "What was done with the old value (optional)")) }
                                            textarea #said name="said" rows="3" maxlength=(SAID_MAX) {}
                                        }
                                        p.actions { button.button type="submit" { (words.of("确认知悉", "Acknowledge")) } }
                                    }
                                }
                            },
                        }
                    }
                }
            }
        },
    )
}
