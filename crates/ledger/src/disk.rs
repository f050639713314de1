//! Files that are whole or absent: written aside, renamed into place, made durable together.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use crate::error::LedgerError;

/// Where in the write path something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    JournalWrite,
    JournalSync,
    AsideWrite,
    Rename,
    SettleSync,
    IndexFlush,
    SettledMark,
    Prune,
}

impl Step {
    pub const ALL: [Self; 8] = [
        Self::JournalWrite,
        Self::JournalSync,
        Self::AsideWrite,
        Self::Rename,
        Self::SettleSync,
        Self::IndexFlush,
        Self::SettledMark,
        Self::Prune,
    ];
}

/// Asked before every step. The binary hands in [`NoHazards`]; a test hands in one that fills the
/// disk or ends the process.
pub trait Hazards: Send + Sync {
    /// # Errors
    /// The error that the step is to meet.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// Nothing goes wrong but what really goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHazards;

impl Hazards for NoHazards {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Files synced at once when a settle has many: the file system commits them together.
const SYNC_THREADS: usize = 8;
/// Folders remembered as existing.
const KNOWN_FOLDERS_MAX: usize = 65_536;

/// The writing end of a ledger's folder.
pub(crate) struct Disk {
    hazards: Arc<dyn Hazards>,
    /// Where files are written before they are renamed.
    aside: PathBuf,
    /// Nothing above it is synced.
    root: PathBuf,
    unsynced: Vec<PathBuf>,
    known_folders: HashSet<PathBuf>,
}

impl Disk {
    /// Empties the folder `aside` (what lies there was never renamed, so never happened).
    pub(crate) fn open(root: &Path, aside: PathBuf, hazards: Arc<dyn Hazards>) -> Result<Self, LedgerError> {
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(LedgerError::file("empty", &aside))?;
        }
        fs::create_dir_all(&aside).map_err(LedgerError::file("create", &aside))?;
        Ok(Self { hazards, aside, root: root.to_owned(), unsynced: Vec::new(), known_folders: HashSet::new() })
    }

    pub(crate) fn before(&self, step: Step, path: &Path) -> io::Result<()> {
        self.hazards.before(step, path)
    }

    /// Puts a whole file in place. It is durable after the next [`Self::sync`].
    pub(crate) fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
        let aside = self.write_aside(path, bytes, false)?;
        self.rename(&aside, path)?;
        self.unsynced.push(path.to_owned());
        Ok(())
    }

    /// Puts a whole file in place, durable when this returns.
    pub(crate) fn put_durably(&mut self, path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
        let aside = self.write_aside(path, bytes, true)?;
        self.rename(&aside, path)?;
        sync_folder(path.parent().unwrap_or(&self.root))
    }

    fn write_aside(&mut self, path: &Path, bytes: &[u8], sync: bool) -> Result<PathBuf, LedgerError> {
        let aside = self.aside.join("file");
        let write = || -> io::Result<()> {
            self.hazards.before(Step::AsideWrite, path)?;
            let mut file = File::create(&aside)?;
            file.write_all(bytes)?;
            if sync { file.sync_all() } else { Ok(()) }
        };
        write().map_err(LedgerError::file("write", path))?;
        Ok(aside)
    }

    fn rename(&mut self, aside: &Path, path: &Path) -> Result<(), LedgerError> {
        let folder = path.parent().unwrap_or(&self.root);
        if !self.known_folders.contains(folder) {
            fs::create_dir_all(folder).map_err(LedgerError::file("create", folder))?;
            if self.known_folders.len() == KNOWN_FOLDERS_MAX {
                self.known_folders.clear();
            }
            self.known_folders.insert(folder.to_owned());
        }
        self.hazards
            .before(Step::Rename, path)
            .and_then(|()| fs::rename(aside, path))
            .map_err(LedgerError::file("put in place", path))
    }

    /// Makes everything put so far durable, but for what lies in folders about to be pruned: the
    /// files, then every folder that names them.
    pub(crate) fn sync(&mut self, but_for: &[PathBuf]) -> Result<(), LedgerError> {
        let but_for: HashSet<&Path> = but_for.iter().map(PathBuf::as_path).collect();
        let lasting = |file: &&PathBuf| file.parent().is_none_or(|folder| !but_for.contains(folder));
        let files: BTreeSet<PathBuf> = self.unsynced.iter().filter(lasting).cloned().collect();
        let mut folders = BTreeSet::new();
        for file in &files {
            let ancestors = file.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root));
            folders.extend(ancestors.map(Path::to_owned));
        }
        self.sync_all(files)?;
        self.sync_all(folders)?;
        self.unsynced.clear();
        Ok(())
    }

    fn sync_all(&self, paths: BTreeSet<PathBuf>) -> Result<(), LedgerError> {
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        let share = paths.len().div_ceil(SYNC_THREADS).max(1);
        thread::scope(|scope| {
            let workers: Vec<_> = paths.chunks(share).map(|chunk| scope.spawn(|| self.sync_each(chunk))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("syncing does not panic"))
        })
    }

    fn sync_each(&self, paths: &[PathBuf]) -> Result<(), LedgerError> {
        for path in paths {
            self.hazards.before(Step::SettleSync, path).map_err(LedgerError::file("sync", path))?;
            match File::open(path) {
                Ok(file) => file.sync_all().map_err(LedgerError::file("sync", path))?,
                // A partial tile that was full, and pruned, before it was ever settled.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LedgerError::file("open", path)(error)),
            }
        }
        Ok(())
    }

    /// Removes a folder of partial tiles. Absent is fine.
    pub(crate) fn prune(&mut self, folder: &Path) -> Result<(), LedgerError> {
        let removed = self.hazards.before(Step::Prune, folder).and_then(|()| fs::remove_dir_all(folder));
        self.known_folders.remove(folder);
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LedgerError::file("remove", folder)(error)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LedgerError::file("sync", folder))
}

/// Writes a file durably outside a ledger's own folder (a witness's record, an anchor's receipt, a cosignature that is
/// carried): aside, then in its place.
///
/// # Errors
/// The folder cannot be made, or the file not be written.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(LedgerError::file("create", folder))?;
    let aside = path.with_extension("aside");
    let write = || -> io::Result<()> {
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(LedgerError::file("write", path))?;
    sync_folder(folder)
}
