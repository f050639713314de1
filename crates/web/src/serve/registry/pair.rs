//! Shows doubtful pairs with their weights and takes reviewers' answers. What an answer decides is the room's.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use yihe_definitions::{Pack, Registry, Sensitivity};
use yihe_registries::{
    Answered, RecordRef, RegistryError,
    candidates::{Waterfall, WaterfallStep},
    duplicates::ENTITY_SIDE,
    review::{self, Answer as Said, Pair, Verdict},
    sight::{Standing, key_sensitivity},
};
use yihe_store::{DecisionFilter, DecisionRow, LabelRow, PAGE_ROWS_MAX};

use super::{
    find_for, masked,
    record::{decision_title, disclose, login, protected, refused},
    source_names, standing,
};
use crate::{
    form::Fields,
    language::Text,
    layout::Part,
    pages::registry::{
        agreement::{self, AgreementView, DisputedLine, ReviewerLine},
        pair::{self, Agreement, PairView, Step, level_title, verdict_title},
        review::{self as list_page, PAGE_SIZE, PairLine, ReviewView},
    },
    problem::{Kind, Problem},
    serve::{Answer, html, internal},
    state::AppState,
    visit::Visit,
};

/// Most answers of a registry that are read for a page.
const ANSWERS_MAX: usize = 200_000;
/// Last place of the work list that is shown; who answers moves it up.
const OFFSET_MAX: usize = 100_000;

/// The name of a pair in addresses: where its record is (or what the other entity is called) and what its entity is
/// called, no number of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairName {
    /// Dataset.
    pub dataset: String,
    /// Batch.
    pub batch: String,
    /// Row of the batch.
    pub row: i64,
    /// The entity's name.
    pub entity: String,
}

impl fmt::Display for PairName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}.{}", self.dataset, self.batch, self.row, self.entity)
    }
}

impl PairName {
    /// The name of a pair.
    #[must_use]
    pub fn of(state: &AppState, known: &Registry, pair: &Pair) -> Self {
        Self {
            dataset: pair.dataset.clone(),
            batch: pair.batch.clone(),
            row: pair.row,
            entity: state.desk.builder.entity_name(known, &pair.entity),
        }
    }

    /// Reads it; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let name = Self { dataset: next()?, batch: next()?, row: next()?.parse().ok()?, entity: next()? };
        parts.next().is_none().then_some(name)
    }
}

/// What the address of a list or a pair asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    after: Option<usize>,
    said: Option<String>,
}

impl Asked {
    /// What became of the pair before, in words.
    fn said(&self, known: &Registry) -> Option<Text> {
        let (word, decided) = self.said.as_deref()?.split_once('-').unwrap_or((self.said.as_deref()?, ""));
        let title = verdict_title(Verdict::parse(word)?);
        let (zh, en) = match decided.strip_prefix("against.") {
            // What stands in the address may be anybody's: only what an identifier may hold is shown.
            Some(id) if id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
                let revoke = format!("yihe registry revoke {} {id} --reason …", known.id);
                (
                    format!("，已记。已有相反的认定 {id}，仍然有效；要改，请先撤销：{revoke}"),
                    format!(
                        ": recorded. Decision {id} says otherwise and stands; to change it, revoke it first: {revoke}"
                    ),
                )
            }
            _ if decided == "decided" => (
                "，意见一致，已成为决定。下次建库生效。".to_owned(),
                ": it is decided, and counts with the next build.".to_owned(),
            ),
            _ => ("，已记。".to_owned(), ": recorded.".to_owned()),
        };
        let said = title.en.unwrap_or_default();
        Some(Text::new(format!("上一对：{}{zh}", title.zh), format!("The pair before: {}{en}", said.to_lowercase())))
    }
}

/// `GET /registries/{id}/review`
pub async fn list(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let view = list_view(&state, &visit, &pack, known, &asked).await?;
    Ok(html(list_page::page(&frame, &view)))
}

/// What the work list shows; the API answers the same.
///
/// # Errors
/// The store or the lake failed.
pub async fn list_view(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    asked: &Asked,
) -> Result<ReviewView, Problem> {
    let offset = asked.after.unwrap_or(0).min(OFFSET_MAX);
    let found = waiting(state, known, &visit.account()?.id, offset, PAGE_SIZE).await?;
    let is_searched = found.is_some();
    let (found, total) = found.unwrap_or_default();
    let answers = answers(state, known).await?;
    let mut pairs = Vec::with_capacity(found.len());
    for pair in &found {
        let (department, dataset) = side_names(pack, known, &pair.dataset);
        let place = (pair.dataset.clone(), pair.record_key.clone(), pair.entity.clone());
        let labels = answers.get(&place).map_or(&[][..], Vec::as_slice);
        pairs.push(PairLine {
            pair: PairName::of(state, known, pair).to_string(),
            department,
            dataset,
            record_key: record_key(pack, known, &pair.dataset, &pair.record_key, true),
            entity_key: masked(key_sensitivity(known.entity), &pair.entity),
            probability: pair.probability,
            differences: steps(known, pair, true).into_iter().filter(|step| differs(step.agreement)).collect(),
            answers: labels.iter().filter_map(|label| Verdict::parse(&label.answer)).collect(),
        });
    }
    Ok(ReviewView {
        registry: known.id.clone(),
        title: known.title.clone(),
        pairs,
        next: (total > offset + PAGE_SIZE).then(|| (offset + PAGE_SIZE).to_string()),
        is_searched,
        said: asked.said(known),
    })
}

/// Department and dataset of a record; where an entity stands in its place, the keeper and what it is.
fn side_names(pack: &Pack, known: &Registry, dataset: &str) -> (Text, Text) {
    if dataset == ENTITY_SIDE {
        let what = Text::new("库中另一实体", "another entity of the registry");
        return (super::department_name(pack, &known.department), what);
    }
    source_names(pack, dataset)
}

/// Pairs that wait for a reviewer, and how many there are in all. `None`: candidates were not looked for yet.
async fn waiting(
    state: &AppState,
    known: &Registry,
    reviewer: &str,
    offset: usize,
    limit: usize,
) -> Result<Option<(Vec<Pair>, usize)>, Problem> {
    match review::list(&state.lake, &state.store, known, reviewer, offset, limit).await {
        Ok(found) => Ok(Some(found)),
        Err(RegistryError::NoCandidates { .. }) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

type Answers = HashMap<(String, String, String), Vec<LabelRow>>;

/// Every answer of a registry, by pair, in the order in which they were first given.
async fn answers(state: &AppState, known: &Registry) -> Result<Answers, Problem> {
    let mut found = Answers::new();
    for label in review::labels(&state.store, &known.id, ANSWERS_MAX).await.map_err(internal)? {
        let place = (label.dataset.clone(), label.record_key.clone(), label.entity_key.clone());
        found.entry(place).or_default().push(label);
    }
    Ok(found)
}

fn differs(agreement: Agreement) -> bool {
    match agreement {
        Agreement::Near | Agreement::Other => true,
        Agreement::Same | Agreement::Missing => false,
    }
}

/// `GET /registries/{id}/pairs/{pair}`
pub async fn show(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Provider)?;
    let found = find(&state, known, &name).await?;
    let mut view = view(&state, &visit, &pack, known, &found, None).await?;
    view.said = asked.said(known);
    Ok(html(pair::page(&frame, &view)))
}

/// `POST /registries/{id}/pairs/{pair}/{act}`: `answer`, or `clear` to see it in clear.
pub async fn act(
    State(state): State<Arc<AppState>>,
    visit: Visit,
    Path((id, name, act)): Path<(String, String, String)>,
    Extension(fields): Extension<Fields>,
) -> Answer {
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    let found = find(&state, known, &name).await?;
    match act.as_str() {
        "clear" => in_clear(&state, &visit, &pack, known, &found, &fields, None).await,
        "answer" => answer(&state, &visit, &pack, known, &found, &fields).await,
        _ => Err(Kind::NotFound.into()),
    }
}

async fn answer(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    pair: &Pair,
    fields: &Fields,
) -> Answer {
    let word = fields.one("answer", 20)?;
    let Some(verdict) = Verdict::parse(word) else {
        return Err(Problem::saying(
            Kind::Unprocessable,
            "回答应为 same、different 或 unsure。",
            "The answer is same, different or unsure.",
        ));
    };
    let shown_at: i64 = fields.one("shown_at", 20)?.parse().unwrap_or(0);
    let record = RecordRef { dataset: pair.dataset.clone(), record_key: pair.record_key.clone() };
    let said = Said {
        record,
        entity_key: pair.entity.clone(),
        verdict,
        seconds: (state.clock.now().as_microsecond() - shown_at) / 1_000_000,
    };
    let actor = visit.account()?.actor();
    let word = match state.desk.builder.answer(known, &said, &actor).await.map_err(refused)? {
        Answered::Noted => word.to_owned(),
        Answered::Decided(_) => format!("{word}-decided"),
        Answered::Against(id) => format!("{word}-against.{id}"),
    };
    let next = waiting(state, known, &actor.account, 0, 1).await?.and_then(|(pairs, _)| pairs.into_iter().next());
    let Some(next) = next else {
        return Ok(Redirect::to(&format!("/registries/{}/review?said={word}", known.id)).into_response());
    };
    // Who judges in clear goes on in clear, for the same reason; each pair is an entry of its own.
    if !fields.one("reason", yihe_registries::sight::REASON_CHARACTERS_MAX)?.is_empty()
        && !is_protected(state, &next).await?
    {
        let said = Asked { said: Some(word), ..Asked::default() }.said(known);
        return in_clear(state, visit, pack, known, &next, fields, said).await;
    }
    let name = PairName::of(state, known, &next);
    Ok(Redirect::to(&format!("/registries/{}/pairs/{name}?said={word}", known.id)).into_response())
}

async fn in_clear(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    pair: &Pair,
    fields: &Fields,
    said: Option<Text>,
) -> Answer {
    if is_protected(state, pair).await? {
        return Err(protected());
    }
    let frame = visit.frame(state, Part::Registries).await?;
    let place = format!("{}/{}/{}", pair.dataset, pair.batch, pair.row);
    let entity = state.desk.builder.entity_name(known, &pair.entity);
    let reason = disclose(state, visit.account()?, known, &entity, &place, fields).await?;
    if pair.merged().is_some() {
        // Two people are seen: each is an entry of its own, found under its own name.
        disclose(state, visit.account()?, known, &pair.batch, &entity, fields).await?;
    }
    let mut view = view(state, visit, pack, known, pair, Some(reason)).await?;
    view.said = said;
    Ok(html(pair::page(&frame, &view)))
}

/// A pair by its name.
///
/// # Errors
/// [`Kind::NotFound`], with why; the lake or the store failed.
pub async fn find(state: &AppState, known: &Registry, name: &str) -> Result<Pair, Problem> {
    let gone = || {
        Problem::saying(
            Kind::NotFound,
            "这一对不在候选清单里：可能已重新查找候选，或记录已有了号码。",
            "This pair is not among the candidates: they were looked for again, or the record has a number now.",
        )
    };
    let name = PairName::parse(name).ok_or_else(gone)?;
    let place = (name.dataset.as_str(), name.batch.as_str(), name.row);
    let found = state.desk.builder.pair_at(known, place, &name.entity).await;
    found.map_err(refused)?.ok_or_else(gone)
}

async fn is_protected(state: &AppState, pair: &Pair) -> Result<bool, Problem> {
    for key in [Some(pair.entity.clone()), pair.merged()].into_iter().flatten() {
        if super::record::is_protected(state, &key).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The decision that stands on a pair, if it names both sides.
async fn decision_on(state: &AppState, known: &Registry, pair: &Pair) -> Result<Option<DecisionRow>, Problem> {
    let mut filter = DecisionFilter { registry: known.id.clone(), standing: true, ..DecisionFilter::default() };
    let Some(merged) = pair.merged() else {
        filter.record = Some((pair.dataset.clone(), pair.record_key.clone()));
        return Ok(state.store.decision_list_newest(&filter, 0, 1).await.map_err(internal)?.into_iter().next());
    };
    filter.entity_key = Some(merged);
    let found = state.store.decision_list_newest(&filter, 0, PAGE_ROWS_MAX).await.map_err(internal)?;
    let names_both =
        |row: &DecisionRow| row.record_key.is_empty() && [&row.entity_key, &row.other_key].contains(&&pair.entity);
    Ok(found.into_iter().find(names_both))
}

/// What the page of a pair shows; the API answers the same, masked.
///
/// # Errors
/// The store or the lake failed.
pub async fn view(
    state: &AppState,
    visit: &Visit,
    pack: &Pack,
    known: &Registry,
    pair: &Pair,
    cleared_for: Option<String>,
) -> Result<PairView, Problem> {
    let is_masked = cleared_for.is_none();
    let account = visit.account()?;
    let is_keeper = standing(visit, pack, known) == Standing::Keeper;
    let (department, dataset) = side_names(pack, known, &pair.dataset);
    let beside = if is_keeper { waiting(state, known, &account.id, 0, PAGE_SIZE).await? } else { None };
    let names: Vec<PairName> =
        beside.unwrap_or_default().0.iter().map(|other| PairName::of(state, known, other)).collect();
    let name = PairName::of(state, known, pair);
    let at = names.iter().position(|other| *other == name);
    let beside = |at: Option<usize>| at.and_then(|at| names.get(at)).map(ToString::to_string);
    let decided = decision_on(state, known, pair).await?;
    let place = (pair.dataset.clone(), pair.record_key.clone(), pair.entity.clone());
    let labels = answers(state, known).await?.remove(&place).unwrap_or_default();
    let mine = |label: &&LabelRow| label.reviewer == account.id;
    let waterfall = pair.waterfall.as_ref();
    let key_of = key_sensitivity(known.entity);
    Ok(PairView {
        registry: known.id.clone(),
        title: known.title.clone(),
        pair: name.to_string(),
        department,
        dataset,
        record_key: record_key(pack, known, &pair.dataset, &pair.record_key, is_masked),
        other: pair.merged().map(|_| pair.batch.clone()),
        entity: name.entity.clone(),
        entity_key: if is_masked { masked(key_of, &pair.entity) } else { pair.entity.clone() },
        prior: waterfall.map_or(0.0, |waterfall| waterfall.prior),
        steps: steps(known, pair, is_masked),
        moved: waterfall.map_or(0.0, |waterfall| waterfall.moved),
        kin: waterfall.map_or(0.0, |waterfall| waterfall.kin),
        probability: pair.probability,
        is_protected: is_protected(state, pair).await?,
        is_keeper,
        answered: labels.iter().find(mine).and_then(|label| Verdict::parse(&label.answer)),
        said: None,
        decided: decided.map(|decision| decision_title(&decision.kind)),
        previous: beside(at.and_then(|at| at.checked_sub(1))),
        next: beside(Some(at.map_or(0, |at| at + 1))),
        shown_at: state.clock.now().as_microsecond(),
        reviewers: u64::from(known.review.reviewers),
        cleared_for,
    })
}

/// The key of a record, its columns masked as the dataset says; of an entity, as keys of the registry are.
fn record_key(pack: &Pack, registry: &Registry, dataset: &str, record_key: &str, is_masked: bool) -> String {
    // Of a dataset without a key, batch and row stand for it: that is nothing personal.
    let Ok(parts) = serde_json::from_str::<Vec<String>>(record_key) else { return record_key.to_owned() };
    let known = pack.dataset(dataset);
    let sensitivity = |at: usize| {
        if dataset == ENTITY_SIDE {
            return key_sensitivity(registry.entity);
        }
        let name = known.and_then(|known| known.key.get(at));
        let column = known.and_then(|known| known.columns.iter().find(|column| Some(&column.name) == name));
        column.map_or(Sensitivity::Hidden, |column| column.sensitivity)
    };
    let shown =
        parts.iter().enumerate().map(|(at, part)| if is_masked { masked(sensitivity(at), part) } else { part.clone() });
    shown.collect::<Vec<_>>().join(" · ")
}

/// The weights that a decision was made by: field, how far the values agreed, bits.
#[must_use]
pub fn weights(known: &Registry, evidence: Option<&Waterfall>) -> Vec<(Text, Text, f64)> {
    let title = |step: &WaterfallStep| {
        let field = known.fields.iter().find(|field| field.name == step.field);
        field.map_or_else(|| Text::new(&step.field, &step.field), |field| field.title.clone())
    };
    let steps = evidence.map(|evidence| evidence.steps.as_slice()).unwrap_or_default();
    steps.iter().map(|step| (title(step), level_title(&step.level).1, step.weight)).collect()
}

fn steps(known: &Registry, pair: &Pair, is_masked: bool) -> Vec<Step> {
    let step = |step: &WaterfallStep| {
        let field = known.fields.iter().find(|field| field.name == step.field);
        let sensitivity = field.map_or(Sensitivity::Hidden, |field| field.sensitivity);
        let shown = |value: &Option<String>| {
            value.as_deref().map(|value| if is_masked { masked(sensitivity, value) } else { value.to_owned() })
        };
        let (agreement, level) = level_title(&step.level);
        Step {
            field: field.map_or_else(|| Text::new(&step.field, &step.field), |field| field.title.clone()),
            record: shown(&step.record),
            entity: shown(&step.entity),
            agreement,
            level,
            weight: step.weight,
            rarity: step.rarity,
        }
    };
    pair.waterfall.iter().flat_map(|waterfall| &waterfall.steps).map(step).collect()
}

/// `GET /registries/{id}/review/agreement`
pub async fn agreement(State(state): State<Arc<AppState>>, visit: Visit, Path(id): Path<String>) -> Answer {
    let frame = visit.frame(&state, Part::Registries).await?;
    let pack = state.pack();
    let known = find_for(&visit, &pack, &id, Standing::Keeper)?;
    Ok(html(agreement::page(&frame, &agreement_view(&state, &pack, known).await?)))
}

/// What the page of agreement shows; the API answers the same.
///
/// # Errors
/// The store failed.
pub async fn agreement_view(state: &AppState, pack: &Pack, known: &Registry) -> Result<AgreementView, Problem> {
    let found = review::agreement(&state.store, known).await.map_err(refused)?;
    let answers = answers(state, known).await?;
    let mut seconds: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for label in answers.values().flatten() {
        seconds.entry(&label.reviewer).or_default().push(label.seconds);
    }
    let mut reviewers = Vec::with_capacity(found.reviewers.len());
    for (account, counts) in &found.reviewers {
        let mut taken = seconds.remove(account.as_str()).unwrap_or_default();
        taken.sort_unstable();
        reviewers.push(ReviewerLine {
            name: login(state, account).await?,
            counts: *counts,
            seconds: taken.get(taken.len() / 2).map_or(0, |seconds| crate::state::count(*seconds)),
        });
    }
    let mut disputed = Vec::with_capacity(found.disputed.len());
    for place in &found.disputed {
        let (dataset, record, entity) = place;
        let mut said = Vec::new();
        for label in answers.get(place).map_or(&[][..], Vec::as_slice) {
            if let Some(verdict) = Verdict::parse(&label.answer) {
                said.push((login(state, &label.reviewer).await?, verdict));
            }
        }
        let pair = state.desk.builder.pair_of(known, (dataset, record), entity).await.map_err(refused)?;
        disputed.push(DisputedLine {
            pair: pair.map(|pair| PairName::of(state, known, &pair).to_string()),
            dataset: side_names(pack, known, dataset).1,
            record_key: record_key(pack, known, dataset, record, true),
            entity_key: masked(key_sensitivity(known.entity), entity),
            answers: said,
        });
    }
    Ok(AgreementView {
        registry: known.id.clone(),
        title: known.title.clone(),
        answers: answers.values().map(|labels| labels.len() as u64).sum(),
        shared: found.compared,
        share: found.share,
        kappa: found.kappa,
        reviewers,
        disputed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_pair_is_read_as_it_is_written() {
        let name = PairName { dataset: "permits".into(), batch: "0199-a".into(), row: 7, entity: "E3k9".into() };
        assert_eq!(PairName::parse(&name.to_string()), Some(name));
        let name = PairName { dataset: "~".into(), batch: "E2c1".into(), row: 0, entity: "E3k9".into() };
        assert_eq!(PairName::parse(&name.to_string()), Some(name));
        for odd in ["", "a.b.c.d", "a.b.1", "a.b.1.e.f", "a..1.e"] {
            assert_eq!(PairName::parse(odd), None, "{odd}");
        }
    }
}
