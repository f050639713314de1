//! Who is at the door: read once per request, before any route, and handed to every handler.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};
use yihe_store::{Account, Role};

use crate::{
    language::{self, Language, Words},
    layout::{Frame, Part, SignedIn, Standing},
    problem::{Kind, Problem},
    session,
    state::AppState,
};

/// One request's visitor.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Language of the answer.
    pub words: Words,
    /// Path of the request.
    pub path: String,
    /// Path and query without `lang`.
    pub here: String,
    /// Number under which this request is logged.
    pub trace_id: String,
    /// Who is signed in.
    pub account: Option<Arc<Account>>,
    /// The cookie from which form tokens are derived: the session's, or the visit's before sign-in.
    pub secret: Option<String>,
}

/// What the address says about the language.
#[must_use]
pub fn asked_language(uri: &Uri) -> Option<Language> {
    let query = uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "lang")
        .and_then(|(_, value)| language::parse(&value))
}

/// The language of an answer: the address, then the cookie, then `Accept-Language`, then Chinese.
#[must_use]
pub fn choose_language(uri: &Uri, headers: &HeaderMap) -> Language {
    asked_language(uri).or_else(|| session::cookie(headers, language::COOKIE).and_then(language::parse)).unwrap_or_else(
        || {
            let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
            language::negotiate(accepted.unwrap_or_default())
        },
    )
}

/// Path and query of an address without `lang`.
#[must_use]
pub fn without_language(uri: &Uri) -> String {
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "lang" {
            kept.append_pair(&name, &value);
        }
    }
    let kept = kept.finish();
    if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{kept}", uri.path()) }
}

impl Visit {
    /// Whether answers here are problem details rather than pages.
    #[must_use]
    pub fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }

    /// The account, where the route table demands one.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`]; the guard answered so before, unless the route table forgot.
    pub fn account(&self) -> Result<&Account, Problem> {
        self.account.as_deref().ok_or_else(|| Kind::Unauthenticated.into())
    }

    /// The token that forms of this visitor carry.
    #[must_use]
    pub fn form_token(&self) -> String {
        self.secret.as_deref().map_or_else(String::new, session::form_token)
    }

    /// Whether the visitor holds one of the roles in its department.
    #[must_use]
    pub fn holds(&self, roles: &[Role]) -> bool {
        self.account.as_ref().is_some_and(|account| account.roles.iter().any(|role| roles.contains(role)))
    }

    /// The frame of a page, without the count of what waits.
    #[must_use]
    pub fn bare_frame(&self, state: &AppState, part: Part) -> Frame {
        Frame {
            words: self.words,
            city: state.settings.city.clone(),
            here: self.here.clone(),
            part,
            visitor: self.account.as_ref().map(|account| SignedIn {
                name: account.name.clone(),
                form_token: self.form_token(),
                standing: if account.roles.is_empty() { Standing::Onlooker } else { Standing::Party },
                waiting: 0,
            }),
        }
    }

    /// The frame of a page.
    ///
    /// # Errors
    /// The store failed.
    pub async fn frame(&self, state: &AppState, part: Part) -> Result<Frame, Problem> {
        let mut frame = self.bare_frame(state, part);
        if let (Some(account), Some(visitor)) = (&self.account, &mut frame.visitor) {
            visitor.waiting = state.waiting_for(account).await?;
        }
        Ok(frame)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Kind::Internal.into())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_address_beats_the_cookie_and_the_cookie_beats_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        let plain = Uri::from_static("/catalogue?q=a");
        assert_eq!(choose_language(&plain, &headers), Language::En);
        headers.insert(header::COOKIE, HeaderValue::from_static("yihe_lang=zh"));
        assert_eq!(choose_language(&plain, &headers), Language::Zh);
        assert_eq!(choose_language(&Uri::from_static("/?lang=en"), &headers), Language::En);
        assert_eq!(choose_language(&Uri::from_static("/?lang=fr"), &headers), Language::Zh);
    }

    #[test]
    fn the_language_switch_keeps_the_search() {
        assert_eq!(without_language(&Uri::from_static("/catalogue?q=lsq&lang=en&page=2")), "/catalogue?q=lsq&page=2");
        assert_eq!(without_language(&Uri::from_static("/?lang=en")), "/");
    }
}
