//! The test harness: the real binary, components built from source, temporary folders, servers.
//! Expected behaviour is in the tests.

pub mod bombs;
mod examples;
mod guests;
mod host;
mod modules;
mod packages;
mod waiting;
mod project;
mod proxy;
mod receiver;
mod registry;
mod server;
mod service;
mod toolchains;
mod web;

pub use examples::build_example;
pub use guests::{
    Toolchain, assemble, build_javascript, build_javascript_later, build_javascript_shapes, build_plugins,
    build_preview1_guests, build_python, build_python_later, build_python_shapes, build_rust_guests,
    build_sql, is_declined, python_client, repository,
};
pub use host::{Finished, Host, Running, binary};
pub use modules::{with_section, without_interface};
pub use packages::{Package, Published, Registry, fetch, install_program, package_cache};
pub use project::{Events, Project};
pub use proxy::Proxy;
pub use receiver::{Answer, Received, Receiver};
pub use registry::{INDEX, LAYER, OciRegistry, digest, sha256};
pub use server::{Redis, free_port};
pub use service::{Reply, Service};
pub use toolchains::{LANGUAGES, Language, build_variables, polyglot_folder};
pub use waiting::{wait_for, wait_until};
pub use web::Web;
