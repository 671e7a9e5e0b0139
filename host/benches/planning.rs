//! Time from a manifest's text to a plan, for 10,000 and for 100,000 tasks. Linear growth means ten times as long.
//! The same for a manifest that is included 1,000 times, against its tasks written out: at most 1.1 times as long.
//! `cargo bench -p cascade-host --features internals --bench planning` prints the ratio.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

use cascade_host::internals::graph;
use cascade_host::internals::manifest;
use cascade_host::internals::model::{Digest, Source};
use cascade_host::internals::plan::{self, Interface, Plan};
use cascade_host::internals::value::{Export, Signature, Type};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Tasks of the small manifest and of the large one.
const SIZES: [usize; 2] = [10_000, 100_000];

/// Runs of each size; the median counts.
const RUNS: usize = 5;

/// Layers of tasks that read one task of the layer before, one param and one literal.
fn text(tasks: usize) -> String {
    let mut text = String::from(
        "cascade = 1\nname = \"large\"\n[params.start]\ntype = \"u32\"\ndefault = 1\n\
         [components.math]\npath = \"math.wasm\"\n",
    );
    for task in 0..tasks {
        text.push_str(&format!("[tasks.t{task}]\ncall = \"math.add\"\n"));
        text.push_str(&match task.checked_sub(100) {
            None => format!("args = {{ a = {{ param = \"start\" }}, b = {task} }}\n"),
            Some(before) => format!("args = {{ a = {{ task = \"t{before}\" }}, b = {task} }}\nretry = 2\n"),
        });
    }
    text
}

/// The interface of a component that adds numbers.
fn interface() -> Interface {
    let params = ["a", "b"].map(|name| (name.into(), Type::U32)).to_vec();
    let signature = Ok(Signature { params, result: Some(Type::U32) });
    let export = Export { interface: None, function: "add".into(), signature, passing: Box::default() };
    Interface { digest: Digest::of_bytes(b"math"), exports: vec![export] }
}

/// Parses, resolves and types a manifest.
fn planned(text: &str) -> Plan {
    let source = Source { name: "large.toml".into(), text: text.into() };
    let resolved = graph::resolve(manifest::parse(source, Path::new(".")));
    let plan = plan::compile(&resolved.graph, &[Some(interface())], resolved.faults);
    plan.expect("the manifest is sound")
}

/// Inclusions of the pipeline, and its tasks.
const INCLUSIONS: usize = 1_000;
const INCLUDED_TASKS: usize = 10;

/// The manifest that includes a pipeline often, and that pipeline.
fn including() -> (String, String) {
    let head = "cascade = 1\nname = \"n\"\n[components.math]\npath = \"math.wasm\"\n";
    let mut outer = head.to_owned();
    for inclusion in 0..INCLUSIONS {
        outer.push_str(&format!(
            "[tasks.p{inclusion}]\nmanifest = \"inner.toml\"\nargs.start = {inclusion}\n"
        ));
    }
    let mut inner = format!("{head}[params.start]\ntype = \"u32\"\n");
    for task in 0..INCLUDED_TASKS {
        let first = match task.checked_sub(1) {
            None => "{ param = \"start\" }".to_owned(),
            Some(before) => format!("{{ task = \"t{before}\" }}"),
        };
        inner.push_str(&format!(
            "[tasks.t{task}]\ncall = \"math.add\"\nargs = {{ a = {first}, b = {task} }}\n"
        ));
    }
    (outer, inner)
}

/// The same tasks written out.
fn written_out() -> String {
    let mut text = "cascade = 1\nname = \"n\"\n[components.math]\npath = \"math.wasm\"\n".to_owned();
    for inclusion in 0..INCLUSIONS {
        for task in 0..INCLUDED_TASKS {
            let first = match task.checked_sub(1) {
                None => inclusion.to_string(),
                Some(before) => format!("{{ task = \"p{inclusion}_t{before}\" }}"),
            };
            text.push_str(&format!(
                "[tasks.p{inclusion}_t{task}]\ncall = \"math.add\"\nargs = {{ a = {first}, b = {task} }}\n"
            ));
        }
    }
    text
}

/// The included manifest, as a file.
struct Inner(String);

impl manifest::Files for Inner {
    fn identify(&mut self, path: &Path) -> Result<PathBuf, manifest::Unreadable> {
        Ok(path.to_owned())
    }

    fn read(&mut self, _: &Path) -> Result<String, manifest::Unreadable> {
        Ok(self.0.clone())
    }
}

/// Loads, inlines and types a manifest with one that it includes.
fn planned_with(outer: &str, inner: &str) -> Plan {
    let source = Source { name: "outer.toml".into(), text: outer.into() };
    let loaded = manifest::load(source, Path::new("."), None, &mut Inner(inner.to_owned()));
    let resolved = graph::resolve(loaded);
    let interfaces = [Some(interface()), Some(interface())];
    plan::compile(&resolved.graph, &interfaces, resolved.faults).expect("the manifests are sound")
}

/// The parser of TOML alone, for comparison.
fn parsed(text: &str) -> usize {
    toml::de::DeTable::parse(text).expect("the manifest is TOML").get_ref().len()
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let since = Instant::now();
            run();
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn main() {
    let texts = SIZES.map(text);
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("planning");
    for (size, text) in SIZES.into_iter().zip(&texts) {
        group.throughput(Throughput::Elements(u64::try_from(size).expect("a small number")));
        group.bench_with_input(BenchmarkId::from_parameter(size), text, |bencher, text| {
            bencher.iter(|| black_box(planned(text)));
        });
    }
    let ((outer, inner), flat) = (including(), written_out());
    group.throughput(Throughput::Elements(
        u64::try_from(INCLUSIONS * INCLUDED_TASKS).expect("a small number"),
    ));
    group.bench_function("included", |bencher| bencher.iter(|| black_box(planned_with(&outer, &inner))));
    group.bench_function("written-out", |bencher| bencher.iter(|| black_box(planned(&flat))));
    group.finish();
    criterion.final_summary();

    let planning = texts.each_ref().map(|text| median(|| drop(black_box(planned(text)))));
    let parsing = texts.each_ref().map(|text| {
        median(|| {
            black_box(parsed(text));
        })
    });
    let ratio = |large: Duration, small: Duration| large.as_secs_f64() / small.as_secs_f64();
    println!(
        "{} tasks against {}: {:.1} × the time ({:.0?}, {:.0?}); parsing the same TOML alone: {:.1} × ({:.0?}, {:.0?})",
        SIZES[1],
        SIZES[0],
        ratio(planning[1], planning[0]),
        planning[0],
        planning[1],
        ratio(parsing[1], parsing[0]),
        parsing[0],
        parsing[1],
    );
    let (included, written) = (
        median(|| drop(black_box(planned_with(&outer, &inner)))),
        median(|| drop(black_box(planned(&flat)))),
    );
    println!(
        "a manifest of {INCLUDED_TASKS} tasks included {INCLUSIONS} times against its tasks written out: {:.2} × ({included:.1?}, {written:.1?})",
        ratio(included, written),
    );
    println!(
        "{} tasks against parsing the same TOML alone: {:.1} ×",
        SIZES[1],
        ratio(planning[1], parsing[1])
    );
}
