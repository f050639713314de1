//! The same trees by another author: `ct-merkle`, generic over the hash.
//!
//! `tlog_tiles` and `signed_note` are held against us in `verifier/peers`: as dependencies of this
//! workspace they would change features of what the release is built from.

use ct_merkle::{ConsistencyProof, InclusionProof, digest::Digest, mem_backed_tree::MemoryBackedTree};
use proptest::prelude::*;
use yihe_ledger::{
    hashes::{Hash, TreeHash},
    merkle::{LeafList, consistency_holds, inclusion_holds, prove_consistency, prove_inclusion, root},
};

fn hashes_of(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks_exact(32).map(|hash| hash.try_into().unwrap()).collect()
}

/// Roots, inclusion and consistency, made by each and checked by the other.
fn agree<H: Digest>(hash: TreeHash, entries: &[Vec<u8>], old: usize, index: usize) {
    let leaves: Vec<Hash> = entries.iter().map(|entry| hash.leaf(entry)).collect();
    let mut list = LeafList { hash, leaves: &leaves };
    let mut theirs = MemoryBackedTree::<H, Vec<u8>>::new();
    let mut old_root = None;
    for (number, entry) in entries.iter().enumerate() {
        theirs.push(entry.clone());
        if number + 1 == old {
            old_root = Some(theirs.root());
        }
    }
    let old_root = old_root.unwrap();
    let size = entries.len() as u64;
    let (old_size, index_u64) = (old as u64, index as u64);
    let Ok(ours) = root(hash, &mut list, size);
    let Ok(ours_old) = root(hash, &mut list, old_size);
    assert_eq!(
        (ours.as_slice(), ours_old.as_slice()),
        (theirs.root().as_bytes().as_slice(), old_root.as_bytes().as_slice())
    );
    let Ok(path) = prove_inclusion(hash, &mut list, index_u64, size);
    let their_path = theirs.prove_inclusion(index);
    assert_eq!(hashes_of(their_path.as_bytes()), path);
    assert!(inclusion_holds(hash, &leaves[index], index_u64, size, &path, &ours));
    let carried = InclusionProof::<H>::from_bytes(path.concat());
    assert!(theirs.root().verify_inclusion(&entries[index], index_u64, &carried).is_ok());
    let Ok(path) = prove_consistency(hash, &mut list, old_size, size);
    let their_path = theirs.prove_consistency(entries.len() - old);
    assert_eq!(hashes_of(their_path.as_bytes()), path);
    assert!(consistency_holds(hash, old_size, size, &path, &ours_old, &ours));
    if old < entries.len() {
        let carried = ConsistencyProof::<H>::try_from_bytes(path.concat()).unwrap();
        assert!(theirs.root().verify_consistency(&old_root, &carried).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn ct_merkle_builds_and_proves_the_same_in_both_hashes(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..400),
        old in any::<prop::sample::Index>(),
        index in any::<prop::sample::Index>(),
    ) {
        let (old, index) = (1 + old.index(entries.len()), index.index(entries.len()));
        agree::<sha2::Sha256>(TreeHash::Sha256, &entries, old, index);
        agree::<sm3::Sm3>(TreeHash::Sm3, &entries, old, index);
    }
}
