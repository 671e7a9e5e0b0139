//! The bridge between the codec and wasmtime: one parameter type and one result type serve every function.
//! Holds the only `unsafe` code of the codec; `lower` and `lift` interpret the bytes and have none.
//!
//! wasmtime calls typed functions through the traits `Lower` and `Lift`. Its derive macros implement them for types
//! known at compile time. They are unsafe because wasmtime trusts what they claim about a type's flat representation.
//! The claim here is the widest that the canonical ABI allows: sixteen values in, one value out. A function with fewer
//! ignores the rest, which is zero. wasmtime calls untyped functions in the same way.

use crate::invoke::Outcome;
use crate::sandbox::codec::layout::{Codec, MAX_FLAT};
use crate::sandbox::codec::memory::Encoding;
use crate::sandbox::codec::{lift, lower};
use crate::sandbox::guest::Deadline;
use bytes::Bytes;
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower};
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

/// Calls `function`, whose signature `codec` was built from, within `bounds`.
///
/// Fails if the guest traps, an argument is malformed, or the result is malformed, too large or late.
pub(crate) async fn call<T: Send + 'static>(
    store: &mut Store<T>,
    function: Func,
    codec: &Arc<Codec>,
    args: &[Bytes],
    bounds: Bounds,
) -> Result<Outcome> {
    let function = function.typed::<Params<'_>, Returned>(&*store)?;
    let params = Params { codec, args };
    let expected = Expected { codec: Arc::clone(codec), bounds };
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
    let function = function.typed::<Params<'_>, Returned>(&*store)?;
    let expected = Expected { codec: Arc::clone(codec), bounds };
    EXPECTED.sync_scope(expected, || Ok(function.call(store, Params { codec, args })?.0))
}

/// Arguments of any function, as MessagePack: one per parameter.
struct Params<'a> {
    codec: &'a Codec,
    args: &'a [Bytes],
}

/// Result of any function, as MessagePack.
struct Returned(Outcome);

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
    cx: &LiftContext<'_>,
    ty: InterfaceType,
    raw: ValRaw,
    expected: &Expected,
) -> Result<Returned> {
    let layout = expected.codec.result.as_ref();
    let (size, align, flat) = layout.map_or((0, 1, 0), |layout| (layout.size, layout.align, layout.flat));
    if !has_same_layout(cx.types, ty, size, align, flat) {
        return Err(format_err!("the result type differs from the prepared one"));
    }
    let encoding = cx.options().string_encoding.into();
    let Bounds { output, deadline } = expected.bounds;
    let source = lift::Source { memory: cx.memory(), encoding, limit: output, deadline };
    match lift::result(source, layout, raw) {
        Ok(outcome) => Ok(Returned(outcome)),
        Err(lift::Rejected::TooLarge(error)) => Err(error.into()),
        Err(lift::Rejected::Malformed(error)) => Err(error.into()),
        Err(lift::Rejected::TimedOut(error)) => Err(error.into()),
    }
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
        dst.write(lower::params(cx, self.codec, self.args)?);
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

// SAFETY: `Lower` is one `ValRaw`, which is what a function of the canonical ABI returns: its flat result, or the
// address of the result. A function without a result leaves the first parameter there, and it is never read.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl ComponentType for Returned {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR4;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: lifting copies what it reads to plain bytes, with accesses that are checked against the guest's memory.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        let [raw] = src;
        EXPECTED.try_with(|expected| lift_returned(cx, ty, *raw, expected))?
    }

    fn linear_lift_from_memory(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _bytes: &[u8]) -> Result<Self> {
        bail!("a result is always lifted from its flat form")
    }
}

// SAFETY: the list has no names, and its type is that of the callee.
#[expect(unsafe_code, reason = "see the safety comment above")]
unsafe impl ComponentNamedList for Returned {}
