//! The guest in the bare engine: wasmtime's typed calls, with the engine settings of the sandbox and nothing else.
//! `host` calls the guest in the sandbox.

use crate::shared::Host;
use cascade_host::internals::sandbox::engine_config;
use wasmtime::component::ResourceTable;
use wasmtime::component::{
    Component, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, TypedFunc,
};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The guest, ready to be instantiated. Its WASI imports trap; it calls none of them.
pub(crate) struct Raw {
    engine: Engine,
    instance: InstancePre<()>,
}

impl Raw {
    /// Compiles the component for an engine with slots for `calls` guests.
    pub(crate) fn new(component: &[u8], calls: u32) -> Self {
        let engine = Engine::new(&engine_config(calls)).expect("the settings are sound");
        let component = Component::from_binary(&engine, component).expect("the guest is a component");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).expect("imports can be made to trap");
        let instance = linker.instantiate_pre(&component).expect("all imports are there");
        Self { engine, instance }
    }

    /// Returns a fresh guest and its function `name`.
    pub(crate) fn guest<P, R>(&self, name: &str) -> (Store<()>, TypedFunc<P, R>)
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.instance.instantiate(&mut store).expect("the guest can be instantiated");
        let function = instance.get_typed_func(&mut store, name).expect("the types are those of the guest");
        (store, function)
    }

    /// Calls `noop` `count` times, each time in a fresh guest.
    pub(crate) fn noops(&self, count: u32) {
        (0..count).for_each(|_| self.call::<(), ()>("noop", ()));
    }

    /// Calls `noop` `count` times, divided among threads.
    pub(crate) fn noops_on(&self, threads: u32, count: u32) {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.noops(count / threads));
            }
        });
    }

    /// Calls a function once, in a fresh guest.
    pub(crate) fn call<P, R>(&self, name: &str, params: P) -> R
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let (mut store, function) = self.guest::<P, R>(name);
        function.call(&mut store, params).expect("the guest returns")
    }
}

/// The guest in the bare engine, as in any host of WASI guests: WASI is linked, each store has its own context, and
/// calls
/// are async, so that a waiting guest blocks no thread.
pub(crate) struct RawWasi {
    engine: Engine,
    instance: InstancePre<WasiState>,
}

struct WasiState {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for WasiState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl RawWasi {
    /// Compiles the component for an engine with slots for `calls` guests.
    pub(crate) fn new(component: &[u8], calls: u32) -> Self {
        Self::with(component, &engine_config(calls))
    }

    /// Compiles the component for an engine with other settings.
    pub(crate) fn with(component: &[u8], config: &Config) -> Self {
        let engine = Engine::new(config).expect("the settings are sound");
        let component = Component::from_binary(&engine, component).expect("the guest is a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI can be linked");
        // Interpreters import wasi:http too, and a no-op does not call it.
        linker.define_unknown_imports_as_traps(&component).expect("imports can be made to trap");
        let instance = linker.instantiate_pre(&component).expect("all imports are there");
        Self { engine, instance }
    }

    /// Calls `noop` `count` times, each time in a fresh guest.
    pub(crate) async fn noops(&self, count: u32) {
        for _ in 0..count {
            let (mut store, instance) = self.start().await;
            let noop = instance.get_typed_func::<(), ()>(&mut store, "noop").expect("it has such a function");
            noop.call_async(&mut store, ()).await.expect("the guest returns");
        }
    }

    /// Returns a fresh guest.
    async fn start(&self) -> (Store<WasiState>, Instance) {
        let state = WasiState { ctx: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.instance.instantiate_async(&mut store).await.expect("it can be instantiated");
        (store, instance)
    }

    /// Starts `count` guests without a call.
    pub(crate) fn starts(&self, count: u32) {
        let start = async || {
            for _ in 0..count {
                drop(self.start().await);
            }
        };
        Host::runtime().block_on(start());
    }

    /// Calls `noop` `count` times, divided among threads.
    pub(crate) fn noops_on(&self, threads: u32, count: u32) {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| Host::runtime().block_on(self.noops(count / threads)));
            }
        });
    }
}
