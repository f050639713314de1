//! The whole log, copied to a folder that any web server can serve.

use std::path::Path;

use crate::{
    disk::write_durably,
    error::LedgerError,
    hashes::TreeHash,
    keys::VERIFIER_KEYS_FILE,
    tiles::{TILE_WIDTH, TileKind, TilePath, hashes_at, level_count},
    view::LogView,
};

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    pub entries: u64,
    /// Files written; full tiles and bundles that were there already can never change and are
    /// passed over.
    pub files: u64,
    pub bytes: u64,
}

/// Copies the log as it stands at its published heads; running it again adds what is new. The
/// checkpoints are written last, so that a half-finished export is an older log, not a broken one.
/// `progress` is told tiles done and tiles in all.
///
/// # Errors
/// Unreadable files of the log, or a folder that cannot be written.
pub fn export(view: &LogView, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Exported, LedgerError> {
    let target = LogView::new(to, view.trusted().clone());
    let heads = view.heads()?;
    let size = heads[0].size;
    let mut exported = Exported { entries: size, ..Exported::default() };
    let mut wanted = vec![(TreeHash::Sha256, TileKind::Entries)];
    for level in 0..level_count(size) {
        wanted.extend(TreeHash::BOTH.map(|hash| (hash, TileKind::Hashes(level))));
    }
    let tiles_of = |kind| hashes_at(kind, size).div_ceil(TILE_WIDTH);
    let total = wanted.iter().map(|(_, kind)| tiles_of(*kind)).sum();
    let mut done = 0;
    for (hash, kind) in wanted {
        for index in 0..tiles_of(kind) {
            let tile = TilePath::in_tree(kind, index, size).expect("counted from the size");
            let path = target.tile_path(hash, tile);
            if !(tile.is_full() && path.exists()) {
                put(&path, &view.tile(hash, kind, index, size)?, &mut exported)?;
            }
            done += 1;
            progress(done, total);
        }
    }
    put(&to.join(VERIFIER_KEYS_FILE), view.trusted().to_text().as_bytes(), &mut exported)?;
    // The sister first, as the ledger itself publishes them.
    for head in heads.iter().rev() {
        if let Some(witnessed) = view.witnessed_head(head.hash)?
            && witnessed.size <= size
        {
            put(&target.witnessed_path(head.hash), witnessed.note.as_bytes(), &mut exported)?;
        }
        put(&target.checkpoint_path(head.hash), head.note.as_bytes(), &mut exported)?;
    }
    Ok(exported)
}

fn put(path: &Path, bytes: &[u8], exported: &mut Exported) -> Result<(), LedgerError> {
    write_durably(path, bytes)?;
    exported.files += 1;
    exported.bytes += bytes.len() as u64;
    Ok(())
}
