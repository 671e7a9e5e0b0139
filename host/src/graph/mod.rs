//! Graph of a manifest: every name resolved to a position, included manifests inlined, and the tasks in topological
//! order: [`Graph`].
//! Types and components are left to `plan`.

mod fan_out;
mod expr;
mod manifests;
mod resolve;
mod names;
mod value;
mod draft;
mod template;
mod instances;
mod crossings;
mod inline;
mod outputs;
mod waiting;
mod resources;
mod border;
mod suppliers;
mod scc;
mod cycle;
mod cut;
mod uses;
mod links;
mod pruning;
mod order;
mod flows;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod inline_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod properties;

pub use expr::{
    Border, Condition, Crossing, Expr, Gate, Graph, NeededClause, NeededIf, Node, Origin, Pipeline, Resolved,
};
pub use fan_out::{FanOut, Flow};
pub use links::{Link, LinkKind};
pub use manifests::{Manifests, Place};
pub use resolve::resolve;
