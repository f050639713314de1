//! Each distinct text once, by number.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::marginals::mix;

/// Numbers texts in the order in which they come. Texts themselves stay with the caller, so that each is held once.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    numbers: HashMap<u64, u32, BuildHasherDefault<Ready>>,
}

impl Interner {
    /// The number of a text, and whether it is new; `texts` has those of the numbers given so far.
    pub fn number(&mut self, text: &str, texts: &[Box<str>]) -> (u32, bool) {
        self.number_by(text, texts.len() as u32, |number| *texts[number as usize] == *text)
    }

    /// The number of a text, `next` if it is new, and whether it is; `is` tells whether a number has this text.
    pub fn number_by(&mut self, text: &str, next: u32, is: impl Fn(u32) -> bool) -> (u32, bool) {
        // Two texts of one hash are told apart by looking, and the second is filed under the next seed.
        for seed in 0.. {
            let hash = xxh3_64_with_seed(text.as_bytes(), seed);
            match self.numbers.get(&hash) {
                Some(&number) if is(number) => return (number, false),
                Some(_) => {}
                None => {
                    self.numbers.insert(hash, next);
                    return (next, true);
                }
            }
        }
        unreachable!("a text is found or filed under some seed")
    }

    /// The number of a text, if it has one; `is` tells whether a number has this text.
    pub fn find(&self, text: &str, is: impl Fn(u32) -> bool) -> Option<u32> {
        for seed in 0.. {
            match self.numbers.get(&xxh3_64_with_seed(text.as_bytes(), seed)) {
                Some(&number) if is(number) => return Some(number),
                Some(_) => {}
                None => return None,
            }
        }
        None
    }
}

/// A hasher of what is a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A quick hasher of numbers that nobody chooses to collide.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mixing(u64);

impl Hasher for Mixing {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }
}
