//! The streams of the process: results on stdout, everything else on stderr.
//! `print` formats the text; `log/screen` writes stderr during a run.

use crate::cli::print::Style;
use crate::config::{Patient, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::fs::fcntl_getfl;
use rustix::io::Errno;
use std::io;
use std::io::IsTerminal as _;
use std::io::Write;

/// The reader of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A terminal.
    Person,
    /// A pipe or a file.
    Program,
}

/// Returns the reader of stdout.
pub(crate) fn stdout_reader() -> Reader {
    if io::stdout().is_terminal() { Reader::Person } else { Reader::Program }
}

/// Returns the reader of stderr.
pub(crate) fn stderr_reader() -> Reader {
    if io::stderr().is_terminal() { Reader::Person } else { Reader::Program }
}

/// Returns whether stderr wants colour: by `NO_COLOR` and `CLICOLOR_FORCE`, else whether it is a terminal.
pub(crate) fn stderr_style() -> Style {
    style_for(anstream::AutoStream::choice(&io::stderr()))
}

/// Returns whether stdout wants colour, for tables.
pub(crate) fn stdout_style() -> Style {
    style_for(anstream::AutoStream::choice(&io::stdout()))
}

const fn style_for(choice: anstream::ColorChoice) -> Style {
    match choice {
        anstream::ColorChoice::Never => Style::Plain,
        anstream::ColorChoice::Auto | anstream::ColorChoice::AlwaysAnsi | anstream::ColorChoice::Always => {
            Style::Coloured
        }
    }
}

/// Stderr, for whoever writes to it for a while: each piece as a whole, whatever others write meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Patient(io::stderr().lock()).write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // it keeps nothing back
    }
}

/// Writes text to stderr. A stderr that is gone leaves nobody to tell.
pub(crate) fn say(text: &str) {
    say_bytes(text.as_bytes());
}

/// The same for what another program has printed, which may be no text.
pub(crate) fn say_bytes(bytes: &[u8]) {
    drop(Stderr.write_all(bytes));
}

/// Whether writing to stderr waits by itself where there is no room.
pub(crate) fn stderr_blocks() -> bool {
    fcntl_getfl(io::stderr()).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
}

/// Whether a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readership {
    /// Its reader has gone.
    Gone,
    /// Nobody can tell.
    Unknown,
}

/// Waits until the reader of stdout has gone: of files that is never.
pub(crate) fn outlast_reader() -> Readership {
    let stdout = io::stdout();
    loop {
        let mut stream = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut stream, None) {
            Err(Errno::INTR) => {}
            Ok(_) if stream.iter().any(|stream| stream.revents().intersects(GONE)) => {
                return Readership::Gone;
            }
            Ok(_) | Err(_) => return Readership::Unknown,
        }
    }
}

/// What the system says of a pipe or socket without a reader, and of a terminal that was closed.
const GONE: PollFlags = PollFlags::ERR.union(PollFlags::HUP);

/// Writes a result to stdout, byte for byte. A reader that has seen enough is no failure.
pub(crate) fn give(bytes: &[u8]) -> io::Result<()> {
    if Stream::Stdout.is_closed() && !bytes.is_empty() {
        return Err(io::Error::other("it is closed"));
    }
    let mut stdout = Patient(io::stdout().lock());
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
