//! The ledger held against the C2SP crates of another house: tlog_tiles and signed_note.
//!
//! A workspace of its own, because as dependencies of the other they would change features of what
//! the release is built from. `cargo test --release --manifest-path verifier/peers/Cargo.toml`.

use std::cell::RefCell;

use proptest::prelude::*;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, RecordProof, TreeProof, check_record, check_tree, prove_record, prove_tree, stored_hashes, tree_hash};
use yihe_ledger::{
    checkpoint::Checkpoint,
    hashes::{Hash, TreeHash},
    keys::{KeySeeds, LogKeys},
    merkle::{LeafList, consistency_holds, inclusion_holds, prove_consistency, prove_inclusion, root},
    tiles::{TileKind, TilePath},
};

/// Their store of hashes, in their order.
#[derive(Default)]
struct Stored(RefCell<Vec<tlog_tiles::Hash>>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let all = self.0.borrow();
        Ok(indexes.iter().map(|index| all[usize::try_from(*index).unwrap()]).collect())
    }
}

fn plain(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(*hash)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn trees_and_proofs_are_the_same_and_each_checks_the_others(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..600),
        old in any::<prop::sample::Index>(),
        index in any::<prop::sample::Index>(),
    ) {
        let hash = TreeHash::Sha256;
        let stored = Stored::default();
        for (number, entry) in entries.iter().enumerate() {
            let new = stored_hashes(number as u64, entry, &stored).unwrap();
            stored.0.borrow_mut().extend(new);
        }
        let size = entries.len() as u64;
        let (old, index) = (1 + old.index(entries.len()) as u64, index.index(entries.len()));
        let leaves: Vec<Hash> = entries.iter().map(|entry| hash.leaf(entry)).collect();
        let mut list = LeafList { hash, leaves: &leaves };
        let Ok(ours) = root(hash, &mut list, size);
        let Ok(ours_old) = root(hash, &mut list, old);
        prop_assert_eq!(tree_hash(size, &stored).unwrap().0, ours);
        prop_assert_eq!(tree_hash(old, &stored).unwrap().0, ours_old);

        let Ok(path) = prove_inclusion(hash, &mut list, index as u64, size);
        prop_assert_eq!(plain(&prove_record(size, index as u64, &stored).unwrap()), path.clone());
        prop_assert!(inclusion_holds(hash, &leaves[index], index as u64, size, &path, &ours));
        let carried: RecordProof = theirs(&path);
        prop_assert!(check_record(&carried, size, tlog_tiles::Hash(ours), index as u64, tlog_tiles::Hash(leaves[index])).is_ok());

        let Ok(path) = prove_consistency(hash, &mut list, old, size);
        prop_assert_eq!(plain(&prove_tree(size, old, &stored).unwrap()), path.clone());
        prop_assert!(consistency_holds(hash, old, size, &path, &ours_old, &ours));
        let carried: TreeProof = theirs(&path);
        prop_assert!(check_tree(&carried, size, tlog_tiles::Hash(ours), old, tlog_tiles::Hash(ours_old)).is_ok());
    }

    /// Their paths carry the tile height; C2SP leaves it out.
    #[test]
    fn paths_are_the_same(level in 0_u8..=63, index in any::<u64>(), width in 1_u16..=256) {
        let ours = TilePath { kind: TileKind::Hashes(level), index, width }.to_string();
        let theirs = tlog_tiles::Tile::new(8, level, index, width.into(), false).path();
        prop_assert_eq!(ours.replacen("tile/", "tile/8/", 1), theirs);
    }

    #[test]
    fn checkpoints_are_written_read_and_verified_by_both(size in any::<u64>(), root in any::<[u8; 32]>(), flip in any::<prop::sample::Index>()) {
        let keys = LogKeys::new("city.example/log", &KeySeeds { ed25519: [7; 32], sm2: [9; 32] }).unwrap();
        let note = keys.sign_checkpoint(TreeHash::Sha256, size, root).to_string();
        let vkey = keys.trusted().of(TreeHash::Sha256)[0].to_string();
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
        let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        prop_assert_eq!(read.verify(&known).unwrap().0.len(), 1);
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
        prop_assert_eq!((checkpoint.origin(), checkpoint.size(), checkpoint.hash().0), ("city.example/log", size, root));
        let ours: Checkpoint = std::str::from_utf8(read.text()).unwrap().parse().unwrap();
        prop_assert_eq!(ours.to_string().into_bytes(), checkpoint.to_bytes());
        // One changed byte: both refuse, or both still hold the line for somebody else's.
        let mut changed = note.into_bytes();
        let at = flip.index(changed.len());
        changed[at] ^= 1;
        let theirs = signed_note::Note::from_bytes(&changed).ok().is_some_and(|note| note.verify(&known).is_ok());
        let text = String::from_utf8(changed).ok();
        let ours = text.and_then(|text| text.parse::<yihe_ledger::note::Note>().ok());
        let ours = ours.is_some_and(|note| note.verify(&keys.trusted().of(TreeHash::Sha256)).is_ok());
        prop_assert_eq!((ours, theirs), (false, false));
    }
}
