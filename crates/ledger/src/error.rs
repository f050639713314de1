//! What can go wrong with a log on disk. Formats have their own defects, carried here as sources.

use std::{io, path::PathBuf};

use crate::{checkpoint::CheckpointDefect, entry::EntryDefect, hashes::TreeHash, keys::KeyError, note::NoteError};

/// An error of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("failed to {action} `{path}`")]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the ledger in `{dir}` is being written by {holder}")]
    Held { dir: PathBuf, holder: String },
    #[error("entry {position} of the batch is refused")]
    Entry { position: usize, source: EntryDefect },
    #[error("a batch has at most {max} entries, this one has {found}")]
    BatchTooLong { found: usize, max: usize },
    #[error("nothing was entered: the journal could not be written")]
    Refused { source: io::Error },
    #[error("entries up to {durable} are durable but only {published} are published; the next call tries again")]
    Stalled { durable: u64, published: u64, source: Box<LedgerError> },
    #[error("`{path}` is not what this ledger published last; somebody else wrote it")]
    CheckpointMoved { path: PathBuf },
    #[error("the {} checkpoint says {found}, the entries on disk say {expected}", .hash.name())]
    Disagrees { hash: TreeHash, found: String, expected: String },
    #[error("`{path}` cannot be read as {expected}")]
    Unreadable { path: PathBuf, expected: &'static str },
    #[error("the checkpoint `{path}` does not verify")]
    Note { path: PathBuf, source: NoteError },
    #[error("`{path}` holds no checkpoint")]
    Checkpoint { path: PathBuf, source: CheckpointDefect },
    #[error("the index of entries could not be used")]
    Index { source: Box<redb::Error> },
    #[error("the log has {size} entries, none has index {index}")]
    NoSuchEntry { index: u64, size: u64 },
    #[error("entry {index} is not one of ours")]
    Foreign { index: u64, source: EntryDefect },
    #[error("{action} stopped at the bound of {bound}")]
    Bound { action: &'static str, bound: u64 },
    #[error("the keys cannot be used")]
    Keys { source: KeyError },
}

impl LedgerError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
