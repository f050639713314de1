//! A witness's doors (C2SP `tlog-witness`): `POST /add-checkpoint`, and what it cosigned last at
//! `GET /<origin hash>/checkpoint`. It shares nothing with the city's pages but the listener.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use yihe_ledger::witness::{REQUEST_BYTES_MAX, WitnessResponse, WitnessState};
use yihe_vocabulary::Clock;

/// Longest a request may take to arrive.
pub const REQUEST_SECONDS_MAX: u64 = 10;

const TEXT: &str = "text/plain; charset=utf-8";

/// What is behind the doors.
#[derive(Debug)]
pub struct Door {
    /// Keys, logs and records. One request at a time: checking and recording are one step.
    pub state: Mutex<WitnessState>,
    /// The time that cosignatures state.
    pub clock: Arc<dyn Clock>,
}

/// The doors.
pub fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/verifier-keys", get(verifier_keys))
        .route("/{origin}/checkpoint", get(checkpoint))
        .with_state(door)
}

/// Serves until `stop` completes, then lets running answers end.
///
/// # Errors
/// The listener failed.
pub async fn serve_on(
    listener: tokio::net::TcpListener,
    door: Arc<Door>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(door)).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State(door): State<Arc<Door>>, body: Body) -> Response {
    let arriving = tokio::time::timeout(Duration::from_secs(REQUEST_SECONDS_MAX), to_bytes(body, REQUEST_BYTES_MAX));
    let bytes = match arriving.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let why = format!("a request has at most {REQUEST_BYTES_MAX} bytes\n");
            return text(StatusCode::PAYLOAD_TOO_LARGE, TEXT, why);
        }
        Err(_) => {
            let why = format!("a request arrives within {REQUEST_SECONDS_MAX} seconds\n");
            return text(StatusCode::REQUEST_TIMEOUT, TEXT, why);
        }
    };
    let Ok(body) = String::from_utf8(bytes.to_vec()) else {
        return text(StatusCode::BAD_REQUEST, TEXT, "a request is UTF-8 text\n".to_owned());
    };
    let now = u64::try_from(door.clock.now().as_second()).unwrap_or(0);
    let answered = tokio::task::spawn_blocking(move || {
        // After a panic under the lock memory and disk may differ: nothing is cosigned until a restart reads the disk.
        door.state.lock().ok().map(|mut state| state.handle_add_checkpoint(&body, now))
    });
    match answered.await {
        Ok(Some(WitnessResponse { status, content_type, body })) => {
            text(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), content_type, body)
        }
        Ok(None) | Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "nothing was cosigned\n".to_owned()),
    }
}

async fn checkpoint(State(door): State<Arc<Door>>, Path(origin): Path<String>) -> Response {
    let latest =
        tokio::task::spawn_blocking(move || door.state.lock().unwrap_or_else(PoisonError::into_inner).latest(&origin));
    match latest.await {
        Ok(Some(note)) => text(StatusCode::OK, TEXT, note),
        Ok(None) => text(StatusCode::NOT_FOUND, TEXT, "this witness has cosigned no such log\n".to_owned()),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, String::new()),
    }
}

async fn verifier_keys(State(door): State<Arc<Door>>) -> Response {
    let state = door.state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut keys: Vec<String> = state.verifiers().map(ToString::to_string).collect();
    keys.push(String::new());
    text(StatusCode::OK, TEXT, keys.join("\n"))
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}
