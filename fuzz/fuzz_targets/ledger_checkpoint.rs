//! Checkpoints: read and written back byte for byte, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::checkpoint::Checkpoint;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text);
    }
});
