//! Opens what a path that a user has given leads to, without waiting for somebody who may never come.
//! How much of it is read, and what it means, is for whoever asks.

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::io::Errno;
use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The names of this process's own input.
const STDIN: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Opens a file to be read. Pipes are taken where somebody has opened them for this process: `/dev/stdin`, and the
/// `/dev/fd/63` of a shell's `<(…)`.
pub fn open_input(path: &Path) -> io::Result<File> {
    require_readable(path, &fs::metadata(path)?)?;
    // Where something else stands by now, that is not waited for either; nor is a pipe whose writers have all gone.
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
    let refused = match (kind.is_fifo(), kind.is_socket()) {
        (true, _) if !is_handed_over(path) => {
            "it is a named pipe; give a file, or /dev/stdin, or `<(command)` where the shell knows that"
        }
        (_, true) if !is_stdin(path) => "it is a socket; give a file, or /dev/stdin",
        _ => return Ok(()), // a file, or whatever reading says
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, refused))
}

fn is_stdin(path: &Path) -> bool {
    STDIN.iter().any(|name| path == Path::new(name))
}

/// Whether a path names what this process, or another, has open.
fn is_handed_over(path: &Path) -> bool {
    let is_of_process =
        || path.starts_with("/proc") && path.parent().is_some_and(|folder| folder.ends_with("fd"));
    is_stdin(path) || path.starts_with("/dev/fd") || is_of_process()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::process::Command;

    #[test]
    fn what_may_never_come_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::os::unix::fs::symlink(&pipe, folder.path().join("link")).unwrap();
        for (name, says) in [("pipe", "named pipe"), ("link", "named pipe"), ("socket", "socket")] {
            let error = open_input(&folder.path().join(name)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(open_input(Path::new("/dev/null")).is_ok());
        assert!(!is_handed_over(Path::new("/dev/shm/pipe")) && is_handed_over(Path::new("/proc/7/fd/3")));
    }

    #[test]
    fn a_pipe_that_somebody_has_opened_is_read_also_when_its_writer_has_gone() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"text").unwrap();
        drop(writer);
        let mut text = String::new();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        open_input(Path::new(&path)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
