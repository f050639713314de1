//! Durable names of entities: the same for the same founding key, and telling nothing of it.

use std::{fs, io, io::Write, path::Path};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Letters and digits of a name (Crockford's base 32, lower case): none that is mistaken for another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How every name begins.
const MARK: char = 'E';
/// Characters of a name.
const LENGTH: usize = 27;

/// The secret of a data folder from which names of entities follow. A bare hash of an identity number could be
/// reversed by trying all numbers; this cannot by whoever has the tables alone. `Debug` never shows it.
#[derive(Clone)]
pub struct EntitySecret(Hmac<Sha256>);

impl std::fmt::Debug for EntitySecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EntitySecret(***)")
    }
}

impl EntitySecret {
    /// A secret of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes a key of any length"))
    }

    /// Reads the secret at `path`, or writes `drawn` there first, for the owner alone. Of two processes that begin
    /// at once one writes and both read the same.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that has another length than 32 bytes as 64 hexadecimal digits.
    pub fn read_or_create(path: &Path, drawn: &[u8; 32]) -> io::Result<Self> {
        if !path.exists() {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            // Written aside and linked: whoever finds the file finds it whole.
            let aside = path.with_extension(format!("new-{}", std::process::id()));
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&aside)?;
            file.write_all(format!("{}\n", hex::encode(drawn)).as_bytes())?;
            file.sync_all()?;
            match fs::hard_link(&aside, path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            fs::remove_file(&aside)?;
        }
        let text = fs::read_to_string(path)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim_end(), &mut bytes).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "found another form, expected 64 hexadecimal digits")
        })?;
        Ok(Self::new(&bytes))
    }

    /// The name of the entity of `registry` that was founded by `founding`: its usable key, or `split:` and the
    /// decision that split it off. `E` and 26 characters, so it never passes for an identity number.
    #[must_use]
    pub fn entity_id(&self, registry: &str, founding: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(registry.as_bytes());
        mac.update(&[0]);
        mac.update(founding.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        let mut rest = u128::from_be_bytes(first);
        let mut name = [0_u8; LENGTH];
        for place in name[1..].iter_mut().rev() {
            *place = LETTERS[usize::try_from(rest & 31).expect("five bits")];
            rest >>= 5;
        }
        name[0] = MARK as u8;
        name.iter().map(|byte| char::from(*byte)).collect()
    }
}

/// Whether a text has the form of an entity's name.
#[must_use]
pub fn is_entity_id(text: &str) -> bool {
    text.len() == LENGTH && text.starts_with(MARK) && text.bytes().skip(1).all(|byte| LETTERS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_from_secret_registry_and_founding_key() {
        let secret = EntitySecret::new(&[7; 32]);
        let name = secret.entity_id("population", "11010519491231002X");
        assert!(is_entity_id(&name), "{name}");
        assert_eq!(name, secret.entity_id("population", "11010519491231002X"));
        assert_ne!(name, secret.entity_id("legal_entity", "11010519491231002X"));
        assert_ne!(name, EntitySecret::new(&[8; 32]).entity_id("population", "11010519491231002X"));
        assert!(!is_entity_id("11010519491231002X") && !is_entity_id("91350100M000100Y43"));
    }

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("entity.key");
        let one = EntitySecret::read_or_create(&path, &[1; 32]).unwrap();
        let other = EntitySecret::read_or_create(&path, &[2; 32]).unwrap();
        assert_eq!(one.entity_id("r", "k"), other.entity_id("r", "k"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&path, "short").unwrap();
        assert!(EntitySecret::read_or_create(&path, &[1; 32]).is_err());
    }
}
