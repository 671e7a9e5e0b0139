//! Runs of tasks that do nothing, on one host through Redis.
//! What is measured about them is for the benchmark.

use crate::shared::{Graph, component};
use async_trait::async_trait;
use bytes::Bytes;
use cascade_host::internals::invoke::{Call, Failure, Grants, Invoker, Outcome, Returned, Usage};
use cascade_host::internals::model::Digest;
use cascade_host::internals::plan::Interface;
use cascade_host::internals::sandbox::{Metering, Sandbox, Settings};
use cascade_host::internals::state::{Factory, StateUri};
use cascade_host::internals::value::{Export, Signature, Type};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A graph whose tasks all call one function, and who runs it.
pub(crate) struct Work {
    graph: Graph,
    tasks: u32,
    /// The function of the guest that they call.
    function: &'static str,
    /// How many guests run at the same time.
    slots: u32,
    runtime: Runtime,
}

/// Returns at once: its argument, or nothing.
struct Immediate;

#[async_trait]
impl Invoker for Immediate {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let value = call.args.first().cloned().unwrap_or(Bytes::from_static(&[0xc0]));
        Ok(Returned { outcome: Outcome::Value(value), stderr: String::new(), usage: Usage::default() })
    }
}

impl Work {
    /// Tasks that wait for nothing.
    pub(crate) fn independent(tasks: u32, slots: u32) -> Self {
        let graph = Graph::independent(tasks, interface());
        Self { graph, tasks, function: "noop", slots, runtime: runtime() }
    }

    /// Tasks of which each takes what the one before it gives.
    pub(crate) fn chain(tasks: u32) -> Self {
        let task = |at: u32| {
            let from =
                at.checked_sub(1).map_or("0".to_owned(), |before| format!("{{ task = \"t{before}\" }}"));
            format!("[tasks.t{at}]\ncall = \"guest.next\"\nargs = {{ n = {from} }}\n")
        };
        let graph = Graph::new(&(0..tasks).map(task).collect::<String>(), interface());
        Self { graph, tasks, function: "next", slots: 1, runtime: runtime() }
    }

    /// How many tasks there are.
    pub(crate) const fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Who calls nothing.
    pub(crate) fn immediate() -> Arc<dyn Invoker> {
        Arc::new(Immediate)
    }

    /// A sandbox in which the tasks are calls of a guest that does nothing.
    pub(crate) fn sandbox(&self) -> Arc<dyn Invoker> {
        let settings = Settings { calls: self.slots, code_cache: None };
        let sandbox = Sandbox::new(settings).expect("the engine's settings are sound");
        let component = sandbox.load(component()).expect("the guest is a component");
        let export = component.exports().iter().find(|export| &*export.function == self.function);
        let export = export.expect("the guest has that function");
        sandbox.prepare(&component, export, Grants::default(), Metering::Time).expect("it can be a task");
        Arc::new(sandbox)
    }

    /// Runs it to its end; gives the time from the first claim to the last acknowledgement.
    pub(crate) fn run(&self, uri: &str, invoker: &Arc<dyn Invoker>) -> Duration {
        let uri = StateUri::parse(uri).expect("a sound URI");
        self.runtime.block_on(async {
            let backend = Factory::new().backend(&uri).expect("the backend is built in");
            self.graph.begin(&*backend).await.run(Arc::clone(invoker), self.slots).await
        })
    }
}

/// With as many threads as there are processors.
fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime can be made")
}

/// What the guest of the benchmarks has that the tasks call.
fn interface() -> Interface {
    let export = |name: &str, params: &[&str], result| {
        let params = params.iter().map(|name| ((*name).into(), Type::U32)).collect();
        Export { interface: None, function: name.into(), signature: Ok(Signature { params, result }) }
    };
    let exports = vec![export("noop", &[], None), export("next", &["n"], Some(Type::U32))];
    Interface { digest: Digest::of_bytes(b"echo"), exports }
}
