//! Base registries (基础库): one record per person, company and place, and one source for every field.
//!
//! Departments' checked tables are joined by the entity's key; each golden field is taken from the
//! department that is its authority, and whatever another department says differently is kept as a
//! conflict. The result depends on the rows only, never on the number of threads or the order of batches.
//! A change of authority can be tried before it is made ([`what_if`]), and for a record without a usable key
//! the likely entities are listed ([`candidates`]).
//!
//! Deliberately absent: correcting a department's record (its owner does, through the docket), joining a
//! record without a usable key to an entity by itself (it is listed as unlinked), and reading files.
//!
//! Reading order: [`key`] → [`shape`] → [`gather`] → [`resolve`] → [`build`] → [`what_if`] → [`candidates`] →
//! [`sight`] → [`tally`] → [`theme`].
//!
//! Themes (主题库) are tables of their own over golden and checked tables ([`theme`]).
//!
//! # Recipe: a new kind of entity
//! 1. Add the variant to `definitions::EntityKind` and its normalisation to [`key`].
//! 2. Write its registry as a pack document: members, fields, authorities.
//! 3. Add its expected golden values to the demonstration city's truth.

pub mod build;
pub mod candidates;
pub mod key;
pub mod resolve;
pub mod shape;
pub mod sight;
pub mod tally;
pub mod theme;
pub mod what_if;

mod error;
mod gather;

pub use build::{BuildReport, Builder, FAULT_POINTS};
pub use error::RegistryError;
pub use theme::ThemeReport;
