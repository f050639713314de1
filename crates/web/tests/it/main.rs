//! Integration tests of the doors.

mod browsing;
mod doors;
mod house;
mod pages;
mod samples;
mod sharing;
