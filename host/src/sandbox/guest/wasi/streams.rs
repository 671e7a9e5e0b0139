//! Files as streams: each reads or writes on a thread of its own, and all those of a guest have few threads between them.
//! Which files there are is for `opening`; how threads are counted, for `blocking`.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::{Line, Place};
use bytes::{Bytes, BytesMut};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::fs::File;
use std::io;
use std::io::IoSlice;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;

/// The interface in wasmtime's version of WASI 0.2: streams of files in it are shadowed.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// The most that is read or written at once, in bytes.
const PIECE: usize = 64 << 10;

/// What is read where a guest asks only whether there is something.
const FIRST_PIECE: usize = 4 << 10;

/// Links streams of files over wasmtime's, each of which may have a thread for as long as the system lets it wait.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store, (file, from): (Resource<Descriptor>, u64)| {
            Ok((store.data_mut().read_from(&file, from)?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store, (file, from): (Resource<Descriptor>, u64)| {
            Ok((store.data_mut().write_to(&file, Some(from))?,))
        },
    )?;
    types.func_wrap("[method]descriptor.append-via-stream", |mut store, (file,): (Resource<Descriptor>,)| {
        Ok((store.data_mut().write_to(&file, None)?,))
    })
}

type Made<T> = wasmtime::Result<Result<Resource<T>, ErrorCode>>;

impl State {
    fn read_from(&mut self, file: &Resource<Descriptor>, position: u64) -> Made<DynInputStream> {
        let (Descriptor::File(file), Some(line)) = (self.table.get(file)?, self.files.line()) else {
            return Ok(Err(ErrorCode::IsDirectory));
        };
        let (file, line) = (Arc::clone(&file.file), line.clone());
        let stream: DynInputStream = Box::new(Input { file, line, position, state: Reading::Idle });
        Ok(Ok(self.table.push(stream)?))
    }

    fn write_to(&mut self, file: &Resource<Descriptor>, position: Option<u64>) -> Made<DynOutputStream> {
        let (Descriptor::File(file), Some(line)) = (self.table.get(file)?, self.files.line()) else {
            return Ok(Err(ErrorCode::BadDescriptor));
        };
        if file.perms.write_not_permitted() {
            return Ok(Err(ErrorCode::NotPermitted));
        }
        let (file, line) = (Arc::clone(&file.file), line.clone());
        let stream: DynOutputStream = Box::new(Output { file, line, position, state: Writing::Ready });
        Ok(Ok(self.table.push(stream)?))
    }
}

/// A file that is read from a position on.
struct Input {
    file: Arc<File>,
    line: Line,
    position: u64,
    state: Reading,
}

enum Reading {
    Idle,
    UnderWay(AbortOnDropJoinHandle<Self>),
    Read(Bytes),
    Failed(io::Error),
    Ended,
}

impl Input {
    /// What is read next, of at most so many bytes.
    fn work(&self, size: usize) -> impl FnOnce() -> Reading + Send + 'static {
        let (file, position) = (Arc::clone(&self.file), self.position);
        move || {
            let mut piece = BytesMut::zeroed(size.min(PIECE));
            loop {
                match file.read_at(&mut piece, position) {
                    Ok(0) => return Reading::Ended,
                    Ok(read) => {
                        piece.truncate(read);
                        return Reading::Read(piece.freeze());
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Reading::Failed(error),
                }
            }
        }
    }

    fn begin(&mut self, place: Place, size: usize) {
        self.state = Reading::UnderWay(self.line.call_at(place, self.work(size)));
    }

    async fn settle(&mut self) {
        if let Reading::UnderWay(work) = &mut self.state {
            self.state = work.await;
        }
    }
}

#[async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.state {
            Reading::Idle => {
                // Where there is no place now, there is one when the guest has waited.
                if size > 0
                    && let Some(place) = self.line.try_place()
                {
                    self.begin(place, size);
                }
                Ok(Bytes::new())
            }
            Reading::UnderWay(_) => Ok(Bytes::new()),
            Reading::Read(piece) => {
                let taken = piece.split_to(piece.len().min(size));
                if piece.is_empty() {
                    self.state = Reading::Idle;
                }
                self.position = self.position.saturating_add(u64::try_from(taken.len()).unwrap_or(u64::MAX));
                Ok(taken)
            }
            Reading::Failed(_) | Reading::Ended => {
                match std::mem::replace(&mut self.state, Reading::Ended) {
                    Reading::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                    _ => Err(StreamError::Closed), // nothing else is left
                }
            }
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.settle().await;
        if size > 0 && matches!(self.state, Reading::Idle) {
            // The guest waits for this one and does nothing else meanwhile.
            self.state = self.line.call(self.work(size)).await;
        }
        self.read(size)
    }

    async fn cancel(&mut self) {
        self.settle().await;
        self.state = Reading::Ended;
    }
}

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if matches!(self.state, Reading::Idle)
            && let Some(place) = self.line.place().await
        {
            self.begin(place, FIRST_PIECE);
        }
        self.settle().await;
    }
}

/// A file that is written from a position on, or at its end.
struct Output {
    file: Arc<File>,
    line: Line,
    position: Option<u64>,
    state: Writing,
}

enum Writing {
    Ready,
    /// It waits for a place.
    Waiting(Bytes),
    UnderWay(AbortOnDropJoinHandle<io::Result<u64>>),
    Failed(io::Error),
    Closed,
}

impl Output {
    /// Writes all of it; gives how much that is.
    fn work(&self, bytes: Bytes) -> impl FnOnce() -> io::Result<u64> + Send + 'static {
        let (file, position) = (Arc::clone(&self.file), self.position);
        move || {
            match position {
                Some(position) => file.write_all_at(&bytes, position)?,
                None => append(&file, &bytes)?,
            }
            Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        }
    }

    fn begin(&mut self, place: Place, bytes: Bytes) {
        self.state = Writing::UnderWay(self.line.call_at(place, self.work(bytes)));
    }

    /// Begins what has waited for a place, if there is one now.
    fn try_begin(&mut self) {
        if let Writing::Waiting(bytes) = &self.state
            && let Some(place) = self.line.try_place()
        {
            let bytes = bytes.clone();
            self.begin(place, bytes);
        }
    }

    fn done(&mut self, written: io::Result<u64>) {
        self.state = match written {
            Ok(written) => {
                self.position = self.position.map(|position| position.saturating_add(written));
                Writing::Ready
            }
            Err(error) => Writing::Failed(error),
        };
    }

    /// The error of the last write, told once.
    fn failure(&mut self) -> StreamError {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => StreamError::LastOperationFailed(error.into()),
            _ => StreamError::Closed, // nobody asks in any other state
        }
    }
}

/// Writes at the end of a file, wherever that is by then.
fn append(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Some systems only look like Linux.
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => return file.write_all_at(bytes, file.metadata()?.len()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            Writing::Ready => {
                self.state = Writing::Waiting(bytes);
                self.try_begin();
                Ok(())
            }
            Writing::Closed => Err(StreamError::Closed),
            Writing::Waiting(_) | Writing::UnderWay(_) | Writing::Failed(_) => {
                Err(StreamError::trap("write not permitted: check_write not called first"))
            }
        }
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.ready().await;
        match self.state {
            Writing::Ready => {}
            Writing::Closed | Writing::Failed(_) => return Err(self.failure()),
            Writing::Waiting(_) | Writing::UnderWay(_) => {
                return Err(StreamError::trap("the stream is not ready after it was waited for"));
            }
        }
        // The guest waits for this one and does nothing else meanwhile.
        let written = self.line.call(self.work(bytes)).await;
        self.done(written);
        if matches!(self.state, Writing::Failed(_)) { Err(self.failure()) } else { Ok(()) }
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.state {
            Writing::Ready | Writing::Waiting(_) | Writing::UnderWay(_) => Ok(()),
            Writing::Failed(_) | Writing::Closed => Err(self.failure()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.try_begin();
        match self.state {
            Writing::Ready => Ok(PIECE),
            Writing::Waiting(_) | Writing::UnderWay(_) => Ok(0),
            Writing::Failed(_) | Writing::Closed => Err(self.failure()),
        }
    }

    /// What the guest has written is written, whether it has waited for that or not.
    async fn cancel(&mut self) {
        self.ready().await;
        self.state = Writing::Closed;
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if matches!(self.state, Writing::Waiting(_))
            && let Some(place) = self.line.place().await
            && let Writing::Waiting(bytes) = &self.state
        {
            let bytes = bytes.clone();
            self.begin(place, bytes);
        }
        if let Writing::UnderWay(work) = &mut self.state {
            let written = work.await;
            self.done(written);
        }
    }
}
