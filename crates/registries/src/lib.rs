//! Base registries (基础库): one record per person, company and place, and one source for every field.
//!
//! Departments' checked tables are joined by the entity's key; each golden field is taken from the
//! department that is its authority, and whatever another department says differently is kept as a
//! conflict. The result depends on the rows only, never on the number of threads or the order of batches.
//! A change of authority can be tried before it is made ([`what_if`]), for a record without a usable key
//! the likely entities are listed ([`candidates`]), and so are entities that are likely one ([`duplicates`]).
//!
//! Deliberately absent: correcting a department's record (its owner does, through the docket), joining a
//! record without a usable key to an entity unless somebody decides it, or the definition lets the model
//! (`join_from`), and reading files.
//!
//! Who is whom follows from keys and from decisions ([`decide`]) that people make and revoke; every entity has a
//! durable name ([`identity`]). A build starts from what changed where that is enough, and comes to the same tables.
//! Of every golden value it can be said where it is from and which lost ([`why`]).
//! Themes (主题库) are tables of their own over golden and checked tables ([`theme`]).
//!
//! Reading order: [`key`] → [`hashed`] → [`identity`] → [`record`] → [`decide`] → [`links`] → [`shape`] → [`gather`] →
//! [`resolve`] → [`sources`] → [`build`] → [`increment`] → [`state`] → [`why`] → [`what_if`] → [`candidates`] →
//! [`duplicates`] → [`review`] → [`sight`] → [`tally`] → [`losers`] → [`theme`].
//!
//! # Recipe: a new kind of entity
//! 1. Add the variant to `definitions::EntityKind` and its normalisation to [`key`].
//! 2. Write its registry as a pack document: members, fields, authorities.
//! 3. Add its expected golden values to the demonstration city's truth.

pub mod build;
pub mod candidates;
pub mod decide;
pub mod duplicates;
pub mod hashed;
pub mod identity;
pub mod key;
pub mod losers;
pub mod place;
pub mod record;
pub mod review;
pub mod shape;
pub mod sight;
pub mod tally;
pub mod theme;
pub mod what_if;
pub mod why;

mod error;
mod gather;
mod increment;
mod lease;
mod links;
mod resolve;
mod sources;
mod state;

pub use build::{BuildReport, Builder, FAULT_POINT_CHANGES, FAULT_POINTS, How, Why};
pub use decide::{Decision, Proposal};
pub use error::RegistryError;
pub use hashed::{HashKeys, HashedCount};
pub use identity::EntitySecret;
pub use record::RecordRef;
pub use review::Answered;
pub use theme::ThemeReport;
