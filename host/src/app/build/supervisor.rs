//! The life of a process that runs one build command: in a session of its own, the parent of all that is started there,
//! so that everything ends when the host does, by whatever way.
//! Whoever started it watches it from `building`; it is this host's own binary, and trusts its orders.

use crate::app::build::family;
use crate::app::build::family::Reach;
use crate::config::{Ignored, catch};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, setsid, wait};
use std::ffi::OsString;
use std::io;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// The first argument of such a process. No user has a reason to give it.
const WORD: &str = "--run-the-build-command";

/// How long processes that were asked to end may take for it once nobody can ask again.
const GRACE: Duration = Duration::from_millis(500);

/// What a supervisor may be told, a byte each. The end of its input is its host's end, and the last order.
pub(crate) mod orders {
    /// Ask all to end.
    pub(crate) const STOP: u8 = b's';
    /// Ask all to end, and kill those that do not.
    pub(crate) const END: u8 = b'e';
    /// Kill all.
    pub(crate) const KILL: u8 = b'k';
}

/// What it reports: the command has ended, with this status of the system.
pub(crate) const ENDED: &str = "ended";

/// What it reports: the command cannot be started, for an error of this number.
pub(crate) const REFUSED: &str = "refused";

/// What such a process is to run. Orders come on stdin, reports go to stdout, and what the command prints to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// For the shell.
    pub(crate) command: OsString,
}

impl BuildOrder {
    /// The order in the arguments of a process; none where they are a user's.
    pub fn of_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = arguments.into_iter().skip(1);
        let is_order = words.next()? == WORD;
        let (command, more) = (words.next()?, words.next());
        (is_order && more.is_none()).then_some(Self { command })
    }

    /// The arguments that say it.
    pub(crate) fn arguments(self) -> [OsString; 2] {
        [WORD.into(), self.command]
    }

    /// Runs the command, and ends once all that it has started has.
    pub fn fill(self, orders: impl Read + Send + 'static, mut reports: impl Write, output: Stdio) {
        let has_ended = Arc::new(Mutex::new(false));
        let mut starting = lock(&has_ended);
        let begun = begin(orders, &has_ended).and_then(|()| start(&self.command, output));
        *starting = begun.is_err();
        drop(starting);
        let child = match begun {
            Ok(child) => child,
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_default();
                drop(writeln!(reports, "{REFUSED} {number}")); // a host that is gone wants no reports
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
                Err(_) => return, // nobody is left
            }
        }
    }
}

/// Becomes what all others are started by, and begins to listen.
fn begin(orders: impl Read + Send + 'static, has_ended: &Arc<Mutex<bool>>) -> io::Result<()> {
    setsid().ok(); // it leads one already
    become_reaper()?;
    // Signals are the host's to answer.
    let ignored = Ignored::of_process();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let around = runtime.enter();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        if !ignored.on_purpose(signal) {
            catch(signal.as_raw())?;
        }
    }
    drop(around);
    let has_ended = Arc::clone(has_ended);
    Builder::new().spawn(move || obey(orders, &has_ended)).map(drop)
}

/// Has orphans of this family come to this process: they are found again, whoever started them.
#[cfg(target_os = "linux")]
fn become_reaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn become_reaper() -> io::Result<()> {
    Ok(())
}

/// Whether the command has ended. Held while it is started: whoever ends all has to know of it.
fn lock(has_ended: &Mutex<bool>) -> MutexGuard<'_, bool> {
    has_ended.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(command: &OsString, output: Stdio) -> io::Result<Child> {
    Command::new("sh").arg("-c").arg(command).stdin(Stdio::null()).stdout(output).spawn()
}

/// Does what the host says until it has gone, and ends this process then.
fn obey(mut orders: impl Read, has_ended: &Mutex<bool>) {
    let mut order = [0];
    while orders.read_exact(&mut order).is_ok() {
        match order {
            [orders::STOP] => family::signal(Reach::All, Signal::TERM),
            [orders::END] => family::end(Reach::All, GRACE),
            [orders::KILL] => family::kill(Reach::All),
            _ => {} // of no host
        }
    }
    let has_ended = lock(has_ended);
    // A command that has ended may have left a daemon behind, which is nobody's any more.
    let reach = if *has_ended { Reach::Session } else { Reach::All };
    family::end(reach, GRACE);
    std::process::exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written_and_no_user_gives_one_by_chance() {
        let order = BuildOrder { command: "make -j2 'all'".into() };
        let words = |words: &[OsString]| {
            BuildOrder::of_arguments(std::iter::once("host".into()).chain(words.iter().cloned()))
        };
        let written = order.clone().arguments();
        assert_eq!(words(&written), Some(order));
        assert_eq!(words(&written[..1]), None);
        assert_eq!(words(&written[1..]), None);
        assert_eq!(words(&["run".into(), "manifest.toml".into()]), None);
    }
}
