//! Tile paths: one spelling per tile.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::tiles::TilePath;

fuzz_target!(|text: &str| {
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
    }
});
