//! Signed notes and verifier keys (C2SP `signed-note` v1.0.0).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::signature::{Algorithm, PublicKey};

/// Longest note read. A checkpoint with 16 of the longest signatures known (ML-DSA-44) is 60 KB.
pub const NOTE_BYTES_MAX: usize = 262_144;
/// Most signature lines read; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;

/// Why a note, a verifier key or a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note has at most {NOTE_BYTES_MAX} bytes, this one has {found}")]
    TooLong { found: usize },
    #[error("a note has at most {SIGNATURES_MAX} signatures, this one has {found}")]
    TooManySignatures { found: usize },
    #[error("byte {offset} is the control character {byte:#04x}; a note holds none but line feeds")]
    Control { offset: usize, byte: u8 },
    #[error("no empty line separates a text from its signatures")]
    NoSignatures,
    #[error("signature line {line} is not `— <name> <base64>`: {expected}")]
    SignatureLine { line: usize, expected: &'static str },
    #[error("`{vkey}` is not a verifier key: {expected}")]
    VerifierKey { vkey: String, expected: &'static str },
    #[error("the signature of the known key `{name}` ({id:08x}) does not hold over the text")]
    BadSignature { name: String, id: u32 },
    #[error("none of the {known} known keys has signed")]
    NotSigned { known: usize },
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    /// First four bytes of what the line encodes.
    pub key_id: u32,
    /// The rest: what the algorithm made.
    pub signature: Vec<u8>,
}

impl fmt::Display for NoteSignature {
    /// The line with its line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.signature);
        writeln!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl NoteSignature {
    /// Reads one line, given without its line feed.
    fn read(line: &str) -> Result<Self, &'static str> {
        let rest = line.strip_prefix("— ").ok_or("it begins with an em dash and a space")?;
        let (name, encoded) = rest.split_once(' ').ok_or("a space stands between name and signature")?;
        if !is_key_name(name) {
            return Err("a key name is not empty and has no space and no plus");
        }
        let bytes = STANDARD.decode(encoded).map_err(|_| "the signature is standard base64 with padding")?;
        let Some((id, signature)) = bytes.split_first_chunk::<4>() else {
            return Err("a signature begins with four bytes of key id");
        };
        if signature.is_empty() {
            return Err("a signature follows the key id");
        }
        Ok(Self { name: name.to_owned(), key_id: u32::from_be_bytes(*id), signature: signature.to_vec() })
    }
}

/// A note as it stands in a file: nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with its final line feed.
    pub text: String,
    pub signatures: Vec<NoteSignature>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { found: note.len() });
        }
        if let Some((offset, byte)) = note.bytes().enumerate().find(|(_, byte)| *byte < 0x20 && *byte != b'\n') {
            return Err(NoteError::Control { offset, byte });
        }
        // The text ends at the last empty line and keeps its own final line feed.
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let signatures = read_signature_lines(lines)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

/// Reads the signature lines that follow a text, or that a witness answered with.
///
/// # Errors
/// A line that is not one, or more than [`SIGNATURES_MAX`].
pub fn read_signature_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let mut signatures = Vec::new();
    for (number, line) in lines.split_inclusive('\n').enumerate() {
        if number == SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures { found: lines.split_inclusive('\n').count() });
        }
        let defect = |expected| NoteError::SignatureLine { line: number + 1, expected };
        let line = line.strip_suffix('\n').ok_or_else(|| defect("every line ends in a line feed"))?;
        signatures.push(NoteSignature::read(line).map_err(defect)?);
    }
    Ok(signatures)
}

/// Whether a text may name a key: not empty, no Unicode space, no plus (and nothing a note cannot
/// hold).
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || u32::from(c) < 0x20)
}

/// A key somebody trusts, with the name and algorithm it signs under: a C2SP *vkey*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: u32,
    key: PublicKey,
}

impl VerifierKey {
    /// # Errors
    /// A name that [`is_key_name`] refuses.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::VerifierKey {
                vkey: name.to_owned(),
                expected: "a key name is not empty and has no space and no plus",
            });
        }
        Ok(Self { name: name.to_owned(), key_id: key_id(name, &key), key })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn matches(&self, signature: &NoteSignature) -> bool {
        self.key_id == signature.key_id && self.name == signature.name
    }
}

/// `SHA-256(name ‖ 0x0A ‖ signature type ‖ public key)[:4]`, for SM2 keys too: the formula belongs
/// to the note format, not to the signature.
fn key_id(name: &str, key: &PublicKey) -> u32 {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n'])
        .chain_update(key.algorithm().type_bytes())
        .chain_update(key.to_bytes())
        .finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key.algorithm().type_bytes().to_vec();
        bytes.extend_from_slice(&self.key.to_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.key_id, STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, NoteError> {
        let defect = |expected| NoteError::VerifierKey { vkey: vkey.chars().take(300).collect(), expected };
        // Base64 may hold a plus, so count from the left: a name and an id hold none.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(defect("three parts stand between plus signs"));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| defect("the third part is standard base64 with padding"))?;
        let key = PublicKey::from_typed_bytes(&bytes).map_err(defect)?;
        let read = Self::new(name, key)?;
        if id != format!("{:08x}", read.key_id) {
            return Err(defect("the second part is the key id in eight lower-case hex digits"));
        }
        Ok(read)
    }
}

/// A signature that was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Position of the key in the list that was trusted.
    pub key: usize,
    /// Position of the line among the note's signatures.
    pub line: usize,
    /// Seconds since 1970 when the cosigner signed; `None` for a log's own signature.
    pub cosigned_at: Option<u64>,
}

impl Note {
    /// The signatures that hold. Lines by unknown keys are passed over; one bad line by a known
    /// key refuses the whole note.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`], or [`NoteError::NotSigned`] when nobody known has signed.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<Vec<Verified>, NoteError> {
        let mut verified = Vec::new();
        for (line, signature) in self.signatures.iter().enumerate() {
            for (position, key) in trusted.iter().enumerate().filter(|(_, key)| key.matches(signature)) {
                let Some(cosigned_at) = key.key.verify(self.text.as_bytes(), &signature.signature) else {
                    return Err(NoteError::BadSignature { name: signature.name.clone(), id: signature.key_id });
                };
                verified.push(Verified { key: position, line, cosigned_at });
            }
        }
        if verified.is_empty() {
            return Err(NoteError::NotSigned { known: trusted.len() });
        }
        Ok(verified)
    }

    /// Whether some signature line is by a key of this list.
    #[must_use]
    pub fn is_known_line(signature: &NoteSignature, keys: &[VerifierKey]) -> bool {
        keys.iter().any(|key| key.matches(signature))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

    #[test]
    fn the_specifications_example_verifies_and_an_altered_one_does_not() {
        let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
        assert_eq!(key.to_string(), EXAMPLE_KEY);
        let note: Note = EXAMPLE.parse().unwrap();
        assert_eq!(note.to_string(), EXAMPLE);
        assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(vec![Verified { key: 0, line: 0, cosigned_at: None }]));
        let altered: Note = EXAMPLE.replace("This", "That").parse().unwrap();
        assert!(matches!(altered.verify(&[key]), Err(NoteError::BadSignature { .. })));
    }

    #[test]
    fn a_text_may_hold_empty_lines() {
        let note: Note = POEM.parse().unwrap();
        assert!(note.text.ends_with("sole:\n\ned è subito sera.\n"));
        assert_eq!(note.to_string(), POEM);
        assert_eq!(note.verify(&[EXAMPLE_KEY.parse().unwrap()]), Err(NoteError::NotSigned { known: 1 }));
    }

    #[test]
    fn malformed_notes_and_keys_are_refused() {
        for note in [
            "",
            "\n",
            "text\n",
            "text\n\n",
            "text\n\n- a AAAAAAA=\n",
            "text\n\n— a+b AAAAAAA=\n",
            "text\n\n— a AAAAAAA=",
            "te\txt\n\n— a AAAAAAA=\n",
            "text\n\n— a AAAA\n",
        ] {
            assert!(note.parse::<Note>().is_err(), "{note:?}");
        }
        for vkey in [
            "",
            "a+b+c",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        ] {
            assert!(vkey.parse::<VerifierKey>().is_err(), "{vkey}");
        }
    }

    #[test]
    fn at_least_sixteen_signatures_are_read() {
        let line = &EXAMPLE["This is an example message.\n\n".len()..];
        let many = |count: usize| format!("text\n\n{}", line.repeat(count));
        assert!(many(16).parse::<Note>().is_ok());
        assert!(many(SIGNATURES_MAX).parse::<Note>().is_ok());
        assert!(many(SIGNATURES_MAX + 1).parse::<Note>().is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back_byte_for_byte(note in "[a-z\n]{0,20}\n\n(— [a-z]{1,3} [A-Za-z0-9+/]{8,12}={0,2}\n){1,3}") {
            if let Ok(read) = note.parse::<Note>() {
                prop_assert_eq!(read.to_string(), note);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(note in any::<String>()) {
            let _ = note.parse::<Note>();
            let _ = note.parse::<VerifierKey>();
        }
    }
}
