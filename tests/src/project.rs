//! A temporary folder with a manifest, for one test, and the events that its runs wrote.
//! `{guest:NAME}` in a manifest names a component of `guests`.

use crate::guests::build_rust_guests;
use crate::host::{Finished, Host};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder with a manifest.
pub struct Project {
    folder: TempDir,
}

/// The events of a run, from its events file.
#[derive(Debug)]
pub struct Events(pub Vec<Value>);

impl Project {
    /// Creates a folder with this manifest, below the common head.
    pub fn new(body: &str) -> Self {
        Self::raw(&format!("cascade = 1\nname = \"test\"\n{body}"))
    }

    /// Creates a folder with this manifest, below the common head and the guest `basic` under the name `g`. A body may
    /// begin with further keys of that component.
    pub fn basic(body: &str) -> Self {
        Self::new(&format!("[components.g]\npath = \"{{guest:basic}}\"\n{body}"))
    }

    /// Creates a folder with exactly this manifest.
    pub fn raw(manifest: &str) -> Self {
        let project = Self { folder: TempDir::new().expect("a scratch folder can be made") };
        project.write(manifest);
        project
    }

    /// Replaces the manifest.
    pub fn write(&self, manifest: &str) {
        self.write_to("manifest.toml", manifest);
    }

    /// Writes another manifest, which the first may include, below the common head and the guest `basic` as `g`.
    pub fn include(&self, name: &str, body: &str) {
        let head = "cascade = 1\nname = \"included\"\n[components.g]\npath = \"{guest:basic}\"\n";
        self.write_to(name, &format!("{head}{body}"));
    }

    /// Writes exactly this manifest to another file.
    pub fn write_to(&self, name: &str, manifest: &str) {
        let mut text = manifest.to_owned();
        while let Some((before, rest)) = text.split_once("{guest:") {
            let (name, after) = rest.split_once('}').expect("`{guest:NAME}` is closed");
            let path = build_rust_guests().join(format!("{}.wasm", name.replace('-', "_")));
            text = format!("{before}{}{after}", path.display());
        }
        self.file(name, text.as_bytes());
    }

    /// Writes a file beside the manifest.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        path.parent().map(std::fs::create_dir_all).transpose().expect("a scratch folder can be made");
        std::fs::write(&path, content).expect("the scratch folder can be written");
        path
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder after the test, for inspection.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Returns a `run` command for this manifest, which writes its events to a file.
    pub fn host(&self) -> Host {
        Host::new(["run", "manifest.toml", "--events", "events.jsonl"]).within(self.folder.path())
    }

    /// Returns a `run` command of another host, with its own events file.
    pub fn other_host(&self, events: &str) -> Host {
        Host::new(["run", "manifest.toml", "--events", events]).within(self.folder.path())
    }

    /// Returns another command for this manifest.
    pub fn command(&self, command: &str) -> Host {
        Host::new([command, "manifest.toml"]).within(self.folder.path())
    }

    /// Runs the manifest to its end.
    pub fn run(&self) -> Finished {
        self.host().run()
    }

    /// Returns the events of the last run.
    #[track_caller]
    pub fn events(&self) -> Events {
        self.events_in("events.jsonl")
    }

    /// Returns the events that a host wrote to the file `name`.
    #[track_caller]
    pub fn events_in(&self, name: &str) -> Events {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("the run wrote events");
        Events::read(&text)
    }
}

impl Events {
    /// Parses lines of events.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        Self(text.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect())
    }

    /// Returns the events of a kind, in order.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |event| event["event"] == kind)
    }

    /// Returns the tasks that events of this kind concern, in order; elements as `task[i]`.
    pub fn tasks(&self, kind: &str) -> Vec<String> {
        self.of(kind)
            .map(|event| {
                let task = event["task"].as_str().unwrap_or("?");
                event["item"].as_u64().map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
            })
            .collect()
    }

    /// Returns the position of the first event of this kind about a task.
    #[track_caller]
    pub fn position(&self, kind: &str, task: &str) -> usize {
        let is_it = |event: &Value| event["event"] == kind && event["task"] == task;
        self.0.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {task}: {:#?}", self.0))
    }
}
