//! Integration tests of the doors.

mod browsing;
mod doors;
mod house;
mod pages;
mod population;
mod proofs;
mod quality;
mod registries;
mod samples;
mod sharing;
mod witness;
