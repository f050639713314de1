//! Leaves and bundles: one spelling per entry; a bundle is its entries or names where it breaks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::{entry::Entry, tiles::bundle_entries};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::from_canonical(bytes) {
        assert_eq!(entry.to_canonical().as_deref(), Ok(bytes));
    }
    let (entries, defect) = bundle_entries(bytes);
    let read: usize = entries.iter().map(|(_, entry)| 2 + entry.len()).sum();
    assert_eq!(defect.is_none(), read == bytes.len());
});
