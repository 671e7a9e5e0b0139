//! The commands, one file each: from arguments to a call of `app` and back to printed output.
//! The layout is in `print`; the work is in `app`.

pub(crate) mod watching;
pub(crate) mod run;
pub(crate) mod run_watch;
pub(crate) mod if_running;
pub(crate) mod check;
pub(crate) mod plan;
pub(crate) mod graph;
pub(crate) mod test;
pub(crate) mod named_component;
pub(crate) mod inspect;
pub(crate) mod wit;
pub(crate) mod new;
pub(crate) mod bindings;
pub(crate) mod wrap;
pub(crate) mod build;
pub(crate) mod output;
pub(crate) mod output_dir;
pub(crate) mod runs;
pub(crate) mod resources;
pub(crate) mod show;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod watch;
pub(crate) mod why;
pub(crate) mod report;
pub(crate) mod trace;
pub(crate) mod cancel;
pub(crate) mod rm;
pub(crate) mod doctor;
pub(crate) mod schema;
pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod help;
