//! Opens input files that the user names, without blocking on a pipe that has no writer.
//! Callers bound the size and parse the content.

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::io::Errno;
use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The paths of this process's own stdin.
const STDIN: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Opens a file for reading. A pipe must be open in a process already: `/dev/stdin`, or the `/dev/fd/63` of a shell's
/// `<(…)`.
pub fn open_input(path: &Path) -> io::Result<File> {
    require_readable(path, &fs::metadata(path)?)?;
    // NONBLOCK: the file may have been replaced by a pipe since the check, and the writers of a pipe may be gone.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket cannot be opened a second time.
        Err(Errno::NXIO) if is_stdin(path) => return Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
        Err(error) => return Err(error.into()),
    };
    require_readable(path, &file.metadata()?)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

fn require_readable(path: &Path, found: &fs::Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let reason = match (kind.is_fifo(), kind.is_socket()) {
        (true, _) if !is_open_descriptor(path) => {
            "it is a named pipe; pass a file, /dev/stdin, or `<(command)` if the shell supports it"
        }
        (_, true) if !is_stdin(path) => "it is a socket; pass a file or /dev/stdin",
        _ => return Ok(()), // files; reading anything else reports its own error
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

fn is_stdin(path: &Path) -> bool {
    STDIN.iter().any(|name| path == Path::new(name))
}

/// Returns whether a path names an open file descriptor of this or another process.
fn is_open_descriptor(path: &Path) -> bool {
    let is_in_proc =
        || path.starts_with("/proc") && path.parent().is_some_and(|folder| folder.ends_with("fd"));
    is_stdin(path) || path.starts_with("/dev/fd") || is_in_proc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::process::Command;

    #[test]
    fn named_pipes_and_sockets_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::os::unix::fs::symlink(&pipe, folder.path().join("link")).unwrap();
        for (name, message) in [("pipe", "named pipe"), ("link", "named pipe"), ("socket", "socket")] {
            let error = open_input(&folder.path().join(name)).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        assert!(open_input(Path::new("/dev/null")).is_ok());
        assert!(
            !is_open_descriptor(Path::new("/dev/shm/pipe")) && is_open_descriptor(Path::new("/proc/7/fd/3"))
        );
    }

    #[test]
    fn open_pipe_is_read_after_its_writer_has_gone() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"text").unwrap();
        drop(writer);
        let mut text = String::new();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        open_input(Path::new(&path)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
