//! The ledger's page and its static files (C2SP tlog-tiles), read without any lock.

use std::{path::PathBuf, sync::Arc};

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use yihe_ledger::{
    hashes::TreeHash, keys::VERIFIER_KEYS_FILE, note::Note, policy::Policy, tiles::TilePath, view::LogView,
};
use yihe_store::{RunState, object::URN};

use super::{
    Answer,
    home::{ledger_head, root_line},
    html, internal,
};
use crate::{
    language::Text,
    layout::Part,
    pages::ledger::{self, LedgerView, Round, RoundState, WitnessLine},
    problem::{Kind, Problem},
    state::AppState,
    visit::Visit,
};

/// Step and subject of the monitor's rounds among the runs.
pub const MONITOR_STEP: &str = "ledger.verify";
/// As [`MONITOR_STEP`].
pub const MONITOR_SUBJECT: &str = "ledger";
/// What the monitor found waits on the docket under this procedure.
pub const ALARM_PROCEDURE: &str = "ledger_alarm";
/// The object of such an item: the ledger itself.
pub const ALARM_SUBJECT: &str = "urn:yihe:ledger:log";
/// Runs looked through for the last round.
const RUNS_MAX: i64 = 20;

/// Where an alarm is shown.
#[must_use]
pub fn alarm_href(subject: &str) -> Option<&'static str> {
    subject.strip_prefix(URN).is_some_and(|rest| rest.starts_with("ledger:")).then_some("/ledger#round")
}

/// `GET /ledger`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    let frame = visit.frame(&state, Part::Ledger).await?;
    let head = |hash| state.log.as_ref().and_then(|log| log.head(hash).ok());
    let view = LedgerView {
        head: ledger_head(&state),
        checkpoint: head(TreeHash::Sha256).map(|head| head.note),
        verifier_keys: state.log.as_ref().map(|log| {
            let text = log.trusted().to_text();
            text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
        }),
        sm3_root: head(TreeHash::Sm3).map(|head| root_line(&head)),
        witnesses: witnesses(&state),
        round: round(&state, visit.account.is_some()).await?,
    };
    Ok(html(ledger::page(&frame, &view)))
}

/// `GET /ledger/policy`: whom this city asks its readers to believe. Its keys are to be compared elsewhere.
pub async fn policy(State(state): State<Arc<AppState>>) -> Answer {
    let policy = state.settings.policy.clone().ok_or(Kind::NotFound)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, policy).into_response())
}

/// `GET /ledger/verifier-keys`
pub async fn verifier_keys(State(state): State<Arc<AppState>>) -> Answer {
    file(log(&state)?.folder().join(VERIFIER_KEYS_FILE), Keep::Never).await
}

/// `GET /ledger/witnessed/checkpoint`
pub async fn witnessed(State(state): State<Arc<AppState>>) -> Answer {
    file(log(&state)?.witnessed_path(TreeHash::Sha256), Keep::Never).await
}

/// `GET /ledger/sm3/witnessed/checkpoint`
pub async fn sm3_witnessed(State(state): State<Arc<AppState>>) -> Answer {
    file(log(&state)?.witnessed_path(TreeHash::Sm3), Keep::Never).await
}

/// `GET /ledger/checkpoint` and `GET /api/v1/ledger/checkpoint`
pub async fn checkpoint(State(state): State<Arc<AppState>>) -> Answer {
    let log = log(&state)?;
    file(log.checkpoint_path(TreeHash::Sha256), Keep::Never).await
}

/// `GET /ledger/sm3/checkpoint`
pub async fn sm3_checkpoint(State(state): State<Arc<AppState>>) -> Answer {
    let log = log(&state)?;
    file(log.checkpoint_path(TreeHash::Sm3), Keep::Never).await
}

/// `GET /ledger/tile/{*path}`
pub async fn tile(State(state): State<Arc<AppState>>, Path(path): Path<String>) -> Answer {
    tile_of(&state, TreeHash::Sha256, &path).await
}

/// `GET /ledger/sm3/tile/{*path}`
pub async fn sm3_tile(State(state): State<Arc<AppState>>, Path(path): Path<String>) -> Answer {
    tile_of(&state, TreeHash::Sm3, &path).await
}

/// `GET /ledger/proof/{index}`: that an entry stands in the tree of the last checkpoint (C2SP tlog-proof).
pub async fn proof(State(state): State<Arc<AppState>>, Path(index): Path<u64>) -> Answer {
    let log = log(&state)?.clone();
    let proof = tokio::task::spawn_blocking(move || log.prove(TreeHash::Sha256, index)).await.map_err(internal)?;
    match proof {
        Ok(proof) => {
            let name = format!("attachment; filename=\"entry-{index}.tlog-proof\"");
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
                (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(internal)?),
            ];
            Ok((headers, proof.to_string()).into_response())
        }
        Err(yihe_ledger::error::LedgerError::NoSuchEntry { .. }) => Err(Kind::NotFound.into()),
        Err(error) => Err(internal(error)),
    }
}

/// A path is read as a tile's before it comes near the file system, so it leads nowhere else.
async fn tile_of(state: &AppState, hash: TreeHash, path: &str) -> Answer {
    let tile: TilePath = format!("tile/{path}").parse().map_err(|defect: yihe_ledger::tiles::TilePathDefect| {
        Problem::saying(Kind::Malformed, format!("瓦片路径不对：{path}"), defect.to_string())
    })?;
    file(log(state)?.tile_path(hash, tile), Keep::Forever).await
}

fn log(state: &AppState) -> Result<&LogView, Problem> {
    state.log.as_ref().ok_or_else(|| Kind::NotFound.into())
}

/// Whether a file can change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// A checkpoint moves on.
    Never,
    /// A tile, full or partial, never changes once it is written.
    Forever,
}

async fn file(path: PathBuf, keep: Keep) -> Result<Response, Problem> {
    let body = match tokio::fs::read(&path).await {
        Ok(body) => body,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Kind::NotFound.into()),
        Err(error) => return Err(Problem::internal(&error)),
    };
    let (media_type, caching) = match keep {
        Keep::Never => ("text/plain; charset=utf-8", "no-cache"),
        Keep::Forever => ("application/octet-stream", "public, max-age=31536000, immutable"),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    Ok((headers, body).into_response())
}

/// The policy's witnesses, and up to which entry each has cosigned the witnessed checkpoints.
fn witnesses(state: &AppState) -> Vec<WitnessLine> {
    let policy = state.settings.policy.as_deref().and_then(|text| Policy::read(text.as_bytes()).ok());
    let (Some(log), Some(policy)) = (&state.log, policy) else { return Vec::new() };
    let heads: Vec<_> = TreeHash::BOTH.into_iter().filter_map(|hash| log.witnessed_head(hash).ok().flatten()).collect();
    policy
        .witnesses()
        .map(|(name, key)| {
            let cosigned = heads.iter().find_map(|head| {
                let note: Note = head.note.parse().ok()?;
                let held = note.verify(std::slice::from_ref(key)).ok()?;
                Some((head.size, held.first()?.cosigned_at))
            });
            let at = cosigned.and_then(|(_, at)| at).and_then(|at| i64::try_from(at).ok());
            WitnessLine {
                name,
                key: key.to_string(),
                size: cosigned.map(|(size, _)| size),
                at: at.and_then(|at| jiff::Timestamp::from_second(at).ok()),
            }
        })
        .collect()
}

/// The monitor's last round. What it found is named to whoever is signed in: it may name rows.
async fn round(state: &AppState, signed_in: bool) -> Result<Option<Round>, Problem> {
    let runs = state.store.run_list(Some(MONITOR_SUBJECT), RUNS_MAX).await.map_err(internal)?;
    let Some(run) = runs.into_iter().find(|run| run.step == MONITOR_STEP) else { return Ok(None) };
    let result: Value = run.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let texts = |name: &str| -> Vec<Text> {
        let list = result[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| Text::new(value["zh"].as_str().unwrap_or(""), value["en"].as_str().unwrap_or(""));
        if signed_in { list.iter().map(text).collect() } else { Vec::new() }
    };
    let found = result["faults_total"].as_u64().unwrap_or(0);
    let silences = result["silences"].as_array().map_or(0, Vec::len) as u64;
    Ok(Some(Round {
        state: match run.state {
            RunState::Running => RoundState::Running,
            RunState::Done if found == 0 && silences == 0 => RoundState::Clean,
            RunState::Done => RoundState::Alarm,
            RunState::Failed | RunState::Abandoned => RoundState::Failed,
        },
        started_at: run.started_at,
        ended_at: run.ended_at,
        entries: result["entries"].as_u64().unwrap_or(0),
        rows: result["rows"].as_u64().unwrap_or(0),
        faults_total: found,
        silences_total: silences,
        findings: texts("faults").into_iter().chain(texts("silences")).collect(),
        error: run.error,
    }))
}
