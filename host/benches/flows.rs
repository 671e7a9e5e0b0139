//! Cost of fan-outs that flow: chained `for-each` tasks against one of as many elements, and against the work alone.
//! `cargo bench -p cascade-host --features internals --bench flows` prints the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

mod shared;

use crate::shared::{Graph, Medians, compare_timed, run_chosen};
use async_trait::async_trait;
use cascade_host::internals::invoke::{Call, Failure, Invoker, LastOutput, Outcome, Returned, Usage};
use cascade_host::internals::model::Digest;
use cascade_host::internals::plan::Interface;
use cascade_host::internals::state::{Factory, StateUri};
use cascade_host::internals::value::{Export, Signature, Type};
use cascade_host_tests::Redis;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Runs of each side; the medians count.
const RUNS: usize = 21;

/// Elements of each of the chained tasks.
const ELEMENTS: u32 = 10_000;

/// Number of concurrent calls, which determines the size of batches.
const SLOTS: u32 = 128;

fn main() {
    run_chosen(&[("memory", memory), ("redis", redis), ("pipelining", pipelining), ("first", first)]);
}

/// Three chained tasks of no-op elements against one task of as many, in memory.
fn memory() {
    let medians = chained_against_one("memory:");
    println!(
        "three chained for-each of {ELEMENTS} no-op elements against one of {}, memory: {medians}",
        3 * ELEMENTS
    );
}

/// The same through Redis.
fn redis() {
    let server = Redis::start("");
    let medians = chained_against_one(&server.uri());
    println!(
        "three chained for-each of {ELEMENTS} no-op elements against one of {}, Redis: {medians}",
        3 * ELEMENTS
    );
}

fn chained_against_one(uri: &str) -> Medians {
    let (chained, one) = (chain(3, ELEMENTS), chain(1, 3 * ELEMENTS));
    let (runtime, invoker) = (runtime(), Timed::new(|_| Duration::ZERO));
    let run = |graph: &Graph| run(&runtime, graph, uri, &invoker, SLOTS);
    compare_timed(RUNS, || run(&chained), || run(&one))
}

/// Three chained tasks whose calls take 1 to 100 ms, on two slots, against their work divided by two.
fn pipelining() {
    let elements = 64;
    let millis = |call: &Call| {
        let item = call.attempt.item.unwrap_or_default();
        let task = u32::from(call.attempt.task.as_str().as_bytes().last().copied().unwrap_or_default());
        // Scattered, and the same in each run.
        u64::from((item * 7_919 + task * 104_729) % 100 + 1)
    };
    let work: u64 = (0..3_u32)
        .flat_map(|task| {
            (0..elements)
                .map(move |item| u64::from((item * 7_919 + (task + u32::from(b'0')) * 104_729) % 100 + 1))
        })
        .sum();
    let (graph, runtime) = (chain(3, elements), runtime());
    let invoker = Timed::new(move |call| Duration::from_millis(millis(call)));
    let elapsed = run(&runtime, &graph, "memory:", &invoker, 2);
    let half = Duration::from_millis(work) / 2;
    println!(
        "three chained for-each of {elements} elements, calls of 1 to 100 ms, two slots, against the work divided by two: \
         {:.2} × ({elapsed:.2?} against {half:.2?})",
        elapsed.as_secs_f64() / half.as_secs_f64()
    );
}

/// The first element that has gone through three tasks of many, against one element alone.
fn first() {
    let server = Redis::start("");
    let call_time = Duration::from_millis(10);
    let runtime = runtime();
    for (uri, backend) in [("memory:".to_owned(), "memory"), (server.uri(), "Redis")] {
        let time_to_first = |elements: u32| {
            let invoker = Timed::new(move |_| call_time);
            let graph = chain(3, elements);
            let since = Instant::now();
            run(&runtime, &graph, &uri, &invoker, SLOTS);
            let first = *invoker.first_of_last.lock().expect("no call panics");
            first.expect("an element goes through all tasks") - since
        };
        let (many, alone) = (time_to_first(ELEMENTS), time_to_first(1));
        println!(
            "first whole element of three chained for-each of {ELEMENTS}, calls of 10 ms, against one element alone, \
             {backend}: {:.2} × ({many:.2?} against {alone:.2?})",
            many.as_secs_f64() / alone.as_secs_f64()
        );
    }
}

fn run(runtime: &Runtime, graph: &Graph, uri: &str, invoker: &Arc<Timed>, slots: u32) -> Duration {
    let uri = StateUri::parse(uri).expect("a sound URI");
    runtime.block_on(async {
        let backend = Factory::new().backend(&uri).expect("the backend is built in");
        let invoker: Arc<dyn Invoker> = Arc::<Timed>::clone(invoker);
        graph.open(&*backend).await.run(invoker, slots).await
    })
}

/// Builds `tasks` chained tasks of as many elements each.
fn chain(tasks: u32, elements: u32) -> Graph {
    let task = |index: u32| {
        let list = index.checked_sub(1).map_or_else(
            || format!("{{ range = {elements} }}"),
            |before| format!("{{ task = \"t{before}\" }}"),
        );
        format!("[tasks.t{index}]\ncall = \"guest.next\"\nfor-each.n = {list}\nargs.n = {{ item = \"n\" }}\n")
    };
    Graph::new(&(0..tasks).map(task).collect::<String>(), interface())
}

/// Invoker that returns its argument after a time.
struct Timed {
    time: Box<dyn Fn(&Call) -> Duration + Send + Sync>,
    /// When the first call of the third task returned.
    first_of_last: Mutex<Option<Instant>>,
}

impl Timed {
    fn new(time: impl Fn(&Call) -> Duration + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { time: Box::new(time), first_of_last: Mutex::new(None) })
    }
}

#[async_trait]
impl Invoker for Timed {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let time = (self.time)(&call);
        if time > Duration::ZERO {
            tokio::time::sleep(time).await;
            if call.attempt.task.as_str() == "t2" {
                self.first_of_last.lock().expect("no call panics").get_or_insert_with(Instant::now);
            }
        }
        let value = call.args.first().cloned().expect("the function has an argument");
        Ok(Returned {
            outcome: Outcome::Value(value),
            last: LastOutput::default(),
            exit: None,
            usage: Usage::default(),
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime can be made")
}

fn interface() -> Interface {
    let export = Export {
        interface: None,
        function: "next".into(),
        signature: Ok(Signature { params: [("n".into(), Type::U32)].into(), result: Some(Type::U32) }),
        passing: Box::default(),
    };
    Interface { digest: Digest::of_bytes(b"echo"), exports: vec![export] }
}
