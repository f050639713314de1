//! RFC 6962 trees: growing one, proving inclusion and consistency, and checking both.
//!
//! Building needs only the roots of perfect subtrees ([`CompactRange`]); proving asks a
//! [`Subtrees`] for them (in practice: the tiles on disk); checking needs nothing but the proof.

use crate::hashes::{Hash, TreeHash};

/// The right edge of a growing tree: one root per perfect subtree, largest first.
///
/// Appending costs one hash on average and never looks back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactRange {
    hash: TreeHash,
    size: u64,
    /// Heights strictly decrease.
    stack: Vec<(u8, Hash)>,
}

impl CompactRange {
    #[must_use]
    pub fn new(hash: TreeHash) -> Self {
        Self { hash, size: 0, stack: Vec::new() }
    }

    /// Takes up a tree of `size` leaves again.
    ///
    /// # Errors
    /// Whatever `tree` answers when it lacks a subtree.
    pub fn resume<S: Subtrees>(hash: TreeHash, size: u64, tree: &mut S) -> Result<Self, S::Error> {
        let mut stack = Vec::new();
        let mut start = 0;
        for height in (0..64_u8).rev() {
            if size >> height & 1 == 1 {
                stack.push((height, tree.subtree(height, start >> height)?));
                start += 1 << height;
            }
        }
        Ok(Self { hash, size, stack })
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf hash and tells `complete` every perfect subtree it closes: height, index among
    /// the subtrees of that height, root. The leaf itself is told first, with height 0.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(u8, u64, &Hash)) {
        let mut height = 0;
        let mut node = leaf;
        complete(0, self.size, &node);
        self.size += 1;
        while let Some((left_height, left)) = self.stack.last() {
            if *left_height != height {
                break;
            }
            node = self.hash.node(left, &node);
            height += 1;
            self.stack.pop();
            complete(height, (self.size >> height) - 1, &node);
        }
        self.stack.push((height, node));
    }

    /// Root of the tree so far; of the empty tree, the hash of no bytes.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut subtrees = self.stack.iter().rev();
        let Some((_, smallest)) = subtrees.next() else {
            return self.hash.empty();
        };
        subtrees.fold(*smallest, |right, (_, left)| self.hash.node(left, &right))
    }
}

/// Something that knows the roots of perfect subtrees.
pub trait Subtrees {
    type Error;

    /// Root over leaves `index·2^height .. (index+1)·2^height`.
    ///
    /// # Errors
    /// When the subtree cannot be had.
    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Root over leaves `start..end` as they stand in a tree; `end > start`, and `start` is a multiple
/// of the largest power of two below `end - start`.
fn range_root<S: Subtrees>(hash: TreeHash, tree: &mut S, start: u64, end: u64) -> Result<Hash, S::Error> {
    let count = end - start;
    if count.is_power_of_two() {
        let height = count.trailing_zeros();
        return tree.subtree(u8::try_from(height).expect("a height is below 64"), start >> height);
    }
    let middle = start + largest_power_below(count);
    let left = range_root(hash, tree, start, middle)?;
    let right = range_root(hash, tree, middle, end)?;
    Ok(hash.node(&left, &right))
}

/// Root of the first `size` leaves.
///
/// # Errors
/// Whatever `tree` answers when it lacks a subtree.
pub fn root<S: Subtrees>(hash: TreeHash, tree: &mut S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(hash.empty()) } else { range_root(hash, tree, 0, size) }
}

/// The hashes from the sibling of leaf `index` up to a child of the root of `size` leaves
/// (RFC 6962 §2.1.1).
///
/// # Errors
/// Whatever `tree` answers when it lacks a subtree.
///
/// # Panics
/// When `index >= size`: callers have compared them and named both in their own error.
pub fn prove_inclusion<S: Subtrees>(
    hash: TreeHash,
    tree: &mut S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, S::Error> {
    assert!(index < size, "leaf {index} is not among {size}");
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + largest_power_below(end - start);
        if index < middle {
            path.push(range_root(hash, tree, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(hash, tree, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962 §2.1.2).
/// Empty when `old` is zero or equals `new`.
///
/// # Errors
/// Whatever `tree` answers when it lacks a subtree.
///
/// # Panics
/// When `old > new`.
pub fn prove_consistency<S: Subtrees>(hash: TreeHash, tree: &mut S, old: u64, new: u64) -> Result<Vec<Hash>, S::Error> {
    assert!(old <= new, "a tree of {new} leaves has no prefix of {old}");
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    // Whether the old tree's own root is the subtree we stand on: then the checker knows it.
    let mut whole = true;
    while old < end {
        let middle = start + largest_power_below(end - start);
        if old <= middle {
            path.push(range_root(hash, tree, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(hash, tree, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(hash, tree, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an inclusion proof. Source: RFC 9162 §2.1.3.2.
#[must_use]
pub fn inclusion_holds(hash: TreeHash, leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node_index, mut last_index) = (index, size - 1);
    let mut node = *leaf;
    for sibling in path {
        if last_index == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last_index {
            node = hash.node(sibling, &node);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last_index >>= 1;
            }
        } else {
            node = hash.node(&node, sibling);
        }
        node_index >>= 1;
        last_index >>= 1;
    }
    last_index == 0 && node == *root
}

/// Checks a consistency proof between two trees. Source: RFC 9162 §2.1.4.2; `old == 0` and
/// `old == new` take an empty proof.
#[must_use]
pub fn consistency_holds(hash: TreeHash, old: u64, new: u64, path: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    if old > new {
        return false;
    }
    if old == 0 {
        return path.is_empty();
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() {
        *old_root
    } else {
        let Some(first) = path.next() else { return false };
        *first
    };
    let (mut node_index, mut last_index) = (old - 1, new - 1);
    while node_index & 1 == 1 {
        node_index >>= 1;
        last_index >>= 1;
    }
    let (mut old_node, mut new_node) = (first, first);
    for sibling in path {
        if last_index == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last_index {
            old_node = hash.node(sibling, &old_node);
            new_node = hash.node(sibling, &new_node);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last_index >>= 1;
            }
        } else {
            new_node = hash.node(&new_node, sibling);
        }
        node_index >>= 1;
        last_index >>= 1;
    }
    last_index == 0 && old_node == *old_root && new_node == *new_root
}

/// The largest power of two strictly below `count`, which is at least 2.
fn largest_power_below(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Leaf hashes in memory as a tree: for small trees (the calls of one interval) and for tests.
#[derive(Debug, Clone)]
pub struct LeafList<'a> {
    pub hash: TreeHash,
    pub leaves: &'a [Hash],
}

impl Subtrees for LeafList<'_> {
    type Error = std::convert::Infallible;

    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error> {
        let start = usize::try_from(index << height).expect("within a list in memory");
        Ok(self.hash.perfect_root(self.leaves[start..start + (1 << height)].as_flattened()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(hash: TreeHash, count: u64) -> Vec<Hash> {
        (0..count).map(|n| hash.leaf(&n.to_be_bytes())).collect()
    }

    #[test]
    fn growing_equals_computing_at_every_size() {
        for hash in TreeHash::BOTH {
            let leaves = leaves(hash, 70);
            let mut range = CompactRange::new(hash);
            for size in 0..=70_u64 {
                let mut list = LeafList { hash, leaves: &leaves };
                assert_eq!(Ok(range.root()), root(hash, &mut list, size));
                assert_eq!(Ok(range.clone()), CompactRange::resume(hash, size, &mut list));
                if let Some(leaf) = leaves.get(usize::try_from(size).unwrap()) {
                    range.push(*leaf, |_, _, _| {});
                }
            }
        }
    }

    #[test]
    fn every_pair_of_sizes_proves_and_no_other_root_does() {
        let hash = TreeHash::Sha256;
        let leaves = leaves(hash, 40);
        let mut list = LeafList { hash, leaves: &leaves };
        for new in 1..=40 {
            let Ok(new_root) = root(hash, &mut list, new);
            for old in 0..=new {
                let Ok(old_root) = root(hash, &mut list, old);
                let Ok(path) = prove_consistency(hash, &mut list, old, new);
                assert!(consistency_holds(hash, old, new, &path, &old_root, &new_root), "{old} in {new}");
                if old > 0 {
                    assert!(!consistency_holds(hash, old, new, &path, &[7; 32], &new_root));
                    assert!(old == new || !consistency_holds(hash, old, new, &path, &old_root, &[7; 32]));
                }
            }
            for index in 0..new {
                let Ok(path) = prove_inclusion(hash, &mut list, index, new);
                let leaf = leaves[usize::try_from(index).unwrap()];
                assert!(inclusion_holds(hash, &leaf, index, new, &path, &new_root), "{index} in {new}");
                assert!(!inclusion_holds(hash, &[7; 32], index, new, &path, &new_root));
            }
        }
    }

    proptest! {
        #[test]
        fn a_proof_with_one_changed_byte_never_holds(size in 2_u64..500, pick in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let hash = TreeHash::Sm3;
            let leaves = leaves(hash, size);
            let mut list = LeafList { hash, leaves: &leaves };
            let index = pick % size;
            let Ok(whole) = root(hash, &mut list, size);
            let Ok(mut path) = prove_inclusion(hash, &mut list, index, size);
            let bytes = path.as_flattened_mut();
            bytes[at.index(bytes.len())] ^= flip;
            prop_assert!(!inclusion_holds(hash, &leaves[usize::try_from(index).unwrap()], index, size, &path, &whole));
        }
    }
}
