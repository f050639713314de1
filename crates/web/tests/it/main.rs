//! Integration tests of the doors.

mod browsing;
mod doors;
mod house;
mod pages;
mod proofs;
mod quality;
mod samples;
mod sharing;
mod witness;
