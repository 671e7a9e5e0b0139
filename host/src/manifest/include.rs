//! Loads a manifest with those that it includes, each file once, and bounds what they grow to.
//! `parse` reads one text; a caller opens the files. `graph` inlines the tasks.

use crate::manifest::parse::parse_at;
use crate::manifest::{Action, LeftOut, Manifest, Parsed};
use crate::model::{Fault, Faults, Source, Sources, Spanned};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Maximum number of manifests that include each other in a row, the outermost counted.
const MAX_NESTING: usize = 16;

/// Maximum number of tasks once all are inlined: a few files that include each other often could have any number.
const MAX_TASKS: u64 = 1_000_000;

/// Access to the files of manifests.
pub trait Files {
    /// Returns the one name of the file at a path, whatever path leads to it.
    fn identify(&mut self, path: &Path) -> Result<PathBuf, Unreadable>;

    /// Returns the text of the file at a path.
    fn read(&mut self, path: &Path) -> Result<String, Unreadable>;
}

/// The reason why a manifest cannot be included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The reason.
    pub reason: String,
    /// The remedy.
    pub help: String,
}

/// A manifest with those that it includes, directly or not.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The manifests, the outermost first. Each file is here once, however often it is included.
    pub parts: Vec<Part>,
    /// The faults of all texts.
    pub faults: Faults,
}

/// One of the manifests.
#[derive(Debug, Clone)]
pub struct Part {
    /// The readable part of the text.
    pub manifest: Manifest,
    /// The names left out of it.
    pub left_out: LeftOut,
    /// By position of the task: the position of the manifest that it includes. None for other tasks, and where a fault was
    /// reported.
    pub included: Vec<Option<usize>>,
}

impl From<Parsed> for Part {
    fn from(parsed: Parsed) -> Self {
        let Parsed { manifest, left_out, faults: _ } = parsed;
        let included = vec![None; manifest.tasks.len()];
        Self { manifest, left_out, included }
    }
}

/// A manifest alone: its tasks that include others have nothing to include.
impl From<Parsed> for Loaded {
    fn from(parsed: Parsed) -> Self {
        let faults = parsed.faults.clone();
        Self { parts: vec![parsed.into()], faults }
    }
}

/// Parses a manifest and all that it includes. Their faults are returned together. A text that is no file has no `path`.
#[must_use]
pub fn load(source: Source, folder: &Path, path: Option<&Path>, files: &mut dyn Files) -> Loaded {
    let mut loader = Loader {
        sources: Sources::from(source.clone()),
        starts: vec![0],
        positions: HashMap::new(),
        list: Vec::new(),
        files,
    };
    let own = path.and_then(|path| loader.files.identify(path).ok());
    loader.positions.extend(own.map(|path| (path, 0)));
    let Parsed { manifest, left_out, faults } = parse_at(source, 0, folder);
    loader.list.extend(faults.list);
    let included = vec![None; manifest.tasks.len()];
    let mut parts = vec![Part { manifest, left_out, included }];
    let mut next = 0;
    while next < parts.len() {
        loader.includes(&mut parts, next);
        next += 1;
    }
    let names = loader.sources.texts().map(|text| text.name.clone()).collect();
    let found = vec![None; parts.len()];
    let mut bounds = Bounds { names, found, path: Vec::new(), faults: loader.list };
    bounds.visit(&mut parts, 0);
    let mut faults = Faults { sources: loader.sources, list: bounds.faults };
    faults.sort();
    parts.iter_mut().for_each(|part| part.manifest.sources = faults.sources.clone());
    Loaded { parts, faults }
}

struct Loader<'f> {
    sources: Sources,
    /// By position of the manifest: the offset of its text.
    starts: Vec<usize>,
    /// Positions of the manifests by the names of their files.
    positions: HashMap<PathBuf, usize>,
    list: Vec<Fault>,
    files: &'f mut dyn Files,
}

impl Loader<'_> {
    /// Loads the manifests that a part includes.
    fn includes(&mut self, parts: &mut Vec<Part>, part: usize) {
        for task in 0.. {
            let tasks = parts.get(part).map(|part| &part.manifest.tasks);
            let Some((_, written)) = tasks.and_then(|tasks| tasks.get_index(task)) else { break };
            let Some(Spanned { value: Action::Manifest(included), span }) = &written.action else { continue };
            let place = Spanned::new(included.path.clone(), span.clone());
            let found = self.included(parts, &place);
            let slot = parts.get_mut(part).and_then(|part| part.included.get_mut(task));
            slot.into_iter().for_each(|slot| *slot = found);
        }
    }

    fn included(&mut self, parts: &mut Vec<Part>, place: &Spanned<PathBuf>) -> Option<usize> {
        let Spanned { value: path, span } = place;
        let name = shown(path);
        let identity = self.files.identify(path).map_err(|error| self.unreadable(place, error)).ok()?;
        if let Some(position) = self.positions.get(&identity).copied() {
            if let Some(start) = self.starts.get(position) {
                self.sources.included_again(*start);
            }
            return Some(position);
        }
        let text = self.files.read(path).map_err(|error| self.unreadable(place, error)).ok()?;
        let source = Source { name, text: text.into() };
        let start = self.sources.add(source.clone(), span.clone());
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let parsed = parse_at(source, start, &folder);
        self.list.extend(parsed.faults.list.iter().cloned());
        if let Some(notify) = &parsed.manifest.notify {
            let fault = Fault::spanned(notify.span.clone(), "an included manifest cannot have `[notify]`");
            self.list.push(fault.help("write it in the outermost manifest: a run ends once, as a whole"));
        }
        if let Some((_, task)) = parsed.manifest.tasks.get_index(parsed.manifest.first_finally()) {
            let fault = Fault::spanned(task.span.clone(), "an included manifest cannot have `[finally]`");
            self.list.push(fault.help("write it in the outermost manifest: a run ends once, as a whole"));
        }
        self.starts.push(start);
        self.positions.insert(identity, parts.len());
        parts.push(parsed.into());
        Some(parts.len() - 1)
    }

    fn unreadable(&mut self, place: &Spanned<PathBuf>, error: Unreadable) {
        let message = format!("cannot read the manifest `{}`", shown(&place.value));
        let fault = Fault::spanned(place.span.clone(), message).note(error.reason);
        self.list.push(fault.help(error.help));
    }
}

/// Returns a path as messages show it: without `.` at its start.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// What a manifest grows to.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Number of manifests on the longest way inwards, itself counted.
    height: usize,
    /// Number of tasks once all are inlined.
    tasks: u64,
}

/// A walk over the inclusions that takes out those that go too far.
struct Bounds {
    /// By position of the manifest: its name in messages.
    names: Vec<String>,
    /// By position of the manifest: its extent, once known.
    found: Vec<Option<Extent>>,
    /// Manifests on the way to the current one.
    path: Vec<usize>,
    faults: Vec<Fault>,
}

impl Bounds {
    /// Returns the extent of a manifest. Recursion is bounded by [`MAX_NESTING`].
    fn visit(&mut self, parts: &mut [Part], at: usize) -> Extent {
        self.path.push(at);
        let included: Vec<Option<usize>> = parts.get(at).map_or_else(Vec::new, |part| part.included.clone());
        let mut extent = Extent { height: 1, tasks: 0 };
        for (task, inner) in included.into_iter().enumerate() {
            let Some(inner) = inner else {
                extent.tasks += 1;
                continue;
            };
            match self.within(parts, inner, extent.tasks) {
                Ok(found) => {
                    extent.height = extent.height.max(found.height + 1);
                    extent.tasks += found.tasks;
                }
                Err(message) => {
                    let part = parts.get_mut(at);
                    if let Some(part) = part {
                        self.faults.extend(fault(part, task, message));
                        part.included.get_mut(task).into_iter().for_each(|slot| *slot = None);
                    }
                }
            }
        }
        self.path.pop();
        self.found.get_mut(at).into_iter().for_each(|slot| *slot = Some(extent));
        extent
    }

    /// Returns the extent of an included manifest, or what is wrong with including it here.
    fn within(
        &mut self,
        parts: &mut [Part],
        at: usize,
        tasks: u64,
    ) -> Result<Extent, (String, &'static str)> {
        if let Some(first) = self.path.iter().position(|on_path| *on_path == at) {
            let cycle = self.path.iter().skip(first).chain([&at]);
            let name = |part: &usize| self.names.get(*part).map_or("", String::as_str);
            let names: Vec<&str> = cycle.map(name).collect();
            let message = format!("manifests include each other in a cycle: {}", names.join(" -> "));
            return Err((message, "remove one of the tasks that include them"));
        }
        let depth = self.path.len();
        let too_deep = || {
            let message = format!("manifests include each other at most {MAX_NESTING} levels deep");
            (message, "include the innermost tasks further out")
        };
        if depth >= MAX_NESTING {
            return Err(too_deep());
        }
        let extent = match self.found.get(at).copied().flatten() {
            Some(extent) => extent,
            None => self.visit(parts, at),
        };
        if depth + extent.height > MAX_NESTING {
            return Err(too_deep());
        }
        if tasks + extent.tasks > MAX_TASKS {
            let message = format!("the included manifests have more than {MAX_TASKS} tasks together");
            return Err((message, "include fewer, or use `for-each`"));
        }
        Ok(extent)
    }
}

fn fault(part: &Part, task: usize, (message, help): (String, &str)) -> Option<Fault> {
    let (_, written) = part.manifest.tasks.get_index(task)?;
    let span = written.action.as_ref().map_or(&written.span, |action| &action.span);
    Some(Fault::spanned(span.clone(), message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::manifest::Texts;

    fn text(included: &[&str]) -> String {
        let tasks = included.iter().enumerate();
        let tasks = tasks.map(|(task, path)| format!("tasks.t{task}.manifest = \"{path}\"\n"));
        format!(
            "cascade = 1\nname = \"n\"\ncomponents.c.path = \"c.wasm\"\ntasks.own.call = \"c.run\"\n{}",
            tasks.collect::<String>()
        )
    }

    /// Loads the first of these manifests; returns it with the number of files read.
    fn loaded(texts: &[(&str, &[&str])]) -> (Loaded, usize) {
        let map = texts.iter().map(|(name, included)| (PathBuf::from("f").join(name), text(included)));
        let mut files = Texts(map.collect(), 0);
        let source = Source { name: format!("f/{}", texts[0].0), text: text(texts[0].1).into() };
        let path = Path::new("f").join(texts[0].0);
        let loaded = load(source, Path::new("f"), Some(&path), &mut files);
        (loaded, files.1)
    }

    fn shown_faults(texts: &[(&str, &[&str])]) -> String {
        loaded(texts).0.faults.to_string()
    }

    #[test]
    fn each_file_is_read_once() {
        let (loaded, read) =
            loaded(&[("a", &["b", "b", "x/c"]), ("b", &["x/c"]), ("x/c", &[]), ("unused", &[])]);
        assert!(loaded.faults.is_empty(), "{}", loaded.faults);
        assert_eq!(read, 2);
        let included: Vec<_> = loaded.parts.iter().map(|part| part.included.clone()).collect();
        assert_eq!(included, [vec![None, Some(1), Some(1), Some(2)], vec![None, Some(2)], vec![None]]);
        assert_eq!(loaded.parts[2].manifest.folder, Path::new("f/x"));
        let span = &loaded.parts[1].manifest.tasks["own"].span;
        let located = loaded.faults.sources.locate(span).unwrap();
        assert_eq!((&*located.source.name, &located.source.text[located.span]), ("f/b", "own"));
        assert_eq!(located.inclusion.unwrap().others, 1);
    }

    #[test]
    fn cycles_are_shown_with_their_chain() {
        assert_eq!(
            shown_faults(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]),
            "f/c:5:21: manifests include each other in a cycle: f/b -> f/c -> f/b"
        );
        assert_eq!(
            shown_faults(&[("a", &["a"])]),
            "f/a:5:21: manifests include each other in a cycle: f/a -> f/a"
        );
    }

    #[test]
    fn faults_of_all_texts_are_reported_together() {
        assert_eq!(
            shown_faults(&[("a", &["lost", "b"]), ("b", &["lost"])]),
            "f/a:5:21: cannot read the manifest `f/lost`\nf/b:5:21: cannot read the manifest `f/lost`"
        );
    }

    #[test]
    fn nesting_and_number_of_tasks_are_bounded() {
        let names: Vec<String> = (0..=MAX_NESTING).map(|level| format!("m{level}")).collect();
        let chain = |len: usize, often: usize| {
            let texts = (0..len).map(|level| {
                let next = names.get(level + 1).filter(|_| level + 1 < len);
                (names[level].clone(), vec![next.cloned(); often].into_iter().flatten().collect::<Vec<_>>())
            });
            let texts: Vec<_> = texts.collect();
            let texts: Vec<(&str, Vec<&str>)> = texts
                .iter()
                .map(|(name, included)| (name.as_str(), included.iter().map(String::as_str).collect()))
                .collect();
            let texts: Vec<(&str, &[&str])> = texts.iter().map(|(name, list)| (*name, &**list)).collect();
            shown_faults(&texts)
        };
        assert_eq!(chain(MAX_NESTING, 1), "");
        assert!(chain(MAX_NESTING + 1, 1).contains("at most 16 levels deep"));
        assert_eq!(chain(4, 60), "");
        assert!(chain(MAX_NESTING, 10).contains("have more than 1000000 tasks together"));
        let page = Page::of("manifest");
        let section = page.section("Pipelines as tasks");
        section.says(&format!("{MAX_NESTING} levels"));
        page.section("The file").line("tasks").says("at most 1,000,000");
    }
}
