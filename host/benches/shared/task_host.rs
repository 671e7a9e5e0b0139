//! The guest as tasks of a graph: engine, ledger, events and sandbox, without a process.
//! `host` calls the guest in the sandbox alone.

use crate::shared::Graph;
use bytes::Bytes;
use cascade_host::internals::invoke::{Grants, Invoker};
use cascade_host::internals::plan::Interface;
use cascade_host::internals::sandbox::{GuestKind, Sandbox, Settings};
use cascade_host::internals::state::MemoryBackend;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A host with a graph of calls of `noop`.
pub(crate) struct TaskHost {
    runtime: Runtime,
    sandbox: Arc<dyn Invoker>,
    graph: Graph,
}

impl TaskHost {
    /// Loads the component into a sandbox for `calls` concurrent calls, and builds a graph of `tasks` tasks.
    pub(crate) fn new(runtime: Runtime, component: Bytes, (calls, tasks): (u32, u32)) -> Self {
        let settings = Settings { calls, code_cache: None };
        let sandbox = Sandbox::new(settings).expect("the engine's settings are sound");
        let component = sandbox.load(component).expect("the guest is a component");
        let export = component.exports().iter().find(|export| &*export.function == "noop");
        let export = export.expect("the guest has a function `noop`");
        sandbox
            .prepare(&component, export, None, Grants::default(), &[GuestKind::PLAIN])
            .expect("it can be a task");
        let interface = Interface { digest: *component.digest(), exports: component.exports().to_vec() };
        Self { runtime, sandbox: Arc::new(sandbox), graph: Graph::independent(tasks, interface) }
    }

    /// Returns the time of one run with `slots` concurrent guests.
    pub(crate) fn run(&self, slots: u32) -> Duration {
        self.runtime.block_on(async {
            let backend = MemoryBackend::new();
            self.graph.open(&backend).await.run(Arc::clone(&self.sandbox), slots).await
        })
    }
}
