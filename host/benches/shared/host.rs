//! The guest in the sandbox: each call is made as for a task, but without the engine.
//! `raw` calls the guest in the bare wasmtime engine.

use bytes::Bytes;
use cascade_host::internals::invoke::{
    Attempt, Call, FunctionId, Grants, Invoker, Listener, Outcome, Stream,
};
use cascade_host::internals::model::{Limits, Name, RunId, TaskName};
use cascade_host::internals::sandbox::{Component, GuestKind, Sandbox, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A sandbox with the guest, and the runtime that drives it.
pub(crate) struct Host {
    runtime: Runtime,
    sandbox: Sandbox,
    component: Component,
}

/// Listener that ignores all output.
struct IgnoreOutput;

impl Listener for IgnoreOutput {
    fn on_output(&self, _stream: Stream, _text: &str) {}

    fn on_progress(&self, _fraction: f64, _message: &str) {}
}

impl Host {
    /// Loads the component into a sandbox for `calls` concurrent calls.
    pub(crate) fn new(component: Bytes, calls: u32) -> Self {
        let runtime = Self::runtime();
        let sandbox =
            Sandbox::new(Settings { calls, code_cache: None }).expect("the engine's settings are sound");
        let component = sandbox.load(component).expect("the guest is a component");
        Self { runtime, sandbox, component }
    }

    /// Creates a runtime of one thread.
    pub(crate) fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
    }

    /// Prepares a function.
    pub(crate) fn function(&self, name: &str) -> FunctionId {
        let export = self.component.exports().iter().find(|export| &*export.function == name);
        let export = export.expect("the guest has that function");
        let prepared =
            self.sandbox.prepare(&self.component, export, None, Grants::default(), &[GuestKind::PLAIN]);
        prepared.expect("the function can be a task")
    }

    /// Calls a function once, in a fresh guest.
    pub(crate) fn call(&self, function: FunctionId, args: &[Bytes]) -> Bytes {
        let attempt = Attempt {
            run: RunId::new("bench").expect("a valid id"),
            task: TaskName::from(Name::new("bench").expect("a valid name")),
            item: None,
            iteration: None,
            number: 1,
            epoch: 1,
        };
        let call = Call {
            function,
            args: args.to_vec(),
            limits: Limits::default(),
            timeout: Duration::from_mins(1),
            run_deadline: None,
            attempt,
            listener: Arc::new(IgnoreOutput),
        };
        let returned = self.runtime.block_on(self.sandbox.invoke(Arc::new(call))).expect("the guest returns");
        let (Outcome::Value(bytes) | Outcome::Error(bytes)) = returned.outcome;
        bytes
    }
}
