//! Handles SIGINT, SIGTERM and SIGHUP on a thread of its own, during the whole command.
//! The engine stops the run; the messages are in `interrupt_message`.

use crate::app::{BuildHandle, BuildProcess, Refusal};
use crate::cli::console::Console;
use crate::cli::process::exit::Exit;
use crate::config::{Ignored, catch, unblock_signals};
use crate::engine::Interrupt;
use crate::model::try_files;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::process::Signal;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::Signal as SignalStream;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

/// Timeout of a write to a stderr that nobody reads. Short, since the user asked the process to exit.
const STDERR_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of timeouts while stderr is writable: then the machine is slow, not the reader.
const MAX_WAITS: u32 = 20;

/// Number of files that the signal handler opens. The library panics without them, so they are tried first.
const HANDLER_FILES: usize = 6;

/// The receiver of one signal; `None` if the process was started to ignore it.
type Receiver = Option<SignalStream>;

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// Stop; if repeated, stop at once.
    Stop,
    /// The terminal or session is gone. Repetition means nothing: shell and kernel may both send the signal.
    HangUp,
}

/// The signal handler, which acts by the current work. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signals {
    // A mutex because the signal thread meets the working thread. The lock is held for one decision, or while a build
    // command starts, and never while waiting.
    state: Arc<Mutex<State>>,
    /// The right to print, held until exit so that the effect of one signal is printed before another ends the
    /// process.
    print_lock: Arc<Mutex<()>>,
    console: Console,
}

/// The current work, and its interrupt message.
struct State {
    work: Work,
    /// The message if the process exits now.
    message: String,
}

/// The kind of work that must end before the process does.
enum Work {
    /// Work that needs no clean-up. Compilers end with the pipe from their host.
    Interruptible,
    /// A build command, and whether it was asked to stop.
    Building(BuildHandle, bool),
    /// A run, and the channel that interrupts it.
    Running(watch::Sender<Interrupt>),
    /// The notification of a run that has ended, the channel that interrupts it, and whether it was interrupted.
    Notifying(watch::Sender<Interrupt>, bool),
}

/// The reaction to a signal.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// The work was asked to stop; print this message and continue.
    Print(&'static str),
    /// Exit with this message.
    Exit(String),
    /// The signal is a repetition.
    Ignore,
}

impl Signals {
    /// Starts the handler. Until other work begins, the first signal ends the process with this message.
    pub(crate) fn listen(message: String, console: Console) -> Result<Self, Refusal> {
        let cannot = |error: std::io::Error| Refusal::new("cannot listen for signals").caused_by(error);
        try_files(HANDLER_FILES).map_err(cannot)?;
        let signals = Self::new(message, console);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
        let listening = runtime.enter();
        let ignored = Ignored::of_process();
        // Catching SIGXFSZ makes a write beyond the file size limit fail instead of killing the process.
        catch(Signal::XFSZ.as_raw()).map_err(cannot)?;
        // Catching SIGCHLD lets this process read the exit status of its children, even if it was started to ignore it.
        catch(Signal::CHILD.as_raw()).map_err(cannot)?;
        ignored.catch_the_rest();
        let listen_to = |number: Signal| {
            if ignored.on_purpose(number) {
                return Ok(None);
            }
            signal(SignalKind::from_raw(number.as_raw())).map(Some).map_err(cannot)
        };
        let receivers = [listen_to(Signal::INT)?, listen_to(Signal::TERM)?, listen_to(Signal::HUP)?];
        drop(listening);
        // Threads inherit the signal mask, so unblock before starting the first one.
        unblock_signals().map_err(cannot)?;
        let handler = signals.clone();
        let receive = move || runtime.block_on(handler.receive(receivers));
        // The thread ends with the process.
        std::thread::Builder::new().name("signals".to_owned()).spawn(receive).map_err(cannot)?;
        Ok(signals)
    }

    fn new(message: String, console: Console) -> Self {
        Self {
            state: Arc::new(Mutex::new(State { work: Work::Interruptible, message })),
            print_lock: Arc::default(),
            console,
        }
    }

    /// Replaces the message of a signal that ends the process now.
    pub(crate) fn say_if_interrupted(&self, message: String) {
        self.state().message = message;
    }

    /// Runs `run`, which signals interrupt through `stop`; after it, a signal prints `after` and exits.
    pub(crate) fn while_running<T>(
        &self,
        stop: watch::Sender<Interrupt>,
        after: String,
        run: impl FnOnce() -> T,
    ) -> T {
        self.during(Work::Running(stop), after, run)
    }

    /// Sends the notification of a run that has ended, which a signal gives up through `stop`.
    pub(crate) fn while_notifying<T>(
        &self,
        stop: watch::Sender<Interrupt>,
        after: String,
        notify: impl FnOnce() -> T,
    ) -> T {
        self.during(Work::Notifying(stop, false), after, notify)
    }

    fn during<T>(&self, work: Work, after: String, run: impl FnOnce() -> T) -> T {
        self.state().work = work;
        let done = run();
        *self.state() = State { work: Work::Interruptible, message: after };
        done
    }

    /// Starts a build command and waits for it. If a signal stopped it, the process exits here.
    pub(crate) fn while_building(
        &self,
        start: impl FnOnce() -> Result<BuildProcess, Refusal>,
        print: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        let mut building = {
            // Hold the lock while starting, so that a signal waits until the command can be stopped.
            let mut state = self.state();
            let building = start()?;
            state.work = Work::Building(building.handle(), false);
            building
        };
        building.wait(print);
        let finished = std::mem::replace(&mut self.state().work, Work::Interruptible);
        match finished {
            Work::Building(_, true) => {
                building.kill_and_wait();
                let message = self.state().message.clone();
                // Wait for the signal thread to finish printing before exiting.
                let _printing = self.lock_print();
                exit_interrupted(&self.console, message)
            }
            Work::Building(_, false) | Work::Running(_) | Work::Notifying(..) | Work::Interruptible => {
                building.finish()
            }
        }
    }

    async fn receive(self, mut receivers: [Receiver; 3]) {
        loop {
            let request = next_request(&mut receivers).await;
            let _printing = self.lock_print();
            let reaction = self.state().handle(request);
            match reaction {
                Reaction::Print(text) => print_with_timeout(&self.console, "stopping", text.to_owned()),
                Reaction::Exit(text) => exit_interrupted(&self.console, text),
                Reaction::Ignore => {}
            }
        }
    }

    fn lock_print(&self) -> MutexGuard<'_, ()> {
        self.print_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Passes a request on to the current work, and returns what else to do.
    fn handle(&mut self, request: Request) -> Reaction {
        match &mut self.work {
            Work::Interruptible => Reaction::Exit(self.message.clone()),
            Work::Building(handle, is_stopped @ false) => {
                *is_stopped = true;
                match request {
                    Request::Stop => handle.stop(),
                    Request::HangUp => handle.end(), // no second request can come
                }
                Reaction::Print("stopping the build command; interrupt again to kill it\n")
            }
            Work::Building(handle, true) if request == Request::Stop => {
                handle.kill();
                Reaction::Exit(self.message.clone())
            }
            Work::Running(stop) if request == Request::HangUp && *stop.borrow() > Interrupt::Supersede => {
                Reaction::Ignore
            }
            Work::Notifying(stop, is_stopped @ false) => {
                *is_stopped = true;
                stop.send_replace(Interrupt::Abort);
                Reaction::Print("giving up the notification; the run has ended\n")
            }
            Work::Notifying(_, true) if request == Request::Stop => Reaction::Exit(self.message.clone()),
            Work::Building(_, true) | Work::Notifying(_, true) => Reaction::Ignore,
            Work::Running(stop) => {
                let before = *stop.borrow();
                match before {
                    // First signal: drain. Second: abort running tasks. Third: exit at once.
                    Interrupt::None | Interrupt::Supersede => {
                        stop.send_replace(Interrupt::Drain);
                        Reaction::Print(
                            "stopping after the running tasks; interrupt again to stop them now\n",
                        )
                    }
                    Interrupt::Drain => {
                        stop.send_replace(Interrupt::Abort);
                        Reaction::Print("stopping running tasks\n")
                    }
                    Interrupt::Abort => Reaction::Exit(
                        "interrupted before the run was closed; the state backend keeps the committed results\n"
                            .to_owned(),
                    ),
                }
            }
        }
    }
}

async fn next_request([interrupts, terminations, hang_ups]: &mut [Receiver; 3]) -> Request {
    tokio::select! {
        () = receive(interrupts) => Request::Stop,
        () = receive(terminations) => Request::Stop,
        () = receive(hang_ups) => Request::HangUp,
    }
}

async fn receive(receiver: &mut Receiver) {
    match receiver {
        Some(stream) => drop(stream.recv().await),
        None => std::future::pending().await,
    }
}

/// Prints a message and exits with the code of an interruption.
fn exit_interrupted(console: &Console, message: String) -> ! {
    print_with_timeout(console, "interrupted", message);
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// Prints a note on a thread of its own, so that a stderr that nobody reads delays neither the next signal nor exit.
fn print_with_timeout(console: &Console, code: &'static str, text: String) {
    let console = console.clone();
    let (sender, printed) = mpsc::channel();
    let printing = std::thread::Builder::new().spawn(move || {
        console.last_note(code, &text);
        sender.send(()).ok(); // fails after the timeout
    });
    let waits = if printing.is_ok() { MAX_WAITS } else { 0 };
    // A writable stderr after the timeout means that the printing thread was not scheduled yet: wait again.
    for _ in 0..waits {
        let is_late = printed.recv_timeout(STDERR_TIMEOUT) == Err(RecvTimeoutError::Timeout);
        if !is_late || !is_stderr_writable() {
            return; // printed, or stderr is not read
        }
    }
}

/// Returns whether stderr accepts a write right now.
fn is_stderr_writable() -> bool {
    let stderr = std::io::stderr();
    let mut stream = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut stream, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_signal_ends_interruptible_work() {
        let signals = Signals::new("message".to_owned(), Console::default());
        for request in [Request::Stop, Request::HangUp] {
            assert_eq!(signals.state().handle(request), Reaction::Exit("message".to_owned()));
        }
    }

    #[test]
    fn signals_drain_then_abort_a_run_then_exit() {
        let signals = Signals::new("before".to_owned(), Console::default());
        let (stop, interrupt) = watch::channel(Interrupt::None);
        let levels = signals.while_running(stop, "after".to_owned(), || {
            [(); 3].map(|()| (signals.state().handle(Request::Stop), *interrupt.borrow()))
        });
        assert!(matches!(levels[0], (Reaction::Print(_), Interrupt::Drain)));
        assert!(matches!(levels[1], (Reaction::Print(_), Interrupt::Abort)));
        assert!(matches!(levels[2], (Reaction::Exit(_), Interrupt::Abort)));
        assert_eq!(signals.state().handle(Request::Stop), Reaction::Exit("after".to_owned()));
    }

    #[test]
    fn first_signal_gives_up_a_notification_and_the_second_exits() {
        let signals = Signals::new("before".to_owned(), Console::default());
        let (stop, interrupt) = watch::channel(Interrupt::Drain);
        let reactions = signals.while_notifying(stop, "after".to_owned(), || {
            [Request::HangUp, Request::HangUp, Request::Stop].map(|request| signals.state().handle(request))
        });
        assert!(
            matches!(reactions, [Reaction::Print(_), Reaction::Ignore, Reaction::Exit(_)]),
            "{reactions:?}"
        );
        assert_eq!(*interrupt.borrow(), Interrupt::Abort);
    }

    #[test]
    fn repeated_hang_up_drains_a_run_without_aborting() {
        let signals = Signals::new("before".to_owned(), Console::default());
        let (stop, interrupt) = watch::channel(Interrupt::None);
        let levels = signals.while_running(stop, "after".to_owned(), || {
            [Request::HangUp, Request::HangUp, Request::Stop]
                .map(|request| (signals.state().handle(request), *interrupt.borrow()))
        });
        assert!(matches!(levels[0], (Reaction::Print(_), Interrupt::Drain)));
        assert_eq!(levels[1], (Reaction::Ignore, Interrupt::Drain));
        assert!(matches!(levels[2], (Reaction::Print(_), Interrupt::Abort)));
    }
}
