//! Checking a proof offline: a policy, a proof file, and the item it is about.

use serde_json::{Value, json};

use crate::{
    calls::CallProof,
    canonical::{CanonicalError, canonical},
    entry::{Entry, EntryDefect},
    merkle,
    policy::{Policy, PolicyError},
    proof::{ProofDefect, TlogProof},
    seal::{PayloadVerdict, Salt},
};

/// Longest item file read.
pub const ITEM_BYTES_MAX: usize = 4 << 20;

/// What a person holds beside the proof: the entry and, as far as they were handed over, the
/// payload, its salt, and one call of a batch.
///
/// ```json
/// {"entry": {…}, "payload": {…}, "salt": "<64 hex>", "call": {…}, "call_proof": {…}}
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub entry: Entry,
    pub payload: Option<Value>,
    pub salt: Option<Salt>,
    pub call: Option<(Value, CallProof)>,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the item is not JSON with an `entry`: {expected}")]
    Item { expected: String },
    #[error("the item's entry has no canonical form")]
    Canonical { source: CanonicalError },
    #[error("the item's entry is not one of ours")]
    Entry { source: EntryDefect },
    #[error("the proof file cannot be read")]
    Proof { source: ProofDefect },
    #[error("the checkpoint is not accepted by the policy")]
    Policy { source: PolicyError },
    #[error("the proof is made for the {found} tree, the log's key signs the {expected} tree")]
    Tree { found: &'static str, expected: &'static str },
    #[error("entry {index} is not in the tree of {size} that `{origin}` signed")]
    NotIncluded { index: u64, size: u64, origin: String },
    #[error("the entry is proven, but the payload is not the one that was entered")]
    PayloadDiffers,
    #[error("the entry is proven, but the call is not one of the batch")]
    CallDiffers,
}

/// What has been proven.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    pub origin: String,
    pub index: u64,
    pub size: u64,
    pub entry: Entry,
    /// Witnesses of the policy with the second since 1970 at which each cosigned.
    pub witnesses: Vec<(String, u64)>,
    /// Never [`PayloadVerdict::Differs`]: that is an error.
    pub payload: PayloadVerdict,
    /// Whether one call of a batch was proven too.
    pub call: bool,
}

impl Item {
    /// Reads an item file.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub fn read(text: &str) -> Result<Self, VerifyError> {
        let item = |expected: &str| VerifyError::Item { expected: expected.to_owned() };
        if text.len() > ITEM_BYTES_MAX {
            return Err(item("at most 4 MiB"));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| VerifyError::Item { expected: error.to_string() })?;
        let entry = value.get("entry").ok_or_else(|| item("the member `entry`"))?;
        let bytes = canonical(entry).map_err(|source| VerifyError::Canonical { source })?;
        let entry = Entry::from_canonical(&bytes).map_err(|source| VerifyError::Entry { source })?;
        let salt = match value.get("salt") {
            None | Some(Value::Null) => None,
            Some(salt) => {
                let bytes = salt
                    .as_str()
                    .and_then(|text| hex::decode(text).ok())
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                Some(Salt(bytes.ok_or_else(|| item("`salt` as 64 hex digits"))?))
            }
        };
        let call = match (value.get("call"), value.get("call_proof")) {
            (None, None) => None,
            (Some(call), Some(proof)) => Some((
                call.clone(),
                CallProof::from_json(proof)
                    .ok_or_else(|| item("`call_proof` with index, calls, hash, path and salt"))?,
            )),
            (None, Some(_)) | (Some(_), None) => return Err(item("`call` and `call_proof` together")),
        };
        Ok(Self { entry, payload: value.get("payload").cloned(), salt, call })
    }

    /// The item file's text.
    ///
    /// # Errors
    /// An entry that is too long.
    pub fn to_json(&self) -> Result<Value, EntryDefect> {
        let bytes = self.entry.to_canonical()?;
        let mut value = json!({ "entry": serde_json::from_slice::<Value>(&bytes).expect("a canonical entry is JSON") });
        let members = value.as_object_mut().expect("made as an object");
        if let Some(payload) = &self.payload {
            members.insert("payload".to_owned(), payload.clone());
        }
        if let Some(salt) = &self.salt {
            members.insert("salt".to_owned(), hex::encode(salt.0).into());
        }
        if let Some((call, proof)) = &self.call {
            members.insert("call".to_owned(), call.clone());
            members.insert("call_proof".to_owned(), proof.to_json());
        }
        Ok(value)
    }
}

/// Checks a proof file and an item file against a policy. Needs nothing else: no server, no log.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify_proof(policy: &Policy, proof_text: &str, item_json: &str) -> Result<Proven, VerifyError> {
    let item = Item::read(item_json)?;
    let proof: TlogProof = proof_text.parse().map_err(|source| VerifyError::Proof { source })?;
    verify_item(policy, &proof, item)
}

/// As [`verify_proof`], with the files read already.
///
/// # Errors
/// As [`verify_proof`].
pub fn verify_item(policy: &Policy, proof: &TlogProof, item: Item) -> Result<Proven, VerifyError> {
    let accepted = policy.accept(&proof.checkpoint).map_err(|source| VerifyError::Policy { source })?;
    if accepted.hash != proof.hash {
        return Err(VerifyError::Tree { found: proof.hash.name(), expected: accepted.hash.name() });
    }
    let leaf = proof.hash.leaf(&item.entry.to_canonical().map_err(|source| VerifyError::Entry { source })?);
    let checkpoint = accepted.checkpoint;
    if !merkle::inclusion_holds(proof.hash, &leaf, proof.index, checkpoint.size, &proof.hashes, &checkpoint.root) {
        return Err(VerifyError::NotIncluded { index: proof.index, size: checkpoint.size, origin: checkpoint.origin });
    }
    let payload = PayloadVerdict::of(
        item.payload.as_ref(),
        item.salt.as_ref(),
        &item.entry.digest_sha256,
        &item.entry.digest_sm3,
    );
    if payload == PayloadVerdict::Differs {
        return Err(VerifyError::PayloadDiffers);
    }
    if let Some((call, call_proof)) = &item.call {
        let proven = payload == PayloadVerdict::Matches
            && item.payload.as_ref().is_some_and(|payload| call_proof.holds(call, payload));
        if !proven {
            return Err(VerifyError::CallDiffers);
        }
    }
    Ok(Proven {
        origin: checkpoint.origin,
        index: proof.index,
        size: checkpoint.size,
        entry: item.entry,
        witnesses: accepted.witnesses,
        payload,
        call: item.call.is_some(),
    })
}

impl VerifyError {
    /// For people, Chinese.
    #[must_use]
    pub fn sentence_zh(&self) -> String {
        match self {
            Self::Item { expected } => format!("事项文件无法读取：应为{expected}"),
            Self::Canonical { .. } | Self::Entry { .. } => "事项文件中的登记不是规范格式".to_owned(),
            Self::Proof { source } => format!("证明文件第 {} 行无法读取", source.line),
            Self::Policy { source: PolicyError::UnknownLog { origin } } => format!("信任策略中没有账本 {origin}"),
            Self::Policy { source: PolicyError::Quorum { cosigned, known } } => {
                format!("见证方未达到法定数：策略中 {known} 方，已会签 {} 方", cosigned.len())
            }
            Self::Policy { .. } => "检查点的签名不成立".to_owned(),
            Self::Tree { found, expected } => format!("证明属于 {found} 树，而签名公钥属于 {expected} 树"),
            Self::NotIncluded { index, size, origin } => {
                format!("{origin} 签名的前 {size} 条登记中，第 {index} 号不是该事项")
            }
            Self::PayloadDiffers => "登记已得到证明，但所附内容与登记不一致".to_owned(),
            Self::CallDiffers => "登记已得到证明，但所附调用不在该批次中".to_owned(),
        }
    }
}
