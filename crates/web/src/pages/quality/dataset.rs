//! The quality of one dataset: score, history, rules, and the rows at fault with their bad cells marked.

use jiff::Timestamp;
use maud::{Markup, html};
use yihe_definitions::Dimension;

use super::{ScoreView, dimension_title, score_card, trend};
use crate::{
    chart::{Tone, bar},
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, of_class, table},
};

/// Faults on one page.
pub const PAGE_SIZE: usize = 20;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct DatasetView {
    /// Identifier in addresses.
    pub id: String,
    /// Title.
    pub title: Text,
    /// Department that provides it.
    pub department: Text,
    /// Address of the department's page.
    pub department_href: String,
    /// The score.
    pub score: ScoreView,
    /// Rows of the whole table.
    pub rows: u64,
    /// Open faults.
    pub open: u64,
    /// Rows held back, as open faults of rules that hold.
    pub held: u64,
    /// The delivery that is kept out as a whole.
    pub kept_out: Option<KeptOut>,
    /// When it was checked last.
    pub checked_at: Option<Timestamp>,
    /// Checks, oldest first.
    pub history: Vec<CheckLine>,
    /// What is unusual about the last check, in sentences.
    pub unusual: Vec<Text>,
    /// Rules, worst first.
    pub rules: Vec<RuleLine>,
    /// What of its rows this visitor may see.
    pub sight: RowSight,
    /// What the list of rows is narrowed to.
    pub asked: Asked,
    /// Rows at fault.
    pub faults: Vec<FaultLine>,
    /// Titles of the columns shown.
    pub columns: Vec<Text>,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// A delivery that is kept out as a whole.
#[derive(Debug, Clone)]
pub struct KeptOut {
    /// Since when.
    pub since: Timestamp,
    /// Its rows.
    pub rows: u64,
    /// Why, in sentences.
    pub reasons: Vec<Text>,
}

/// What of the rows a visitor may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSight {
    /// Nothing: it is neither the department's nor the authority's account.
    Nothing,
    /// Sensitive values masked.
    Masked,
    /// Every value.
    Clear,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Rule.
    pub rule: Option<String>,
    /// State word; empty: open.
    pub state: String,
    /// Only rows that are held back.
    pub held: bool,
    /// Page, from 1.
    pub page: usize,
}

/// One check.
#[derive(Debug, Clone)]
pub struct CheckLine {
    /// When.
    pub at: Timestamp,
    /// Rows of the check.
    pub rows: u64,
    /// Score after it.
    pub score: Option<f64>,
    /// Faults seen for the first time.
    pub new: u64,
    /// Faults that came back.
    pub reopened: u64,
    /// Faults that ended.
    pub ended: u64,
    /// Faults that stand after it.
    pub open: u64,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct RuleLine {
    /// Identifier.
    pub id: String,
    /// In words.
    pub title: Text,
    /// Dimension.
    pub dimension: Dimension,
    /// What a failing row means, in words.
    pub severity: Text,
    /// Rows judged, of the whole table.
    pub rows: u64,
    /// Rows that fail.
    pub failed: u64,
    /// The open ticket.
    pub ticket: Option<String>,
}

/// One fault.
#[derive(Debug, Clone)]
pub struct FaultLine {
    /// Rule in words.
    pub rule: Text,
    /// State in words.
    pub state: Text,
    /// Cells in the order of the columns: value as it may be seen, and whether it is bad.
    pub cells: Vec<(Option<String>, bool)>,
    /// What was found, where the delivered row is not shown.
    pub found: Option<String>,
    /// First seen.
    pub first_seen_at: Timestamp,
    /// Last seen.
    pub last_seen_at: Timestamp,
    /// How often it was opened.
    pub times: u64,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &DatasetView) -> Markup {
    let words = frame.words;
    let title = format!("{}{}", words.of("数据质量：", "Data quality: "), view.title.get(words.0));
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[
                        ("/quality", html! { (words.of("数据质量", "Data quality")) }),
                        (&view.department_href, words.text(&view.department)),
                    ], &html! { (words.text(&view.title)) }))
                    h1 { (words.text(&view.title)) }
                    p { (words.text(&view.department)) @if let Some(at) = view.checked_at { " · " (words.of("最近检查 ", "last checked ")) (words.instant(at)) } }
                }
                @if let Some(kept_out) = &view.kept_out {
                    div.notice.bad role="status" {
                        h2 { (words.of("最近一次交付整批未入库", "The last delivery was not taken in")) }
                        ul { @for sentence in &kept_out.reasons { li { (words.text(sentence)) } } }
                        p {
                            (words.of("自 ", "Since ")) (words.instant(kept_out.since))
                            (words.of("，共 ", ", ")) (words.count(kept_out.rows)) (words.of(" 行。", " rows. "))
                            (words.of(
                                "下方仍为此前通过的数据。合格的新交付到达后自动解除；主管部门也可说明理由后放行。",
                                "What is shown below is what stood before. The next good delivery ends this; so does the authority, which must say why.",
                            ))
                        }
                    }
                }
                @if !view.unusual.is_empty() {
                    div.notice.warn role="status" {
                        h2 { (words.of("异常波动", "Out of the ordinary")) }
                        ul { @for sentence in &view.unusual { li { (words.text(sentence)) } } }
                    }
                }
                div.split.even {
                    section.card aria-labelledby="score" {
                        h2 #score { (words.of("得分", "Score")) }
                        (score_card(words, &view.score))
                        dl.stats {
                            div { dt { (words.of("数据行", "Rows")) } dd { (words.count(view.rows)) } }
                            div { dt { (words.of("未更正问题", "Standing faults")) } dd { (words.count(view.open)) } }
                            div { dt { (words.of("扣留", "Held back")) } dd { (words.count(view.held)) } }
                        }
                    }
                    section.card aria-labelledby="history" {
                        h2 #history { (words.of("历次检查", "Checks over time")) }
                        (trend(words, &view.history.iter().filter_map(|line| Some((line.at, line.score?))).collect::<Vec<_>>()))
                    }
                }
                section.section aria-labelledby="checks" {
                    h2 #checks { (words.of("问题的来去", "Faults that came and went")) }
                    (checks(words, &view.history))
                }
                section.section aria-labelledby="rules" {
                    h2 #rules { (words.of("规则", "Rules")) }
                    (rules(words, view))
                }
                section.section aria-labelledby="rows" {
                    header {
                        h2 #rows { (words.of("有问题的行", "Rows at fault")) }
                        @if view.sight == RowSight::Masked { p { (words.of("敏感项已脱敏；责任部门可见原值。", "Sensitive values are masked; the department that answers sees them.")) } }
                    }
                    (rows(words, view))
                }
            }
        },
    )
}

fn checks(words: Words, lines: &[CheckLine]) -> Markup {
    if lines.is_empty() {
        return html! { p.empty { (words.of("尚未检查。", "Not checked yet.")) } };
    }
    html! {
        (table("checks", &[
            Head::Text(words.of("检查时间", "Checked")),
            Head::Number(words.of("行", "Rows")),
            Head::Number(words.of("新发现", "New")),
            Head::Number(words.of("复现", "Came back")),
            Head::Number(words.of("已了结", "Ended")),
            Head::Number(words.of("未更正", "Standing")),
        ], &html! {
            @for line in lines.iter().rev().take(12) {
                tr {
                    th.nowrap scope="row" { (words.instant(line.at)) }
                    td.num { (words.count(line.rows)) }
                    td.num { (words.count(line.new)) }
                    td.num { (words.count(line.reopened)) }
                    td.num { (words.count(line.ended)) }
                    td.num { (words.count(line.open)) }
                }
            }
        }))
    }
}

fn rules(words: Words, view: &DatasetView) -> Markup {
    if view.rules.is_empty() {
        return html! { p.empty { (words.of("这个数据集没有规则。", "This dataset has no rules.")) } };
    }
    html! {
        (table("rules", &[
            Head::Text(words.of("规则", "Rule")),
            Head::Text(words.of("维度", "Dimension")),
            Head::Text(words.of("后果", "Means")),
            Head::Number(words.of("未更正 / 评价", "Standing / judged")),
            Head::Text(words.of("工单", "Ticket")),
        ], &html! {
            @for line in &view.rules {
                tr {
                    th scope="row" {
                        @if view.sight == RowSight::Nothing || line.failed == 0 { (words.text(&line.title)) }
                        @else { a href={ (href(view, Some(&line.id), "", 1)) "#rows" } { (words.text(&line.title)) } }
                    }
                    td.nowrap { (words.text(&dimension_title(line.dimension))) }
                    td.nowrap { (words.text(&line.severity)) }
                    td.num { (words.count(line.failed)) " / " (words.count(line.rows)) (bar(line.failed, line.rows, Tone::Warn)) }
                    td.nowrap {
                        @match &line.ticket {
                            Some(id) if view.sight != RowSight::Nothing => a href={ "/tickets/" (id) } { (words.of("待办", "open")) },
                            Some(_) => (words.of("待办", "open")),
                            None => "–",
                        }
                    }
                }
            }
        }))
    }
}

fn rows(words: Words, view: &DatasetView) -> Markup {
    if view.sight == RowSight::Nothing {
        return html! { p.empty { (words.of("只有提供部门和主管部门的账号可以看到行。", "Rows are shown to accounts of the providing department and of the authority.")) } };
    }
    let states: [(&str, &str, &str); 4] = [
        ("", "未更正", "standing"),
        ("corrected", "已更正", "corrected"),
        ("gone", "已消失", "gone"),
        ("all", "全部", "all"),
    ];
    let mut heads = vec![Head::Text(words.of("问题", "Fault"))];
    heads.extend(view.columns.iter().map(|column| Head::Own(words.text(column))));
    heads.extend([Head::Text(words.of("首次发现", "First seen")), Head::Text(words.of("最近发现", "Last seen"))]);
    html! {
        nav aria-label=(words.of("按状态筛选", "Filter by state")) {
            ul.chips {
                @for (word, zh, en) in states {
                    li { a href={ (href(view, view.asked.rule.as_deref(), word, 1)) "#rows" } aria-current=[(!view.asked.held && view.asked.state == word).then_some("true")] { (words.of(zh, en)) } }
                }
                li { a href={ "/quality/datasets/" (view.id) "?held=1#rows" } aria-current=[view.asked.held.then_some("true")] { (words.of("扣留的行", "held back")) } }
                @if view.asked.rule.is_some() { li { a href={ (href(view, None, &view.asked.state, 1)) "#rows" } { (words.of("不限规则", "any rule")) } } }
            }
        }
        @if view.faults.is_empty() {
            p.empty { (words.of("没有。", "None.")) }
        } @else {
            (of_class("rows", Some("faults"), &heads, &html! { @for line in &view.faults { (fault(words, view, line)) } }))
            p.actions {
                a.button.quiet href=(workbook_href(view)) { (words.of("下载工作簿（xlsx）", "Download as a workbook (xlsx)")) }
            }
            nav.pager aria-label=(words.of("翻页", "Pages")) {
                @if view.asked.page > 1 { a href={ (page_href(view, view.asked.page - 1)) "#rows" } rel="prev" { (words.of("上一页", "Previous")) } }
                @if view.has_more { a href={ (page_href(view, view.asked.page + 1)) "#rows" } rel="next" { (words.of("下一页", "Next")) } }
            }
        }
    }
}

fn fault(words: Words, view: &DatasetView, line: &FaultLine) -> Markup {
    html! {
        tr {
            th scope="row" {
                (words.text(&line.rule))
                span.under { (words.text(&line.state)) @if line.times > 1 { " · " (words.many(line.times, "次", "time", "times")) } }
            }
            (fault_cells(words, line, view.columns.len()))
            td.nowrap { (words.instant(line.first_seen_at)) }
            td.nowrap { (words.instant(line.last_seen_at)) }
        }
    }
}

/// The cells of a fault, the bad ones marked; what was found where the delivered row is not shown.
pub(crate) fn fault_cells(words: Words, line: &FaultLine, columns: usize) -> Markup {
    html! {
        @if line.cells.is_empty() {
            td colspan=(columns.max(1)) { @match &line.found { Some(found) => span.badcell { (found) }, None => "–" } }
        } @else {
            @for (value, is_bad) in &line.cells {
                td class=[is_bad.then_some("bad")] {
                    @if *is_bad { span.visually-hidden { (words.of("有误：", "at fault: ")) } }
                    @match value { Some(value) => (value), None => { @if *is_bad { span.under { (words.of("（空）", "(empty)")) } } @else { "–" } } }
                }
            }
        }
    }
}

fn href(view: &DatasetView, rule: Option<&str>, state: &str, page: usize) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if let Some(rule) = rule {
        pairs.append_pair("rule", rule);
    }
    if !state.is_empty() {
        pairs.append_pair("state", state);
    }
    if page > 1 {
        pairs.append_pair("page", &page.to_string());
    }
    let pairs = pairs.finish();
    if pairs.is_empty() {
        format!("/quality/datasets/{}", view.id)
    } else {
        format!("/quality/datasets/{}?{pairs}", view.id)
    }
}

fn page_href(view: &DatasetView, page: usize) -> String {
    if view.asked.held {
        return format!("/quality/datasets/{}?held=1&page={page}", view.id);
    }
    href(view, view.asked.rule.as_deref(), &view.asked.state, page)
}

fn workbook_href(view: &DatasetView) -> String {
    let address = page_href(view, 1);
    let query = address.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
    format!("/quality/datasets/{}/faults.xlsx{query}", view.id)
}
