//! The guest in the bare engine: wasmtime's typed calls, with the engine's settings of the sandbox and nothing else.
//! The sandbox is in `host`.

use cascade_host::sandbox::engine_config;
use wasmtime::component::{Component, ComponentNamedList, InstancePre, Lift, Linker, Lower, TypedFunc};
use wasmtime::{Engine, Store};

/// The guest, ready to be instantiated: what it imports of WASI traps, and it calls none of it.
pub(crate) struct Raw {
    engine: Engine,
    instance: InstancePre<()>,
}

impl Raw {
    /// Compiles the component for an engine that has slots for that many guests.
    pub(crate) fn new(component: &[u8], calls: u32) -> Self {
        let engine = Engine::new(&engine_config(calls)).expect("the settings are sound");
        let component = Component::from_binary(&engine, component).expect("the guest is a component");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).expect("imports can be made to trap");
        let instance = linker.instantiate_pre(&component).expect("all imports are there");
        Self { engine, instance }
    }

    /// A guest of its own, and its function of that name.
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

    /// Calls a function once, in a guest of its own.
    pub(crate) fn call<P, R>(&self, name: &str, params: P) -> R
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let (mut store, function) = self.guest::<P, R>(name);
        function.call(&mut store, params).expect("the guest returns")
    }
}
