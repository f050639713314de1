//! One changed byte, anywhere: named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use yihe_ledger::{fault::Fault, hashes::TreeHash, keys::Signer, tiles::bundle_entries, view::LogView};

use crate::city::{self, audit_with, entries, have_cosigned, open};

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn name_of(view: &LogView, path: &Path) -> String {
    path.strip_prefix(view.folder()).unwrap().display().to_string()
}

/// Changes byte `at` of `path`, audits, puts it back.
fn audit_changed(view: &LogView, path: &Path, at: usize, flip: u8, witnesses: &[Signer]) -> Vec<Fault> {
    let bytes = fs::read(path).unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= flip;
    fs::write(path, changed).unwrap();
    let faults = audit_with(view, witnesses).faults;
    fs::write(path, bytes).unwrap();
    faults
}

/// The fault that the change must give, checked as exactly as the kind of file allows.
fn assert_named(view: &LogView, path: &Path, at: usize, flip: u8, faults: &[Fault]) {
    let name = name_of(view, path);
    let place = || format!("byte {at} of {name} ^ {flip:#x}: {faults:#?}");
    assert!(!faults.is_empty(), "nothing found: {}", place());
    assert!(faults.iter().any(|fault| fault.file() == Some(name.as_str())), "file not named: {}", place());
    for fault in faults {
        assert!(!fault.sentence_zh().is_empty() && !fault.sentence_en().is_empty());
    }
    if !name.contains("tile/") {
        return;
    }
    assert_eq!(faults.len(), 1, "one change, one fault: {}", place());
    let bytes = fs::read(path).unwrap();
    if !name.contains("tile/entries/") {
        let expected =
            Fault::Byte { file: name.clone(), offset: at as u64, expected: bytes[at], found: bytes[at] ^ flip };
        assert_eq!(faults[0], expected, "{}", place());
        return;
    }
    let first = if name.contains("001") { 256 } else { 0 };
    let (entries, _) = bundle_entries(&bytes);
    let within = entries.iter().position(|(offset, entry)| (*offset..offset + entry.len()).contains(&at));
    match (&faults[0], within) {
        (Fault::Entry { index, offset, .. }, Some(position)) => {
            assert_eq!((*index, *offset), (first + position as u64, entries[position].0 as u64), "{}", place());
        }
        (Fault::Bundle { index, .. }, None) => {
            let position = entries.iter().position(|(offset, _)| offset - 2 == at || offset - 1 == at).unwrap();
            assert_eq!(*index, first + position as u64, "{}", place());
        }
        _ => panic!("{}", place()),
    }
}

#[test]
fn every_single_byte_of_a_small_log_is_named_when_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    // Two batches leave an older partial tile and bundle behind.
    ledger.append_batch(&entries(0..1)).unwrap();
    let witnesses = [city::witness(1), city::witness(2), city::witness(3)];
    have_cosigned(&mut ledger, TreeHash::Sha256, &witnesses);
    have_cosigned(&mut ledger, TreeHash::Sm3, &[city::sm2_witness(4)]);
    ledger.append_batch(&entries(1..3)).unwrap();
    let view = ledger.view().clone();
    ledger.close().unwrap();
    let known: Vec<Signer> = witnesses.into_iter().chain([city::sm2_witness(4)]).collect();
    let sound = audit_with(&view, &known);
    assert!(sound.is_sound(), "{:#?}", sound.faults);
    let mut changed = 0;
    for path in files_under(view.folder()) {
        for at in 0..fs::read(&path).unwrap().len() {
            let flip = [0x01, 0x20, 0x80][at % 3];
            let faults = audit_changed(&view, &path, at, flip, &known);
            assert_named(&view, &path, at, flip, &faults);
            changed += 1;
        }
    }
    assert!(changed > 2_500, "{changed} bytes were there to be changed");
    assert!(audit_with(&view, &known).is_sound());
}

#[test]
fn bytes_of_full_tiles_and_bundles_and_of_higher_levels_are_named_when_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..100)).unwrap();
    ledger.append_batch(&entries(100..300)).unwrap();
    let view = ledger.view().clone();
    // Not settled: older partial files still stand beside the full ones.
    drop(ledger);
    for path in files_under(view.folder()) {
        let length = fs::read(&path).unwrap().len();
        let stride = if length > 4_000 { 467 } else { 5 };
        for at in (0..length).step_by(stride) {
            let faults = audit_changed(&view, &path, at, 0x04, &[]);
            assert_named(&view, &path, at, 0x04, &faults);
        }
    }
}

#[test]
fn removed_added_cut_and_lengthened_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..300)).unwrap();
    let view = ledger.view().clone();
    ledger.close().unwrap();
    for path in files_under(view.folder()) {
        let name = name_of(&view, &path);
        let bytes = fs::read(&path).unwrap();
        let named = |what: &str| {
            let faults = audit_with(&view, &[]).faults;
            assert!(faults.iter().any(|fault| fault.file() == Some(name.as_str())), "{name} {what}: {faults:#?}");
        };
        fs::remove_file(&path).unwrap();
        named("removed");
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        named("cut");
        fs::write(&path, [bytes.as_slice(), b"\n"].concat()).unwrap();
        named("lengthened");
        fs::write(&path, &bytes).unwrap();
    }
    fs::write(view.folder().join("tile/0/notes.txt"), "x").unwrap();
    assert_eq!(audit_with(&view, &[]).faults, vec![Fault::Stray { file: "tile/0/notes.txt".to_owned() }]);
}

#[test]
fn an_entry_changed_together_with_its_hashes_is_told_as_a_range() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path());
    ledger.append_batch(&entries(0..300)).unwrap();
    let view = ledger.view().clone();
    ledger.close().unwrap();
    // A forger who rewrites an entry and both its leaf hashes.
    let bundle_path = view.folder().join("tile/entries/000");
    let mut bundle = fs::read(&bundle_path).unwrap();
    let (offset, length) = {
        let (entries, _) = bundle_entries(&bundle);
        (entries[7].0, entries[7].1.len())
    };
    let text = String::from_utf8(bundle[offset..offset + length].to_vec()).unwrap().replace("account:42", "account:43");
    bundle[offset..offset + length].copy_from_slice(text.as_bytes());
    fs::write(&bundle_path, &bundle).unwrap();
    for hash in TreeHash::BOTH {
        let path = view.folder().join(if hash == TreeHash::Sm3 { "sm3/tile/0/000" } else { "tile/0/000" });
        let mut tile = fs::read(&path).unwrap();
        tile[7 * 32..8 * 32].copy_from_slice(&hash.leaf(text.as_bytes()));
        fs::write(&path, tile).unwrap();
    }
    assert_eq!(audit_with(&view, &[]).faults, vec![Fault::Range { level: 1, first: 0, last: 255 }]);
}
