//! Keyed hashes (带密钥的杂凑): values that can be linked and not read, for departments that may not show them.
//!
//! A token is `<algorithm>.<kind>.<hex>`: the HMAC, under a key that the departments share and the linking office
//! does not have, of the kind and the value in the form in which clear values are compared ([`canonical`]). So two
//! tokens are equal exactly where two clear values would be; a number with a failed check digit has no token at
//! all, and can neither block nor match. A name may be made a Bloom filter instead (`clk.…`), whose likeness is that
//! of the names: it tells more about the value than a hash does, and should be used for names only.
//!
//! Deliberately absent: any way back, and storing keys.
//!
//! # Source
//! GB/T 32905-2016 (SM3), FIPS 180-4, RFC 2104; Schnell, Bachteler & Reiher, Privacy-preserving record linkage using
//! Bloom filters (2009).

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sm3::Sm3;

use crate::{
    dates::read_day,
    hanzi,
    model::Reads,
    records::{Column, normalise},
    value::canonical,
};

/// Shortest and longest key, bytes.
pub const KEY_MIN: usize = 16;
/// Longest key, bytes.
pub const KEY_MAX: usize = 4096;
/// Bits of a Bloom filter.
pub const BLOOM_BITS: usize = 1024;
/// Words of a Bloom filter.
pub const BLOOM_WORDS: usize = BLOOM_BITS / 64;
/// Bits that one feature of a name sets.
const BLOOM_HASHES: u64 = 16;
/// Distinct values that are looked at to tell what a column holds.
const LOOKED_AT: usize = 2000;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SM3, GB/T 32905.
    Sm3,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// The name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm3 => "sm3",
            Self::Sha256 => "sha256",
        }
    }
}

/// How one column is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hide {
    /// A hash: equal or not.
    Equal(Reads),
    /// A Bloom filter: more or less alike.
    Alike,
}

/// Kinds that a column may be hashed as, with their names in a token and on the command line.
pub const KINDS: [(&str, Reads); 6] = [
    ("text", Reads::Text),
    ("name", Reads::ChineseName),
    ("date", Reads::Date),
    ("code", Reads::Code),
    ("citizen_id", Reads::CitizenId),
    ("credit_code", Reads::CreditCode),
];

/// What the values of a column are, as far as hashing needs to know.
#[must_use]
pub fn kind_of(column: &Column) -> Reads {
    let step = column.values.len().div_ceil(LOOKED_AT).max(1);
    let looked: Vec<&str> = column.values.iter().step_by(step).map(AsRef::as_ref).collect();
    let share = |test: &dyn Fn(&str) -> bool| {
        looked.iter().filter(|value| test(value)).count() as f64 / looked.len().max(1) as f64
    };
    if share(&|value| canonical(value, Reads::CitizenId).is_some()) >= 0.5 {
        Reads::CitizenId
    } else if share(&|value| canonical(value, Reads::CreditCode).is_some()) >= 0.5 {
        Reads::CreditCode
    } else if share(&|value| read_day(value).is_some()) >= 0.85 {
        Reads::Date
    } else if share(&|value| value.chars().filter(|&one| hanzi::is_han(one)).count() >= 2 && value.chars().count() <= 5)
        >= 0.7
    {
        Reads::ChineseName
    } else if share(&|value| value.bytes().filter(u8::is_ascii_digit).count() * 2 >= value.len()) >= 0.8 {
        Reads::Code
    } else {
        Reads::Text
    }
}

/// Makes tokens under one key.
pub struct Hasher {
    algorithm: Algorithm,
    key: Vec<u8>,
    text: String,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Hasher")
            .field("algorithm", &self.algorithm)
            .field("key", &"***")
            .finish_non_exhaustive()
    }
}

impl Hasher {
    /// Hashes under a key; line ends at the end of a key file are not part of it.
    ///
    /// # Errors
    /// The length of a key that is too short or too long.
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, usize> {
        let end = key.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        let key = &key[..end];
        if !(KEY_MIN..=KEY_MAX).contains(&key.len()) {
            return Err(key.len());
        }
        Ok(Self { algorithm, key: key.to_vec(), text: String::new() })
    }

    /// The token of a value as it was written, or `None` where it says nothing or cannot be read as its kind.
    pub fn token(&mut self, written: &str, hide: Hide) -> Option<String> {
        let mut text = std::mem::take(&mut self.text);
        normalise(written, &mut text);
        let token = if crate::records::says_nothing(&text) { None } else { self.of_normalised(&text, hide) };
        self.text = text;
        token
    }

    fn of_normalised(&self, text: &str, hide: Hide) -> Option<String> {
        match hide {
            Hide::Equal(reads) => {
                let value = comparable(text, reads)?;
                let kind = kind_name(reads);
                let mut token = format!("{}.{kind}.", self.algorithm.name());
                for byte in self.mac(kind, &value) {
                    let _ = write!(token, "{byte:02x}");
                }
                Some(token)
            }
            Hide::Alike => {
                let mut bits = [0_u64; BLOOM_WORDS];
                for feature in features(&comparable(text, Reads::Text)?) {
                    let mac = self.mac("clk", &feature);
                    let word =
                        |from: usize| mac[from..from + 8].iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
                    let (first, step) = (word(0), word(8) | 1);
                    for number in 0..BLOOM_HASHES {
                        let bit = (first.wrapping_add(step.wrapping_mul(number)) % BLOOM_BITS as u64) as usize;
                        bits[bit / 64] |= 1 << (bit % 64);
                    }
                }
                let mut token = format!("clk.{}.", self.algorithm.name());
                for word in bits {
                    let _ = write!(token, "{word:016x}");
                }
                Some(token)
            }
        }
    }

    fn mac(&self, kind: &str, value: &str) -> [u8; 32] {
        // The kind is part of what is hashed: a telephone is never the number of a person.
        match self.algorithm {
            Algorithm::Sm3 => keyed::<Hmac<Sm3>>(&self.key, kind, value),
            Algorithm::Sha256 => keyed::<Hmac<Sha256>>(&self.key, kind, value),
        }
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], kind: &str, value: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return bytes };
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    for (to, from) in bytes.iter_mut().zip(mac.finalize().into_bytes()) {
        *to = from;
    }
    bytes
}

/// The form in which a clear value is compared for equality.
fn comparable(text: &str, reads: Reads) -> Option<String> {
    let value = canonical(text, reads)?;
    Some(match reads {
        // As blocking does: traditional and variant characters are one.
        Reads::ChineseName => value.chars().map(hanzi::canonical).collect(),
        _ => value.into_owned(),
    })
}

/// What two alike names share: of letters, pairs of neighbours; of Chinese, the characters and their near sounds.
fn features(text: &str) -> Vec<String> {
    let mut features = Vec::new();
    let mut letters = vec!['_'];
    for character in text.chars() {
        if hanzi::is_han(character) {
            let character = hanzi::canonical(character);
            features.push(character.to_string());
            features.extend(hanzi::readings(character).first().map(|reading| hanzi::near_reading(reading)));
        } else {
            letters.push(character);
        }
    }
    if letters.len() > 1 {
        letters.push('_');
        features.extend(letters.windows(2).map(|two| two.iter().collect()));
    }
    features.sort_unstable();
    features.dedup();
    features
}

fn kind_name(reads: Reads) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == reads).map_or("text", |(name, _)| name)
}

/// Which kind a token's value had, or `None` where it is no token.
#[must_use]
pub fn read_token(text: &str) -> Option<Reads> {
    let mut parts = text.splitn(3, '.');
    let (algorithm, kind, hex) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !matches!(algorithm, "sm3" | "sha256") || !is_hex {
        return None;
    }
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, reads)| *reads)
}

/// The bits of a Bloom filter, or `None` where the text is none.
#[must_use]
pub fn read_bloom(text: &str) -> Option<[u64; BLOOM_WORDS]> {
    let hex = text.strip_prefix("clk.")?.split_once('.')?.1;
    if hex.len() != BLOOM_BITS / 4 || !hex.is_ascii() {
        return None;
    }
    let mut bits = [0; BLOOM_WORDS];
    for (at, word) in bits.iter_mut().enumerate() {
        *word = u64::from_str_radix(&hex[at * 16..][..16], 16).ok()?;
    }
    Some(bits)
}

/// Dice coefficient of two filters, `0.0..=1.0`.
#[must_use]
pub fn dice(left: &[u64; BLOOM_WORDS], right: &[u64; BLOOM_WORDS]) -> f32 {
    let (mut both, mut all) = (0, 0);
    for (a, b) in left.iter().zip(right) {
        both += (a & b).count_ones();
        all += a.count_ones() + b.count_ones();
    }
    if all == 0 { 0.0 } else { 2.0 * both as f32 / all as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(algorithm: Algorithm) -> Hasher {
        Hasher::new(algorithm, b"0123456789abcdef-a shared secret\n").unwrap()
    }

    #[test]
    fn a_token_is_that_of_the_normalised_value() {
        for algorithm in [Algorithm::Sm3, Algorithm::Sha256] {
            let mut hasher = hasher(algorithm);
            let mut of = |text: &str| hasher.token(text, Hide::Equal(Reads::CitizenId));
            let token = of("11010519491231002X").unwrap();
            assert_eq!(read_token(&token), Some(Reads::CitizenId));
            assert_eq!(of(" １１０１０５19491231002x "), Some(token.clone()));
            assert_eq!(of("110105491231002"), Some(token), "15 digits are read as 18");
            assert_eq!(of("110105194912310020"), None, "a failed check digit has no token");
            assert_eq!(of("无"), None);
        }
    }

    #[test]
    fn kind_algorithm_and_key_make_other_tokens() {
        let mut one = hasher(Algorithm::Sm3);
        let mut other = Hasher::new(Algorithm::Sm3, b"fedcba9876543210").unwrap();
        let code = one.token("13812345678", Hide::Equal(Reads::Code));
        assert_ne!(code, one.token("13812345678", Hide::Equal(Reads::Text)));
        assert_ne!(code, other.token("13812345678", Hide::Equal(Reads::Code)));
        assert_ne!(code, hasher(Algorithm::Sha256).token("13812345678", Hide::Equal(Reads::Code)));
    }

    #[test]
    fn the_mac_is_that_of_the_standard() {
        // Python: hmac.new(key, b"code\0" + b"13812345678", "sha256").hexdigest()
        let token = hasher(Algorithm::Sha256).token("138 1234-5678", Hide::Equal(Reads::Code)).unwrap();
        assert_eq!(token, "sha256.code.290b3b4ab3399a253040d088e12d490bd0cefbd892298bcafc32991f5520a8f4");
    }

    #[test]
    fn alike_names_have_alike_filters_and_strangers_do_not() {
        let mut hasher = hasher(Algorithm::Sm3);
        let mut of = |text: &str| read_bloom(&hasher.token(text, Hide::Alike).unwrap()).unwrap();
        assert!((dice(&of("Schmidt"), &of("schmidt")) - 1.0).abs() < 1e-6);
        assert!(dice(&of("Schmidt"), &of("Schmitt")) > 0.7);
        assert!(dice(&of("张建国"), &of("张健国")) > 0.7);
        assert!((dice(&of("張建國"), &of("张建国")) - 1.0).abs() < 1e-6);
        assert!(dice(&of("Schmidt"), &of("Okonkwo")) < 0.4);
        assert!(dice(&of("张建国"), &of("李小红")) < 0.4);
    }

    #[test]
    fn a_short_key_is_refused_with_its_length_and_never_printed() {
        assert_eq!(Hasher::new(Algorithm::Sm3, b"secret\r\n").map(|_| ()), Err(6));
        assert!(!format!("{:?}", hasher(Algorithm::Sm3)).contains("0123"));
    }
}
