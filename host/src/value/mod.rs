//! WIT types as owned data, assignability, and values as MessagePack and JSON directed by a type.
//! Knows nothing of wasmtime, of manifests, or of where values are stored.

mod ty;
mod passing;
mod text;
mod fault;
mod put;
pub mod wire;
mod encode;
mod map;
mod mistakes;
pub(crate) mod check;
mod json;
mod from_json;
mod leaves;
mod pick;
mod compose;
mod command;
mod failure;
mod relation;
mod assign;
mod differ;
#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod properties;

pub use assign::{Conversion, Unconverted, assign};
#[cfg(any(test, feature = "internals"))]
pub use check::canonical;
pub use check::check;
pub use command::{Collected, Command, CommandOutput, Feed};
pub use compose::{
    ListBuilder, compose_case, compose_list, compose_map, compose_record, compose_some, compose_tuple,
};
pub use differ::difference;
pub use encode::{encode, encode_key};
pub use failure::{failure_type, failure_value, is_failure_value};
pub use fault::ValueFault;
pub(crate) use from_json::from_json_while;
pub use from_json::{JsonFault, from_json};
#[cfg(any(test, feature = "internals"))]
pub use json::to_json_text;
pub use json::{Typed, several_lines, to_json_excerpt};
pub use leaves::leaves;
pub use map::is_key;
pub(crate) use map::{MapKey, key_bytes};
pub use mistakes::encode_all;
pub use pick::{Items, Place, case_name, pick, place, range, split, type_at};
pub use relation::Mismatch;
pub use ty::{Case, Export, Field, MapType, Passing, ResultType, Signature, Transfer, Type, Unsupported};
