//! WIT types as owned data, assignability, and values as MessagePack and JSON directed by a type.
//! Nothing here knows of wasmtime, of manifests, or of where values are stored.

#[cfg(test)]
mod arbitrary;
mod assign;
mod check;
mod compose;
mod encode;
mod fault;
mod json;
#[cfg(test)]
mod laws;
mod pick;
mod relation;
mod text;
mod ty;
pub mod wire;

pub use assign::{Conversion, assign};
pub use check::{canonical, check};
pub use compose::{compose_case, compose_list, compose_record, compose_some, compose_tuple};
pub use encode::encode;
pub use fault::ValueFault;
pub use json::{Typed, to_json_text};
pub use pick::{Items, Part, case_name, pick, split, type_at};
pub use relation::Mismatch;
pub use text::TypeFault;
pub use ty::{Case, Export, Field, ResultType, Signature, Type, Unsupported};
