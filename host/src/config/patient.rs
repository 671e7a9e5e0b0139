//! Reading and writing of streams that another program may have made non-blocking, as terminals and sockets of node,
//! ssh and supervisors are.
//! The mode is everybody's who has the stream, so it is left as it is: where there is nothing to read, or no room, this
//! process waits.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// A stream that waits, whatever mode it is in.
#[derive(Debug)]
pub struct Patient<S>(pub S);

impl<S: Read + AsFd> Read for Patient<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::IN)?,
                done => return done,
            }
        }
    }
}

impl<S: Write + AsFd> Write for Patient<S> {
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

/// Waits until the stream is ready, or broken, which the next call tells.
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
    fn all_bytes_pass_a_stream_that_does_not_block() {
        let (mut reader, writer) = io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let writing = std::thread::spawn(move || Patient(writer).write_all(&vec![7; LARGE]));
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(bytes.len(), LARGE);
    }

    #[test]
    fn all_bytes_come_from_a_stream_that_does_not_block() {
        let (reader, mut writer) = io::pipe().unwrap();
        ioctl_fionbio(&reader, true).unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            Patient(reader).read_to_end(&mut bytes).map(|_| bytes)
        });
        writer.write_all(&vec![7; LARGE]).unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap().len(), LARGE);
    }

    #[test]
    fn a_stream_without_a_reader_is_broken_and_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let writing = std::thread::spawn(move || Patient(writer).write_all(&vec![7; LARGE]));
        drop(reader);
        assert_eq!(writing.join().unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
