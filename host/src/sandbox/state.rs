//! What the host keeps for one running guest: its bounds and its listener, and what it sees of the world.
//! Everything dies with the call. What a guest may never ask for is made when it first does.

use crate::invoke::Attempt;
use crate::invoke::Call;
use crate::invoke::Listener;
use crate::model::Size;
use crate::sandbox::guard::Deadline;
use crate::sandbox::guard::LogGuard;
use crate::sandbox::guard::MOST_HANDLES;
use crate::sandbox::guard::MemoryGuard;
use crate::sandbox::load::Prepared;
use crate::sandbox::wasi::Chance;
use crate::sandbox::wasi::LogicalClock;
use crate::sandbox::wasi::NoHttp;
use crate::sandbox::wasi::Shelf;
use crate::sandbox::wasi::context;
use crate::sandbox::wasi::context_with_folders;
use crate::state::BucketName;
use crate::state::Buckets;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The data of a guest's store.
pub(crate) struct State {
    pub(crate) memory: MemoryGuard,
    pub(crate) logs: LogGuard,
    pub(crate) table: ResourceTable,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) attempt: Attempt,
    pub(crate) deadline: Deadline,
    pub(crate) shelf: Shelf,
    prepared: Arc<Prepared>,
    args: Vec<Bytes>,
    wasi: Option<Box<WasiCtx>>,
    clock: Option<LogicalClock>,
    chance: Option<Box<Chance>>,
    http: Option<Box<WasiHttpCtx>>,
    no_http: NoHttp,
}

impl State {
    /// A guest's data at the beginning of a call that must end by then, on a host that has so much memory for its guests.
    /// Fails where a granted folder cannot be opened.
    pub(crate) fn new(
        prepared: &Arc<Prepared>,
        call: &Call,
        (deadline, budget): (Deadline, Size),
    ) -> wasmtime::Result<Self> {
        let logs = LogGuard::new(&call.limits);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let grants = &prepared.grants;
        let has_folders = !grants.read.is_empty() || !grants.write.is_empty();
        let wasi = has_folders.then(|| context_with_folders(grants, &call.listener, &logs)).transpose()?;
        Ok(Self {
            memory: MemoryGuard::new(&call.limits, budget),
            logs,
            table,
            listener: Arc::clone(&call.listener),
            attempt: call.attempt.clone(),
            deadline,
            shelf: Shelf::default(),
            prepared: Arc::clone(prepared),
            args: call.args.clone(),
            wasi: wasi.map(Box::new),
            clock: None,
            chance: None,
            http: None,
            no_http: NoHttp,
        })
    }

    /// The clock that stands in for the real ones; none where those are granted.
    pub(crate) fn clock(&mut self) -> Option<&LogicalClock> {
        (!self.prepared.grants.clock).then(|| &*self.clock.get_or_insert_default())
    }

    /// The source that stands in for the real one; none where that is granted.
    pub(crate) fn chance(&mut self) -> Option<&mut Chance> {
        let Self { prepared, args, chance, .. } = self;
        let make = || Box::new(Chance::of_call(prepared, args));
        (!prepared.grants.random).then(|| &mut **chance.get_or_insert_with(make))
    }

    /// Whether the guest may know of its attempt.
    pub(crate) fn has_context(&self) -> bool {
        self.prepared.grants.context
    }

    /// Whether the guest may open a bucket.
    pub(crate) fn has_bucket(&self, name: &BucketName) -> bool {
        self.prepared.grants.keyvalue.iter().any(|granted| granted == name.as_str())
    }

    /// Where buckets are kept, if this host has such a place.
    pub(crate) fn buckets(&self) -> Option<Arc<dyn Buckets>> {
        self.prepared.buckets.as_ref().map(Arc::clone)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { prepared, listener, logs, wasi, table, .. } = self;
        let ctx = wasi.get_or_insert_with(|| Box::new(context(&prepared.grants, listener, logs)));
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let ctx = self.http.get_or_insert_with(|| Box::new(WasiHttpCtx::new()));
        WasiHttpCtxView { hooks: &mut self.no_http, table: &mut self.table, ctx }
    }
}
