//! The list of the files that a run is made of: manifests, components, inputs, and what build commands read.
//! Made of the text of the manifests alone, so that it exists while they have faults.

use crate::app::matching_files::matching_files;
use crate::app::watching::snapshot::{Role, Snapshot};
use crate::app::wit_files::wit_files;
use crate::app::{Params, params};
use crate::graph::Manifests;
use crate::manifest::{Expr, Grants, Manifest, Reference};
use crate::model::InputPattern;
use std::collections::BTreeSet;
use std::fs;
use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Maximum number of files below the folders of build commands: each look asks for all of them.
const MAX_SOURCES: usize = 20_000;

/// Folders that no build command reads its sources from: what builds write, and what packages are installed into. Hidden
/// ones are left out too.
pub(crate) const LEFT_OUT: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// What a list is made of.
pub(crate) struct WatchRequest<'a> {
    /// The path of the manifest.
    pub(crate) manifest: &'a Path,
    /// The params of the user.
    pub(crate) params: &'a Params,
    /// Whether build commands run.
    pub(crate) builds: bool,
    /// Files and folders that the run writes.
    pub(crate) written: Vec<PathBuf>,
    /// Files that this process has open for its results and its log, by device and inode.
    pub(crate) streams: Vec<(u64, u64)>,
}

/// The files that a run is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchList {
    manifests: BTreeSet<PathBuf>,
    inputs: BTreeSet<PathBuf>,
    patterns: Vec<(PathBuf, InputPattern)>,
    wit: BTreeSet<PathBuf>,
    built: BTreeSet<PathBuf>,
    sources: BTreeSet<PathBuf>,
    written: Vec<PathBuf>,
    streams: Vec<(u64, u64)>,
}

impl WatchList {
    /// Lists the manifest alone, before it is read.
    pub(crate) fn of_manifest(manifest: &Path) -> Self {
        Self { manifests: BTreeSet::from([manifest.to_owned()]), ..Self::default() }
    }

    /// Lists the files of a run. The manifests may have faults.
    pub(crate) fn new(manifests: &Manifests, request: &WatchRequest<'_>) -> Self {
        let mut list = Self::of_manifest(request.manifest);
        list.written.clone_from(&request.written);
        list.streams.clone_from(&request.streams);
        for manifest in manifests.all() {
            list.add_manifest(manifest, request);
        }
        list.inputs.extend(request.params.file.clone());
        let of_params = request.params.pairs.iter().filter_map(|pair| params::file_of(pair));
        list.inputs.extend(of_params.map(|(_, path)| path.to_owned()));
        list
    }

    fn add_manifest(&mut self, manifest: &Manifest, request: &WatchRequest<'_>) {
        let included = manifest.tasks.values().filter_map(|task| task.action.as_ref()?.value.included());
        self.manifests.extend(included.map(|included| included.path.clone()));
        for component in manifest.components.values() {
            let is_built = request.builds && component.build.is_some();
            let path = component.path().into_iter().map(|(path, _)| path.clone());
            if is_built {
                self.built.extend(path);
                self.sources.insert(component.build_dir.clone());
            } else {
                self.inputs.extend(path);
            }
            self.add_written(&component.grants);
            self.wit.extend(component.wit.iter().map(|wit| wit.path.value.clone()));
        }
        for task in manifest.tasks.values() {
            task.grants.iter().for_each(|grants| self.add_written(grants));
            task.args.values().for_each(|(_, value)| self.add_files(&value.value));
            task.for_each.values().for_each(|list| self.add_files(&list.value));
            task.when.iter().for_each(|when| self.add_files(&when.subject.value));
        }
        manifest.outputs.iter().flatten().for_each(|(_, value)| self.add_files(&value.value));
    }

    fn add_written(&mut self, grants: &Grants) {
        self.written.extend(grants.write.iter().map(|folder| folder.value.host.clone()));
    }

    /// Adds the files that a value reads.
    fn add_files(&mut self, value: &Expr) {
        match value {
            Expr::Literal(_) => {}
            Expr::Array(parts) | Expr::Faulty(parts) => {
                parts.iter().for_each(|part| self.add_files(&part.value));
            }
            Expr::Table(entries) => entries.iter().for_each(|(_, part)| self.add_files(&part.value)),
            Expr::Reference(reference) => match &**reference {
                Reference::File { path } => drop(self.inputs.insert(path.value.clone())),
                Reference::Files { folder, pattern } => self.patterns.push((folder.clone(), pattern.clone())),
                Reference::Range { from, to } => {
                    self.add_files(&from.value);
                    self.add_files(&to.value);
                }
                Reference::Select { selector, cases, .. } => {
                    self.add_files(&selector.value);
                    cases.iter().for_each(|(_, case)| self.add_files(&case.value));
                }
                Reference::Task { .. }
                | Reference::Param { .. }
                | Reference::Item { .. }
                | Reference::Run(_)
                | Reference::Env { .. } => {}
            },
        }
    }

    /// Returns the files as they are now. May take long: there may be very many.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut left = MAX_SOURCES;
        for folder in &self.sources {
            self.add_sources(folder, &mut left, &mut snapshot);
        }
        for path in &self.built {
            snapshot.add(path.clone(), Role::Built);
        }
        // An input in the folder of a build command is an input.
        for (folder, pattern) in &self.patterns {
            // A folder that cannot be read has no files, until it can.
            let names = matching_files(folder, pattern).unwrap_or_default();
            let files = names.iter().map(|name| folder.join(name));
            files.filter(|path| !self.is_written(path)).for_each(|path| snapshot.add(path, Role::Input));
        }
        for path in &self.wit {
            let files = wit_files(path).unwrap_or_default();
            files.into_iter().flatten().for_each(|path| snapshot.add(path, Role::Input));
        }
        self.inputs.iter().for_each(|path| snapshot.add(path.clone(), Role::Input));
        self.manifests.iter().for_each(|path| snapshot.add(path.clone(), Role::Manifest));
        snapshot
    }

    fn add_sources(&self, folder: &Path, left: &mut usize, snapshot: &mut Snapshot) {
        // One folder has many paths; what is written is compared by the real ones.
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let written: Vec<PathBuf> = self.written.iter().map(real).collect();
        let mut open = vec![(folder.to_owned(), real(&folder.to_owned()))];
        while let Some((folder, place)) = open.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let is_left_out = name.as_encoded_bytes().starts_with(b".")
                    || LEFT_OUT.iter().any(|left_out| *left_out == name);
                let (path, place) = (entry.path(), place.join(&name));
                if is_left_out || written.contains(&place) {
                    continue;
                }
                // Links are not followed: they may lead around in a circle.
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push((path, place)),
                    Ok(kind) if kind.is_file() && *left > 0 && !self.is_stream(&entry) => {
                        *left -= 1;
                        snapshot.add(path, Role::Source);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

impl WatchList {
    /// Returns the files that a run reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().map(PathBuf::as_path)
    }

    /// Returns whether the run itself writes a file: it would start itself again.
    fn is_written(&self, path: &Path) -> bool {
        let identity = fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        if identity.is_some_and(|identity| self.streams.contains(&identity)) {
            return true;
        }
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        !self.written.is_empty() && {
            let path = real(path);
            self.written.iter().any(|written| path.starts_with(real(written)))
        }
    }

    /// Returns whether a file is where the output of this process goes: a log would start runs that write to it.
    fn is_stream(&self, entry: &DirEntry) -> bool {
        let identity = entry.metadata().ok().map(|found| (found.dev(), found.ino()));
        identity.is_some_and(|identity| self.streams.contains(&identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::graph;
    use crate::manifest;
    use crate::model::Source;

    #[test]
    fn files_of_a_faulty_manifest_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        for name in [
            "src/a.rs",
            "src/target/x",
            ".git/x",
            "texts/1.txt",
            "out/x",
            "made.wasm",
            "grant/x",
            "page.txt",
            "log",
        ] {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), "x").unwrap();
        }
        let text = "cascade = 1\nname = \"x\"\n[components.a]\npath = \"made.wasm\"\nbuild = \"make\"\n\
             grants.write = [\"grant:g\"]\n\
             [components.b]\npath = \"lost.wasm\"\n[tasks.t]\ncall = \"nobody.f\"\nargs.x = [{ files = \"texts/*.txt\" }]\n\
             args.y = { select = { param = \"p\" }, cases = { a = { file = \"page.txt\" } } }\n\
             [tasks.u]\nmanifest = \"inner.toml\"\n";
        let source = Source { name: "m.toml".into(), text: text.into() };
        let resolved = graph::resolve(manifest::parse(source, dir));
        assert!(!resolved.faults.is_empty());
        let listed = |builds: bool| {
            let request = WatchRequest {
                manifest: &dir.join("m.toml"),
                params: &Params { file: Some(dir.join("params.json")), ..Params::default() },
                builds,
                written: vec![dir.join("out")],
                streams: vec![fs::metadata(dir.join("log")).map(|found| (found.dev(), found.ino())).unwrap()],
            };
            let snapshot = WatchList::new(resolved.graph.manifests(), &request).snapshot();
            let none = Snapshot::default();
            let mut found: Vec<String> = snapshot
                .differences(&none)
                .into_iter()
                .chain(none.differences(&snapshot))
                .map(|(path, role)| format!("{} {role:?}", path.strip_prefix(dir).unwrap().display()))
                .collect();
            found.sort();
            found.dedup();
            (snapshot.len(), found)
        };
        let (all, there) = listed(false);
        assert_eq!(all, 7, "those that are not there are watched too");
        assert_eq!(there, ["made.wasm Input", "page.txt Input", "texts/1.txt Input"]);
        let (all, there) = listed(true);
        assert_eq!(all, 8, "{there:?}");
        assert_eq!(there, ["made.wasm Built", "page.txt Input", "src/a.rs Source", "texts/1.txt Input"]);
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let section = Page::of("cli").section("Watching");
        section.says(&format!("at most {}", count(MAX_SOURCES)));
        section.names(LEFT_OUT);
    }
}
