//! Memory of waiting tasks: per stage, from the manifest's text on, and per element of a `for-each`.
//! `cargo bench -p cascade-host --features internals --bench memory` prints bytes. It counts allocations, not memory
//! of the system.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its figures"
)]

mod shared;

use bytes::Bytes;
use cascade_host::internals::engine::{self, Shown};
use cascade_host::internals::graph;
use cascade_host::internals::invoke::{Call, Failure, Invoker, LastOutput, Outcome, Returned, Usage};
use cascade_host::internals::manifest;
use cascade_host::internals::model::{Digest, RunId, Size, Source};
use cascade_host::internals::plan::{self, BindRequest, Interface};
use cascade_host::internals::state::MemoryBackend;
use cascade_host::internals::value::{Export, Signature, Type, wire};
use peak_alloc::PeakAlloc;
use shared::{Graph, Host, run_chosen};
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Tasks of the static graph.
const TASKS: u32 = 100_000;

/// Elements of the `for-each`.
const ELEMENTS: u32 = 1_000_000;

/// Elements of the pipeline around, in the nested case.
const OUTER: u32 = 10_000;

/// Most bytes of a waiting static task, and of one at the peak: more is a relapse, and ends the benchmark.
const MAX_WAITING: usize = 1024;
const MAX_PEAK: usize = 3600;

/// Most bytes of an element at the peak, its number and its result included.
const MAX_ELEMENT: usize = 64;

/// Guests at the same time.
const SLOTS: u32 = 4;

/// Invoker that returns a number, or a list of numbers if there are no arguments.
struct Numbers;

#[async_trait::async_trait]
impl Invoker for Numbers {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let mut value = Vec::new();
        if call.args.is_empty() {
            wire::put_array_len(&mut value, ELEMENTS.try_into().expect("the count fits"));
            (0..ELEMENTS).for_each(|number| wire::put_uint(&mut value, number.into()));
        } else {
            wire::put_uint(&mut value, 1);
        }
        let outcome = Outcome::Value(Bytes::copy_from_slice(&value));
        Ok(Returned { outcome, last: LastOutput::default(), exit: None, usage: Usage::default() })
    }
}

/// `next: func(n: u32) -> u32` and `list: func() -> list<u32>`.
fn interface() -> Interface {
    let export = |name: &str, params, result| {
        let signature = Ok(Signature { params, result: Some(result) });
        Export { interface: None, function: name.into(), signature, passing: Box::default() }
    };
    let next = export("next", vec![("n".into(), Type::U32)], Type::U32);
    let list = export("list", Vec::new(), Type::List(Arc::new(Type::U32)));
    Interface { digest: Digest::of_bytes(b"numbers"), exports: vec![next, list] }
}

/// Returns a manifest of a binary tree: each task reads an earlier one.
fn tree() -> String {
    let mut text = String::from(
        "cascade = 1\nname = \"tree\"\n[components.guest]\npath = \"guest.wasm\"\n[outputs]\nlast = { task = \"t9\" }\n",
    );
    for task in 0..TASKS {
        let n = if task == 0 { "1".to_owned() } else { format!("{{ task = \"t{}\" }}", task / 2) };
        text.push_str(&format!("[tasks.t{task}]\ncall = \"guest.next\"\nargs = {{ n = {n} }}\n"));
    }
    text
}

/// Returns the current allocation per task.
fn each(before: usize) -> usize {
    MEMORY.current_usage().saturating_sub(before) / usize::try_from(TASKS).expect("a small number")
}

fn peak_each(before: usize) -> usize {
    MEMORY.peak_usage().saturating_sub(before) / usize::try_from(TASKS).expect("a small number")
}

fn static_tasks() {
    let text = tree();
    let per_text = text.len() / usize::try_from(TASKS).expect("a small number");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let source = Source { name: "tree.toml".into(), text: text.as_str().into() };
    let manifest = manifest::parse(source.clone(), Path::new("."));
    println!("a task's text: {per_text} B; parsed: {} B (peak {} B)", each(before), peak_each(before));
    let resolved = graph::resolve(manifest);
    println!("resolved: {} B (peak {} B)", each(before), peak_each(before));
    let plan = plan::compile(&resolved.graph, &[Some(interface())], resolved.faults);
    let plan = Arc::new(plan.expect("the manifest is sound"));
    println!("planned: {} B (peak {} B)", each(before), peak_each(before));
    let manifests = resolved.graph.into_manifests();
    let run = RunId::new("bench").expect("a run id");
    let request = BindRequest::without_inputs(vec![Digest::of_bytes(b"none")], &run);
    let bound = Arc::new(plan::bind(&plan, request, &source.into()).expect("the plan has no inputs"));
    let shape =
        engine::shape(&bound, &vec![true; plan.tasks().len()], &Shown::default(), Size::bytes(16 << 30));
    println!("bound: {} B (peak {} B)", each(before), peak_each(before));
    drop(manifests);
    let graph = Graph::from_parts(bound, shape, run);
    let ready = each(before);
    Host::runtime().block_on(async {
        let backend = MemoryBackend::new();
        let begun = graph.open(&backend).await;
        let waiting = each(before);
        println!("a waiting task: {waiting} B, of which {ready} B are the plan");
        begun.run(Arc::new(Numbers), SLOTS).await;
        let peak = peak_each(before);
        println!("the run has ended: {} B (peak {peak} B)", each(before));
        assert!(
            waiting <= MAX_WAITING && peak <= MAX_PEAK,
            "at most {MAX_WAITING} and {MAX_PEAK} B are allowed"
        );
    });
}

fn elements() {
    let tasks = "[tasks.list]\ncall = \"guest.list\"\n[tasks.each]\ncall = \"guest.next\"\n\
                 for-each.n = { task = \"list\" }\nargs = { n = { item = \"n\" } }\n";
    let peak = peak_of(&Graph::new(tasks, interface()));
    println!("an element: {peak} B at the peak, its number and its result included");
    assert!(peak <= MAX_ELEMENT, "at most {MAX_ELEMENT} B are allowed");
}

/// Elements of elements, with their results, against as many elements of one range.
fn nested() {
    let next = |range: u32| {
        format!(
            "[tasks.each]\ncall = \"guest.next\"\nfor-each.n = {{ range = {range} }}\nargs.n = {{ item = \"n\" }}\n"
        )
    };
    let outer = format!("[tasks.outer]\nmanifest = \"inner.toml\"\nfor-each.k = {{ range = {OUTER} }}\n");
    let flat = peak_of(&Graph::new(&next(ELEMENTS), interface()));
    let nested = peak_of(&Graph::including(&outer, &next(ELEMENTS / OUTER), interface()));
    println!("an element of a range: {flat} B at the peak; of {OUTER} ranges in elements: {nested} B");
}

/// Returns the bytes at the peak of a run, per element.
fn peak_of(graph: &Graph) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    Host::runtime().block_on(async {
        let backend = MemoryBackend::new();
        graph.open(&backend).await.run(Arc::new(Numbers), SLOTS).await;
    });
    MEMORY.peak_usage().saturating_sub(before) / usize::try_from(ELEMENTS).expect("a small number")
}

fn main() {
    run_chosen(&[("static", static_tasks), ("elements", elements), ("nested", nested)]);
}
