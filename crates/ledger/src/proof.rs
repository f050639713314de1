//! A proof as a file (C2SP `tlog-proof`): carried by a person, checked by anyone, offline.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    checkpoint::{decimal, hash_from_base64},
    hashes::{Hash, TreeHash},
    note::NOTE_BYTES_MAX,
};

/// First line of a proof in the canonical tree.
const HEADER_SHA256: &str = "c2sp.org/tlog-proof@v1";
/// First line of a proof in the SM3 tree: the C2SP form fixes SHA-256, so ours must not claim it.
const HEADER_SM3: &str = "yihe/tlog-proof-sm3@v1";
/// Most hashes on a path: one per bit of an index.
pub const PATH_MAX: usize = 63;
/// Longest extra data, in base64.
pub const EXTRA_BYTES_MAX: usize = 65_536;

/// An inclusion proof with the checkpoint it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Which tree; told by the first line.
    pub hash: TreeHash,
    /// Opaque and not authenticated.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    /// From the leaf's sibling to a child of the root.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures, as the log or its witnesses left it.
    pub checkpoint: String,
}

/// A text that is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the proof: {expected}")]
pub struct ProofDefect {
    /// 1-based.
    pub line: usize,
    pub expected: &'static str,
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = match self.hash {
            TreeHash::Sha256 => HEADER_SHA256,
            TreeHash::Sm3 => HEADER_SM3,
        };
        writeln!(f, "{header}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = ProofDefect;

    fn from_str(text: &str) -> Result<Self, ProofDefect> {
        let defect = |line, expected| ProofDefect { line, expected };
        if text.len() > NOTE_BYTES_MAX + EXTRA_BYTES_MAX + 4_096 {
            return Err(defect(1, "a proof is bounded by 331,776 bytes"));
        }
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| defect(1, "an empty line stands before the checkpoint"))?;
        let mut lines = head.split('\n').enumerate().map(|(number, line)| (number + 1, line)).peekable();
        let hash = match lines.next() {
            Some((_, HEADER_SHA256)) => TreeHash::Sha256,
            Some((_, HEADER_SM3)) => TreeHash::Sm3,
            _ => return Err(defect(1, "`c2sp.org/tlog-proof@v1` or `yihe/tlog-proof-sm3@v1`")),
        };
        let mut extra = None;
        if let Some((number, encoded)) =
            lines.peek().and_then(|(number, line)| Some((*number, line.strip_prefix("extra ")?)))
        {
            if encoded.len() > EXTRA_BYTES_MAX {
                return Err(defect(number, "extra data have at most 65,536 bytes"));
            }
            extra = Some(STANDARD.decode(encoded).map_err(|_| defect(number, "extra data are standard base64"))?);
            lines.next();
        }
        let (number, line) = lines.next().ok_or_else(|| defect(2, "`index` and a decimal"))?;
        let index = line
            .strip_prefix("index ")
            .and_then(decimal)
            .ok_or_else(|| defect(number, "`index` and a decimal without leading zeros"))?;
        let mut hashes = Vec::new();
        for (number, line) in lines {
            if hashes.len() == PATH_MAX {
                return Err(defect(number, "a path has at most 63 hashes"));
            }
            hashes.push(hash_from_base64(line).ok_or_else(|| defect(number, "32 bytes in base64"))?);
        }
        Ok(Self { hash, extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}
