//! State of one running guest: its limits, its listener, and its view of the world. Dropped with the call.
//! `wasi` implements the interfaces on it; what few guests need is created on first use.

use crate::invoke::Call;
use crate::model::Size;
use crate::sandbox::guest::limits::{Deadline, LogGuard, MAX_HANDLES, MemoryGuard, TimedOut};
use crate::sandbox::guest::prepared::Prepared;
use crate::sandbox::guest::program::Program;
use crate::sandbox::guest::wasi::{
    Files, GuestCalls, GuestNames, GuestRandom, Http, KeyvalueSession, LogicalClock, Outputs, Refusals,
    SharedTree, StderrTail, context, context_with_folders,
};
use crate::state::{BucketName, Buckets};
use std::sync::Arc;
use tokio::time::timeout_at;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// Data of a guest's store.
pub(crate) struct State {
    /// Memory accounting.
    pub(crate) memory: MemoryGuard,
    pub(crate) outputs: Outputs,
    pub(crate) table: ResourceTable,
    /// The call with its arguments, limits and listener.
    pub(crate) call: Arc<Call>,
    /// Deadline of the call.
    pub(crate) deadline: Deadline,
    /// Number of calls into the guest that have not returned: those that wait, and the one that runs.
    pub(crate) entered: u32,
    /// Cursors and compared values of `wasi:keyvalue`.
    pub(crate) keyvalue: KeyvalueSession,
    prepared: Arc<Prepared>,
    wasi: Option<Box<WasiCtx>>,
    clock: Option<LogicalClock>,
    random: Option<GuestRandom>,
    http: Option<Box<Http>>,
    names: Option<GuestNames>,
    /// Declared after everything that holds files, and so dropped last. A file still held then belongs to an unfinished call.
    pub(crate) files: Files,
    refusals: Option<Refusals>,
    /// The private disk, once the guest has asked for its folders.
    pub(crate) disk: Option<SharedTree>,
}

/// Share of a call in the host's resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Deadline of the call.
    pub(crate) deadline: Deadline,
    /// Memory of the host for all guests, which bounds the call if it is less than the task's limit.
    pub(crate) memory: Size,
    /// Maximum number of open files.
    pub(crate) files: usize,
}

impl State {
    /// Creates a guest's data. Fails if a granted folder cannot be opened, or does not answer before the deadline, or if the
    /// files of a command exceed its limits.
    pub(crate) async fn new(
        prepared: &Arc<Prepared>,
        call: &Arc<Call>,
        program: Option<Arc<Program>>,
        share: Share,
    ) -> wasmtime::Result<Self> {
        let mut state = Self::without_folders(prepared, call, share)?;
        if let Some(program) = program {
            state.fill_working_directory(&program.files)?;
            state.outputs.program = Some(program);
        }
        if prepared.has_folders() {
            let deadline = share.deadline.0;
            let blocking = GuestCalls::admit(call.function, &prepared.orphans, deadline).await?;
            let calls = blocking.calls().clone();
            state.files.set_blocking(blocking);
            let (prepared, outputs) = (Arc::clone(prepared), state.outputs.clone());
            let opening = calls.call(move || context_with_folders(&prepared, &outputs));
            let opened = timeout_at(deadline, opening).await.map_err(|_elapsed| TimedOut)?;
            state.wasi = Some(Box::new(opened?));
        }
        Ok(state)
    }

    fn without_folders(prepared: &Arc<Prepared>, call: &Arc<Call>, share: Share) -> wasmtime::Result<Self> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let grants = &prepared.grants;
        let files = Files::new(share.files, grants.read.len() + grants.write.len())?;
        Ok(Self {
            memory: MemoryGuard::new(&call.limits, share.memory, prepared.instances),
            outputs: Outputs {
                listener: Arc::clone(&call.listener),
                logs: LogGuard::new(&call.limits),
                stderr_tail: StderrTail::default(),
                program: None,
            },
            table,
            call: Arc::clone(call),
            deadline: share.deadline,
            entered: 0,
            keyvalue: KeyvalueSession::default(),
            prepared: Arc::clone(prepared),
            wasi: None,
            clock: None,
            random: None,
            http: None,
            names: None,
            files,
            refusals: None,
            disk: None,
        })
    }

    /// Returns the logical clock, or `None` if the real clocks are granted.
    pub(crate) fn clock(&mut self) -> Option<&LogicalClock> {
        (!self.prepared.grants.clock).then(|| &*self.clock.get_or_insert_default())
    }

    /// Returns the seeded source of randomness, or `None` if real randomness is granted.
    pub(crate) fn seeded_random(&mut self) -> Option<&GuestRandom> {
        let Self { prepared, call, random, .. } = self;
        let make = || GuestRandom::for_call(prepared, call);
        (!prepared.grants.random).then(|| &*random.get_or_insert_with(make))
    }

    /// Returns the guest's name resolver, or `None` if `dns` is not granted.
    pub(crate) fn names(&mut self) -> Option<GuestNames> {
        let Self { prepared, names, .. } = self;
        let make = || GuestNames::new(prepared.network.names(), &prepared.lookups);
        prepared.grants.dns.then(|| names.get_or_insert_with(make).clone())
    }

    /// Returns the log of refusals.
    pub(crate) fn refusals(&mut self) -> &Refusals {
        self.refusals.get_or_insert_with(|| Refusals::new(&self.call.listener))
    }

    /// Returns whether the guest is a command.
    pub(crate) const fn has_working_directory(&self) -> bool {
        self.outputs.program.is_some()
    }

    /// Returns whether the guest may have sockets.
    pub(crate) fn has_sockets(&self) -> bool {
        !self.prepared.grants.tcp.is_empty()
    }

    /// Returns the number of the guest's HTTP connections.
    pub(crate) fn connections(&self) -> usize {
        self.http.as_ref().map_or(0, |http| http.filter.connections())
    }

    /// Returns whether the guest may read the context of its attempt.
    pub(crate) fn has_context(&self) -> bool {
        self.prepared.grants.context
    }

    /// Returns whether the guest may open a bucket.
    pub(crate) fn has_bucket(&self, name: &BucketName) -> bool {
        self.prepared.grants.keyvalue.iter().any(|granted| granted == name.as_str())
    }

    /// Returns the backend of the buckets, if this host has one.
    pub(crate) fn buckets(&self) -> Option<Arc<dyn Buckets>> {
        self.prepared.buckets.get().map(Arc::clone)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { prepared, outputs, wasi, table, .. } = self;
        let ctx = wasi.get_or_insert_with(|| Box::new(context(prepared, outputs)));
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Self { prepared, call, refusals, http, table, .. } = self;
        let http = http.get_or_insert_with(|| {
            let refusals = refusals.get_or_insert_with(|| Refusals::new(&call.listener));
            Box::new(Http::new(prepared, refusals.clone()))
        });
        WasiHttpCtxView { hooks: &mut http.filter, table, ctx: &mut http.ctx }
    }
}
