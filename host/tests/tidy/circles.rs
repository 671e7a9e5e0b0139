//! Files that import each other, by whatever way round: `use` and inline paths, followed through re-exports.
//! Cycles of whole modules are found in `main`.

use crate::File;
use crate::code::{begins_word, word_at};
use std::collections::{BTreeMap, BTreeSet};

/// The one folder whose files may import each other: the state of a guest's store holds what each WASI interface keeps
/// there, and each interface is implemented for that state. wasmtime has the same shape between context and views.
const ALLOWED: &str = "sandbox/guest/";

/// Complains about every file of a circle outside of the folder that is allowed one.
pub(crate) fn check_circles(files: &[File]) -> Vec<String> {
    let tree = Tree::new(files);
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.code.is_empty()) {
        let paths = paths(&file.code, "crate::");
        let known = paths.iter().filter_map(|path| tree.resolve(path, MAX_REEXPORTS));
        edges.insert(&file.path, known.filter(|path| *path != file.path).collect());
    }
    // A file that imports nothing that is left, or that nothing left imports, is in no circle.
    loop {
        let imported: BTreeSet<&str> = edges.values().flatten().copied().collect();
        let is_free = |path: &&str, to: &BTreeSet<&str>| {
            !imported.contains(path) || !to.iter().any(|to| edges.contains_key(to))
        };
        let Some(free) = edges.iter().find(|(path, to)| is_free(path, to)).map(|(path, _)| *path) else {
            break;
        };
        edges.remove(free);
        edges.values_mut().for_each(|to| {
            to.remove(free);
        });
    }
    let outside = edges.iter().filter(|(path, _)| !path.starts_with(ALLOWED));
    outside
        .map(|(path, to)| {
            let to: Vec<&str> = to.iter().copied().collect();
            format!("{path}: in a circle of imports by way of {}", to.join(", "))
        })
        .collect()
}

/// How many re-exports are followed; more would be a circle of their own.
const MAX_REEXPORTS: u32 = 8;

/// The files of the crate by the paths of their modules, and what each re-exports.
struct Tree<'f> {
    files: BTreeMap<Vec<&'f str>, &'f File>,
    reexports: BTreeMap<&'f str, Vec<Vec<String>>>,
}

impl<'f> Tree<'f> {
    fn new(files: &'f [File]) -> Self {
        let path = |file: &'f File| {
            let path = file.path.trim_end_matches(".rs");
            let path = path.strip_suffix("/mod").unwrap_or(path);
            path.split('/').filter(|name| *name != "lib").collect::<Vec<_>>()
        };
        let reexports = files.iter().map(|file| (file.path.as_str(), reexported(&file.code)));
        Self { files: files.iter().map(|file| (path(file), file)).collect(), reexports: reexports.collect() }
    }

    /// The file that defines what a path from the crate's root names.
    fn resolve(&self, path: &[String], most: u32) -> Option<&'f str> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let (module, file) =
            (1..=names.len()).rev().find_map(|len| self.files.get_key_value(names.get(..len)?))?;
        let Some(item) = path.get(module.len()) else {
            return Some(&file.path);
        };
        let exported = self.reexports.get(file.path.as_str()).into_iter().flatten();
        let mut target = exported.filter(|exported| exported.last() == Some(item));
        match target.next() {
            Some(target) if most > 0 => {
                let own = module.iter().map(|name| (*name).to_owned());
                let whole: Vec<String> = match target.first().map(String::as_str) {
                    Some("crate") => target.iter().skip(1).cloned().collect(),
                    _ => own.chain(target.iter().cloned()).collect(),
                };
                self.resolve(&whole, most - 1)
            }
            _ => Some(&file.path),
        }
    }
}

/// The paths of `pub use` and `pub(crate) use`, each with the name that it gives.
fn reexported(code: &str) -> Vec<Vec<String>> {
    let begins = ["pub use ", "pub(crate) use ", "pub(super) use "];
    begins.iter().flat_map(|begin| paths(code, begin)).collect()
}

/// The paths that follow a text, each name of a group on its own.
fn paths(code: &str, begin: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(begin).filter(|(at, _)| begins_word(code, *at)) {
        let mut rest = &code[at + begin.len()..];
        let mut path = Vec::new();
        loop {
            let word = word_at(rest);
            if word.is_empty() {
                break;
            }
            path.push(word.to_owned());
            rest = &rest[word.len()..];
            let Some(next) = rest.strip_prefix("::") else { break };
            rest = next;
        }
        match rest.strip_prefix('{').and_then(|group| group.split_once('}')) {
            Some((group, _)) => {
                let names = group.split(',').map(str::trim).filter(|name| !name.is_empty());
                found.extend(names.map(|name| [path.clone(), vec![word_at(name).to_owned()]].concat()));
            }
            None => found.push(path),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Vec<File> {
        texts.iter().map(|(path, text)| File::new(path, text)).collect()
    }

    #[test]
    fn a_circle_is_found_through_the_door_of_a_module() {
        let complaints = check_circles(&files(&[
            ("a/mod.rs", "mod b;\nmod c;\npub use b::{B, Other};\n"),
            ("a/b.rs", "use crate::a::c::C;\n"),
            ("a/c.rs", "use crate::a::B;\n"),
            ("d.rs", "use crate::a::B;\n"),
        ]));
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].starts_with("a/b.rs: in a circle of imports by way of a/c.rs"));
    }

    #[test]
    fn a_chain_is_no_circle() {
        let chain =
            files(&[("a.rs", "use crate::b::B;\n"), ("b.rs", "fn f() { crate::c::g() }\n"), ("c.rs", "\n")]);
        assert!(check_circles(&chain).is_empty());
    }
}
