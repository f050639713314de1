//! Sessions: opaque cookies whose digest the store keeps, and the tokens that forms carry.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use yihe_store::{Account, Session, Store, StoreError};

/// How long a session lasts: a working day with its overtime. Longer needs a new sign-in.
pub const SESSION_HOURS: i64 = 10;

/// Cookie of a session.
pub const SESSION_COOKIE: &str = "yihe_session";
/// Cookie of a visitor who is not signed in; binds the sign-in form to the browser that fetched it.
pub const VISIT_COOKIE: &str = "yihe_visit";

/// Most bytes of a cookie value that are looked at; ours are 64.
const COOKIE_BYTES_MAX: usize = 128;

/// Whether cookies demand TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Served over TLS (by a proxy): cookies carry `Secure`.
    Tls,
    /// Plain HTTP on one machine or behind nothing: the demonstration.
    Plain,
}

/// The value of a cookie of ours.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty() && value.len() <= COOKIE_BYTES_MAX)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` header. `seconds` 0 removes the cookie; `None` keeps it until the browser closes.
///
/// # Panics
/// A name or value that a header cannot hold; ours are plain ASCII.
#[must_use]
pub fn set_cookie(name: &str, value: &str, seconds: Option<i64>, transport: Transport) -> HeaderValue {
    let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::Plain => "",
    };
    HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}"))
        .expect("cookie names and values of ours are plain ASCII")
}

/// The account of a session, unless the session is over or the account is disabled.
///
/// # Errors
/// The store failed.
pub async fn find(store: &Store, token: &str, now: Timestamp) -> Result<Option<Account>, StoreError> {
    let Some(session) = store.session_find(token, now).await? else { return Ok(None) };
    let account = store.account_find(&session.account).await?;
    Ok(account.filter(|account| account.disabled_at.is_none()))
}

/// Begins a session and returns its token, for the cookie.
///
/// # Errors
/// The store failed.
pub async fn begin(store: &Store, account: &Account, now: Timestamp) -> Result<String, StoreError> {
    let token = hex::encode(store.new_secret());
    let expires_at = now + SignedDuration::from_hours(SESSION_HOURS);
    let mut tx = store.begin().await?;
    tx.session_sweep(now).await?;
    tx.session_insert(&token, &Session { account: account.id.clone(), created_at: now, expires_at }).await?;
    tx.commit().await?;
    Ok(token)
}

/// Ends a session.
///
/// # Errors
/// The store failed.
pub async fn end(store: &Store, token: &str) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.session_delete(token).await?;
    tx.commit().await
}

/// The token that forms of a session (or of a visit, before sign-in) carry. Derived, so nothing more is kept;
/// who cannot read the cookie cannot make it.
#[must_use]
pub fn form_token(secret: &str) -> String {
    hex::encode(Sha256::new().chain_update(b"yihe form token\0").chain_update(secret.as_bytes()).finalize())
}

/// Compares two tokens in a time that depends on their length only.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_never_by_a_prefix() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; xyihe_session=no; yihe_session=abc"));
        headers.append(header::COOKIE, HeaderValue::from_static("yihe_lang=en"));
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("abc"));
        assert_eq!(cookie(&headers, "yihe_lang"), Some("en"));
        assert_eq!(cookie(&headers, VISIT_COOKIE), None);
    }

    #[test]
    fn a_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let value = set_cookie(SESSION_COOKIE, "abc", Some(60), Transport::Tls);
        assert_eq!(value, "yihe_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    }

    #[test]
    fn tokens_are_the_same_only_when_every_byte_is() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd"));
        assert!(!same("abc", "ab"));
        assert_ne!(form_token("one"), form_token("two"));
    }
}
