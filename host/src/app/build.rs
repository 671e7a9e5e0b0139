//! Starts the build commands of a manifest's components, each distinct one once, in the manifest's order.
//! Where what they print goes is handed in.

use crate::app::Refusal;
use crate::manifest::Manifest;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// The components that it builds.
    pub components: Vec<String>,
    /// The command, for the shell.
    pub command: String,
    /// Where it runs.
    pub folder: PathBuf,
}

/// The distinct build commands of a manifest.
#[must_use]
pub fn build_steps(manifest: &Manifest) -> Vec<BuildStep> {
    let mut steps: Vec<BuildStep> = Vec::new();
    for (name, component) in &manifest.components {
        let Some(command) = &component.build else {
            continue;
        };
        let same = |step: &&mut BuildStep| step.command == *command && step.folder == component.build_dir;
        match steps.iter_mut().find(same) {
            Some(step) => step.components.push(name.to_string()),
            None => steps.push(BuildStep {
                components: vec![name.to_string()],
                command: command.clone(),
                folder: component.build_dir.clone(),
            }),
        }
    }
    steps
}

/// A command that was started.
pub struct Building {
    child: Child,
    what: String,
    /// What it is, for whoever has to look into it.
    note: String,
}

/// All processes that a build command has started, as far as they have stayed together. Only while its end was not
/// asked for: the number may be another's afterwards.
#[derive(Debug, Clone, Copy)]
pub struct BuildGroup(Option<Pid>);

impl BuildGroup {
    /// Asks them to end.
    pub fn stop(self) {
        self.signal(Signal::TERM);
    }

    /// Ends them.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    fn signal(self, signal: Signal) {
        if let Some(group) = self.0 {
            kill_process_group(group, signal).ok(); // none is left
        }
    }
}

/// Starts one command, in a process group of its own; what it prints goes to `out`.
pub fn build(step: &BuildStep, out: Stdio) -> Result<Building, Refusal> {
    let what = format!("the build command of {}", step.components.join(", "));
    let child = Command::new("sh")
        .arg("-c")
        .arg(&step.command)
        .current_dir(&step.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .spawn()
        .map_err(|error| {
            Refusal::new(format!("cannot start {what} in `{}`", step.folder.display()))
                .help("`build-dir` is relative to the manifest's folder and must exist")
                .caused_by(error)
        })?;
    let note = format!("it was `{}` in `{}`", step.command, step.folder.display());
    Ok(Building { child, what, note })
}

impl Building {
    /// Its processes.
    #[must_use]
    pub fn group(&self) -> BuildGroup {
        BuildGroup(i32::try_from(self.child.id()).ok().and_then(Pid::from_raw))
    }

    /// Waits until it has ended, and leaves its number to it.
    pub fn wait(&self) {
        let Some(process) = self.group().0 else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(process), options), Err(Errno::INTR)) {}
    }

    /// Asks how it has ended.
    pub fn finish(mut self) -> Result<(), Refusal> {
        let what = &self.what;
        let status = self.child.wait();
        let status =
            status.map_err(|error| Refusal::new(format!("cannot wait for {what}")).caused_by(error))?;
        if status.success() {
            return Ok(());
        }
        let refusal = Refusal::new(format!("{what} failed: {status}")).note(self.note);
        Err(refusal.help("what it printed stands above"))
    }
}
