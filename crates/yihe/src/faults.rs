//! Dying on purpose: `YIHE_FAULT=<point>[:<n>]` kills the process the *n*-th time it meets the point.
//!
//! The crash tests walk every point of every room with it. The kill is a real `SIGKILL`: no destructor runs, no
//! buffer is flushed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use yihe_lake::FaultHook;

/// The hook that all rooms are given.
pub fn hook() -> FaultHook {
    let Some(wanted) = std::env::var("YIHE_FAULT").ok().filter(|wanted| !wanted.is_empty()) else {
        return Arc::new(|_| {});
    };
    let (point, times) = match wanted.split_once(':') {
        Some((point, times)) => (point.to_owned(), times.parse().unwrap_or(1)),
        None => (wanted, 1),
    };
    let met = AtomicU64::new(0);
    Arc::new(move |name| {
        if name == point && met.fetch_add(1, Ordering::SeqCst) + 1 == times {
            let own = std::process::id().to_string();
            let _ = std::process::Command::new("kill").args(["-9", &own]).status();
            std::process::abort();
        }
    })
}
