//! Reads `read` and `write` grants: folders of the host, with their paths in the sandbox.
//! `app/grants` checks that the folders exist.

use crate::manifest::Preopen;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{filled, list};
use crate::manifest::table::Slot;
use crate::model::{Fault, Spanned};
use std::collections::HashMap;

/// Mount modes of other tools, such as docker, rooted after a folder.
const MODES: [&str; 4] = ["ro", "rw", "z", "Z"];

/// Reads a list of `host` or `host:guest`.
pub(crate) fn preopens(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<Spanned<Preopen>>> {
    list(reader, slot, preopen)
}

fn preopen(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Preopen>> {
    let Spanned { value: text, span } = filled(reader, slot)?;
    match read(&text) {
        Ok((host, guest)) => {
            let host = reader.join(&remove_dots(host));
            Some(Spanned::new(Preopen { host, guest: normalized(guest) }, span))
        }
        Err((message, help)) => reader.fault(Fault::spanned(span, message).help(help)),
    }
}

/// Splits a folder from its path in the sandbox. On failure, returns the message and the help.
fn read(text: &str) -> Result<(&str, &str), (String, String)> {
    let forms = || "write `\"folder\"` or `\"folder:/path/in/the/sandbox\"`".to_owned();
    if let Some((folder, mode)) = text.rsplit_once(':')
        && mode.split(',').all(|mode| MODES.contains(&mode))
    {
        let key = if mode.split(',').any(|mode| mode == "rw") { "write" } else { "read" };
        let message = format!("the keys `read` and `write` set the access to a folder, not `:{mode}`");
        return Err((message, format!("write `{key} = [\"{}\"]`", folder.escape_debug())));
    }
    let (host, guest) = text.split_once(':').map_or((text, None), |(host, guest)| (host, Some(guest)));
    let parts = || [Some(host), guest].into_iter().flatten();
    if guest.is_some_and(|guest| guest.contains(':')) {
        return Err(("a grant has at most one `:`, before the path in the sandbox".to_owned(), forms()));
    }
    if parts().any(str::is_empty) {
        return Err(("a path is missing before or after the `:`".to_owned(), forms()));
    }
    if parts().any(|part| part.trim() != part) {
        return Err(("a path cannot start or end with a space".to_owned(), forms()));
    }
    if host == "~" || host.starts_with("~/") {
        return Err(("`~` is not expanded".to_owned(), "write the absolute path".to_owned()));
    }
    if let Some(guest) = guest.filter(|guest| guest.split('/').any(|segment| segment == "..")) {
        let guest = normalized(&format!("/{guest}"));
        let help = format!("write `\"{}:{}\"`", host.escape_debug(), guest.escape_debug());
        return Err(("a path in the sandbox cannot contain `..`".to_owned(), help));
    }
    Ok((host, guest.unwrap_or(host)))
}

/// Removes empty and `.` segments; `..` stays, since a link may precede it.
fn remove_dots(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    rooted(path, &segments)
}

/// Normalises a path in the sandbox, as guests compare it. The path does not exist on disk yet, so `..` can be
/// resolved too where a segment precedes it.
fn normalized(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match (segment, segments.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                segments.pop();
            }
            ("..", None) if path.starts_with('/') => {}
            _ => segments.push(segment), // a name, or a `..` at the start of a relative path
        }
    }
    rooted(path, &segments)
}

fn rooted(path: &str, segments: &[&str]) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let path = format!("{root}{}", segments.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Rejects two folders with the same path in the sandbox, and folders granted twice. A writable folder is readable as
/// well, so it is removed from `read`.
pub(crate) fn reject_duplicates(
    reader: &mut Reader<'_>,
    read: &mut Vec<Spanned<Preopen>>,
    write: &[Spanned<Preopen>],
) {
    let mut earlier: HashMap<&str, (usize, &Spanned<Preopen>)> = HashMap::new();
    for (index, preopen) in read.iter().chain(write).enumerate() {
        let Some((earlier_index, earlier)) = earlier.insert(name(preopen), (index, preopen)) else {
            continue;
        };
        let guest = &preopen.value.guest;
        let fault = |message| {
            Fault::spanned(preopen.span.clone(), message).related(earlier.span.clone(), "first here")
        };
        if earlier.value.host != preopen.value.host {
            let fault = fault(format!("two folders have the path `{guest}` in the sandbox"));
            reader.fault::<()>(fault.help("give one of the two another path, as `\"folder:/other\"`"));
        // The same folder in `read` and in `write` is allowed.
        } else if (earlier_index < read.len()) == (index < read.len()) {
            let fault = fault(format!("the folder `{guest}` is granted twice"));
            reader.fault::<()>(fault.help("keep one of the two"));
        }
    }
    let is_written = |granted: &Spanned<Preopen>| {
        write.iter().any(|other| name(other) == name(granted) && other.value.host == granted.value.host)
    };
    read.retain(|granted| !is_written(granted));
}

/// Returns the name by which guests find a folder: most language libraries treat `/data` and `data` alike.
fn name(preopen: &Spanned<Preopen>) -> &str {
    match preopen.value.guest.trim_start_matches('/') {
        "." => "",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_paths_are_normalized() {
        for (written, expected) in [
            ("data", "data"),
            ("./data/", "data"),
            ("/m/", "/m"),
            ("//x", "/x"),
            ("/a/./b//c", "/a/b/c"),
            ("a/../b", "b"),
            ("../data", "../data"),
            ("../../a/..", "../.."),
            ("/../a", "/a"),
            ("./", "."),
            ("/", "/"),
        ] {
            assert_eq!(normalized(written), expected, "{written}");
        }
        assert_eq!(remove_dots("./a/../b//"), "a/../b");
    }
}
