//! The full audit: every file read, both roots computed anew, every change named.
//!
//! From the entries upwards. A leaf has two hashes, in two trees; where an entry and its tiles
//! disagree, the one that stands against the other two was changed. The same holds for each level
//! above: one tree's stored hash alone against what lies beneath is a changed tile, both trees'
//! together mean that what lies beneath was changed with its hashes. What is judged right is carried
//! upwards, so one change gives one fault.

use std::{collections::BTreeMap, fs, io, num::NonZeroUsize, path::Path, thread};

use crate::{
    checkpoint::Checkpoint,
    entry::EntryText,
    error::LedgerError,
    fault::Fault,
    hashes::{Hash, TreeHash},
    keys::VERIFIER_KEYS_FILE,
    merkle::{self, CompactRange},
    note::{Note, VerifierKey},
    tiles::{TILE_WIDTH, TileKind, TilePath, bundle_entries, hashes_at, level_count},
    view::{HEAD_PAUSE, HEAD_TRIES, Head, LogView, read_bounded, read_text},
};

/// Faults told in a report; more are counted.
pub const FAULTS_TOLD_MAX: usize = 1_000;
/// Tiles a thread takes at a time.
const TILES_PER_TURN: usize = 16;
/// Files and folders walked in search of strays.
const WALK_MAX: u64 = 50_000_000;

/// What leaves must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafForm {
    /// Our own entries, canonical.
    Ours,
    /// Anything: the log of another house.
    Any,
}

/// How to audit.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Cosigners whose signatures the witnessed checkpoint must carry validly.
    pub witnesses: Vec<VerifierKey>,
    pub leaves: LeafForm,
    /// Which trees the folder holds; another house's log has one.
    pub trees: Vec<TreeHash>,
    /// Whether files that the log would not have written are faults (not in a folder that holds
    /// other things too).
    pub strays: bool,
    pub threads: NonZeroUsize,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            witnesses: Vec::new(),
            leaves: LeafForm::Ours,
            trees: TreeHash::BOTH.to_vec(),
            strays: true,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries covered by the checkpoint.
    pub entries: u64,
    /// Roots computed from the files; `None` when no tree of that kind was audited.
    pub root_sha256: Option<Hash>,
    pub root_sm3: Option<Hash>,
    /// At most [`FAULTS_TOLD_MAX`].
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub faults_more: u64,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn add(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(fault);
        } else {
            self.faults_more += 1;
        }
    }
}

/// How far an audit is: entries done and entries in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// Audits a log's folder.
#[must_use]
pub fn audit(view: &LogView, options: &AuditOptions, progress: &mut dyn FnMut(Progress)) -> Report {
    let mut report = Report::default();
    // Before the heads, so that a cosigned checkpoint never covers more than they do.
    let witnessed: Vec<_> = options.trees.iter().map(|hash| view.witnessed_head(*hash)).collect();
    let heads = read_heads(view, options, &mut report);
    check_keys(view, options, &mut report);
    // Without any readable head, the files still say how far they go: nothing can be proven of them.
    let Some(size) = heads.iter().map(|head| head.size).min() else { return report };
    report.entries = size;
    let mut auditor = Auditor { view, options, size, report };
    let mut levels = auditor.leaves(progress);
    auditor.upper_levels(&mut levels);
    let roots = auditor.roots(&levels);
    for head in &heads {
        let found = roots[position(options, head.hash)];
        if head.size == size && head.root != found {
            let file = relative(view, &view.checkpoint_path(head.hash));
            auditor.report.add(Fault::Root { hash: head.hash, file, size, expected: found, found: head.root });
        }
    }
    for (hash, root) in options.trees.iter().zip(&roots) {
        match hash {
            TreeHash::Sha256 => auditor.report.root_sha256 = Some(*root),
            TreeHash::Sm3 => auditor.report.root_sm3 = Some(*root),
        }
    }
    auditor.walk(&levels);
    auditor.witnessed(&levels, witnessed);
    auditor.report
}

fn position(options: &AuditOptions, hash: TreeHash) -> usize {
    options.trees.iter().position(|tree| *tree == hash).expect("a head of an audited tree")
}

fn relative(view: &LogView, path: &Path) -> String {
    path.strip_prefix(view.folder()).unwrap_or(path).display().to_string()
}

/// Reads the heads, again when a writer was between the two.
fn read_heads(view: &LogView, options: &AuditOptions, report: &mut Report) -> Vec<Head> {
    let mut heads = Vec::new();
    for attempt in 0..HEAD_TRIES {
        heads = options.trees.iter().filter_map(|hash| view.head(*hash).ok()).collect();
        if heads.len() < options.trees.len() || heads.iter().all(|head| head.size == heads[0].size) {
            break;
        }
        if attempt + 1 == HEAD_TRIES {
            report.add(Fault::HeadsDiffer { sha256: heads[0].size, sm3: heads[1].size });
            break;
        }
        thread::sleep(HEAD_PAUSE);
    }
    for hash in &options.trees {
        let path = view.checkpoint_path(*hash);
        let file = relative(view, &path);
        match heads.iter().find(|head| head.hash == *hash) {
            None => {
                let error =
                    view.head(*hash).err().map_or_else(|| "it was being replaced".to_owned(), |error| chain(&error));
                report.add(Fault::CheckpointUnreadable { file, reason: error });
            }
            Some(head) => foreign_lines(&head.note, &view.trusted().of(*hash), &file, report),
        }
    }
    heads
}

/// Lines of a verified note that are neither text we write nor signatures we know.
fn foreign_lines(text: &str, known: &[VerifierKey], file: &str, report: &mut Report) {
    let Ok(note) = text.parse::<Note>() else { return };
    if let Ok(checkpoint) = note.text.parse::<Checkpoint>() {
        for (number, line) in checkpoint.extensions.iter().enumerate() {
            report.add(Fault::CheckpointLine { file: file.to_owned(), line: 4 + number, found: line.clone() });
        }
    }
    let before = note.text.lines().count() + 1;
    for (number, signature) in note.signatures.iter().enumerate() {
        if !Note::is_known_line(signature, known) {
            report.add(Fault::CheckpointLine {
                file: file.to_owned(),
                line: before + number + 1,
                found: signature.to_string().trim_end().to_owned(),
            });
        }
    }
}

fn check_keys(view: &LogView, options: &AuditOptions, report: &mut Report) {
    if options.leaves == LeafForm::Any {
        return;
    }
    match read_text(&view.folder().join(VERIFIER_KEYS_FILE)) {
        Ok(text) if text == view.trusted().to_text() => {}
        Ok(_) => report.add(Fault::Keys { file: VERIFIER_KEYS_FILE.to_owned() }),
        Err(_) => report.add(Fault::Missing { file: VERIFIER_KEYS_FILE.to_owned() }),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

struct Auditor<'a> {
    view: &'a LogView,
    options: &'a AuditOptions,
    size: u64,
    report: Report,
}

/// Per tree, per level: the hashes judged right, side by side. Level 0 keeps only the leaves of the
/// last tile when that is partial; the rest went up.
type Levels = Vec<Vec<Vec<u8>>>;

/// One tile of leaves after its audit: per tree, the hashes judged right.
struct Block {
    leaves: Vec<Vec<u8>>,
    faults: Vec<Fault>,
}

impl Auditor<'_> {
    /// Level 0: entries against both trees' leaf tiles, several tiles at a time.
    fn leaves(&mut self, progress: &mut dyn FnMut(Progress)) -> Levels {
        let trees = self.options.trees.len();
        let mut levels: Levels = vec![vec![Vec::new(), Vec::new()]; trees];
        let tiles = self.size.div_ceil(TILE_WIDTH);
        let threads = self.options.threads.get();
        let turn = (threads * TILES_PER_TURN) as u64;
        let mut next = 0;
        while next < tiles {
            let end = (next + turn).min(tiles);
            let (view, options, size) = (self.view, self.options, self.size);
            let outcomes: Vec<(u64, Vec<Hash>, Block)> = thread::scope(|scope| {
                let share = (end - next).div_ceil(threads as u64).max(1);
                let workers: Vec<_> = (next..end)
                    .step_by(usize::try_from(share).expect("a turn is small"))
                    .map(|from| {
                        scope.spawn(move || {
                            (from..(from + share).min(end))
                                .map(|index| {
                                    let block = audit_block(view, options, size, index);
                                    let whole = block
                                        .leaves
                                        .iter()
                                        .zip(&options.trees)
                                        .filter(|(leaves, _)| leaves.len() == 8_192);
                                    let roots = whole.map(|(leaves, hash)| hash.perfect_root(leaves)).collect();
                                    (index, roots, block)
                                })
                                .collect::<Vec<_>>()
                        })
                    })
                    .collect();
                workers.into_iter().flat_map(|worker| worker.join().expect("an audit does not panic")).collect()
            });
            for (_, roots, block) in outcomes {
                block.faults.into_iter().for_each(|fault| self.report.add(fault));
                for (tree, leaves) in block.leaves.into_iter().enumerate() {
                    match roots.get(tree) {
                        Some(root) => levels[tree][1].extend_from_slice(root),
                        None => levels[tree][0] = leaves,
                    }
                }
            }
            next = end;
            progress(Progress { done: (next * TILE_WIDTH).min(self.size), total: self.size });
        }
        levels
    }

    /// Levels 1 and up: each stored tile against the roots of those beneath.
    fn upper_levels(&mut self, levels: &mut Levels) {
        for level in 1..level_count(self.size) {
            let kind = TileKind::Hashes(level);
            let width = hashes_at(kind, self.size);
            let here = usize::from(level);
            for index in 0..width.div_ceil(TILE_WIDTH) {
                let tile = TilePath::in_tree(kind, index, self.size).expect("counted from the size");
                let range = usize::try_from(index * 8_192).expect("fits memory")..;
                let range = range.start..range.start + usize::from(tile.width) * 32;
                let stored: Vec<Option<Vec<u8>>> =
                    self.options.trees.iter().map(|hash| self.read_tile(*hash, tile)).collect();
                for slot in 0..usize::from(tile.width) {
                    let at = range.start + slot * 32;
                    let differing: Vec<usize> = (0..stored.len())
                        .filter(|tree| {
                            stored[*tree].as_ref().is_some_and(|bytes| {
                                bytes[slot * 32..slot * 32 + 32] != levels[*tree][here][at..at + 32]
                            })
                        })
                        .collect();
                    if differing.len() == stored.len() && stored.len() > 1 {
                        let span = TILE_WIDTH.pow(u32::from(level));
                        let first = (index * TILE_WIDTH + slot as u64) * span;
                        self.report.add(Fault::Range { level, first, last: first + span - 1 });
                        for tree in differing {
                            let bytes = stored[tree].as_ref().expect("it differs, so it is there");
                            levels[tree][here][at..at + 32].copy_from_slice(&bytes[slot * 32..slot * 32 + 32]);
                        }
                    } else {
                        for tree in differing {
                            let bytes = stored[tree].as_ref().expect("it differs, so it is there");
                            let file = relative(self.view, &self.view.tile_path(self.options.trees[tree], tile));
                            let fault = first_difference(
                                &file,
                                (slot * 32) as u64,
                                &levels[tree][here][at..at + 32],
                                &bytes[slot * 32..slot * 32 + 32],
                            );
                            if let Some(fault) = fault {
                                self.report.add(fault);
                            }
                        }
                    }
                }
            }
            for tree in 0..self.options.trees.len() {
                let hash = self.options.trees[tree];
                let roots: Vec<u8> =
                    levels[tree][here].chunks_exact(8_192).flat_map(|tile| hash.perfect_root(tile)).collect();
                levels[tree].push(roots);
            }
        }
    }

    fn roots(&self, levels: &Levels) -> Vec<Hash> {
        let trees = self.options.trees.iter().zip(levels);
        trees.map(|(hash, levels)| audited_root(*hash, levels, levels[0].clone(), self.size)).collect()
    }

    /// Root of the first `size` entries as judged right: the leaves of its last tile are judged
    /// again, for those of finished tiles went up.
    fn earlier_root(&self, levels: &Levels, tree: usize, size: u64) -> Hash {
        let leaves = if size.is_multiple_of(TILE_WIDTH) {
            Vec::new()
        } else {
            audit_block(self.view, self.options, self.size, size / TILE_WIDTH).leaves.swap_remove(tree)
        };
        audited_root(self.options.trees[tree], &levels[tree], leaves, size)
    }

    /// A tile file as it must stand: exact width, or cut from the full one that has replaced it.
    fn read_tile(&mut self, hash: TreeHash, tile: TilePath) -> Option<Vec<u8>> {
        match read_exact_tile(self.view, hash, tile) {
            Ok(bytes) => Some(bytes),
            Err(fault) => {
                self.report.add(fault);
                None
            }
        }
    }

    /// Every file under the log's folder: older partial tiles are compared, anything else is stray.
    fn walk(&mut self, levels: &Levels) {
        let mut older: BTreeMap<(usize, TileKind, u64), Vec<TilePath>> = BTreeMap::new();
        let mut folders = vec![self.view.folder().to_owned()];
        let mut walked = 0_u64;
        while let Some(folder) = folders.pop() {
            let Ok(list) = fs::read_dir(&folder) else { continue };
            for item in list.flatten() {
                walked += 1;
                if walked > WALK_MAX {
                    self.report.add(Fault::Stray { file: format!("{}: more than {WALK_MAX} files", folder.display()) });
                    return;
                }
                let path = item.path();
                if item.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                    continue;
                }
                let file = relative(self.view, &path);
                if let Some((tree, tile)) = self.expected_tile(&file) {
                    let current = TilePath::in_tree(tile.kind, tile.index, self.size);
                    match current {
                        Some(current) if current.width > tile.width => {
                            older.entry((tree, tile.kind, tile.index)).or_default().push(tile);
                        }
                        // Written since the head was read, or just audited.
                        _ => {}
                    }
                } else if self.options.strays && !self.is_named_file(&file) {
                    self.report.add(Fault::Stray { file });
                }
            }
        }
        for ((tree, kind, index), tiles) in older {
            self.compare_older(levels, tree, kind, index, &tiles);
        }
    }

    fn is_named_file(&self, file: &str) -> bool {
        file == VERIFIER_KEYS_FILE
            || ["checkpoint", "sm3/checkpoint", "witnessed/checkpoint", "sm3/witnessed/checkpoint"].contains(&file)
    }

    /// The tree and tile a path names, if the log could have written it.
    fn expected_tile(&self, file: &str) -> Option<(usize, TilePath)> {
        for (tree, hash) in self.options.trees.iter().enumerate() {
            let name = match hash {
                TreeHash::Sha256 => file,
                TreeHash::Sm3 => match file.strip_prefix("sm3/") {
                    Some(name) => name,
                    None => continue,
                },
            };
            let Ok(tile) = name.parse::<TilePath>() else { continue };
            if tile.kind == TileKind::Entries && *hash == TreeHash::Sm3 {
                return None;
            }
            return Some((tree, tile));
        }
        None
    }

    fn compare_older(&mut self, levels: &Levels, tree: usize, kind: TileKind, index: u64, tiles: &[TilePath]) {
        // Leaves went up, so those of a finished tile are judged again from its files.
        let leaves = |tree: usize| match kind {
            TileKind::Hashes(level) if level > 0 => {
                let start = usize::try_from(index * 8_192).expect("fits memory");
                let all = &levels[tree][usize::from(level)];
                all[start..(start + 8_192).min(all.len())].to_vec()
            }
            _ => audit_block(self.view, self.options, self.size, index).leaves.swap_remove(tree),
        };
        let right = leaves(tree);
        let hash = self.options.trees[tree];
        for tile in tiles {
            let path = self.view.tile_path(hash, *tile);
            let file = relative(self.view, &path);
            let Ok(bytes) = read_bounded(&path) else { continue };
            let width = usize::from(tile.width);
            match kind {
                TileKind::Hashes(_) => {
                    if bytes.len() == width * 32 {
                        if let Some(fault) = first_difference(&file, 0, &right[..width * 32], &bytes) {
                            self.report.add(fault);
                        }
                    } else {
                        self.report.add(Fault::Length {
                            file,
                            expected: (width * 32) as u64,
                            found: bytes.len() as u64,
                        });
                    }
                }
                TileKind::Entries => self.compare_older_bundle(&file, index, width, &bytes, &right, hash),
            }
        }
    }

    fn compare_older_bundle(
        &mut self,
        file: &str,
        index: u64,
        width: usize,
        bytes: &[u8],
        right: &[u8],
        hash: TreeHash,
    ) {
        let (entries, defect) = bundle_entries(bytes);
        let differs = |position: usize| hash.leaf(entries[position].1) != right[position * 32..position * 32 + 32];
        let bad = (0..entries.len().min(width)).find(|position| differs(*position));
        let first = index * TILE_WIDTH;
        if defect.is_some() || entries.len() != width {
            let position = bad.unwrap_or(entries.len().min(width));
            let offset = entries.get(position).map_or(bytes.len(), |(offset, _)| offset - 2) as u64;
            self.report.add(Fault::Bundle { file: file.to_owned(), offset, index: first + position as u64 });
        } else if let Some(position) = bad {
            let (offset, entry) = entries[position];
            self.report.add(Fault::Entry {
                index: first + position as u64,
                file: file.to_owned(),
                offset: offset as u64,
                length: entry.len() as u64,
                expected_sha256: right[position * 32..position * 32 + 32].try_into().expect("32 bytes"),
                found_sha256: hash.leaf(entry),
            });
        }
    }

    /// The cosigned checkpoints: verified, without foreign lines, and prefixes of the present tree.
    fn witnessed(&mut self, levels: &Levels, witnessed: Vec<Result<Option<Head>, LedgerError>>) {
        for (tree, (hash, head)) in self.options.trees.iter().zip(witnessed).enumerate() {
            let file = relative(self.view, &self.view.witnessed_path(*hash));
            let head = match head {
                Ok(Some(head)) => head,
                Ok(None) => continue,
                Err(error) => {
                    self.report.add(Fault::CheckpointUnreadable { file, reason: chain(&error) });
                    continue;
                }
            };
            let mut known = self.view.trusted().of(*hash);
            known.extend(self.options.witnesses.iter().cloned());
            foreign_lines(&head.note, &known, &file, &mut self.report);
            let note: Note = head.note.parse().expect("the head was read from it");
            for witness in &self.options.witnesses {
                // Absent is the quorum's business; present and false is ours.
                let present =
                    note.signatures.iter().any(|line| Note::is_known_line(line, std::slice::from_ref(witness)));
                if present && let Err(error) = note.verify(std::slice::from_ref(witness)) {
                    self.report.add(Fault::Cosignature {
                        file: file.clone(),
                        witness: witness.name().to_owned(),
                        reason: error.to_string(),
                    });
                }
            }
            if head.size > self.size {
                self.report.add(Fault::CheckpointUnreadable {
                    file,
                    reason: format!("it covers {} entries, the log has {}", head.size, self.size),
                });
                continue;
            }
            let root = self.earlier_root(levels, tree, head.size);
            if root != head.root {
                self.report.add(Fault::Root { hash: *hash, file, size: head.size, expected: root, found: head.root });
            }
        }
    }
}

/// Root of the first `size` entries from audited hashes; `leaves` are those of its last, partial
/// tile.
fn audited_root(hash: TreeHash, levels: &[Vec<u8>], leaves: Vec<u8>, size: u64) -> Hash {
    let Ok(range) = CompactRange::resume(hash, size, &mut AuditedTree { hash, levels, leaves, size });
    range.root()
}

/// The audited hashes as a tree. Full leaf tiles are known by their roots, which suffices for a
/// right edge: a compact range never looks inside them.
struct AuditedTree<'a> {
    hash: TreeHash,
    levels: &'a [Vec<u8>],
    leaves: Vec<u8>,
    size: u64,
}

impl merkle::Subtrees for AuditedTree<'_> {
    type Error = std::convert::Infallible;

    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error> {
        let first = index << (height % 8);
        let (hashes, first) = match height / 8 {
            0 => (&self.leaves, first - self.size / TILE_WIDTH * TILE_WIDTH),
            level => (&self.levels[usize::from(level)], first),
        };
        let start = usize::try_from(first).expect("fits memory") * 32;
        Ok(self.hash.perfect_root(&hashes[start..start + (32 << (height % 8))]))
    }
}

/// Names the first byte in which two equally long runs differ.
fn first_difference(file: &str, base: u64, expected: &[u8], found: &[u8]) -> Option<Fault> {
    let at = expected.iter().zip(found).position(|(expected, found)| expected != found)?;
    Some(Fault::Byte { file: file.to_owned(), offset: base + at as u64, expected: expected[at], found: found[at] })
}

fn read_exact_tile(view: &LogView, hash: TreeHash, tile: TilePath) -> Result<Vec<u8>, Fault> {
    let expected = usize::from(tile.width) * 32;
    let path = view.tile_path(hash, tile);
    let file = relative(view, &path);
    match fs::read(&path) {
        Ok(bytes) if tile.kind == TileKind::Entries || bytes.len() == expected => Ok(bytes),
        Ok(bytes) => Err(Fault::Length { file, expected: expected as u64, found: bytes.len() as u64 }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
            // The full tile has replaced it since the head was read.
            view.tile(hash, tile.kind, tile.index, tile.index * TILE_WIDTH + u64::from(tile.width))
                .map_err(|_| Fault::Missing { file })
        }
        Err(_) => Err(Fault::Missing { file }),
    }
}

/// One bundle against the leaf tiles of every tree.
fn audit_block(view: &LogView, options: &AuditOptions, size: u64, index: u64) -> Block {
    let mut faults = Vec::new();
    let bundle_tile = TilePath::in_tree(TileKind::Entries, index, size).expect("counted from the size");
    let width = usize::from(bundle_tile.width);
    let first = index * TILE_WIDTH;
    let bundle_file = relative(view, &view.tile_path(TreeHash::Sha256, bundle_tile));
    let mut keep = |result: Result<Vec<u8>, Fault>| result.map_err(|fault| faults.push(fault)).ok();
    let bundle = keep(read_exact_tile(view, TreeHash::Sha256, bundle_tile));
    let tiles: Vec<Option<Vec<u8>>> = options
        .trees
        .iter()
        .map(|hash| keep(read_exact_tile(view, *hash, TilePath { kind: TileKind::Hashes(0), ..bundle_tile })))
        .collect();
    let (entries, defect) = bundle.as_deref().map_or((Vec::new(), None), bundle_entries);
    let bytes: Vec<&[u8]> = entries.iter().take(width).map(|(_, entry)| *entry).collect();
    let computed: Vec<Vec<u8>> = options.trees.iter().map(|hash| hash.leaves(&bytes).concat()).collect();
    let slot = |bytes: &[u8], at: usize| -> Hash { bytes[at * 32..at * 32 + 32].try_into().expect("32 bytes") };
    let broken = bundle.is_some() && (defect.is_some() || entries.len() != width);
    let mut readable = bytes.len();
    if broken {
        let disagrees = |at: usize| {
            computed
                .iter()
                .zip(&tiles)
                .all(|(computed, tile)| tile.as_ref().is_none_or(|tile| slot(computed, at) != slot(tile, at)))
        };
        readable = (0..bytes.len()).find(|at| disagrees(*at)).unwrap_or(bytes.len());
        let offset = entries
            .get(readable)
            .map_or_else(|| defect.as_ref().map_or(0, |defect| defect.offset), |(offset, _)| offset - 2);
        faults.push(Fault::Bundle { file: bundle_file.clone(), offset: offset as u64, index: first + readable as u64 });
    }
    let mut leaves: Vec<Vec<u8>> = Vec::with_capacity(tiles.len());
    for (computed, tile) in computed.iter().zip(&tiles) {
        // Where both are at hand the tile is the start, corrected below; else what there is.
        let mut right = tile.clone().unwrap_or_else(|| computed.clone());
        right.resize(width * 32, 0);
        leaves.push(right);
    }
    let same = computed.iter().zip(&tiles).all(|(computed, tile)| tile.as_ref().is_some_and(|tile| tile == computed));
    for at in 0..if same { 0 } else { readable } {
        let differing: Vec<usize> = (0..tiles.len())
            .filter(|tree| tiles[*tree].as_ref().is_some_and(|tile| slot(tile, at) != slot(&computed[*tree], at)))
            .collect();
        let present = tiles.iter().flatten().count();
        if differing.is_empty() {
            continue;
        }
        if differing.len() == present {
            let (offset, entry) = entries[at];
            let stored = tiles[differing[0]].as_ref().expect("it differs, so it is there");
            faults.push(Fault::Entry {
                index: first + at as u64,
                file: bundle_file.clone(),
                offset: offset as u64,
                length: entry.len() as u64,
                expected_sha256: slot(stored, at),
                found_sha256: slot(&computed[differing[0]], at),
            });
            continue;
        }
        for tree in differing {
            let tile = TilePath { kind: TileKind::Hashes(0), ..bundle_tile };
            let file = relative(view, &view.tile_path(options.trees[tree], tile));
            let stored = tiles[tree].as_ref().expect("it differs, so it is there");
            faults.extend(first_difference(&file, (at * 32) as u64, &slot(&computed[tree], at), &slot(stored, at)));
            leaves[tree][at * 32..at * 32 + 32].copy_from_slice(&slot(&computed[tree], at));
        }
    }
    if options.leaves == LeafForm::Ours {
        for (at, (offset, entry)) in entries.iter().take(readable).enumerate() {
            let number = first + at as u64;
            let reason = match EntryText::read(entry) {
                Ok(entry) if entry.prev.is_none_or(|prev| prev < number) => continue,
                Ok(_) => "`prev` names an entry that does not stand before it".to_owned(),
                Err(defect) => defect.to_string(),
            };
            // A changed entry has been named already.
            let changed = faults.iter().any(|fault| matches!(fault, Fault::Entry { index, .. } if *index == number));
            if !changed {
                faults.push(Fault::Form { index: number, file: bundle_file.clone(), offset: *offset as u64, reason });
            }
        }
    }
    Block { leaves, faults }
}
