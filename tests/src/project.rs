//! A folder with a manifest, for one test, gone when the test has ended; and what its events file told.
//! Components are named in manifests by `{guest:NAME}`.

use crate::guests::build_rust_guests;
use crate::host::{Finished, Host};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a manifest.
pub struct Project {
    folder: TempDir,
}

/// What happened in a run, as its events file told it.
#[derive(Debug)]
pub struct Events(pub Vec<Value>);

impl Project {
    /// A folder with this manifest, below the head that every manifest has.
    pub fn new(body: &str) -> Self {
        Self::raw(&format!("cascade = 1\nname = \"test\"\n{body}"))
    }

    /// A folder with this manifest as it is.
    pub fn raw(manifest: &str) -> Self {
        let project = Self { folder: TempDir::new().expect("a scratch folder can be made") };
        project.write(manifest);
        project
    }

    /// Writes the manifest anew.
    pub fn write(&self, manifest: &str) {
        let mut text = manifest.to_owned();
        while let Some((before, rest)) = text.split_once("{guest:") {
            let (name, after) = rest.split_once('}').expect("`{guest:NAME}` is closed");
            let path = build_rust_guests().join(format!("{}.wasm", name.replace('-', "_")));
            text = format!("{before}{}{after}", path.display());
        }
        self.file("manifest.toml", text.as_bytes());
    }

    /// Writes a file beside the manifest.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the scratch folder can be written");
        path
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, for whoever has to look into it.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// The host on this manifest, with events written to a file.
    pub fn host(&self) -> Host {
        Host::new(["run", "manifest.toml", "--events", "events.jsonl"]).within(self.folder.path())
    }

    /// Another host on this manifest, with its events written to another file.
    pub fn other_host(&self, events: &str) -> Host {
        Host::new(["run", "manifest.toml", "--events", events]).within(self.folder.path())
    }

    /// Another command on this manifest.
    pub fn command(&self, command: &str) -> Host {
        Host::new([command, "manifest.toml"]).within(self.folder.path())
    }

    /// Runs the manifest to its end.
    pub fn run(&self) -> Finished {
        self.host().run()
    }

    /// What the last run told.
    #[track_caller]
    pub fn events(&self) -> Events {
        self.events_in("events.jsonl")
    }

    /// What a host told in another file.
    #[track_caller]
    pub fn events_in(&self, name: &str) -> Events {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("the run wrote events");
        Events::read(&text)
    }
}

impl Events {
    /// Reads lines of events.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        Self(text.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect())
    }

    /// The events of a kind, in order.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |event| event["event"] == kind)
    }

    /// The tasks that an event of this kind was about, elements as `task[i]`, in order.
    pub fn tasks(&self, kind: &str) -> Vec<String> {
        self.of(kind)
            .map(|event| {
                let task = event["task"].as_str().unwrap_or("?");
                event["item"].as_u64().map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
            })
            .collect()
    }

    /// The position of the first event of this kind about a task.
    #[track_caller]
    pub fn position(&self, kind: &str, task: &str) -> usize {
        let is_it = |event: &Value| event["event"] == kind && event["task"] == task;
        self.0.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {task}: {:#?}", self.0))
    }
}
