//! `yihe share grant|list`

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use jiff::{ToSpan, civil::Date};
use serde_json::json;
use yihe_definitions::{Pack, Releases, ShareMethod};
use yihe_exchange::{
    Action, Answer, Application, Condition, Consent, Exchange, ExchangeError, Gate, Grant, Request, RequestState,
};
use yihe_store::Role;
use yihe_vocabulary::clock::local_day;

use crate::{
    app::App,
    cli::Share,
    commands::catalogue,
    output::{Exit, Output},
    sequence,
};

/// Calls a day that the command asks for.
const CALLS_PER_DAY: i64 = 10_000;

/// The command.
pub async fn run(app: &App, share: Share, output: &Output) -> Result<Exit> {
    let pack = app.pack().await?;
    match share {
        Share::Grant { entry, department, basis, purpose, columns, rows } => {
            let wish = Wish {
                entry,
                department,
                basis,
                purpose,
                columns,
                rows: rows.iter().map(|text| condition(text)).collect::<Result<_>>()?,
            };
            let shared = grant(app, &pack, &wish, output).await?;
            sequence::settle(app).await?;
            output.line(&format!("{} {}", output.say("申请", "request"), shared.request.id));
            output.line(&format!("{} {}", output.say("授权", "grant"), shared.grant.id));
            output.line(&format!(
                "{} {}",
                output.say("令牌（只显示这一次）：", "token (shown this once):"),
                shared.token
            ));
            output.object(&json!({
                "request": shared.request.id, "grant": shared.grant.id, "token": shared.token,
                "columns": shared.grant.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            }));
            Ok(Exit::Done)
        }
        Share::List => {
            let room = room(app, &pack)?;
            let grants =
                room.grant_list(&app.machine(), None, 0, yihe_store::PAGE_ROWS_MAX).await.map_err(told(output))?;
            let rows: Vec<Vec<String>> = grants
                .iter()
                .map(|grant| {
                    vec![
                        grant.id.clone(),
                        grant.entry.clone(),
                        grant.grantee.clone(),
                        grant.state.title().get(output.language).to_owned(),
                        grant.valid_until.to_string(),
                    ]
                })
                .collect();
            let headings = [
                output.say("授权", "grant"),
                output.say("目录", "entry"),
                output.say("使用单位", "grantee"),
                output.say("状态", "state"),
                output.say("截止", "until"),
            ];
            output.table(&headings, &rows);
            let list: Vec<_> = grants
                .iter()
                .map(|grant| json!({ "id": grant.id, "entry": grant.entry, "grantee": grant.grantee }))
                .collect();
            output.object(&json!({ "grants": list }));
            Ok(Exit::Done)
        }
    }
}

/// What is to be shared with whom.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Code of the entry.
    pub entry: String,
    /// Requesting department.
    pub department: String,
    /// Legal basis.
    pub basis: String,
    /// Purpose.
    pub purpose: String,
    /// Columns; every one of the entry when empty.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Condition>,
}

/// What came of it.
#[derive(Debug)]
pub struct Shared {
    /// The request after its last step.
    pub request: Request,
    /// Its grant.
    pub grant: Grant,
    /// A token for it.
    pub token: String,
}

/// The exchange over the opened data folder.
pub fn room(app: &App, pack: &Pack) -> Result<Exchange> {
    let catalogue = catalogue::room(app, pack)?;
    let exchange = Exchange::new(app.store.clone(), app.docket(pack)?, catalogue, app.lake.clone(), &BTreeMap::new())
        .map_err(|defects| anyhow!("the city's terms are at fault: {defects:?}"))?;
    let Some(rule) = pack.release_of(Releases::Supply) else { return Ok(exchange) };
    // The keys are made at first use; without them there is no log that could prove anything.
    sequence::keys(&app.config)?;
    let log = sequence::view(&app.config)?.context("the ledger's keys were just made")?;
    Ok(exchange.released_on_proof(Some(Gate { rule: rule.clone(), log })))
}

/// Takes one request from draft to grant, every step with the account of its seat, and issues a token.
pub async fn grant(app: &App, pack: &Pack, wish: &Wish, output: &Output) -> Result<Shared> {
    let room = room(app, pack)?;
    let cast = catalogue::cast(app, pack).await?;
    let entry = catalogue::room(app, pack)?
        .find_published(&wish.entry)
        .await
        .map_err(|error| anyhow!(error.message(output.language)))?;
    let entry = entry.with_context(|| format!("found no published entry `{}` (没有已发布的目录)", wish.entry))?;
    let now = app.clock.now();
    let columns = if wish.columns.is_empty() {
        entry.items.iter().map(|item| item.name.clone()).collect()
    } else {
        wish.columns.clone()
    };
    let application = Application {
        basis: wish.basis.clone(),
        scenario: wish.purpose.clone(),
        scope: pack
            .department(&wish.department)
            .map_or_else(|| wish.department.clone(), |department| department.name.zh.clone()),
        method: ShareMethod::Service,
        until: year_from(local_day(now))?,
        purpose: wish.purpose.clone(),
        columns,
        rows: wish.rows.clone(),
        unmasked: Vec::new(),
        calls_per_day: CALLS_PER_DAY,
    };
    let consent = Answer::Consent(Consent::to_all(&application));
    let officer = cast.actor(&wish.department, Role::Officer);
    let draft = room.draft(&wish.entry, application, &officer, now).await.map_err(told(output))?;
    let provider = draft.provider.clone();
    let steps = [
        (Action::Submit, officer.clone()),
        (Action::Sign, cast.actor(&wish.department, Role::Head)),
        (Action::Forward, cast.actor(&app.config.authority, Role::Reviewer)),
        (Action::Answer(consent), cast.actor(&provider, Role::Officer)),
        (Action::Countersign, cast.actor(&provider, Role::Head)),
        (Action::Supply, cast.actor(&provider, Role::Officer)),
    ];
    let mut request = draft;
    for (action, actor) in steps {
        if action == Action::Supply {
            // A rule may demand that what went before stands in the ledger.
            sequence::entered(app).await?;
        }
        request = room
            .step(&request.id, &action, Some(request.version), &actor, app.clock.now())
            .await
            .map_err(told(output))?;
    }
    if request.state != RequestState::Supplied {
        bail!("the request ended as {}", request.state.as_str());
    }
    let grant = room.grant_of_request(&request.id, &officer).await.map_err(told(output))?;
    let grant = grant.context("a supplied request has a grant")?;
    let (token, _) =
        room.token_issue(&grant.id, "yihe share", &officer, app.clock.now()).await.map_err(told(output))?;
    Ok(Shared { request, grant, token })
}

fn told(output: &Output) -> impl Fn(ExchangeError) -> anyhow::Error + use<> {
    let language = output.language;
    move |error| anyhow!(error.message(language))
}

fn year_from(day: Date) -> Result<Date> {
    day.checked_add(1.year()).context("a year from today is in the calendar")
}

/// `column=value|value`
fn condition(text: &str) -> Result<Condition> {
    let (column, values) =
        text.split_once('=').with_context(|| format!("found row condition `{text}`, expected column=value|value"))?;
    Ok(Condition {
        column: column.trim().to_owned(),
        values: values.split('|').map(|value| value.trim().to_owned()).collect(),
    })
}
