//! Runs of no-op tasks, on one host with Redis.
//! `main` measures them.

use crate::shared::{Graph, component};
use async_trait::async_trait;
use bytes::Bytes;
use cascade_host::internals::invoke::{Call, Failure, Grants, Invoker, LastOutput, Outcome, Returned, Usage};
use cascade_host::internals::model::Digest;
use cascade_host::internals::plan::Interface;
use cascade_host::internals::sandbox::{GuestKind, Sandbox, Settings};
use cascade_host::internals::state::{Factory, StateUri};
use cascade_host::internals::value::{Export, Signature, Type};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A graph whose tasks all call one function, with a runtime for it.
pub(crate) struct Work {
    graph: Graph,
    tasks: u32,
    /// Function of the guest that the tasks call.
    function: &'static str,
    /// Number of concurrent guests.
    slots: u32,
    runtime: Runtime,
}

/// Invoker that returns its argument, or nothing, at once.
struct Immediate;

#[async_trait]
impl Invoker for Immediate {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let value = call.args.first().cloned().unwrap_or(Bytes::from_static(&[0xc0]));
        Ok(Returned {
            outcome: Outcome::Value(value),
            last: LastOutput::default(),
            exit: None,
            usage: Usage::default(),
        })
    }
}

impl Work {
    /// Builds independent tasks.
    pub(crate) fn independent(tasks: u32, slots: u32) -> Self {
        let graph = Graph::independent(tasks, interface());
        Self { graph, tasks, function: "noop", slots, runtime: runtime() }
    }

    /// Builds a chain: each task takes the output of the task before it.
    pub(crate) fn chain(tasks: u32) -> Self {
        let task = |index: u32| {
            let from =
                index.checked_sub(1).map_or("0".to_owned(), |before| format!("{{ task = \"t{before}\" }}"));
            format!("[tasks.t{index}]\ncall = \"guest.next\"\nargs = {{ n = {from} }}\n")
        };
        let graph = Graph::new(&(0..tasks).map(task).collect::<String>(), interface());
        Self { graph, tasks, function: "next", slots: 1, runtime: runtime() }
    }

    /// Returns the number of tasks.
    pub(crate) const fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Returns an invoker that calls no guest.
    pub(crate) fn immediate() -> Arc<dyn Invoker> {
        Arc::new(Immediate)
    }

    /// Returns a sandbox in which the tasks call a no-op guest.
    pub(crate) fn sandbox(&self) -> Arc<dyn Invoker> {
        let settings = Settings { calls: self.slots, code_cache: None };
        let sandbox = Sandbox::new(settings).expect("the engine's settings are sound");
        let component = sandbox.load(component()).expect("the guest is a component");
        let export = component.exports().iter().find(|export| &*export.function == self.function);
        let export = export.expect("the guest has that function");
        sandbox
            .prepare(&component, export, None, Grants::default(), &[GuestKind::PLAIN])
            .expect("it can be a task");
        Arc::new(sandbox)
    }

    /// Executes the run. Returns the time from the first claim to the last acknowledgement.
    pub(crate) fn run(&self, uri: &str, invoker: &Arc<dyn Invoker>) -> Duration {
        let uri = StateUri::parse(uri).expect("a sound URI");
        self.runtime.block_on(async {
            let backend = Factory::new().backend(&uri).expect("the backend is built in");
            self.graph.open(&*backend).await.run(Arc::clone(invoker), self.slots).await
        })
    }
}

/// Creates a runtime with one thread per processor.
fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime can be made")
}

/// Returns the interface of the guest, as far as the tasks use it.
fn interface() -> Interface {
    let export = |name: &str, params: &[&str], result| {
        let params = params.iter().map(|name| ((*name).into(), Type::U32)).collect();
        Export {
            interface: None,
            function: name.into(),
            signature: Ok(Signature { params, result }),
            passing: Box::default(),
        }
    };
    let exports = vec![export("noop", &[], None), export("next", &["n"], Some(Type::U32))];
    Interface { digest: Digest::of_bytes(b"echo"), exports }
}
