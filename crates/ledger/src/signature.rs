//! The signature algorithms a note of ours can carry, and the keys that make and check them.
//!
//! Ed25519 as C2SP assigns it (`0x01` for a log, `0x04` for a cosigner). SM2 with SM3
//! (GB/T 32918.2, identity `1234567812345678` of GM/T 0009) has no assigned type, so it stands
//! under `0xff` followed by a long identifier, as `signed-note` recommends.

use sm2::dsa::signature::{Signer as _, Verifier as _};

/// What follows `0xff` in the type of a log's SM2 signature.
const SM2_NOTE: &[u8] = b"\xffyihe/sm2-sm3/note@v1";
/// What follows `0xff` in the type of a cosigner's SM2 signature.
const SM2_COSIGNATURE: &[u8] = b"\xffyihe/sm2-sm3/cosignature@v1";
/// Identity hashed before the message: GM/T 0009-2012 §10, also what OpenSSL is told in our tests.
pub const SM2_IDENTITY: &str = "1234567812345678";

/// Which algorithm, and what it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// A log's own signature over the text.
    Ed25519,
    /// A cosigner's, over `cosignature/v1`, a time and the text (C2SP `tlog-cosignature`).
    Ed25519Cosignature,
    /// As [`Self::Ed25519`], with SM2.
    Sm2,
    /// As [`Self::Ed25519Cosignature`], with SM2.
    Sm2Cosignature,
}

impl Algorithm {
    /// The signature type identifier as it stands in a verifier key and in a key id.
    #[must_use]
    pub fn type_bytes(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x01],
            Self::Ed25519Cosignature => &[0x04],
            Self::Sm2 => SM2_NOTE,
            Self::Sm2Cosignature => SM2_COSIGNATURE,
        }
    }

    /// Whether its signatures carry a time.
    #[must_use]
    pub fn is_cosignature(self) -> bool {
        match self {
            Self::Ed25519Cosignature | Self::Sm2Cosignature => true,
            Self::Ed25519 | Self::Sm2 => false,
        }
    }

    /// Whether it is of the SM2 family.
    #[must_use]
    pub fn is_sm2(self) -> bool {
        match self {
            Self::Sm2 | Self::Sm2Cosignature => true,
            Self::Ed25519 | Self::Ed25519Cosignature => false,
        }
    }
}

/// A public key together with what it signs.
#[derive(Debug, Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    point: Point,
}

#[derive(Debug, Clone)]
enum Point {
    Ed25519(ed25519_dalek::VerifyingKey),
    Sm2(Box<sm2::dsa::VerifyingKey>),
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.to_bytes() == other.to_bytes()
    }
}
impl Eq for PublicKey {}

impl PublicKey {
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// 32 bytes for Ed25519 (RFC 8032); 65 for SM2 (uncompressed point, GB/T 32918.1 §4.2.8).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.point {
            Point::Ed25519(key) => key.to_bytes().to_vec(),
            Point::Sm2(key) => key.to_sec1_bytes().to_vec(),
        }
    }

    /// Reads a type identifier and the key after it, as a verifier key encodes them.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn from_typed_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let all = [Algorithm::Ed25519, Algorithm::Ed25519Cosignature, Algorithm::Sm2, Algorithm::Sm2Cosignature];
        for algorithm in all {
            let Some(key) = bytes.strip_prefix(algorithm.type_bytes()) else { continue };
            let point = if algorithm.is_sm2() {
                if key.len() != 65 {
                    return Err("an SM2 key is an uncompressed point of 65 bytes");
                }
                let key = sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_IDENTITY, key)
                    .map_err(|_| "an SM2 key is a point of the curve")?;
                Point::Sm2(Box::new(key))
            } else {
                let key = key.try_into().map_err(|_| "an Ed25519 key has 32 bytes")?;
                Point::Ed25519(
                    ed25519_dalek::VerifyingKey::from_bytes(key)
                        .map_err(|_| "an Ed25519 key is a point of the curve")?,
                )
            };
            return Ok(Self { algorithm, point });
        }
        Err("a key type is Ed25519 (01, 04) or SM2 (ff and our identifiers); ML-DSA is not read yet")
    }

    /// `Some` when the signature holds over `text`; inside it the cosigner's time, if its algorithm
    /// has one.
    #[must_use]
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> Option<Option<u64>> {
        if !self.algorithm.is_cosignature() {
            return self.verify_bytes(text, signature).then_some(None);
        }
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let seconds = u64::from_be_bytes(*time);
        if seconds > i64::MAX.cast_unsigned() {
            return None;
        }
        self.verify_bytes(&cosigned_message(seconds, text), signature).then_some(Some(seconds))
    }

    fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.point {
            Point::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Point::Sm2(key) => sm2::dsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// `cosignature/v1`, the time and the whole note text (C2SP `tlog-cosignature`).
fn cosigned_message(seconds: u64, text: &[u8]) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {seconds}\n").into_bytes();
    message.extend_from_slice(text);
    message
}

/// A private key together with what it signs. `Debug` never shows it.
pub struct PrivateKey {
    algorithm: Algorithm,
    secret: Secret,
}

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Sm2(Box<sm2::dsa::SigningKey>),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).field("secret", &"***").finish()
    }
}

impl PrivateKey {
    /// A key from 32 random bytes.
    ///
    /// # Errors
    /// For SM2, bytes that are zero or not below the order of the curve (one in 2^32): draw again.
    pub fn from_seed(algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, &'static str> {
        let secret = if algorithm.is_sm2() {
            let key = sm2::dsa::SigningKey::from_slice(SM2_IDENTITY, seed)
                .map_err(|_| "an SM2 secret is between 1 and the order of the curve")?;
            Secret::Sm2(Box::new(key))
        } else {
            Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
        };
        Ok(Self { algorithm, secret })
    }

    /// The 32 bytes it was made from.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        match &self.secret {
            Secret::Ed25519(key) => key.to_bytes(),
            Secret::Sm2(key) => key.to_bytes().into(),
        }
    }

    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let point = match &self.secret {
            Secret::Ed25519(key) => Point::Ed25519(key.verifying_key()),
            Secret::Sm2(key) => Point::Sm2(Box::new(key.verifying_key().clone())),
        };
        PublicKey { algorithm: self.algorithm, point }
    }

    /// What stands in a signature line after the key id. `cosigned_at` (seconds since 1970) is used
    /// by cosigners only. Both algorithms are deterministic: the same text gives the same line,
    /// which is what lets a repaired log publish the checkpoint it had signed.
    ///
    /// # Panics
    /// Never for a key that [`Self::from_seed`] accepted: SM2 refuses a nonce once in 2^256.
    #[must_use]
    pub fn sign(&self, text: &[u8], cosigned_at: u64) -> Vec<u8> {
        if !self.algorithm.is_cosignature() {
            return self.sign_bytes(text);
        }
        let mut signature = cosigned_at.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.sign_bytes(&cosigned_message(cosigned_at, text)));
        signature
    }

    fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Secret::Sm2(key) => key.sign(message).to_vec(),
        }
    }
}
