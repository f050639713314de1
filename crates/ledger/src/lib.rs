//! The ledger.

pub mod canonical;
pub mod checkpoint;
pub mod disk;
pub mod entry;
pub mod error;
pub mod hashes;
mod index;
mod journal;
pub mod keys;
pub mod ledger;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod seal;
pub mod sequencer;
pub mod signature;
mod sm3_lanes;
pub mod tiles;
pub mod view;
