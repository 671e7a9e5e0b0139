//! The built-in tasks `std.NAME`: their signatures, their checks, and an invoker that runs them in the host.
//! `plan` solves their types; guests are in `sandbox`.

mod table;
mod budget;
mod body;
mod elements;
mod order;
mod show;
mod lists;
mod keyed;
mod text;
mod records;
mod csv;
mod template;
mod function;
mod invoker;
#[cfg(any(test, feature = "internals"))]
mod naive;
#[cfg(any(test, feature = "internals"))]
mod oracle;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;

pub use csv::columns;
pub use function::{Function, Messages};
pub use invoker::Builtins;
pub use table::{Builtin, Generic, Param};
pub use template::{TemplateFault, check as check_template};
