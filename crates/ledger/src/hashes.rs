//! The two hashes a tree can be built with. RFC 6962 §2.1 fixes the shape (a `0x00` byte before a
//! leaf, `0x01` before two children); SHA-256 is what C2SP `tlog-tiles` names, SM3 (GB/T 32905) is
//! the sister tree over the same leaves.

use sha2::{Digest, Sha256};
use sm3::Sm3;

use crate::sm3_lanes;

/// One 32-byte hash of either kind.
pub type Hash = [u8; 32];

const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;

/// Which hash a tree, a checkpoint or a proof is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TreeHash {
    Sha256,
    Sm3,
}

impl TreeHash {
    /// Both, in the order in which the ledger keeps them.
    pub const BOTH: [Self; 2] = [Self::Sha256, Self::Sm3];

    /// `sha256` or `sm3`: the word used in field names, reports and error messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sm3 => "sm3",
        }
    }

    /// The root of the empty tree: the hash of no bytes (RFC 6962 §2.1).
    #[must_use]
    pub fn empty(self) -> Hash {
        match self {
            Self::Sha256 => Sha256::digest([]).into(),
            Self::Sm3 => Sm3::digest([]).into(),
        }
    }

    /// The hash of one entry.
    #[must_use]
    pub fn leaf(self, entry: &[u8]) -> Hash {
        self.prefixed(LEAF, entry, &[])
    }

    /// The hash of two children.
    #[must_use]
    pub fn node(self, left: &Hash, right: &Hash) -> Hash {
        self.prefixed(NODE, left, right)
    }

    /// [`Self::leaf`] of every entry, in order. SM3 has no processor instruction and is computed
    /// several entries at a time.
    #[must_use]
    pub fn leaves(self, entries: &[&[u8]]) -> Vec<Hash> {
        match self {
            Self::Sha256 => entries.iter().map(|entry| self.leaf(entry)).collect(),
            Self::Sm3 => sm3_lanes::digests(LEAF, entries),
        }
    }

    /// The parents of an even run of hashes laid side by side (`tile` is a multiple of 64 bytes).
    ///
    /// # Panics
    /// When the run is odd: callers hold whole pairs.
    #[must_use]
    pub fn parents(self, tile: &[u8]) -> Vec<u8> {
        assert_eq!(tile.len() % 64, 0, "children come in pairs of 32 bytes");
        let mut parents = Vec::with_capacity(tile.len() / 2);
        match self {
            Self::Sha256 => {
                for pair in tile.chunks_exact(64) {
                    parents.extend_from_slice(&self.prefixed(NODE, pair, &[]));
                }
            }
            Self::Sm3 => {
                let pairs: Vec<&[u8]> = tile.chunks_exact(64).collect();
                for parent in sm3_lanes::digests(NODE, &pairs) {
                    parents.extend_from_slice(&parent);
                }
            }
        }
        parents
    }

    /// The root of a perfect subtree whose `tile` holds `2^k` hashes side by side.
    ///
    /// # Panics
    /// When the number of hashes is not a power of two.
    #[must_use]
    pub fn perfect_root(self, tile: &[u8]) -> Hash {
        let count = tile.len() / 32;
        assert!(count.is_power_of_two() && tile.len().is_multiple_of(32), "a perfect subtree has 2^k hashes");
        if count == 1 {
            return tile.try_into().expect("one hash is 32 bytes");
        }
        let mut row = self.parents(tile);
        while row.len() > 32 {
            row = self.parents(&row);
        }
        row.as_slice().try_into().expect("the last row is one hash")
    }

    fn prefixed(self, prefix: u8, first: &[u8], second: &[u8]) -> Hash {
        match self {
            Self::Sha256 => {
                Sha256::new().chain_update([prefix]).chain_update(first).chain_update(second).finalize().into()
            }
            Self::Sm3 => Sm3::new().chain_update([prefix]).chain_update(first).chain_update(second).finalize().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_roots_are_the_hashes_of_no_bytes() {
        assert_eq!(
            hex::encode(TreeHash::Sha256.empty()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex::encode(TreeHash::Sm3.empty()),
            "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"
        );
    }

    #[test]
    fn many_leaves_and_parents_equal_one_at_a_time() {
        let entries: Vec<Vec<u8>> = (0_u8..=255).map(|n| vec![n; usize::from(n) * 3]).collect();
        let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        for hash in TreeHash::BOTH {
            let one_by_one: Vec<Hash> = entries.iter().map(|entry| hash.leaf(entry)).collect();
            assert_eq!(hash.leaves(&entries), one_by_one);
            let tile = one_by_one.concat();
            let parents: Vec<u8> = one_by_one.chunks(2).flat_map(|pair| hash.node(&pair[0], &pair[1])).collect();
            assert_eq!(hash.parents(&tile), parents);
        }
    }
}
