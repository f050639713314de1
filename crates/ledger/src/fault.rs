//! What an audit can find, named so that a person can go to the place: file, byte or entry, what
//! was expected there and what was found.

use crate::hashes::{Hash, TreeHash};

/// One thing that is not as it was entered. File names are relative to the log's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A checkpoint file that is no signed checkpoint of this log.
    CheckpointUnreadable { file: String, reason: String },
    /// A line of a checkpoint file that this log would not have written: a signature by an unknown
    /// key, or an extension.
    CheckpointLine { file: String, line: usize, found: String },
    /// A witness's signature is missing from, or does not hold over, the cosigned checkpoint.
    Cosignature { file: String, witness: String, reason: String },
    /// The list of verifier keys is not the one trusted.
    Keys { file: String },
    /// The two trees are published with different sizes, and stay so.
    HeadsDiffer { sha256: u64, sm3: u64 },
    /// The files lead to another root than the checkpoint states.
    Root { hash: TreeHash, file: String, size: u64, expected: Hash, found: Hash },
    /// A file that must be there.
    Missing { file: String },
    /// A file that the log would not have written.
    Stray { file: String },
    /// A file of the wrong length.
    Length { file: String, expected: u64, found: u64 },
    /// A byte of a tile (or of an older partial tile or bundle) that was changed.
    Byte { file: String, offset: u64, expected: u8, found: u8 },
    /// An entry that was changed: its hash is not the one in either tree.
    Entry { index: u64, file: String, offset: u64, length: u64, expected_sha256: Hash, found_sha256: Hash },
    /// The lengths in a bundle do not add up from this entry on.
    Bundle { file: String, offset: u64, index: u64 },
    /// An entry that fits the tree but is not of our form.
    Form { index: u64, file: String, offset: u64, reason: String },
    /// Entries that were changed together with the tiles beneath this level.
    Range { level: u8, first: u64, last: u64 },
}

impl Fault {
    /// For people, Chinese.
    #[must_use]
    pub fn sentence_zh(&self) -> String {
        match self {
            Self::CheckpointUnreadable { file, reason } => {
                format!("检查点文件 {file} 无法作为本账本的签名检查点读取：{reason}")
            }
            Self::CheckpointLine { file, line, found } => {
                format!("检查点文件 {file} 第 {line} 行不是本账本所写：{found}")
            }
            Self::Cosignature { file, witness, reason } => {
                format!("见证检查点 {file} 中见证方 {witness} 的会签不成立：{reason}")
            }
            Self::Keys { file } => format!("验证公钥清单 {file} 与受信任的公钥不一致"),
            Self::HeadsDiffer { sha256, sm3 } => format!("两棵树公布的条数不同：SHA-256 为 {sha256}，SM3 为 {sm3}"),
            Self::Root { hash, file, size, expected, found } => format!(
                "{} 树前 {size} 条的根与检查点 {file} 不符：文件推出 {}，检查点写着 {}",
                hash.name().to_uppercase(),
                hex::encode(expected),
                hex::encode(found)
            ),
            Self::Missing { file } => format!("缺少文件 {file}"),
            Self::Stray { file } => format!("多出账本不会写的文件 {file}"),
            Self::Length { file, expected, found } => format!("文件 {file} 应为 {expected} 字节，实为 {found} 字节"),
            Self::Byte { file, offset, expected, found } => {
                format!("文件 {file} 第 {offset} 字节被改动：应为 {expected:02x}，实为 {found:02x}")
            }
            Self::Entry { index, file, offset, length, expected_sha256, found_sha256 } => format!(
                "第 {index} 号登记被改动（文件 {file} 第 {offset} 字节起 {length} 字节）：哈希应为 {}，实为 {}",
                hex::encode(expected_sha256),
                hex::encode(found_sha256)
            ),
            Self::Bundle { file, offset, index } => {
                format!("登记包 {file} 第 {offset} 字节起的长度被改动，从第 {index} 号登记起无法读取")
            }
            Self::Form { index, file, offset, reason } => {
                format!("第 {index} 号登记（文件 {file} 第 {offset} 字节起）不是规范格式：{reason}")
            }
            Self::Range { level, first, last } => {
                format!("第 {first} 至 {last} 号登记与其下层哈希被一并改动（第 {level} 层两棵树均不符）")
            }
        }
    }

    /// For people, English.
    #[must_use]
    pub fn sentence_en(&self) -> String {
        match self {
            Self::CheckpointUnreadable { file, reason } => {
                format!("{file} cannot be read as a signed checkpoint of this log: {reason}")
            }
            Self::CheckpointLine { file, line, found } => {
                format!("line {line} of {file} was not written by this log: {found}")
            }
            Self::Cosignature { file, witness, reason } => {
                format!("the cosignature of {witness} in {file} does not hold: {reason}")
            }
            Self::Keys { file } => format!("the list of verifier keys {file} is not the trusted one"),
            Self::HeadsDiffer { sha256, sm3 } => {
                format!("the two trees are published with different sizes: {sha256} in SHA-256, {sm3} in SM3")
            }
            Self::Root { hash, file, size, expected, found } => format!(
                "the root of the first {size} entries in the {} tree is not that of {file}: the files give {}, the checkpoint says {}",
                hash.name().to_uppercase(),
                hex::encode(expected),
                hex::encode(found)
            ),
            Self::Missing { file } => format!("{file} is missing"),
            Self::Stray { file } => format!("{file} is no file that this log would have written"),
            Self::Length { file, expected, found } => format!("{file} should have {expected} bytes and has {found}"),
            Self::Byte { file, offset, expected, found } => {
                format!("byte {offset} of {file} was changed: expected {expected:02x}, found {found:02x}")
            }
            Self::Entry { index, file, offset, length, expected_sha256, found_sha256 } => format!(
                "entry {index} was changed ({length} bytes from byte {offset} of {file}): its hash should be {}, it is {}",
                hex::encode(expected_sha256),
                hex::encode(found_sha256)
            ),
            Self::Bundle { file, offset, index } => format!(
                "a length in the bundle {file} was changed at byte {offset}: entries from {index} on cannot be read"
            ),
            Self::Form { index, file, offset, reason } => {
                format!("entry {index} (from byte {offset} of {file}) is not in canonical form: {reason}")
            }
            Self::Range { level, first, last } => format!(
                "entries {first} to {last} were changed together with the hashes beneath them (level {level} disagrees in both trees)"
            ),
        }
    }

    /// The file to look at, when there is one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::CheckpointUnreadable { file, .. }
            | Self::CheckpointLine { file, .. }
            | Self::Cosignature { file, .. }
            | Self::Keys { file }
            | Self::Root { file, .. }
            | Self::Missing { file }
            | Self::Stray { file }
            | Self::Length { file, .. }
            | Self::Byte { file, .. }
            | Self::Entry { file, .. }
            | Self::Bundle { file, .. }
            | Self::Form { file, .. } => Some(file),
            Self::HeadsDiffer { .. } | Self::Range { .. } => None,
        }
    }
}
