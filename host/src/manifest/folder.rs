//! `read` and `write` of grants: folders of the host, and what a guest calls them.
//! Whether a folder is there is seen when the manifest is checked.

use crate::manifest::Preopen;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{filled, list};
use crate::manifest::table::Slot;
use crate::model::{Fault, Spanned};
use std::collections::HashMap;

/// What other tools write behind a folder.
const MODES: [&str; 4] = ["ro", "rw", "z", "Z"];

/// A list of `host` or `host:guest`.
pub(crate) fn preopens(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<Spanned<Preopen>>> {
    list(reader, slot, preopen)
}

fn preopen(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Preopen>> {
    let Spanned { value: text, span } = filled(reader, slot)?;
    match read(&text) {
        Ok((host, guest)) => {
            let host = reader.join(&without_dots(host));
            Some(Spanned::new(Preopen { host, guest: normal(guest) }, span))
        }
        Err((message, help)) => reader.fault(Fault::spanned(span, message).help(help)),
    }
}

/// A folder and its name in the sandbox; else what is wrong, and what to do.
fn read(text: &str) -> Result<(&str, &str), (String, String)> {
    let forms = || "write `\"folder\"` or `\"folder:/path/in/the/sandbox\"`".to_owned();
    if let Some((folder, mode)) = text.rsplit_once(':')
        && mode.split(',').all(|mode| MODES.contains(&mode))
    {
        let key = if mode.split(',').any(|mode| mode == "rw") { "write" } else { "read" };
        let message = format!("`read` and `write` say what a guest may do with a folder, not `:{mode}`");
        return Err((message, format!("write `{key} = [\"{}\"]`", folder.escape_debug())));
    }
    let (host, guest) = text.split_once(':').map_or((text, None), |(host, guest)| (host, Some(guest)));
    let parts = || [Some(host), guest].into_iter().flatten();
    if guest.is_some_and(|guest| guest.contains(':')) {
        return Err(("a path has at most one `:`, before its name in the sandbox".to_owned(), forms()));
    }
    if parts().any(str::is_empty) {
        return Err(("a path stands on both sides of the `:`".to_owned(), forms()));
    }
    if parts().any(|part| part.trim() != part) {
        return Err(("a path neither begins nor ends with a space".to_owned(), forms()));
    }
    if host == "~" || host.starts_with("~/") {
        return Err(("no folder is found by `~`".to_owned(), "write its whole path".to_owned()));
    }
    if let Some(guest) = guest.filter(|guest| guest.split('/').any(|segment| segment == "..")) {
        let guest = normal(&format!("/{guest}"));
        let help = format!("write `\"{}:{}\"`", host.escape_debug(), guest.escape_debug());
        return Err(("the name of a folder in the sandbox has no `..`".to_owned(), help));
    }
    Ok((host, guest.unwrap_or(host)))
}

/// A path without segments that lead nowhere; `..` stays, since links may lie before it.
fn without_dots(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    written(path, &segments)
}

/// A name in the sandbox as guests compare it: nothing lies behind it before the guest runs, so that `..` goes too, as
/// far as there is something to leave.
fn normal(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match (segment, segments.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                segments.pop();
            }
            ("..", None) if path.starts_with('/') => {}
            _ => segments.push(segment), // a name, or a `..` at the beginning of a relative path
        }
    }
    written(path, &segments)
}

fn written(path: &str, segments: &[&str]) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let path = format!("{root}{}", segments.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Two folders cannot have one name in the sandbox, nor one folder twice. One that may be written may be read as well: it
/// is not needed in `read`, and taken out there.
pub(crate) fn refuse_shadowed(
    reader: &mut Reader<'_>,
    read: &mut Vec<Spanned<Preopen>>,
    write: &[Spanned<Preopen>],
) {
    let mut earlier: HashMap<&str, (usize, &Spanned<Preopen>)> = HashMap::new();
    for (at, preopen) in read.iter().chain(write).enumerate() {
        let Some((earlier_at, earlier)) = earlier.insert(name(preopen), (at, preopen)) else { continue };
        let guest = &preopen.value.guest;
        let fault = |message| {
            Fault::spanned(preopen.span.clone(), message).related(earlier.span.clone(), "the first one")
        };
        if earlier.value.host != preopen.value.host {
            let fault = fault(format!("two folders are called `{guest}` in the sandbox"));
            reader.fault::<()>(fault.help("give one of them another name, as `\"folder:/other\"`"));
        } else if (earlier_at < read.len()) == (at < read.len()) {
            let fault = fault(format!("the folder `{guest}` is granted twice"));
            reader.fault::<()>(fault.help("keep one of the two"));
        }
    }
    let is_written = |granted: &Spanned<Preopen>| {
        write.iter().any(|other| name(other) == name(granted) && other.value.host == granted.value.host)
    };
    read.retain(|granted| !is_written(granted));
}

/// What a guest finds a folder by: to the libraries of most languages, `/data` and `data` are one.
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
    fn names_in_the_sandbox_have_one_form() {
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
            assert_eq!(normal(written), expected, "{written}");
        }
        assert_eq!(without_dots("./a/../b//"), "a/../b");
    }
}
