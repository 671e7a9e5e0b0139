//! A manifest with every name resolved to a position and the order of tasks known: [`Graph`].
//! Types and components are not looked at here: that is for `plan`.

mod expr;

pub use expr::{Demand, DemandClause, Expr, Gate, Graph, Node, Resolved};
