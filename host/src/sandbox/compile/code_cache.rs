//! Cache of compiled code: sealed files in a private folder, so that later processes need not compile again.
//! `eviction` bounds the folder; `load` decides when to look a component up; `cache` keeps results of tasks.

use crate::model::{Digest, Digester, SystemClock, secret};
use crate::sandbox::compile::turn::Turn;
use crate::sandbox::compile::{eviction, trusted};
use crate::sandbox::scratch;
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use std::fs;
use std::io;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Name of the file with the folder's secret. Anyone who reads it can forge code, so only the owner may.
const SECRET: &str = "secret";

/// Permission bits of everyone but the owner: any of them, and those to write.
const OTHERS_ACCESS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Maximum number of bytes read from a seal or a secret, which have 32.
const MAX_SEAL_LEN: u64 = 64;

/// Timestamps that set a file's last use to now, in the form of the system call.
const NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// An opened cache folder with its secret.
pub(crate) struct CodeCache {
    folder: PathBuf,
    secret: [u8; 32],
    /// Reason why the folder cannot be written; none if it can.
    unwritable: Option<io::Error>,
}

/// A cached file of code whose seal was verified.
pub(crate) struct CachedCode(PathBuf);

/// Reasons to refuse a folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the path is not a folder; set `CASCADE_CODE_CACHE` to a folder of your own")]
    NotFolder,
    #[error(
        "the path is a symbolic link, which others could redirect; set `CASCADE_CODE_CACHE` to the folder itself"
    )]
    Link,
    #[error(
        "other users may write to the folder (mode {0:o}); give it the mode 700, or set `CASCADE_CODE_CACHE` to another"
    )]
    Rights(u32),
    #[error("the folder belongs to another user; set `CASCADE_CODE_CACHE` to a folder of your own")]
    Owner,
    #[error(
        "its file `{SECRET}` is readable by other users, or damaged; remove the folder, or set `CASCADE_CODE_CACHE` \
             to another"
    )]
    Secret,
    #[error("{}; {WRITABLE_HINT}", scratch::os_error_text(.0))]
    Io(#[from] io::Error),
}

/// Hint for a folder that cannot be written.
const WRITABLE_HINT: &str =
    "set `CASCADE_CODE_CACHE`, or `code-cache` in the settings file, to a writable folder with free space";

impl CodeCache {
    /// Opens a folder, and creates it if it is missing.
    ///
    /// Fails if anyone but its owner may write to it, or if it is a link or belongs to another user.
    pub(crate) fn open(folder: &Path) -> Result<Self, FolderError> {
        if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
            return Err(FolderError::Link);
        }
        // On a read-only file system the folder may exist already.
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let metadata = fs::symlink_metadata(folder)?;
        if !metadata.is_dir() {
            return Err(FolderError::NotFolder);
        }
        if metadata.mode() & OTHERS_WRITE != 0 {
            return Err(FolderError::Rights(metadata.mode() & 0o777));
        }
        let (own_uid, unwritable) = match NamedTempFile::new_in(folder) {
            Ok(probe) => (probe.as_file().metadata()?.uid(), None),
            Err(error) => (rustix::process::geteuid().as_raw(), Some(error)),
        };
        if own_uid != metadata.uid() {
            return Err(FolderError::Owner);
        }
        let path = folder.join(SECRET);
        // A dangling link counts as present.
        let is_missing =
            fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        match unwritable {
            Some(error) if is_missing => return Err(error.into()),
            None if is_missing => make_secret(folder, &path)?,
            _ => {} // the existing secret is read below
        }
        Ok(Self { folder: folder.to_owned(), secret: read_secret(&path)?, unwritable })
    }

    /// Returns the cached code of a component for engines with this id of code, if it is there and its seal is intact.
    pub(crate) fn get(&self, code_id: &str, digest: &Digest) -> Option<CachedCode> {
        let code = self.path(code_id, digest);
        let mut cached = Vec::new();
        open(&seal_path(&code)).ok()?.take(MAX_SEAL_LEN).read_to_end(&mut cached).ok()?;
        // All bytes are hashed before any is executed: a damaged file is compiled again.
        let mut file = open(&code).ok()?;
        let digest = Digest::of_reader(&mut file).ok()?;
        if *self.seal(&code, &digest).as_bytes() != *cached {
            return None;
        }
        Self::touch(&file);
        Some(CachedCode(code))
    }

    /// Marks a file as used: the least recently used one is evicted first. A failure only affects that order.
    pub(crate) fn touch(file: &fs::File) {
        rustix::fs::futimens(file, &NOW).ok();
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates a file in the folder for code being compiled. Dropping it deletes it.
    pub(crate) fn draft(&self) -> io::Result<NamedTempFile> {
        match &self.unwritable {
            None => NamedTempFile::new_in(&self.folder),
            Some(error) => Err(io::Error::new(error.kind(), scratch::os_error_text(error))),
        }
    }

    /// Takes the turn to compile a component for this folder, unless another host has it. Without it, both would compile.
    pub(crate) fn turn(&self, code_id: &str, digest: &Digest) -> io::Result<Option<Turn>> {
        Turn::take(&self.path(code_id, digest).with_extension("lock"))
    }

    /// Returns the warning that compiled code is not cached.
    pub(crate) fn not_cached(folder: &Path, reason: &dyn std::fmt::Display) -> String {
        format!("compiled code is not cached in `{}`: {reason}", folder.display())
    }

    /// Returns the warning that compiled code is not cached because the folder could not be written.
    pub(crate) fn write_failed(&self, error: &dyn std::fmt::Display) -> String {
        Self::not_cached(&self.folder, &format!("{}; {WRITABLE_HINT}", scratch::os_error_text(error)))
    }

    /// Adds the code in a draft to the cache.
    ///
    /// An error costs the next process the time to compile, and nothing else.
    pub(crate) fn store(
        &self,
        code_id: &str,
        digest: &Digest,
        draft: NamedTempFile,
    ) -> io::Result<CachedCode> {
        let code = self.path(code_id, digest);
        let mut file = draft.as_file();
        // The code is persisted before its seal: code without a seal is never used.
        file.rewind()?;
        let seal_digest = self.seal(&code, &Digest::of_reader(file)?);
        file.sync_all()?;
        draft.persist(&code)?;
        if let Err(error) = self.store_seal(&code, &seal_digest) {
            // Code without a seal is useless, and the disk is probably full.
            CachedCode(code).remove();
            return Err(error);
        }
        drop(eviction::prune(&self.folder, &SystemClock)); // a failed eviction is repeated with the next file
        Ok(CachedCode(code))
    }

    fn store_seal(&self, code: &Path, seal_digest: &Digest) -> io::Result<()> {
        let mut seal = self.draft()?;
        seal.write_all(seal_digest.as_bytes())?;
        seal.as_file().sync_all()?;
        seal.persist(seal_path(code))?;
        Ok(())
    }

    /// Computes the seal of a file, which requires the secret.
    ///
    /// The seal covers the file's name, so that no code passes for that of another component.
    fn seal(&self, code: &Path, digest: &Digest) -> Digest {
        let name = code.file_name().unwrap_or_default();
        let mut seal = Digester::new("cascade code 1");
        seal.field(&self.secret).field(name.as_encoded_bytes()).digest(digest);
        seal.finish()
    }

    /// Returns the file of a component's code. Engines of one kind of code share it.
    fn path(&self, code_id: &str, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{code_id}.code"))
    }
}

/// Returns the files of a folder of compiled code, with the components and notes in it; none if there is no such folder.
#[must_use]
pub fn code_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let is_secret = path.file_name().is_some_and(|name| name == SECRET);
        let known = ["code", "seal", "wasm", "note"];
        is_secret || path.extension().is_some_and(|extension| known.iter().any(|known| extension == *known))
    };
    paths.filter(is_ours).collect()
}

impl CachedCode {
    /// Returns the code, ready to be mapped into memory.
    pub(crate) fn verified(&self) -> trusted::Verified<'_> {
        trusted::Verified::vouch(&self.0)
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes the code and its seal.
    pub(crate) fn remove(self) {
        drop(fs::remove_file(seal_path(&self.0)));
        drop(fs::remove_file(&self.0));
    }
}

fn seal_path(code: &Path) -> PathBuf {
    code.with_extension("seal")
}

/// Opens a file of the folder for reading. Rejects links, and anything whose opening could block.
pub(crate) fn open(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Creates the secret. If several processes start at once, the first one wins.
fn make_secret(folder: &Path, path: &Path) -> Result<(), FolderError> {
    let bytes = secret().ok_or_else(|| io::Error::other("the system has no entropy"))?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error.into()),
    }
}

fn read_secret(path: &Path) -> Result<[u8; 32], FolderError> {
    let file = open(path).map_err(|_| FolderError::Secret)?;
    if file.metadata()?.mode() & OTHERS_ACCESS != 0 {
        return Err(FolderError::Secret);
    }
    let mut secret = Vec::new();
    file.take(MAX_SEAL_LEN).read_to_end(&mut secret)?;
    secret.try_into().map_err(|_| FolderError::Secret)
}
