//! Streams and futures of a call: arguments that the guest reads piece by piece, and a result that it writes so.
//! Arguments are not copied as a whole, and a result counts against `limits.output` as it comes.

use crate::invoke::Outcome;
use crate::sandbox::codec::collector::{BytesCollector, Collector, Outlet, Sink};
use crate::sandbox::codec::elements::{Element, with_element};
use crate::sandbox::codec::erased::{self, Bounds, Lifted, Reader};
use crate::sandbox::codec::feeder::{BytesFeeder, Feeder};
use crate::sandbox::codec::layout::{Codec, Flow};
use crate::sandbox::codec::lower_error::Result as LowerResult;
use crate::sandbox::guest::{Deadline, MAX_HANDLES};
use crate::value::{Type, wire};
use bytes::Bytes;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, Func, FutureReader, StreamReader};
use wasmtime::{Result, Store, bail, format_err};

/// Calls `function`, whose signature `codec` was built from, within `bounds`, on an engine with async functions.
///
/// The call ends when its result is complete, with all elements of a stream. Tasks of the guest that still run are cut off.
pub(crate) async fn call<T: Send + 'static>(
    store: &mut Store<T>,
    function: Func,
    codec: &Arc<Codec>,
    args: &[Bytes],
    bounds: Bounds,
) -> Result<Outcome> {
    let readers = open(store, codec, args, bounds.deadline)?;
    let lifted = erased::call_concurrent(store, function, (codec, args), &readers, bounds).await?;
    match (lifted, &codec.returned_flow) {
        (Lifted::Whole(outcome), _) => Ok(outcome),
        (Lifted::Reader(reader), Some(flow)) => collect(store, reader, flow, bounds).await,
        (Lifted::Reader(_), None) => bail!("a stream that the signature does not have"),
    }
}

/// Opens a reader for each parameter that is a stream or a future. Fails if an argument is malformed.
fn open<T: Send + 'static>(
    store: &mut Store<T>,
    codec: &Codec,
    args: &[Bytes],
    deadline: Deadline,
) -> Result<Vec<Option<Reader>>> {
    let mut readers = Vec::new();
    for ((flow, arg), name) in codec.flows.iter().zip(args).zip(&codec.names) {
        let reader = match flow {
            None => None,
            Some(Flow::Stream(Type::U8)) => {
                let bytes = BytesFeeder::new(arg, deadline).map_err(|error| error.of_argument(name))?;
                let reader = StreamReader::new(&mut *store, bytes)?;
                Some(Reader::Stream(reader.try_into_stream_any(&mut *store)?))
            }
            Some(Flow::Stream(ty)) => with_element!(ty, E => {
                let feeder = Feeder::<E>::new(arg, deadline).map_err(|error| error.of_argument(name))?;
                let reader = StreamReader::new(&mut *store, feeder)?;
                Some(Reader::Stream(reader.try_into_stream_any(&mut *store)?))
            }),
            Some(Flow::Future(ty)) => with_element!(ty, E => {
                let value: E = whole(arg).map_err(|error| error.of_argument(name))?;
                let reader = FutureReader::new(&mut *store, std::future::ready(Ok::<_, wasmtime::Error>(value)))?;
                Some(Reader::Future(reader.try_into_future_any(&mut *store)?))
            }),
        };
        readers.push(reader);
    }
    Ok(readers)
}

fn whole<E: Element>(arg: &Bytes) -> LowerResult<E> {
    let mut reader = wire::Reader::new(arg);
    let value = E::read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Collects the elements of a result until the guest closes it.
async fn collect<T: Send + 'static>(
    store: &mut Store<T>,
    reader: Reader,
    flow: &Flow,
    bounds: Bounds,
) -> Result<Outcome> {
    let sink = Arc::new(Sink::new(bounds.output));
    let (closed, has_closed) = oneshot::channel();
    let outlet = Outlet { sink: Arc::clone(&sink), deadline: bounds.deadline, closed: Some(closed) };
    match (reader, flow) {
        (Reader::Stream(stream), Flow::Stream(Type::U8)) => {
            stream.try_into_stream_reader::<u8>()?.pipe(&mut *store, BytesCollector(outlet))?;
        }
        (Reader::Stream(stream), Flow::Stream(ty)) => with_element!(ty, E => {
            stream.try_into_stream_reader::<E>()?.pipe(&mut *store, Collector::<E>::new(outlet))?;
        }),
        (Reader::Future(future), Flow::Future(ty)) => with_element!(ty, E => {
            future.try_into_future_reader::<E>()?.pipe(&mut *store, Collector::<E>::new(outlet))?;
        }),
        (Reader::Stream(_), Flow::Future(_)) | (Reader::Future(_), Flow::Stream(_)) => {
            bail!("a stream instead of a future, or the other way round")
        }
    }
    store.run_concurrent(async |accessor| wait(accessor, has_closed).await).await??;
    let value = match flow {
        Flow::Stream(Type::U8) => sink.take_bytes()?,
        Flow::Stream(_) => sink.take_list()?,
        Flow::Future(_) => sink.take_only()?,
    };
    Ok(Outcome::Value(value))
}

/// Maximum number of times that the event loop is polled after the last task of a guest has ended. Then only the host's own
/// futures are left, which never wait: each turn completes one of them.
const LAST_POLLS: usize = 2 * MAX_HANDLES;

/// Waits until the result is closed. Fails if no task is left that could close it.
async fn wait<T: Send + 'static>(accessor: &Accessor<T>, mut closed: oneshot::Receiver<()>) -> Result<()> {
    let mut idle = 0;
    std::future::poll_fn(|cx| {
        if Pin::new(&mut closed).poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if accessor.poll_no_interesting_tasks(cx).is_pending() {
            idle = 0;
            return Poll::Pending;
        }
        idle += 1;
        if idle > LAST_POLLS {
            return Poll::Ready(Err(format_err!(
                "the guest ended without closing the stream or future of its result"
            )));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
