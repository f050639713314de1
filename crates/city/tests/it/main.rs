//! The generator as its users meet it: whole cities in temporary folders, read back by plain readers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod city;
mod determinism;
mod reader;
mod recount;
