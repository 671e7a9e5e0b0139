//! A running build command, as the host controls it: started under a supervisor, monitored, stopped.
//! The supervisor's own side is in `supervisor`.

use crate::app::Refusal;
use crate::app::build::BuildStep;
use crate::app::build::supervisor::{BuildRequest, ENDED, NOT_STARTED, orders};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Maximum number of bytes per read of a command's output.
const READ_SIZE: usize = 64 << 10;

/// The destination of a command's output.
#[derive(Debug)]
pub(crate) enum BuildOutput {
    /// A stream, unchanged.
    Stream(Stdio),
    /// A pipe to the caller that waits for the command.
    Host,
}

/// A started build command.
pub(crate) struct BuildProcess {
    supervisor: Child,
    handle: BuildHandle,
    reports: ChildStdout,
    /// The output pipe; `None` if the output goes to a stream.
    output: Option<ChildStderr>,
    /// The supervisor's report so far.
    report: String,
    /// The command in error messages.
    label: String,
    /// Explanation that the error shows as a note.
    note: String,
}

/// Sends orders to the supervisor of a build command, from any thread.
#[derive(Clone)]
pub(crate) struct BuildHandle(Arc<ChildStdin>);

impl BuildHandle {
    /// Asks all processes of the command to end (SIGTERM).
    pub(crate) fn stop(&self) {
        self.order(orders::STOP);
    }

    /// Asks all processes to end, and kills those that do not end soon.
    pub(crate) fn end(&self) {
        self.order(orders::END);
    }

    /// Kills all processes.
    pub(crate) fn kill(&self) {
        self.order(orders::KILL);
    }

    fn order(&self, order: u8) {
        let mut orders: &ChildStdin = &self.0;
        drop(orders.write_all(&[order])); // fails only if the supervisor has ended
    }
}

/// Starts one command. `program` is this host's own binary, whose `main` passes its arguments to [`BuildRequest`].
pub(crate) fn build(step: &BuildStep, output: BuildOutput, program: &Path) -> Result<BuildProcess, Refusal> {
    let label = format!("the build command of {}", step.components.join(", "));
    let cannot = |error: io::Error| cannot_start(&label, step).caused_by(error);
    let mut supervisor = Command::new(program)
        .args(BuildRequest { command: step.command.clone().into() }.arguments())
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
    let note = format!("`build` is `{}`, and ran in `{}`", step.written, step.folder.display());
    Ok(BuildProcess {
        output: supervisor.stderr.take(),
        supervisor,
        handle: BuildHandle(Arc::new(orders)),
        reports,
        report: String::new(),
        label,
        note,
    })
}

fn cannot_start(label: &str, step: &BuildStep) -> Refusal {
    Refusal::new(format!("cannot start {label} in `{}`", step.folder.display()))
        .help("`build-dir` is relative to the manifest's folder and must exist")
}

impl BuildProcess {
    /// Returns a handle that sends orders.
    #[must_use]
    pub(crate) fn handle(&self) -> BuildHandle {
        self.handle.clone()
    }

    /// Waits until the command has ended. Passes its output to `print`, unless it goes to a stream.
    pub(crate) fn wait(&mut self, mut print: impl FnMut(&[u8])) {
        let mut buffer = vec![0; READ_SIZE];
        while !self.report.ends_with('\n') {
            // Read all output before the report of the end.
            if self.wait_for_output() {
                let read =
                    self.output.as_mut().map_or(0, |output| output.read(&mut buffer).unwrap_or_default());
                match buffer.get(..read) {
                    Some([]) | None => self.output = None,
                    Some(chunk) => print(chunk),
                }
                continue;
            }
            let read = self.reports.read(&mut buffer).unwrap_or_default();
            match buffer.get(..read) {
                Some([]) | None => return, // the supervisor ended without a report
                Some(chunk) => self.report.push_str(&String::from_utf8_lossy(chunk)),
            }
        }
    }

    /// Waits until a pipe is readable; returns whether it is the command's output.
    fn wait_for_output(&self) -> bool {
        let Some(output) = &self.output else { return false };
        let mut streams = [PollFd::new(output, PollFlags::IN), PollFd::new(&self.reports, PollFlags::IN)];
        while matches!(poll(&mut streams, None), Err(Errno::INTR)) {}
        let [output, _] = streams;
        !output.revents().is_empty()
    }

    /// Kills all remaining processes, and waits until they are gone.
    pub(crate) fn kill_and_wait(mut self) {
        self.handle.kill();
        self.reap();
    }

    /// Returns the outcome. Processes that the command left running end with this process.
    pub(crate) fn finish(mut self) -> Result<(), Refusal> {
        let label = self.label.clone();
        let status = match self.report.trim_end().split_once(' ') {
            Some((ENDED, status)) => status.parse().map(ExitStatus::from_raw).ok(),
            Some((NOT_STARTED, number)) => {
                let error = io::Error::from_raw_os_error(number.parse().unwrap_or_default());
                return Err(
                    Refusal::new(format!("cannot start {label}: `sh` does not start")).caused_by(error)
                );
            }
            _ => None, // no report
        };
        let message = match status {
            Some(status) if status.success() => {
                std::mem::forget(self.handle);
                return Ok(());
            }
            Some(status) => format!("{label} failed: {status}"),
            None => format!("the supervisor of {label} ended early: {}", self.reap()),
        };
        Err(Refusal::new(message).note(self.note).help("see its output above"))
    }

    /// Waits until the supervisor has ended, and returns its exit status as text. Kills its process group if it ended
    /// without a report.
    fn reap(&mut self) -> String {
        let group = i32::try_from(self.supervisor.id()).ok().and_then(Pid::from_raw);
        if let (true, Some(group)) = (self.report.is_empty(), group) {
            // The PID cannot have been reused, since the supervisor was not waited for yet.
            kill_process_group(group, Signal::KILL).ok(); // fails if no process is left
        }
        self.supervisor.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}
