//! SM3 over several messages at once (GB/T 32905-2016 §5).
//!
//! One message is a chain of dependent rounds, and no processor of ours has an SM3 instruction, so
//! a full audit would spend most of its time here. Messages are independent of one another: each
//! 32-bit word becomes a short array with one element per message, which the compiler turns into
//! vector instructions. `sm3` (the crate) stays the reference: the tests compare with it.

use crate::hashes::Hash;

/// Messages side by side. Four words fill one 128-bit register, which every x86-64 and aarch64
/// processor has.
const LANES: usize = 4;

type Words = [u32; LANES];

const START: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

/// The SM3 digests of `prefix ‖ message` for every message, in order.
pub(crate) fn digests(prefix: u8, messages: &[&[u8]]) -> Vec<Hash> {
    // Neighbours of equal length waste no lane, so group by number of blocks.
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(|&index| block_count(messages[index]));
    let mut digests = vec![Hash::default(); messages.len()];
    for group in order.chunks(LANES) {
        let mut state = START.map(|word| [word; LANES]);
        let blocks_max = group.last().map_or(0, |&index| block_count(messages[index]));
        for number in 0..blocks_max {
            let mut block = [[0_u32; LANES]; 16];
            for (lane, &index) in group.iter().enumerate() {
                fill_lane(&mut block, lane, prefix, messages[index], number);
            }
            let next = compress(&state, &block);
            for (lane, &index) in group.iter().enumerate() {
                if number < block_count(messages[index]) {
                    for word in 0..8 {
                        state[word][lane] = next[word][lane];
                    }
                }
            }
        }
        for (lane, &index) in group.iter().enumerate() {
            for word in 0..8 {
                digests[index][word * 4..word * 4 + 4].copy_from_slice(&state[word][lane].to_be_bytes());
            }
        }
    }
    digests
}

/// Blocks of 64 bytes needed for the prefix, the message, the `0x80` byte and the 64-bit length.
fn block_count(message: &[u8]) -> usize {
    (1 + message.len() + 9).div_ceil(64)
}

fn fill_lane(block: &mut [Words; 16], lane: usize, prefix: u8, message: &[u8], number: usize) {
    let mut bytes = [0_u8; 64];
    let length = message.len() + 1;
    let start = number * 64;
    // The prefix shifts the message by one byte.
    let from = start.saturating_sub(1);
    let at = usize::from(number == 0);
    if number == 0 {
        bytes[0] = prefix;
    }
    if from < message.len() {
        let take = (64 - at).min(message.len() - from);
        bytes[at..at + take].copy_from_slice(&message[from..from + take]);
    }
    if (start..start + 64).contains(&length) {
        bytes[length - start] = 0x80;
    }
    if number + 1 == block_count(message) {
        bytes[56..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
    }
    for (word, four) in bytes.chunks_exact(4).enumerate() {
        block[word][lane] = u32::from_be_bytes(four.try_into().expect("chunks of four"));
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "the lanes become registers only when everything is one function")]
fn zip(a: Words, b: Words, f: impl Fn(u32, u32) -> u32) -> Words {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn xor(a: Words, b: Words) -> Words {
    zip(a, b, |x, y| x ^ y)
}
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn add(a: Words, b: Words) -> Words {
    zip(a, b, u32::wrapping_add)
}
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn rol(a: Words, bits: u32) -> Words {
    a.map(|x| x.rotate_left(bits))
}

/// One block in every lane: GB/T 32905-2016 §5.3, with its variable names.
#[expect(clippy::many_single_char_names, reason = "the standard's own names for the eight words")]
fn compress(state: &[Words; 8], block: &[Words; 16]) -> [Words; 8] {
    let mut w = [[0_u32; LANES]; 68];
    w[..16].copy_from_slice(block);
    for j in 16..68 {
        let mixed = xor(xor(w[j - 16], w[j - 9]), rol(w[j - 3], 15));
        let p1 = xor(xor(mixed, rol(mixed, 15)), rol(mixed, 23));
        w[j] = xor(xor(p1, rol(w[j - 13], 7)), w[j - 6]);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for j in 0..64_usize {
        let turn = u32::try_from(j % 32).expect("below 32");
        let constant = if j < 16 { 0x79cc_4519_u32 } else { 0x7a87_9d8a }.rotate_left(turn);
        let a12 = rol(a, 12);
        let ss1 = rol(add(add(a12, e), [constant; LANES]), 7);
        let ss2 = xor(ss1, a12);
        let (ff, gg): (Words, Words) = if j < 16 {
            (xor(xor(a, b), c), xor(xor(e, f), g))
        } else {
            (
                std::array::from_fn(|lane| (a[lane] & b[lane]) | (c[lane] & (a[lane] | b[lane]))),
                std::array::from_fn(|lane| ((f[lane] ^ g[lane]) & e[lane]) ^ g[lane]),
            )
        };
        let tt1 = add(add(add(ff, d), ss2), xor(w[j], w[j + 4]));
        let tt2 = add(add(add(gg, h), ss1), w[j]);
        d = c;
        c = rol(b, 9);
        b = a;
        a = tt1;
        h = g;
        g = rol(f, 19);
        f = e;
        e = xor(xor(tt2, rol(tt2, 9)), rol(tt2, 17));
    }
    let out = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|word| xor(out[word], state[word]))
}

#[cfg(test)]
mod tests {
    use sm3::{Digest, Sm3};

    use super::*;

    #[test]
    fn every_length_around_the_block_edges_equals_the_reference() {
        let messages: Vec<Vec<u8>> = (0..300_usize).map(|n| (0..n).map(|i| u8::try_from((i * 7 + n) % 251).unwrap()).collect()).collect();
        let borrowed: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for prefix in [0, 1] {
            for (message, digest) in messages.iter().zip(digests(prefix, &borrowed)) {
                let expected: Hash = Sm3::new().chain_update([prefix]).chain_update(message).finalize().into();
                assert_eq!(digest, expected, "message of {} bytes", message.len());
            }
        }
    }
}
