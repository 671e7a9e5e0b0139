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
    restart_at: Option<Instant>,
    resume_at: Option<Instant>,
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
            restart_at: Some(Instant::now()),
            resume_at: None,
        };
        let slots = (0..count).map(|_| slot()).collect();
        Self { project, password: password.to_owned(), expected, slots, ended_early: 0 }
    }

    /// Starts and continues the hosts that are due, and checks for ended ones. Fails if a host ended with a wrong
    /// code.
    pub(crate) fn poll(&mut self) -> Result<(), String> {
        for idx in 0..self.slots.len() {
            if self.slots[idx].resume_at.is_some_and(|when| when <= Instant::now()) {
                self.signal(idx, "CONT");
                self.slots[idx].resume_at = None;
            }
            if self.slots[idx].restart_at.is_some_and(|when| when <= Instant::now()) {
                self.slots[idx].restart_at = None;
                self.start(idx);
            }
            let slot = &mut self.slots[idx];
            let Some(child) = &mut slot.child else { continue };
            let Some(status) = child.try_wait().expect("a child can be waited for") else { continue };
            slot.child = None;
            if status.code() == Some(self.expected) {
                slot.is_done = true;
            } else if slot.is_interrupted && status.code() == Some(130) {
                slot.is_interrupted = false;
                slot.restart_at = Some(Instant::now());
            } else {
                let stderr = std::fs::read_to_string(self.file(idx, "err")).unwrap_or_default();
                let stderr =
                    stderr.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
                let stderr = stderr.join("\n");
                return Err(format!("host {idx} ended with {status}; the end of its stderr:\n{stderr}"));
            }
        }
        Ok(())
    }

    /// Returns whether all hosts have ended as required.
    pub(crate) fn is_done(&self) -> bool {
        self.slots.iter().all(|slot| slot.is_done)
    }

    /// Restarts a host that has ended as required.
    pub(crate) fn restart(&mut self, idx: usize) {
        self.slots[idx].is_done = false;
        self.start(idx);
    }

    /// Kills a host, and schedules its replacement.
    pub(crate) fn kill(&mut self, idx: usize, back: Duration) {
        let slot = &mut self.slots[idx];
        if let Some(mut child) = slot.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
            slot.restart_at = Some(Instant::now() + back);
            (slot.resume_at, slot.is_interrupted) = (None, false);
            self.ended_early += 1;
        }
    }

    /// Kills all hosts.
    pub(crate) fn kill_all(&mut self, back: Duration) {
        (0..self.slots.len()).for_each(|idx| self.kill(idx, back));
    }

    /// Pauses a host.
    pub(crate) fn pause(&mut self, idx: usize, time: Duration) {
        if self.slots[idx].child.is_some() {
            self.signal(idx, "STOP");
            self.slots[idx].resume_at = Some(Instant::now() + time);
        }
    }

    /// Interrupts a host.
    pub(crate) fn interrupt(&mut self, idx: usize) {
        if self.slots[idx].child.is_some() {
            self.slots[idx].is_interrupted = true;
            self.ended_early += 1;
            self.signal(idx, "TERM");
        }
    }

    /// Returns a host's wire.
    pub(crate) fn wire(&self, idx: usize) -> &Wire {
        &self.slots[idx].wire
    }

    /// Cuts the wires of all hosts.
    pub(crate) fn cut_all(&self) {
        self.slots.iter().for_each(|slot| slot.wire.cut());
    }

    /// Returns the stdout of hosts that ended by themselves.
    pub(crate) fn printed(&self) -> Vec<Vec<u8>> {
        let printed = |idx| std::fs::read(self.file(idx, "out")).expect("the file was made");
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

    fn file(&self, idx: usize, ending: &str) -> PathBuf {
        let name = format!("host-{idx}-{}.{ending}", self.slots[idx].incarnation);
        self.project.folder().join(name)
    }

    fn start(&mut self, idx: usize) {
        self.slots[idx].incarnation += 1;
        let events = self.file(idx, "jsonl");
        let uri = format!(
            "redis://:{}@127.0.0.1:{}?lease=1s&timeout=2s&connect-timeout=30s",
            self.password,
            self.slots[idx].wire.port()
        );
        let events = events.to_str().expect("scratch folders have plain names");
        let host = self.project.other_host(events).args(["--state", &uri, "--run-id", RUN, "-j", JOBS]);
        let mut command = host.args(["--keep-going", "--log-level", "info"]).command();
        let create = |ending| File::create(self.file(idx, ending)).expect("the folder can be written");
        let (out, err) = (create("out"), create("err"));
        let child = command.stdout(Stdio::from(out)).stderr(Stdio::from(err)).spawn();
        self.slots[idx].child = Some(child.expect("the binary can be started"));
    }

    fn signal(&self, idx: usize, name: &str) {
        if let Some(child) = &self.slots[idx].child {
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
