//! Files that are whole or absent: written beside the one they become, made durable, put in its place.
//!
//! Each process writes a file of its own, `<name>.<process>.writing`, so that two that write one file leave it as one
//! of them wrote it. It is locked while it is written: the lock ends with the process, so that whoever writes the same
//! file next knows what a killed one left behind, and takes it away.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process,
};

/// What the name of a file that is being written ends with.
const ENDING: &str = ".writing";

/// A file that is being written; what is not put in its place is taken away.
#[derive(Debug)]
pub(crate) struct Aside {
    file: File,
    aside: PathBuf,
    path: PathBuf,
    is_in_place: bool,
}

impl Aside {
    /// Begins a file that becomes `path`, and takes away what killed processes left of it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        };
        take_away_left_behind(folder(path), name);
        let mut own = name.to_owned();
        own.push(format!(".{}{ENDING}", process::id()));
        let aside = folder(path).join(own);
        loop {
            let file = File::create_new(&aside)?;
            // Where files cannot be locked nobody takes away what another left behind.
            let _ = file.try_lock();
            // Between making and locking it, another process may have taken it for one that was left behind.
            if aside.try_exists()? {
                return Ok(Self { file, aside, path: path.to_owned(), is_in_place: false });
            }
        }
    }

    /// Where it is written to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in its place; durable when this returns.
    pub(crate) fn put(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.aside, &self.path)?;
        self.is_in_place = true;
        File::open(folder(&self.path))?.sync_all()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_in_place {
            // That it cannot be taken away is less than what went wrong before.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Takes away files that became nothing: whoever wrote them holds no lock any more.
fn take_away_left_behind(folder: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_of(&entry.file_name(), name)) {
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is that of a file being written in place of another: the other's, a process, the ending.
fn is_of(written: &OsStr, name: &OsStr) -> bool {
    let rest = written.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
    let process = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(ENDING.as_bytes()));
    process.is_some_and(|process| !process.is_empty() && process.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_is_taken_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // One that is still being written, by whoever holds the lock; one that is not; and names that only look alike.
        let held = File::create(at("p.parquet.71.writing")).unwrap();
        held.lock().unwrap();
        for name in ["p.parquet.72.writing", "p.parquet.old.writing", "other.parquet.72.writing", "p.parquet"] {
            fs::write(at(name), "before").unwrap();
        }
        let aside = Aside::create(&at("p.parquet")).unwrap();
        aside.file().write_all(b"whole").unwrap();
        assert_eq!(fs::read_to_string(at("p.parquet")).unwrap(), "before");
        aside.put().unwrap();
        assert_eq!(fs::read_to_string(at("p.parquet")).unwrap(), "whole");
        let expected = ["other.parquet.72.writing", "p.parquet", "p.parquet.71.writing", "p.parquet.old.writing"];
        assert_eq!(names(folder.path()), expected);
        drop(held);
        drop(Aside::create(&at("p.parquet")).unwrap());
        assert_eq!(names(folder.path()), ["other.parquet.72.writing", "p.parquet", "p.parquet.old.writing"]);
    }

    #[test]
    fn a_path_that_names_no_file_is_refused() {
        assert_eq!(Aside::create(Path::new("/")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
