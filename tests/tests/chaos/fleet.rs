//! The hosts of one run: started, killed, paused and replaced by the nemesis.
//! Each incarnation has its own output files, which `records` reads.

use crate::wire::Wire;
use cascade_host_tests::Project;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::{Duration, Instant};

/// The run id.
pub(crate) const RUN: &str = "chaos";

/// Number of slots per host.
pub(crate) const JOBS: &str = "4";

/// The hosts of a run.
pub(crate) struct Fleet<'a> {
    project: &'a Project,
    password: String,
    expected: i32,
    slots: Vec<Slot>,
    /// Number of hosts killed or interrupted.
    pub(crate) ended_early: usize,
}

struct Slot {
    wire: Wire,
    child: Option<Child>,
    incarnation: u32,
    is_interrupted: bool,
    is_done: bool,
    back: Option<Instant>,
    goes_on: Option<Instant>,
}

impl<'a> Fleet<'a> {
    /// Creates hosts that must end with this exit code; none is started yet.
    pub(crate) fn new(
        project: &'a Project,
        count: usize,
        master: &Arc<AtomicU16>,
        password: &str,
        expected: i32,
    ) -> Self {
        let slot = || Slot {
            wire: Wire::new(master, password),
            child: None,
            incarnation: 0,
            is_interrupted: false,
            is_done: false,
            back: Some(Instant::now()),
            goes_on: None,
        };
        let slots = (0..count).map(|_| slot()).collect();
        Self { project, password: password.to_owned(), expected, slots, ended_early: 0 }
    }

    /// Starts and continues the hosts that are due, and checks for ended ones. Fails if a host ended with a wrong
    /// code.
    pub(crate) fn tend(&mut self) -> Result<(), String> {
        for at in 0..self.slots.len() {
            if self.slots[at].goes_on.is_some_and(|when| when <= Instant::now()) {
                self.signal(at, "CONT");
                self.slots[at].goes_on = None;
            }
            if self.slots[at].back.is_some_and(|when| when <= Instant::now()) {
                self.slots[at].back = None;
                self.start(at);
            }
            let slot = &mut self.slots[at];
            let Some(child) = &mut slot.child else { continue };
            let Some(status) = child.try_wait().expect("a child can be waited for") else { continue };
            slot.child = None;
            if status.code() == Some(self.expected) {
                slot.is_done = true;
            } else if slot.is_interrupted && status.code() == Some(130) {
                slot.is_interrupted = false;
                slot.back = Some(Instant::now());
            } else {
                let said = std::fs::read_to_string(self.file(at, "err")).unwrap_or_default();
                let said =
                    said.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
                let said = said.join("\n");
                return Err(format!("host {at} ended with {status}, having said:\n{said}"));
            }
        }
        Ok(())
    }

    /// Returns whether all hosts have ended as required.
    pub(crate) fn is_done(&self) -> bool {
        self.slots.iter().all(|slot| slot.is_done)
    }

    /// Restarts a host that has ended as required.
    pub(crate) fn again(&mut self, at: usize) {
        self.slots[at].is_done = false;
        self.start(at);
    }

    /// Kills a host, and schedules its replacement.
    pub(crate) fn kill(&mut self, at: usize, back: Duration) {
        let slot = &mut self.slots[at];
        if let Some(mut child) = slot.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
            slot.back = Some(Instant::now() + back);
            (slot.goes_on, slot.is_interrupted) = (None, false);
            self.ended_early += 1;
        }
    }

    /// Kills all hosts.
    pub(crate) fn kill_all(&mut self, back: Duration) {
        (0..self.slots.len()).for_each(|at| self.kill(at, back));
    }

    /// Pauses a host.
    pub(crate) fn pause(&mut self, at: usize, time: Duration) {
        if self.slots[at].child.is_some() {
            self.signal(at, "STOP");
            self.slots[at].goes_on = Some(Instant::now() + time);
        }
    }

    /// Interrupts a host.
    pub(crate) fn interrupt(&mut self, at: usize) {
        if self.slots[at].child.is_some() {
            self.slots[at].is_interrupted = true;
            self.ended_early += 1;
            self.signal(at, "TERM");
        }
    }

    /// Returns a host's wire.
    pub(crate) fn wire(&self, at: usize) -> &Wire {
        &self.slots[at].wire
    }

    /// Cuts the wires of all hosts.
    pub(crate) fn cut_all(&self) {
        self.slots.iter().for_each(|slot| slot.wire.cut());
    }

    /// Returns the stdout of hosts that ended by themselves.
    pub(crate) fn printed(&self) -> Vec<Vec<u8>> {
        let printed = |at| std::fs::read(self.file(at, "out")).expect("the file was made");
        (0..self.slots.len()).map(printed).collect()
    }

    /// Returns the files of all incarnations with this ending.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.project.folder()).expect("the folder can be read");
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|found| found == ending));
        files.sort();
        files
    }

    fn file(&self, at: usize, ending: &str) -> PathBuf {
        let name = format!("host-{at}-{}.{ending}", self.slots[at].incarnation);
        self.project.folder().join(name)
    }

    fn start(&mut self, at: usize) {
        self.slots[at].incarnation += 1;
        let events = self.file(at, "jsonl");
        let uri = format!(
            "redis://:{}@127.0.0.1:{}?lease=1s&timeout=2s&connect-timeout=30s",
            self.password,
            self.slots[at].wire.port()
        );
        let events = events.to_str().expect("scratch folders have plain names");
        let host = self.project.other_host(events).args(["--state", &uri, "--run-id", RUN, "-j", JOBS]);
        let mut command = host.args(["--keep-going", "--log-level", "info"]).command();
        let create = |ending| File::create(self.file(at, ending)).expect("the folder can be written");
        let (out, err) = (create("out"), create("err"));
        let child = command.stdout(Stdio::from(out)).stderr(Stdio::from(err)).spawn();
        self.slots[at].child = Some(child.expect("the binary can be started"));
    }

    fn signal(&self, at: usize, name: &str) {
        if let Some(child) = &self.slots[at].child {
            let id = child.id().to_string();
            // The host may have ended just now.
            let sent =
                std::process::Command::new("kill").args(["-s", name, &id]).stderr(Stdio::null()).status();
            drop(sent);
        }
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for child in self.slots.iter_mut().filter_map(|slot| slot.child.as_mut()) {
            // The host may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
