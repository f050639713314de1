//! The form that asks for a share. Its fields are what 政务数据共享条例, art. 20 wants stated.

use maud::{Markup, html};

use crate::{
    language::{Text, Words},
    layout::{self, Frame},
};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct ApplyView {
    /// Resource code.
    pub entry_code: String,
    /// Title.
    pub entry_title: Text,
    /// Address of the entry.
    pub entry_href: String,
    /// Columns that can be asked for: name, title, mark of sensitivity.
    pub columns: Vec<(String, Text, Option<Text>)>,
    /// Ways of supply that the entry offers: name and title.
    pub methods: Vec<(&'static str, Text)>,
    /// What was filled in before; empty the first time.
    pub filled: Filled,
    /// What is wrong with it: field and sentence.
    pub faults: Vec<(&'static str, Text)>,
    /// The request that is being rewritten: identifier and version; `None` for a new one.
    pub rewrites: Option<(String, i64)>,
}

/// The form's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// 使用依据
    pub basis: String,
    /// 使用场景
    pub scenario: String,
    /// 使用范围
    pub scope: String,
    /// 使用目的
    pub purpose: String,
    /// 共享方式
    pub method: String,
    /// 使用时限: last day, `YYYY-MM-DD`.
    pub until_on: String,
    /// Calls per day.
    pub calls_per_day: String,
    /// Columns.
    pub columns: Vec<String>,
    /// Columns wanted without their mask.
    pub unmasked: Vec<String>,
    /// Why.
    pub unmasked_because: String,
    /// Column of the row condition; empty: all rows.
    pub row_column: String,
    /// Its values, separated by commas.
    pub row_values: String,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &ApplyView) -> Markup {
    let words = frame.words;
    let title = words.of("申请共享", "Request a share");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[
                        ("/catalogue", html! { (words.of("数据目录", "Catalogue")) }),
                        (&view.entry_href, words.text(&view.entry_title)),
                    ], &html! { (title) }))
                    h1 { (title) (words.of("：", ": ")) (words.text(&view.entry_title)) }
                    p { (words.of("提交后先由本单位共享工作机构负责人签批，再送提供部门。材料不齐时，只会一次性告知全部缺项。",
                        "The head of your sharing office signs first; then it goes to the provider. If something is missing you are told once, everything at a time.")) }
                }
                form.card method="post" action=(action(view)) {
                    @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
                    @match &view.rewrites {
                        Some((_, version)) => input type="hidden" name="version" value=(version);,
                        None => input type="hidden" name="entry" value=(view.entry_code);,
                    }
                    (faults(words, view))
                    (text(view, "basis", words.of("使用依据", "Legal basis"), words.of("法律、法规、规章或职责文件的名称和条款", "Name and clause of the law or the document of duties"), &view.filled.basis, words))
                    (text(view, "scenario", words.of("使用场景", "Use"), words.of("办理什么事项、在哪个环节用到", "For which service and at which step"), &view.filled.scenario, words))
                    (text(view, "scope", words.of("使用范围", "Scope"), words.of("哪些单位、哪些人员、哪些地区的数据", "Which bodies and people will use it, and whose data"), &view.filled.scope, words))
                    (text(view, "purpose", words.of("使用目的", "Purpose"), words.of("每次调用都受此目的约束（条例第二十五条）", "Every call is bound to it (art. 25)"), &view.filled.purpose, words))
                    div.field {
                        label for="method" { (words.of("共享方式", "Way of supply")) }
                        select #method name="method" required {
                            @for (name, title) in &view.methods { option value=(name) selected[view.filled.method == *name] { (words.text(title)) } }
                        }
                    }
                    div.field {
                        label for="until_on" { (words.of("使用时限", "Until")) }
                        input #until_on type="date" name="until_on" required value=(view.filled.until_on) aria-invalid=[fault(view, "until_on").map(|_| "true")];
                    }
                    div.field {
                        label for="calls_per_day" { (words.of("每日调用次数上限", "Calls per day, at most")) }
                        input #calls_per_day type="number" min="1" inputmode="numeric" name="calls_per_day" required value=(view.filled.calls_per_day);
                    }
                    fieldset.field #columns {
                        legend { (words.of("信息项", "Columns")) }
                        p.under { (words.of("只勾选办事必需的；敏感项默认脱敏。", "Tick only what the task needs; sensitive ones are masked unless decided otherwise.")) }
                        @for (name, title, mark) in &view.columns {
                            div.check {
                                label { input type="checkbox" name="columns" value=(name) checked[view.filled.columns.contains(name)];
                                    (words.text(title)) " " span.code { (name) }
                                    @if let Some(mark) = mark { " " span.tag.warn { (words.text(mark)) } }
                                }
                            }
                        }
                    }
                    (unmasking(words, view))
                    (rows(words, view))
                    p.actions { button.button type="submit" { (words.of("提交本单位签批", "Send for signature")) } a href=(view.entry_href) { (words.of("取消", "Cancel")) } }
                }
            }
        },
    )
}

fn action(view: &ApplyView) -> String {
    view.rewrites.as_ref().map_or_else(|| "/requests".to_owned(), |(id, _)| format!("/requests/{id}/edit"))
}

/// Masks are lifted column by column, with one reason.
fn unmasking(words: Words, view: &ApplyView) -> Markup {
    html! {
        @if view.columns.iter().any(|(_, _, mark)| mark.is_some()) {
            details open[!view.filled.unmasked.is_empty()] {
                summary { (words.of("有敏感项需要不脱敏", "Some sensitive columns are needed unmasked")) }
                fieldset.field #unmasked {
                    legend { (words.of("不脱敏的信息项", "Unmasked columns")) }
                    @for (name, title, _) in view.columns.iter().filter(|(_, _, mark)| mark.is_some()) {
                        div.check { label { input type="checkbox" name="unmasked" value=(name) checked[view.filled.unmasked.contains(name)]; (words.text(title)) " " span.code { (name) } } }
                    }
                }
                div.field {
                    label for="unmasked_because" { (words.of("为什么脱敏后不能办事", "Why the purpose cannot be met with masks")) }
                    textarea #unmasked_because name="unmasked_because" rows="2" maxlength=(super::request::SAID_MAX) { (view.filled.unmasked_because) }
                }
            }
        }
    }
}

/// At most one condition on the page; the JSON face takes more.
fn rows(words: Words, view: &ApplyView) -> Markup {
    html! {
        details open[!view.filled.row_column.is_empty()] {
            summary { (words.of("只需要部分行", "Only some rows are needed")) }
            div.field {
                label for="row_column" { (words.of("按哪个信息项筛选", "Column to filter by")) }
                select #row_column name="row_column" {
                    option value="" { (words.of("全部行", "All rows")) }
                    @for (name, title, _) in &view.columns { option value=(name) selected[view.filled.row_column == *name] { (words.text(title)) } }
                }
            }
            div.field {
                label for="row_values" { (words.of("取值，用逗号分开", "Values, separated by commas")) }
                input #row_values name="row_values" type="text" maxlength="2000" value=(view.filled.row_values);
            }
        }
    }
}

fn fault<'a>(view: &'a ApplyView, field: &str) -> Option<&'a Text> {
    view.faults.iter().find(|(known, _)| *known == field).map(|(_, sentence)| sentence)
}

/// The summary above a form that was sent back; each line leads to its field.
fn faults(words: Words, view: &ApplyView) -> Markup {
    html! {
        @if !view.faults.is_empty() {
            div.notice.bad role="alert" {
                h2 { (words.of("请先改正以下内容", "Please mend the following")) }
                ul { @for (field, sentence) in &view.faults { li { a href={ "#" (field) } { (words.text(sentence)) } } } }
            }
        }
    }
}

fn text(view: &ApplyView, name: &str, title: &str, hint: &str, value: &str, words: Words) -> Markup {
    let fault = fault(view, name);
    let described = format!("{name}-hint");
    html! {
        div.field {
            label for=(name) { (title) }
            span.under id=(described) { (hint) @if let Some(fault) = fault { " — " strong { (words.text(fault)) } } }
            textarea id=(name) name=(name) rows="2" maxlength=(super::request::SAID_MAX) required aria-describedby=(described) aria-invalid=[fault.map(|_| "true")] { (value) }
        }
    }
}
