//! The streams of the process: results on stdout, everything else on stderr.
//! `print` formats the text; `log/screen` writes stderr during a run.

use crate::cli::print::Style;
use crate::config::{Blocking, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::fs::fcntl_getfl;
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io;
use std::io::IsTerminal as _;
use std::io::Write;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

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

/// Stderr as a writer for logs. Each write is atomic with respect to other threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Blocking(io::stderr().lock()).write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // it buffers nothing
    }
}

/// Writes text to stderr. Errors are ignored, since there is no other stream to report them on.
pub(crate) fn print_stderr(text: &str) {
    print_stderr_bytes(text.as_bytes());
}

/// Writes bytes to stderr, such as the output of another program, which may be no text.
pub(crate) fn print_stderr_bytes(bytes: &[u8]) {
    drop(Stderr.write_all(bytes));
}

/// Returns whether stderr is in blocking mode.
pub(crate) fn stderr_blocks() -> bool {
    fcntl_getfl(io::stderr()).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
}

/// The state of stdout's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StdoutState {
    /// The reader has closed the stream.
    Closed,
    /// The system cannot tell.
    Unknown,
}

/// Waits until the reader of stdout has closed it. Returns at once for a stream without a reader, such as a file.
pub(crate) fn wait_until_stdout_closes() -> StdoutState {
    let stdout = io::stdout();
    loop {
        let mut stream = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut stream, None) {
            Err(Errno::INTR) => {}
            Ok(_) if stream.iter().any(|stream| stream.revents().intersects(CLOSED)) => {
                return StdoutState::Closed;
            }
            Ok(_) | Err(_) => return StdoutState::Unknown,
        }
    }
}

/// The poll flags of a pipe or socket without a reader, and of a closed terminal.
const CLOSED: PollFlags = PollFlags::ERR.union(PollFlags::HUP);

/// Returns device and inode of stdout and stderr, as far as they are files.
pub(crate) fn open_streams() -> Vec<(u64, u64)> {
    let streams = [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
    let files = streams.into_iter().flatten().filter_map(|stream| File::from(stream).metadata().ok());
    files.filter(Metadata::is_file).map(|found| (found.dev(), found.ino())).collect()
}

/// Writes a result to stdout, byte for byte. A closed pipe is no failure: its reader has seen enough.
pub(crate) fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    if Stream::Stdout.is_closed() && !bytes.is_empty() {
        return Err(io::Error::other("it is closed"));
    }
    let mut stdout = Blocking(io::stdout().lock());
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
