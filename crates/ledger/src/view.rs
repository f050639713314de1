//! A log as a folder of static files, read without any lock: checkpoints, entries, proofs.
//!
//! ```text
//! checkpoint              the SHA-256 tree's signed head          C2SP tlog-checkpoint
//! tile/0/x001/234         its hash tiles                          C2SP tlog-tiles
//! tile/entries/000.p/15   the entries, shared by both trees       C2SP tlog-tiles
//! sm3/checkpoint          the SM3 tree's signed head, origin `<origin>/sm3`
//! sm3/tile/0/x001/234     its hash tiles
//! witnessed/checkpoint    the last head with its cosignatures (also sm3/witnessed/checkpoint)
//! ```
//! Any web server can serve the folder; [`LogView`] reads a copy just as well.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    checkpoint::Checkpoint,
    entry::Entry,
    error::LedgerError,
    hashes::{Hash, TreeHash},
    keys::{TrustedKeys, origin_of},
    merkle::{self, Subtrees},
    note::{NOTE_BYTES_MAX, Note},
    proof::TlogProof,
    tiles::{TILE_WIDTH, TileKind, TilePath, bundle_entries, hashes_at},
    witness::AddCheckpoint,
};

/// Longest file read: a full bundle of the longest entries any log may hold.
const FILE_BYTES_MAX: u64 = 257 * 65_537;
/// How often, and how long apart, two heads are read again when a writer is between them.
pub(crate) const HEAD_TRIES: u32 = 50;
pub(crate) const HEAD_PAUSE: Duration = Duration::from_millis(20);
/// Most entries walked back along one object's chain.
pub const HISTORY_MAX: usize = 10_000;

/// A signed head, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub hash: TreeHash,
    pub size: u64,
    pub root: Hash,
    /// The checkpoint file as it stands, signatures included.
    pub note: String,
}

/// Reads a log's folder.
#[derive(Debug, Clone)]
pub struct LogView {
    folder: PathBuf,
    trusted: TrustedKeys,
}

impl LogView {
    /// `folder` holds `checkpoint` and `tile/`; `trusted` are the keys its heads must be signed by.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, trusted: TrustedKeys) -> Self {
        Self { folder: folder.into(), trusted }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn trusted(&self) -> &TrustedKeys {
        &self.trusted
    }

    /// Where a tree's checkpoint lies.
    #[must_use]
    pub fn checkpoint_path(&self, hash: TreeHash) -> PathBuf {
        self.folder.join(tree_folder(hash)).join("checkpoint")
    }

    /// Where a tree's last cosigned checkpoint lies, once there is one.
    #[must_use]
    pub fn witnessed_path(&self, hash: TreeHash) -> PathBuf {
        self.folder.join(tree_folder(hash)).join("witnessed").join("checkpoint")
    }

    /// Where a tile or bundle lies. Both trees share the entries.
    #[must_use]
    pub fn tile_path(&self, hash: TreeHash, tile: TilePath) -> PathBuf {
        match tile.kind {
            TileKind::Hashes(_) => self.folder.join(tree_folder(hash)).join(tile.to_string()),
            TileKind::Entries => self.folder.join(tile.to_string()),
        }
    }

    /// The published head of a tree.
    ///
    /// # Errors
    /// A checkpoint that is absent, malformed, of another origin, or not signed by a trusted key.
    pub fn head(&self, hash: TreeHash) -> Result<Head, LedgerError> {
        self.head_at(hash, &self.checkpoint_path(hash))
    }

    /// Both heads at one size, canonical first; read again while a writer is between the two.
    ///
    /// # Errors
    /// As [`Self::head`], or heads that stay apart.
    pub fn heads(&self) -> Result<[Head; 2], LedgerError> {
        for attempt in 1.. {
            let (sha256, sm3) = (self.head(TreeHash::Sha256)?, self.head(TreeHash::Sm3)?);
            if sha256.size == sm3.size {
                return Ok([sha256, sm3]);
            }
            if attempt == HEAD_TRIES {
                let expected = format!("size {}", sha256.size);
                return Err(LedgerError::Disagrees {
                    hash: TreeHash::Sm3,
                    found: format!("size {}", sm3.size),
                    expected,
                });
            }
            thread::sleep(HEAD_PAUSE);
        }
        unreachable!("the loop ends by returning")
    }

    /// The last head that witnesses cosigned, or `None` when there is none yet.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub fn witnessed_head(&self, hash: TreeHash) -> Result<Option<Head>, LedgerError> {
        let path = self.witnessed_path(hash);
        if path.exists() { self.head_at(hash, &path).map(Some) } else { Ok(None) }
    }

    fn head_at(&self, hash: TreeHash, path: &Path) -> Result<Head, LedgerError> {
        let text = read_text(path)?;
        self.check_head(hash, &text, path)
    }

    /// Checks the text of a checkpoint file; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub fn check_head(&self, hash: TreeHash, text: &str, path: &Path) -> Result<Head, LedgerError> {
        let note: Note = text.parse().map_err(|source| LedgerError::Note { path: path.to_owned(), source })?;
        note.verify(&self.trusted.of(hash)).map_err(|source| LedgerError::Note { path: path.to_owned(), source })?;
        let checkpoint: Checkpoint =
            note.text.parse().map_err(|source| LedgerError::Checkpoint { path: path.to_owned(), source })?;
        let expected = origin_of(self.trusted.origin(), hash);
        if checkpoint.origin != expected {
            return Err(LedgerError::Disagrees {
                hash,
                found: format!("origin {}", checkpoint.origin),
                expected: format!("origin {expected}"),
            });
        }
        Ok(Head { hash, size: checkpoint.size, root: checkpoint.root, note: text.to_owned() })
    }

    /// The bytes of a tile or bundle as it stands in a tree of `size` leaves. A wider version that
    /// has replaced it is cut to the width asked for.
    ///
    /// # Errors
    /// No such tile in such a tree, or a file that is absent or too short.
    pub fn tile(&self, hash: TreeHash, kind: TileKind, index: u64, size: u64) -> Result<Vec<u8>, LedgerError> {
        let tile = TilePath::in_tree(kind, index, size)
            .ok_or(LedgerError::NoSuchEntry { index: index.saturating_mul(TILE_WIDTH), size })?;
        let exact = self.tile_path(hash, tile);
        let (path, mut bytes) = match read_bounded(&exact) {
            Err(LedgerError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                let full = self.tile_path(hash, TilePath::full(kind, index));
                let bytes = read_bounded(&full).map_err(|_| LedgerError::file("read", &exact)(source))?;
                (full, bytes)
            }
            other => (exact, other?),
        };
        let width = usize::from(tile.width);
        match kind {
            TileKind::Hashes(_) if bytes.len() >= width * 32 => bytes.truncate(width * 32),
            TileKind::Entries => {
                let (entries, _) = bundle_entries(&bytes);
                let Some((offset, last)) = entries.get(width - 1) else {
                    return Err(LedgerError::Unreadable {
                        path,
                        expected: "a bundle of as many entries as its name says",
                    });
                };
                let end = offset + last.len();
                bytes.truncate(end);
            }
            TileKind::Hashes(_) => {
                return Err(LedgerError::Unreadable { path, expected: "a tile of as many hashes as its name says" });
            }
        }
        Ok(bytes)
    }

    /// The bytes of one entry of a log of `size` entries.
    ///
    /// # Errors
    /// An index beyond `size`, or an unreadable bundle.
    pub fn entry_bytes(&self, index: u64, size: u64) -> Result<Vec<u8>, LedgerError> {
        if index >= size {
            return Err(LedgerError::NoSuchEntry { index, size });
        }
        let bundle = self.tile(TreeHash::Sha256, TileKind::Entries, index / TILE_WIDTH, size)?;
        let (entries, _) = bundle_entries(&bundle);
        let position = usize::try_from(index % TILE_WIDTH).expect("below 256");
        entries.get(position).map(|(_, entry)| entry.to_vec()).ok_or(LedgerError::NoSuchEntry { index, size })
    }

    /// One entry of a log of `size` entries.
    ///
    /// # Errors
    /// As [`Self::entry_bytes`], or a leaf that is not one of ours.
    pub fn entry(&self, index: u64, size: u64) -> Result<Entry, LedgerError> {
        Entry::from_canonical(&self.entry_bytes(index, size)?).map_err(|source| LedgerError::Foreign { index, source })
    }

    /// The entries about one object, newest first, starting from its last one.
    ///
    /// # Errors
    /// An unreadable entry, or a chain longer than [`HISTORY_MAX`].
    pub fn history(&self, last: u64, size: u64) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let mut entries = Vec::new();
        let mut next = Some(last);
        while let Some(index) = next {
            if entries.len() == HISTORY_MAX {
                return Err(LedgerError::Bound { action: "walking an object's entries", bound: HISTORY_MAX as u64 });
            }
            let entry = self.entry(index, size)?;
            // A chain that does not go back would never end.
            next = entry.prev.filter(|prev| *prev < index);
            entries.push((index, entry));
        }
        Ok(entries)
    }

    /// The hashes of a tree, for making proofs.
    #[must_use]
    pub fn tree(&self, hash: TreeHash, size: u64) -> TileTree<'_> {
        TileTree { view: self, hash, size, cache: HashMap::new() }
    }

    /// The proof that entry `index` stands in the tree of a head: the cosigned head when it covers
    /// the entry, else the latest.
    ///
    /// # Errors
    /// An index beyond the log, or unreadable files.
    pub fn prove(&self, hash: TreeHash, index: u64) -> Result<TlogProof, LedgerError> {
        let head = match self.witnessed_head(hash)? {
            Some(head) if head.size > index => head,
            _ => self.head(hash)?,
        };
        self.prove_in(&head, index)
    }

    /// The proof that entry `index` stands in the tree of this head.
    ///
    /// # Errors
    /// An index beyond the head, or unreadable files.
    pub fn prove_in(&self, head: &Head, index: u64) -> Result<TlogProof, LedgerError> {
        if index >= head.size {
            return Err(LedgerError::NoSuchEntry { index, size: head.size });
        }
        let hashes = merkle::prove_inclusion(head.hash, &mut self.tree(head.hash, head.size), index, head.size)?;
        Ok(TlogProof { hash: head.hash, extra: None, index, hashes, checkpoint: head.note.clone() })
    }

    /// What to send to a witness that cosigned `old` entries last, about this head.
    ///
    /// # Errors
    /// `old` beyond the head, or unreadable files.
    pub fn witness_request(&self, head: &Head, old: u64) -> Result<String, LedgerError> {
        let proof = self.prove_consistency(head.hash, old, head.size)?;
        Ok(AddCheckpoint::body(old, &proof, &head.note))
    }

    /// The proof that the tree of `old` leaves is a prefix of the tree of `new`.
    ///
    /// # Errors
    /// `old > new`, or unreadable files.
    pub fn prove_consistency(&self, hash: TreeHash, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        if old > new {
            return Err(LedgerError::NoSuchEntry { index: old, size: new });
        }
        merkle::prove_consistency(hash, &mut self.tree(hash, new), old, new)
    }
}

/// `""` for the canonical tree, `sm3` for its sister.
fn tree_folder(hash: TreeHash) -> &'static str {
    match hash {
        TreeHash::Sha256 => "",
        TreeHash::Sm3 => "sm3",
    }
}

pub(crate) fn read_bounded(path: &Path) -> Result<Vec<u8>, LedgerError> {
    let length = fs::metadata(path).map_err(LedgerError::file("read", path))?.len();
    if length > FILE_BYTES_MAX {
        return Err(LedgerError::Unreadable { path: path.to_owned(), expected: "a file of at most 16,843,009 bytes" });
    }
    fs::read(path).map_err(LedgerError::file("read", path))
}

pub(crate) fn read_text(path: &Path) -> Result<String, LedgerError> {
    let bytes = read_bounded(path)?;
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(LedgerError::Unreadable { path: path.to_owned(), expected: "a note of at most 262,144 bytes" });
    }
    String::from_utf8(bytes).map_err(|_| LedgerError::Unreadable { path: path.to_owned(), expected: "UTF-8 text" })
}

/// A tree's subtrees, read from tiles; every tile is read once.
pub struct TileTree<'a> {
    view: &'a LogView,
    hash: TreeHash,
    size: u64,
    /// Tiles of one proof: at most two per level.
    cache: HashMap<(u8, u64), Vec<u8>>,
}

impl Subtrees for TileTree<'_> {
    type Error = LedgerError;

    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, LedgerError> {
        let level = height / 8;
        let first = index << (height % 8);
        let count = 1_u64 << (height % 8);
        debug_assert!(
            first + count <= hashes_at(TileKind::Hashes(level), self.size),
            "only whole subtrees are asked for"
        );
        let tile = first / TILE_WIDTH;
        let bytes = match self.cache.entry((level, tile)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(self.view.tile(self.hash, TileKind::Hashes(level), tile, self.size)?)
            }
        };
        let start = usize::try_from(first % TILE_WIDTH).expect("below 256") * 32;
        let length = usize::try_from(count).expect("at most 128") * 32;
        Ok(self.hash.perfect_root(&bytes[start..start + length]))
    }
}
