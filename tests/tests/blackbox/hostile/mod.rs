//! Hostile guests, each beside a hundred harmless ones.
//! Each test asserts how the hostile call ends, that the others succeed, that the host's memory stays bounded, and
//! that the stop is prompt. One module per kind of attack; the guests are text in `tests/guests/hostile`, or Rust.

mod admission;
mod concurrency;
mod host_work;
mod files;
mod disk;
mod grants;
mod results;
mod memory;
mod endless;

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::{Events, Project, assemble, build_rust_guests};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Limits of a hostile task that would never end.
const SHORT: &str =
    "timeout = \"300ms\"\nlimits = { memory = \"32MiB\", output = \"1MiB\", logs = \"64KiB\" }\n";

/// Limits of a hostile task that hits another limit; the timeout is long enough for any machine.
const KEYS: &str = "timeout = \"5m\"\nlimits = { memory = \"32MiB\", output = \"1MiB\", logs = \"64KiB\" }\n";

/// The error of a task that timed out.
const TIMEOUT: &str = "`timeout` = 300ms reached: the guest did not return";

/// Maximum delay of a stop in milliseconds, beyond the machine's own latency at that time.
const LATE: i64 = 50;

/// Number of late stops that fail a test: a single one may be due to the machine.
const TRIES: usize = 5;

/// Maximum memory besides the hostile guest, in MiB: the host, two components with their code, buffers for a guest
/// (up to 16 MiB of randomness), and other guests. The usual value is about 25.
const HOST: u64 = 64;

/// Maximum memory of the host with a guest of these limits, in MiB.
const PEAK: u64 = 32 + HOST;

/// Number of harmless tasks.
const OTHERS: usize = 100;

/// The source of a guest.
#[derive(Clone, Copy)]
enum Source {
    /// A text in `tests/guests/hostile`.
    Text(&'static str),
    /// A generated text.
    Made(fn() -> String),
    /// A Rust guest.
    Rust(Guest),
    /// The program whose arguments are its steps.
    Program,
}

/// The required end of a task.
#[derive(Clone, Copy)]
enum Ends {
    /// By its timeout of 300 ms.
    InTime,
    /// With this class and this first line.
    Failed(&'static str, &'static str),
    /// With this result, as JSON.
    Returned(&'static str),
}

/// A hostile guest, and the required end of its call.
struct Row {
    source: Source,
    call: &'static str,
    /// Arguments and grants, as lines of the task.
    more: &'static str,
    /// Timeout and limits, as lines of the task.
    keys: &'static str,
    ends: Ends,
    /// Maximum memory of the host, in MiB.
    peak: u64,
}

/// Returns a row with the usual limits.
const fn row(source: Source, call: &'static str, more: &'static str, ends: Ends) -> Row {
    let keys = match ends {
        Ends::InTime => SHORT,
        Ends::Failed(..) | Ends::Returned(_) => KEYS,
    };
    Row { source, call, more, keys, ends, peak: PEAK }
}

impl Row {
    fn project(&self) -> Project {
        let (declared, bytes) = match self.source {
            Source::Text(name) => ("[components.h]\npath = \"h.wasm\"\n".to_owned(), Some(assemble(name))),
            Source::Made(make) => {
                ("[components.h]\npath = \"h.wasm\"\n".to_owned(), Some(assembled(&make())))
            }
            Source::Rust(guest) => (named("h", guest), None),
            Source::Program => {
                let program = build_rust_guests().join("command.wasm");
                (format!("[components.h]\npath = \"{}\"\n", program.display()), None)
            }
        };
        let Self { call, more, keys, .. } = self;
        let mut body = format!(
            "{declared}{}[tasks.hostile]\ncall = \"h.{call}\"\npriority = 100\n{keys}{more}",
            component(Guest::Basic)
        );
        for other in 0..OTHERS {
            body.push_str(&format!(
                "[tasks.t{other}]\ncall = \"g.slow-echo\"\nargs = {{ text = \"{other}\", ms = 1 }}\n"
            ));
        }
        let project = Project::new(&body);
        if let Some(bytes) = bytes {
            project.file("h.wasm", &bytes);
        }
        project
    }

    /// Runs the guest beside the others, and asserts everything but the delay of the stop. Returns that delay and the
    /// machine's own worst latency, in milliseconds, if the guest ended by its timeout.
    fn run(&self) -> Option<(i64, i64)> {
        let project = self.project();
        let lateness = Lateness::begin();
        let finished = project.host().args(["-j", "4", "--keep-going", "--log-level", "error"]).run();
        let machine = lateness.end();
        let (call, events) = (self.call, project.events());
        let outputs = finished.json();
        for other in 0..OTHERS {
            assert_eq!(outputs[format!("t{other}")], other.to_string(), "{call}");
        }
        assert!(finished.peak >> 20 <= self.peak, "{call}: {} MiB, not {}", finished.peak >> 20, self.peak);
        let fails = |class: &str, error: &str| {
            let failed = events.of("task.failed").next().expect("the hostile task fails");
            let message = failed["error"].as_str().expect("an error is text").lines().next();
            assert_eq!((failed["class"].as_str(), message), (Some(class), Some(error)), "{call}");
        };
        match self.ends {
            Ends::InTime => {
                finished.expect(1);
                fails("timeout", TIMEOUT);
                Some((between(&events, "task.failed") - 300, machine))
            }
            Ends::Failed(class, error) => {
                finished.expect(1);
                fails(class, error);
                None
            }
            Ends::Returned(json) => {
                let expected: Value = serde_json::from_str(json).expect("the row is JSON");
                assert_eq!(finished.expect(0).json()["hostile"], expected, "{call}");
                None
            }
        }
    }
}

/// Measures the machine's latency with a thread that only sleeps.
struct Lateness {
    is_over: Arc<AtomicBool>,
    sleeper: JoinHandle<Duration>,
}

impl Lateness {
    fn begin() -> Self {
        const NAP: Duration = Duration::from_millis(5);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let sleeper = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(NAP);
                worst = worst.max(begin.elapsed().saturating_sub(NAP));
            }
            worst
        });
        Self { is_over, sleeper }
    }

    /// Returns the worst latency, in milliseconds.
    fn end(self) -> i64 {
        self.is_over.store(true, Ordering::Relaxed);
        let worst = self.sleeper.join().expect("it only sleeps");
        i64::try_from(worst.as_millis()).expect("it is short")
    }
}

/// Runs every row; a row with a late stop is tried again.
fn check(rows: &[Row]) {
    for row in rows {
        let mut stops = Vec::new();
        while let Some((late, machine)) = row.run() {
            println!(
                "{}: stopped {late} ms after its time, on a machine that is {machine} ms late",
                row.call
            );
            stops.push((late, machine));
            if late - machine <= LATE {
                break;
            }
            assert!(stops.len() < TRIES, "{}: ms after its time, and of the machine: {stops:?}", row.call);
        }
    }
}

/// Returns the milliseconds from the start of the hostile task to its end.
fn between(events: &Events, end: &str) -> i64 {
    let at = |kind: &str| {
        let event = &events.0[events.position(kind, "hostile")];
        let stamp = event["ts"].as_str().expect("an event has a time");
        let clock = stamp.split(['T', 'Z']).nth(1).expect("a time follows the date");
        let parts: Vec<i64> = clock.split([':', '.']).map(|part| part.parse().expect("a number")).collect();
        ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
    };
    (at(end) - at("task.started")).rem_euclid(24 * 60 * 60 * 1000)
}

fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}
