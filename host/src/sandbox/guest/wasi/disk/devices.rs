//! The devices of a private disk: endless bytes, and the streams that a guest has as descriptors 0, 1 and 2.
//! `tree` names them; what they show depends on nothing but the call, as everything on the disk.

use crate::model::secret;
use crate::sandbox::guest::limits::Deadline;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::disk::tree::{Device, MAX_PIECE};
use crate::sandbox::guest::wasi::random::GuestRandom;
use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::pipe::{ClosedInputStream, SinkOutputStream};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, InputStream, Pollable, StreamError, StreamResult,
};

impl State {
    /// Opens a stream that reads a device.
    pub(crate) fn device_input(
        &mut self,
        device: Device,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ErrorCode>> {
        let stream: DynInputStream = match device {
            Device::Stdin => return stdin::Host::get_stdin(&mut self.cli()).map(Ok),
            Device::Null | Device::Stdout | Device::Stderr => Box::new(ClosedInputStream),
            Device::Zero => Box::new(Zeros),
            Device::Random => match self.random_device() {
                Some(random) => Box::new(random),
                None => return Ok(Err(ErrorCode::Io)),
            },
        };
        Ok(Ok(self.table.push(stream)?))
    }

    /// Opens a stream that writes to a device.
    pub(crate) fn device_output(&mut self, device: Device) -> wasmtime::Result<Resource<DynOutputStream>> {
        match device {
            Device::Stdout => stdout::Host::get_stdout(&mut self.cli()),
            Device::Stderr => stderr::Host::get_stderr(&mut self.cli()),
            Device::Null | Device::Zero | Device::Random | Device::Stdin => {
                let stream: DynOutputStream = Box::new(SinkOutputStream);
                Ok(self.table.push(stream)?)
            }
        }
    }

    /// Reads a device, at most `len` bytes. An empty result is its end.
    pub(crate) fn read_device(&mut self, device: Device, len: usize) -> FsResult<Vec<u8>> {
        let stream = self.device_input(device).map_err(FsError::trap)??;
        let mut stream = self.table.delete(stream).map_err(FsError::trap)?;
        match stream.read(len) {
            Ok(piece) => Ok(piece.to_vec()),
            Err(StreamError::Closed) => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes to a device.
    pub(crate) fn write_device(&mut self, device: Device, bytes: Vec<u8>) -> FsResult<()> {
        let stream = self.device_output(device).map_err(FsError::trap)?;
        let mut stream = self.table.delete(stream).map_err(FsError::trap)?;
        stream.write(bytes.into()).map_err(failed)
    }

    /// Returns the guest's random bytes as a device; none if the system has none to give.
    fn random_device(&mut self) -> Option<RandomDevice> {
        let deadline = self.deadline;
        let random = match self.seeded_random() {
            Some(random) => random.clone(),
            None => GuestRandom::from_bytes(&secret()?),
        };
        Some(RandomDevice { random, deadline })
    }
}

fn failed(error: StreamError) -> FsError {
    match error {
        StreamError::Trap(error) => FsError::trap(error),
        StreamError::Closed | StreamError::LastOperationFailed(_) => ErrorCode::Io.into(),
    }
}

/// `/dev/zero`.
struct Zeros;

#[async_trait]
impl InputStream for Zeros {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        static ZEROS: [u8; MAX_PIECE] = [0; MAX_PIECE];
        Ok(Bytes::from_static(ZEROS.get(..size.min(MAX_PIECE)).unwrap_or_default()))
    }
}

#[async_trait]
impl Pollable for Zeros {
    async fn ready(&mut self) {}
}

/// `/dev/random` and `/dev/urandom`.
struct RandomDevice {
    random: GuestRandom,
    deadline: Deadline,
}

#[async_trait]
impl InputStream for RandomDevice {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let len = u64::try_from(size.min(MAX_PIECE)).unwrap_or_default();
        self.random.bytes(len, self.deadline).map(Bytes::from).map_err(StreamError::Trap)
    }
}

#[async_trait]
impl Pollable for RandomDevice {
    async fn ready(&mut self) {}
}
