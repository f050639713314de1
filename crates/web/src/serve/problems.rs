//! The pages behind the `type` of problem details.

use std::sync::Arc;

use axum::extract::{Path, State};

use super::{Answer, html};
use crate::{
    layout::Part,
    pages::refusal,
    problem::{Kind, Problem},
    state::AppState,
    visit::Visit,
};

/// `GET /problems/{slug}`
pub async fn show(State(state): State<Arc<AppState>>, visit: Visit, Path(slug): Path<String>) -> Answer {
    let kind = Kind::ALL.into_iter().find(|kind| kind.slug() == slug).ok_or(Kind::NotFound)?;
    let frame = visit.frame(&state, Part::Elsewhere).await?;
    Ok(html(refusal::page(&frame, &Problem::from(kind), &visit.trace_id)))
}
