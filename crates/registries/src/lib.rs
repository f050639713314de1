//! Base registries (基础库): one record per person, company and place, and one source for every field.
//!
//! Departments' checked tables are joined by the entity's key; each golden field is taken from the
//! department that is its authority, and whatever another department says differently is kept as a
//! conflict. The result depends on the rows only, never on the number of threads or the order of batches.
//!
//! Deliberately absent: correcting a department's record (its owner does, through the docket), guessing an
//! entity for a record without a usable key (it is listed as unlinked), and reading files.
//!
//! Reading order: [`key`] → [`shape`] → [`gather`] → [`resolve`] → [`build`].
//!
//! # Recipe: a new kind of entity
//! 1. Add the variant to `definitions::EntityKind` and its normalisation to [`key`].
//! 2. Write its registry as a pack document: members, fields, authorities.
//! 3. Add its expected golden values to the demonstration city's truth.

pub mod build;
pub mod key;
pub mod resolve;
pub mod shape;

mod error;
mod gather;

pub use build::{BuildReport, Builder, FAULT_POINTS};
pub use error::RegistryError;
