//! Ctrl-C, SIGTERM and SIGHUP, heard from the first moment of a command to its last, by a thread of their own.
//! What stopping a run means is for the engine; what a command says when it is left is in `interrupt_message`.

use crate::app::{BuildHandle, Building, Refusal};
use crate::cli::process::exit::Exit;
use crate::cli::voice::Voice;
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
use tokio::signal::unix::Signal as Heard;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

/// How long to wait for a stderr that nobody drains. The user asked us to exit, so not long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many waits to grant while stderr is writable: then the machine is slow, not the reader.
const MOST_WAITS: u32 = 20;

/// Files that the signal handler opens. The library panics without them, so they are tried first.
const FILES: usize = 6;

/// A signal that this process listens to; none where it was started to ignore it.
type Ear = Option<Heard>;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// To stop; again, to stop at once.
    Stop,
    /// The terminal is gone, or the session. It is not said twice by intent: a shell and the system both tell of it.
    HangUp,
}

/// What a signal does, by what the process is at. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signals {
    // A mutex because the signal thread meets the working thread. The lock is held for one decision, or while a build
    // command starts, and never while waiting.
    now: Arc<Mutex<Now>>,
    /// The right to print, held until exit so that the effect of one signal is printed before another ends the
    /// process.
    turn: Arc<Mutex<()>>,
    voice: Voice,
}

/// The current work, and its interrupt message.
struct Now {
    work: Work,
    /// The message if the process is ended now.
    farewell: String,
}

/// The kind of work that must end before the process does.
enum Work {
    /// No work that needs ending. Compilers end with the pipe from their host.
    Leavable,
    /// A build command, and whether it was told to stop.
    Building(BuildHandle, bool),
    /// A run, which is told to stop.
    Running(watch::Sender<Interrupt>),
}

/// The effect of a signal.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The work was asked to stop; print this message and go on.
    Say(&'static str),
    /// Exit with this message.
    End(String),
    /// It was said before.
    Nothing,
}

impl Signals {
    /// Begins to listen. Until something else is begun, the first signal ends the process with this farewell.
    pub(crate) fn listen(farewell: String, voice: Voice) -> Result<Self, Refusal> {
        let cannot = |error: std::io::Error| Refusal::new("cannot listen for signals").caused_by(error);
        try_files(FILES).map_err(cannot)?;
        let signals = Self::new(farewell, voice);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
        let listening = runtime.enter();
        let ignored = Ignored::of_process();
        // What is heard does not end the process by itself: who writes too large a file is told so by the write.
        catch(Signal::XFSZ.as_raw()).map_err(cannot)?;
        // How a child has ended is told to nobody who ignores that it has.
        catch(Signal::CHILD.as_raw()).map_err(cannot)?;
        ignored.catch_the_rest();
        let hear = |asked: Signal| {
            if ignored.on_purpose(asked) {
                return Ok(None);
            }
            signal(SignalKind::from_raw(asked.as_raw())).map(Some).map_err(cannot)
        };
        let ears = [hear(Signal::INT)?, hear(Signal::TERM)?, hear(Signal::HUP)?];
        drop(listening);
        // Threads begin with the mask of the one that starts them: this is before the first.
        unblock_signals().map_err(cannot)?;
        let hearing = signals.clone();
        let hear = move || runtime.block_on(hearing.receive(ears));
        // It ends with the process.
        std::thread::Builder::new().name("signals".to_owned()).spawn(hear).map_err(cannot)?;
        Ok(signals)
    }

    fn new(farewell: String, voice: Voice) -> Self {
        Self {
            now: Arc::new(Mutex::new(Now { work: Work::Leavable, farewell })),
            turn: Arc::default(),
            voice,
        }
    }

    /// Runs `run`, which signals interrupt through `stop`; after it, a signal prints `after` and exits.
    pub(crate) fn while_running<T>(
        &self,
        stop: watch::Sender<Interrupt>,
        after: String,
        run: impl FnOnce() -> T,
    ) -> T {
        self.now().work = Work::Running(stop);
        let done = run();
        *self.now() = Now { work: Work::Leavable, farewell: after };
        done
    }

    /// Starts a build command and waits for it. If a signal stopped it, the process exits here.
    pub(crate) fn while_building(
        &self,
        start: impl FnOnce() -> Result<Building, Refusal>,
        print: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        let mut building = {
            // A signal that comes meanwhile waits until it is known whom to stop.
            let mut now = self.now();
            let building = start()?;
            now.work = Work::Building(building.handle(), false);
            building
        };
        building.wait(print);
        let was = std::mem::replace(&mut self.now().work, Work::Leavable);
        match was {
            Work::Building(_, true) => {
                building.abandon();
                let farewell = self.now().farewell.clone();
                // Wait for the signal thread to finish printing before exiting.
                let _turn = self.turn();
                end(&self.voice, farewell)
            }
            Work::Building(_, false) | Work::Running(_) | Work::Leavable => building.finish(),
        }
    }

    async fn receive(self, mut ears: [Ear; 3]) {
        loop {
            let call = next(&mut ears).await;
            let _turn = self.turn();
            let answer = self.now().answer(call);
            match answer {
                Answer::Say(text) => say_soon(&self.voice, "stopping", text.to_owned()),
                Answer::End(text) => end(&self.voice, text),
                Answer::Nothing => {}
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// Tells the work, and whoever is to be told.
    fn answer(&mut self, call: Call) -> Answer {
        match &mut self.work {
            Work::Leavable => Answer::End(self.farewell.clone()),
            Work::Building(handle, is_stopped @ false) => {
                *is_stopped = true;
                match call {
                    Call::Stop => handle.stop(),
                    Call::HangUp => handle.end(), // nobody is there to ask again
                }
                Answer::Say("stopping the build command; again to kill it\n")
            }
            Work::Building(handle, true) if call == Call::Stop => {
                handle.kill();
                Answer::End(self.farewell.clone())
            }
            Work::Running(stop) if call == Call::HangUp && *stop.borrow() != Interrupt::None => {
                Answer::Nothing
            }
            Work::Building(_, true) => Answer::Nothing,
            Work::Running(stop) => {
                let before = *stop.borrow();
                match before {
                    // First signal: drain. Second: abort running tasks. Third: exit at once.
                    Interrupt::None => {
                        stop.send_replace(Interrupt::Drain);
                        Answer::Say(
                            "stopping: running tasks are finished and committed; again to stop them now\n",
                        )
                    }
                    Interrupt::Drain => {
                        stop.send_replace(Interrupt::Abort);
                        Answer::Say("stopping running tasks\n")
                    }
                    Interrupt::Abort => Answer::End(
                        "interrupted before the run could be left in order; what is committed is kept where \
                         runs are kept\n"
                            .to_owned(),
                    ),
                }
            }
        }
    }
}

async fn next([interrupts, terminations, hang_ups]: &mut [Ear; 3]) -> Call {
    tokio::select! {
        () = heard(interrupts) => Call::Stop,
        () = heard(terminations) => Call::Stop,
        () = heard(hang_ups) => Call::HangUp,
    }
}

async fn heard(ear: &mut Ear) {
    match ear {
        Some(ear) => drop(ear.recv().await),
        None => std::future::pending().await,
    }
}

/// Ends the process as one that was interrupted.
fn end(voice: &Voice, farewell: String) -> ! {
    say_soon(voice, "interrupted", farewell);
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// Says something to whoever reads it. A stderr that nobody empties keeps neither the next signal waiting nor the end.
fn say_soon(voice: &Voice, code: &'static str, text: String) {
    let voice = voice.clone();
    let (tell, told) = mpsc::channel();
    let saying = std::thread::Builder::new().spawn(move || {
        voice.note(code, &text);
        tell.send(()).ok(); // who has waited long enough is gone
    });
    let waits = if saying.is_ok() { MOST_WAITS } else { 0 };
    // A writable stderr after the timeout means that the printing thread was not scheduled yet: wait again.
    for _ in 0..waits {
        let is_late = told.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if !is_late || !has_room() {
            return; // printed, or nobody reads
        }
    }
}

/// Returns whether stderr accepts a write right now.
fn has_room() -> bool {
    let stderr = std::io::stderr();
    let mut stream = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut stream, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_is_left_at_the_first_signal() {
        let signals = Signals::new("left".to_owned(), Voice::default());
        for call in [Call::Stop, Call::HangUp] {
            assert_eq!(signals.now().answer(call), Answer::End("left".to_owned()));
        }
    }

    #[test]
    fn a_run_drains_then_aborts_then_is_left() {
        let signals = Signals::new("before".to_owned(), Voice::default());
        let (stop, interrupt) = watch::channel(Interrupt::None);
        let levels = signals.while_running(stop, "after".to_owned(), || {
            [(); 3].map(|()| (signals.now().answer(Call::Stop), *interrupt.borrow()))
        });
        assert!(matches!(levels[0], (Answer::Say(_), Interrupt::Drain)));
        assert!(matches!(levels[1], (Answer::Say(_), Interrupt::Abort)));
        assert!(matches!(levels[2], (Answer::End(_), Interrupt::Abort)));
        assert_eq!(signals.now().answer(Call::Stop), Answer::End("after".to_owned()));
    }

    #[test]
    fn a_terminal_that_is_gone_twice_drains_a_run_and_does_not_abort_it() {
        let signals = Signals::new("before".to_owned(), Voice::default());
        let (stop, interrupt) = watch::channel(Interrupt::None);
        let levels = signals.while_running(stop, "after".to_owned(), || {
            [Call::HangUp, Call::HangUp, Call::Stop]
                .map(|call| (signals.now().answer(call), *interrupt.borrow()))
        });
        assert!(matches!(levels[0], (Answer::Say(_), Interrupt::Drain)));
        assert_eq!(levels[1], (Answer::Nothing, Interrupt::Drain));
        assert!(matches!(levels[2], (Answer::Say(_), Interrupt::Abort)));
    }
}
