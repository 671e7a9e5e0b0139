//! The guest's view of the world: WASI 0.2, limited by its grants.
//! Clocks and randomness are the host's own unless the real ones are granted. wasmtime provides all the rest.

mod beneath;
mod blocking;
mod clocks;
mod errors;
mod files;
mod cascade;
mod http;
mod keyvalue;
mod listings;
mod dns;
mod network;
mod opening;
mod output;
mod captured;
mod stdin;
mod exit;
mod handle_quota;
mod random;
mod streams;
mod tcp;
mod udp;
mod non_utf8;
mod disk;

pub(crate) use blocking::{GuestCalls, Orphans};
pub(crate) use captured::{CapturedOutput, HEAD_ROOM};
pub(crate) use clocks::LogicalClock;
pub(crate) use disk::{Content, LastLink, NodeId, NodeKind, SharedTree, Tree, WORK, covers, is_fixed, walk};
pub(crate) use exit::Exit;
pub(crate) use files::Files;
pub use http::{Answer, Client, NoAnswer, Outgoing, Proxy, Route};
pub(crate) use http::{Http, MAX_FIELDS, MAX_UNGRANTED};
pub(crate) use keyvalue::KeyvalueSession;
pub(crate) use network::{GuestNames, Refusals, TaskLookups};
pub use network::{Zone, zone_of_host};
pub(crate) use output::{MAX_KEPT, StderrTail, last_part};
pub(crate) use random::GuestRandom;
pub(crate) use stdin::GuestInput;

use crate::invoke::{Listener, Stream};
use crate::sandbox::guest::limits::LogGuard;
use crate::sandbox::guest::prepared::Prepared;
use crate::sandbox::guest::program::Program;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::http::Tls;
use crate::sandbox::guest::wasi::network::Resolver;
use crate::sandbox::guest::wasi::output::GuestOutput;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::error::Context as _;
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::{Deterministic, FsPerms, WasiCtx, WasiCtxBuilder};

/// Links everything that a guest may import. Functions without their grant refuse when called.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    // The functions linked from here on replace wasmtime's.
    linker.allow_shadowing(true);
    bindings::clocks::wall_clock::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    bindings::clocks::monotonic_clock::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    bindings::random::random::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    bindings::random::insecure::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    bindings::random::insecure_seed::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    bindings::cli::exit::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    disk::link(linker)?;
    dns::link(linker)?;
    tcp::link(linker)?;
    udp::link(linker)?;
    http::link(linker)?;
    listings::link(linker)?;
    opening::link(linker)?;
    streams::link(linker)?;
    non_utf8::link(linker)?;
    errors::link(linker)?;
    // wasmtime has no implementation of these.
    linker.allow_shadowing(false);
    keyvalue::link(linker)?;
    cascade::link(linker)
}

/// Network access that all guests share: the resolver and the certificate authorities.
pub(crate) struct Network {
    names: Arc<Resolver>,
    tls: Tls,
}

impl Network {
    /// Creates a network with the system's resolver and the usual certificate authorities.
    pub(crate) fn of_system() -> Self {
        Self::with_parts(Resolver::of_system(), Tls::with_default_roots())
    }

    /// Creates a network with the given resolver and certificate authorities.
    pub(crate) const fn with_parts(names: Arc<Resolver>, tls: Tls) -> Self {
        Self { names, tls }
    }

    /// Returns the resolver.
    pub(crate) const fn names(&self) -> &Arc<Resolver> {
        &self.names
    }
}

/// Outputs of a guest: their listener, their quota, and the end of stderr. A command has more.
#[derive(Clone)]
pub(crate) struct Outputs {
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) logs: LogGuard,
    pub(crate) stderr_tail: StderrTail,
    /// What a command gets, and where its stdout goes.
    pub(crate) program: Option<Arc<Program>>,
}

/// Returns the WASI context of a call without folders.
pub(crate) fn context(prepared: &Arc<Prepared>, outputs: &Outputs) -> WasiCtx {
    builder(prepared, outputs).build()
}

/// Returns the WASI context of a call with its granted folders. May block.
pub(crate) fn context_with_folders(prepared: &Arc<Prepared>, outputs: &Outputs) -> wasmtime::Result<WasiCtx> {
    let mut builder = builder(prepared, outputs);
    for (host, guest) in &prepared.grants.read {
        builder.preopened_dir(host, guest, FsPerms::ReadOnly).with_context(|| not_opened(host))?;
    }
    for (host, guest) in &prepared.grants.write {
        builder.preopened_dir(host, guest, FsPerms::ReadWrite).with_context(|| not_opened(host))?;
    }
    Ok(builder.build())
}

fn builder(prepared: &Arc<Prepared>, outputs: &Outputs) -> WasiCtxBuilder {
    let Outputs { listener, logs, stderr_tail, program } = outputs;
    let grants = &prepared.grants;
    let mut builder = WasiCtxBuilder::new();
    match program {
        None => builder.envs(&grants.env).args(&grants.args),
        Some(program) => {
            builder.envs(&program.env).args(&program.argv).stdin(program.stdin.clone()).initial_cwd("/")
        }
    };
    match program.as_ref().and_then(|program| program.stdout.clone()) {
        None => builder.stdout(GuestOutput::new(Stream::Stdout, listener, logs)),
        Some(captured) => builder.stdout(captured),
    };
    builder
        .stderr(GuestOutput::new(Stream::Stderr, listener, logs).with_tail(stderr_tail))
        .allow_blocking_current_thread(false);
    if !grants.random {
        // Never drawn from, because the interfaces are replaced: this only saves asking the system for seeds.
        builder.secure_random(Deterministic::new(vec![0])).insecure_random(Deterministic::new(vec![0]));
        builder.insecure_random_seed(0);
    }
    tcp::allow(&mut builder, prepared, listener);
    builder
}

fn not_opened(folder: &Path) -> String {
    format!("the folder `{}` cannot be opened", folder.display())
}
