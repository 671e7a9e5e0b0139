//! Drawings of a graph: its tasks as boxes, with the states of a run, as Mermaid, DOT, SVG or JSON.
//! `graph` resolves the manifest and `app` reads the run; nothing here needs a component.

mod state;
mod picture;
mod describe;
mod refine;
mod build;
mod mermaid;
mod dot;
mod layout;
mod svg;
mod json;
mod stored;

pub(crate) use build::{Detail, Drawn, draw};
pub(crate) use json::GraphJson;
pub(crate) use picture::Picture;
pub(crate) use state::RunStates;
pub(crate) use stored::draw_stored;
