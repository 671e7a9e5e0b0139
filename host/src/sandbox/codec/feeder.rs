//! Feeders: the writable ends of streams that are arguments. A guest that reads gets the next elements, and no more are
//! decoded than it has room for. `collector` is the other direction.

use crate::sandbox::codec::elements::Element;
use crate::sandbox::codec::lower_error::Result as LowerResult;
use crate::sandbox::guest::Deadline;
use crate::value::wire;
use bytes::{Buf as _, Bytes};
use std::io::Write as _;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};

/// Maximum number of elements that are decoded at once.
const BATCH: usize = 4096;

/// Maximum number of bytes that are copied at once.
const BYTES: usize = 1 << 20;

/// Feeds the elements of a list.
pub(crate) struct Feeder<E> {
    arg: Bytes,
    position: usize,
    left: usize,
    deadline: Deadline,
    element: PhantomData<fn() -> E>,
}

impl<E: Element> Feeder<E> {
    /// Creates a feeder. Fails if the argument is not a list of such elements.
    pub(crate) fn new(arg: &Bytes, deadline: Deadline) -> LowerResult<Self> {
        let mut reader = wire::Reader::new(arg);
        let left = reader.array_len()?;
        let position = reader.position();
        for index in 0..left {
            if index % BATCH == 0 {
                deadline.check().map_err(wasmtime::Error::from)?;
            }
            E::read(&mut reader).map_err(|error| error.at_index(index))?;
        }
        reader.finish()?;
        Ok(Self { arg: arg.clone(), position, left, deadline, element: PhantomData })
    }

    fn next(&mut self, count: usize) -> LowerResult<Vec<E>> {
        let mut reader = wire::Reader::new(&self.arg);
        reader.seek(self.position);
        let elements = (0..count).map(|_| E::read(&mut reader)).collect::<LowerResult<_>>()?;
        self.position = reader.position();
        self.left -= count;
        Ok(elements)
    }
}

impl<E: Element, D: 'static> StreamProducer<D> for Feeder<E> {
    type Item = E;
    type Buffer = VecBuffer<E>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, E, VecBuffer<E>>,
        _finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let feeder = self.get_mut();
        feeder.deadline.check()?;
        let room = destination.remaining(store.as_context_mut()).unwrap_or(BATCH);
        let count = feeder.left.min(room).min(BATCH);
        if count > 0 {
            let elements = feeder.next(count).map_err(|error| error.of_argument("?"))?;
            destination.set_buffer(elements.into());
        }
        Poll::Ready(Ok(state(feeder.left)))
    }
}

/// Feeds bytes, which are copied straight to the guest.
pub(crate) struct BytesFeeder {
    bytes: Bytes,
    deadline: Deadline,
}

impl BytesFeeder {
    /// Creates a feeder. Fails if the argument is not a `list<u8>`.
    pub(crate) fn new(arg: &Bytes, deadline: Deadline) -> LowerResult<Self> {
        let mut reader = wire::Reader::new(arg);
        let bytes = arg.slice_ref(reader.bin()?);
        reader.finish()?;
        Ok(Self { bytes, deadline })
    }
}

impl<D: 'static> StreamProducer<D> for BytesFeeder {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        _finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let feeder = self.get_mut();
        feeder.deadline.check()?;
        let next = feeder.bytes.len().min(BYTES);
        let next = feeder.bytes.get(..next).unwrap_or_default();
        let written = destination.as_direct(store, next.len()).write(next)?;
        feeder.bytes.advance(written);
        Poll::Ready(Ok(state(feeder.bytes.len())))
    }
}

fn state(left: usize) -> StreamResult {
    if left == 0 { StreamResult::Dropped } else { StreamResult::Completed }
}
