//! Time to pass values to a guest and back, from MessagePack to MessagePack, against wasmtime's typed call.
//! `cargo bench -p cascade-host --features internals --bench values` prints the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark stops at anything unexpected, and prints its ratios"
)]

mod shared;

use bytes::Bytes;
use cascade_host::internals::model::Datum;
use cascade_host::internals::value::{Type, encode};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use shared::{Host, Raw, compare, component};
use std::hint::black_box;
use wasmtime::component::{ComponentType, Lift, Lower};

/// Runs of each side; the medians count.
const RUNS: usize = 31;

/// Maximum number of concurrent guests; one would suffice.
const CALLS: u32 = 2;

/// The guest's record.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct Point {
    x: f64,
    y: f64,
    name: String,
}

fn points(count: u32) -> Vec<Point> {
    (0..count)
        .map(|nth| Point { x: f64::from(nth) / 3.0, y: -f64::from(nth), name: format!("point {nth}") })
        .collect()
}

/// Encodes the points as MessagePack.
fn encoded_points(points: &[Point]) -> Bytes {
    let table = |point: &Point| {
        Datum::Table(vec![
            ("x".to_owned(), Datum::Float(point.x)),
            ("y".to_owned(), Datum::Float(point.y)),
            ("name".to_owned(), Datum::Text(point.name.clone())),
        ])
    };
    encoded("list<record { x: f64, y: f64, name: string }>", points.iter().map(table).collect())
}

fn encoded(ty: &str, items: Vec<Datum>) -> Bytes {
    encode(&Type::parse(ty).expect("a type"), &Datum::Array(items)).expect("the items are of that type")
}

/// Subject and baseline of one case.
struct Case<'a> {
    name: &'a str,
    subject: &'a dyn Fn(),
    baseline: &'a dyn Fn(),
}

impl Case<'_> {
    fn run(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function(format!("{}/sandbox", self.name), |bencher| bencher.iter(self.subject));
        group.bench_function(format!("{}/typed call", self.name), |bencher| bencher.iter(self.baseline));
        println!("{}: sandbox against typed call {}", self.name, compare(RUNS, self.subject, self.baseline));
    }
}

fn main() {
    let guest = component();
    let host = Host::new(guest.clone(), CALLS);
    let raw = Raw::new(&guest, CALLS);
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("values");

    let (points, function) = (points(10_000), host.function("records"));
    let argument = [encoded_points(&points)];
    Case {
        name: "10,000 records of two f64 and a string",
        subject: &|| drop(black_box(host.call(function, &argument))),
        baseline: &|| drop(black_box(raw.call::<_, (Vec<Point>,)>("records", (&*points,)))),
    }
    .run(&mut group);

    let (floats, function): (Vec<f64>, _) =
        ((0..1_000_000).map(f64::from).collect(), host.function("floats"));
    let argument = [encoded("list<f64>", floats.iter().map(|float| Datum::Float(*float)).collect())];
    Case {
        name: "1,000,000 f64",
        subject: &|| drop(black_box(host.call(function, &argument))),
        baseline: &|| drop(black_box(raw.call::<_, (Vec<f64>,)>("floats", (&*floats,)))),
    }
    .run(&mut group);

    let (bytes, function) = (vec![7_u8; 8 << 20], host.function("bytes"));
    // A bin with a length of 32 bits.
    let head = [&[0xc6][..], &u32::try_from(bytes.len()).expect("a small number").to_be_bytes()].concat();
    let argument = [Bytes::from([head, bytes.clone()].concat())];
    Case {
        name: "8 MiB list<u8>",
        subject: &|| drop(black_box(host.call(function, &argument))),
        baseline: &|| drop(black_box(raw.call::<_, (Vec<u8>,)>("bytes", (&*bytes,)))),
    }
    .run(&mut group);

    group.finish();
    criterion.final_summary();
}
