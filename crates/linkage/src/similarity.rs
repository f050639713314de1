//! How alike two values are: pure functions on characters, without allocation.
//!
//! Each takes a bound below which the caller does not care, so that most pairs, which have nothing in common,
//! cost a few instructions.

/// Longest text that is compared character by character; the rest of a longer one is not looked at.
pub const CHARACTERS_MAX: usize = 64;

/// The tally of a text in which a class occurs more than 15 times: it bounds nothing.
const UNCOUNTED: u128 = u128::MAX;

/// How often the characters of each of 32 classes occur, four bits each: what two texts can have in
/// common at most.
#[must_use]
pub fn tally(characters: &[char]) -> u128 {
    let mut tally = 0_u128;
    for &character in characters {
        let shift = 4 * (class(character) % 32);
        if tally >> shift & 0xf == 0xf {
            return UNCOUNTED;
        }
        tally += 1 << shift;
    }
    tally
}

/// Characters that two texts can have in common at most, by their tallies.
fn in_common(left: u128, right: u128) -> usize {
    if left == UNCOUNTED || right == UNCOUNTED {
        return usize::MAX;
    }
    let lanes = |tally: u128| {
        let (low, high) = (tally as u64, (tally >> 64) as u64);
        [low & NIBBLES, low >> 4 & NIBBLES, high & NIBBLES, high >> 4 & NIBBLES]
    };
    let least = lanes(left).into_iter().zip(lanes(right)).map(|(a, b)| {
        // Bytes of at most 15: the borrow of each stays in its own top bit.
        let greater = ((a | TOPS) - b) & TOPS;
        let mask = (greater >> 7) * 0xff;
        (b & mask) | (a & !mask)
    });
    let sums: u64 = least.sum();
    (sums.wrapping_mul(0x0101_0101_0101_0101) >> 56) as usize
}

const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
const TOPS: u64 = 0x8080_8080_8080_8080;

fn class(character: char) -> u32 {
    match character {
        'a'..='z' => character as u32 - 'a' as u32,
        '0'..='9' => 26 + character as u32 - '0' as u32,
        // Fibonacci hashing spreads neighbouring characters over the remaining classes.
        _ => 36 + ((character as u32).wrapping_mul(0x9E37_79B1) >> 16) % 28,
    }
}

/// Jaro–Winkler similarity in `0.0..=1.0` (prefix of four, weight 0.1, boost from 0.7), or 0.0 where it is
/// certainly below `at_least`. Tallies are those of [`tally`].
///
/// # Source
/// W. E. Winkler, String comparator metrics and enhanced decision rules (1990).
#[must_use]
pub fn jaro_winkler(left: &[char], right: &[char], tallies: (u128, u128), at_least: f32) -> f32 {
    let left = &left[..left.len().min(CHARACTERS_MAX)];
    let right = &right[..right.len().min(CHARACTERS_MAX)];
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    let prefix = left.iter().zip(right).take(4).take_while(|(a, b)| a == b).count() as f32;
    let boosted = |jaro: f32| if jaro > 0.7 { jaro + 0.1 * prefix * (1.0 - jaro) } else { jaro };
    let most = in_common(tallies.0, tallies.1).min(left.len()).min(right.len());
    if most == 0 {
        return 0.0;
    }
    let bound = (most as f32 / left.len() as f32 + most as f32 / right.len() as f32 + 1.0) / 3.0;
    if boosted(bound) < at_least {
        return 0.0;
    }

    // As many must match for the bound to be reached; so many of the left may find nothing.
    let enough = |matched: usize| {
        let matched = matched as f32;
        boosted((matched / left.len() as f32 + matched / right.len() as f32 + 1.0) / 3.0) >= at_least
    };
    let mut spare = left.len() - most;
    let mut least = most;
    while least > 0 && enough(least - 1) {
        least -= 1;
        spare += 1;
    }

    let window = (left.len().max(right.len()) / 2).saturating_sub(1);
    let (mut taken_left, mut taken_right) = (0_u64, 0_u64);
    for (i, character) in left.iter().enumerate() {
        let (from, to) = (i.saturating_sub(window), (i + window + 1).min(right.len()));
        let mut found = false;
        for j in from..to {
            if taken_right >> j & 1 == 0 && right[j] == *character {
                taken_left |= 1 << i;
                taken_right |= 1 << j;
                found = true;
                break;
            }
        }
        if !found {
            if spare == 0 {
                return 0.0;
            }
            spare -= 1;
        }
    }
    let matched = taken_left.count_ones() as f32;
    if matched == 0.0 {
        return 0.0;
    }
    let (mut rest_left, mut rest_right, mut moved) = (taken_left, taken_right, 0);
    while rest_left != 0 {
        let (i, j) = (rest_left.trailing_zeros() as usize, rest_right.trailing_zeros() as usize);
        moved += u32::from(left[i] != right[j]);
        rest_left &= rest_left - 1;
        rest_right &= rest_right - 1;
    }
    let transposed = (moved / 2) as f32;
    boosted((matched / left.len() as f32 + matched / right.len() as f32 + (matched - transposed) / matched) / 3.0)
}

/// Edits between two texts: insert, delete, replace, or swap two neighbours (optimal string alignment), or
/// `None` where there are more than `most` (at most 8).
#[must_use]
pub fn edits(left: &[char], right: &[char], tallies: (u128, u128), most: usize) -> Option<usize> {
    let most = most.min(8);
    // An edit changes one character of the tally at most, a swap none.
    if left.len().abs_diff(right.len()) > most
        || in_common(tallies.0, tallies.1).saturating_add(most) < left.len().max(right.len())
    {
        return None;
    }
    let same_start = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[same_start..], &right[same_start..]);
    let same_end = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[..left.len() - same_end], &right[..right.len() - same_end]);
    if left.is_empty() || right.is_empty() {
        return Some(left.len().max(right.len()));
    }
    // What differs at both ends needs an edit at each, unless it is one edit.
    if most == 1 {
        let replaced = left.len() == 1 && right.len() == 1;
        let swapped = left.len() == 2 && right.len() == 2 && left[0] == right[1] && left[1] == right[0];
        return (replaced || swapped).then_some(1);
    }
    if left.len() > CHARACTERS_MAX || right.len() > CHARACTERS_MAX {
        return None;
    }
    banded(left, right, most)
}

/// The table of the alignment, only the diagonal band that `most` edits can reach.
fn banded(left: &[char], right: &[char], most: usize) -> Option<usize> {
    const FAR: u8 = u8::MAX / 2;
    let width = right.len() + 1;
    let (mut before, mut above, mut row) =
        ([FAR; CHARACTERS_MAX + 1], [FAR; CHARACTERS_MAX + 1], [FAR; CHARACTERS_MAX + 1]);
    for (j, cell) in above.iter_mut().enumerate().take(width.min(most + 1)) {
        *cell = j as u8;
    }
    for i in 1..=left.len() {
        let (from, to) = (i.saturating_sub(most), (i + most).min(right.len()));
        row.fill(FAR);
        if from == 0 {
            row[0] = i as u8;
        }
        let mut least = row[0];
        for j in from.max(1)..=to {
            let replace = above[j - 1] + u8::from(left[i - 1] != right[j - 1]);
            let mut cell = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                cell = cell.min(before[j - 2] + 1);
            }
            row[j] = cell;
            least = least.min(cell);
        }
        if usize::from(least) > most && i > 1 {
            return None;
        }
        (before, above, row) = (above, row, before);
    }
    let distance = usize::from(above[right.len()]);
    (distance <= most).then_some(distance)
}

/// Kilometres between two points on a sphere of the Earth's mean radius; degrees, WGS 84 or CGCS2000.
#[must_use]
pub fn kilometres(left: (f64, f64), right: (f64, f64)) -> f64 {
    let (phi_left, phi_right) = (left.0.to_radians(), right.0.to_radians());
    let (d_phi, d_lambda) = ((right.0 - left.0).to_radians(), (right.1 - left.1).to_radians());
    let h = (d_phi / 2.0).sin().powi(2) + phi_left.cos() * phi_right.cos() * (d_lambda / 2.0).sin().powi(2);
    2.0 * 6371.0088 * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn jaro_winkler_of(left: &str, right: &str, at_least: f32) -> f32 {
        let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
        jaro_winkler(&left, &right, (tally(&left), tally(&right)), at_least)
    }

    proptest! {
        #[test]
        fn jaro_winkler_is_that_of_another_library(left in "[a-d张王李]{0,12}", right in "[a-d张王李]{0,12}") {
            let ours = jaro_winkler_of(&left, &right, 0.0);
            if left.is_empty() || right.is_empty() {
                prop_assert!(ours.abs() < 1e-6);
            } else {
                let jaro = strsim::jaro(&left, &right);
                // At the boost itself the last bit of a float decides.
                prop_assume!((jaro - 0.7).abs() > 1e-6);
                let prefix = left.chars().zip(right.chars()).take(4).take_while(|(a, b)| a == b).count() as f64;
                let theirs = if jaro > 0.7 { jaro + 0.1 * prefix * (1.0 - jaro) } else { jaro };
                prop_assert!((f64::from(ours) - theirs).abs() < 1e-5, "{left} {right}: {ours} {theirs}");
            }
        }

        #[test]
        fn a_bound_never_hides_a_similarity_above_it(left in "[a-e]{1,40}", right in "[a-e]{1,40}", bound in 0.0_f32..1.0) {
            let whole = jaro_winkler_of(&left, &right, 0.0);
            if whole >= bound {
                prop_assert!((jaro_winkler_of(&left, &right, bound) - whole).abs() < 1e-6);
            }
        }

        #[test]
        fn edits_are_those_of_another_library(left in "[0-3]{0,9}", right in "[0-3]{0,9}", most in 1_usize..4) {
            let theirs = strsim::osa_distance(&left, &right);
            let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
            let ours = edits(&left, &right, (tally(&left), tally(&right)), most);
            prop_assert_eq!(ours, (theirs <= most).then_some(theirs));
        }
    }

    #[test]
    fn a_degree_of_the_meridian_is_111_kilometres() {
        assert!((kilometres((35.0, 118.0), (36.0, 118.0)) - 111.195).abs() < 0.01);
        assert!(kilometres((35.1, 118.3), (35.1, 118.3)) < 1e-9);
    }
}
