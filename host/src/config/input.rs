//! Reads user-supplied files completely, up to a maximum size.
//! `model` opens them, and refuses pipes without a writer. The callers interpret the bytes.

use crate::config::{Blocking, Stream};
use crate::model::{Size, open_input, other_encoding, without_mark};
use std::io;
use std::io::Read as _;
use std::path::Path;

/// Maximum size of a value, manifest or settings file, and of the files of one pattern together. Bounds the cost of an endless file.
pub(crate) const MAX_INPUT: Size = Size::bytes(1 << 30);

/// Folders of descriptors: `/dev/stdin`, and `/dev/fd/63` of a shell's `<(…)`.
const DESCRIPTOR_FOLDERS: [&str; 2] = ["/dev/fd", "/proc"];

/// The paths of stdin.
const STDIN_PATHS: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Reads a file up to the general size limit.
pub(crate) fn read_input(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, MAX_INPUT)
}

/// Reads a text file up to the general size limit, without a byte order mark.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    as_text(read_input(path)?)
}

/// Converts the bytes of a file to text, without the byte order mark that some editors add.
pub(crate) fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    let not_text = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    if let Some(encoding) = other_encoding(&bytes) {
        return Err(not_text(format!("it is {encoding} text; save it as UTF-8")));
    }
    let text = String::from_utf8(bytes).map_err(|_| not_text("it is not UTF-8 text".to_owned()))?;
    match without_mark(&text) {
        rest if rest.len() < text.len() => Ok(rest.to_owned()),
        _ => Ok(text), // it has no mark
    }
}

/// Reads at most `max` bytes. A larger file is an error of kind [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_at_most(path: &Path, max: Size) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    append_at_most(path, max, &mut bytes)?;
    Ok(bytes)
}

/// Appends the content of one of several files to what was read of the others, all of them within the general size limit.
pub(crate) fn append_input(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    let used = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    append_at_most(path, Size::bytes(MAX_INPUT.as_bytes().saturating_sub(used)), bytes)
}

fn append_at_most(path: &Path, max: Size, bytes: &mut Vec<u8>) -> io::Result<()> {
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {max}"));
    if STDIN_PATHS.iter().any(|name| path == Path::new(name)) && Stream::Stdin.is_closed() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "stdin is closed"));
    }
    let file = open_input(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > max.as_bytes() {
        return Err(too_large());
    }
    bytes.reserve(Size::bytes(metadata.len()).as_usize());
    // A pipe has no length, and a file may grow.
    let read = Blocking(file).take(max.as_bytes().saturating_add(1)).read_to_end(bytes)?;
    if read > max.as_usize() { Err(too_large()) } else { Ok(()) }
}

/// Returns the folder that relative paths in a file start from: the file's own folder. For `/dev/stdin`, descriptors
/// and pipes, which have none, it is the working directory.
#[must_use]
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !is_descriptor(path) => folder,
        _ => Path::new("."), // a file in the working directory
    }
}

fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    // Folders below `/dev`, such as `/dev/shm`, are ordinary folders.
    folder.is_ok_and(|folder| {
        folder == Path::new("/dev") || DESCRIPTOR_FOLDERS.iter().any(|other| folder.starts_with(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn paths_from_descriptors_start_at_the_working_directory() {
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
    fn byte_order_mark_is_removed_or_names_the_encoding() {
        assert_eq!(as_text("\u{feff}a = 1".into()).unwrap(), "a = 1");
        assert_eq!(as_text("a".into()).unwrap(), "a");
        for (bytes, message) in
            [(&b"\xff\xfea\0"[..], "UTF-16"), (b"\xfe\xff\0a", "UTF-16"), (b"caf\xe9", "not UTF-8")]
        {
            assert!(as_text(bytes.into()).unwrap_err().to_string().contains(message));
        }
    }

    #[test]
    fn endless_files_and_pipes_without_writer_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_at_most(&path, Size::bytes(10)).unwrap(), [7; 10]);
        for (path, max) in [(path.as_path(), 9), (Path::new("/dev/zero"), 1 << 20)] {
            let error = read_at_most(path, Size::bytes(max)).unwrap_err();
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
    fn manual_states_the_bounds_of_this_file() {
        Page::of("limits")
            .section("Limits of a host")
            .line("a manifest, params or data file")
            .cell(1)
            .says(&MAX_INPUT.to_string());
        Page::of("manifest").section("The file").line("size").cell(1).says(&MAX_INPUT.to_string());
        Page::of("cli").section("Files").says(&MAX_INPUT.to_string());
    }
}
