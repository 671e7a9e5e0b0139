//! Templates without logic, in the syntax of Jinja: `{{ path }}`, `{% for x in xs %}` and `{% if x %}`.
//! `program` checks them against the type of their values, `render` shows the values.

mod program;
mod names;
mod render;
#[cfg(test)]
mod tests;

pub use program::{TemplateFault, check};
pub(crate) use render::render;
