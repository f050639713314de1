//! Stands before every route and lets in whom the route table names; forms also prove that they come from
//! our own page. A handler is not reached otherwise, so it cannot forget.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::{
    form::{FORM_BYTES_MAX, Fields},
    layout::FORM_TOKEN,
    problem::{Kind, Problem},
    routes::{Face, Route, Who},
    session,
    state::AppState,
    visit::Visit,
};

/// The token of an `Authorization: Bearer` header. What it opens is decided where the supply is planned.
#[derive(Clone)]
pub struct Bearer(pub String);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Bearer(***)")
    }
}

/// Most bytes of a token.
const TOKEN_BYTES_MAX: usize = 256;

/// The route's pattern, left on the answer for the log line.
#[derive(Debug, Clone, Copy)]
pub struct Pattern(pub &'static str);

/// The guard of one route.
pub async fn guard(
    State((_, route)): State<(Arc<AppState>, &'static Route)>,
    visit: Visit,
    request: Request,
    next: Next,
) -> Response {
    let mut response = pass(route, &visit, request, next).await;
    response.extensions_mut().insert(Pattern(route.path));
    response
}

async fn pass(route: &'static Route, visit: &Visit, mut request: Request, next: Next) -> Response {
    match admit(route, visit, request.headers()) {
        Ok(None) => {}
        Ok(Some(bearer)) => {
            request.extensions_mut().insert(bearer);
        }
        Err(refusal) => return refusal,
    }
    if route.face == Face::Form {
        request = match check_form(visit, request).await {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

fn admit(route: &Route, visit: &Visit, headers: &HeaderMap) -> Result<Option<Bearer>, Response> {
    match route.who {
        Who::Anyone => Ok(None),
        Who::SignedIn => {
            if visit.account.is_some() {
                Ok(None)
            } else {
                Err(sign_in(route, visit))
            }
        }
        Who::Roles(roles) => {
            if visit.account.is_none() {
                Err(sign_in(route, visit))
            } else if visit.holds(roles) {
                Ok(None)
            } else {
                Err(Problem::from(Kind::Forbidden).into_response())
            }
        }
        Who::Token => {
            let token = headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("Bearer "))
                .map(str::trim)
                .filter(|token| !token.is_empty() && token.len() <= TOKEN_BYTES_MAX);
            let Some(token) = token else {
                let mut response = Problem::from(Kind::Unauthenticated).into_response();
                let how = HeaderValue::from_static("Bearer realm=\"yihe\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
                return Err(response);
            };
            Ok(Some(Bearer(token.to_owned())))
        }
    }
}

/// A page that needs an account leads to the sign-in and back; anything else is refused.
fn sign_in(route: &Route, visit: &Visit) -> Response {
    if route.method == Method::GET && route.face == Face::Page {
        let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &visit.here).finish();
        return Redirect::to(&format!("/login?{next}")).into_response();
    }
    Problem::from(Kind::Unauthenticated).into_response()
}

/// Reads the form, whole and bounded, and compares its token with the visitor's cookie.
async fn check_form(visit: &Visit, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
        Problem::saying(
            Kind::TooLarge,
            format!("表单最大 {} KiB。", FORM_BYTES_MAX / 1024),
            format!("A form may hold at most {} KiB.", FORM_BYTES_MAX / 1024),
        )
    })?;
    let fields = Fields::parse(&bytes)?;
    let sent = fields.one(FORM_TOKEN, 128)?;
    let expected = visit.form_token();
    let elsewhere = parts.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if expected.is_empty() || elsewhere || !session::same(sent, &expected) {
        return Err(Kind::FormToken.into());
    }
    parts.extensions.insert(fields);
    Ok(Request::from_parts(parts, Body::empty()))
}
