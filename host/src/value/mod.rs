//! WIT types as owned data, assignability, and values as MessagePack and JSON directed by a type.
//! Nothing here knows of wasmtime, of manifests, or of where values are stored.

mod ty;

pub use ty::{Case, Export, Field, ResultType, Signature, Type, Unsupported};
