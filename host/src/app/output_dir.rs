//! Writes files into the folder of `--output-dir`: each as a whole, and none outside, whatever lies there.
//! `output_files` names them.

use crate::model::FilePath;
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, access, fchmod, fstat, mkdirat, open, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::fs;
use std::fs::File;
use std::io;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Flags of every folder and file that is opened: no link is followed.
const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Size of the parts in which a file is compared.
const PART: usize = 64 << 10;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is new or was replaced.
    Written,
    /// It had the content already.
    Unchanged,
}

/// What is to be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder with files.
    Folder,
}

/// A folder that output files are written into.
pub(crate) struct OutputDir {
    root: OwnedFd,
    /// The folder of the last file, by its path.
    last: Option<(String, OwnedFd)>,
    /// A number that temporary files have in their names.
    seed: u64,
}

impl OutputDir {
    /// Opens the folder; makes it if it is not there. Links on the way to it are followed: the user named it.
    pub(crate) fn open(path: &Path, seed: u64) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let root = open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root, last: None, seed })
    }

    /// Writes a file beside its place and moves it there, unless it has the content already.
    pub(crate) fn write(&mut self, path: &FilePath, content: &[u8]) -> io::Result<Change> {
        let (parent, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let seed = self.seed;
        let folder = self.folder(parent)?;
        let mode = match existing(folder, name)? {
            Some(file) if is_equal(&file, content)? => return Ok(Change::Unchanged),
            Some(file) => Some(Mode::from_raw_mode(fstat(&file)?.st_mode & 0o777)),
            None => None,
        };
        let temporary = format!(".cascade-{seed:016x}.part");
        let written = self::write(folder, &temporary, (content, mode));
        let moved = written.and_then(|()| Ok(renameat(folder, &*temporary, folder, name)?));
        // The error counts, not that of removing what may not have been made.
        moved.inspect_err(|_| unlinkat(folder, &*temporary, AtFlags::empty()).unwrap_or_default())?;
        Ok(Change::Written)
    }

    fn folder(&mut self, path: &str) -> io::Result<&OwnedFd> {
        if path.is_empty() {
            return Ok(&self.root);
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let mut found: Option<OwnedFd> = None;
            for name in path.split('/') {
                found = Some(enter(found.as_ref().unwrap_or(&self.root), name)?);
            }
            self.last = found.map(|found| (path.to_owned(), found));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, folder)| folder))
    }
}

/// Returns why a file could not be written, as far as that is known before anything is: a link or a file on the way to
/// it, a folder in its place, or a folder that nobody may write to.
pub(crate) fn obstacle(dir: &Path, path: &FilePath, kind: Kind) -> Option<(PathBuf, io::Error)> {
    let is_file = kind == Kind::File;
    let folders: Vec<&str> = path.folders().collect();
    let fault = |at: PathBuf, reason: &'static str| Some((at, io::Error::other(reason)));
    for folder in folders.iter().rev() {
        let at = dir.join(folder);
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_symlink() => return fault(at, LINK),
            Ok(_) => return fault(at, NO_FOLDER),
            Err(_) => return None, // will be made
        }
    }
    let at = dir.join(path.as_str());
    match fs::symlink_metadata(&at) {
        Ok(found) if found.is_symlink() => fault(at, LINK),
        Ok(found) if found.is_dir() && is_file => fault(at, NO_FILE),
        Ok(found) if !found.is_dir() && !is_file => fault(at, NO_FOLDER),
        Ok(found) if !found.is_dir() && !found.is_file() => fault(at, NO_FILE),
        Ok(_) | Err(_) => None,
    }
}

/// Returns whether this process may make files in a folder.
pub(crate) fn is_writable(dir: &Path) -> bool {
    access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

const LINK: &str = "it is a link, which the host does not follow here; remove it, or name another folder";
const NO_FOLDER: &str = "it is no folder; remove it, or name another folder";
const NO_FILE: &str = "it is no regular file; remove it, or name another folder";

/// Opens a folder in another one; makes it if it is not there.
fn enter(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let open = || openat(folder, name, FLAGS | OFlags::DIRECTORY, Mode::empty());
    let opened = match open() {
        Err(Errno::NOENT) => {
            match mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {} // another host may write the same files
                Err(error) => return Err(error.into()),
            }
            open()
        }
        other => other,
    };
    opened.map_err(|error| match error {
        // A link to a folder is no folder either.
        Errno::LOOP => io::Error::other(LINK),
        Errno::NOTDIR => io::Error::other(NO_FOLDER),
        other => other.into(),
    })
}

/// Opens the file that is there; none if there is none or it cannot be read.
fn existing(folder: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let file = match openat(folder, name, FLAGS | OFlags::RDONLY, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::ACCESS) => return Ok(None),
        Err(Errno::LOOP) => return Err(io::Error::other(LINK)),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(NO_FILE));
    }
    Ok(Some(file))
}

fn is_equal(mut file: &File, content: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() != u64::try_from(content.len()).unwrap_or(u64::MAX) {
        return Ok(false);
    }
    let mut part = vec![0; PART.min(content.len())];
    for expected in content.chunks(PART) {
        let Some(part) = part.get_mut(..expected.len()) else { return Ok(false) };
        match file.read_exact(part) {
            Ok(()) if part == expected => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn write(folder: &OwnedFd, name: &str, (content, mode): (&[u8], Option<Mode>)) -> io::Result<()> {
    let flags = FLAGS | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut file = File::from(openat(folder, name, flags, Mode::from_raw_mode(0o666))?);
    if let Some(mode) = mode {
        fchmod(&file, mode)?;
    }
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    #[test]
    fn files_are_written_once_and_keep_their_rights() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("a/b");
        let mut dir = OutputDir::open(&root, 1).unwrap();
        assert_eq!(dir.write(&path("x/y"), b"1").unwrap(), Change::Written);
        assert_eq!(dir.write(&path("x/y"), b"1").unwrap(), Change::Unchanged);
        fs::set_permissions(root.join("x/y"), fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(dir.write(&path("x/y"), b"2").unwrap(), Change::Written);
        assert_eq!(fs::read(root.join("x/y")).unwrap(), b"2");
        assert_eq!(fs::metadata(root.join("x/y")).unwrap().permissions().mode() & 0o777, 0o750);
        let large = vec![7; PART * 2 + 1];
        assert_eq!(dir.write(&path("large"), &large).unwrap(), Change::Written);
        assert_eq!(dir.write(&path("large"), &large).unwrap(), Change::Unchanged);
        let names: Vec<_> =
            fs::read_dir(root.join("x")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["y"], "nothing temporary stays");
    }

    #[test]
    fn no_link_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, outside) = (scratch.path().join("root"), scratch.path().join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "old").unwrap();
        symlink(&outside, root.join("folder")).unwrap();
        symlink(outside.join("file"), root.join("link")).unwrap();
        fs::create_dir(root.join("inner")).unwrap();
        fs::write(root.join("plain"), "").unwrap();
        let mut dir = OutputDir::open(&root, 1).unwrap();
        let (file, folder) = (Kind::File, Kind::Folder);
        for (name, kind) in
            [("folder/file", file), ("link", file), ("inner", file), ("plain/x", file), ("plain", folder)]
        {
            assert!(obstacle(&root, &path(name), kind).is_some(), "{name}");
            if kind == file {
                dir.write(&path(name), b"new").unwrap_err();
            }
        }
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
        assert!(
            obstacle(&root, &path("inner/x"), file).is_none()
                && obstacle(&root, &path("plain"), file).is_none()
        );
    }
}
