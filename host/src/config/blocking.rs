//! Blocking reads and writes on streams that another program may have made non-blocking, such as node, ssh or a
//! supervisor.
//! All processes with the stream share its mode, so the mode is left unchanged, and this process polls instead.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// A stream whose reads and writes block in either mode.
#[derive(Debug)]
pub(crate) struct Blocking<S>(pub S);

impl<S: Read + AsFd> Read for Blocking<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::IN)?,
                done => return done,
            }
        }
    }
}

impl<S: Write + AsFd> Write for Blocking<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::OUT)?,
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::OUT)?,
                done => return done,
            }
        }
    }
}

/// Waits until the stream is ready, or broken, which the next call reports.
fn wait(stream: &impl AsFd, ready: PollFlags) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(stream, ready)], None) {
            Err(Errno::INTR) => {}
            done => return Ok(done.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::ioctl_fionbio;

    const LARGE: usize = 1 << 20;

    #[test]
    fn writes_to_a_non_blocking_stream_are_complete() {
        let (mut reader, writer) = io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let writer_thread = std::thread::spawn(move || Blocking(writer).write_all(&vec![7; LARGE]));
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        writer_thread.join().unwrap().unwrap();
        assert_eq!(bytes.len(), LARGE);
    }

    #[test]
    fn reads_from_a_non_blocking_stream_are_complete() {
        let (reader, mut writer) = io::pipe().unwrap();
        ioctl_fionbio(&reader, true).unwrap();
        let reader_thread = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            Blocking(reader).read_to_end(&mut bytes).map(|_| bytes)
        });
        writer.write_all(&vec![7; LARGE]).unwrap();
        drop(writer);
        assert_eq!(reader_thread.join().unwrap().unwrap().len(), LARGE);
    }

    #[test]
    fn write_without_a_reader_is_a_broken_pipe() {
        let (reader, writer) = io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let writer_thread = std::thread::spawn(move || Blocking(writer).write_all(&vec![7; LARGE]));
        drop(reader);
        assert_eq!(writer_thread.join().unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
