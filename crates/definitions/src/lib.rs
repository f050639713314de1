//! What a city decides, as typed documents.
//!
//! A *pack* is a folder of YAML documents. This room reads a pack, checks it **whole** (every fault is
//! reported at once, each with file, line and what was expected) and hands the rooms plain types. It
//! decides nothing itself: `quality` interprets the rules, `registries` the authority maps, `catalogue`
//! the entries.
//!
//! Deliberately absent: code in packs. Expressions are bounded SQL, and everything else is data.
//!
//! Reading order: [`text`] → [`department`] → [`dataset`] → [`rule`] → [`rule_set`] → [`registry`] → [`registry_shape`] →
//! [`release`] → [`calendar`] →
//! [`code_table`] → [`pack`].
//!
//! # Recipe: a new kind of document
//! 1. Write its type in a file of its own, with `#[serde(deny_unknown_fields)]` and a doc comment per field.
//! 2. Add a variant to [`pack::Document`] and a field to [`pack::Pack`].
//! 3. Add the checks that need other documents to `pack/check.rs`, with a test that breaks each.
//! 4. Name the room that interprets it in `ARCHITECTURE.md`; a key that nobody reads is a defect.

pub mod calendar;
pub mod code_table;
pub mod dataset;
pub mod department;
pub mod division;
pub mod pack;
pub mod registry;
pub mod registry_shape;
pub mod release;
pub mod rule;
pub mod rule_set;
pub mod scheme;
pub mod text;
pub mod theme;

pub use calendar::CalendarYear;
pub use code_table::{Code, CodeTable};
pub use dataset::{
    Column, ColumnType, Dataset, Encoding, Format, Mode, OpenAttribute, Publication, Sensitivity, ShareMethod, Sharing,
    Source, UpdateCycle,
};
pub use department::Department;
pub use division::{Division, DivisionList};
pub use pack::{Document, Fault, Pack, PackError};
pub use registry::{
    EntityKind, Field, HashAlgorithm, Hashed, KEY_PARTS_BETWEEN, Member, MemberKey, Registry, Review, Standing,
};
pub use registry_shape::{RegistryEntry, RegistryShape, RegistryUse, ShapeField};
pub use release::{Release, Releases};
pub use rule::{Dimension, Rule, RuleKind, Severity};
pub use rule_set::RuleSet;
pub use scheme::{Grade, Scheme};
pub use text::{Language, Text};
pub use theme::{THEME_TABLE_PREFIX, Theme, ThemeColumn, ThemeForm, ThemeKey, ThemeSource};
