//! What another order of authority would alter, before it is made (数源变更预演).

use jiff::Timestamp;
use maud::{Markup, html};

use crate::{
    assets,
    language::{Text, Words},
    layout::{self, Frame},
    table::{Head, table},
};

/// What the form shows.
#[derive(Debug, Clone)]
pub struct TrialFormView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// Fields that more than one dataset feeds.
    pub fields: Vec<FieldChoice>,
    /// The one chosen.
    pub chosen: Option<FieldSources>,
    /// Trials of before, newest first.
    pub trials: Vec<(String, Text, Timestamp)>,
}

/// A field that can be chosen.
#[derive(Debug, Clone)]
pub struct FieldChoice {
    /// Name.
    pub name: String,
    /// Title.
    pub title: Text,
}

/// The field that is tried, with the datasets that feed it.
#[derive(Debug, Clone)]
pub struct FieldSources {
    /// Name.
    pub name: String,
    /// Title.
    pub title: Text,
    /// Dataset, its title, its department, its present place from 1 (`None`: only compared).
    pub sources: Vec<(String, Text, Text, Option<usize>)>,
}

/// What the page of a trial shows.
#[derive(Debug, Clone)]
pub struct TrialView {
    /// Registry.
    pub registry: String,
    /// Its title.
    pub title: Text,
    /// Name of the trial.
    pub trial: String,
    /// The field.
    pub field: Text,
    /// Its name.
    pub field_name: String,
    /// Departments and datasets in the order as it is, and as it would be.
    pub before: Vec<(Text, Text)>,
    /// See `before`.
    pub after: Vec<(Text, Text)>,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// How it stands.
    pub state: TrialState,
}

/// How a trial stands.
#[derive(Debug, Clone)]
pub enum TrialState {
    /// It works.
    Running,
    /// It came to this.
    Done {
        /// Golden records there are.
        entities: u64,
        /// What each field would come to; those that change.
        changes: Vec<ChangeLine>,
    },
    /// It failed, or ran into its bound.
    Failed(Text),
}

/// What a change would do to one field.
#[derive(Debug, Clone)]
pub struct ChangeLine {
    /// Field.
    pub field: Text,
    /// Entities with another value, without one, with one for the first time, with the same from elsewhere.
    pub altered: u64,
    /// See `altered`.
    pub lost: u64,
    /// See `altered`.
    pub gained: u64,
    /// See `altered`.
    pub moved: u64,
    /// Examples, masked.
    pub examples: Vec<ExampleLine>,
}

/// An entity that would have another value, masked.
#[derive(Debug, Clone)]
pub struct ExampleLine {
    /// Key.
    pub key: String,
    /// As it is, and from where.
    pub before: (String, Text),
    /// As it would be, and from where.
    pub after: (String, Text),
}

/// The form.
#[must_use]
pub fn form(frame: &Frame, view: &TrialFormView) -> Markup {
    let words = frame.words;
    let title = words.of("数源变更预演", "Try another order of authority");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (title) }))
                    h1 { (title) }
                    p { (words.of("先看会改动多少值、改成什么样，再决定要不要改。预演不写入任何数据。", "See how many values would change, and into what, before deciding. A trial writes nothing.")) }
                }
                div.split {
                    div.stack {
                        section.card aria-labelledby="choose" {
                            h2 #choose { (words.of("一、选字段", "1. Choose a field")) }
                            form.act method="get" action={ "/registries/" (view.registry) "/what-if" } {
                                div.field {
                                    label for="field" { (words.of("字段", "Field")) }
                                    select #field name="field" { @for field in &view.fields { option value=(field.name) selected[view.chosen.as_ref().is_some_and(|chosen| chosen.name == field.name)] { (field.title.get(words.0)) } } }
                                }
                                p.actions { button.button.quiet type="submit" { (words.of("选定", "Choose")) } }
                            }
                        }
                        @if let Some(chosen) = &view.chosen { (order_form(frame, view, chosen)) }
                    }
                    aside.stack aria-label=(words.of("做过的预演", "Trials made")) {
                        section.card {
                            h2 { (words.of("做过的预演", "Trials made")) }
                            @if view.trials.is_empty() { p { (words.of("还没有。", "None yet.")) } }
                            @else { ul.plain { @for (id, field, at) in &view.trials { li { a href={ "/registries/" (view.registry) "/what-if/" (id) } { (words.text(field)) } span.under { (words.instant(*at)) } } } } }
                        }
                    }
                }
            }
        },
    )
}

fn order_form(frame: &Frame, view: &TrialFormView, chosen: &FieldSources) -> Markup {
    let words = frame.words;
    html! {
        section.card aria-labelledby="order" {
            h2 #order { (words.of("二、排次序：", "2. Put them in order: ")) (words.text(&chosen.title)) }
            form.act method="post" action={ "/registries/" (view.registry) "/what-if" } {
                @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
                input type="hidden" name="field" value=(chosen.name);
                p.note { (words.of("1 最先采信；选“只作比对”的不再采信。", "1 is believed first; “only compared” is never believed.")) }
                @for (dataset, title, department, rank) in &chosen.sources {
                    div.field.rank {
                        label for={ "rank-" (dataset) } { (words.text(department)) span.under { (words.text(title)) } }
                        select id={ "rank-" (dataset) } name={ "rank:" (dataset) } {
                            @for place in 1..=chosen.sources.len() { option value=(place) selected[*rank == Some(place)] { (place) } }
                            option value="" selected[rank.is_none()] { (words.of("只作比对", "only compared")) }
                        }
                    }
                }
                p.actions { button.button type="submit" { (words.of("预演", "Try it")) } }
            }
        }
    }
}

/// The page of a trial.
#[must_use]
pub fn page(frame: &Frame, view: &TrialView) -> Markup {
    let words = frame.words;
    let title = words.of("数源变更预演", "A trial of authority");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                header.pagehead {
                    (super::crumbs(words, &view.registry, &view.title, &html! { (title) }))
                    h1 { (title) (words.of("：", ": ")) (words.text(&view.field)) }
                    p { (words.of("开始于 ", "begun ")) (words.instant(view.begun_at)) }
                }
                div.split.even {
                    section.card aria-labelledby="before" { h2 #before { (words.of("现在的次序", "The order as it is")) } (order(words, &view.before)) }
                    section.card aria-labelledby="after" { h2 #after { (words.of("预演的次序", "The order that is tried")) } (order(words, &view.after)) }
                }
                @match &view.state {
                    TrialState::Running => div.notice role="status" data-poll={ "/api/v1/registries/" (view.registry) "/what-if/" (view.trial) } {
                        h2 { (words.of("正在计算", "Working")) }
                        p { (words.of("大库需要几分钟。完成后本页自动刷新；没有脚本时请", "Large registries take minutes. This page reloads by itself; without a script, ")) a href={ "/registries/" (view.registry) "/what-if/" (view.trial) } { (words.of("点此刷新", "reload here")) } (words.of("。", ".")) }
                        script src=(assets::review()) defer {}
                    },
                    TrialState::Failed(reason) => div.notice.bad role="alert" { h2 { (words.of("没有算成", "It failed")) } p { (words.text(reason)) } },
                    TrialState::Done { entities, changes } => (outcome(words, *entities, changes)),
                }
                p.actions { a.button.quiet href={ "/registries/" (view.registry) "/what-if?field=" (view.field_name) } { (words.of("换一个次序再试", "Try another order")) } }
            }
        },
    )
}

fn order(words: Words, sources: &[(Text, Text)]) -> Markup {
    html! { ol.order { @for (department, dataset) in sources { li { (words.text(department)) span.under { (words.text(dataset)) } } } } }
}

fn outcome(words: Words, entities: u64, changes: &[ChangeLine]) -> Markup {
    html! {
        section.section aria-labelledby="outcome" {
            h2 #outcome { (words.of("会怎样", "What it would do")) }
            @if changes.is_empty() { p.empty role="status" { (words.of("没有任何值会改变。", "No value would change.")) } }
            @for change in changes {
                div.card role="status" {
                    h3 { (words.text(&change.field)) }
                    p { (words.many(entities, "个实体中：", "entity:", "entities:")) }
                    dl.stats {
                        div { dt { (words.of("值会改变", "Other value")) } dd { (words.count(change.altered)) } }
                        div { dt { (words.of("失去值", "Value lost")) } dd { (words.count(change.lost)) } }
                        div { dt { (words.of("新有值", "Value gained")) } dd { (words.count(change.gained)) } }
                        div { dt { (words.of("值同源异", "Same value, other source")) } dd { (words.count(change.moved)) } }
                    }
                }
            }
        }
        @for (index, change) in changes.iter().enumerate().filter(|(_, change)| !change.examples.is_empty()) {
            section.section aria-labelledby={ "examples-" (index) } {
                h2 id={ "examples-" (index) } { (words.of("例子（已脱敏）：", "Examples (masked): ")) (words.text(&change.field)) }
                (table(&format!("examples-{index}"), &[
                    Head::Text(words.of("实体", "Entity")),
                    Head::Text(words.of("现在", "As it is")),
                    Head::Text(words.of("将会", "As it would be")),
                ], &html! {
                    @for example in &change.examples {
                        tr {
                            th.code scope="row" { (example.key) }
                            td { span lang="zh-Hans" { (example.before.0) } span.under { (words.text(&example.before.1)) } }
                            td { span lang="zh-Hans" { (example.after.0) } span.under { (words.text(&example.after.1)) } }
                        }
                    }
                }))
            }
        }
    }
}
