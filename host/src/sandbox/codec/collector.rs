//! Collectors: the readable ends of streams and futures that a guest returns. What it writes becomes MessagePack at once.
//! `flows` waits for the end, and `feeder` is the other direction.

use crate::sandbox::codec::elements::Element;
use crate::sandbox::codec::lift::{TooLarge, shrink};
use crate::sandbox::guest::Deadline;
use crate::value::wire;
use bytes::Bytes;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::component::{FutureConsumer, Source, StreamConsumer, StreamResult};
use wasmtime::{AsContextMut as _, Result, StoreContextMut, bail};

/// Maximum number of elements that are taken at once.
const BATCH: usize = 4096;

/// Maximum number of bytes that are copied at once.
const BYTES: usize = 1 << 20;

/// Maximum size of the MessagePack head of a list.
const HEAD: usize = 5;

/// The collected elements of a stream or a future, and their limit.
pub(crate) struct Sink {
    limit: usize,
    // A mutex, because wasmtime owns the collector. Nothing else waits for it.
    collected: Mutex<Collected>,
}

/// Collected elements, behind room for the head of a list.
struct Collected {
    out: Vec<u8>,
    count: usize,
}

impl Sink {
    /// Creates a sink for `limit` bytes of MessagePack.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, collected: Mutex::new(Collected { out: vec![0; HEAD], count: 0 }) }
    }

    /// Adds elements that `write` encodes. Fails if the limit is exceeded.
    fn add(&self, count: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut collected.out);
        collected.count += count;
        let fits = collected.out.len() - HEAD <= self.limit && u32::try_from(collected.count).is_ok();
        if fits { Ok(()) } else { Err(TooLarge.into()) }
    }

    /// Returns how many more bytes the limit allows.
    fn room(&self) -> usize {
        let collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        self.limit.saturating_sub(collected.out.len() - HEAD)
    }

    /// Takes the elements as a list.
    pub(crate) fn take_list(&self) -> Result<Bytes> {
        self.take(|head, _, count| wire::put_array_len(head, count))
    }

    /// Takes the bytes as a `list<u8>`.
    pub(crate) fn take_bytes(&self) -> Result<Bytes> {
        self.take(|head, len, _| wire::put_bin_len(head, len))
    }

    /// Takes the only element. Fails if there is none.
    pub(crate) fn take_only(&self) -> Result<Bytes> {
        if self.collected.lock().unwrap_or_else(PoisonError::into_inner).count != 1 {
            bail!("the guest closed the future of its result without a value");
        }
        self.take(|_, _, _| ())
    }

    fn take(&self, put_head: impl FnOnce(&mut Vec<u8>, usize, usize)) -> Result<Bytes> {
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::mem::take(&mut collected.out);
        let mut head = Vec::new();
        put_head(&mut head, out.len().saturating_sub(HEAD), collected.count);
        let start = HEAD.saturating_sub(head.len());
        if let Some(slot) = out.get_mut(start..HEAD) {
            slot.copy_from_slice(&head);
        }
        let out = Bytes::from(out).slice(start..);
        if out.len() > self.limit { Err(TooLarge.into()) } else { Ok(shrink(out)) }
    }
}

/// Where a collector puts what it takes, and how it tells that the guest has closed its end.
pub(crate) struct Outlet {
    /// The sink.
    pub(crate) sink: Arc<Sink>,
    /// Deadline of the call.
    pub(crate) deadline: Deadline,
    /// Dropped with the collector, which wasmtime drops when the guest has closed its end.
    pub(crate) closed: Option<oneshot::Sender<()>>,
}

/// Collects elements.
pub(crate) struct Collector<E> {
    outlet: Outlet,
    element: PhantomData<fn() -> E>,
}

impl<E: Element> Collector<E> {
    /// Creates a collector.
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self { outlet, element: PhantomData }
    }

    /// Takes the next elements.
    fn take<D: 'static>(&self, mut store: StoreContextMut<'_, D>, mut source: Source<'_, E>) -> Result<()> {
        self.outlet.deadline.check()?;
        let count = source.remaining(store.as_context_mut()).min(BATCH);
        let mut elements: Vec<E> = Vec::with_capacity(count);
        source.read(store, &mut elements)?;
        elements.iter().try_for_each(|element| self.outlet.sink.add(1, |out| element.write(out)))
    }
}

impl<E: Element, D: 'static> StreamConsumer<D> for Collector<E> {
    type Item = E;

    fn poll_consume(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, E>,
        _finish: bool,
    ) -> Poll<Result<StreamResult>> {
        self.take(store, source)?;
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<E: Element, D: 'static> FutureConsumer<D> for Collector<E> {
    type Item = E;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, E>,
        _finish: bool,
    ) -> Poll<Result<()>> {
        self.take(store, source)?;
        // A future has one value: nothing comes after it.
        self.outlet.closed = None;
        Poll::Ready(Ok(()))
    }
}

/// Collects bytes, which are copied straight from the guest.
pub(crate) struct BytesCollector(pub(crate) Outlet);

impl<D: 'static> StreamConsumer<D> for BytesCollector {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let Outlet { sink, deadline, .. } = &self.0;
        deadline.check()?;
        let mut source = source.as_direct(store);
        let next = source.remaining();
        let count = next.len().min(BYTES);
        if count > sink.room() {
            return Poll::Ready(Err(TooLarge.into()));
        }
        sink.add(count, |out| out.extend_from_slice(next.get(..count).unwrap_or_default()))?;
        source.mark_read(count);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
