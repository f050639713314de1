//! Requests to a witness: read and written back byte for byte, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::witness::AddCheckpoint;

fuzz_target!(|text: &str| {
    if let Ok(request) = AddCheckpoint::read(text) {
        assert_eq!(AddCheckpoint::body(request.old, &request.proof, &request.note.to_string()), text);
    }
});
