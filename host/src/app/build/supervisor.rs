//! The supervisor process of one build command. It leads a session of its own and adopts all orphans in it, so that
//! every process of the build ends when the host does, even if the host is killed.
//! The host controls it from `build_process`. It is the host's own binary, and trusts its orders.

use crate::app::build::process_tree;
use crate::app::build::process_tree::Descendants;
use crate::config::{Ignored, catch, program_for_others};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, setsid, wait};
use std::ffi::OsString;
use std::io;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// The first argument that starts this binary as a supervisor. Users have no reason to type it.
const SUPERVISOR_FLAG: &str = "--run-the-build-command";

/// The variable by which a build command starts this host, for `bindings` and `wrap`.
const HOST_VARIABLE: &str = "CASCADE_HOST";

/// How long processes may take to end before they are killed.
const GRACE: Duration = Duration::from_millis(500);

/// The orders to a supervisor, one byte each. The end of its input means that the host has ended.
pub(crate) mod orders {
    /// Ask all processes to end.
    pub(crate) const STOP: u8 = b's';
    /// Ask all processes to end, and kill those that do not.
    pub(crate) const END: u8 = b'e';
    /// Kill all processes.
    pub(crate) const KILL: u8 = b'k';
}

/// Report that the command has ended, followed by the raw wait status.
pub(crate) const ENDED: &str = "ended";

/// Report that the command cannot be started, followed by the error number.
pub(crate) const NOT_STARTED: &str = "refused";

/// The request to run one command. Orders arrive on stdin, reports go to stdout, and the command's output to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildRequest {
    /// The command, for the shell.
    pub(crate) command: OsString,
}

impl BuildRequest {
    /// Parses the arguments of a supervisor; returns `None` for those of a user.
    pub(crate) fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = arguments.into_iter().skip(1);
        let is_supervisor = words.next()? == SUPERVISOR_FLAG;
        let (command, more) = (words.next()?, words.next());
        (is_supervisor && more.is_none()).then_some(Self { command })
    }

    /// Returns the arguments that start the supervisor.
    pub(crate) fn arguments(self) -> [OsString; 2] {
        [SUPERVISOR_FLAG.into(), self.command]
    }

    /// Runs the command, and returns once all of its processes have ended.
    pub(crate) fn run(self, orders: impl Read + Send + 'static, mut reports: impl Write, output: Stdio) {
        let has_ended = Arc::new(Mutex::new(false));
        let mut starting = lock(&has_ended);
        let started = set_up(orders, &has_ended).and_then(|()| start(&self.command, output));
        *starting = started.is_err();
        drop(starting);
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_default();
                drop(writeln!(reports, "{NOT_STARTED} {number}")); // fails only if the host has ended
                return;
            }
        };
        let command = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((process, status))) if Some(process) == command => {
                    *lock(&has_ended) = true;
                    drop(writeln!(reports, "{ENDED} {}", status.as_raw()).and_then(|()| reports.flush()));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return, // no child is left
            }
        }
    }
}

/// Makes this process the session leader and reaper, and starts the thread that handles orders.
fn set_up(orders: impl Read + Send + 'static, has_ended: &Arc<Mutex<bool>>) -> io::Result<()> {
    setsid().ok(); // fails if it leads a session already
    become_reaper()?;
    // The host handles signals, and sends orders.
    let ignored = Ignored::of_process();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        if !ignored.on_purpose(signal) {
            catch(signal.as_raw())?;
        }
    }
    drop(entered);
    let has_ended = Arc::clone(has_ended);
    Builder::new().spawn(move || handle_orders(orders, &has_ended)).map(drop)
}

/// Makes this process adopt the orphans among its descendants, so that it can find them.
#[cfg(target_os = "linux")]
fn become_reaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn become_reaper() -> io::Result<()> {
    Ok(())
}

/// Locks the flag that the command has ended. Held while the command starts, so that ending all processes includes it.
fn lock(has_ended: &Mutex<bool>) -> MutexGuard<'_, bool> {
    has_ended.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(command: &OsString, output: Stdio) -> io::Result<Child> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(output);
    shell.env(HOST_VARIABLE, program_for_others()?).spawn()
}

/// Executes the host's orders until the host has ended, then ends all processes and exits.
fn handle_orders(mut orders: impl Read, has_ended: &Mutex<bool>) {
    let mut order = [0];
    while orders.read_exact(&mut order).is_ok() {
        match order {
            [orders::STOP] => process_tree::signal(Descendants::All, Signal::TERM),
            [orders::END] => process_tree::end(Descendants::All, GRACE),
            [orders::KILL] => process_tree::kill(Descendants::All),
            _ => {} // no host sends another order
        }
    }
    let has_ended = lock(has_ended);
    // A daemon that an ended command left behind may stay: it has left the session.
    let which = if *has_ended { Descendants::SameSession } else { Descendants::All };
    process_tree::end(which, GRACE);
    std::process::exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_survives_a_round_trip_and_user_arguments_are_none() {
        let request = BuildRequest { command: "make -j2 'all'".into() };
        let words = |words: &[OsString]| {
            BuildRequest::from_arguments(std::iter::once("host".into()).chain(words.iter().cloned()))
        };
        let written = request.clone().arguments();
        assert_eq!(words(&written), Some(request));
        assert_eq!(words(&written[..1]), None);
        assert_eq!(words(&written[1..]), None);
        assert_eq!(words(&["run".into(), "manifest.toml".into()]), None);
    }
}
