//! Guests that mean harm, each beside a hundred that do not: how its call ends is told exactly, the hundred succeed,
//! the host's memory stays within a bound, and the stop comes in time. One module a kind of harm; the guests are text
//! in `tests/guests/hostile`, or in Rust.

mod admission;
mod bulk;
mod files;
mod grants;
mod results;
mod space;
mod time;

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::{Events, Project, assemble};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a hostile task is allowed that would never end.
const SHORT: &str =
    "timeout = \"300ms\"\nlimits = { memory = \"32MiB\", output = \"1MiB\", logs = \"64KiB\" }\n";

/// What a hostile task is allowed that ends otherwise: its time is never up, however slow the machine is.
const KEYS: &str = "timeout = \"5m\"\nlimits = { memory = \"32MiB\", output = \"1MiB\", logs = \"64KiB\" }\n";

/// How a task ends whose time is up.
const TIMEOUT: &str = "`timeout` = 300ms reached: the guest did not return";

/// How late a stop may come, in milliseconds, beyond what the machine itself is late at that time.
const LATE: i64 = 50;

/// How often a stop may come late before that is held against the host: the machine is not late everywhere at once.
const TRIES: usize = 5;

/// What the host may have in memory beside the hostile guest, in MiB: itself, two components with their code, what it
/// holds for a guest (16 MiB of chance at the most), and other guests. It is about 25.
const HOST: u64 = 64;

/// The most that the host may have in memory with a guest of these limits, in MiB.
const PEAK: u64 = 32 + HOST;

/// How many tasks run beside the hostile one.
const OTHERS: usize = 100;

/// Where a guest comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A text in `tests/guests/hostile`.
    Text(&'static str),
    /// A text that is made.
    Made(fn() -> String),
    /// One in Rust.
    Rust(Guest),
}

/// How a task must end.
#[derive(Clone, Copy)]
enum Ends {
    /// When its time is up, which is 300 ms.
    InTime,
    /// With this class and this first line.
    Failed(&'static str, &'static str),
    /// With this result, as JSON.
    Returned(&'static str),
}

/// A guest that means harm, and how its call must end.
struct Row {
    source: Source,
    call: &'static str,
    /// Its arguments and grants, as lines of the task.
    more: &'static str,
    /// Its timeout and limits, as lines of the task.
    keys: &'static str,
    ends: Ends,
    /// The most that the host may have in memory, in MiB.
    peak: u64,
}

/// A row with the usual keys.
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

    /// Runs the guest beside the others and compares all but the time of the stop, which it gives back: milliseconds
    /// after the time of the task, and what the machine is late by at most meanwhile.
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
            let said = failed["error"].as_str().expect("an error is text").lines().next();
            assert_eq!((failed["class"].as_str(), said), (Some(class), Some(error)), "{call}");
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

/// How late a thread is that does nothing but sleep, beside whatever else the machine does.
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

    /// The worst so far, in milliseconds.
    fn end(self) -> i64 {
        self.is_over.store(true, Ordering::Relaxed);
        let worst = self.sleeper.join().expect("it only sleeps");
        i64::try_from(worst.as_millis()).expect("it is short")
    }
}

/// Runs every row; one whose stop comes late is given other tries.
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

/// Milliseconds from the start of the hostile task to its end.
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
