//! A manifest with every name resolved to a position and the order of tasks known: [`Graph`].
//! Types and components are not looked at here: that is for `plan`.

mod expr;
mod resolve;
mod names;
mod value;
mod draft;
mod knot;
mod cycle;
mod cut;
mod uses;
mod demand;
mod order;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod laws;

pub use expr::{NeededIf, NeededClause, Expr, Gate, Graph, Node, Resolved};
pub use resolve::resolve;
