//! Graph of a manifest: every name resolved to a position, and the tasks in topological order: [`Graph`].
//! Types and components are left to `plan`.

mod expr;
mod resolve;
mod names;
mod value;
mod draft;
mod suppliers;
mod scc;
mod cycle;
mod cut;
mod uses;
mod pruning;
mod order;
mod flows;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;

pub use expr::{Expr, Gate, Graph, NeededClause, NeededIf, Node, Resolved};
pub use flows::Flow;
pub use resolve::resolve;
