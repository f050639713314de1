//! The ledger as its users meet it: folders, files, other programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod anchors;
mod city;
mod crash;
mod full_disk;
mod monitoring;
mod other_programs;
mod peers;
mod proofs;
mod sequencing;
mod tamper;
mod witnesses;
mod write_path;
