//! A loaded component: its exports with types, its imports, and the grants that serve them.
//! `guest` links it, `call` calls it.

mod loaded;
pub(crate) mod reflect;
mod imports;
mod toolchain;
pub(crate) mod traps;

pub(crate) use imports::is_later_wasi;
pub use imports::{Import, Offer};
pub use loaded::Component;
pub(crate) use loaded::{Code, Codes, Shared};
pub(crate) use reflect::Interface;
pub use toolchain::Toolchain;
