//! Puts the route table behind the doors that every request passes: bounds, visitor, time limit, panics,
//! problems, headers, the log line.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

use crate::{
    guard::{Pattern, guard},
    language::{self, Words},
    layout::Part,
    pages,
    problem::{Kind, Problem},
    routes::ROUTES,
    serve::html,
    session,
    state::AppState,
    visit::{Visit, asked_language, choose_language, without_language},
};

/// Most bytes of path and query.
pub const ADDRESS_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of all header names and values.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest an answer may take before its first byte.
pub const ANSWER_SECONDS_MAX: u64 = 60;

/// Sent with every answer. Nothing is loaded from elsewhere, nothing is inline, nobody may frame us.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The whole of the doors, ready to serve.
pub fn router(state: Arc<AppState>) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        let guarded = (route.handler)().route_layer(middleware::from_fn_with_state((state.clone(), route), guard));
        router = router.route(route.path, guarded);
    }
    router
        .fallback(async || Problem::from(Kind::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Kind::Method))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), enter))
        .layer(CompressionLayer::new())
        .with_state(state)
}

/// Serves until `stop` completes, then lets running answers end.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: Arc<AppState>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(state)).with_graceful_shutdown(stop).await
}

/// The outermost step: who comes, what came of it.
async fn enter(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let uri = request.uri().clone();
    let mut visit = Visit {
        words: Words(choose_language(&uri, request.headers())),
        path: uri.path().to_owned(),
        here: without_language(&uri),
        trace_id: hex::encode(&state.store.new_secret()[..8]),
        account: None,
        secret: None,
    };
    // The pattern, never the path: keys of records stand in paths.
    let mut pattern = None;
    let response = if let Err(problem) = admit(&state, &mut visit, &uri, request.headers()).await {
        problem.into_response()
    } else {
        request.extensions_mut().insert(visit.clone());
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), next.run(request)).await;
        let answer = answer.unwrap_or_else(|_| Problem::from(Kind::Timeout).into_response());
        pattern = answer.extensions().get::<Pattern>().map(|pattern| pattern.0);
        answer
    };
    let mut response = present(&state, &visit, response);
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.append(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    if let Some(chosen) = asked_language(&uri) {
        let value =
            session::set_cookie(language::COOKIE, language::name(chosen), Some(31_536_000), state.settings.transport);
        headers.append(header::SET_COOKIE, value);
    }
    tracing::info!(
        trace_id = visit.trace_id,
        method = method.as_str(),
        route = pattern.unwrap_or("none"),
        status = response.status().as_u16(),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// Bounds first, then who it is.
async fn admit(state: &AppState, visit: &mut Visit, uri: &axum::http::Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let address = uri.path().len() + uri.query().map_or(0, str::len);
    bounded(address, ADDRESS_BYTES_MAX, "地址", "The address")?;
    let all = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    bounded(all, HEADER_BYTES_MAX, "请求头", "The headers")?;
    if let Some(token) = session::cookie(headers, session::SESSION_COOKIE) {
        let account =
            session::find(&state.store, token, state.clock.now()).await.map_err(|error| Problem::internal(&error))?;
        if let Some(account) = account {
            visit.account = Some(Arc::new(account));
            visit.secret = Some(token.to_owned());
        }
    }
    if visit.account.is_none() {
        visit.secret = session::cookie(headers, session::VISIT_COOKIE).map(str::to_owned);
    }
    Ok(())
}

fn bounded(found: usize, most: usize, zh: &str, en: &str) -> Result<(), Problem> {
    if found <= most {
        return Ok(());
    }
    Err(Problem::saying(
        Kind::TooLarge,
        format!("{zh}有 {found} 字节，最多 {most} 字节。"),
        format!("{en} has {found} bytes, at most {most} are taken."),
    ))
}

/// Writes a problem as its reader wants it: a page, or problem details below `/api/`.
fn present(state: &AppState, visit: &Visit, mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>().or_else(|| unexplained(&response)) else {
        return response;
    };
    if let Some(cause) = &problem.cause {
        tracing::error!(trace_id = visit.trace_id, cause, "failed");
    }
    let shown = if visit.is_api() {
        let body = problem.to_json(visit.words.0, &visit.path, &visit.trace_id).to_string();
        ([(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    } else {
        html(pages::refusal::page(&visit.bare_frame(state, Part::Elsewhere), &problem, &visit.trace_id))
    };
    let (mut parts, body) = shown.into_parts();
    parts.status = problem.kind.status_code();
    // What the refusing side set stays: Allow, Retry-After, WWW-Authenticate.
    for (name, value) in response.headers() {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            parts.headers.insert(name, value.clone());
        }
    }
    Response::from_parts(parts, body)
}

/// A refusal of axum's own (an unreadable query, say): its words are for programmers, so ours replace them.
fn unexplained(response: &Response) -> Option<Problem> {
    let status = response.status();
    // A page of ours that explains itself: the sign-in form after a wrong try.
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let kind = match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::Method,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::Unprocessable,
        status if status.is_client_error() => Kind::Malformed,
        _ => Kind::Internal,
    };
    Some(kind.into())
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let cause = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned());
    Problem { cause: Some(cause), ..Kind::Internal.into() }.into_response()
}
