//! Passphrases of local accounts: argon2id, one hash at a time per processor, so that a burst of sign-ins
//! cannot take the memory of the machine.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version, password_hash::phc::PasswordHash,
};
use tokio::sync::Semaphore;

/// Memory of one hash in KiB, passes and lanes: the first choice of OWASP's password storage sheet for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes that run at once; others wait in line.
const AT_ONCE: usize = 2;
static LINE: Semaphore = Semaphore::const_new(AT_ONCE);

/// A hash that no passphrase of a real account has: checking against it takes as long as a real check, so
/// that an answer's time does not tell which accounts exist.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LW5vYm9keQ$WTsJjQ0XBz5Q3sZ0mE8nD3V0yV1gk2bq0m9w3a8b7cA";

/// Why a passphrase could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Too short or too long.
    #[error("found a passphrase of {found} characters, expected {SHORTEST} to {LONGEST}")]
    Length {
        /// Characters.
        found: usize,
    },
    /// The hash function refused.
    #[error("failed to hash a passphrase: {0}")]
    Hash(String),
}

/// Fewest characters of a new passphrase.
pub const SHORTEST: usize = 8;
/// Most characters.
pub const LONGEST: usize = crate::pages::login::PASSPHRASE_MAX;

/// The PHC string to keep for a new passphrase. `salt` is 16 fresh random bytes.
///
/// # Errors
/// A passphrase outside [`SHORTEST`]`..=`[`LONGEST`] characters.
pub fn hash(passphrase: &str, salt: &[u8; 16]) -> Result<String, PassphraseError> {
    let found = passphrase.chars().count();
    if !(SHORTEST..=LONGEST).contains(&found) {
        return Err(PassphraseError::Length { found });
    }
    let hash: PasswordHash = function()
        .hash_password_with_salt(passphrase.as_bytes(), salt)
        .map_err(|error| PassphraseError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `passphrase` is the one that `kept` was made from. Without an account (`None`) it takes as long and says no.
///
/// Waits in line while [`AT_ONCE`] others are hashed; the router's time limit bounds the wait.
pub async fn verify(passphrase: String, kept: Option<String>) -> bool {
    let Ok(_turn) = LINE.acquire().await else { return false };
    let known = kept.is_some();
    let kept = kept.unwrap_or_else(|| NOBODY.to_owned());
    tokio::task::spawn_blocking(move || {
        let Ok(kept) = PasswordHash::new(&kept) else { return false };
        function().verify_password(passphrase.as_bytes(), &kept).is_ok()
    })
    .await
    .unwrap_or(false)
        && known
}

fn function() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters above are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_passphrase_opens() {
        let kept = hash("沂水长流-2026", &[7; 16]).expect("long enough");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("沂水长流-2026".into(), Some(kept.clone())).await);
        assert!(!verify("沂水长流-2025".into(), Some(kept)).await);
        assert!(!verify("沂水长流-2026".into(), None).await);
        assert!(!verify("沂水长流-2026".into(), Some("no hash at all".into())).await);
    }

    #[test]
    fn the_hash_for_nobody_is_well_formed_and_costs_the_same() {
        let nobody = PasswordHash::new(NOBODY).expect("a PHC string");
        assert_eq!(nobody.params.to_string(), "m=19456,t=2,p=1");
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        assert!(matches!(hash("short", &[0; 16]), Err(PassphraseError::Length { found: 5 })));
    }
}
