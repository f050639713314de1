//! What witnesses answered: held against the log, kept until the quorum is reached, then published.
//!
//! Witnesses answer at different times, one at once over HTTP, another next week by a file carried
//! across a one-way network. Each answer is about one checkpoint of ours. Checkpoints that have some
//! cosignatures but not the policy's quorum wait in `state/cosigned`; the first that reaches it
//! becomes the witnessed checkpoint, and whatever is older is forgotten. A published quorum is never
//! replaced by a newer checkpoint without one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Ledger, disagrees};
use crate::{
    checkpoint::Checkpoint,
    disk::write_durably,
    error::LedgerError,
    hashes::TreeHash,
    merkle,
    note::{Note, NoteSignature, VerifierKey},
    policy::Policy,
    view::{Head, LogView, read_text},
    witness::{AddCheckpoint, read_cosignatures},
};

/// Most checkpoints that wait for their quorum, per tree; beyond, the oldest is forgotten.
pub const POOL_MAX: usize = 64;
const POOL_FOLDER: &str = "cosigned";

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned {
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// Known witnesses' signature lines it has now.
    pub cosignatures: usize,
    /// Whether that is the policy's quorum: then it is published as witnessed.
    pub quorum: bool,
}

impl Ledger {
    /// What to send to a witness that cosigned `old` entries last (0 when nobody knows): the body of
    /// `POST add-checkpoint`, or the file to carry.
    ///
    /// # Errors
    /// `old` beyond the published log, or unreadable files.
    pub fn witness_request(&self, hash: TreeHash, old: u64) -> Result<String, LedgerError> {
        self.view.witness_request(&self.view.head(hash)?, old)
    }

    /// Takes a witness's answer to a request of ours and waits for no other: what holds is published
    /// as the witnessed checkpoint; answers about an older checkpoint than the witnessed one are
    /// passed over. Returns how many cosignatures the witnessed checkpoint has then.
    ///
    /// # Errors
    /// A request that is not about this log, an answer without a known witness's signature, or one
    /// that does not hold.
    pub fn accept_cosignatures(
        &mut self,
        hash: TreeHash,
        request: &str,
        answer: &str,
        witnesses: &[VerifierKey],
    ) -> Result<usize, LedgerError> {
        let path = self.view.witnessed_path(hash);
        let (head, mut note, lines) = self.check_answer(hash, request, answer, witnesses)?;
        if let Some(present) = self.view.witnessed_head(hash)? {
            let present_note: Note =
                present.note.parse().map_err(|source| LedgerError::Note { path: path.clone(), source })?;
            if present.size > head.size {
                return Ok(cosignature_count(&present_note, witnesses));
            }
            if present_note.text == note.text {
                note = present_note;
            }
        }
        merge(&mut note, lines);
        self.disk.put_durably(&path, note.to_string().as_bytes())?;
        Ok(cosignature_count(&note, witnesses))
    }

    /// Takes a witness's answer and publishes its checkpoint as witnessed once the policy's quorum
    /// has cosigned it. Until then it waits beside the answers of the others.
    ///
    /// # Errors
    /// A request that is not about this log, an answer without a signature of one of the policy's
    /// witnesses, or one that does not hold.
    pub fn collect_cosignatures(
        &mut self,
        hash: TreeHash,
        request: &str,
        answer: &str,
        policy: &Policy,
    ) -> Result<Cosigned, LedgerError> {
        let witnesses: Vec<VerifierKey> = policy.witnesses().map(|(_, key)| key.clone()).collect();
        let (head, mut note, lines) = self.check_answer(hash, request, answer, &witnesses)?;
        let path = self.view.witnessed_path(hash);
        let published = self.view.witnessed_head(hash)?;
        let waiting = self.pool().join(format!("{}-{:020}", hash.name(), head.size));
        let earlier = published.as_ref().filter(|head_then| head_then.size == head.size).map(|head| head.note.clone());
        let earlier = match earlier {
            Some(text) => Some(text),
            None if waiting.exists() => Some(read_text(&waiting)?),
            None => None,
        };
        // A file that cannot be read, or speaks of another tree, was not written here.
        if let Some(known) = earlier.and_then(|text| text.parse::<Note>().ok()).filter(|known| known.text == note.text)
        {
            note = known;
        }
        merge(&mut note, lines);
        let text = note.to_string();
        let quorum = policy.accept(&text).is_ok();
        let cosigned = Cosigned { size: head.size, cosignatures: cosignature_count(&note, &witnesses), quorum };
        if published.as_ref().is_some_and(|published| published.size > head.size) {
            return Ok(cosigned);
        }
        if quorum {
            self.disk.put_durably(&path, text.as_bytes())?;
            self.forget_pooled(hash, head.size);
        } else {
            write_durably(&waiting, text.as_bytes())?;
            self.bound_pool(hash);
        }
        Ok(cosigned)
    }

    fn pool(&self) -> PathBuf {
        self.settled_mark.parent().unwrap_or(Path::new(".")).join(POOL_FOLDER)
    }

    fn forget_pooled(&self, hash: TreeHash, up_to: u64) {
        let bound = self.pool().join(format!("{}-{up_to:020}", hash.name()));
        for path in pooled(&self.pool(), hash).into_iter().filter(|path| *path <= bound) {
            // What stays is overwritten or forgotten another time.
            let _ = fs::remove_file(path);
        }
    }

    fn bound_pool(&self, hash: TreeHash) {
        let paths = pooled(&self.pool(), hash);
        let beyond = paths.len().saturating_sub(POOL_MAX);
        for path in paths.into_iter().take(beyond) {
            let _ = fs::remove_file(path);
        }
    }

    /// Holds a request and its answer against this log: the checkpoint is ours and a prefix of what
    /// is published, the signature lines are known witnesses' and hold.
    fn check_answer(
        &self,
        hash: TreeHash,
        request: &str,
        answer: &str,
        witnesses: &[VerifierKey],
    ) -> Result<(Head, Note, Vec<NoteSignature>), LedgerError> {
        let path = self.view.witnessed_path(hash);
        let request = AddCheckpoint::read(request)
            .map_err(|_| LedgerError::Unreadable { path: path.clone(), expected: "a request to a witness" })?;
        let head = self.view.check_head(hash, &request.note.to_string(), &path)?;
        let root = if head.size <= self.published_size {
            Some(merkle::root(hash, &mut self.view.tree(hash, head.size), head.size)?)
        } else {
            None
        };
        if root != Some(head.root) {
            return Err(disagrees(
                hash,
                format!("root {} at size {}", hex::encode(head.root), head.size),
                root.unwrap_or_default(),
                head.size,
            ));
        }
        let lines = read_cosignatures(&request.note.text, answer, witnesses)
            .map_err(|source| LedgerError::Note { path, source })?;
        Ok((head, request.note, lines))
    }
}

/// The newest checkpoint of the ledger in folder `dir` that waits for its quorum, with the
/// cosignatures it has; `None` when none waits. Needs no lock.
///
/// # Errors
/// A file that cannot be read or is not this log's.
pub fn awaiting_quorum(dir: &Path, view: &LogView, hash: TreeHash) -> Result<Option<Head>, LedgerError> {
    match pooled(&dir.join("state").join(POOL_FOLDER), hash).pop() {
        Some(path) => view.check_head(hash, &read_text(&path)?, &path).map(Some),
        None => Ok(None),
    }
}

/// Checkpoints that wait, oldest first.
fn pooled(pool: &Path, hash: TreeHash) -> Vec<PathBuf> {
    let prefix = format!("{}-", hash.name());
    let Ok(list) = fs::read_dir(pool) else { return Vec::new() };
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&prefix) && path.extension().is_none()
    };
    let mut paths: Vec<PathBuf> = list.flatten().map(|item| item.path()).filter(is_one).collect();
    paths.sort();
    paths
}

/// A newer cosignature of the same witness takes the place of the older.
fn merge(note: &mut Note, lines: Vec<NoteSignature>) {
    for line in lines {
        note.signatures.retain(|known| (known.key_id, &known.name) != (line.key_id, &line.name));
        note.signatures.push(line);
    }
}

fn cosignature_count(note: &Note, witnesses: &[VerifierKey]) -> usize {
    note.signatures.iter().filter(|line| Note::is_known_line(line, witnesses)).count()
}

/// The tree that the checkpoint in a request is about, by its origin: `None` when it is none of ours.
#[must_use]
pub fn tree_of_request(request: &str, origin: &str) -> Option<TreeHash> {
    let checkpoint: Checkpoint = AddCheckpoint::read(request).ok()?.checkpoint;
    TreeHash::BOTH.into_iter().find(|hash| crate::keys::origin_of(origin, *hash) == checkpoint.origin)
}
