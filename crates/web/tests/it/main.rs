//! Integration tests of the doors.

mod samples;
mod pages;
mod house;
mod doors;
mod sharing;
mod browsing;
