//! Whom a verifier believes: which logs, which witnesses, what quorum (C2SP `tlog-policy`).

use crate::{
    checkpoint::{Checkpoint, CheckpointDefect},
    hashes::TreeHash,
    keys::log_algorithm,
    note::{Note, NoteError, VerifierKey},
    signature::Algorithm,
};

/// Longest policy file read.
pub const POLICY_BYTES_MAX: usize = 262_144;
/// Most logs, most witnesses and most groups, each; the specification asks for at least 32.
pub const POLICY_NAMES_MAX: usize = 256;

/// A policy, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    members: Vec<Member>,
    quorum: Option<usize>,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    pub key: VerifierKey,
    pub url: Option<String>,
}

/// A witness or a group, in the order of definition: a group refers backwards only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// Opaque octets, as the specification wants them.
    name: Vec<u8>,
    kind: MemberKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a policy has a handful of members")]
enum MemberKind {
    Witness { key: VerifierKey, url: Option<String> },
    Group { threshold: usize, members: Vec<usize> },
}

/// A policy file that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {expected}")]
pub struct PolicyDefect {
    /// 1-based; 0 when it concerns the whole file.
    pub line: usize,
    pub expected: String,
}

/// Why a checkpoint is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the checkpoint is not a signed note")]
    Note { source: NoteError },
    #[error("the signed text is not a checkpoint")]
    Checkpoint { source: CheckpointDefect },
    #[error("the policy knows no log with origin `{origin}`")]
    UnknownLog { origin: String },
    #[error("the quorum is not reached: {} of {known} known witnesses have cosigned{}", .cosigned.len(), listed(.cosigned))]
    Quorum { cosigned: Vec<String>, known: usize },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// A checkpoint that the policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub checkpoint: Checkpoint,
    /// Which tree the log's key signs.
    pub hash: TreeHash,
    /// Witnesses by their names in the policy, with the second since 1970 at which they cosigned.
    pub witnesses: Vec<(String, u64)>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The first line that breaks a rule of the specification or a bound.
    pub fn read(file: &[u8]) -> Result<Self, PolicyDefect> {
        if file.len() > POLICY_BYTES_MAX {
            return Err(PolicyDefect { line: 0, expected: format!("a policy has at most {POLICY_BYTES_MAX} bytes") });
        }
        let mut policy = Self { logs: Vec::new(), members: Vec::new(), quorum: None };
        let mut quorum_seen = false;
        let mut grouped = Vec::new();
        for (number, line) in file.split(|byte| *byte == b'\n').enumerate() {
            let defect = |expected: &str| PolicyDefect { line: number + 1, expected: expected.to_owned() };
            if line.iter().any(|byte| *byte < 0x20 && *byte != b'\t' || *byte == 0x7f) {
                return Err(defect("no control character but the tab"));
            }
            let items: Vec<&[u8]> =
                line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|item| !item.is_empty()).collect();
            let Some((keyword, rest)) = items.split_first() else { continue };
            if keyword.starts_with(b"#") {
                continue;
            }
            match *keyword {
                b"log" => policy.read_log(rest).map_err(|expected| defect(&expected))?,
                b"witness" => policy.read_witness(rest).map_err(|expected| defect(&expected))?,
                b"group" => policy.read_group(rest, &mut grouped).map_err(|expected| defect(&expected))?,
                b"quorum" => {
                    if quorum_seen {
                        return Err(defect("exactly one quorum line"));
                    }
                    quorum_seen = true;
                    let [name] = rest else { return Err(defect("`quorum` and one name")) };
                    if *name != b"none" {
                        policy.quorum =
                            Some(policy.find(name).ok_or_else(|| defect("a quorum defined on a line before"))?);
                    }
                }
                _ => return Err(defect("`log`, `witness`, `group` or `quorum`")),
            }
        }
        if !quorum_seen {
            return Err(PolicyDefect { line: 0, expected: "exactly one quorum line".to_owned() });
        }
        Ok(policy)
    }

    fn read_log(&mut self, items: &[&[u8]]) -> Result<(), String> {
        let (key, url) = read_key(items, "`log <vkey> [<url>]`")?;
        if !TreeHash::BOTH.iter().any(|hash| log_algorithm(*hash) == key.algorithm()) {
            return Err("a log key of type Ed25519 (01) or SM2".to_owned());
        }
        if self.logs.iter().any(|log| log.key.public_key().to_bytes() == key.public_key().to_bytes()) {
            return Err("a log whose public key stands on no other line".to_owned());
        }
        if self.logs.len() == POLICY_NAMES_MAX {
            return Err(format!("at most {POLICY_NAMES_MAX} logs"));
        }
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn read_witness(&mut self, items: &[&[u8]]) -> Result<(), String> {
        let Some((name, rest)) = items.split_first() else { return Err("`witness <name> <vkey> [<url>]`".to_owned()) };
        self.check_new_name(name)?;
        let (key, url) = read_key(rest, "`witness <name> <vkey> [<url>]`")?;
        if !key.algorithm().is_cosignature() {
            return Err("a witness key of type Ed25519 cosignature (04) or SM2 cosignature".to_owned());
        }
        if self.witnesses().any(|(_, known)| known.public_key().to_bytes() == key.public_key().to_bytes()) {
            return Err("a witness whose public key stands on no other line".to_owned());
        }
        self.define(name, MemberKind::Witness { key, url })
    }

    fn read_group(&mut self, items: &[&[u8]], grouped: &mut Vec<usize>) -> Result<(), String> {
        let [name, threshold, members @ ..] = items else {
            return Err("`group <name> <all|any|k> <name>…`".to_owned());
        };
        self.check_new_name(name)?;
        if members.is_empty() {
            return Err("a group of at least one member".to_owned());
        }
        let mut positions = Vec::with_capacity(members.len());
        for member in members {
            let position =
                self.find(member).ok_or_else(|| format!("`{}` defined on a line before", member.escape_ascii()))?;
            if grouped.contains(&position) {
                return Err(format!("`{}` a member of one group, once", member.escape_ascii()));
            }
            grouped.push(position);
            positions.push(position);
        }
        let threshold = match *threshold {
            b"all" => positions.len(),
            b"any" => 1,
            number => {
                let number = std::str::from_utf8(number).ok().and_then(crate::checkpoint::decimal);
                let number = number.and_then(|number| usize::try_from(number).ok());
                number
                    .filter(|number| (1..=positions.len()).contains(number))
                    .ok_or_else(|| format!("`all`, `any` or 1 to {}", positions.len()))?
            }
        };
        self.define(name, MemberKind::Group { threshold, members: positions })
    }

    fn check_new_name(&self, name: &[u8]) -> Result<(), String> {
        if name == b"none" || self.find(name).is_some() {
            return Err(format!("a name that is free; `{}` is taken", name.escape_ascii()));
        }
        Ok(())
    }

    fn define(&mut self, name: &[u8], kind: MemberKind) -> Result<(), String> {
        if self.members.len() == 2 * POLICY_NAMES_MAX {
            return Err(format!("at most {} witnesses and groups", 2 * POLICY_NAMES_MAX));
        }
        self.members.push(Member { name: name.to_vec(), kind });
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.members.iter().position(|member| member.name == name)
    }

    /// The logs, in the order of the file.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the file: name and key.
    pub fn witnesses(&self) -> impl Iterator<Item = (String, &VerifierKey)> {
        self.members.iter().filter_map(|member| match &member.kind {
            MemberKind::Witness { key, .. } => Some((String::from_utf8_lossy(&member.name).into_owned(), key)),
            MemberKind::Group { .. } => None,
        })
    }

    /// Where a witness is reached, when the policy says so.
    pub fn witness_urls(&self) -> impl Iterator<Item = (String, &str)> {
        self.members.iter().filter_map(|member| match &member.kind {
            MemberKind::Witness { url: Some(url), .. } => {
                Some((String::from_utf8_lossy(&member.name).into_owned(), url.as_str()))
            }
            MemberKind::Witness { url: None, .. } | MemberKind::Group { .. } => None,
        })
    }

    /// Checks a checkpoint file: a listed log signed it, and the quorum cosigned it.
    ///
    /// # Errors
    /// Which of the two is missing, or a signature of a known key that does not hold.
    pub fn accept(&self, checkpoint: &str) -> Result<Accepted, PolicyError> {
        let note: Note = checkpoint.parse().map_err(|source| PolicyError::Note { source })?;
        let checkpoint: Checkpoint = note.text.parse().map_err(|source| PolicyError::Checkpoint { source })?;
        let keys: Vec<VerifierKey> =
            self.logs.iter().map(|log| &log.key).filter(|key| key.name() == checkpoint.origin).cloned().collect();
        if keys.is_empty() {
            return Err(PolicyError::UnknownLog { origin: checkpoint.origin });
        }
        let signed = note.verify(&keys).map_err(|source| PolicyError::Note { source })?;
        let hash = match keys[signed[0].key].algorithm() {
            Algorithm::Sm2 | Algorithm::Sm2Cosignature => TreeHash::Sm3,
            Algorithm::Ed25519 | Algorithm::Ed25519Cosignature => TreeHash::Sha256,
        };
        let (positions, keys): (Vec<usize>, Vec<VerifierKey>) = self
            .members
            .iter()
            .enumerate()
            .filter_map(|(position, member)| match &member.kind {
                MemberKind::Witness { key, .. } => Some((position, key.clone())),
                MemberKind::Group { .. } => None,
            })
            .unzip();
        let cosigned = match note.verify(&keys) {
            Ok(cosigned) => cosigned,
            Err(NoteError::NotSigned { .. }) => Vec::new(),
            Err(source) => return Err(PolicyError::Note { source }),
        };
        let mut holds = vec![false; self.members.len()];
        let mut witnesses = Vec::new();
        for verified in cosigned {
            let position = positions[verified.key];
            if !std::mem::replace(&mut holds[position], true) {
                let name = String::from_utf8_lossy(&self.members[position].name).into_owned();
                witnesses.push((name, verified.cosigned_at.unwrap_or(0)));
            }
        }
        for (position, member) in self.members.iter().enumerate() {
            if let MemberKind::Group { threshold, members } = &member.kind {
                holds[position] = members.iter().filter(|member| holds[**member]).count() >= *threshold;
            }
        }
        if self.quorum.is_some_and(|quorum| !holds[quorum]) {
            let cosigned = witnesses.into_iter().map(|(name, _)| name).collect();
            return Err(PolicyError::Quorum { cosigned, known: keys.len() });
        }
        Ok(Accepted { checkpoint, hash, witnesses })
    }
}

fn read_key(items: &[&[u8]], form: &str) -> Result<(VerifierKey, Option<String>), String> {
    let (vkey, url) = match items {
        [vkey] => (*vkey, None),
        [vkey, url] => (*vkey, Some(String::from_utf8_lossy(url).into_owned())),
        _ => return Err(form.to_owned()),
    };
    let vkey = std::str::from_utf8(vkey).map_err(|_| "a verifier key in UTF-8".to_owned())?;
    Ok((vkey.parse().map_err(|error: NoteError| error.to_string())?, url))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        keys::{KeySeeds, LogKeys, Signer},
        note::Note,
    };

    fn witness(number: u8) -> Signer {
        Signer::new(&format!("w{number}.example"), Algorithm::Ed25519Cosignature, &[number; 32]).unwrap()
    }

    fn log() -> LogKeys {
        LogKeys::new("city.example/log", &KeySeeds { ed25519: [101; 32], sm2: [102; 32] }).unwrap()
    }

    /// The specification's example, with keys.
    fn example() -> String {
        let mut text = format!("log {}\n\n", log().trusted().of(TreeHash::Sha256)[0]);
        for (name, number) in [("X1", 1), ("X2", 2), ("X3", 3)] {
            text += &format!("witness {name} {}\n", witness(number).verifier());
        }
        text += "group X-witnesses 2 X1 X2 X3\n\n# the second house\n";
        for (name, number) in [("Y1", 4), ("Y2", 5), ("Y3", 6)] {
            text += &format!(" witness\t{name} {} https://example.org/{name}\n", witness(number).verifier());
        }
        text += "group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
        text
    }

    fn cosigned(by: &[u8]) -> String {
        let mut note: Note = log().sign_checkpoint(TreeHash::Sha256, 9, [3; 32]);
        let lines: Vec<_> = by.iter().map(|number| witness(*number).sign(&note.text, 1_795_000_000)).collect();
        note.signatures.extend(lines);
        note.to_string()
    }

    #[test]
    fn the_specifications_example_wants_two_of_x_and_one_of_y() {
        let policy = Policy::read(example().as_bytes()).unwrap();
        for (by, enough) in [
            (&[1, 2, 4][..], true),
            (&[1, 2, 3, 6], true),
            (&[1, 4, 5, 6], false),
            (&[1, 2, 3], false),
            (&[], false),
            (&[1, 1, 4], false),
        ] {
            assert_eq!(policy.accept(&cosigned(by)).is_ok(), enough, "{by:?}");
        }
        let accepted = policy.accept(&cosigned(&[3, 2, 5])).unwrap();
        assert_eq!(accepted.witnesses.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["X3", "X2", "Y2"]);
        assert_eq!(policy.witness_urls().count(), 3);
    }

    #[test]
    fn one_false_cosignature_of_a_known_witness_refuses_the_checkpoint() {
        let policy = Policy::read(example().as_bytes()).unwrap();
        let mut note: Note = cosigned(&[1, 2, 4, 5]).parse().unwrap();
        note.signatures[4].signature[20] ^= 1;
        assert!(matches!(
            policy.accept(&note.to_string()),
            Err(PolicyError::Note { source: NoteError::BadSignature { .. } })
        ));
        note.signatures[4].key_id ^= 1;
        assert!(policy.accept(&note.to_string()).is_ok(), "a line by an unknown key is passed over");
    }

    #[test]
    fn broken_policies_are_refused_by_line() {
        let key = witness(1).verifier().to_string();
        let other = witness(2).verifier().to_string();
        let log_key = log().trusted().of(TreeHash::Sha256)[0].to_string();
        let line = |text: &str| Policy::read(text.as_bytes()).unwrap_err().line;
        assert_eq!(line(""), 0);
        assert_eq!(line("quorum none\nquorum none\n"), 2);
        assert_eq!(line("quorum X\n"), 1);
        assert_eq!(line(&format!("witness none {key}\nquorum none\n")), 1);
        assert_eq!(line(&format!("witness A {key}\nwitness B {key}\nquorum none\n")), 2);
        assert_eq!(line(&format!("witness A {key}\nwitness A {other}\nquorum none\n")), 2);
        assert_eq!(line(&format!("witness A {key}\ngroup G 2 A\nquorum G\n")), 2);
        assert_eq!(line(&format!("witness A {key}\ngroup G 0 A\nquorum G\n")), 2);
        assert_eq!(line(&format!("witness A {key}\ngroup G any A\ngroup H any A\nquorum H\n")), 3);
        assert_eq!(line(&format!("group G any A\nwitness A {key}\nquorum G\n")), 1);
        assert_eq!(line(&format!("log {key}\nquorum none\n")), 1);
        assert_eq!(line(&format!("witness A {log_key}\nquorum none\n")), 1);
        assert_eq!(line(&format!("log {log_key}\nlog {log_key}\nquorum none\n")), 2);
        assert_eq!(line("quorum none\r\n"), 1);
        assert_eq!(line("mirror x\nquorum none\n"), 1);
        assert!(Policy::read("# 沂河\nquorum none\n".as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_policy_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Policy::read(&bytes);
        }
    }
}
