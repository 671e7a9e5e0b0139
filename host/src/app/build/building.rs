//! A build command that runs, seen by its host: started under a supervisor, listened to, ended.
//! The supervisor itself is in `supervisor`.

use crate::app::Refusal;
use crate::app::build::BuildStep;
use crate::app::build::supervisor::{BuildOrder, ENDED, REFUSED, orders};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Most bytes that are taken of what a command prints at once.
const PIECE: usize = 64 << 10;

/// Where what a command prints goes.
#[derive(Debug)]
pub enum BuildOutput {
    /// To a stream as it is.
    Stream(Stdio),
    /// Piped to the caller that waits for the command.
    Host,
}

/// A command that was started.
pub struct Building {
    supervisor: Child,
    handle: BuildHandle,
    reports: ChildStdout,
    /// None where it goes elsewhere.
    output: Option<ChildStderr>,
    /// What the supervisor has said.
    report: String,
    what: String,
    /// Explanation that the error shows as a note.
    note: String,
}

/// Tells the supervisor of a build command what to do, from any thread.
#[derive(Clone)]
pub struct BuildHandle(Arc<ChildStdin>);

impl BuildHandle {
    /// Asks all that the command has started to end.
    pub fn stop(&self) {
        self.order(orders::STOP);
    }

    /// Asks them to end, and kills those that do not end soon.
    pub fn end(&self) {
        self.order(orders::END);
    }

    /// Kills them.
    pub fn kill(&self) {
        self.order(orders::KILL);
    }

    fn order(&self, order: u8) {
        let mut orders: &ChildStdin = &self.0;
        drop(orders.write_all(&[order])); // it has ended
    }
}

/// Starts one command. `program` is the one whose `main` hands its arguments to [`BuildOrder`]: this host's own binary.
pub fn build(step: &BuildStep, output: BuildOutput, program: &Path) -> Result<Building, Refusal> {
    let what = format!("the build command of {}", step.components.join(", "));
    let cannot = |error: io::Error| cannot_start(&what, step).caused_by(error);
    let mut supervisor = Command::new(program)
        .args(BuildOrder { command: step.command.clone().into() }.arguments())
        .current_dir(&step.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(match output {
            BuildOutput::Stream(stream) => stream,
            BuildOutput::Host => Stdio::piped(),
        })
        .spawn()
        .map_err(cannot)?;
    let (Some(orders), Some(reports)) = (supervisor.stdin.take(), supervisor.stdout.take()) else {
        return Err(cannot(io::ErrorKind::BrokenPipe.into()));
    };
    let note = format!("it was `{}` in `{}`", step.command, step.folder.display());
    Ok(Building {
        output: supervisor.stderr.take(),
        supervisor,
        handle: BuildHandle(Arc::new(orders)),
        reports,
        report: String::new(),
        what,
        note,
    })
}

fn cannot_start(what: &str, step: &BuildStep) -> Refusal {
    Refusal::new(format!("cannot start {what} in `{}`", step.folder.display()))
        .help("`build-dir` is relative to the manifest's folder and must exist")
}

impl Building {
    /// Tells it what to do.
    #[must_use]
    pub fn handle(&self) -> BuildHandle {
        self.handle.clone()
    }

    /// Waits until the command has ended; hands what it prints to `print`, where it goes to no stream.
    pub fn wait(&mut self, mut print: impl FnMut(&[u8])) {
        let mut piece = vec![0; PIECE];
        while !self.report.ends_with('\n') {
            // What was printed before the end is taken before the report of it.
            if self.has_printed() {
                let read =
                    self.output.as_mut().map_or(0, |output| output.read(&mut piece).unwrap_or_default());
                match piece.get(..read) {
                    Some([]) | None => self.output = None,
                    Some(printed) => print(printed),
                }
                continue;
            }
            let read = self.reports.read(&mut piece).unwrap_or_default();
            match piece.get(..read) {
                Some([]) | None => return, // the supervisor has ended before it could say how the command has
                Some(said) => self.report.push_str(&String::from_utf8_lossy(said)),
            }
        }
    }

    /// Waits for something to read; tells whether the command has printed it.
    fn has_printed(&self) -> bool {
        let Some(output) = &self.output else { return false };
        let mut streams = [PollFd::new(output, PollFlags::IN), PollFd::new(&self.reports, PollFlags::IN)];
        while matches!(poll(&mut streams, None), Err(Errno::INTR)) {}
        let [output, _] = streams;
        !output.revents().is_empty()
    }

    /// Kills whatever is left of it, and waits until that is gone.
    pub fn abandon(mut self) {
        self.handle.kill();
        self.clear();
    }

    /// Tells how it has ended. What the command has left running ends with this process.
    pub fn finish(mut self) -> Result<(), Refusal> {
        let what = self.what.clone();
        let status = match self.report.trim_end().split_once(' ') {
            Some((ENDED, status)) => status.parse().map(ExitStatus::from_raw).ok(),
            Some((REFUSED, number)) => {
                let error = io::Error::from_raw_os_error(number.parse().unwrap_or_default());
                return Err(
                    Refusal::new(format!("cannot start {what}: `sh` does not start")).caused_by(error)
                );
            }
            _ => None, // it has said nothing
        };
        let how = match status {
            Some(status) if status.success() => {
                std::mem::forget(self.handle);
                return Ok(());
            }
            Some(status) => format!("{what} failed: {status}"),
            None => format!("{what} was lost: {}", self.clear()),
        };
        Err(Refusal::new(how).note(self.note).help("what it printed stands above"))
    }

    /// Waits until the supervisor has ended, and sees to what it may not have seen to; tells how it has ended.
    fn clear(&mut self) -> String {
        let group = i32::try_from(self.supervisor.id()).ok().and_then(Pid::from_raw);
        if let (true, Some(group)) = (self.report.is_empty(), group) {
            // The number of the supervisor is nobody else's: its end was not asked for.
            kill_process_group(group, Signal::KILL).ok(); // none is left
        }
        self.supervisor.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}
