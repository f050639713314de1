//! Paths and contents of the static files: tiles and entry bundles (C2SP `tlog-tiles`).

use std::{fmt, str::FromStr};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// An entry's length is a big-endian `uint16`.
pub const BUNDLE_ENTRY_BYTES_MAX: usize = 65_535;
/// Levels a path may name (`tlog-tiles`: 0 to 63); a 64-bit tree fills eight.
const LEVEL_MAX: u8 = 63;

/// What a file under `tile/` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes of level 0 (leaves), 1 (roots of full level-0 tiles), ….
    Hashes(u8),
    /// Entries, length-prefixed.
    Entries,
}

/// One file under `tile/`: `tile/0/x001/234`, `tile/entries/000.p/15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    pub kind: TileKind,
    /// Index of the tile within its level.
    pub index: u64,
    /// Hashes or entries in it: 1 to 256, and 256 means full.
    pub width: u16,
}

impl TilePath {
    /// A full tile.
    #[must_use]
    pub fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: 256 }
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == 256
    }

    /// The tile of `kind` with this `index` in a tree of `size` leaves, or `None` when such a tree
    /// has none there.
    #[must_use]
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let available = hashes_at(kind, size).checked_sub(index.checked_mul(TILE_WIDTH)?)?;
        let width = u16::try_from(available.min(TILE_WIDTH)).expect("at most 256");
        (width > 0).then_some(Self { kind, index, width })
    }
}

/// How many hashes (or entries) a tree of `size` leaves has at this kind's level.
#[must_use]
pub fn hashes_at(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Entries => size,
        TileKind::Hashes(level) => size.checked_shr(u32::from(level) * 8).unwrap_or(0),
    }
}

/// Levels of hash tiles that a tree of `size` leaves has: 0 for the empty tree, 1 up to 255
/// leaves, 2 up to 65,535, ….
#[must_use]
pub fn level_count(size: u64) -> u8 {
    (0..8).take_while(|level| hashes_at(TileKind::Hashes(*level), size) > 0).count().try_into().expect("at most eight")
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut divisor = 1_u64;
        while self.index / divisor >= 1000 {
            divisor *= 1000;
        }
        while divisor > 1 {
            write!(f, "x{:03}/", self.index / divisor % 1000)?;
            divisor /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// A path that is not of the form `tile/<L>/<N>[.p/<W>]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a tile path: {expected}")]
pub struct TilePathDefect {
    pub path: String,
    pub expected: &'static str,
}

impl FromStr for TilePath {
    type Err = TilePathDefect;

    /// Reads exactly what [`fmt::Display`] writes: one path per tile, no other spelling.
    fn from_str(path: &str) -> Result<Self, TilePathDefect> {
        let defect = |expected| TilePathDefect { path: path.chars().take(200).collect(), expected };
        let rest = path.strip_prefix("tile/").ok_or_else(|| defect("it starts with `tile/`"))?;
        let (level, rest) = rest.split_once('/').ok_or_else(|| defect("a level and an index follow `tile/`"))?;
        let kind = if level == "entries" {
            TileKind::Entries
        } else {
            let level = small_number(level).ok_or_else(|| defect("a level is `entries` or 0 to 63"))?;
            if level > u16::from(LEVEL_MAX) {
                return Err(defect("a level is `entries` or 0 to 63"));
            }
            TileKind::Hashes(u8::try_from(level).expect("at most 63"))
        };
        let (index_path, width) = match rest.split_once(".p/") {
            None => (rest, 256),
            Some((index_path, width)) => {
                let width = small_number(width).filter(|width| (1..=255).contains(width));
                (index_path, width.ok_or_else(|| defect("a width is 1 to 255"))?)
            }
        };
        let mut index = 0_u64;
        let mut elements = index_path.split('/').peekable();
        let mut first = true;
        while let Some(element) = elements.next() {
            let digits = if elements.peek().is_some() {
                element.strip_prefix('x').ok_or_else(|| defect("every element but the last begins with `x`"))?
            } else {
                element
            };
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(defect("an index is written in groups of three digits"));
            }
            if first && elements.peek().is_some() && digits == "000" {
                return Err(defect("an index has no leading group of zeros"));
            }
            first = false;
            let group: u64 = digits.parse().map_err(|_| defect("an index is written in groups of three digits"))?;
            index = index
                .checked_mul(1000)
                .and_then(|index| index.checked_add(group))
                .ok_or_else(|| defect("an index fits 64 bits"))?;
        }
        Ok(Self { kind, index, width })
    }
}

/// A decimal below 1000 without a sign or leading zeros.
fn small_number(text: &str) -> Option<u16> {
    let plain = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// Adds one entry to a bundle.
///
/// # Panics
/// When the entry is longer than [`BUNDLE_ENTRY_BYTES_MAX`]: the ledger's own bound is far below.
pub fn bundle_push(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("an entry is bounded before it is bundled");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// A bundle whose lengths do not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "after {complete} whole entries the bundle breaks off: byte {offset} promises {promised} more bytes, {left} are there"
)]
pub struct BundleDefect {
    /// Entries read before the break.
    pub complete: usize,
    /// Offset of the length that cannot be met.
    pub offset: usize,
    pub promised: usize,
    pub left: usize,
}

/// The entries of a bundle, with the offset of each one's first byte. Reading stops at the first
/// break, and what stood before it is returned beside the defect.
#[must_use]
pub fn bundle_entries(bundle: &[u8]) -> (Vec<(usize, &[u8])>, Option<BundleDefect>) {
    let mut entries = Vec::with_capacity(256);
    let mut at = 0;
    while at < bundle.len() {
        let left = bundle.len() - at;
        let Some((prefix, rest)) = bundle[at..].split_at_checked(2) else {
            let defect = BundleDefect { complete: entries.len(), offset: at, promised: 2, left };
            return (entries, Some(defect));
        };
        let length = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
        let Some(entry) = rest.get(..length) else {
            let defect = BundleDefect { complete: entries.len(), offset: at, promised: length, left: left - 2 };
            return (entries, Some(defect));
        };
        entries.push((at + 2, entry));
        at += 2 + length;
    }
    (entries, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_specifications_own_paths_are_written_and_read() {
        let deep = TilePath::full(TileKind::Hashes(0), 1_234_067);
        assert_eq!(deep.to_string(), "tile/0/x001/x234/067");
        assert_eq!("tile/0/x001/x234/067".parse(), Ok(deep));
        let partial = TilePath { kind: TileKind::Entries, index: 273, width: 112 };
        assert_eq!(partial.to_string(), "tile/entries/273.p/112");
    }

    /// The worked example of `tlog-tiles`: 70,000 leaves.
    #[test]
    fn seventy_thousand_leaves_have_the_tiles_the_specification_counts() {
        let tile = |level, index| TilePath::in_tree(TileKind::Hashes(level), index, 70_000).map(|tile| tile.width);
        assert_eq!((tile(0, 272), tile(0, 273), tile(0, 274)), (Some(256), Some(112), None));
        assert_eq!((tile(1, 0), tile(1, 1), tile(1, 2)), (Some(256), Some(17), None));
        assert_eq!((tile(2, 0), tile(3, 0)), (Some(1), None));
        assert_eq!(level_count(70_000), 3);
        assert_eq!(level_count(256), 2);
        assert_eq!((level_count(0), level_count(1)), (0, 1));
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "tile/00/000",
            "tile/64/000",
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/x001/x002",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001/",
            "/tile/0/001",
            "tile/+1/001",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "tile/0/001.p/1/",
        ] {
            assert!(path.parse::<TilePath>().is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_path_reads_back(level in 0_u8..=63, entries in any::<bool>(), index in any::<u64>(), width in 1_u16..=256) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let path = TilePath { kind, index, width };
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_spelled_so(text in "(tile/)?[0-9a-z./]{0,30}") {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        #[test]
        fn any_bytes_are_a_bundle_or_name_where_it_breaks(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let (entries, defect) = bundle_entries(&bytes);
            let mut again = Vec::new();
            for (_, entry) in &entries {
                bundle_push(&mut again, entry);
            }
            prop_assert!(bytes.starts_with(&again));
            prop_assert_eq!(defect.is_none(), again.len() == bytes.len());
        }
    }
}
