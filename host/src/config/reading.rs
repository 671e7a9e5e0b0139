//! Reads what a path that a user has given leads to: whole, and within a bound.
//! Nobody is waited for who may never come: `model` opens it. What the bytes mean is for whoever reads.

use crate::config::{Patient, Stream};
use crate::model::{Size, open_input, other_encoding, without_mark};
use std::io;
use std::io::Read as _;
use std::path::Path;

/// Maximum size of a value, manifest or settings file. Bounds the cost of an endless file.
const MOST: Size = Size::bytes(1 << 30);

/// Where the system itself has its files and pipes: `/dev/stdin`, and the `/dev/fd/63` of a shell's `<(…)`.
const OF_SYSTEM: [&str; 2] = ["/dev/fd", "/proc"];

/// The names of stdin.
const OF_STDIN: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Reads a file up to the general size limit.
pub fn read_input(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, MOST)
}

/// The same, as text without a byte order mark.
pub fn read_text(path: &Path) -> io::Result<String> {
    as_text(read_input(path)?)
}

/// The text that a file has, without the byte order mark that some editors begin it with.
pub fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    let not_text = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    if let Some(encoding) = other_encoding(&bytes) {
        return Err(not_text(format!("it is {encoding} text; save it as UTF-8")));
    }
    let text = String::from_utf8(bytes).map_err(|_| not_text("it is not UTF-8 text".to_owned()))?;
    match without_mark(&text) {
        rest if rest.len() < text.len() => Ok(rest.to_owned()),
        _ => Ok(text), // it has no mark
    }
}

/// Reads at most `most` bytes. A larger file is an error of kind [`io::ErrorKind::FileTooLarge`].
pub fn read_at_most(path: &Path, most: Size) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most}"));
    if OF_STDIN.iter().any(|name| path == Path::new(name)) && Stream::Stdin.is_closed() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "stdin is closed"));
    }
    let file = open_input(path)?;
    let found = file.metadata()?;
    if found.len() > most.as_bytes() {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(Size::bytes(found.len()).as_usize());
    // A pipe has no length, and a file may grow.
    Patient(file).take(most.as_bytes().saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most.as_usize() { Err(too_large()) } else { Ok(bytes) }
}

/// The folder that paths in a file start from: the file's own; that of this process for what comes by `/dev/stdin`, a
/// descriptor or a pipe, which have no folder of their own.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !is_of_system(path) => folder,
        _ => Path::new("."), // a file of this folder, or none at all
    }
}

fn is_of_system(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    // Folders below `/dev`, such as `/dev/shm`, are folders like others.
    folder.is_ok_and(|folder| {
        folder == Path::new("/dev") || OF_SYSTEM.iter().any(|system| folder.starts_with(system))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn descriptors_have_the_folder_of_the_process() {
        for path in
            ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/dev/./stdin", "m.toml", "/dev/../dev/stdin"]
        {
            assert_eq!(folder_of(Path::new(path)), Path::new("."), "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(folder_of(&folder.path().join("m.toml")), folder.path());
        assert_eq!(folder_of(Path::new("/dev/shm/m.toml")), Path::new("/dev/shm"));
        assert_eq!(folder_of(Path::new("no-such-folder/m.toml")), Path::new("no-such-folder"));
    }

    #[test]
    fn a_byte_order_mark_is_left_out_or_names_the_encoding() {
        assert_eq!(as_text("\u{feff}a = 1".into()).unwrap(), "a = 1");
        assert_eq!(as_text("a".into()).unwrap(), "a");
        for (bytes, said) in
            [(&b"\xff\xfea\0"[..], "UTF-16"), (b"\xfe\xff\0a", "UTF-16"), (b"caf\xe9", "not UTF-8")]
        {
            assert!(as_text(bytes.into()).unwrap_err().to_string().contains(said));
        }
    }

    #[test]
    fn what_does_not_end_or_does_not_begin_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_at_most(&path, Size::bytes(10)).unwrap(), [7; 10]);
        for (path, most) in [(path.as_path(), 9), (Path::new("/dev/zero"), 1 << 20)] {
            let error = read_at_most(path, Size::bytes(most)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        }
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let error = read_input(&pipe).unwrap_err();
        assert!(error.to_string().contains("named pipe"), "{error}");
        assert_eq!(read_input(Path::new("/dev/null")).unwrap(), b"");
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("limits")
            .section("Limits of a host")
            .line("a manifest, params or data file")
            .cell(1)
            .says(&MOST.to_string());
        Page::of("manifest").section("The file").line("size").cell(1).says(&MOST.to_string());
        Page::of("cli").section("Files").says(&MOST.to_string());
    }
}
