//! The ledger's page and its static files (C2SP tlog-tiles), read without any lock.

use std::{path::PathBuf, sync::Arc};

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use yihe_ledger::{hashes::TreeHash, tiles::TilePath, view::LogView};

use super::{
    Answer,
    home::{ledger_head, root_line},
    html, internal,
};
use crate::{
    layout::Part,
    pages::ledger::{self, LedgerView},
    problem::{Kind, Problem},
    state::AppState,
    visit::Visit,
};

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
    };
    Ok(html(ledger::page(&frame, &view)))
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
        Ok(proof) => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response()),
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
