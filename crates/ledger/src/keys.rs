//! The log's own keys: what it signs with, what it signed with before, and the files they lie in.
//!
//! A private key is one line in the form Go's `note` package reads
//! (`PRIVATE+KEY+<name>+<id>+<base64>`), in a file only its owner may read. Beside them stands
//! `verifier-keys`, public: one verifier key per line, retired ones included, because old
//! checkpoints were signed by them.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    checkpoint::Checkpoint,
    hashes::{Hash, TreeHash},
    note::{Note, NoteError, NoteSignature, VerifierKey},
    signature::{Algorithm, PrivateKey},
};

const SHA256_KEY_FILE: &str = "ledger-ed25519";
const SM3_KEY_FILE: &str = "ledger-sm2";
/// Public: everything a verifier may need, retired keys included.
pub const VERIFIER_KEYS_FILE: &str = "verifier-keys";
/// Most verifier keys read from a file: a rotation a week for ten years.
pub const VERIFIER_KEYS_MAX: usize = 1_024;
const KEY_LINE_BYTES_MAX: usize = 4_096;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("failed to {action} the key file `{path}`")]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{path}` does not hold {expected}")]
    Form { path: PathBuf, expected: &'static str },
    #[error("line {line} of `{path}` is not a verifier key")]
    VerifierKey { path: PathBuf, line: usize, source: NoteError },
    #[error("`{path}` lists more than {VERIFIER_KEYS_MAX} keys")]
    TooMany { path: PathBuf },
    #[error("an origin is a URL without its scheme, without spaces and plus signs; found `{found}`")]
    Origin { found: String },
    #[error("{expected}; draw another seed")]
    Seed { expected: &'static str },
}

/// A name and a private key: signs texts, as a log or as a cosigner.
#[derive(Debug)]
pub struct Signer {
    name: String,
    key: PrivateKey,
    verifier: VerifierKey,
}

impl Signer {
    /// # Errors
    /// A name no key may have, or a seed the curve refuses.
    pub fn new(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = PrivateKey::from_seed(algorithm, seed).map_err(|expected| KeyError::Seed { expected })?;
        let verifier =
            VerifierKey::new(name, key.public_key()).map_err(|_| KeyError::Origin { found: name.to_owned() })?;
        Ok(Self { name: name.to_owned(), key, verifier })
    }

    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature line over a text. `now_seconds` (since 1970) matters to cosigners only.
    #[must_use]
    pub fn sign(&self, text: &str, now_seconds: u64) -> NoteSignature {
        NoteSignature {
            name: self.name.clone(),
            key_id: self.verifier.key_id(),
            signature: self.key.sign(text.as_bytes(), now_seconds),
        }
    }

    /// Reads `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    /// An unreadable file, or one of another form.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let form = |expected| KeyError::Form { path: path.to_owned(), expected };
        if text.len() > KEY_LINE_BYTES_MAX {
            return Err(form("a single line `PRIVATE+KEY+<name>+<id>+<base64>`"));
        }
        let rest = text.trim_end_matches('\n').strip_prefix("PRIVATE+KEY+");
        let mut parts = rest.ok_or_else(|| form("a line starting `PRIVATE+KEY+`"))?.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form("name, id and key between plus signs"));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| form("a key in standard base64"))?;
        for algorithm in [Algorithm::Ed25519, Algorithm::Ed25519Cosignature, Algorithm::Sm2, Algorithm::Sm2Cosignature]
        {
            let Some(seed) = bytes.strip_prefix(algorithm.type_bytes()) else { continue };
            let Ok(seed) = <[u8; 32]>::try_from(seed) else { continue };
            let signer = Self::new(name, algorithm, &seed)?;
            if format!("{:08x}", signer.verifier.key_id()) != id {
                return Err(form("the id that belongs to its key"));
            }
            return Ok(signer);
        }
        Err(form("an Ed25519 or SM2 key of 32 bytes"))
    }

    /// Writes the key to a new file that only the owner may read.
    ///
    /// # Errors
    /// A file that exists already or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let mut bytes = self.verifier.algorithm().type_bytes().to_vec();
        bytes.extend_from_slice(&self.key.seed());
        let line = format!("PRIVATE+KEY+{}+{:08x}+{}\n", self.name, self.verifier.key_id(), STANDARD.encode(bytes));
        let file = |action, source| KeyError::File { action, path: path.to_owned(), source };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut handle = options.open(path).map_err(|source| file("create", source))?;
        handle.write_all(line.as_bytes()).and_then(|()| handle.sync_all()).map_err(|source| file("write", source))
    }

    /// Reads the key at `path`, or makes it from `seed` and writes it there first.
    ///
    /// # Errors
    /// As [`Self::read`] and [`Self::write_new`].
    pub fn read_or_create(path: &Path, name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if path.exists() {
            return Self::read(path);
        }
        let signer = Self::new(name, algorithm, seed)?;
        signer.write_new(path)?;
        Ok(signer)
    }
}

/// Random bytes for a log's two first keys, drawn by the caller.
#[derive(Clone)]
pub struct KeySeeds {
    pub ed25519: [u8; 32],
    pub sm2: [u8; 32],
}

impl std::fmt::Debug for KeySeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySeeds(***)")
    }
}

/// What a log signs with, and what may have signed its older checkpoints.
#[derive(Debug)]
pub struct LogKeys {
    sha256: Signer,
    sm3: Signer,
    trusted: TrustedKeys,
}

/// Public keys of one log: current and retired. Enough to verify, never to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKeys {
    origin: String,
    keys: Vec<VerifierKey>,
}

/// The origin of the sister tree: its own log, so its own name.
#[must_use]
pub fn origin_of(origin: &str, hash: TreeHash) -> String {
    match hash {
        TreeHash::Sha256 => origin.to_owned(),
        TreeHash::Sm3 => format!("{origin}/sm3"),
    }
}

impl TrustedKeys {
    /// # Errors
    /// An origin that no key may be named after.
    pub fn new(origin: &str, keys: Vec<VerifierKey>) -> Result<Self, KeyError> {
        if !crate::note::is_key_name(origin) {
            return Err(KeyError::Origin { found: origin.to_owned() });
        }
        Ok(Self { origin: origin.to_owned(), keys })
    }

    /// Reads a file of verifier keys: one per line, `#` begins a comment line. The first key's name
    /// is the origin.
    ///
    /// # Errors
    /// An unreadable file, a line that is no key, no key at all, or too many.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if keys.len() == VERIFIER_KEYS_MAX {
                return Err(KeyError::TooMany { path: path.to_owned() });
            }
            let key = line.parse().map_err(|source| KeyError::VerifierKey {
                path: path.to_owned(),
                line: number + 1,
                source,
            })?;
            keys.push(key);
        }
        let origin = keys
            .first()
            .map(|first: &VerifierKey| first.name().to_owned())
            .ok_or_else(|| KeyError::Form { path: path.to_owned(), expected: "at least one verifier key" })?;
        Self::new(&origin, keys)
    }

    /// The canonical log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The keys that may sign this tree's checkpoint.
    #[must_use]
    pub fn of(&self, hash: TreeHash) -> Vec<VerifierKey> {
        let origin = origin_of(&self.origin, hash);
        self.keys.iter().filter(|key| key.name() == origin && key.algorithm() == log_algorithm(hash)).cloned().collect()
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# verifier keys of this log, the current ones first; older checkpoints may be signed by the later lines\n",
        );
        for key in &self.keys {
            text.push_str(&format!("{key}\n"));
        }
        text
    }
}

/// What a tree's own checkpoint is signed with: C2SP asks for Ed25519, the SM3 tree takes SM2.
#[must_use]
pub fn log_algorithm(hash: TreeHash) -> Algorithm {
    match hash {
        TreeHash::Sha256 => Algorithm::Ed25519,
        TreeHash::Sm3 => Algorithm::Sm2,
    }
}

impl LogKeys {
    /// Keys in memory only.
    ///
    /// # Errors
    /// An origin no key may be named after, or a seed the curve refuses.
    pub fn new(origin: &str, seeds: &KeySeeds) -> Result<Self, KeyError> {
        let sha256 = Signer::new(origin, Algorithm::Ed25519, &seeds.ed25519)?;
        let sm3 = Signer::new(&origin_of(origin, TreeHash::Sm3), Algorithm::Sm2, &seeds.sm2)?;
        let trusted = TrustedKeys::new(origin, vec![sha256.verifier.clone(), sm3.verifier.clone()])?;
        Ok(Self { sha256, sm3, trusted })
    }

    /// Reads the keys in folder `dir`, making them from `seeds` at first use.
    ///
    /// # Errors
    /// Files that cannot be read or written, or keys that belong to another origin.
    pub fn read_or_create(dir: &Path, origin: &str, seeds: &KeySeeds) -> Result<Self, KeyError> {
        fs::create_dir_all(dir).map_err(|source| KeyError::File {
            action: "create the folder of",
            path: dir.to_owned(),
            source,
        })?;
        let sha256 = Signer::read_or_create(&dir.join(SHA256_KEY_FILE), origin, Algorithm::Ed25519, &seeds.ed25519)?;
        let sm3 = Signer::read_or_create(
            &dir.join(SM3_KEY_FILE),
            &origin_of(origin, TreeHash::Sm3),
            Algorithm::Sm2,
            &seeds.sm2,
        )?;
        for (signer, file, hash) in [(&sha256, SHA256_KEY_FILE, TreeHash::Sha256), (&sm3, SM3_KEY_FILE, TreeHash::Sm3)]
        {
            if signer.name != origin_of(origin, hash) || signer.verifier.algorithm() != log_algorithm(hash) {
                return Err(KeyError::Form {
                    path: dir.join(file),
                    expected: "a key of this log's origin and algorithm",
                });
            }
        }
        let list = dir.join(VERIFIER_KEYS_FILE);
        let mut keys = vec![sha256.verifier.clone(), sm3.verifier.clone()];
        if list.exists() {
            let known = TrustedKeys::read(&list)?.keys;
            keys.extend(known.into_iter().filter(|key| *key != sha256.verifier && *key != sm3.verifier));
        }
        let trusted = TrustedKeys::new(origin, keys)?;
        let text = trusted.to_text();
        if fs::read_to_string(&list).ok().as_deref() != Some(&text) {
            fs::write(&list, text).map_err(|source| KeyError::File { action: "write", path: list.clone(), source })?;
        }
        Ok(Self { sha256, sm3, trusted })
    }

    /// Puts new keys in the place of the current ones. The old private keys stay beside them as
    /// `….retired-<id>` until an officer destroys them; their verifier keys stay in the list. The
    /// caller enters the rotation in the log ([`rotation_payload`]) with the ledger opened anew.
    ///
    /// # Errors
    /// Files that cannot be moved or written.
    pub fn rotate(dir: &Path, origin: &str, seeds: &KeySeeds) -> Result<Self, KeyError> {
        let file = |action, path: &Path, source| KeyError::File { action, path: path.to_owned(), source };
        for name in [SHA256_KEY_FILE, SM3_KEY_FILE] {
            let path = dir.join(name);
            let old = Signer::read(&path)?;
            let retired = dir.join(format!("{name}.retired-{:08x}", old.verifier.key_id()));
            fs::rename(&path, &retired).map_err(|source| file("set aside", &path, source))?;
        }
        Self::read_or_create(dir, origin, seeds)
    }

    #[must_use]
    pub fn trusted(&self) -> &TrustedKeys {
        &self.trusted
    }

    #[must_use]
    pub fn origin(&self) -> &str {
        self.trusted.origin()
    }

    /// The signed checkpoint of one of the trees.
    #[must_use]
    pub fn sign_checkpoint(&self, hash: TreeHash, size: u64, root: Hash) -> Note {
        let signer = match hash {
            TreeHash::Sha256 => &self.sha256,
            TreeHash::Sm3 => &self.sm3,
        };
        let text = Checkpoint { origin: signer.name.clone(), size, root, extensions: Vec::new() }.to_string();
        let signature = signer.sign(&text, 0);
        Note { text, signatures: vec![signature] }
    }
}

/// The payload of a `ledger.keys_rotated` entry: both lists of verifier keys.
#[must_use]
pub fn rotation_payload(old: &TrustedKeys, new: &TrustedKeys) -> serde_json::Value {
    let list = |keys: &TrustedKeys| keys.keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    serde_json::json!({ "origin": new.origin, "old": list(old), "new": list(new) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(byte: u8) -> KeySeeds {
        KeySeeds { ed25519: [byte; 32], sm2: [byte; 32] }
    }

    #[test]
    fn keys_are_made_once_read_again_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let made = LogKeys::read_or_create(dir.path(), "city.example/log", &seeds(1)).unwrap();
        let read = LogKeys::read_or_create(dir.path(), "city.example/log", &seeds(2)).unwrap();
        assert_eq!(made.trusted(), read.trusted());
        assert!(LogKeys::read_or_create(dir.path(), "other.example/log", &seeds(1)).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.path().join(SHA256_KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
        assert!(!format!("{made:?}").contains("AQEBAQ"));
    }

    #[test]
    fn a_rotated_log_signs_with_the_new_key_and_still_trusts_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let old = LogKeys::read_or_create(dir.path(), "city.example/log", &seeds(1)).unwrap();
        let new = LogKeys::rotate(dir.path(), "city.example/log", &seeds(2)).unwrap();
        for hash in TreeHash::BOTH {
            let (before, after) = (old.sign_checkpoint(hash, 1, [1; 32]), new.sign_checkpoint(hash, 2, [2; 32]));
            let trusted = new.trusted().of(hash);
            assert_eq!(trusted.len(), 2);
            assert!(before.verify(&trusted).is_ok() && after.verify(&trusted).is_ok());
            assert!(after.verify(&old.trusted().of(hash)).is_err());
        }
        assert_eq!(TrustedKeys::read(&dir.path().join(VERIFIER_KEYS_FILE)).unwrap(), *new.trusted());
    }
}
