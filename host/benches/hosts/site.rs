//! Processes of the real binary that work on one run, and what each of them told.
//! What is measured about them is for the cases.

use crate::shared::component;
use cascade_host::internals::model::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No process is waited for longer than this.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often a file or a server is looked at.
const GLANCE: Duration = Duration::from_millis(1);

/// A folder with a manifest of calls of the guest, and where its code is kept once it is compiled.
pub(crate) struct Site {
    folder: TempDir,
}

/// One host at work. Whoever drops it kills it.
pub(crate) struct Host {
    child: Child,
    events: PathBuf,
}

/// One line of a host's events.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    /// When, in milliseconds.
    pub(crate) at: i64,
    /// What.
    pub(crate) kind: String,
}

impl Site {
    /// A manifest with these tasks.
    pub(crate) fn new(tasks: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let head = "cascade = 1\nname = \"bench\"\n[components.guest]\npath = \"guest.wasm\"\n";
        std::fs::write(folder.path().join("bench.toml"), format!("{head}{tasks}"))
            .expect("it can be written");
        std::fs::write(folder.path().join("guest.wasm"), component()).expect("it can be written");
        Self { folder }
    }

    /// `count` tasks that wait for nothing.
    pub(crate) fn independent(count: u32) -> Self {
        let task = |task: u32| format!("[tasks.t{task}]\ncall = \"guest.noop\"\n");
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// `count` tasks of which each takes what the one before it gives.
    pub(crate) fn chain(count: u32) -> Self {
        let task = |at: u32| {
            let from =
                at.checked_sub(1).map_or("0".to_owned(), |before| format!("{{ task = \"t{before}\" }}"));
            format!("[tasks.t{at}]\ncall = \"guest.next\"\nargs = {{ n = {from} }}\n")
        };
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// `count` tasks that wait for nothing and each keep a core busy for that many rounds.
    pub(crate) fn burning(count: u32, rounds: u64) -> Self {
        let task = |task: u32| format!("[tasks.t{task}]\ncall = \"guest.burn\"\nargs = {{ n = {rounds} }}\n");
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// Starts a host of that name on the run of that id.
    pub(crate) fn start(&self, name: &str, run: &str, uri: &str, jobs: u32) -> Host {
        let events = self.folder.path().join(format!("{name}.jsonl"));
        // What an earlier host of the name told is not to be taken for what this one tells.
        drop(std::fs::remove_file(&events));
        let mut command = Command::new(env!("CARGO_BIN_EXE_cascade-host"));
        command.current_dir(self.folder.path()).args(["run", "bench.toml", "--run-id", run, "--state", uri]);
        command.args(["-j", &jobs.to_string(), "--log-level", "error", "--progress", "none", "--events"]);
        command.arg(&events).env("XDG_CACHE_HOME", self.folder.path()).env("CASCADE_CONFIG", "/dev/null");
        let child = command.stdout(Stdio::null()).spawn().expect("the host can be started");
        Host { child, events }
    }
}

impl Host {
    /// Kills it at once; gives when, in milliseconds.
    pub(crate) fn kill(&mut self) -> i64 {
        let at = SystemClock.now().as_millis();
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        at
    }

    /// Waits until it has told of something; gives the first.
    pub(crate) fn until(&self, kind: &str) -> Happened {
        let since = Instant::now();
        loop {
            if let Some(found) = self.told().into_iter().find(|happened| happened.kind == kind) {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "there is no {kind}");
            sleep(GLANCE);
        }
    }

    /// Waits until it has ended, and gives what it told.
    pub(crate) fn finish(mut self) -> Vec<Happened> {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(since.elapsed() < PATIENCE, "the host does not end");
            sleep(GLANCE);
        };
        assert!(status.success(), "the run has succeeded");
        self.told()
    }

    fn told(&self) -> Vec<Happened> {
        let text = std::fs::read_to_string(&self.events).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(happened).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn happened(line: &str) -> Option<Happened> {
    let event: Value = serde_json::from_str(line).ok()?;
    let at = Timestamp::parse(event.get("ts")?.as_str()?)?.as_millis();
    Some(Happened { at, kind: event.get("event")?.as_str()?.to_owned() })
}

/// From the first task that was started to the last that was finished.
pub(crate) fn span(told: &[Vec<Happened>]) -> Duration {
    let of = |kind: &'static str| {
        told.iter().flatten().filter(move |happened| happened.kind == kind).map(|it| it.at)
    };
    let first = of("task.started").min().expect("a task was started");
    let last = of("task.finished").max().expect("a task was finished");
    Duration::from_millis(u64::try_from(last - first).unwrap_or_default())
}
