//! Linkage models: read, or refused with a sentence; what was read is written and read back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_linkage::{document, model::Model};

fuzz_target!(|text: &str| {
    if let Ok(model) = Model::parse(text) {
        let again = Model::parse(&document::model(&model)).expect("a written model reads back");
        assert_eq!(document::model(&again), document::model(&model));
    }
});
