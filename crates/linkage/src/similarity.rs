//! How alike two values are: pure functions on characters, without allocation.
//!
//! Each takes a bound below which the caller does not care, so that most pairs, which have nothing in common,
//! cost a few instructions.

use crate::text::{CHARACTERS_MAX, Text, Texts, class};

/// Jaro–Winkler similarity from a bound up.
///
/// # Source
/// W. E. Winkler, String comparator metrics and enhanced decision rules (1990).
#[derive(Debug, Clone, Copy)]
pub struct JaroWinkler {
    /// For prefixes of 0 to 4 characters: what matched characters as a share of either text must add up to.
    least: [f32; 5],
}

impl JaroWinkler {
    /// Similarities below `at_least` may be reported as 0.0.
    #[must_use]
    pub fn new(at_least: f32) -> Self {
        let least = [0.0_f32, 1.0, 2.0, 3.0, 4.0].map(|prefix| {
            let boost = 0.1 * prefix;
            let jaro = if at_least <= 0.7 { at_least } else { ((at_least - boost) / (1.0 - boost)).max(0.7) };
            // A little less, so that rounding never hides what reaches the bound.
            3.0 * jaro - 1.0 - 1e-4
        });
        Self { least }
    }

    /// The similarity of two texts in `0.0..=1.0` (prefix of four, weight 0.1, boost from 0.7), or 0.0 where it is
    /// certainly below the bound.
    #[must_use]
    pub fn of(&self, left: Text, right: Text) -> f32 {
        if left.is_empty() || right.is_empty() {
            return 0.0;
        }
        let prefix = left.common_prefix(&right);
        let (length_left, length_right) = (left.len() as f32, right.len() as f32);
        let needed = self.least[prefix] * length_left * length_right / (length_left + length_right);
        let most = left.in_common(&right).min(left.len()).min(right.len());
        if most == 0 || (most as f32) < needed {
            return 0.0;
        }
        // So many of the left may find nothing.
        let spare = left.len() - (needed.ceil().max(0.0) as usize).min(left.len());
        let found = matched(left.characters(), right.characters(), spare);
        let Some((matched, transposed)) = found else { return 0.0 };
        let jaro = (matched / length_left + matched / length_right + (matched - transposed) / matched) / 3.0;
        if jaro > 0.7 { jaro + 0.1 * prefix as f32 * (1.0 - jaro) } else { jaro }
    }
}

/// Jaro–Winkler similarity, or 0.0 where it is certainly below `at_least`.
#[must_use]
pub fn jaro_winkler(left: &str, right: &str, at_least: f32) -> f32 {
    let mut texts = Texts::default();
    texts.push(left);
    texts.push(right);
    JaroWinkler::new(at_least).of(texts.get(0), texts.get(1))
}

/// Characters that match within Jaro's window, and half of those out of order; `None` where none do, or more than
/// `spare` of the left find nothing.
fn matched(left: &[char], right: &[char], mut spare: usize) -> Option<(f32, f32)> {
    let window = (left.len().max(right.len()) / 2).saturating_sub(1);
    // Where the characters of each class stand in the right text.
    let mut places = [0_u64; 32];
    for (j, &character) in right.iter().enumerate() {
        places[class(character)] |= 1 << j;
    }
    let (mut taken_left, mut taken_right) = (0_u64, 0_u64);
    for (i, &character) in left.iter().enumerate() {
        let (from, to) = (i.saturating_sub(window), (i + window + 1).min(right.len()));
        let within = if from < to { u64::MAX >> (64 - (to - from)) << from } else { 0 };
        let mut free = places[class(character)] & !taken_right & within;
        while free != 0 && right[free.trailing_zeros() as usize] != character {
            free &= free - 1;
        }
        if free == 0 {
            spare = spare.checked_sub(1)?;
        } else {
            taken_left |= 1 << i;
            taken_right |= free & free.wrapping_neg();
        }
    }
    let matched = taken_left.count_ones() as f32;
    if matched == 0.0 {
        return None;
    }
    let (mut rest_left, mut rest_right, mut moved) = (taken_left, taken_right, 0);
    while rest_left != 0 {
        let (i, j) = (rest_left.trailing_zeros() as usize, rest_right.trailing_zeros() as usize);
        moved += u32::from(left[i] != right[j]);
        rest_left &= rest_left - 1;
        rest_right &= rest_right - 1;
    }
    Some((matched, (moved / 2) as f32))
}

/// Edits between two texts: insert, delete, replace, or swap two neighbours (optimal string alignment), or
/// `None` where there are more than `most` (at most 8).
#[must_use]
pub fn edits(left: Text, right: Text, most: usize) -> Option<usize> {
    let most = most.min(8);
    // An edit changes one character of the tally at most, a swap none.
    if left.len().abs_diff(right.len()) > most || left.in_common(&right) + most < left.len().max(right.len()) {
        return None;
    }
    let (left, right) = (left.characters(), right.characters());
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
        row[..width].fill(FAR);
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

    proptest! {
        #[test]
        fn jaro_winkler_is_that_of_another_library(left in "[a-d张王李]{0,12}", right in "[a-d张王李]{0,12}") {
            let ours = jaro_winkler(&left, &right, 0.0);
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
            let whole = jaro_winkler(&left, &right, 0.0);
            if whole >= bound {
                prop_assert!((jaro_winkler(&left, &right, bound) - whole).abs() < 1e-6);
            }
        }

        #[test]
        fn edits_are_those_of_another_library(left in "[0-3]{0,9}", right in "[0-3]{0,9}", most in 1_usize..4) {
            let theirs = strsim::osa_distance(&left, &right);
            let mut texts = Texts::default();
            texts.push(&left);
            texts.push(&right);
            let ours = edits(texts.get(0), texts.get(1), most);
            prop_assert_eq!(ours, (theirs <= most).then_some(theirs));
        }
    }

    #[test]
    fn a_degree_of_the_meridian_is_111_kilometres() {
        assert!((kilometres((35.0, 118.0), (36.0, 118.0)) - 111.195).abs() < 0.01);
        assert!(kilometres((35.1, 118.3), (35.1, 118.3)) < 1e-9);
    }
}
