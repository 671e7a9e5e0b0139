//! The sandbox: loads, links, limits and calls components. The only module that uses wasmtime.
//! The engine decides which task is called when (the scheduler), and what follows from a failure.

mod load;
mod code;
mod compose;
mod authoring;
mod error;
mod metering;
mod kind;
mod component;
mod compile;
mod codec;
mod guest;
mod address_space;
mod scratch;
mod engine;
mod call;
mod collect;
mod failure;
mod backtrace;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod linking_tests;
#[cfg(test)]
mod module_tests;
#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod managed_tests;
#[cfg(test)]
mod hermetic;
#[cfg(test)]
mod async_tests;

#[cfg(feature = "internals")]
pub use codec::fuzzing;
pub use compile::CompilePool;
pub use compile::CompileRequest;
#[cfg(feature = "internals")]
pub use compile::Proposal;
pub use compile::{BindingsRequest, Generator, SourceFile};
pub use compile::{Bounds, Exceeded, Link, Misfit};
pub use compile::{Form, TextEncoding, Wit, WitFile};
pub use compile::{KeptComponents, code_files};
pub use compile::{Skeleton, SkeletonLanguage, SkeletonRequest};
pub use compile::{SlowCompilation, Stage};
pub use component::Component;
pub use component::{Import, Offer, Toolchain};
#[cfg(feature = "internals")]
pub use engine::engine_config;
pub use error::LoadError;
pub use guest::{Answer, Client, NoAnswer, Outgoing, Proxy, Route, Zone, zone_of_host};
pub use kind::GuestKind;
pub use load::{LoadRequest, Sandbox, Settings};
#[cfg(any(test, feature = "internals"))]
pub use metering::Metering;
