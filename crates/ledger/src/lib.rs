//! The ledger: an append-only log of what the city did with data, which anyone can check offline.
//!
//! A tiled Merkle log in the C2SP formats over SHA-256, with a sister tree over the same entries in
//! SM3. Entries hold no personal data: only salted digests of payloads that lie in the store. One
//! process writes; the result is a folder of static files, so proving, auditing, exporting and
//! serving need no lock and no server.
//!
//! Deliberately absent: networks (a witness's protocol is text in, text out), the store (it
//! implements [`sequencer::Outbox`] and [`monitor::DatabaseView`]), the clock (every time is handed
//! in), consensus (independent witnesses take its place), and any way to change or remove an entry.
//! It is synchronous; an asynchronous caller wraps calls in its `spawn_blocking`.
//!
//! Reading order, formats first: [`hashes`] → [`merkle`] → [`tiles`] → [`signature`] → [`note`] →
//! [`checkpoint`] → [`proof`] → [`policy`] · what a leaf says: [`canonical`] → [`entry`] → [`seal`] →
//! [`calls`] · the log on disk: [`keys`] → [`disk`] → [`ledger`] → [`sequencer`] → [`view`] ·
//! trusting it: [`verify`] → [`witness`] → [`fault`] → [`audit`] → [`monitor`] → [`release`] →
//! [`anchor`] → [`export`].
//!
//! # Recipe: a new kind of event
//! 1. Name it `<noun>.<what_happened>` and add the noun to `docs/glossary.md`.
//! 2. In the room's transaction write the outbox row: kind, URN of the object, payload, fresh salt.
//!    No name, number or address in object or actor; [`entry::PendingEntry::check`] refuses some.
//! 3. If something is to follow from it, declare a [`release::ReleaseRule`].
//! 4. If the database keeps the object, make the store's [`monitor::DatabaseView`] hand it over.

pub mod anchor;
pub mod audit;
pub mod calls;
pub mod canonical;
pub mod checkpoint;
pub mod disk;
pub mod entry;
pub mod error;
pub mod export;
pub mod fault;
pub mod hashes;
mod index;
mod journal;
pub mod keys;
pub mod ledger;
pub mod merkle;
pub mod monitor;
pub mod note;
pub mod policy;
pub mod proof;
pub mod release;
pub mod seal;
pub mod sequencer;
pub mod signature;
mod sm3_lanes;
pub mod tiles;
pub mod verify;
pub mod view;
pub mod witness;
