//! SM3 over several messages at once (GB/T 32905-2016 §5).
//!
//! One message is a chain of dependent rounds, and no processor of ours has an SM3 instruction, so
//! a full audit would spend most of its time here. Messages are independent of one another: each
//! 32-bit word becomes a vector with one element per message. `sm3` (the crate) stays the
//! reference: the tests compare with it. Wider registers (AVX2) would need code that is chosen while
//! the program runs, which safe Rust does not have.

use wide::u32x4;

use crate::hashes::Hash;

/// Messages side by side. Four words fill one 128-bit register, which every x86-64 and aarch64
/// processor has.
const LANES: usize = 4;

type Block = [u8; 64];

/// What a lane works on when its message has ended before the others.
const IDLE: Block = [0; 64];

const START: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

/// The SM3 digests of `prefix ‖ message` for every message, in order.
pub(crate) fn digests(prefix: u8, messages: &[&[u8]]) -> Vec<Hash> {
    // Neighbours of equal length waste no lane, so group by number of blocks.
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(|&index| block_count(messages[index]));
    let mut digests = vec![Hash::default(); messages.len()];
    for group in order.chunks(LANES) {
        let mut state = START.map(u32x4::splat);
        let blocks_max = group.last().map_or(0, |&index| block_count(messages[index]));
        for number in 0..blocks_max {
            let mut made = [IDLE; LANES];
            let mut blocks = [&IDLE; LANES];
            for ((made, block), &index) in made.iter_mut().zip(&mut blocks).zip(group) {
                *block = block_of(made, prefix, messages[index], number);
            }
            state = compress(&state, blocks);
            for (lane, &index) in group.iter().enumerate() {
                if number + 1 == block_count(messages[index]) {
                    for (word, bytes) in state.iter().zip(digests[index].chunks_exact_mut(4)) {
                        bytes.copy_from_slice(&word.to_array()[lane].to_be_bytes());
                    }
                }
            }
        }
    }
    digests
}

/// Blocks of 64 bytes needed for the prefix, the message, the `0x80` byte and the 64-bit length.
fn block_count(message: &[u8]) -> usize {
    (1 + message.len() + 9).div_ceil(64)
}

/// Block `number` of a prefixed and padded message: a piece of the message itself, or `made` where
/// the prefix, the padding or the length stand in it.
fn block_of<'a>(made: &'a mut Block, prefix: u8, message: &'a [u8], number: usize) -> &'a Block {
    let start = number * 64;
    // The prefix shifts the message by one byte.
    let whole = start.checked_sub(1).and_then(|from| message.get(from..from + 64));
    if let Some(whole) = whole {
        return whole.try_into().expect("64 bytes were taken");
    }
    let length = message.len() + 1;
    let from = start.saturating_sub(1);
    let at = usize::from(number == 0);
    if number == 0 {
        made[0] = prefix;
    }
    if from < message.len() {
        let take = (64 - at).min(message.len() - from);
        made[at..at + take].copy_from_slice(&message[from..from + take]);
    }
    if (start..start + 64).contains(&length) {
        made[length - start] = 0x80;
    }
    if number + 1 == block_count(message) {
        made[56..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
    }
    made
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the words stay in registers only when everything is one function")]
fn rol<const BITS: u32>(x: u32x4) -> u32x4 {
    (x << BITS) | (x >> (32 - BITS))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as above; a call per word would cost more than the word")]
fn word_of(block: &Block, at: usize) -> u32 {
    u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// One block in every lane: GB/T 32905-2016 §5.3, with its variable names.
#[expect(clippy::many_single_char_names, reason = "the standard's own names for the eight words")]
fn compress(state: &[u32x4; 8], blocks: [&Block; LANES]) -> [u32x4; 8] {
    let mut w = [u32x4::ZERO; 68];
    let [one, two, three, four] = blocks;
    for (word, lanes) in w.iter_mut().enumerate().take(16) {
        let at = word * 4;
        *lanes = u32x4::new([word_of(one, at), word_of(two, at), word_of(three, at), word_of(four, at)]);
    }
    for j in 16..68 {
        let mixed = w[j - 16] ^ w[j - 9] ^ rol::<15>(w[j - 3]);
        let p1 = mixed ^ rol::<15>(mixed) ^ rol::<23>(mixed);
        w[j] = p1 ^ rol::<7>(w[j - 13]) ^ w[j - 6];
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // The words change places instead of being moved: after four rounds each is where it was. The sums
    // are bracketed so that what the round before gives comes in last.
    macro_rules! round {
        ($j:expr, $constant:expr, $ff:expr, $gg:expr, $a:ident $b:ident $d:ident $e:ident $f:ident $h:ident) => {
            let a12 = rol::<12>($a);
            let ss1 = rol::<7>(($e + u32x4::splat($constant)) + a12);
            let word = w[$j];
            $d = (($ff + $d) + (word ^ w[$j + 4])) + (ss1 ^ a12);
            let tt2 = (($gg + $h) + word) + ss1;
            $b = rol::<9>($b);
            $f = rol::<19>($f);
            $h = tt2 ^ rol::<9>(tt2) ^ rol::<17>(tt2);
        };
    }
    macro_rules! four_rounds {
        ($j:expr, $constant:expr, $ff:expr, $gg:expr) => {
            let (ff, gg, t) = ($ff, $gg, |turn: u32| $constant.rotate_left(turn % 32));
            let j = $j as usize;
            round!(j, t($j), ff(a, b, c), gg(e, f, g), a b d e f h);
            round!(j + 1, t($j + 1), ff(d, a, b), gg(h, e, f), d a c h e g);
            round!(j + 2, t($j + 2), ff(c, d, a), gg(g, h, e), c d b g h f);
            round!(j + 3, t($j + 3), ff(b, c, d), gg(f, g, h), b c a f g e);
        };
    }
    let parity = |x: u32x4, y: u32x4, z: u32x4| x ^ y ^ z;
    let majority = |x: u32x4, y: u32x4, z: u32x4| (x & y) | (z & (x | y));
    let choice = |x: u32x4, y: u32x4, z: u32x4| ((y ^ z) & x) ^ z;
    for turn in (0..16_u32).step_by(4) {
        four_rounds!(turn, 0x79cc_4519_u32, parity, parity);
    }
    for turn in (16..64_u32).step_by(4) {
        four_rounds!(turn, 0x7a87_9d8a_u32, majority, choice);
    }
    let [a0, b0, c0, d0, e0, f0, g0, h0] = *state;
    [a0 ^ a, b0 ^ b, c0 ^ c, d0 ^ d, e0 ^ e, f0 ^ f, g0 ^ g, h0 ^ h]
}

#[cfg(test)]
mod tests {
    use sm3::{Digest, Sm3};

    use super::*;

    #[test]
    fn every_length_around_the_block_edges_equals_the_reference() {
        let messages: Vec<Vec<u8>> =
            (0..300_usize).map(|n| (0..n).map(|i| u8::try_from((i * 7 + n) % 251).unwrap()).collect()).collect();
        let borrowed: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for prefix in [0, 1] {
            for (message, digest) in messages.iter().zip(digests(prefix, &borrowed)) {
                let expected: Hash = Sm3::new().chain_update([prefix]).chain_update(message).finalize().into();
                assert_eq!(digest, expected, "message of {} bytes", message.len());
            }
        }
    }
}
