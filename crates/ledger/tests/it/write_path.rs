//! Appending, closing, opening again.

use yihe_ledger::{
    hashes::TreeHash,
    merkle::{LeafList, root},
};

use crate::city::{self, entries, open};

/// Roots computed from the entries alone, by the plain recursive definition.
fn expected_root(hash: TreeHash, leaves: &[Vec<u8>]) -> [u8; 32] {
    let leaves: Vec<_> = leaves.iter().map(|leaf| hash.leaf(leaf)).collect();
    let Ok(root) = root(hash, &mut LeafList { hash, leaves: &leaves }, leaves.len() as u64);
    root
}

#[test]
fn batches_of_every_size_give_the_tree_of_their_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut next = 0;
    for batch in [1, 1, 2, 250, 3, 254, 1, 600, 1500, 1] {
        let mut ledger = open(dir.path());
        let indexes = ledger.append_batch(&entries(next..next + batch)).unwrap();
        assert_eq!(indexes, (next..next + batch).collect::<Vec<_>>());
        next += batch;
        assert_eq!(ledger.size(), next);
        // Sometimes closed, sometimes merely dropped: the journal makes no difference visible.
        if batch % 2 == 0 {
            ledger.close().unwrap();
        }
    }
    let ledger = open(dir.path());
    assert_eq!(ledger.size(), next);
    let leaves: Vec<Vec<u8>> = (0..next).map(|index| ledger.view().entry_bytes(index, next).unwrap()).collect();
    for hash in TreeHash::BOTH {
        let head = ledger.checkpoint(hash).unwrap();
        assert_eq!((head.size, head.root), (next, ledger.root(hash)));
        assert_eq!(head.root, expected_root(hash, &leaves));
    }
    for index in [0, 255, 256, 511, next - 1] {
        let proof = ledger.prove(index).unwrap();
        let leaf = TreeHash::Sha256.leaf(&leaves[usize::try_from(index).unwrap()]);
        assert!(yihe_ledger::merkle::inclusion_holds(
            TreeHash::Sha256,
            &leaf,
            index,
            next,
            &proof.hashes,
            &ledger.root(TreeHash::Sha256)
        ));
    }
}

#[test]
fn a_replayed_id_keeps_its_index_before_and_after_the_index_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..10)).unwrap();
    assert_eq!(ledger.append_batch(&entries(5..12)).unwrap(), vec![5, 6, 7, 8, 9, 10, 11]);
    ledger.close().unwrap();
    let mut ledger = open(dir.path());
    assert_eq!(ledger.append_batch(&entries(0..13)).unwrap(), (0..13).collect::<Vec<_>>());
    assert_eq!(ledger.append_batch(&[city::entry(20), city::entry(20)]).unwrap(), vec![13, 13]);
    drop(ledger);
    std::fs::remove_file(dir.path().join("state/index.redb")).unwrap();
    let mut ledger = open(dir.path());
    assert_eq!(ledger.append_batch(&entries(0..14)).unwrap()[13], 14, "13 had not been entered, 20 had");
    assert_eq!(ledger.size(), 15);
}

#[test]
fn an_objects_entries_are_chained_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..12)).unwrap();
    ledger.append_batch(&entries(12..13)).unwrap();
    let history: Vec<u64> = ledger.history("urn:yihe:batch:2").unwrap().into_iter().map(|(index, _)| index).collect();
    assert_eq!(history, vec![12, 7, 2]);
    assert_eq!(ledger.entry(7).unwrap().prev, Some(2));
    assert!(ledger.history("urn:yihe:batch:none").unwrap().is_empty());
}

#[test]
fn a_defective_entry_refuses_the_whole_batch_by_position() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut batch = entries(0..3);
    batch[2].object = "张三".to_owned();
    assert!(matches!(ledger.append_batch(&batch), Err(yihe_ledger::error::LedgerError::Entry { position: 2, .. })));
    assert_eq!(ledger.size(), 0);
}

#[test]
fn of_two_writers_one_wins_and_the_other_learns_who() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let Err(second) = yihe_ledger::ledger::Ledger::open(dir.path(), city::keys()) else { panic!("two writers") };
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    drop(first);
    open(dir.path());
}

#[test]
fn a_checkpoint_that_somebody_else_wrote_stops_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..3)).unwrap();
    let path = ledger.view().checkpoint_path(TreeHash::Sha256);
    let kept = std::fs::read(&path).unwrap();
    std::fs::write(&path, "linyi.example/ledger\n0\n").unwrap();
    let error = ledger.append_batch(&entries(3..4)).unwrap_err();
    assert!(matches!(error, yihe_ledger::error::LedgerError::Stalled { durable: 4, published: 3, .. }), "{error}");
    std::fs::write(&path, kept).unwrap();
    assert_eq!(ledger.append_batch(&entries(3..4)).unwrap(), vec![3], "once mended, the same call finishes");
    assert_eq!(ledger.checkpoint(TreeHash::Sha256).unwrap().size, 4);
}
