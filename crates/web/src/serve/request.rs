//! A share request's page and the acts on it. What may be done and what follows is `exchange`'s to say.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect},
};
use serde_json::Value;
use yihe_definitions::Pack;
use yihe_exchange::{
    Action, Answer as Decision, Consent, ExchangeError, Refusal, Refused, Request, RequestState, RequestStep,
};
use yihe_store::{Account, ObjectKind, OutboxRow};

use super::{
    Answer, catalogue::refused as catalogue_refused, clock_view, entry::method_title, html, internal, proof, waits_for,
};
use crate::{
    form::Fields,
    language::{Language, Text, capital},
    layout::Part,
    pages::{
        catalogue::entry_href,
        request::{
            self, Act, ActField, FieldKind, GrantLine, Need, Outcome, RequestView, SAID_MAX, Step, StepState, Weight,
        },
    },
    problem::{Kind, Problem},
    state::{AppState, department_name},
    visit::Visit,
};

/// Ledger entries of one request that its timeline shows.
const HISTORY_MAX: i64 = 200;

/// A failure of the exchange as its reader is told.
#[must_use]
pub fn refused(error: ExchangeError) -> Problem {
    let kind = match &error {
        ExchangeError::NotFound { .. }
        | ExchangeError::GrantNotFound { .. }
        | ExchangeError::EntryNotFound { .. }
        | ExchangeError::Refused { why: Refused::Resource } => Kind::NotFound,
        ExchangeError::NotAllowed { .. } => Kind::Forbidden,
        ExchangeError::WrongState { .. }
        | ExchangeError::GrantState { .. }
        | ExchangeError::GrantNotActive { .. }
        | ExchangeError::NotProven { .. }
        | ExchangeError::Undone { .. } => Kind::Conflict,
        ExchangeError::OwnData { .. }
        | ExchangeError::Faults { .. }
        | ExchangeError::Statement { .. }
        | ExchangeError::SecondNotice { .. }
        | ExchangeError::Missing { .. }
        | ExchangeError::Extension { .. }
        | ExchangeError::NoExtension { .. }
        | ExchangeError::BeyondApplication { .. } => Kind::Unprocessable,
        ExchangeError::Refused { why } => match why {
            Refused::Token => Kind::Unauthenticated,
            Refused::Resource => Kind::NotFound,
            Refused::NotInForce { .. } | Refused::OutOfTerm | Refused::Method | Refused::Purpose => Kind::Forbidden,
            Refused::CaseNumber { .. } | Refused::Key { .. } => Kind::Malformed,
            Refused::Quota { .. } => Kind::TooMany,
        },
        _ if error.is_conflict() => Kind::Conflict,
        ExchangeError::Corrupt { .. }
        | ExchangeError::Store { .. }
        | ExchangeError::Docket { .. }
        | ExchangeError::Catalogue { .. }
        | ExchangeError::Answer { .. }
        | ExchangeError::Ledger { .. }
        | ExchangeError::Lake { .. } => return internal(error),
    };
    Problem::saying(kind, error.message(Language::Zh), error.message(Language::En))
}

/// `GET /requests/{id}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Docket).await?;
    let account = visit.account()?;
    let request = find(&state, account, &id).await?;
    Ok(html(request::page(&frame, &view(&state, account, &request).await?)))
}

/// The request, if the account may know of it.
///
/// # Errors
/// [`Kind::NotFound`]; the store failed.
pub async fn find(state: &AppState, account: &Account, id: &str) -> Result<Request, Problem> {
    state.exchange.find(id, &account.actor()).await.map_err(refused)?.ok_or_else(|| Kind::NotFound.into())
}

/// `POST /requests/{id}/{act}`
pub async fn act(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, act)): Path<(String, String)>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let actor = visit.account()?.actor();
    let request = find(&state, visit.account()?, &id).await?;
    let action = action(&act, &request, &fields)?;
    let version = fields.one("version", 20)?.parse().ok();
    state.exchange.step(&id, &action, version, &actor, state.clock.now()).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/requests/{id}")).into_response())
}

/// What a button means.
fn action(name: &str, request: &Request, fields: &Fields) -> Result<Action, Problem> {
    let said = |field: &str| fields.one(field, SAID_MAX).map(str::to_owned);
    Ok(match name {
        "submit" => Action::Submit,
        "sign" => Action::Sign,
        "decline" => Action::DeclineToSign { reason: said("reason")? },
        "notify" => Action::Notify {
            missing: said("missing")?
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
        },
        "forward" => Action::Forward,
        "ask-extension" => {
            Action::AskExtension { days: fields.one("days", 4)?.parse().unwrap_or(0), reason: said("reason")? }
        }
        "extend" => Action::ConsentExtension,
        "consent" => Action::Answer(Decision::Consent(Consent::to_all(&request.application))),
        "refuse" => {
            Action::Answer(Decision::Refusal(Refusal { reasons: said("reasons")?, legal_basis: said("legal_basis")? }))
        }
        "countersign" => Action::Countersign,
        "send-back" => Action::SendBack { reason: said("reason")? },
        "supply" => Action::Supply,
        "withdraw" => Action::Withdraw { reason: said("reason")? },
        _ => return Err(Kind::NotFound.into()),
    })
}

async fn view(state: &AppState, account: &Account, request: &Request) -> Result<RequestView, Problem> {
    let pack = state.pack();
    let entry = state.catalogue.find_published(&request.entry).await.map_err(catalogue_refused)?;
    let entry_title = entry.as_ref().map_or_else(|| plain(&request.entry), |entry| entry.title.clone());
    let subject = ObjectKind::Request.name(&request.id);
    let items = state.docket.items_of(&state.store, &subject, state.clock.today()).await.map_err(internal)?;
    let open = items.iter().find(|item| item.closed_at.is_none());
    let grant = state.exchange.grant_of_request(&request.id, &account.actor()).await.map_err(refused)?;
    let steps = state.exchange.steps_for(request, &account.actor());
    let clock = open.and_then(clock_view).map(|mut clock| {
        clock.purpose = capital(request.state.title());
        clock.source = source(request.state);
        clock
    });
    let columns = request
        .application
        .columns
        .iter()
        .map(|name| {
            let item = entry.as_ref().and_then(|entry| entry.items.iter().find(|item| item.name == *name));
            (name.clone(), item.map_or_else(|| plain(name), |item| item.title.clone()))
        })
        .collect();
    let waits = open.map(|item| waits_for(&pack, item));
    let told = state.store.outbox_list_by_object(&subject, HISTORY_MAX).await.map_err(internal)?;
    Ok(RequestView {
        id: request.id.clone(),
        entry_href: entry_href(&request.entry),
        entry_title,
        requester: department_name(&pack, &request.requester),
        provider: department_name(&pack, &request.provider),
        state: capital(request.state.title()),
        outcome: outcome(request.state),
        facts: facts(request),
        columns,
        steps: timeline(&pack, request, waits.as_ref(), &told),
        proofs: told.iter().rev().map(|row| proof::link(capital(happened(&row.kind)), row)).collect(),
        waits_for: waits,
        clock,
        version: request.version,
        editable: steps.contains(&RequestStep::Submit),
        acts: steps.into_iter().flat_map(|step| acts(request, step)).collect(),
        grant: grant.map(|grant| GrantLine { id: grant.id, until_on: grant.valid_until }),
    })
}

/// A city's own word that nobody translates: an identifier.
fn plain(text: &str) -> Text {
    Text { zh: text.to_owned(), en: Some(text.to_owned()) }
}

/// What an applicant wrote, in the language in which it was written.
fn written(text: &str) -> Text {
    Text { zh: text.to_owned(), en: None }
}

fn outcome(state: RequestState) -> Outcome {
    match state {
        RequestState::Supplied | RequestState::Consented => Outcome::Granted,
        RequestState::Refused | RequestState::Withdrawn => Outcome::Ended,
        RequestState::Draft
        | RequestState::AwaitingSignature
        | RequestState::AwaitingCheck
        | RequestState::Incomplete
        | RequestState::AwaitingAnswer
        | RequestState::AwaitingCountersignature => Outcome::Open,
    }
}

/// The clause that sets the running term.
fn source(state: RequestState) -> Option<Text> {
    let clause = match state {
        RequestState::AwaitingCheck | RequestState::Incomplete => yihe_exchange::CHECK.source,
        RequestState::AwaitingAnswer | RequestState::AwaitingCountersignature => {
            yihe_exchange::ANSWER_CONDITIONAL.source
        }
        RequestState::Consented => yihe_exchange::SUPPLY.source,
        RequestState::Draft
        | RequestState::AwaitingSignature
        | RequestState::Supplied
        | RequestState::Refused
        | RequestState::Withdrawn => return None,
    };
    Some(written(clause))
}

/// What the request states (art. 20).
fn facts(request: &Request) -> Vec<(Text, Text)> {
    let application = &request.application;
    let mut facts = vec![
        (Text::new("使用依据", "Legal basis"), written(&application.basis)),
        (Text::new("使用场景", "Use"), written(&application.scenario)),
        (Text::new("使用范围", "Scope"), written(&application.scope)),
        (Text::new("使用目的", "Purpose"), written(&application.purpose)),
        (Text::new("共享方式", "Way of supply"), capital(method_title(application.method))),
        (Text::new("使用时限", "Until"), plain(&application.until.to_string())),
        (Text::new("每日调用上限", "Calls per day"), plain(&application.calls_per_day.to_string())),
    ];
    for condition in &application.rows {
        facts.push((Text::new("行范围", "Rows"), condition.text()));
    }
    for unmasking in &application.unmasked {
        facts.push((Text::new("不脱敏", "Unmasked"), written(&format!("{}：{}", unmasking.column, unmasking.reason))));
    }
    facts
}

/// The main line; what is not yet reached stands on the page as to come.
const MAIN_LINE: [RequestState; 6] = [
    RequestState::AwaitingSignature,
    RequestState::AwaitingCheck,
    RequestState::AwaitingAnswer,
    RequestState::AwaitingCountersignature,
    RequestState::Consented,
    RequestState::Supplied,
];

/// What happened, from the ledger's own outbox; where it stands; what is to come.
fn timeline(pack: &Pack, request: &Request, waits: Option<&Text>, told: &[OutboxRow]) -> Vec<Step> {
    let mut steps: Vec<Step> = told
        .iter()
        .map(|row| Step {
            title: capital(happened(&row.kind)),
            who: Some(department_name(pack, &row.org)),
            done_at: Some(row.at),
            said: said(&row.kind, &row.payload),
            state: StepState::Done,
        })
        .collect();
    match request.state {
        RequestState::Refused | RequestState::Withdrawn => {
            if let Some(last) = steps.last_mut() {
                last.state = StepState::Refused;
            }
        }
        RequestState::Supplied => {}
        present => {
            steps.push(Step {
                title: capital(present.title()),
                who: waits.cloned(),
                done_at: None,
                said: None,
                state: StepState::Now,
            });
            let reached = MAIN_LINE.iter().position(|state| *state == present).map_or_else(
                // A draft stands before the line, a completion before the check.
                || usize::from(present == RequestState::Incomplete),
                |at| at + 1,
            );
            steps.extend(MAIN_LINE[reached..].iter().map(|ahead| Step {
                title: capital(ahead.title()),
                who: None,
                done_at: None,
                said: None,
                state: StepState::Ahead,
            }));
        }
    }
    steps
}

/// An event of a request in words.
fn happened(kind: &str) -> Text {
    match kind {
        "request.drafted" => Text::new("起草申请", "drafted"),
        "request.amended" => Text::new("修改申请", "rewritten"),
        "request.submitted" => Text::new("送审签", "submitted for signature"),
        "request.signed" => Text::new("申请部门负责人审签", "signed by the requester's head"),
        "request.declined" => Text::new("审签退回", "signature declined"),
        "request.notified" => Text::new("一次性告知补正", "told once what is missing"),
        "request.forwarded" => Text::new("审查通过，转提供部门", "found complete, forwarded to the provider"),
        "request.extension_asked" => Text::new("申请延期答复", "extension asked for"),
        "request.extended" => Text::new("同意延期答复", "extension given"),
        "request.answer_proposed" => Text::new("拟答复", "answer proposed"),
        "request.answered" => Text::new("提供部门负责人审签，作出答复", "answered, signed by the provider's head"),
        "request.answer_sent_back" => Text::new("退回答复", "answer sent back"),
        "request.released" => Text::new("凭账本登记放行", "released on proof of the ledger"),
        "request.supplied" => Text::new("开通供数", "supply opened"),
        "request.withdrawn" => Text::new("撤回申请", "withdrawn"),
        other => plain(other),
    }
}

/// What was said with an event, from the request as it was then.
fn said(kind: &str, payload: &str) -> Option<String> {
    let payload: Value = serde_json::from_str(payload).ok()?;
    let body: Value = serde_json::from_str(payload["body"].as_str()?).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match kind {
        "request.declined" | "request.answer_sent_back" | "request.withdrawn" => text(&body["reason"]),
        "request.notified" => {
            let missing = body["notice"]["missing"].as_array()?;
            Some(missing.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("；"))
        }
        "request.extension_asked" => text(&body["extension"]["reason"]),
        "request.answered" => text(&body["answer"]["reasons"]),
        "request.released" => {
            let cites = body["release"]["cites"].as_array()?;
            let line = |cite: &Value| Some(format!("#{} {}", cite["index"].as_u64()?, cite["kind"].as_str()?));
            Some(cites.iter().filter_map(line).collect::<Vec<_>>().join("；"))
        }
        _ => None,
    }
}

/// The buttons of a step.
fn acts(request: &Request, step: RequestStep) -> Vec<Act> {
    let reason = || ActField {
        name: "reason",
        title: Text::new("理由", "Reason"),
        need: Need::Required,
        kind: FieldKind::Lines,
    };
    let act = |name, weight, fields| Act { name, title: capital(step.title()), explains: None, fields, weight };
    match step {
        RequestStep::Submit => vec![act("submit", Weight::Main, vec![])],
        RequestStep::Sign => vec![act("sign", Weight::Main, vec![])],
        RequestStep::DeclineToSign => vec![act("decline", Weight::Grave, vec![reason()])],
        // The law allows one notice; a second is not offered.
        RequestStep::Notify if request.notice.is_some() => vec![],
        RequestStep::Notify => {
            let title = Text::new("缺少什么，一行一项", "What is missing, one per line");
            let field = ActField { name: "missing", title, need: Need::Required, kind: FieldKind::Lines };
            let explains = Text::new(
                "只能告知一次，请一次写全；告知后停止计时。",
                "This can be sent once, so list everything; the clock stops with it.",
            );
            vec![Act { explains: Some(explains), ..act("notify", Weight::Quiet, vec![field]) }]
        }
        RequestStep::Forward => vec![act("forward", Weight::Main, vec![])],
        RequestStep::AskExtension if request.extension.is_some() || !request.conditional => vec![],
        RequestStep::AskExtension => {
            let days = ActField {
                name: "days",
                title: Text::new("延长工作日", "Working days"),
                need: Need::Required,
                kind: FieldKind::Days,
            };
            vec![act("ask-extension", Weight::Quiet, vec![days, reason()])]
        }
        RequestStep::ConsentExtension => match &request.extension {
            Some(extension) if !extension.consented => {
                let explains = Text::new(
                    format!("提供部门申请延长 {} 个工作日：{}", extension.days, extension.reason),
                    format!("The provider asks for {} more working days: {}", extension.days, extension.reason),
                );
                vec![Act { explains: Some(explains), ..act("extend", Weight::Quiet, vec![]) }]
            }
            _ => vec![],
        },
        RequestStep::Answer => {
            let lines = |name, zh: &str, en: &str| ActField {
                name,
                title: Text::new(zh, en),
                need: Need::Required,
                kind: FieldKind::Lines,
            };
            vec![
                Act {
                    title: Text::new("拟同意，按申请内容提供", "Propose consent, as asked"),
                    explains: Some(Text::new(
                        "敏感项按默认规则脱敏，申请中说明理由的除外。",
                        "Sensitive columns are masked, but for those asked for with a reason.",
                    )),
                    ..act("consent", Weight::Main, vec![])
                },
                Act {
                    title: Text::new("拟不同意", "Propose refusal"),
                    ..act(
                        "refuse",
                        Weight::Grave,
                        vec![lines("reasons", "理由", "Reasons"), lines("legal_basis", "法律依据", "Legal basis")],
                    )
                },
            ]
        }
        RequestStep::Countersign => {
            let explains = match &request.answer {
                Some(Decision::Consent(consent)) => Text::new(
                    format!("拟同意：{} 个信息项，有效至 {}。", consent.columns.len(), consent.until),
                    format!("Consent is proposed: {} columns, until {}.", consent.columns.len(), consent.until),
                ),
                Some(Decision::Refusal(refusal)) => {
                    written(&format!("拟不同意：{}（{}）", refusal.reasons, refusal.legal_basis))
                }
                None => return vec![],
            };
            vec![Act { explains: Some(explains), ..act("countersign", Weight::Main, vec![]) }]
        }
        RequestStep::SendBack => vec![act("send-back", Weight::Quiet, vec![reason()])],
        RequestStep::Supply => vec![act("supply", Weight::Main, vec![])],
        RequestStep::Withdraw => vec![act("withdraw", Weight::Grave, vec![reason()])],
    }
}
