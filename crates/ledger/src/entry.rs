//! What one leaf says: something happened to an object, at a time, by an actor of a body. No more.
//!
//! The payload stays in the store; the leaf holds its salted digests. Destroy the salt and the leaf
//! stays valid while nothing about the payload can be learnt from it or checked against it.

use jiff::{Timestamp, civil, tz::Offset};

use crate::hashes::Hash;

/// Longest entry, canonical.
pub const ENTRY_BYTES_MAX: usize = 4096;
const WORD_BYTES_MAX: usize = 64;
const OBJECT_BYTES_MAX: usize = 512;

/// An entry that is ready but for its place in the log: what an outbox row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Unique for ever; a replay under the same id adds nothing. A UUID in practice.
    pub id: String,
    /// What happened: dotted lower-case words, `share_request.approved`.
    pub kind: String,
    /// When it happened; kept to the millisecond.
    pub at: Timestamp,
    /// Who did it: an account's pseudonymous id, never a name or a number.
    pub actor: String,
    /// The body that answers for it: a unified social credit code or a department id.
    pub org: String,
    /// To what: a URN, `urn:yihe:request:…`.
    pub object: String,
    /// HMAC-SHA-256 of the payload's canonical form under the salt.
    pub digest_sha256: Hash,
    /// HMAC-SM3 of the same.
    pub digest_sm3: Hash,
    /// Which salt; the salt itself lies with the payload.
    pub salt_id: String,
}

/// An entry in its place: the leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub kind: String,
    pub at: Timestamp,
    pub actor: String,
    pub org: String,
    pub object: String,
    /// Index of the previous entry about the same object.
    pub prev: Option<u64>,
    pub digest_sha256: Hash,
    pub digest_sm3: Hash,
    pub salt_id: String,
}

/// What is wrong with an entry, before it enters or when it is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryDefect {
    #[error("`{field}` is `{found}`: expected {expected}")]
    Field { field: &'static str, found: String, expected: &'static str },
    #[error("`{field}` holds what looks like {what}; the log is public and cannot forget, use a pseudonymous id")]
    PersonalData { field: &'static str, what: &'static str },
    #[error("the entry has {found} bytes, at most {ENTRY_BYTES_MAX} are allowed")]
    TooLong { found: usize },
    #[error("at byte {offset} the entry is not canonical: expected {expected}")]
    NotCanonical { offset: usize, expected: &'static str },
}

impl PendingEntry {
    /// Checks every field: the alphabet of each, its length, and that neither object nor actor
    /// carries a citizen's number or a mobile number.
    ///
    /// # Errors
    /// The first defect in the order of the fields.
    pub fn check(&self) -> Result<(), EntryDefect> {
        check_text("id", &self.id)?;
        check_text("kind", &self.kind)?;
        check_text("actor", &self.actor)?;
        check_text("org", &self.org)?;
        check_text("object", &self.object)?;
        check_text("salt_id", &self.salt_id)?;
        if !(0..=253_402_300_799).contains(&self.at.as_second()) {
            return Err(EntryDefect::Field {
                field: "at",
                found: self.at.to_string(),
                expected: "an instant from 1970 to 9999",
            });
        }
        for (field, text) in [("actor", &self.actor), ("object", &self.object)] {
            if let Some(what) = personal_number(text) {
                return Err(EntryDefect::PersonalData { field, what });
            }
        }
        Ok(())
    }

    /// The entry as it stands in the log after `prev`.
    #[must_use]
    pub fn placed(&self, prev: Option<u64>) -> Entry {
        Entry {
            id: self.id.clone(),
            kind: self.kind.clone(),
            at: to_millisecond(self.at),
            actor: self.actor.clone(),
            org: self.org.clone(),
            object: self.object.clone(),
            prev,
            digest_sha256: self.digest_sha256,
            digest_sm3: self.digest_sm3,
            salt_id: self.salt_id.clone(),
        }
    }
}

fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).expect("a timestamp's own milliseconds are in range")
}

/// Alphabets, one bit each per byte: what an id, an actor, an org and a salt id may hold; a kind; an
/// object. None holds a quote, a backslash or a byte beyond ASCII, so the canonical form never needs
/// an escape.
const WORD: u8 = 1;
const KIND: u8 = 2;
const OBJECT: u8 = 4;
static ALPHABETS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let mut classes = 0;
        if byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'_' | b'-') {
            classes |= WORD | OBJECT;
        }
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.') {
            classes |= KIND;
        }
        if matches!(byte, b'/' | b'#' | b'@' | b'~' | b'+' | b'=' | b'%') {
            classes |= OBJECT;
        }
        table[byte as usize] = classes;
        byte += 1;
    }
    table
};

/// Length and alphabet per field.
fn check_text(field: &'static str, text: &str) -> Result<(), EntryDefect> {
    let (length_max, expected, class) = alphabet(field);
    if (1..=length_max).contains(&text.len()) && text.bytes().all(|byte| ALPHABETS[usize::from(byte)] & class != 0) {
        return Ok(());
    }
    Err(EntryDefect::Field { field, found: text.chars().take(80).collect(), expected })
}

/// Longest text of a field in bytes, what it may hold in words, and its class in [`ALPHABETS`].
fn alphabet(field: &'static str) -> (usize, &'static str, u8) {
    match field {
        "kind" => (WORD_BYTES_MAX, "1 to 64 of a-z, 0-9, `_` and `.`", KIND),
        "object" => (OBJECT_BYTES_MAX, "a URN of 1 to 512 of A-Z, a-z, 0-9 and `:._-/#@~+=%`", OBJECT),
        _ => (WORD_BYTES_MAX, "1 to 64 of A-Z, a-z, 0-9 and `:._-`", WORD),
    }
}

/// A run of characters that is a citizen's number with a right check character, or a mobile number.
/// A guard against mistakes, not a proof of innocence.
fn personal_number(text: &str) -> Option<&'static str> {
    for run in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let run = run.as_bytes();
        if run.len() == 11 && run.iter().all(u8::is_ascii_digit) && run[0] == b'1' && run[1] >= b'3' {
            return Some("a mobile number");
        }
        if run.len() == 18 && is_citizen_number(run) {
            return Some("a citizen's number");
        }
    }
    None
}

/// GB 11643-1999: seventeen digits with a possible birth date, then the check character.
fn is_citizen_number(run: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = &run[..17];
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(&digits[6..8], b"18" | b"19" | b"20") {
        return false;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let expected = b"10X98765432"[usize::try_from(sum % 11).expect("below 11")];
    run[17].to_ascii_uppercase() == expected
}

impl Entry {
    /// The leaf's bytes: RFC 8785, every key always present.
    ///
    /// # Errors
    /// [`EntryDefect::TooLong`]; never for fields that [`PendingEntry::check`] accepts.
    pub fn to_canonical(&self) -> Result<Vec<u8>, EntryDefect> {
        let mut out = Vec::with_capacity(512);
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        let prev = self.prev.map_or_else(|| "null".to_owned(), |prev| prev.to_string());
        put(&[b"{\"actor\":\"", self.actor.as_bytes(), b"\",\"at\":\"", &instant_text(self.at)]);
        put(&[
            b"\",\"digest_sha256\":\"",
            &hex_text(&self.digest_sha256),
            b"\",\"digest_sm3\":\"",
            &hex_text(&self.digest_sm3),
        ]);
        put(&[
            b"\",\"id\":\"",
            self.id.as_bytes(),
            b"\",\"kind\":\"",
            self.kind.as_bytes(),
            b"\",\"object\":\"",
            self.object.as_bytes(),
        ]);
        put(&[
            b"\",\"org\":\"",
            self.org.as_bytes(),
            b"\",\"prev\":",
            prev.as_bytes(),
            b",\"salt_id\":\"",
            self.salt_id.as_bytes(),
        ]);
        put(&[b"\",\"v\":1}"]);
        if out.len() > ENTRY_BYTES_MAX {
            return Err(EntryDefect::TooLong { found: out.len() });
        }
        Ok(out)
    }

    /// Reads a leaf. There is one spelling per entry, so any other is refused at the byte where it
    /// differs.
    ///
    /// # Errors
    /// The first byte that is not canonical, or the field that is not allowed.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, EntryDefect> {
        Ok(EntryText::read(bytes)?.to_owned())
    }
}

/// An entry read in place: what an audit needs of the hundreds of thousands it reads a second.
pub(crate) struct EntryText<'a> {
    // Bytes of their alphabets, so ASCII.
    id: &'a [u8],
    kind: &'a [u8],
    at: Timestamp,
    actor: &'a [u8],
    org: &'a [u8],
    object: &'a [u8],
    pub(crate) prev: Option<u64>,
    digest_sha256: Hash,
    digest_sm3: Hash,
    salt_id: &'a [u8],
}

impl<'a> EntryText<'a> {
    /// As [`Entry::from_canonical`].
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, EntryDefect> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryDefect::TooLong { found: bytes.len() });
        }
        let mut cursor = Cursor { bytes, at: 0 };
        let actor = cursor.text(r#"{"actor":""#, "actor")?;
        let at = cursor.instant(r#"","at":""#)?;
        let digest_sha256 = cursor.digest(r#"","digest_sha256":""#)?;
        let digest_sm3 = cursor.digest(r#"","digest_sm3":""#)?;
        let id = cursor.text(r#"","id":""#, "id")?;
        let kind = cursor.text(r#"","kind":""#, "kind")?;
        let object = cursor.text(r#"","object":""#, "object")?;
        let org = cursor.text(r#"","org":""#, "org")?;
        let prev = cursor.index_or_null(r#"","prev":"#)?;
        let salt_id = cursor.text(r#","salt_id":""#, "salt_id")?;
        cursor.literal(r#"","v":1}"#, "`\",\"v\":1}` at the end")?;
        if cursor.at != bytes.len() {
            return Err(EntryDefect::NotCanonical { offset: cursor.at, expected: "nothing after the closing brace" });
        }
        Ok(Self { id, kind, at, actor, org, object, prev, digest_sha256, digest_sm3, salt_id })
    }

    fn to_owned(&self) -> Entry {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Entry {
            id: text(self.id),
            kind: text(self.kind),
            at: self.at,
            actor: text(self.actor),
            org: text(self.org),
            object: text(self.object),
            prev: self.prev,
            digest_sha256: self.digest_sha256,
            digest_sm3: self.digest_sm3,
            salt_id: text(self.salt_id),
        }
    }
}

/// 64 lower-case hex digits.
fn hex_text(hash: &Hash) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (two, byte) in text.chunks_exact_mut(2).zip(hash) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// `2026-11-22T09:30:00.000Z`; the year has four digits by [`PendingEntry::check`].
fn instant_text(at: Timestamp) -> [u8; 24] {
    let time = Offset::UTC.to_datetime(at);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |start: usize, length: usize, number: i64| {
        let mut rest = number.unsigned_abs();
        for place in text[start..start + length].iter_mut().rev() {
            *place = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
    };
    put(0, 4, time.year().into());
    put(5, 2, time.month().into());
    put(8, 2, time.day().into());
    put(11, 2, time.hour().into());
    put(14, 2, time.minute().into());
    put(17, 2, time.second().into());
    put(20, 3, time.millisecond().into());
    text
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn literal(&mut self, literal: &'static str, expected: &'static str) -> Result<(), EntryDefect> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        let same = rest.iter().zip(literal.bytes()).take_while(|(found, wanted)| **found == *wanted).count();
        Err(EntryDefect::NotCanonical { offset: self.at + same, expected })
    }

    fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a str, EntryDefect> {
        let defect = EntryDefect::NotCanonical { offset: self.at, expected };
        let taken = self.bytes.get(self.at..self.at + length).and_then(|taken| std::str::from_utf8(taken).ok());
        self.at += length;
        taken.ok_or(defect)
    }

    fn take_bytes(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], EntryDefect> {
        let defect = EntryDefect::NotCanonical { offset: self.at, expected };
        let taken = self.bytes.get(self.at..self.at + length);
        self.at += length;
        taken.ok_or(defect)
    }

    fn text(&mut self, key: &'static str, field: &'static str) -> Result<&'a [u8], EntryDefect> {
        self.literal(key, key)?;
        let rest = &self.bytes[self.at..];
        let (length_max, _, class) = alphabet(field);
        let length = rest.iter().take_while(|byte| ALPHABETS[usize::from(**byte)] & class != 0).count();
        if (1..=length_max).contains(&length) && rest.get(length) == Some(&b'"') {
            self.at += length;
            return Ok(&rest[..length]);
        }
        // Something is wrong with it: say what.
        let length = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
        let text = self.take(length, "text in ASCII")?;
        check_text(field, text)?;
        Ok(text.as_bytes())
    }

    fn digest(&mut self, key: &'static str) -> Result<Hash, EntryDefect> {
        const EXPECTED: &str = "64 lower-case hex digits";
        self.literal(key, key)?;
        let offset = self.at;
        let text = self.take_bytes(64, EXPECTED)?;
        let mut digest = Hash::default();
        let mut bits = 0;
        for (byte, two) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let (high, low) = (HEX_VALUES[usize::from(two[0])], HEX_VALUES[usize::from(two[1])]);
            bits |= high | low;
            *byte = high << 4 | low & 0x0f;
        }
        if bits > 0x0f {
            return Err(EntryDefect::NotCanonical { offset, expected: EXPECTED });
        }
        Ok(digest)
    }

    fn instant(&mut self, key: &'static str) -> Result<Timestamp, EntryDefect> {
        const EXPECTED: &str = "an instant like 2026-11-22T09:30:00.000Z";
        self.literal(key, key)?;
        let offset = self.at;
        let text = self.take_bytes(24, EXPECTED)?;
        let defect = || EntryDefect::NotCanonical { offset, expected: EXPECTED };
        let number = |start: usize, length: usize| -> Option<i16> {
            let digits = &text[start..start + length];
            digits
                .iter()
                .all(u8::is_ascii_digit)
                .then(|| digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
        };
        let small = |start| number(start, 2).and_then(|number| i8::try_from(number).ok());
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
        if marks.iter().any(|(at, mark)| text[*at] != *mark) {
            return Err(defect());
        }
        let read = (|| {
            let date = (number(0, 4)?, small(5)?, small(8)?);
            let time = (small(11)?, small(14)?, small(17)?, i32::from(number(20, 3)?) * 1_000_000);
            let civil = civil::DateTime::new(date.0, date.1, date.2, time.0, time.1, time.2, time.3).ok()?;
            Offset::UTC.to_timestamp(civil).ok()
        })();
        read.ok_or_else(defect)
    }

    fn index_or_null(&mut self, key: &'static str) -> Result<Option<u64>, EntryDefect> {
        const EXPECTED: &str = "`null` or an index";
        self.literal(key, key)?;
        if self.bytes[self.at..].starts_with(b"null") {
            self.at += 4;
            return Ok(None);
        }
        let offset = self.at;
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.take(digits, EXPECTED)?;
        let index = crate::checkpoint::decimal(text);
        index.map(Some).ok_or(EntryDefect::NotCanonical { offset, expected: EXPECTED })
    }
}

/// The value of a lower-case hex digit; all bits set for what is none.
static HEX_VALUES: [u8; 256] = {
    let mut table = [0xff; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0_u8;
    while value < 16 {
        table[digits[value as usize] as usize] = value;
        value += 1;
    }
    table
};

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample(number: u64) -> PendingEntry {
        PendingEntry {
            id: format!("0197a1b2-0000-7000-8000-{number:012x}"),
            kind: "batch.landed".to_owned(),
            at: Timestamp::from_millisecond(1_795_000_000_000 + i64::try_from(number).unwrap() * 37).unwrap(),
            actor: "account:42".to_owned(),
            org: "11371300004450123A".to_owned(),
            object: format!("urn:yihe:batch:population-{}", number % 7),
            digest_sha256: [u8::try_from(number % 256).unwrap(); 32],
            digest_sm3: [u8::try_from(number % 251).unwrap(); 32],
            salt_id: format!("s-{number}"),
        }
    }

    #[test]
    fn an_entry_is_canonical_json_and_reads_back() {
        let entry = sample(7).placed(Some(3));
        let bytes = entry.to_canonical().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(crate::canonical::canonical(&value).unwrap(), bytes);
        assert_eq!(Entry::from_canonical(&bytes), Ok(entry));
        let first = sample(0).placed(None).to_canonical().unwrap();
        assert!(String::from_utf8(first).unwrap().contains(r#""prev":null"#));
    }

    #[test]
    fn every_changed_byte_changes_the_entry_or_is_refused() {
        let entry = sample(7).placed(Some(3));
        let bytes = entry.to_canonical().unwrap();
        for at in 0..bytes.len() {
            for flip in [1_u8, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(read) = Entry::from_canonical(&changed) {
                    assert_ne!(read, entry);
                    assert_eq!(read.to_canonical().unwrap(), changed, "two spellings of one entry at byte {at}");
                }
            }
        }
    }

    #[test]
    fn personal_numbers_and_free_text_never_enter() {
        let with_object = |object: &str| PendingEntry { object: object.to_owned(), ..sample(1) }.check();
        assert!(with_object("urn:yihe:batch:1").is_ok());
        assert!(with_object("urn:yihe:upload:20261122093000123").is_ok());
        assert_eq!(
            with_object("urn:yihe:person:11010519491231002X"),
            Err(EntryDefect::PersonalData { field: "object", what: "a citizen's number" })
        );
        assert_eq!(
            with_object("urn:yihe:phone:13805390000"),
            Err(EntryDefect::PersonalData { field: "object", what: "a mobile number" })
        );
        assert!(matches!(with_object("张三"), Err(EntryDefect::Field { field: "object", .. })));
        assert!(matches!(with_object(&"x".repeat(513)), Err(EntryDefect::Field { field: "object", .. })));
        let with_kind = |kind: &str| PendingEntry { kind: kind.to_owned(), ..sample(1) }.check();
        assert!(with_kind("").is_err() && with_kind("Batch").is_err() && with_kind("a\"b").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Entry::from_canonical(&bytes).is_err());
        }

        #[test]
        fn a_cut_entry_is_refused(keep in 0_usize..420) {
            let bytes = sample(5).placed(None).to_canonical().unwrap();
            prop_assume!(keep < bytes.len());
            prop_assert!(Entry::from_canonical(&bytes[..keep]).is_err());
        }
    }
}
