//! The log that is written: one process, one lock, batches that are durable when they are
//! acknowledged.
//!
//! ```text
//! append   check → number → journal (one sync: durable) → bundle, tiles, checkpoints renamed in place
//! settle   sync those files and their folders → prune → flush the index → mark what is settled → journal from the front
//! open     settled tiles → replay the journal → publish → index
//! ```
//! A crash before the sync leaves nothing that was acknowledged; a crash after it is repaired from
//! the journal, whatever had been renamed by then. Signatures are deterministic, so a repaired log
//! publishes the very checkpoint it had signed.

mod cosigned;

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{
    disk::{Disk, Hazards, NoHazards, Step},
    entry::{Entry, PendingEntry},
    error::LedgerError,
    hashes::{Hash, TreeHash},
    index::{Index, Key, id_key, object_key},
    journal::Journal,
    keys::{LogKeys, VERIFIER_KEYS_FILE},
    merkle::{self, CompactRange},
    proof::TlogProof,
    tiles::{TILE_WIDTH, TileKind, TilePath, bundle_entries, bundle_push, hashes_at, level_count},
    view::{Head, LogView, read_text},
};

pub use cosigned::{Cosigned, POOL_MAX, awaiting_quorum, tree_of_request};

/// Most entries handed over in one call.
pub const BATCH_ENTRIES_MAX: usize = 65_536;
/// Entries made durable and published together; longer batches go in several such steps.
const STEP_ENTRIES_MAX: usize = 4_096;
/// Journal in use, in percent, at which the log settles.
const SETTLE_AT_PERCENT: usize = 50;
/// How often, and how long apart, a lock is tried again before its holder is believed to be one.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Index entries kept in memory at most; two per log entry.
const INDEX_RECENT_MAX: usize = 131_072;

/// How a ledger is opened.
#[derive(Clone)]
pub struct LedgerOptions {
    /// Size of the journal: what may have to be replayed after a crash. At least 128 KiB.
    pub journal_bytes: usize,
    /// Who to name to a second writer: a host and process, or a node's name.
    pub holder: String,
    /// What may go wrong; nothing but reality outside tests.
    pub hazards: Arc<dyn Hazards>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { journal_bytes: 8 << 20, holder: format!("process {}", std::process::id()), hazards: Arc::new(NoHazards) }
    }
}

impl std::fmt::Debug for LedgerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerOptions")
            .field("journal_bytes", &self.journal_bytes)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// The writing end of a log. There is one per folder: opening a second is refused until the first
/// is dropped or its process ends.
pub struct Ledger {
    view: LogView,
    keys: LogKeys,
    disk: Disk,
    journal: Journal,
    index: Index,
    /// Held for as long as the ledger is open.
    _lock: File,
    settled_mark: PathBuf,
    trees: [Tree; 2],
    /// The entries of the unfinished bundle, as they stand in its file.
    bundle: Vec<u8>,
    /// Finished tiles and bundles that are not in place yet.
    unplaced: VecDeque<(PathBuf, Vec<u8>)>,
    /// Folders of partial tiles whose full tile is in place.
    superseded: Vec<PathBuf>,
    /// Partial files in place: what the last publication wrote, so that an unchanged one is not
    /// written again.
    placed: HashMap<(TreeHash, TileKind), (u64, usize)>,
    /// What the checkpoint files hold since the last publication.
    published: [Option<String>; 2],
    published_size: u64,
}

/// One of the two trees while it grows.
struct Tree {
    hash: TreeHash,
    range: CompactRange,
    /// Hashes of the unfinished tile of each level.
    levels: Vec<Vec<u8>>,
}

impl Tree {
    fn push(&mut self, leaf: Hash, mut full: impl FnMut(u8, u64, Vec<u8>)) {
        let levels = &mut self.levels;
        self.range.push(leaf, |height, index, node| {
            if height % 8 != 0 {
                return;
            }
            let level = usize::from(height / 8);
            if levels.len() == level {
                levels.push(Vec::new());
            }
            levels[level].extend_from_slice(node);
            if levels[level].len() == 8_192 {
                full(height / 8, index / TILE_WIDTH, std::mem::take(&mut levels[level]));
            }
        });
    }
}

impl Ledger {
    /// Opens the ledger in folder `dir`, making it when it is new, and repairs what a crash left.
    /// The static files lie in `dir/public`, what is private in `dir/state`.
    ///
    /// # Errors
    /// Another writer, unreadable files, or files that disagree with one another.
    pub fn open(dir: &Path, keys: LogKeys) -> Result<Self, LedgerError> {
        Self::open_with(dir, keys, LedgerOptions::default())
    }

    /// As [`Self::open`], with options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(dir: &Path, keys: LogKeys, options: LedgerOptions) -> Result<Self, LedgerError> {
        let state = dir.join("state");
        let public = dir.join("public");
        for folder in [&state, &public] {
            fs::create_dir_all(folder).map_err(LedgerError::file("create", folder))?;
        }
        let lock = take_lock(dir, &state.join("lock"), &options.holder)?;
        let disk = Disk::open(&public, state.join("aside"), options.hazards)?;
        let journal = Journal::open(state.join("journal"), options.journal_bytes.max(128 << 10))?;
        let view = LogView::new(&public, keys.trusted().clone());
        let settled_mark = state.join("settled");
        let settled = read_settled(&settled_mark)?;
        let size = settled.map_or(0, |(size, _)| size);
        let trees = [resume(&view, TreeHash::Sha256, size)?, resume(&view, TreeHash::Sm3, size)?];
        if let Some((_, roots)) = settled {
            for (tree, root) in trees.iter().zip(roots) {
                if tree.range.root() != root {
                    return Err(disagrees(
                        tree.hash,
                        format!("root {} at size {size}", hex::encode(root)),
                        tree.range.root(),
                        size,
                    ));
                }
            }
        }
        let bundle = if size % TILE_WIDTH == 0 {
            Vec::new()
        } else {
            view.tile(TreeHash::Sha256, TileKind::Entries, size / TILE_WIDTH, size)?
        };
        let index = Index::open(&state.join("index.redb"), size)?;
        let mut ledger = Self {
            view,
            keys,
            disk,
            journal,
            index,
            _lock: lock,
            settled_mark,
            trees,
            bundle,
            unplaced: VecDeque::new(),
            superseded: Vec::new(),
            placed: HashMap::new(),
            published: [None, None],
            published_size: size,
        };
        ledger.repair(size)?;
        Ok(ledger)
    }

    /// Replays the journal, checks what was published against it and publishes the rest.
    fn repair(&mut self, settled: u64) -> Result<(), LedgerError> {
        let mut roots = HashMap::from([(settled, self.roots())]);
        let records = self.journal.replay(settled)?;
        let final_size =
            records.last().map_or(settled, |(start, bundle)| start + bundle_entries(bundle).0.len() as u64);
        for (start, bundle) in records {
            let (entries, _) = bundle_entries(&bundle);
            let entries: Vec<&[u8]> = entries.into_iter().map(|(_, entry)| entry).collect();
            self.grow(&entries);
            // Each record was published by itself, and none of those files need have reached the
            // disk: all are put again, but for partial tiles that a full one has replaced since.
            let size = start + entries.len() as u64;
            self.place(size / TILE_WIDTH == final_size / TILE_WIDTH)?;
            roots.insert(size, self.roots());
        }
        for (position, hash) in TreeHash::BOTH.into_iter().enumerate() {
            let path = self.view.checkpoint_path(hash);
            if !path.exists() {
                continue;
            }
            let head = self.view.head(hash)?;
            if head.size > self.size() {
                return Err(disagrees(
                    hash,
                    format!("size {}", head.size),
                    self.trees[position].range.root(),
                    self.size(),
                ));
            }
            // An older head than the settled one was put back by somebody; publishing mends it.
            if let Some(known) = roots.get(&head.size)
                && known[position] != head.root
            {
                return Err(disagrees(
                    hash,
                    format!("root {} at size {}", hex::encode(head.root), head.size),
                    known[position],
                    head.size,
                ));
            }
            self.published[position] = Some(head.note);
        }
        let keys = self.keys.trusted().to_text();
        let keys_path = self.view.folder().join(VERIFIER_KEYS_FILE);
        if fs::read_to_string(&keys_path).ok().as_deref() != Some(&keys) {
            self.disk.put(&keys_path, keys.as_bytes())?;
        }
        self.publish()?;
        let size = self.size();
        let mut next = self.index.flushed();
        while next < size {
            let bundle = self.view.tile(TreeHash::Sha256, TileKind::Entries, next / TILE_WIDTH, size)?;
            let (entries, _) = bundle_entries(&bundle);
            for (_, bytes) in entries.iter().skip(usize::try_from(next % TILE_WIDTH).expect("below 256")) {
                let entry =
                    Entry::from_canonical(bytes).map_err(|source| LedgerError::Foreign { index: next, source })?;
                self.index.note(id_key(&entry.id), object_key(&entry.object), next);
                next += 1;
            }
            if self.index.recent_count() >= INDEX_RECENT_MAX {
                self.index.flush(next)?;
            }
        }
        Ok(())
    }

    /// Entries in the log.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.trees[0].range.size()
    }

    /// Root of one of the trees.
    #[must_use]
    pub fn root(&self, hash: TreeHash) -> Hash {
        let [sha256, sm3] = self.roots();
        match hash {
            TreeHash::Sha256 => sha256,
            TreeHash::Sm3 => sm3,
        }
    }

    fn roots(&self) -> [Hash; 2] {
        [self.trees[0].range.root(), self.trees[1].range.root()]
    }

    /// The log's reading end; it stays good when the ledger is closed.
    #[must_use]
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// The published checkpoint with its signature.
    ///
    /// # Errors
    /// As [`LogView::head`].
    pub fn checkpoint(&self, hash: TreeHash) -> Result<Head, LedgerError> {
        self.view.head(hash)
    }

    /// One entry.
    ///
    /// # Errors
    /// An index beyond the log, or unreadable files.
    pub fn entry(&self, index: u64) -> Result<Entry, LedgerError> {
        self.view.entry(index, self.published_size)
    }

    /// The proof of one entry in the SHA-256 tree.
    ///
    /// # Errors
    /// As [`LogView::prove`].
    pub fn prove(&self, index: u64) -> Result<TlogProof, LedgerError> {
        self.view.prove(TreeHash::Sha256, index)
    }

    /// Where the entry with this id stands.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn index_of(&self, entry_id: &str) -> Result<Option<u64>, LedgerError> {
        self.index.reader()?.get(&id_key(entry_id))
    }

    /// Index of the last entry about an object.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn last_of(&self, object: &str) -> Result<Option<u64>, LedgerError> {
        self.index.reader()?.get(&object_key(object))
    }

    /// The entries about one object, newest first.
    ///
    /// # Errors
    /// As [`LogView::history`].
    pub fn history(&self, object: &str) -> Result<Vec<(u64, Entry)>, LedgerError> {
        match self.last_of(object)? {
            None => Ok(Vec::new()),
            Some(last) => self.view.history(last, self.published_size),
        }
    }

    /// Enters a batch and returns the index of each entry, in order. When this returns, the entries
    /// are durable and published. An id that is in the log already keeps its index, so a replay is
    /// harmless; what it says then is not compared.
    ///
    /// # Errors
    /// Nothing was entered: a defective entry, a batch beyond [`BATCH_ENTRIES_MAX`]. The rest of the
    /// batch was not entered: a full disk ([`LedgerError::Refused`]). Entered, but not published
    /// ([`LedgerError::Stalled`]) or not settled (any other): the same call again goes on from there.
    pub fn append_batch(&mut self, batch: &[PendingEntry]) -> Result<Vec<u64>, LedgerError> {
        if batch.len() > BATCH_ENTRIES_MAX {
            return Err(LedgerError::BatchTooLong { found: batch.len(), max: BATCH_ENTRIES_MAX });
        }
        for (position, entry) in batch.iter().enumerate() {
            entry.check().map_err(|source| LedgerError::Entry { position, source })?;
        }
        self.index.revive()?;
        self.publish_rest()?;
        let mut indexes = Vec::with_capacity(batch.len());
        let mut rest = batch;
        while !rest.is_empty() {
            let taken = self.append_step(rest, &mut indexes)?;
            rest = &rest[taken..];
        }
        Ok(indexes)
    }

    /// Enters as much of `batch` as one journal record holds; returns how much.
    fn append_step(&mut self, batch: &[PendingEntry], indexes: &mut Vec<u64>) -> Result<usize, LedgerError> {
        let start = self.size();
        let mut bundle = Vec::new();
        let mut placed: Vec<(Key, Key, u64)> = Vec::new();
        // What this step adds; the index learns of it when it is durable.
        let mut added: HashMap<Key, u64> = HashMap::new();
        let room = self.journal.room();
        let reader = self.index.reader()?;
        let look_up = |added: &HashMap<Key, u64>, key: &Key| {
            added.get(key).copied().map_or_else(|| reader.get(key), |index| Ok(Some(index)))
        };
        let mut taken = 0;
        for (position, pending) in batch.iter().enumerate().take(STEP_ENTRIES_MAX) {
            let (id, object) = (id_key(&pending.id), object_key(&pending.object));
            if let Some(index) = look_up(&added, &id)? {
                indexes.push(index);
                taken += 1;
                continue;
            }
            let prev = look_up(&added, &object)?;
            let bytes =
                pending.placed(prev).to_canonical().map_err(|source| LedgerError::Entry { position, source })?;
            if bundle.len() + 2 + bytes.len() > room {
                break;
            }
            let index = start + placed.len() as u64;
            bundle_push(&mut bundle, &bytes);
            added.insert(id, index);
            added.insert(object, index);
            placed.push((id, object, index));
            indexes.push(index);
            taken += 1;
        }
        if placed.is_empty() {
            if taken == 0 {
                // The journal is full to the last record: settle, then there is room for it all.
                self.settle()?;
            }
            return Ok(taken);
        }
        let count = u32::try_from(placed.len()).expect("a step is bounded");
        self.journal.append(&self.disk, start, count, &bundle).map_err(|source| LedgerError::Refused { source })?;
        for (id, object, index) in placed {
            self.index.note(id, object, index);
        }
        let (entries, _) = bundle_entries(&bundle);
        let entries: Vec<&[u8]> = entries.into_iter().map(|(_, entry)| entry).collect();
        self.grow(&entries);
        self.publish_rest()?;
        if self.journal.used_percent() >= SETTLE_AT_PERCENT || self.index.recent_count() >= INDEX_RECENT_MAX {
            self.settle()?;
        }
        Ok(taken)
    }

    /// Adds entries to the trees and the bundle in memory; finished tiles wait in `unplaced`.
    fn grow(&mut self, entries: &[&[u8]]) {
        let start = self.size();
        for (index, entry) in (start..).zip(entries) {
            bundle_push(&mut self.bundle, entry);
            if index % TILE_WIDTH == TILE_WIDTH - 1 {
                let tile = TilePath::full(TileKind::Entries, index / TILE_WIDTH);
                self.unplaced
                    .push_back((self.view.tile_path(TreeHash::Sha256, tile), std::mem::take(&mut self.bundle)));
            }
        }
        let view = &self.view;
        let unplaced = &mut self.unplaced;
        for tree in &mut self.trees {
            let hash = tree.hash;
            for leaf in hash.leaves(entries) {
                tree.push(leaf, |level, index, bytes| {
                    let tile = TilePath::full(TileKind::Hashes(level), index);
                    unplaced.push_back((view.tile_path(hash, tile), bytes));
                });
            }
        }
    }

    fn publish_rest(&mut self) -> Result<(), LedgerError> {
        if self.published_size == self.size() && self.unplaced.is_empty() {
            return Ok(());
        }
        let (durable, published) = (self.size(), self.published_size);
        self.publish().map_err(|source| LedgerError::Stalled { durable, published, source: Box::new(source) })
    }

    /// Puts tiles and bundles in place, then the checkpoints that need them.
    fn publish(&mut self) -> Result<(), LedgerError> {
        self.place(true)?;
        let size = self.size();
        // The sister first: who reads the canonical head finds the other at least as long.
        for position in [1, 0] {
            self.publish_checkpoint(position, size)?;
        }
        self.published_size = size;
        Ok(())
    }

    /// Puts finished tiles and bundles in place and, with `leaves`, the unfinished ones of entries
    /// and leaves; those of the levels above always.
    fn place(&mut self, leaves: bool) -> Result<(), LedgerError> {
        let size = self.size();
        while let Some((path, bytes)) = self.unplaced.front() {
            self.disk.put(path, bytes)?;
            let mut partials = path.clone().into_os_string();
            partials.push(".p");
            self.superseded.push(partials.into());
            self.unplaced.pop_front();
        }
        if leaves {
            self.put_partial(TreeHash::Sha256, TileKind::Entries)?;
        }
        for hash in TreeHash::BOTH {
            for level in u8::from(!leaves)..level_count(size) {
                self.put_partial(hash, TileKind::Hashes(level))?;
            }
        }
        Ok(())
    }

    fn put_partial(&mut self, hash: TreeHash, kind: TileKind) -> Result<(), LedgerError> {
        let size = self.size();
        let bytes = match kind {
            TileKind::Entries => &self.bundle,
            TileKind::Hashes(level) => &self.trees[usize::from(hash == TreeHash::Sm3)].levels[usize::from(level)],
        };
        let index = hashes_at(kind, size) / TILE_WIDTH;
        let Some(tile) = TilePath::in_tree(kind, index, size) else { return Ok(()) };
        if self.placed.get(&(hash, kind)) == Some(&(index, bytes.len())) {
            return Ok(());
        }
        let path = self.view.tile_path(hash, tile);
        self.disk.put(&path, bytes)?;
        let length = bytes.len();
        self.placed.insert((hash, kind), (index, length));
        Ok(())
    }

    /// Compare and swap: the file must hold what this ledger put there last.
    fn publish_checkpoint(&mut self, position: usize, size: u64) -> Result<(), LedgerError> {
        let tree = &self.trees[position];
        let path = self.view.checkpoint_path(tree.hash);
        let note = self.keys.sign_checkpoint(tree.hash, size, tree.range.root()).to_string();
        let present = if path.exists() { Some(read_text(&path)?) } else { None };
        if present.as_deref() == Some(&note) {
            self.published[position] = Some(note);
            return Ok(());
        }
        if present.is_some() && present != self.published[position] {
            return Err(LedgerError::CheckpointMoved { path });
        }
        self.disk.put(&path, note.as_bytes())?;
        self.published[position] = Some(note);
        Ok(())
    }

    /// Makes the published files durable by themselves, so that the journal can be written from the
    /// front. Happens by itself as the journal fills; call it before copying the folder elsewhere.
    ///
    /// # Errors
    /// Files that cannot be written or synced; nothing is lost, the journal still holds it.
    pub fn settle(&mut self) -> Result<(), LedgerError> {
        self.publish_rest()?;
        // Partial tiles whose full tile is in place need not last; a crash before the mark replays
        // the journal, which finds the full ones.
        self.disk.sync(&self.superseded)?;
        while let Some(folder) = self.superseded.last() {
            self.disk.prune(folder)?;
            self.superseded.pop();
        }
        let size = self.size();
        self.disk
            .before(Step::IndexFlush, &self.settled_mark)
            .map_err(LedgerError::file("flush the index beside", &self.settled_mark))?;
        self.index.flush(size)?;
        let [sha256, sm3] = self.roots();
        let mark = format!("{size}\n{}\n{}\n", hex::encode(sha256), hex::encode(sm3));
        self.disk
            .before(Step::SettledMark, &self.settled_mark)
            .map_err(LedgerError::file("write", &self.settled_mark))?;
        let path = self.settled_mark.clone();
        self.disk.put_durably(&path, mark.as_bytes())?;
        self.journal.rewind();
        Ok(())
    }

    /// Settles and gives up the lock. Dropping the ledger without it is safe too: the journal is
    /// replayed at the next opening.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub fn close(mut self) -> Result<(), LedgerError> {
        self.settle()
    }

    /// Where the journal lies: for operators who watch its disk.
    #[must_use]
    pub fn journal_path(&self) -> &Path {
        self.journal.path()
    }
}

fn disagrees(hash: TreeHash, found: String, root: Hash, size: u64) -> LedgerError {
    LedgerError::Disagrees { hash, found, expected: format!("root {} at size {size}", hex::encode(root)) }
}

/// Takes the writer's lock and writes down who holds it.
fn take_lock(dir: &Path, path: &Path, holder: &str) -> Result<File, LedgerError> {
    let mut options = fs::OpenOptions::new();
    let mut lock = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LedgerError::file("open", path))?;
    let mut taken = lock.try_lock();
    // A program that another thread of ours is just starting holds a copy of a lock that was given up,
    // until it runs its own code: no second writer, and over in a moment.
    for _ in 0..LOCK_TRIES {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        taken = lock.try_lock();
    }
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut name = String::new();
            let _ = lock.take(200).read_to_string(&mut name);
            let holder = if name.is_empty() { "another process".to_owned() } else { name };
            return Err(LedgerError::Held { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(LedgerError::file("lock", path)(source)),
    }
    let mut note = || -> std::io::Result<()> {
        lock.set_len(0)?;
        lock.seek(SeekFrom::Start(0))?;
        lock.write_all(holder.as_bytes())
    };
    note().map_err(LedgerError::file("write", path))?;
    Ok(lock)
}

/// Size and both roots up to which the files in place are known to be durable.
fn read_settled(path: &Path) -> Result<Option<(u64, [Hash; 2])>, LedgerError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(path)?;
    let unreadable =
        || LedgerError::Unreadable { path: path.to_owned(), expected: "a size and two roots, one per line" };
    let mut lines = text.lines();
    let size = lines.next().and_then(crate::checkpoint::decimal).ok_or_else(unreadable)?;
    let mut root = || -> Option<Hash> { hex::decode(lines.next()?).ok()?.try_into().ok() };
    let roots = [root().ok_or_else(unreadable)?, root().ok_or_else(unreadable)?];
    Ok(Some((size, roots)))
}

/// Takes a tree up again from its tiles.
fn resume(view: &LogView, hash: TreeHash, size: u64) -> Result<Tree, LedgerError> {
    let range = CompactRange::resume(hash, size, &mut view.tree(hash, size))?;
    let mut levels = Vec::new();
    for level in 0..level_count(size) {
        let kind = TileKind::Hashes(level);
        let index = hashes_at(kind, size) / TILE_WIDTH;
        levels.push(match TilePath::in_tree(kind, index, size) {
            Some(_) => view.tile(hash, kind, index, size)?,
            None => Vec::new(),
        });
    }
    debug_assert_eq!(
        merkle::root(hash, &mut view.tree(hash, size), size).ok(),
        Some(range.root()),
        "both ways of computing agree"
    );
    Ok(Tree { hash, range, levels })
}
