//! Proof files: read and written back byte for byte, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::proof::TlogProof;

fuzz_target!(|text: &str| {
    if let Ok(proof) = text.parse::<TlogProof>() {
        assert_eq!(proof.to_string(), text);
    }
});
