//! Processes of the real binary that work on one run, and the events of each.
//! The cases define what they measure.

use crate::shared::component;
use cascade_host::internals::model::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Maximum wait for a process.
const MAX_WAIT: Duration = Duration::from_mins(3);

/// Interval between two reads of an event file or checks of a process.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A folder with a manifest that calls the guest, and the cache of its compiled code.
pub(crate) struct Workload {
    folder: TempDir,
}

/// A running host process, killed on drop.
pub(crate) struct Host {
    child: Child,
    events: PathBuf,
}

/// One line of a host's events.
#[derive(Debug, Clone)]
pub(crate) struct HostEvent {
    /// Time of the event, in milliseconds.
    pub(crate) at: i64,
    /// Name of the event.
    pub(crate) kind: String,
}

impl Workload {
    /// Creates a folder with a manifest of these tasks.
    pub(crate) fn new(tasks: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let head = "cascade = 1\nname = \"bench\"\n[components.guest]\npath = \"guest.wasm\"\n";
        std::fs::write(folder.path().join("bench.toml"), format!("{head}{tasks}"))
            .expect("it can be written");
        std::fs::write(folder.path().join("guest.wasm"), component()).expect("it can be written");
        Self { folder }
    }

    /// Creates `count` independent no-op tasks.
    pub(crate) fn independent(count: u32) -> Self {
        let task = |task: u32| format!("[tasks.t{task}]\ncall = \"guest.noop\"\n");
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// Creates a chain of `count` tasks: each takes the output of the task before it.
    pub(crate) fn chain(count: u32) -> Self {
        let task = |index: u32| {
            let from =
                index.checked_sub(1).map_or("0".to_owned(), |before| format!("{{ task = \"t{before}\" }}"));
            format!("[tasks.t{index}]\ncall = \"guest.next\"\nargs = {{ n = {from} }}\n")
        };
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// Creates `count` independent tasks that each keep a core busy for `rounds` rounds.
    pub(crate) fn busy(count: u32, rounds: u64) -> Self {
        let task = |task: u32| format!("[tasks.t{task}]\ncall = \"guest.burn\"\nargs = {{ n = {rounds} }}\n");
        Self::new(&(0..count).map(task).collect::<String>())
    }

    /// Starts the host `name` on the run `run`.
    pub(crate) fn start(&self, name: &str, run: &str, uri: &str, jobs: u32) -> Host {
        let events = self.folder.path().join(format!("{name}.jsonl"));
        // Events of an earlier host with this name must not be mistaken for those of this host.
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
    /// Kills the host. Returns the time, in milliseconds.
    pub(crate) fn kill(&mut self) -> i64 {
        let at = SystemClock.now().as_millis();
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        at
    }

    /// Waits for an event of this kind and returns the first one.
    pub(crate) fn wait_for(&self, kind: &str) -> HostEvent {
        let since = Instant::now();
        loop {
            if let Some(found) = self.events().into_iter().find(|event| event.kind == kind) {
                return found;
            }
            assert!(since.elapsed() < MAX_WAIT, "there is no {kind}");
            sleep(POLL_INTERVAL);
        }
    }

    /// Waits for the end of the host and returns its events.
    pub(crate) fn finish(mut self) -> Vec<HostEvent> {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(since.elapsed() < MAX_WAIT, "the host does not end");
            sleep(POLL_INTERVAL);
        };
        assert!(status.success(), "the run has succeeded");
        self.events()
    }

    fn events(&self) -> Vec<HostEvent> {
        let text = std::fs::read_to_string(&self.events).unwrap_or_default();
        // The last line may be incomplete.
        text.lines().filter_map(event).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn event(line: &str) -> Option<HostEvent> {
    let event: Value = serde_json::from_str(line).ok()?;
    let at = Timestamp::parse(event.get("ts")?.as_str()?)?.as_millis();
    Some(HostEvent { at, kind: event.get("event")?.as_str()?.to_owned() })
}

/// Returns the time from the first started task to the last finished one.
pub(crate) fn span(events: &[Vec<HostEvent>]) -> Duration {
    let times_of = |kind: &'static str| {
        events.iter().flatten().filter(move |event| event.kind == kind).map(|event| event.at)
    };
    let first = times_of("task.started").min().expect("a task was started");
    let last = times_of("task.finished").max().expect("a task was finished");
    Duration::from_millis(u64::try_from(last - first).unwrap_or_default())
}
