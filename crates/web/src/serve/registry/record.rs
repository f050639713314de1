//! Finds and shows golden records: masked, or in clear for a reason that is recorded first.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use jiff::{Timestamp, civil::Date};
use yihe_definitions::{Language, Pack, Registry, Sensitivity};
use yihe_registries::{
    RegistryError,
    sight::{REASON_CHARACTERS_MAX, REASON_CHARACTERS_MIN, Standing, key_sensitivity},
    why::{self, DecisionSeen, FieldWhy, GoldenWhy, Reason},
};
use yihe_store::{Account, DisclosureRow};

use super::{find_for, key_title, masked, pair::PairName, source_names, standing};
use crate::{
    form::Fields,
    language::Text,
    layout::Part,
    pages::registry::{
        self, KEY_CHARACTERS_MAX,
        record::{self, DecisionLine, DisclosureLine, GoldenField, Loser, Origin, RecordLine, RecordView},
    },
    problem::{Kind, Problem},
    serve::{Answer, html, internal},
    state::{AppState, department_name},
    visit::Visit,
};

/// Times in clear that are listed.
const DISCLOSURES_MAX: i64 = 50;

/// `POST /registries/{id}/search`: the number stands in the form and nowhere else.
pub async fn search(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Provider)?;
    let key = fields.one("key", KEY_CHARACTERS_MAX)?;
    let said = match name_of(&state, known, key).await {
        Ok(Some(entity)) => {
            return Ok(Redirect::to(&format!("/registries/{}/records/{entity}", known.id)).into_response());
        }
        Ok(None) => Text::new("库里没有这个号码的记录。", "The registry has no record of this number."),
        Err(RegistryError::Key { .. }) => {
            Text::new("这个号码的校验位不符，请核对后再查。", "The number does not add up; compare it and try again.")
        }
        Err(error) => return Err(refused(error)),
    };
    let frame = visit.frame(&state, Part::Registries).await?;
    let view = super::view(&state, &visit, &pack, known, Some(said)).await?;
    let mut page = html(registry::page(&frame, &view));
    *page.status_mut() = StatusCode::NOT_FOUND;
    Ok(page)
}

/// The name of the entity that a key, in any spelling, or a name stands for.
///
/// # Errors
/// [`RegistryError::Key`]; the lake failed.
pub async fn name_of(state: &AppState, known: &Registry, text: &str) -> Result<Option<String>, RegistryError> {
    let builder = &state.desk.builder;
    let key = builder.spelled(known, text)?;
    let key = why::entity_key(&state.lake, known, &key).await?;
    Ok(key.map(|key| builder.entity_name(known, &key)))
}

/// A refusal of the room as its reader is told.
#[must_use]
pub fn refused(error: RegistryError) -> Problem {
    let kind = match &error {
        RegistryError::NoEntity { .. } | RegistryError::NoRecord { .. } | RegistryError::NoDecision { .. } => {
            Kind::NotFound
        }
        RegistryError::Key { .. } | RegistryError::Undecidable { .. } | RegistryError::Reason { .. } => {
            Kind::Unprocessable
        }
        RegistryError::Contradicts { .. } | RegistryError::NoCandidates { .. } => Kind::Conflict,
        _ => return internal(error),
    };
    Problem::saying(kind, error.message(Language::Zh), error.message(Language::En))
}

/// `GET /registries/{id}/records/{entity}`
pub async fn show(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, entity)): Path<(String, String)>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Provider)?;
    let found = find(&state, known, &entity).await?;
    let view = view(&state, &visit, &pack, known, found, None).await?;
    Ok(html(record::page(&frame, &view)))
}

/// `POST /registries/{id}/records/{entity}/clear`
pub async fn clear(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, entity)): Path<(String, String)>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let found = find(&state, known, &entity).await?;
    if found.protected {
        return Err(protected());
    }
    let reason = disclose(&state, visit.account()?, known, &found.entity, "", &fields).await?;
    let view = view(&state, &visit, &pack, known, found, Some(reason)).await?;
    Ok(html(record::page(&frame, &view)))
}

/// A golden record by its name. A number in the address finds nothing: numbers do not belong there.
///
/// # Errors
/// [`Kind::NotFound`]; the lake or the store failed.
pub async fn find(state: &AppState, known: &Registry, entity: &str) -> Result<GoldenWhy, Problem> {
    if !yihe_registries::identity::is_entity_id(entity) {
        return Err(Kind::NotFound.into());
    }
    let found = why::golden(&state.lake, &state.store, known, entity).await.map_err(refused)?;
    let mut found = found.ok_or(Kind::NotFound)?;
    found.protected |= is_protected(state, &found.key).await?;
    Ok(found)
}

/// Whether an entity is protected from this moment on, under this number or one that was merged with it, whether or
/// not the registry was built since.
///
/// # Errors
/// The store failed.
pub async fn is_protected(state: &AppState, key: &str) -> Result<bool, Problem> {
    state.store.protection_stands_for(key).await.map_err(internal)
}

/// Why a protected person is not shown in clear.
#[must_use]
pub fn protected() -> Problem {
    Problem::saying(
        Kind::Forbidden,
        "受保护人员在任何页面都不显示明文；确需使用的，凭授权经接口取得。",
        "A protected person is shown in clear on no page; whoever is entitled uses a grant.",
    )
}

/// Records that somebody sees an entity in clear, and why; the row and its ledger entry are committed before the
/// values are shown. Returns the reason.
///
/// # Errors
/// A reason that is none; the store failed.
pub async fn disclose(
    state: &AppState,
    account: &Account,
    known: &Registry,
    entity: &str,
    record: &str,
    fields: &Fields,
) -> Result<String, Problem> {
    let reason = fields.one("reason", REASON_CHARACTERS_MAX)?;
    if reason.chars().count() < REASON_CHARACTERS_MIN {
        return Err(Problem::saying(
            Kind::Unprocessable,
            format!("请写明查看明文的理由，至少 {REASON_CHARACTERS_MIN} 个字，如办件编号和事由。"),
            format!(
                "Say why you need to see it, in {REASON_CHARACTERS_MIN} characters or more: the case, for instance."
            ),
        ));
    }
    let actor = account.actor();
    let at = state.clock.now();
    let mut tx = state.store.begin().await.map_err(internal)?;
    let row = DisclosureRow {
        id: tx.new_id(at),
        registry: known.id.clone(),
        entity: entity.to_owned(),
        record: record.to_owned(),
        reason: reason.to_owned(),
        department: actor.department.clone(),
        account: actor.account.clone(),
        at,
    };
    tx.disclosure_insert(&row, &actor.act("record.disclosed", at)).await.map_err(internal)?;
    tx.commit().await.map_err(internal)?;
    Ok(row.reason)
}

/// What the page shows; the API answers the same, masked.
///
/// # Errors
/// The store or the lake failed.
pub async fn view(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    found: GoldenWhy,
    cleared_for: Option<String>,
) -> Result<RecordView, Problem> {
    let is_keeper = standing(visit, pack, known) == Standing::Keeper;
    let is_clear = cleared_for.is_some();
    let of_key = |key: &str| if is_clear { key.to_owned() } else { masked(key_sensitivity(known.entity), key) };
    let mut disclosures = Vec::new();
    if is_keeper {
        let rows = state.store.disclosure_list(&known.id, &found.entity, DISCLOSURES_MAX).await.map_err(internal)?;
        for row in rows {
            disclosures.push(DisclosureLine {
                at: row.at,
                department: department_name(pack, &row.department),
                account: login(state, &row.account).await?,
                reason: row.reason,
            });
        }
    }
    let mut decisions = Vec::with_capacity(found.decisions.len());
    for decision in &found.decisions {
        decisions.push(DecisionLine {
            what: decision_title(&decision.kind),
            who: login(state, &decision.decided_by).await?,
            at: instant(&decision.decided_at),
            reason: if is_keeper { decision.reason.clone() } else { String::new() },
            revoked_at: decision.revoked_at.as_deref().map(instant),
            weights: if is_keeper { super::pair::weights(known, decision.evidence.as_ref()) } else { Vec::new() },
            model: decision.model_version.map(|version| (decision.model.clone(), version)).filter(|_| is_keeper),
            pair_href: pair_href(state, known, &found, decision).await?,
        });
    }
    let records = found
        .records
        .iter()
        .map(|record| {
            let by = found.decisions.iter().position(|decision| decision.id == record.joined_by);
            RecordLine {
                from: origin(pack, &record.dataset, None, Some((&record.batch, record.row))),
                joined_by: by.map_or_else(
                    || Text::new("凭自己的号码", "by its own number"),
                    |at| decision_title(&found.decisions[at].kind),
                ),
                pair_href: by.and_then(|at| decisions[at].pair_href.clone()),
            }
        })
        .collect();
    Ok(RecordView {
        registry: known.id.clone(),
        title: known.title.clone(),
        key_title: crate::language::capital(key_title(known.entity)),
        key: of_key(&found.key),
        other_keys: found.other_keys.iter().map(|key| of_key(key)).collect(),
        standing: found.standing.as_deref().map(standing_title),
        is_protected: found.protected,
        may_clear: is_keeper && !found.protected,
        fields: found.fields.iter().map(|field| golden_field(pack, known, field, is_clear)).collect(),
        records,
        decisions,
        disclosures,
        cleared_for,
        entity: found.entity,
    })
}

/// The login of an account, for people; the account's identifier where it is gone, and `model` as it stands.
pub(crate) async fn login(state: &AppState, account: &str) -> Result<String, Problem> {
    let found = state.store.account_find(account).await.map_err(internal)?;
    Ok(found.map_or_else(|| account.to_owned(), |account| account.login))
}

fn golden_field(pack: &Pack, known: &Registry, field: &FieldWhy, is_clear: bool) -> GoldenField {
    let sensitivity = known.fields.iter().find(|other| other.name == field.field);
    let sensitivity = sensitivity.map_or(Sensitivity::Hidden, |field| field.sensitivity);
    let shown = |value: &str| if is_clear { value.to_owned() } else { masked(sensitivity, value) };
    let value = field.value.as_deref().map(shown);
    let losers = field
        .losers
        .iter()
        .map(|loser| {
            let shown = shown(&loser.value);
            let (zh, en) = reason_words(loser.reason);
            // Under a mask two different values may read the same.
            let hides = value.as_ref() == Some(&shown) && field.value.as_ref() != Some(&loser.value);
            let reason = if hides {
                Text::new(format!("{zh}（脱敏后相同，原值不同）"), format!("{en} (differs below the mask)"))
            } else {
                Text::new(zh, en)
            };
            Loser {
                value: shown,
                from: arrived(
                    origin(pack, &loser.dataset, loser.changed_on.as_deref(), Some((&loser.batch, loser.row))),
                    loser.arrived_at.as_deref(),
                ),
                reason,
            }
        })
        .collect();
    let place = field.batch.as_deref().zip(field.row);
    GoldenField {
        title: field.title.clone(),
        group: field.group.clone(),
        is_masked: !is_clear && sensitivity != Sensitivity::Plain && value.is_some(),
        value,
        from: field.from.as_deref().map(|dataset| {
            arrived(origin(pack, dataset, field.changed_on.as_deref(), place), field.arrived_at.as_deref())
        }),
        losers,
    }
}

fn origin(pack: &Pack, dataset: &str, changed_on: Option<&str>, place: Option<(&str, i64)>) -> Origin {
    let (department, title) = source_names(pack, dataset);
    Origin {
        department,
        dataset: title,
        changed_on: changed_on.and_then(|day| day.parse::<Date>().ok()),
        place: place.map(|(batch, row)| (batch.to_owned(), row)),
        arrived_at: None,
    }
}

fn arrived(origin: Origin, at: Option<&str>) -> Origin {
    Origin { arrived_at: at.and_then(|at| at.parse().ok()), ..origin }
}

/// The weights behind a decision, while the pair is still among the candidates.
async fn pair_href(
    state: &AppState,
    known: &Registry,
    found: &GoldenWhy,
    decision: &DecisionSeen,
) -> Result<Option<String>, Problem> {
    if decision.model.is_empty() || decision.dataset.is_empty() {
        return Ok(None);
    }
    let record = found
        .records
        .iter()
        .find(|record| record.dataset == decision.dataset && record.record_key == decision.record_key);
    let Some(record) = record else { return Ok(None) };
    let listed = why::pair(&state.lake, known, &decision.dataset, &decision.record_key, &decision.entity_key).await;
    let is_listed = match listed {
        Ok(waterfall) => waterfall.is_some(),
        Err(RegistryError::NoCandidates { .. }) => false,
        Err(error) => return Err(refused(error)),
    };
    let name = PairName {
        dataset: record.dataset.clone(),
        batch: record.batch.clone(),
        row: record.row,
        entity: state.desk.builder.entity_name(known, &decision.entity_key),
    };
    Ok(is_listed.then(|| format!("/registries/{}/pairs/{name}", known.id)))
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A decision in words.
#[must_use]
pub fn decision_title(kind: &str) -> Text {
    match kind {
        "join" => Text::new("并入：无号码的记录认定为此实体", "joined: a record without a number is of this entity"),
        "merge" => Text::new("合并：两个实体认定为一个", "merged: two entities are one"),
        "split" => Text::new("拆分：记录认定不属此实体", "split: a record is not of this entity"),
        "apart" => Text::new("不得关联：记录认定不是此实体", "kept apart: a record is not this entity"),
        other => Text::new(other, other),
    }
}

fn standing_title(word: &str) -> Text {
    match word {
        "living" => Text::new("在世", "living"),
        "deceased" => Text::new("已故", "deceased"),
        "emigrated" => Text::new("已迁出", "emigrated"),
        "existing" => Text::new("存续", "existing"),
        "dissolved" => Text::new("已注销", "dissolved"),
        other => Text::new(other, other),
    }
}

fn reason_words(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::LowerAuthority => ("次序在后", "believed later"),
        Reason::TooOld => ("超过时限", "older than the field allows"),
        Reason::Older => ("同一来源有更新的记录", "its dataset has a later record"),
        Reason::Group => ("同组取自另一条记录", "its group was taken from another record"),
        Reason::NotListed => ("只作比对", "only compared"),
    }
}
