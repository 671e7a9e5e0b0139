//! The bridge between the codec and wasmtime: one parameter type, and a result type for each number of core values.
//! Holds the only `unsafe` code of the codec; `lower` and `lift` interpret the bytes and have none.
//!
//! wasmtime calls typed functions through the traits `Lower` and `Lift`. Its derive macros implement them for types
//! known at compile time. They are unsafe because wasmtime trusts what they claim about a type's flat representation.
//! The claim about parameters is the widest that the canonical ABI allows: sixteen values. A function with fewer ignores
//! the rest, which is zero. wasmtime calls untyped functions in the same way. A result must claim exactly as many values
//! as the function returns: one, but on an engine with async functions none to sixteen.

use crate::invoke::Outcome;
use crate::model::to_usize;
use crate::sandbox::codec::layout::{Codec, Flow, MAX_FLAT};
use crate::sandbox::codec::lift::Place;
use crate::sandbox::codec::memory::Encoding;
use crate::sandbox::codec::{lift, lower};
use crate::sandbox::guest::Deadline;
use bytes::Bytes;
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, FutureAny, Lift, Lower, StreamAny};
use wasmtime::{Result, Store, ValRaw, bail, format_err};

tokio::task_local! {
    /// The result expected from the call being polled: wasmtime lifts a result knowing only its Rust type.
    static EXPECTED: Expected;
}

struct Expected {
    codec: Arc<Codec>,
    bounds: Bounds,
}

/// Bounds on the parts of a call in which no guest runs: lowering the arguments and lifting the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Maximum size of the encoded result, in bytes.
    pub(crate) output: usize,
    /// Deadline of the whole call.
    pub(crate) deadline: Deadline,
}

/// Calls `function`, whose signature `codec` was built from, within `bounds`, on an engine without async functions.
///
/// Fails if the guest traps, an argument is malformed, or the result is malformed, too large or late.
pub(crate) async fn call<T: Send + 'static>(
    store: &mut Store<T>,
    function: Func,
    codec: &Arc<Codec>,
    args: &[Bytes],
    bounds: Bounds,
) -> Result<Outcome> {
    match call_returning::<T, 1>(store, function, Params { codec, args, readers: &[] }, bounds).await? {
        Lifted::Whole(outcome) => Ok(outcome),
        Lifted::Reader(_) => bail!("a stream without an engine for streams"),
    }
}

/// Calls `function` like [`call`], on an engine with async functions. `readers` has a reader for each parameter that is a
/// stream or a future.
pub(crate) async fn call_concurrent<T: Send + 'static>(
    store: &mut Store<T>,
    function: Func,
    (codec, args): (&Arc<Codec>, &[Bytes]),
    readers: &[Option<Reader>],
    bounds: Bounds,
) -> Result<Lifted> {
    let params = Params { codec, args, readers };
    macro_rules! call_by_count {
        ($($count:literal)*) => {
            match codec.result.as_ref().map_or(0, |layout| layout.flat) {
                $($count => call_returning::<T, $count>(store, function, params, bounds).await,)*
                _ => call_returning::<T, 1>(store, function, params, bounds).await, // the address of a larger result
            }
        };
    }
    call_by_count!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

async fn call_returning<T: Send + 'static, const N: usize>(
    store: &mut Store<T>,
    function: Func,
    params: Params<'_>,
    bounds: Bounds,
) -> Result<Lifted> {
    let function = function.typed::<Params<'_>, Returned<N>>(&*store)?;
    let expected = Expected { codec: Arc::clone(params.codec), bounds };
    Ok(EXPECTED.scope(expected, function.call_async(store, params)).await?.0)
}

/// Calls `function` without async, for tests.
#[cfg(test)]
pub(crate) fn call_now(
    store: &mut Store<()>,
    function: Func,
    codec: &Arc<Codec>,
    args: &[Bytes],
    bounds: Bounds,
) -> Result<Outcome> {
    let function = function.typed::<Params<'_>, Returned<1>>(&*store)?;
    let expected = Expected { codec: Arc::clone(codec), bounds };
    let params = Params { codec, args, readers: &[] };
    match EXPECTED.sync_scope(expected, || function.call(store, params))?.0 {
        Lifted::Whole(outcome) => Ok(outcome),
        Lifted::Reader(_) => bail!("a stream without an engine for streams"),
    }
}

/// Arguments of any function, as MessagePack: one per parameter.
#[derive(Clone, Copy)]
struct Params<'a> {
    codec: &'a Arc<Codec>,
    args: &'a [Bytes],
    readers: &'a [Option<Reader>],
}

/// What a guest has returned.
pub(crate) enum Lifted {
    /// The result, as MessagePack.
    Whole(Outcome),
    /// The readable end of a stream or a future.
    Reader(Reader),
}

/// The readable end of a stream or a future.
pub(crate) enum Reader {
    /// Of a stream.
    Stream(StreamAny),
    /// Of a future.
    Future(FutureAny),
}

/// Result of any function that returns `N` core values.
struct Returned<const N: usize>(Lifted);

impl<T> crate::sandbox::codec::memory::Guest for LowerContext<'_, T> {
    fn allocate(&mut self, align: usize, size: usize) -> Result<usize> {
        self.realloc(0, 0, u32::try_from(align)?, size)
    }

    fn memory(&mut self) -> &mut [u8] {
        self.as_slice_mut()
    }

    fn encoding(&self) -> Encoding {
        self.options().string_encoding.into()
    }

    fn check(&self) -> Result<()> {
        Ok(EXPECTED.try_with(|expected| expected.bounds.deadline.check())??)
    }
}

fn lift_returned(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    place: Place<'_>,
    expected: &Expected,
) -> Result<Lifted> {
    let layout = expected.codec.result.as_ref();
    let (size, align, flat) = layout.map_or((0, 1, 0), |layout| (layout.size, layout.align, layout.flat));
    if !has_same_layout(cx.types, ty, size, align, flat) {
        return Err(format_err!("the result type differs from the prepared one"));
    }
    if let Some(flow) = &expected.codec.returned_flow {
        return lift_reader(cx, ty, place, flow).map(Lifted::Reader);
    }
    let encoding = cx.options().string_encoding.into();
    let Bounds { output, deadline } = expected.bounds;
    let source = lift::Source { memory: cx.memory(), encoding, limit: output, deadline };
    match lift::result(source, layout, place) {
        Ok(outcome) => Ok(Lifted::Whole(outcome)),
        Err(lift::Rejected::TooLarge(error)) => Err(error.into()),
        Err(lift::Rejected::Malformed(error)) => Err(error.into()),
        Err(lift::Rejected::TimedOut(error)) => Err(error.into()),
    }
}

/// Takes the readable end of a stream or a future from the guest.
fn lift_reader(cx: &mut LiftContext<'_>, ty: InterfaceType, place: Place<'_>, flow: &Flow) -> Result<Reader> {
    let types = cx.types;
    let (InterfaceType::Tuple(results), Place::Flat([handle])) = (ty, place) else {
        bail!("a handle that is not one core value");
    };
    let Some(ty) = types[results].types.first() else {
        bail!("a handle without a type");
    };
    Ok(match flow {
        Flow::Stream(_) => Reader::Stream(StreamAny::linear_lift_from_flat(cx, *ty, handle)?),
        Flow::Future(_) => Reader::Future(FutureAny::linear_lift_from_flat(cx, *ty, handle)?),
    })
}

/// Gives the readable ends of streams and futures to the guest. Returns their handles, by parameter.
fn lower_readers<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    readers: &[Option<Reader>],
) -> Result<Vec<Option<u32>>> {
    let mut handles = vec![None; readers.len()];
    for (index, reader) in readers.iter().enumerate() {
        let Some(reader) = reader else { continue };
        let InterfaceType::Tuple(params) = ty else { bail!("parameters that are not a tuple") };
        let ty = cx.types[params].types.get(index).copied();
        let ty = ty.ok_or_else(|| format_err!("a stream without a parameter"))?;
        let mut raw = MaybeUninit::new(ValRaw::u32(0));
        match reader {
            Reader::Stream(stream) => stream.linear_lower_to_flat(cx, ty, &mut raw)?,
            Reader::Future(future) => future.linear_lower_to_flat(cx, ty, &mut raw)?,
        }
        // SAFETY: it was initialised above, and is written again or not.
        #[expect(unsafe_code, reason = "see the safety comment above")]
        let raw = unsafe { raw.assume_init() };
        if let Some(handle) = handles.get_mut(index) {
            *handle = Some(raw.get_u32());
        }
    }
    Ok(handles)
}

/// Returns whether wasmtime lays out a type exactly as the codec does.
fn has_same_layout(
    types: &ComponentTypes,
    ty: InterfaceType,
    size: usize,
    align: usize,
    flat: usize,
) -> bool {
    let abi = types.canonical_abi(&ty);
    let same = |codec_figure: usize, engine_figure: u32| {
        u32::try_from(codec_figure).is_ok_and(|codec_figure| codec_figure == engine_figure)
    };
    same(size, abi.size32)
        && same(align, abi.align32)
        && abi.flat_count(MAX_FLAT) == (flat <= MAX_FLAT).then_some(flat)
}

// SAFETY: `Lower` is a sequence of `ValRaw` as long as the canonical ABI passes flat at most. So wasmtime always asks
// for the flat form of the whole parameter list, and never reads `ABI`, which describes the form in memory.
// `typecheck` accepts every type because the types that wasmtime passes in direct the walk itself.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl ComponentType for Params<'_> {
    type Lower = [ValRaw; MAX_FLAT];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR4;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: all sixteen values are written before success is returned. Those that belong to the function's own type have
// the form of that type, because the codec was built from the callee's types. Pointers among them come from the guest's
// own allocator. A wrong pointer could harm only the guest: its accesses are checked against its memory.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl Lower for Params<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let params = &self.codec.params;
        if !has_same_layout(cx.types, ty, params.size, params.align, params.flat) {
            bail!("the parameter types differ from the prepared ones");
        }
        let handles = lower_readers(cx, ty, self.readers)?;
        dst.write(lower::params(cx, self.codec, self.args, &handles)?);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        _at: usize,
    ) -> Result<()> {
        bail!("parameters are always lowered flat")
    }
}

// SAFETY: the list has no names, and its types are those of the callee.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl ComponentNamedList for Params<'_> {}

// SAFETY: `Lower` is `N` times `ValRaw`, and wasmtime compares `N` with the number of core values that it has: it never
// reads more than it got. A function of an engine without async functions returns one value, its flat result or the
// address of the result; one without a result leaves the first parameter there, and it is never read. On an engine with
// async functions, `call_concurrent` claims what the function returns: its flat values. An async function that was lifted
// without async returns the address of two to sixteen flat values instead, and wasmtime then asks for the form in memory.
// `ABI` is of one byte there, so that wasmtime checks next to nothing: the codec checks address, size and alignment itself.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl<const N: usize> ComponentType for Returned<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR1;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: lifting copies what it reads to plain bytes, with accesses that are checked against the guest's memory.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl<const N: usize> Lift for Returned<N> {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        EXPECTED.try_with(|expected| {
            let flat = expected.codec.result.as_ref().map_or(0, |layout| layout.flat);
            let place = match src.first() {
                Some(address) if flat != N => Place::Address(to_usize(address.get_u32())),
                Some(_) | None => Place::Flat(src),
            };
            lift_returned(cx, ty, place, expected).map(Self)
        })?
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let address = bytes.as_ptr().addr().wrapping_sub(cx.memory().as_ptr().addr());
        EXPECTED.try_with(|expected| lift_returned(cx, ty, Place::Address(address), expected).map(Self))?
    }
}

// SAFETY: the list has no names, and its type is that of the callee.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl<const N: usize> ComponentNamedList for Returned<N> {}
