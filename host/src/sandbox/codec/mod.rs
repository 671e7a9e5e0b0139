//! The codec: MessagePack to guest memory and back (lower, lift, flatten), directed by a function's WIT types.
//! `value` decides which values are assignable; `call` makes the calls.

mod layout;
mod memory;
mod name_index;
mod entries;
mod lower_error;
mod lower;
mod lift;
mod flat;
mod strings;
mod erased;
mod elements;
mod feeder;
mod collector;
pub(crate) mod flows;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod async_oracle;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
#[cfg(test)]
mod echo_component;
#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
mod malformed_tests;
#[cfg(test)]
mod tree;

pub(crate) use erased::{Bounds, call};
pub(crate) use layout::Codec;
pub(crate) use lift::TooLarge;
pub(crate) use lower_error::MalformedArgument;
