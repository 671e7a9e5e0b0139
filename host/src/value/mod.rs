//! WIT types as owned data, assignability, and values as MessagePack and JSON directed by a type.
//! Knows nothing of wasmtime, of manifests, or of where values are stored.

mod ty;
mod text;
mod fault;
mod put;
pub mod wire;
mod encode;
mod mistakes;
pub(crate) mod check;
mod json;
mod leaves;
mod pick;
mod compose;
mod relation;
mod assign;
mod differ;
#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod properties;

pub use assign::{Conversion, Unconverted, assign};
pub use check::{canonical, check};
pub use compose::{ListBuilder, compose_case, compose_list, compose_record, compose_some, compose_tuple};
pub use differ::difference;
pub use encode::encode;
pub use fault::ValueFault;
pub use json::{Typed, to_json_excerpt, to_json_text};
pub use leaves::leaves;
pub use mistakes::encode_all;
pub use pick::{Items, Part, case_name, pick, split, type_at};
pub use relation::Mismatch;
pub use text::TypeFault;
pub use ty::{Case, Export, Field, ResultType, Signature, Type, Unsupported};
