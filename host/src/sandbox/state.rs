//! What the host keeps for one running guest: its WASI context, its clocks and chance, its bounds and its listener.
//! Everything dies with the call.

use crate::invoke::Attempt;
use crate::invoke::Call;
use crate::invoke::Listener;
use crate::model::Limits;
use crate::sandbox::guard::LogGuard;
use crate::sandbox::guard::MemoryGuard;
use crate::sandbox::load::Prepared;
use crate::sandbox::wasi::Chance;
use crate::sandbox::wasi::LogicalClock;
use crate::sandbox::wasi::NoHttp;
use crate::sandbox::wasi::context;
use std::sync::Arc;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The data of a guest's store.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryGuard,
    pub(crate) logs: LogGuard,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) attempt: Attempt,
    pub(crate) deadline: Instant,
    /// The clock that stands in for the real ones; none where those are granted.
    pub(crate) clock: Option<LogicalClock>,
    /// The source that stands in for the real one; none where that is granted.
    pub(crate) chance: Option<Chance>,
    pub(crate) has_context: bool,
    http: WasiHttpCtx,
    no_http: NoHttp,
}

/// Most entries of a guest's resource table: streams, pollables, descriptors.
const MAX_HANDLES: usize = 10_000;

impl State {
    /// A guest's data at the beginning of a call.
    pub(crate) fn new(prepared: &Prepared, call: &Call) -> wasmtime::Result<Self> {
        let limits: &Limits = &call.limits;
        let logs = LogGuard::new(limits);
        let grants = &prepared.grants;
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Ok(Self {
            wasi: context(grants, &call.listener, &logs)?,
            table,
            memory: MemoryGuard::new(limits),
            logs,
            listener: Arc::clone(&call.listener),
            attempt: call.attempt.clone(),
            deadline: Instant::now() + call.timeout,
            clock: (!grants.clock).then(LogicalClock::default),
            chance: (!grants.random).then(|| Chance::of_call(prepared, &call.args)),
            has_context: grants.context,
            http: WasiHttpCtx::new(),
            no_http: NoHttp,
        })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.no_http, table: &mut self.table, ctx: &mut self.http }
    }
}
