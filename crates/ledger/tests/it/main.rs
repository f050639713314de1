//! The ledger as its users meet it: folders, files, other programs.

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
