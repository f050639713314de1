//! Counter-based randomness: what is drawn depends on the seed, a stream and an index, never on the order
//! in which anything is drawn. So every row can be made alone, in any order and on any thread.

/// Finalizer of `SplitMix64`.
#[inline]
const fn finish(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// One named stream of draws, e.g. "mobile numbers of persons".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of this name under a seed.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut state = finish(seed ^ 0x9e37_79b9_7f4a_7c15);
        for byte in name.bytes() {
            state = finish(state.wrapping_add(u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        Self(state)
    }

    /// The draws of one index.
    #[inline]
    pub fn at(self, index: u64) -> Draw {
        Draw(finish(self.0 ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// Draws that belong to one stream and index.
#[derive(Debug, Clone, Copy)]
pub struct Draw(u64);

impl Draw {
    /// 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of 128 bits")
    }

    /// A number from `least` to `greatest`, both included.
    #[inline]
    pub fn between(&mut self, least: i64, greatest: i64) -> i64 {
        let width = greatest.saturating_sub(least).saturating_add(1).max(1).cast_unsigned();
        least.saturating_add(self.below(width).cast_signed())
    }

    /// True in `parts` of a million cases.
    #[inline]
    pub fn chance(&mut self, parts: u64) -> bool {
        self.below(1_000_000) < parts
    }

    /// One of a list that is not empty.
    #[inline]
    pub fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[usize::try_from(self.below(list.len() as u64)).expect("below the length")]
    }
}

/// A sample without repetition: `count` of the entities `first..first + span`, each once, in a shuffled order
/// that can be asked both ways: which entity is the n-th, and which place has this entity.
///
/// The order is the affine map `n ↦ first + (n·step + offset) mod span` with a step coprime to `span`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    first: u64,
    span: u64,
    count: u64,
    step: u64,
    step_inverse: u64,
    offset: u64,
}

impl Sample {
    /// Takes `count` (at most `span`) entities from `first..first + span`.
    pub fn new(stream: Stream, first: u64, span: u64, count: u64) -> Self {
        let span = span.max(1);
        let mut draw = stream.at(span);
        // Near the golden section of the span neighbours land far apart; the draw sets samples apart.
        let mut step = (span / 1_000 * 618 + draw.below(span / 5 + 1) + 1) % span.max(2);
        while greatest_common_divisor(step, span) != 1 {
            step = (step + 1) % span.max(2);
        }
        let step = if span == 1 { 0 } else { step };
        Self { first, span, count: count.min(span), step, step_inverse: inverse(step, span), offset: draw.below(span) }
    }

    /// How many entities it has.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The n-th entity; `n` runs round when it passes the whole span.
    #[inline]
    pub fn nth(&self, n: u64) -> u64 {
        self.first + (product(n % self.span, self.step, self.span) + self.offset) % self.span
    }

    /// The place of an entity; `None` when it was not taken.
    #[inline]
    pub fn place(&self, entity: u64) -> Option<u64> {
        let within = entity.checked_sub(self.first).filter(|within| *within < self.span)?;
        let place = product((within + self.span - self.offset) % self.span, self.step_inverse, self.span);
        (place < self.count).then_some(place)
    }
}

#[inline]
fn product(left: u64, right: u64, modulus: u64) -> u64 {
    match left.checked_mul(right) {
        Some(product) => product % modulus,
        None => u64::try_from(u128::from(left) * u128::from(right) % u128::from(modulus)).expect("below the modulus"),
    }
}

fn greatest_common_divisor(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

/// The inverse of `value` modulo `modulus`; 0 for the modulus 1.
fn inverse(value: u64, modulus: u64) -> u64 {
    let (mut previous, mut current) = (i128::from(modulus), i128::from(value));
    let (mut before, mut now) = (0_i128, 1_i128);
    while current != 0 {
        let quotient = previous / current;
        (previous, current) = (current, previous - quotient * current);
        (before, now) = (now, before - quotient * now);
    }
    u64::try_from(before.rem_euclid(i128::from(modulus.max(1)))).expect("below the modulus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_every_entity_once_and_knows_its_place() {
        for (first, span, count) in [(0, 1, 1), (5, 2, 2), (10, 1_000, 1_000), (7, 9_973, 3_000), (0, 65_536, 10)] {
            let sample = Sample::new(Stream::new(1, "test"), first, span, count);
            let mut seen = std::collections::BTreeSet::new();
            for n in 0..sample.count() {
                let entity = sample.nth(n);
                assert!((first..first + span).contains(&entity));
                assert!(seen.insert(entity), "{entity} twice in {sample:?}");
                assert_eq!(sample.place(entity), Some(n));
            }
            let taken = (first..first + span).filter(|entity| sample.place(*entity).is_some()).count() as u64;
            assert_eq!(taken, count);
        }
    }

    #[test]
    fn streams_of_other_seeds_and_names_differ() {
        let mut draws = [Stream::new(1, "a"), Stream::new(2, "a"), Stream::new(1, "b")].map(|stream| stream.at(3));
        let bits = draws.each_mut().map(Draw::bits);
        assert!(bits[0] != bits[1] && bits[0] != bits[2] && bits[1] != bits[2]);
    }

    #[test]
    fn draws_fill_their_range() {
        let stream = Stream::new(9, "range");
        let mut seen = [0_u32; 10];
        for index in 0..10_000 {
            seen[usize::try_from(stream.at(index).below(10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }
}
