//! A share request with its clock: the steps so far, who must act now, until when, and why it stood still.

use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use super::{
    ClockView,
    proof::{self, ProofLink},
};
use crate::{
    language::{Text, Words},
    layout::{self, Frame},
};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// Identifier in addresses.
    pub id: String,
    /// Title of the entry asked for.
    pub entry_title: Text,
    /// Address of the entry.
    pub entry_href: String,
    /// Department that asks.
    pub requester: Text,
    /// Department that provides.
    pub provider: Text,
    /// State in words.
    pub state: Text,
    /// Whether the state is an end, and which.
    pub outcome: Outcome,
    /// What the request states (条例, art. 20); title and wording.
    pub facts: Vec<(Text, Text)>,
    /// Columns asked for.
    pub columns: Vec<(String, Text)>,
    /// Steps in order, past, present and to come.
    pub steps: Vec<Step>,
    /// Who must act now; `None`: nobody.
    pub waits_for: Option<Text>,
    /// The running clock.
    pub clock: Option<ClockView>,
    /// Version that the visitor sees; an act on an older one is refused.
    pub version: i64,
    /// What this visitor may do now.
    pub acts: Vec<Act>,
    /// Whether this visitor may rewrite what is asked.
    pub editable: bool,
    /// The grant, when there is one.
    pub grant: Option<GrantLine>,
    /// What the ledger has of it, newest first.
    pub proofs: Vec<ProofLink>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Under way.
    Open,
    /// Consented; a grant exists.
    Granted,
    /// Refused, withdrawn or ended.
    Ended,
}

/// One step of a request's life.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happens.
    pub title: Text,
    /// Who did it or has to.
    pub who: Option<Text>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// What was said: the opinion, the notice, the reason.
    pub said: Option<String>,
    /// How it stands.
    pub state: StepState,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Done.
    Done,
    /// Under way.
    Now,
    /// To come.
    Ahead,
    /// Ended here, against the request.
    Refused,
}

/// Something the visitor may do: one form, one button.
#[derive(Debug, Clone)]
pub struct Act {
    /// Last part of the address: `POST /requests/{id}/{name}`.
    pub name: &'static str,
    /// Words on the button.
    pub title: Text,
    /// What it means, in a sentence.
    pub explains: Option<Text>,
    /// What is written along.
    pub fields: Vec<ActField>,
    /// How grave it is.
    pub weight: Weight,
}

/// Something that is written along with an act.
#[derive(Debug, Clone)]
pub struct ActField {
    /// Name in the form.
    pub name: &'static str,
    /// Title people read.
    pub title: Text,
    /// Whether it must be there.
    pub need: Need,
    /// How it is written.
    pub kind: FieldKind,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Some lines of text.
    Lines,
    /// A whole number of working days.
    Days,
}

/// Whether a text must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// What one usually does.
    Main,
    /// Another way.
    Quiet,
    /// Ends something.
    Grave,
}

/// The grant that came of it.
#[derive(Debug, Clone)]
pub struct GrantLine {
    /// Identifier.
    pub id: String,
    /// Last day.
    pub until_on: Date,
}

/// Longest text that can be written along with an act, in characters.
pub const SAID_MAX: usize = yihe_exchange::application::STATEMENT_CHARACTERS_MAX;

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &RequestView) -> Markup {
    let words = frame.words;
    let title = match words.0 {
        yihe_definitions::Language::Zh => format!("共享申请：{}", view.entry_title.get(words.0)),
        yihe_definitions::Language::En => format!("Share request: {}", view.entry_title.get(words.0)),
    };
    layout::page(
        frame,
        &title,
        &html! {
            div.wrap {
                header.pagehead {
                    (layout::crumbs(words, &[("/docket", html! { (words.of("待办", "Docket")) })], &html! { (words.of("共享申请", "Share request")) }))
                    h1 { (words.text(&view.entry_title)) }
                    p { (words.text(&view.requester)) (words.of(" 向 ", " asks ")) (words.text(&view.provider)) (words.of(" 申请共享", " for a share")) }
                    ul.tags { li { span class=(outcome_class(view.outcome)) { (words.text(&view.state)) } } li { span.tag.code { (view.id) } } }
                }
                div.split {
                    div.stack {
                        section.card aria-labelledby="steps" {
                            h2 #steps { (words.of("办理过程", "Progress")) }
                            ol.steps { @for step in &view.steps { (step_line(words, step)) } }
                        }
                        section.card aria-labelledby="facts" {
                            h2 #facts { (words.of("申请内容", "What is asked")) }
                            dl.facts {
                                dt { (words.of("资源", "Resource")) } dd { a href=(view.entry_href) { (words.text(&view.entry_title)) } }
                                @for (title, value) in &view.facts { dt { (words.text(title)) } dd { (words.text(value)) } }
                                dt { (words.of("信息项", "Columns")) }
                                dd { @for (index, (name, title)) in view.columns.iter().enumerate() { @if index > 0 { (words.of("、", ", ")) } span title=(name) { (words.text(title)) } } }
                            }
                        }
                    }
                    aside.stack aria-label=(words.of("时限与办理", "Clock and acting")) {
                        section.card {
                            h2 { (words.of("时限", "Clock")) }
                            @match &view.clock { Some(clock) => (clock.card(words)), None => p { (words.of("没有正在计时的时限。", "No clock is running.")) } }
                            @if let Some(who) = &view.waits_for { p.note { (words.of("等待：", "Waits for: ")) (words.text(who)) } }
                        }
                        @if let Some(grant) = &view.grant {
                            section.card {
                                h2 { (words.of("授权", "Grant")) }
                                p { a.code href={ "/grants#" (grant.id) } { (grant.id) } }
                                p.note { (words.of("有效至 ", "valid until ")) (words.day(grant.until_on)) }
                            }
                        }
                        (proof::card(words, &view.proofs))
                        @if !view.acts.is_empty() {
                            section.card aria-labelledby="acts" {
                                h2 #acts { (words.of("办理", "Act")) }
                                @if view.editable { p { a.button.quiet href={ "/requests/" (view.id) "/edit" } { (words.of("修改申请内容", "Rewrite the request")) } } }
                                @for act in &view.acts { (act_form(frame, view, act)) }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "tag river",
        Outcome::Granted => "tag good",
        Outcome::Ended => "tag bad",
    }
}

fn step_line(words: Words, step: &Step) -> Markup {
    let (class, state) = match step.state {
        StepState::Done => ("done", words.of("已完成", "done")),
        StepState::Now => ("now", words.of("进行中", "under way")),
        StepState::Ahead => ("ahead", words.of("未开始", "to come")),
        StepState::Refused => ("refused", words.of("未通过", "refused")),
    };
    html! {
        li class=(class) aria-current=[(step.state == StepState::Now).then_some("step")] {
            h3 { (words.text(&step.title)) span.visually-hidden { (words.of("（", " (")) (state) (words.of("）", ")")) } }
            p.when {
                @if let Some(who) = &step.who { (words.text(who)) }
                @if step.who.is_some() && step.done_at.is_some() { " · " }
                @if let Some(at) = step.done_at { (words.instant(at)) }
            }
            @if let Some(said) = &step.said { p { (said) } }
        }
    }
}

fn act_form(frame: &Frame, view: &RequestView, act: &Act) -> Markup {
    let words = frame.words;
    let class = match act.weight {
        Weight::Main => "button",
        Weight::Quiet => "button quiet",
        Weight::Grave => "button grave",
    };
    html! {
        form.act method="post" action={ "/requests/" (view.id) "/" (act.name) } {
            @if let Some(visitor) = &frame.visitor { (layout::form_token(&visitor.form_token)) }
            input type="hidden" name="version" value=(view.version);
            @if let Some(explains) = &act.explains { p.note { (words.text(explains)) } }
            @for field in &act.fields {
                @let id = format!("{}-{}", act.name, field.name);
                div.field {
                    label for=(id) { (words.text(&field.title)) @if field.need == Need::Optional { (words.of("（可不填）", " (optional)")) } }
                    @match field.kind {
                        FieldKind::Lines => textarea id=(id) name=(field.name) rows="3" maxlength=(SAID_MAX) required[field.need == Need::Required] {},
                        FieldKind::Days => input id=(id) name=(field.name) type="number" min="1" max="20" inputmode="numeric" required[field.need == Need::Required];,
                    }
                }
            }
            p.actions { button class=(class) type="submit" { (words.text(&act.title)) } }
        }
    }
}
