//! Streams of files: each reads or writes on a blocking thread, and all streams of a guest share a few such threads.
//! `opening` opens the files; `blocking` bounds the threads.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::{BlockingCalls, CallPermit};
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

/// The interface in wasmtime's version of WASI 0.2. Its streams of files are replaced.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Maximum size of one read or write, in bytes.
const MAX_PIECE: usize = 64 << 10;

/// Size of the read that a poll starts, in bytes.
const PROBE_SIZE: usize = 4 << 10;

/// Replaces wasmtime's streams of files, each of which may block a thread for as long as the system takes.
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

type NewStream<T> = wasmtime::Result<Result<Resource<T>, ErrorCode>>;

impl State {
    fn read_from(&mut self, file: &Resource<Descriptor>, position: u64) -> NewStream<DynInputStream> {
        if let Some(file) = self.disk_file(file) {
            return self.read_disk_from(&file, position);
        }
        let (Descriptor::File(file), Some(calls)) = (self.table.get(file)?, self.files.blocking_calls())
        else {
            return Ok(Err(ErrorCode::IsDirectory));
        };
        let (file, calls) = (Arc::clone(&file.file), calls.clone());
        let stream: DynInputStream = Box::new(Input { file, calls, position, state: Reading::Idle });
        Ok(Ok(self.table.push(stream)?))
    }

    fn write_to(&mut self, file: &Resource<Descriptor>, position: Option<u64>) -> NewStream<DynOutputStream> {
        if let Some(file) = self.disk_file(file) {
            return self.write_disk_to(&file, position);
        }
        let (Descriptor::File(file), Some(calls)) = (self.table.get(file)?, self.files.blocking_calls())
        else {
            return Ok(Err(ErrorCode::BadDescriptor));
        };
        if file.perms.write_not_permitted() {
            return Ok(Err(ErrorCode::NotPermitted));
        }
        let (file, calls) = (Arc::clone(&file.file), calls.clone());
        let stream: DynOutputStream = Box::new(Output { file, calls, position, state: Writing::Ready });
        Ok(Ok(self.table.push(stream)?))
    }
}

/// Input stream of a file, from a position on.
struct Input {
    file: Arc<File>,
    calls: BlockingCalls,
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
    /// Returns the operation that reads the next bytes, at most `size` of them.
    fn operation(&self, size: usize) -> impl FnOnce() -> Reading + Send + 'static {
        let (file, position) = (Arc::clone(&self.file), self.position);
        move || {
            let mut piece = BytesMut::zeroed(size.min(MAX_PIECE));
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

    fn start(&mut self, permit: CallPermit, size: usize) {
        self.state = Reading::UnderWay(self.calls.call_with_permit(permit, self.operation(size)));
    }

    async fn finish(&mut self) {
        if let Reading::UnderWay(call) = &mut self.state {
            self.state = call.await;
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
                    && let Some(permit) = self.calls.try_permit()
                {
                    self.start(permit, size);
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
        self.finish().await;
        if size > 0 && matches!(self.state, Reading::Idle) {
            // The guest waits for this call and makes no other meanwhile, so no permit is needed.
            self.state = self.calls.call(self.operation(size)).await;
        }
        self.read(size)
    }

    async fn cancel(&mut self) {
        self.finish().await;
        self.state = Reading::Ended;
    }
}

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if matches!(self.state, Reading::Idle)
            && let Some(permit) = self.calls.permit().await
        {
            self.start(permit, PROBE_SIZE);
        }
        self.finish().await;
    }
}

/// Output stream of a file, from a position on or at its end.
struct Output {
    file: Arc<File>,
    calls: BlockingCalls,
    position: Option<u64>,
    state: Writing,
}

enum Writing {
    Ready,
    /// The bytes wait for a permit.
    Waiting(Bytes),
    UnderWay(AbortOnDropJoinHandle<io::Result<u64>>),
    Failed(io::Error),
    Closed,
}

impl Output {
    /// Returns the operation that writes all bytes and returns their number.
    fn operation(&self, bytes: Bytes) -> impl FnOnce() -> io::Result<u64> + Send + 'static {
        let (file, position) = (Arc::clone(&self.file), self.position);
        move || {
            match position {
                Some(position) => file.write_all_at(&bytes, position)?,
                None => append(&file, &bytes)?,
            }
            Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        }
    }

    fn start(&mut self, permit: CallPermit, bytes: Bytes) {
        self.state = Writing::UnderWay(self.calls.call_with_permit(permit, self.operation(bytes)));
    }

    /// Starts a waiting write if a permit is free.
    fn try_start(&mut self) {
        if let Writing::Waiting(bytes) = &self.state
            && let Some(permit) = self.calls.try_permit()
        {
            let bytes = bytes.clone();
            self.start(permit, bytes);
        }
    }

    fn record_write(&mut self, written: io::Result<u64>) {
        self.state = match written {
            Ok(written) => {
                self.position = self.position.map(|position| position.saturating_add(written));
                Writing::Ready
            }
            Err(error) => Writing::Failed(error),
        };
    }

    /// Returns the error of the last write, once.
    fn take_error(&mut self) -> StreamError {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => StreamError::LastOperationFailed(error.into()),
            _ => StreamError::Closed, // the callers ask in no other state
        }
    }
}

/// Writes at the current end of a file.
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
                self.try_start();
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
            Writing::Closed | Writing::Failed(_) => return Err(self.take_error()),
            Writing::Waiting(_) | Writing::UnderWay(_) => {
                return Err(StreamError::trap("the stream is not ready after a wait"));
            }
        }
        // The guest waits for this call and makes no other meanwhile, so no permit is needed.
        let written = self.calls.call(self.operation(bytes)).await;
        self.record_write(written);
        if matches!(self.state, Writing::Failed(_)) { Err(self.take_error()) } else { Ok(()) }
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.state {
            Writing::Ready | Writing::Waiting(_) | Writing::UnderWay(_) => Ok(()),
            Writing::Failed(_) | Writing::Closed => Err(self.take_error()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.try_start();
        match self.state {
            Writing::Ready => Ok(MAX_PIECE),
            Writing::Waiting(_) | Writing::UnderWay(_) => Ok(0),
            Writing::Failed(_) | Writing::Closed => Err(self.take_error()),
        }
    }

    /// Completes pending writes, even if the guest has not waited for them.
    async fn cancel(&mut self) {
        self.ready().await;
        self.state = Writing::Closed;
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if matches!(self.state, Writing::Waiting(_))
            && let Some(permit) = self.calls.permit().await
            && let Writing::Waiting(bytes) = &self.state
        {
            let bytes = bytes.clone();
            self.start(permit, bytes);
        }
        if let Writing::UnderWay(call) = &mut self.state {
            let written = call.await;
            self.record_write(written);
        }
    }
}
