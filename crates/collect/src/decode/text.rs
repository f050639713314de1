//! Bytes of a text file to UTF-8, with the line of the first byte that is not what it should be.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use encoding_rs::{Decoder, DecoderResult, GB18030};
use sha2::{Digest, Sha256};
use yihe_definitions::Encoding;

use super::read_error;
use crate::error::CollectError;

const CHUNK: usize = 256 << 10;

/// What one pass over a file tells, before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of the bytes, in lower-case hexadecimal; half of the batch's idempotency key.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether the whole file is valid UTF-8.
    pub utf8: bool,
    /// Whether any byte is outside ASCII.
    pub beyond_ascii: bool,
    /// The first three bytes.
    start: [u8; 3],
}

/// Reads a file once: digest, size, and whether it is UTF-8.
///
/// # Errors
/// The file cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, CollectError> {
    let failed = read_error(path);
    let mut file = File::open(path).map_err(&failed)?;
    let mut digest = Sha256::new();
    let mut found = Inspection { sha256: String::new(), bytes: 0, utf8: true, beyond_ascii: false, start: [0; 3] };
    let mut buffer = vec![0; CHUNK];
    // A character may be cut by the end of a chunk; its bytes are carried to the next.
    let mut carried = 0;
    loop {
        let read = file.read(&mut buffer[carried..]).map_err(&failed)?;
        let fresh = &buffer[carried..carried + read];
        digest.update(fresh);
        if found.bytes < 3 {
            let at = usize::try_from(found.bytes).unwrap_or(0);
            for (place, byte) in found.start[at..].iter_mut().zip(fresh) {
                *place = *byte;
            }
        }
        found.bytes += read as u64;
        found.beyond_ascii = found.beyond_ascii || !fresh.is_ascii();
        if read == 0 {
            found.utf8 = found.utf8 && carried == 0;
            break;
        }
        if !found.utf8 {
            carried = 0;
            continue;
        }
        let filled = carried + read;
        carried = 0;
        if let Err(error) = std::str::from_utf8(&buffer[..filled]) {
            if error.error_len().is_some() {
                found.utf8 = false;
            } else {
                let valid = error.valid_up_to();
                carried = filled - valid;
                buffer.copy_within(valid..filled, 0);
            }
        }
    }
    found.sha256 = hex::encode(digest.finalize());
    Ok(found)
}

impl Inspection {
    /// Whether the text of the file is UTF-8 (else GB18030).
    ///
    /// # Errors
    /// The file is plainly not in the declared encoding.
    pub(super) fn is_utf8(&self, declared: Encoding) -> Result<bool, CollectError> {
        if self.start[..2] == [0xff, 0xfe] || self.start[..2] == [0xfe, 0xff] {
            return Err(CollectError::OtherEncoding { found: "UTF-16", expected: "UTF-8 / GB18030" });
        }
        match declared {
            Encoding::Auto => Ok(self.utf8),
            Encoding::Utf8 => Ok(true),
            // Chinese text in GB18030 is practically never valid UTF-8, so a file that is was exported wrongly;
            // decoding it would make every character another.
            Encoding::Gb18030 if self.utf8 && self.beyond_ascii => {
                Err(CollectError::OtherEncoding { found: "UTF-8", expected: "GB18030" })
            }
            Encoding::Gb18030 => Ok(false),
        }
    }
}

/// A text file as UTF-8, chunk by chunk.
pub(super) struct TextReader {
    file: BufReader<File>,
    decoder: Option<Decoder>,
    expected: &'static str,
    bytes: Vec<u8>,
    filled: usize,
    lines: u64,
    at_start: bool,
    ended: bool,
    fail: Box<dyn Fn(std::io::Error) -> CollectError>,
}

impl TextReader {
    pub(super) fn open(path: &Path, utf8: bool) -> Result<Self, CollectError> {
        let fail = read_error(path);
        let file = File::open(path).map_err(&fail)?;
        Ok(Self {
            file: BufReader::with_capacity(CHUNK, file),
            decoder: (!utf8).then(|| GB18030.new_decoder_without_bom_handling()),
            expected: if utf8 { "UTF-8" } else { "GB18030" },
            bytes: vec![0; CHUNK],
            filled: 0,
            lines: 0,
            at_start: true,
            ended: false,
            fail: Box::new(fail),
        })
    }

    /// Appends the next stretch of text to `out`; returns whether there was any.
    pub(super) fn read(&mut self, out: &mut String) -> Result<bool, CollectError> {
        if self.ended {
            return Ok(false);
        }
        let read = self.file.read(&mut self.bytes[self.filled..]).map_err(&self.fail)?;
        let last = read == 0;
        let length = self.filled + read;
        let before = out.len();
        let consumed = match &mut self.decoder {
            Some(decoder) => decode_gb18030(decoder, &self.bytes[..length], last, out, self.lines)?,
            None => decode_utf8(&self.bytes[..length], last, out, self.lines, self.expected)?,
        };
        self.bytes.copy_within(consumed..length, 0);
        self.filled = length - consumed;
        self.lines += out.as_bytes()[before..].iter().filter(|byte| **byte == b'\n').count() as u64;
        if self.at_start && out.len() > before {
            self.at_start = false;
            if out[before..].starts_with('\u{feff}') {
                out.replace_range(before..before + '\u{feff}'.len_utf8(), "");
            }
        }
        self.ended = last;
        Ok(!last || out.len() > before)
    }
}

fn decode_utf8(
    bytes: &[u8],
    last: bool,
    out: &mut String,
    lines: u64,
    expected: &'static str,
) -> Result<usize, CollectError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            out.push_str(text);
            Ok(bytes.len())
        }
        Err(error) if error.error_len().is_none() && !last => {
            let valid = error.valid_up_to();
            out.push_str(std::str::from_utf8(&bytes[..valid]).expect("valid up to here"));
            Ok(valid)
        }
        Err(error) => {
            let valid = error.valid_up_to();
            let line = lines + bytes[..valid].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let end = bytes.len().min(valid + error.error_len().unwrap_or(4).max(1));
            Err(CollectError::Encoding { line, bytes: hex::encode(&bytes[valid..end]), expected })
        }
    }
}

fn decode_gb18030(
    decoder: &mut Decoder,
    bytes: &[u8],
    last: bool,
    out: &mut String,
    lines: u64,
) -> Result<usize, CollectError> {
    let before = out.len();
    out.reserve(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len() * 3));
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, out, last);
    match result {
        DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(read),
        DecoderResult::Malformed(length, beyond) => {
            let line = lines + out.as_bytes()[before..].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let end = read.saturating_sub(usize::from(beyond));
            let start = end.saturating_sub(usize::from(length));
            Err(CollectError::Encoding { line, bytes: hex::encode(&bytes[start..end]), expected: "GB18030" })
        }
    }
}
