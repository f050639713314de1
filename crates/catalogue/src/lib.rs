//! 政务数据目录: what data there are, who provides them, and on what terms they are shared.
//!
//! The provider compiles an entry, the head of its sharing body signs it, the competent authority reviews
//! it within two working days and announces it (政务数据共享条例, art. 12, 13 and 17). An entry has the 13
//! core elements of 发改高技〔2017〕1272号 and a resource code that never changes; a fault report names all
//! faults at once.
//!
//! Deliberately absent: the data themselves, requests for them (`exchange`), and any guess: what an entry
//! says comes from the definitions of a pack.
//!
//! Reading order: [`entry`] → [`validate`] → [`procedure`] → [`compile`] → [`publish`] → [`search`] → [`lists`].
//!
//! # Recipe: a new element of an entry
//! 1. Add the field to [`Entry`] with its clause, and to the stored form in `document.rs` with
//!    `#[serde(default)]`, so that older entries can still be read.
//! 2. Fill it in `compile.rs`; demand it in `validate.rs` with a fault in both languages and a test.
//! 3. If people search for it, add it to the words in `search.rs`.

pub mod compile;
pub mod entry;
pub mod lists;
pub mod procedure;
pub mod publish;
pub mod search;
pub mod validate;

mod document;
mod error;

pub use compile::{Compiled, EntryDraft};
pub use entry::{Entry, EntryItem, EntrySource, EntryState, Format};
pub use error::CatalogueError;
pub use lists::{Listed, ListedPage, SharingTally};
pub use procedure::{Catalogue, EntryStep, PROCEDURE, REVIEW, Seat, TERMS, UPDATE};
pub use publish::{Cast, PublishReport};
pub use search::{Search, SharingKind};
pub use validate::EntryFault;
