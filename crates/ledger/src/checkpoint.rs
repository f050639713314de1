//! Checkpoints: the signed head of a tree (C2SP `tlog-checkpoint` v1.0.0).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::hashes::Hash;

/// The text of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a URL without its scheme.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    pub root: Hash,
    /// Opaque lines after the third. We write none and carry what others wrote.
    pub extensions: Vec<String>,
}

/// A text that is not a checkpoint's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the checkpoint is `{found}`: {expected}")]
pub struct CheckpointDefect {
    /// 1-based.
    pub line: usize,
    pub found: String,
    pub expected: &'static str,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointDefect;

    /// Reads the text of a note (not its signatures), with its final line feed.
    fn from_str(text: &str) -> Result<Self, CheckpointDefect> {
        let defect = |line: usize, found: &str, expected| CheckpointDefect {
            line,
            found: found.chars().take(100).collect(),
            expected,
        };
        let body = text.strip_suffix('\n').ok_or_else(|| defect(1, text, "the text ends in a line feed"))?;
        let mut lines = body.split('\n').enumerate().map(|(number, line)| (number + 1, line));
        let mut next = |expected| match lines.next() {
            Some((number, "")) => Err(defect(number, "", "no line is empty")),
            Some((number, line)) => Ok((number, line)),
            None => Err(defect(0, "", expected)),
        };
        let (_, origin) = next("the first line is the origin")?;
        let (number, size) = next("the second line is the size")?;
        let size = decimal(size).ok_or_else(|| defect(number, size, "a size is a decimal without leading zeros"))?;
        let (number, encoded) = next("the third line is the root")?;
        let root = hash_from_base64(encoded).ok_or_else(|| defect(number, encoded, "a root is 32 bytes in base64"))?;
        let mut extensions = Vec::new();
        for (number, line) in lines {
            if line.is_empty() {
                return Err(defect(number, line, "no line is empty"));
            }
            extensions.push(line.to_owned());
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

/// A 64-bit decimal without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// 32 bytes in standard base64, in the one spelling there is for them.
pub(crate) fn hash_from_base64(text: &str) -> Option<Hash> {
    if text.len() != 44 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_specifications_example_reads_and_writes_back() {
        let checkpoint: Checkpoint = EXAMPLE.parse().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), EXAMPLE);
        let extended = format!("{EXAMPLE}one\ntwo\n");
        assert_eq!(extended.parse::<Checkpoint>().unwrap().to_string(), extended);
    }

    #[test]
    fn malformed_checkpoints_are_refused_by_line() {
        let line = |text: &str| text.parse::<Checkpoint>().unwrap_err().line;
        assert_eq!(line("\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"), 1);
        assert_eq!(line("o\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"), 2);
        assert_eq!(line("o\n18446744073709551616\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"), 2);
        assert_eq!(line("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"), 3);
        assert_eq!(line("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"), 4);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_spelled_so(text in "([ -~]{0,5}\n)?[0-9]{0,21}\n[A-Za-z0-9+/]{43}=\n([a-z]{0,3}\n)?") {
            if let Ok(read) = text.parse::<Checkpoint>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
