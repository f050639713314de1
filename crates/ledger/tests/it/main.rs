//! The ledger as its users meet it: folders, files, other programs.

mod city;
mod write_path;
