//! Notes and verifier keys: read and written back byte for byte, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::note::{Note, VerifierKey};

fuzz_target!(|text: &str| {
    if let Ok(note) = text.parse::<Note>() {
        assert_eq!(note.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
});
