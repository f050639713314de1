//! Signing in and out.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{Answer, html, internal};
use crate::{
    form::Fields,
    language::Text,
    layout::Part,
    pages::login::{self, LoginView, NAME_MAX, PASSPHRASE_MAX},
    passphrase,
    session::{self, SESSION_COOKIE, SESSION_HOURS, VISIT_COOKIE, set_cookie},
    state::AppState,
    visit::Visit,
};

/// Where to go after signing in.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// `GET /login`
pub async fn show(State(state): State<Arc<AppState>>, mut visit: Visit, Query(next): Query<Next>) -> Answer {
    if visit.account.is_some() {
        return Ok(Redirect::to(&ours(next.next.as_deref())).into_response());
    }
    let fresh = match visit.secret {
        Some(_) => None,
        None => Some(hex::encode(state.store.new_secret())),
    };
    visit.secret = visit.secret.or_else(|| fresh.clone());
    let view = LoginView {
        next: next.next,
        form_token: visit.form_token(),
        patience: state.throttle.patience(),
        ..LoginView::default()
    };
    let mut response = html(login::page(&visit.bare_frame(&state, Part::Elsewhere), &view));
    if let Some(secret) = fresh {
        response
            .headers_mut()
            .append(header::SET_COOKIE, set_cookie(VISIT_COOKIE, &secret, None, state.settings.transport));
    }
    Ok(response)
}

/// `POST /login`
pub async fn sign_in(State(state): State<Arc<AppState>>, visit: Visit, Extension(fields): Extension<Fields>) -> Answer {
    let name = fields.one("name", NAME_MAX)?;
    let passphrase = fields.one("passphrase", PASSPHRASE_MAX)?;
    let next = fields.one("next", 1_024)?;
    let now = state.clock.now();
    let again = |status, fault| again(&state, &visit, status, name, next, fault);
    if let Some(seconds) = state.throttle.resting(name, now) {
        let minutes = seconds.div_ceil(60);
        let fault = Text::new(
            format!("输错次数过多，请 {minutes} 分钟后再试。"),
            format!("Too many wrong tries; try again in {minutes} min."),
        );
        let mut response = again(StatusCode::TOO_MANY_REQUESTS, fault);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        return Ok(response);
    }
    let account = state.store.account_find_by_login(name).await.map_err(internal)?;
    let account = account.filter(|account| account.disabled_at.is_none());
    let kept = account.as_ref().map(|account| account.password_hash.clone());
    let right = passphrase::verify(passphrase.to_owned(), kept).await;
    let Some(account) = account.filter(|_| right) else {
        state.throttle.wrong(name, now);
        // The same words for a wrong name and a wrong passphrase.
        return Ok(again(StatusCode::UNAUTHORIZED, Text::new("账号或口令不对。", "Account or passphrase is wrong.")));
    };
    state.throttle.right(name);
    let token = session::begin(&state.store, &account, now).await.map_err(internal)?;
    let mut response = Redirect::to(&ours(Some(next))).into_response();
    let headers = response.headers_mut();
    headers.append(
        header::SET_COOKIE,
        set_cookie(SESSION_COOKIE, &token, Some(SESSION_HOURS * 3_600), state.settings.transport),
    );
    headers.append(header::SET_COOKIE, set_cookie(VISIT_COOKIE, "", Some(0), state.settings.transport));
    tracing::info!(trace_id = visit.trace_id, account.id = account.id, "signed in");
    Ok(response)
}

/// `POST /logout`
pub async fn sign_out(State(state): State<Arc<AppState>>, visit: Visit) -> Answer {
    if let Some(token) = &visit.secret {
        session::end(&state.store, token).await.map_err(internal)?;
    }
    let mut response = Redirect::to("/").into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, "", Some(0), state.settings.transport));
    Ok(response)
}

/// The form again, with what was wrong. The page is the answer: no problem page replaces it.
fn again(state: &AppState, visit: &Visit, status: StatusCode, name: &str, next: &str, fault: Text) -> Response {
    let view = LoginView {
        next: (!next.is_empty()).then(|| next.to_owned()),
        name: name.to_owned(),
        fault: Some(fault),
        form_token: visit.form_token(),
        patience: state.throttle.patience(),
    };
    let mut response = html(login::page(&visit.bare_frame(state, Part::Elsewhere), &view));
    *response.status_mut() = status;
    response
}

/// A path of ours, never another site's: one slash at the front, nothing that a browser reads as a host.
fn ours(next: Option<&str>) -> String {
    match next {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains(|c: char| c == '\\' || c.is_control()) =>
        {
            path.to_owned()
        }
        _ => "/docket".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_never_leads_to_another_site() {
        assert_eq!(ours(Some("/requests/1?x=2")), "/requests/1?x=2");
        for elsewhere in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb", "/\t/evil.example"]
        {
            assert_eq!(ours(Some(elsewhere)), "/docket", "{elsewhere}");
        }
        assert_eq!(ours(None), "/docket");
    }
}
