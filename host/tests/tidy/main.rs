//! Structural rules that no compiler checks: imports between modules, file length, restricted names.
//! Each rule is a function from text to complaints, tested on text that breaks it. Style is left to clippy and
//! rustfmt.

#![expect(clippy::unwrap_used, reason = "a test that cannot read what it checks shall fail")]

mod broken;
mod circles;
mod code;

use crate::circles::check_circles;
use crate::code::begins_word;
use crate::code::code_of;
use crate::code::imports;
use crate::code::word_at;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Maximum number of names that a user of the library has to look through: those of the root and of `port`, where a
/// submodule counts as one.
const MAX_NAMES: usize = 110;

/// Maximum number of lines in a file.
const MAX_LINES: usize = 500;

/// Allowed imports of each module, as in ARCHITECTURE.md. Tests may import more, except [`STRANGERS`].
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("manifest", &["model"]),
    ("graph", &["model", "manifest"]),
    ("value", &["model"]),
    ("invoke", &["model", "value"]),
    ("builtin", &["model", "value", "invoke"]),
    ("plan", &["model", "manifest", "graph", "value", "builtin"]),
    ("state", &["model"]),
    ("cache", &["model", "state"]),
    ("events", &["model"]),
    ("sandbox", &["model", "value", "invoke", "state"]),
    ("engine", &["model", "plan", "value", "invoke", "state", "cache", "events"]),
    ("config", &["model", "state", "cache"]),
    ("fetch", &["model", "config", "sandbox"]),
    ("app", ALL_BUT_APP_AND_CLI),
    ("cli", ALL_BUT_CLI),
    ("api", ALL_BUT_CLI),
    ("internals", ALL_BUT_CLI),
];

const ALL_BUT_APP_AND_CLI: &[&str] = &[
    "model", "manifest", "graph", "value", "invoke", "builtin", "plan", "state", "cache", "events",
    "sandbox", "engine", "config", "fetch",
];

const ALL_BUT_CLI: &[&str] = &[
    "model", "manifest", "graph", "value", "invoke", "builtin", "plan", "state", "cache", "events",
    "sandbox", "engine", "config", "fetch", "app",
];

/// Modules that never import each other, not even in tests: the engine's tests run without wasm.
const STRANGERS: (&str, &str) = ("engine", "sandbox");

/// A name from outside the crate.
#[derive(Clone, Copy)]
enum Name {
    /// A crate, at the beginning of a path.
    Crate(&'static str),
    /// A macro, a type or a path, anywhere.
    Words(&'static str),
}

/// Whether tests may use a name anywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tests {
    Free,
    Bound,
}

/// Restricted names, each with the only modules that may use it.
const DOORS: &[(Name, &[&str], Tests)] = &[
    (Name::Crate("wasmtime"), &["sandbox"], Tests::Bound),
    (Name::Crate("wasmtime_wasi"), &["sandbox"], Tests::Bound),
    (Name::Crate("wasmtime_wasi_http"), &["sandbox"], Tests::Bound),
    (Name::Crate("wit_component"), &["sandbox/compile"], Tests::Free),
    (Name::Crate("wit_parser"), &["sandbox/compile"], Tests::Free),
    (Name::Crate("wit_bindgen_core"), &["sandbox/compile/bindings"], Tests::Bound),
    (Name::Crate("wit_bindgen_c"), &["sandbox/compile/bindings"], Tests::Bound),
    (Name::Crate("wit_bindgen_go"), &["sandbox/compile/bindings"], Tests::Bound),
    (Name::Crate("minijinja"), &["builtin/template"], Tests::Bound),
    (Name::Crate("redis"), &["state/redis/link"], Tests::Bound),
    (Name::Crate("rustls"), &["state/redis/link", "sandbox/guest/wasi/http"], Tests::Bound),
    (Name::Crate("tokio_rustls"), &["sandbox/guest/wasi/http"], Tests::Bound),
    (Name::Crate("hyper"), &["sandbox/guest/wasi/http"], Tests::Bound),
    (Name::Crate("toml_edit"), &["app/lock"], Tests::Bound),
    (Name::Crate("dagre"), &["cli/drawing/layout"], Tests::Bound),
    (Name::Crate("wac_graph"), &["sandbox/compile"], Tests::Bound),
    (Name::Words("std::env"), &["model", "config"], Tests::Free),
    (Name::Words("SystemTime"), &["model", "config"], Tests::Free),
    (Name::Crate("getrandom"), &["model", "config"], Tests::Free),
    (Name::Crate("anstream"), &["cli"], Tests::Bound),
    (Name::Words("io::stdout"), &["cli"], Tests::Bound),
    (Name::Words("io::stderr"), &["cli"], Tests::Bound),
    (Name::Words("print!"), &["cli"], Tests::Free),
    (Name::Words("println!"), &["cli"], Tests::Free),
    (Name::Words("eprint!"), &["cli"], Tests::Free),
    (Name::Words("eprintln!"), &["cli"], Tests::Free),
];

/// A source file of the crate.
struct File {
    /// The path relative to `src`, with `/`.
    path: String,
    /// The whole text.
    text: String,
    /// The code outside of tests, without comments and the content of strings.
    code: String,
    /// The code of the tests, stripped likewise.
    tests: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let all = code_of(text);
        let starts = all.match_indices("#[cfg(test)]\n").map(|(at, _)| at);
        let mut inline =
            starts.filter(|at| all[*at..].lines().nth(1).is_some_and(|line| line.ends_with('{')));
        let (code, tests) = all.split_at(inline.next().unwrap_or(all.len()));
        Self { path: path.to_owned(), text: text.to_owned(), code: code.to_owned(), tests: tests.to_owned() }
    }

    /// Returns the module of the file; `None` for the roots `lib.rs` and `main.rs`.
    fn module(&self) -> Option<&str> {
        match self.path.split_once('/') {
            Some((module, _)) => Some(module),
            None => self.path.strip_suffix(".rs").filter(|name| !matches!(*name, "lib" | "main")),
        }
    }

    fn complain(&self, what: &str) -> String {
        format!("{}: {what}", self.path)
    }
}

#[test]
fn the_crate_is_tidy() {
    let files = source_files();
    let mut complaints: Vec<String> = files.iter().flat_map(check_file).collect();
    complaints.extend(check_cycles(&files));
    complaints.extend(check_circles(&files));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut complaints = Vec::new();
    walk(root(), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = File::new(&path.display().to_string(), &fs::read_to_string(path).unwrap());
            complaints.extend(check_head(&file).into_iter().chain(check_length(&file)));
        }
    });
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_library_has_few_names() {
    let files = ["host/src/lib.rs", "host/src/api/port.rs"]
        .map(|path| fs::read_to_string(root().join(path)).unwrap());
    let names: Vec<String> = files.iter().flat_map(|text| exported(text)).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    assert!(
        has("Pipeline") && has("command_line") && has("port") && has("Ledger") && has("limits"),
        "{names:?}"
    );
    assert!(names.len() <= MAX_NAMES, "{} names, at most {MAX_NAMES} are allowed: {names:?}", names.len());
}

#[test]
fn every_dependency_says_why_it_is_here() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let silent = unexplained_dependencies(&text);
    assert!(silent.is_empty(), "no comment above or beside: {}", silent.join(", "));
}

#[test]
fn the_fuzz_targets_lock_file_knows_every_dependency() {
    let [host, lock] = ["host/Cargo.toml", "host/fuzz/Cargo.lock"]
        .map(|path| fs::read_to_string(root().join(path)).unwrap().parse::<toml::Table>().unwrap());
    let missing = unlocked_dependencies(&host, &lock);
    assert!(missing.is_empty(), "run `cargo update --workspace` in host/fuzz: {}", missing.join(", "));
}

#[test]
fn what_is_installed_has_no_debug_lines() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let release = &manifest["profile"]["release"];
    assert_eq!(release["strip"].as_str(), Some("debuginfo"), "the binary is six times as large otherwise");
    assert_eq!(release.get("split-debuginfo"), None, "a `.dwp` has no line tables");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut found = Vec::new();
    walk(root(), &mut |path| {
        if let Ok(text) = fs::read_to_string(path) {
            found.extend(machine_paths(&text).map(|line| format!("{}:{line}", path.display())));
        }
    });
    assert!(found.is_empty(), "absolute paths in\n{}\n", found.join("\n"));
}

/// Applies all rules to one file.
fn check_file(file: &File) -> Vec<String> {
    let rules = [check_head, check_length, check_order, check_paths, check_imports, check_doors];
    rules.iter().flat_map(|rule| rule(file)).collect()
}

fn check_head(file: &File) -> Vec<String> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![file.complain("the first line does not say what the file is for")]
}

fn check_length(file: &File) -> Vec<String> {
    match file.text.lines().count() {
        0..=MAX_LINES => Vec::new(),
        lines => vec![file.complain(&format!("{lines} lines; split it by concept"))],
    }
}

/// Requires tests to come last: code after them would be taken for test code.
fn check_order(file: &File) -> Vec<String> {
    let mut lines = file.tests.lines().filter(|line| !line.starts_with([' ', '}', '#']) && !line.is_empty());
    match lines.find(|line| !line.contains("mod ")) {
        Some(line) if file.tests.starts_with("#[cfg(test)]") => {
            vec![file.complain(&format!("`{line}` behind the tests"))]
        }
        _ => Vec::new(),
    }
}

/// Requires imports to name modules one by one from the crate's root.
fn check_paths(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.code.contains("crate::{") || file.tests.contains("crate::{") {
        complaints.push(file.complain("name modules one by one instead of `crate::{`"));
    }
    if file.code.contains("super::") || file.tests.contains("super::super") {
        complaints.push(file.complain("`super::` is for tests, and once; write the path from `crate`"));
    }
    complaints
}

fn check_imports(file: &File) -> Vec<String> {
    let Some(module) = file.module() else {
        return Vec::new();
    };
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        return vec![file.complain(&format!("`{module}` has no row in MAY_IMPORT"))];
    };
    let are_strangers = |name: &str| [(module, name), (name, module)].contains(&STRANGERS);
    let forbidden =
        imports(&file.code).into_iter().filter(|name| name != module && !allowed.contains(&name.as_str()));
    let strange = imports(&file.tests).into_iter().filter(|name| are_strangers(name));
    forbidden
        .chain(strange)
        .map(|name| file.complain(&format!("`{module}` must not know `{name}`")))
        .collect()
}

fn check_doors(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, places, tests) in DOORS {
        let is_inside = places.iter().any(|place| is_within(&file.path, place));
        let is_said = name.is_said(&file.code) || (*tests == Tests::Bound && name.is_said(&file.tests));
        if !is_inside && is_said {
            complaints.push(file.complain(&format!(
                "only {} may say `{}`",
                places.join(" and "),
                name.text()
            )));
        }
    }
    complaints
}

/// Returns whether a file is the module `module` or belongs to it.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Reports import cycles between modules, direct or indirect.
fn check_cycles(files: &[File]) -> Vec<String> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        if let Some(module) = file.module() {
            let known = edges.entry(module.to_owned()).or_default();
            known.extend(imports(&file.code).into_iter().filter(|name| name != module));
        }
    }
    // Remove modules that import nothing that is left. The rest is on, or above, a cycle (strongly connected
    // components).
    while let Some(free) = edges.iter().find(|(_, to)| !to.iter().any(|name| edges.contains_key(name))) {
        let free = free.0.clone();
        edges.remove(&free);
    }
    if edges.is_empty() {
        return Vec::new();
    }
    let knot: Vec<&str> = edges.keys().map(String::as_str).collect();
    vec![format!("import cycle among, or above, {}", knot.join(", "))]
}

impl Name {
    const fn text(self) -> &'static str {
        match self {
            Self::Crate(text) | Self::Words(text) => text,
        }
    }

    fn is_said(self, code: &str) -> bool {
        // A module may have a child with the crate's name; its own file then means the child.
        if matches!(self, Self::Crate(name) if code.contains(&format!("mod {name};"))) {
            return false;
        }
        code.match_indices(self.text()).any(|(at, found)| {
            let (before, after) = (&code[..at], &code[at + found.len()..]);
            let is_whole = begins_word(code, at) && word_at(after).is_empty();
            let is_root =
                !before.ends_with("::") && ["::", ";", " as "].iter().any(|next| after.starts_with(next));
            is_whole && (is_root || matches!(self, Self::Words(_)))
        })
    }
}

/// Returns the names that a file exports at its top level: `pub use` with all its names, and `pub mod`.
fn exported(text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut names = Vec::new();
    for item in code.split("\npub ").skip(1) {
        if let Some(module) = item.strip_prefix("mod ") {
            names.push(word_at(module).to_owned());
        } else if let Some(path) = item.strip_prefix("use ") {
            let path = path.split(';').next().unwrap_or_default();
            let list = match path.split_once('{') {
                Some((_, list)) => list.trim_end_matches('}'),
                None => path.rsplit("::").next().unwrap_or_default(),
            };
            let list = list.split(',').map(|name| name.rsplit(" as ").next().unwrap_or_default().trim());
            names.extend(list.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    names
}

/// Returns the names under `[workspace.dependencies]` without a comment above or beside them.
fn unexplained_dependencies(text: &str) -> Vec<String> {
    let section = text.split("[workspace.dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let (mut silent, mut above, mut depth) = (Vec::new(), "", 0_usize);
    for line in section.lines() {
        let is_entry = depth == 0 && !line.starts_with('#') && line.contains('=');
        if is_entry && !above.starts_with('#') && !line.contains(" # ") {
            silent.push(line.split([' ', '=', '.']).next().unwrap_or_default().to_owned());
        }
        depth = (depth + line.matches(['{', '[']).count()).saturating_sub(line.matches(['}', ']']).count());
        above = line;
    }
    silent
}

/// Returns the dependencies of the host, but for optional ones, that its entry in a lock file lacks.
fn unlocked_dependencies(host: &toml::Table, lock: &toml::Table) -> Vec<String> {
    let packages = lock["package"].as_array().unwrap();
    let entry = packages.iter().find(|package| package["name"].as_str() == Some("cascade-host")).unwrap();
    let locked = entry["dependencies"].as_array().unwrap();
    // "sha2 0.11.1" where the file has several versions.
    let locked: BTreeSet<_> = locked.iter().filter_map(|name| name.as_str()?.split(' ').next()).collect();
    let wanted = host["dependencies"].as_table().unwrap().iter();
    let needed = wanted.filter(|(_, how)| how.get("optional").is_none());
    needed.map(|(name, _)| name.clone()).filter(|name| !locked.contains(name.as_str())).collect()
}

/// Returns the line numbers of absolute paths into a home folder.
fn machine_paths(text: &str) -> impl Iterator<Item = usize> {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let lines = text.lines().enumerate();
    lines.filter(move |(_, line)| homes.iter().any(|home| line.contains(home))).map(|(nth, _)| nth + 1)
}

/// Returns the workspace's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Reads the sources of the crate. In files that exist only for tests, every line counts as test code.
fn source_files() -> Vec<File> {
    let src = root().join("host/src");
    let mut files = Vec::new();
    walk(&src, &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(File::new(&relative, &fs::read_to_string(path).unwrap()));
        }
    });
    let for_tests: Vec<String> = files.iter().flat_map(test_children).collect();
    for file in files.iter_mut().filter(|file| for_tests.iter().any(|test| is_within(&file.path, test))) {
        file.tests = std::mem::take(&mut file.code) + &file.tests;
    }
    files
}

/// Returns the modules that a file declares under `#[cfg(test)]`, as paths without `.rs`.
fn test_children(file: &File) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let inner = match file.path.strip_suffix("mod.rs") {
        Some(folder) => folder.to_owned(),
        None => format!("{}/", file.path.trim_end_matches(".rs")),
    };
    let declared = file.text.split("#[cfg(test)]\n").skip(1);
    let paths = declared.filter_map(|rest| {
        if let Some(path) = rest.strip_prefix("#[path = \"") {
            return path.split_once('"').map(|(path, _)| format!("{folder}{}", path.trim_end_matches(".rs")));
        }
        let name = rest.trim_start_matches("pub(crate) ").strip_prefix("mod ").map(word_at)?;
        Some(format!("{inner}{name}"))
    });
    paths.collect()
}

/// Visits every file below a folder in order, except what tools generate.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if matches!(&*name, "target" | ".git" | "node_modules" | "__pycache__" | ".venv") {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
