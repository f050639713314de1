//! Linkage (记录关联): which records, in one table or two, are of the same person, company or place.
//!
//! A Fellegi–Sunter model is proposed from the data, trained without labels, and explained pair by pair. Values
//! are read once each; pairs are compared as integers wherever two values are equal; the result depends on the
//! records and the model only, never on the number of threads.
//!
//! Deliberately absent: choosing which value is right (registries do, by authority), files of definitions other
//! than the model, and any opinion of what a department may see.
//!
//! Reading order: [`records`] → [`read`] → [`value`] → [`text`] → [`field`] → [`similarity`] → [`hanzi`] → [`address`] → [`hash`] → [`hide`] → [`model`] → [`profile`] →
//! [`propose`] → [`keys`] → [`block`] → [`levels`] → [`compare`] → [`marginals`] → [`weights`] → [`labels`] → [`train`] → [`score`] → [`one_to_one`] → [`cluster`] → [`run`] →
//! [`explain`] → [`search`] → [`document`] → [`write`].
//!
//! # Recipe: a new level of comparison
//! 1. Add the variant to [`model::Test`], with its bound if it has one.
//! 2. Answer it in [`compare`], from what [`field`] prepared once per value.
//! 3. Propose it in [`propose`] where it earns its place in the ablation table of `bench/linkage.md`.

#![expect(clippy::cast_precision_loss, reason = "shares and weights of counts that are far below 2^52")]
#![expect(clippy::cast_sign_loss, reason = "days' parts and costs are not negative where they are cast")]

pub mod address;
pub mod block;
pub mod cluster;
pub mod compare;
pub mod dates;
pub mod document;
pub mod explain;
pub mod field;
pub mod hanzi;
pub mod hash;
pub mod hide;
pub mod keys;
pub mod labels;
pub mod marginals;
pub mod model;
pub mod one_to_one;
pub mod profile;
pub mod propose;
pub mod read;
pub mod records;
pub mod run;
pub mod score;
pub mod search;
pub mod similarity;
pub mod text;
pub mod train;
pub mod value;
pub mod weights;
pub mod write;

mod aside;
mod error;
mod intern;
mod levels;
mod parallel;
mod personal;
mod propose_blocking;
mod sums;

pub use error::{LinkageError, Reason};
