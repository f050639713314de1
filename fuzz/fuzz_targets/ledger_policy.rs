//! Policy files: read or refused by line; a policy that is read can be asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yihe_ledger::policy::Policy;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = Policy::read(bytes) {
        let _ = policy.accept("city.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAA=\n");
    }
});
