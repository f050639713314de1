//! Many calls as one leaf: per interface and interval, the Merkle roots of the calls.
//!
//! A city answers thousands of calls a minute; one leaf each would only make the log long. The
//! leaf's payload holds both roots over the interval's calls, each call salted on its own, so that
//! showing one call says nothing about its neighbours.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    canonical::{CanonicalError, canonical},
    hashes::{Hash, TreeHash},
    merkle::{self, LeafList},
    seal::{Salt, salted_digest},
};

/// Most calls in one batch; an interface busier than this closes its interval earlier.
pub const CALLS_MAX: usize = 1_000_000;

/// Why calls do not make a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallsError {
    #[error("a batch has at most {CALLS_MAX} calls, this one has {found}")]
    TooMany { found: usize },
    #[error("a batch without calls says nothing")]
    Empty,
    #[error("call {position} has no canonical form")]
    Call { position: usize, source: CanonicalError },
    #[error("the batch has {calls} calls, none has position {position}")]
    NoSuchCall { position: u64, calls: u64 },
}

/// The calls of one interface in one interval.
#[derive(Debug, Clone)]
pub struct CallBatch {
    interface: String,
    from: Timestamp,
    until: Timestamp,
    secret: Salt,
    leaves: [Vec<Hash>; 2],
}

/// That one call stands in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallProof {
    /// Position among the batch's calls.
    pub index: u64,
    pub calls: u64,
    pub hash: TreeHash,
    pub path: Vec<Hash>,
    /// This call's own salt.
    pub salt: Salt,
}

impl CallBatch {
    /// Takes the calls of `interface` from `from` up to (not including) `until`, in order. `secret`
    /// is kept by whoever keeps the calls; every call's salt follows from it.
    ///
    /// # Errors
    /// No call, too many, or one without a canonical form.
    pub fn new(
        interface: &str,
        from: Timestamp,
        until: Timestamp,
        calls: &[Value],
        secret: Salt,
    ) -> Result<Self, CallsError> {
        if calls.is_empty() {
            return Err(CallsError::Empty);
        }
        if calls.len() > CALLS_MAX {
            return Err(CallsError::TooMany { found: calls.len() });
        }
        let mut leaves = [Vec::with_capacity(calls.len()), Vec::with_capacity(calls.len())];
        for (position, call) in calls.iter().enumerate() {
            let bytes = canonical(call).map_err(|source| CallsError::Call { position, source })?;
            let salt = call_salt(&secret, position as u64);
            for (leaves, hash) in leaves.iter_mut().zip(TreeHash::BOTH) {
                leaves.push(hash.leaf(&salted_digest(hash, &salt, &bytes)));
            }
        }
        Ok(Self { interface: interface.to_owned(), from, until, secret, leaves })
    }

    /// Root over the calls.
    #[must_use]
    pub fn root(&self, hash: TreeHash) -> Hash {
        let leaves = self.leaves(hash);
        let Ok(root) = merkle::root(hash, &mut LeafList { hash, leaves }, leaves.len() as u64);
        root
    }

    /// The leaf of every call, in order: what names a call that was changed.
    #[must_use]
    pub fn leaves(&self, hash: TreeHash) -> &[Hash] {
        match hash {
            TreeHash::Sha256 => &self.leaves[0],
            TreeHash::Sm3 => &self.leaves[1],
        }
    }

    /// What the batch's entry seals.
    #[must_use]
    pub fn payload(&self) -> Value {
        json!({
            "interface": self.interface,
            "from": self.from.to_string(),
            "until": self.until.to_string(),
            "calls": self.leaves[0].len(),
            "calls_root_sha256": hex::encode(self.root(TreeHash::Sha256)),
            "calls_root_sm3": hex::encode(self.root(TreeHash::Sm3)),
        })
    }

    /// The proof of the call at `position`.
    ///
    /// # Errors
    /// A position beyond the batch.
    pub fn prove(&self, hash: TreeHash, position: u64) -> Result<CallProof, CallsError> {
        let leaves = self.leaves(hash);
        let calls = leaves.len() as u64;
        if position >= calls {
            return Err(CallsError::NoSuchCall { position, calls });
        }
        let Ok(path) = merkle::prove_inclusion(hash, &mut LeafList { hash, leaves }, position, calls);
        Ok(CallProof { index: position, calls, hash, path, salt: call_salt(&self.secret, position) })
    }
}

impl CallProof {
    /// Whether `call` stands in the batch that this payload describes.
    #[must_use]
    pub fn holds(&self, call: &Value, payload: &Value) -> bool {
        let Ok(bytes) = canonical(call) else { return false };
        let field = match self.hash {
            TreeHash::Sha256 => "calls_root_sha256",
            TreeHash::Sm3 => "calls_root_sm3",
        };
        let root = payload
            .get(field)
            .and_then(Value::as_str)
            .and_then(|text| hex::decode(text).ok())
            .and_then(|bytes| Hash::try_from(bytes).ok());
        let Some(root) = root else { return false };
        let leaf = self.hash.leaf(&salted_digest(self.hash, &self.salt, &bytes));
        payload.get("calls").and_then(Value::as_u64) == Some(self.calls)
            && merkle::inclusion_holds(self.hash, &leaf, self.index, self.calls, &self.path, &root)
    }

    /// As it stands in an item file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "index": self.index,
            "calls": self.calls,
            "hash": self.hash.name(),
            "path": self.path.iter().map(hex::encode).collect::<Vec<_>>(),
            "salt": hex::encode(self.salt.0),
        })
    }

    /// Reads what [`Self::to_json`] wrote.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let bytes = |value: &Value| -> Option<[u8; 32]> { hex::decode(value.as_str()?).ok()?.try_into().ok() };
        let hash =
            TreeHash::BOTH.into_iter().find(|hash| value.get("hash").and_then(Value::as_str) == Some(hash.name()))?;
        let path = value.get("path")?.as_array()?;
        if path.len() > crate::proof::PATH_MAX {
            return None;
        }
        Some(Self {
            index: value.get("index")?.as_u64()?,
            calls: value.get("calls")?.as_u64()?,
            hash,
            path: path.iter().map(bytes).collect::<Option<Vec<_>>>()?,
            salt: Salt(bytes(value.get("salt")?)?),
        })
    }
}

/// One call's salt: HMAC-SHA-256 of its position under the batch's secret.
fn call_salt(secret: &Salt, position: u64) -> Salt {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes a key of any length");
    mac.update(&position.to_be_bytes());
    Salt(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: u64) -> (CallBatch, Vec<Value>) {
        let calls: Vec<Value> =
            (0..count).map(|n| json!({"grant": format!("g{}", n % 3), "rows": n, "purpose": "低保核查"})).collect();
        let (from, until) =
            (Timestamp::from_second(1_795_000_000).unwrap(), Timestamp::from_second(1_795_000_060).unwrap());
        (CallBatch::new("population/by-id", from, until, &calls, Salt([4; 32])).unwrap(), calls)
    }

    #[test]
    fn every_call_is_proven_by_its_own_proof_and_no_other() {
        for count in [1, 2, 5, 33] {
            let (batch, calls) = batch(count);
            let payload = batch.payload();
            for hash in TreeHash::BOTH {
                for position in 0..count {
                    let proof = batch.prove(hash, position).unwrap();
                    for (other, call) in calls.iter().enumerate() {
                        assert_eq!(proof.holds(call, &payload), other as u64 == position);
                    }
                    assert_eq!(CallProof::from_json(&proof.to_json()), Some(proof));
                }
            }
        }
    }

    #[test]
    fn no_call_is_an_error_and_so_is_a_position_beyond() {
        let now = Timestamp::from_second(0).unwrap();
        assert_eq!(CallBatch::new("x", now, now, &[], Salt([0; 32])).unwrap_err(), CallsError::Empty);
        assert_eq!(batch(3).0.prove(TreeHash::Sm3, 3), Err(CallsError::NoSuchCall { position: 3, calls: 3 }));
    }
}
