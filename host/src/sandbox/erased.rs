//! The door between the codec and wasmtime: one parameter type and one result type that stand for every function.
//! The only unsafe code of the codec; what the bytes mean is for `lower` and `lift`, which have none.
//!
//! wasmtime calls typed functions through `Lower` and `Lift`, traits that its derive macros implement for types known
//! at compile time, and that are unsafe because wasmtime trusts what they say about a type's flat representation.
//! Here that representation is the widest that the canonical ABI has: sixteen values in, one value out. A function
//! with fewer ignores the rest, which is zero. wasmtime itself calls untyped functions the same way.

use crate::invoke::Outcome;
use crate::sandbox::lift;
use crate::sandbox::lower;
use bytes::Bytes;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw, bail};

/// The arguments of any function: MessagePack, one a parameter.
pub(crate) struct Params<'a>(pub(crate) &'a [Bytes]);

/// The result of any function, as MessagePack.
pub(crate) struct Returned(pub(crate) Outcome);

// SAFETY: `Lower` is a sequence of `ValRaw`, at most as many as the canonical ABI passes flat, so that wasmtime always
// asks for the flat form of the whole list of parameters and never reads `ABI`, which describes the form in memory.
// `typecheck` accepts every type because the walk itself is directed by the types that wasmtime hands it.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl ComponentType for Params<'_> {
    type Lower = [ValRaw; lower::MAX_FLAT];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR4;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: all sixteen values are written before success is told; those that the function's own type has are of that
// type's form, as `lower::params` follows the types of the callee, and pointers among them are what the guest's own
// allocator returned. A wrong pointer could harm the guest alone: its accesses are checked against its memory.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl Lower for Params<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        dst.write(lower::params(cx, ty, self.0)?);
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
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl ComponentNamedList for Params<'_> {}

// SAFETY: `Lower` is one `ValRaw`, which is what a function of the canonical ABI returns: its flat result, or the
// address of the result. A function without a result leaves the first parameter there, and it is not looked at.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl ComponentType for Returned {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR4;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: lifting makes plain bytes of what it reads, by accesses that are checked against the guest's memory.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        let [raw] = src;
        lift::result(cx, ty, *raw).map(Self)
    }

    fn linear_lift_from_memory(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _bytes: &[u8]) -> Result<Self> {
        bail!("a result is always lifted from its flat form")
    }
}

// SAFETY: the list has no names, and its type is that of the callee.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl ComponentNamedList for Returned {}

/// The two values of a string that was lowered into a pair which was written before.
#[expect(unsafe_code, reason = "the argument stands below")]
pub(crate) fn written(pair: MaybeUninit<[ValRaw; 2]>) -> [ValRaw; 2] {
    // SAFETY: `lower` makes the pair with `MaybeUninit::new`: it has a value, whether or not it was overwritten.
    unsafe { pair.assume_init() }
}
