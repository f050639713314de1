//! Whole-program tests live in `it/`; `sql/` holds cases that need no Rust. There is no code here.
