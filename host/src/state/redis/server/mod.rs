//! The Redis server: what it is, what it promises, and what a run needs of it.
//! The connection is in `link`.

mod server_info;
pub(crate) mod preflight;
#[cfg(test)]
pub(crate) mod test_server;

pub(crate) use preflight::describe;
#[cfg(test)]
pub(crate) use test_server::Server;
