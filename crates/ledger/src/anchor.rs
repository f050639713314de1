//! Putting a checkpoint where the city cannot reach it: another folder, a time-stamping authority.
//!
//! An anchor adds nothing to the log; it makes it harder to have published something else at that
//! time. A city ordered to use a chain writes one more [`Anchor`].

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{checkpoint::Checkpoint, disk::write_durably, error::LedgerError, note::Note};

/// What an anchor gave for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which anchor: `file`, `rfc3161`.
    pub anchor: &'static str,
    pub origin: String,
    pub size: u64,
    /// Where what it gave lies.
    pub files: Vec<PathBuf>,
    /// When it says it saw the checkpoint, in its own words.
    pub seen_at: Option<String>,
}

/// A place where checkpoints are left.
pub trait Anchor {
    /// Leaves a checkpoint (the whole signed note).
    ///
    /// # Errors
    /// A text that is no checkpoint, or a place that did not take it.
    fn anchor(&mut self, checkpoint: &str) -> Result<Receipt, AnchorError>;
}

/// Why a checkpoint was not anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("what was to be anchored is no checkpoint")]
    Checkpoint,
    #[error("the anchor's file could not be written")]
    File { source: LedgerError },
    #[error("another checkpoint of the same size lies at `{path}`: the log has forked")]
    Forked { path: PathBuf },
    #[error("the time-stamping authority could not be reached")]
    Transport { source: io::Error },
    #[error("the time-stamping authority's answer is not {expected}")]
    Answer { expected: &'static str },
    #[error("the time-stamping authority refused with status {status}")]
    Refused { status: u64 },
}

fn read(checkpoint: &str) -> Result<Checkpoint, AnchorError> {
    let note: Note = checkpoint.parse().map_err(|_| AnchorError::Checkpoint)?;
    note.text.parse().map_err(|_| AnchorError::Checkpoint)
}

/// `<origin with / as _>-<size, 20 digits>`: sorts by size, readable by people.
fn file_stem(checkpoint: &Checkpoint) -> String {
    let origin: String = checkpoint
        .origin
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' })
        .collect();
    format!("{origin}-{:020}", checkpoint.size)
}

/// A folder elsewhere: a mounted share, a disk carried to the archive, what is printed in the
/// bulletin.
#[derive(Debug, Clone)]
pub struct FileAnchor {
    folder: PathBuf,
}

impl FileAnchor {
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Anchor for FileAnchor {
    fn anchor(&mut self, checkpoint: &str) -> Result<Receipt, AnchorError> {
        let read_checkpoint = read(checkpoint)?;
        let path = self.folder.join(format!("{}.checkpoint", file_stem(&read_checkpoint)));
        if let Ok(present) = fs::read_to_string(&path)
            && read(&present)?.root != read_checkpoint.root
        {
            return Err(AnchorError::Forked { path });
        }
        write_durably(&path, checkpoint.as_bytes()).map_err(|source| AnchorError::File { source })?;
        Ok(Receipt {
            anchor: "file",
            origin: read_checkpoint.origin,
            size: read_checkpoint.size,
            files: vec![path],
            seen_at: None,
        })
    }
}

/// Carries a request to the authority and its answer back: HTTP with
/// `application/timestamp-query` in practice.
pub type Transport = Box<dyn FnMut(&[u8]) -> io::Result<Vec<u8>> + Send>;

/// A time-stamping authority (RFC 3161). The request asks for its certificate, so that the reply
/// verifies by itself: `openssl ts -verify -data X.checkpoint -in X.tsr -CAfile authority.pem`.
/// We check status, imprint and nonce here, and leave the certificate chain to OpenSSL or whatever
/// the court uses.
pub struct Rfc3161Anchor {
    folder: PathBuf,
    transport: Transport,
    /// The next nonce; drawn by the caller, counted up.
    nonce: u64,
}

impl Rfc3161Anchor {
    #[must_use]
    pub fn new(folder: &Path, transport: Transport, nonce: u64) -> Self {
        Self { folder: folder.to_owned(), transport, nonce }
    }
}

impl Anchor for Rfc3161Anchor {
    fn anchor(&mut self, checkpoint: &str) -> Result<Receipt, AnchorError> {
        let read_checkpoint = read(checkpoint)?;
        let imprint: [u8; 32] = Sha256::digest(checkpoint).into();
        let nonce = self.nonce;
        self.nonce = self.nonce.wrapping_add(1);
        let reply = (self.transport)(&time_stamp_request(&imprint, nonce))
            .map_err(|source| AnchorError::Transport { source })?;
        let seen_at = read_time_stamp_reply(&reply, &imprint, nonce)?;
        let stem = self.folder.join(file_stem(&read_checkpoint));
        let mut files = Vec::new();
        for (extension, bytes) in [("checkpoint", checkpoint.as_bytes()), ("tsr", reply.as_slice())] {
            let mut path = stem.clone().into_os_string();
            path.push(format!(".{extension}"));
            write_durably(Path::new(&path), bytes).map_err(|source| AnchorError::File { source })?;
            files.push(path.into());
        }
        Ok(Receipt {
            anchor: "rfc3161",
            origin: read_checkpoint.origin,
            size: read_checkpoint.size,
            files,
            seen_at: Some(seen_at),
        })
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;
const CONTEXT_0: u8 = 0xa0;
/// id-sha256, 2.16.840.1.101.3.4.2.1.
const SHA256_OID: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// `TimeStampReq` (RFC 3161 §2.4.1): version 1, SHA-256 imprint, nonce, certificate wanted.
fn time_stamp_request(imprint: &[u8; 32], nonce: u64) -> Vec<u8> {
    let algorithm = der(SEQUENCE, &[der(OBJECT_IDENTIFIER, &SHA256_OID), vec![0x05, 0x00]].concat());
    let message_imprint = der(SEQUENCE, &[algorithm, der(OCTET_STRING, imprint)].concat());
    let body = [der(INTEGER, &[1]), message_imprint, der(INTEGER, &integer(nonce)), vec![0x01, 0x01, 0xff]].concat();
    der(SEQUENCE, &body)
}

/// Minimal two's-complement bytes of a non-negative number.
fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let mut minimal = bytes[first..].to_vec();
    if minimal[0] & 0x80 != 0 {
        minimal.insert(0, 0);
    }
    minimal
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(one) => out.extend([0x81, one]),
        Err(_) => {
            let two = u16::try_from(length).expect("requests are short");
            out.push(0x82);
            out.extend(two.to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// Reads `TimeStampResp` down to `TSTInfo` (RFC 3161 §2.4.2) and checks what ties it to the
/// request. Returns the authority's time.
fn read_time_stamp_reply(reply: &[u8], imprint: &[u8; 32], nonce: u64) -> Result<String, AnchorError> {
    let expected = |expected| AnchorError::Answer { expected };
    let mut response = Der(Der(reply).take(SEQUENCE).ok_or_else(|| expected("a TimeStampResp"))?);
    let mut status = Der(response.take(SEQUENCE).ok_or_else(|| expected("a PKIStatusInfo"))?);
    let status = status.take(INTEGER).and_then(unsigned).ok_or_else(|| expected("a PKIStatus"))?;
    // 0 granted, 1 granted with modifications.
    if status > 1 {
        return Err(AnchorError::Refused { status });
    }
    let info = (|| {
        let mut token = Der(response.take(SEQUENCE)?);
        token.take(OBJECT_IDENTIFIER)?;
        let mut signed = Der(Der(token.take(CONTEXT_0)?).take(SEQUENCE)?);
        signed.take(INTEGER)?;
        signed.any()?;
        let mut content = Der(signed.take(SEQUENCE)?);
        content.take(OBJECT_IDENTIFIER)?;
        let octets = Der(content.take(CONTEXT_0)?).take(OCTET_STRING)?;
        Der(octets).take(SEQUENCE)
    })();
    let mut info = Der(info.ok_or_else(|| expected("a signed TSTInfo"))?);
    let fields = (|| {
        info.take(INTEGER)?;
        info.take(OBJECT_IDENTIFIER)?;
        let mut message_imprint = Der(info.take(SEQUENCE)?);
        let algorithm = Der(message_imprint.take(SEQUENCE)?).take(OBJECT_IDENTIFIER)?;
        let hashed = message_imprint.take(OCTET_STRING)?;
        info.take(INTEGER)?;
        let time = info.take(GENERALIZED_TIME)?;
        let mut found_nonce = None;
        while let Some((tag, content)) = info.any() {
            if tag == INTEGER {
                found_nonce = unsigned(content);
            }
        }
        Some((algorithm == SHA256_OID && hashed == imprint, std::str::from_utf8(time).ok()?.to_owned(), found_nonce))
    })();
    let (same, time, found_nonce) = fields.ok_or_else(|| expected("a TSTInfo with imprint, serial and time"))?;
    if !same {
        return Err(expected("about this checkpoint"));
    }
    if found_nonce != Some(nonce) {
        return Err(expected("an answer to this request: the nonce differs"));
    }
    Ok(time)
}

fn unsigned(content: &[u8]) -> Option<u64> {
    let content = content.strip_prefix(&[0]).unwrap_or(content);
    (content.len() <= 8).then(|| content.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Reads DER elements one after another. Lengths up to four bytes; indefinite ones are refused.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(*first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, rest) = rest.split_at_checked(count)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Version 1, SHA-256 with NULL parameters, the imprint, nonce 0x1122, certificate wanted; that an
    /// authority takes it is shown with OpenSSL in the integration tests.
    #[test]
    fn a_request_is_the_der_of_its_fields() {
        let imprint: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let expected =
            format!("303d0201013031300d060960864801650304020105000420{}020211220101ff", hex::encode(imprint));
        assert_eq!(hex::encode(time_stamp_request(&imprint, 0x1122)), expected);
        assert_eq!((integer(0), integer(0x80), integer(u64::MAX).len()), (vec![0], vec![0, 0x80], 9));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read_time_stamp_reply(&bytes, &[0; 32], 1).is_err());
        }
    }
}
