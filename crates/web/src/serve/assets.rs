//! The embedded files, kept by browsers for ever: their addresses change with their content.

use axum::{extract::Path, http::header, response::IntoResponse};

use super::Answer;
use crate::{assets::ASSETS, problem::Kind};

/// `GET /assets/{file}`
pub async fn show(Path(file): Path<String>) -> Answer {
    let path = format!("/assets/{file}");
    let asset = ASSETS.iter().find(|asset| asset.path == path).ok_or(Kind::NotFound)?;
    let headers =
        [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.body).into_response())
}
