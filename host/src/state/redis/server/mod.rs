//! The Redis server: its facts, its guarantees, and the rights that a run needs.
//! Connections are left to `link`.

mod server_info;
pub(crate) mod preflight;
#[cfg(test)]
pub(crate) mod test_server;

pub(crate) use preflight::describe;
#[cfg(test)]
pub(crate) use test_server::Server;
