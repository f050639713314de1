//! A witness: cosigns a log's checkpoint when it continues the one it cosigned before (C2SP
//! `tlog-witness` v1.0.0).
//!
//! [`WitnessState::handle_add_checkpoint`] is the whole protocol: text in, status and text out. HTTP
//! carries it where there is a network; where there is none, the same texts travel as files.
//! The record is durable before the answer exists, and `&mut self` together with the folder's lock
//! makes checking and recording one step, which is what the specification's rollback race wants.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::{
    checkpoint::{Checkpoint, decimal, hash_from_base64},
    disk::write_durably,
    error::LedgerError,
    hashes::{Hash, TreeHash},
    keys::{Signer, log_algorithm},
    merkle,
    note::{NOTE_BYTES_MAX, Note, NoteError, NoteSignature, VerifierKey, read_signature_lines},
    proof::PATH_MAX,
    view::read_text,
};

/// Longest request read.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4_096;
/// Most logs one witness watches.
pub const WITNESSED_LOGS_MAX: usize = 10_000;

/// A log that a witness watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedLog {
    pub origin: String,
    /// All for the same tree; a log under rotation has two.
    pub keys: Vec<VerifierKey>,
}

impl WitnessedLog {
    fn hash(&self) -> Option<TreeHash> {
        TreeHash::BOTH.into_iter().find(|hash| self.keys.iter().all(|key| key.algorithm() == log_algorithm(*hash)))
    }
}

/// What the last cosigned checkpoint of a log said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    size: u64,
    root: Hash,
}

/// An answer to be carried back as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessResponse {
    /// An HTTP status: 200, 400, 403, 404, 409, 422 or 500.
    pub status: u16,
    pub content_type: &'static str,
    /// Signature lines, a size, or why not.
    pub body: String,
}

impl WitnessResponse {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    fn conflict(size: u64) -> Self {
        Self { status: 409, content_type: "text/x.tlog.size", body: format!("{size}\n") }
    }
}

/// A witness's keys, the logs it watches, and what it has cosigned.
#[derive(Debug)]
pub struct WitnessState {
    folder: PathBuf,
    cosigners: Vec<Signer>,
    logs: HashMap<String, (WitnessedLog, TreeHash)>,
    records: HashMap<String, Record>,
    _lock: File,
}

impl WitnessState {
    /// Opens the records in `folder` for these cosigner keys and logs.
    ///
    /// # Errors
    /// A folder that another witness process uses, an unreadable record, or keys that do not fit:
    /// a cosigner that is none, a log whose keys belong to two trees.
    pub fn open(folder: &Path, cosigners: Vec<Signer>, logs: Vec<WitnessedLog>) -> Result<Self, LedgerError> {
        fs::create_dir_all(folder).map_err(LedgerError::file("create", folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(LedgerError::file("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Held { dir: folder.to_owned(), holder: "another witness process".to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(LedgerError::file("lock", &lock_path)(source)),
        }
        if cosigners.is_empty() || cosigners.iter().any(|signer| !signer.verifier().algorithm().is_cosignature()) {
            return Err(LedgerError::Unreadable {
                path: folder.to_owned(),
                expected: "a witness with cosigner keys (type 04 or SM2 cosignature)",
            });
        }
        if logs.len() > WITNESSED_LOGS_MAX {
            return Err(LedgerError::Bound { action: "reading the watched logs", bound: WITNESSED_LOGS_MAX as u64 });
        }
        let mut state =
            Self { folder: folder.to_owned(), cosigners, logs: HashMap::new(), records: HashMap::new(), _lock: lock };
        for log in logs {
            let keys = || LedgerError::Unreadable {
                path: folder.join(&log.origin),
                expected: "a watched log with keys of one tree, named after its origin",
            };
            let hash = log
                .hash()
                .filter(|_| !log.keys.is_empty() && log.keys.iter().all(|key| key.name() == log.origin))
                .ok_or_else(keys)?;
            let path = state.record_path(&log.origin);
            if path.exists() {
                let checkpoint = checkpoint_of(&read_text(&path)?);
                let checkpoint = checkpoint
                    .ok_or(LedgerError::Unreadable { path, expected: "the checkpoint this witness cosigned last" })?;
                state.records.insert(log.origin.clone(), Record { size: checkpoint.size, root: checkpoint.root });
            }
            state.logs.insert(log.origin.clone(), (log, hash));
        }
        Ok(state)
    }

    /// Verifier keys of this witness, for policies.
    pub fn verifiers(&self) -> impl Iterator<Item = &VerifierKey> {
        self.cosigners.iter().map(Signer::verifier)
    }

    fn record_path(&self, origin: &str) -> PathBuf {
        self.folder.join(origin_hash(origin)).join("checkpoint")
    }

    /// Body of `GET <monitoring prefix>/<origin hash>/checkpoint`: the last cosigned checkpoint with
    /// the log's signature and this witness's, or `None` (404).
    #[must_use]
    pub fn latest(&self, origin_hash_hex: &str) -> Option<String> {
        let origin = self.records.keys().find(|origin| origin_hash(origin) == origin_hash_hex)?;
        read_text(&self.record_path(origin)).ok()
    }

    /// Answers `POST add-checkpoint`. `now_seconds` is the time since 1970 that the cosignature
    /// states; it must not be zero.
    pub fn handle_add_checkpoint(&mut self, body: &str, now_seconds: u64) -> WitnessResponse {
        match self.add_checkpoint(body, now_seconds) {
            Ok(response) | Err(response) => response,
        }
    }

    fn add_checkpoint(&mut self, body: &str, now_seconds: u64) -> Result<WitnessResponse, WitnessResponse> {
        let bad = |why: &str| WitnessResponse::text(400, format!("{why}\n"));
        let request = AddCheckpoint::read(body).map_err(|why| bad(&why))?;
        let origin = request.checkpoint.origin.clone();
        let (log, hash) = self
            .logs
            .get(&origin)
            .ok_or_else(|| WitnessResponse::text(404, "this witness does not watch that log\n"))?;
        let hash = *hash;
        let signed = request.note.verify(&log.keys);
        let signed = signed.map_err(|error| WitnessResponse::text(403, format!("{error}\n")))?;
        let new = Record { size: request.checkpoint.size, root: request.checkpoint.root };
        if request.old > new.size {
            return Err(bad("the old size is beyond the checkpoint"));
        }
        let old = self.records.get(&origin).copied().unwrap_or(Record { size: 0, root: hash.empty() });
        if request.old != old.size {
            return Err(WitnessResponse::conflict(old.size));
        }
        let unprocessable = |why: &str| WitnessResponse::text(422, format!("{why}\n"));
        if new.size == 0 && new.root != hash.empty() {
            return Err(unprocessable("a tree without leaves has the root of no bytes"));
        }
        if !merkle::consistency_holds(hash, old.size, new.size, &request.proof, &old.root, &new.root) {
            return Err(unprocessable("the proof does not lead from the last cosigned tree to this one"));
        }
        let cosigners: Vec<&Signer> = {
            let fitting: Vec<&Signer> = self
                .cosigners
                .iter()
                .filter(|signer| signer.verifier().algorithm().is_sm2() == (hash == TreeHash::Sm3))
                .collect();
            if fitting.is_empty() { self.cosigners.iter().collect() } else { fitting }
        };
        let lines: Vec<NoteSignature> =
            cosigners.into_iter().map(|signer| signer.sign(&request.note.text, now_seconds.max(1))).collect();
        // The record keeps the log signatures that were verified, and ours.
        let mut kept: Vec<NoteSignature> =
            signed.iter().map(|verified| request.note.signatures[verified.line].clone()).collect();
        kept.extend(lines.iter().cloned());
        let record = Note { text: request.note.text, signatures: kept };
        write_durably(&self.record_path(&origin), record.to_string().as_bytes()).map_err(|_| {
            WitnessResponse::text(500, "the record could not be made durable, so nothing is cosigned\n")
        })?;
        self.records.insert(origin, new);
        Ok(WitnessResponse::text(200, lines.iter().map(ToString::to_string).collect::<String>()))
    }
}

fn origin_hash(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}

fn checkpoint_of(text: &str) -> Option<Checkpoint> {
    text.parse::<Note>().ok()?.text.parse().ok()
}

/// A request to a witness, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the last checkpoint the witness is believed to have cosigned.
    pub old: u64,
    pub proof: Vec<Hash>,
    pub note: Note,
    pub checkpoint: Checkpoint,
}

impl AddCheckpoint {
    /// The body to send.
    #[must_use]
    pub fn body(old: u64, proof: &[Hash], checkpoint: &str) -> String {
        let mut lines = String::new();
        for hash in proof {
            lines.push_str(&STANDARD.encode(hash));
            lines.push('\n');
        }
        format!("old {old}\n{lines}\n{checkpoint}")
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What was expected, for the answer 400.
    pub fn read(body: &str) -> Result<Self, String> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(format!("a request has at most {REQUEST_BYTES_MAX} bytes"));
        }
        let (head, note) = body.split_once("\n\n").ok_or("an empty line stands before the checkpoint")?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or("the first line is `old` and a decimal without leading zeros")?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PATH_MAX {
                return Err(format!("at most {PATH_MAX} proof lines are taken"));
            }
            proof.push(hash_from_base64(line).ok_or("a proof line is 32 bytes in base64")?);
        }
        let note: Note = note.parse().map_err(|error: NoteError| error.to_string())?;
        let checkpoint = note.text.parse::<Checkpoint>().map_err(|error| error.to_string())?;
        Ok(Self { old, proof, note, checkpoint })
    }
}

/// The signature lines of an answer that are by these witnesses and hold over this text, in the
/// order of the answer.
///
/// # Errors
/// Lines that are none, a known witness's signature that does not hold, or no known witness at all.
pub fn read_cosignatures(text: &str, answer: &str, witnesses: &[VerifierKey]) -> Result<Vec<NoteSignature>, NoteError> {
    let note = Note { text: text.to_owned(), signatures: read_signature_lines(answer)? };
    let held = note.verify(witnesses)?;
    Ok(held.into_iter().map(|verified| note.signatures[verified.line].clone()).collect())
}
