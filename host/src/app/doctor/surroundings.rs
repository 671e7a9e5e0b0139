//! Checks the surroundings of guests: the memory pool, the folder of compiled code, the compiler's limits.
//! Guests are checked in `trial`.

use crate::app::doctor::finding::{About, Finding, Late, Verdict, whole};
use crate::app::doctor::guests;
use crate::app::doctor::latency_baseline::{LatencyBaseline, TRIALS};
use crate::model::Size;
use crate::sandbox::{Bounds, CompilePool, Exceeded, LoadError, Sandbox, Settings};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Time limit of a compiler that is given too much work.
const TIME: Duration = Duration::from_millis(300);

/// Maximum delay of a compiler's end after its time limit, beyond the machine's own latency: its memory has to be
/// freed first.
const MOST_LATE: Duration = Duration::from_millis(500);

/// Memory limit of a compiler that needs more.
const MEMORY: Size = Size::bytes(32 << 20);

/// Reports how guests get their memory on this machine, and how it is cleared between calls.
pub(crate) fn pool(sandbox: &Sandbox) -> Vec<Finding> {
    let pool = match sandbox.pool_refusal() {
        None => Finding::new(About::Machine, "pool of memory", Verdict::Proven, "guests run in a pool"),
        Some(why) => {
            let said = format!("there is no pool, so that each call takes longer: {why}");
            let said = match sandbox.require_room() {
                Ok(()) => said,
                Err(shortage) => format!("{said}; {}", whole(&shortage)),
            };
            Finding::new(About::Machine, "pool of memory", Verdict::Noted, said)
        }
    };
    let scan = if sandbox.may_scan_pagemap() {
        (Verdict::Proven, "there is no swap: the kernel may tell which pages are dirty")
    } else {
        (
            Verdict::Noted,
            "there is swap, so that memory is cleaned without asking the kernel which pages are dirty",
        )
    };
    vec![pool, Finding::new(About::Machine, "cleaning of memory", scan.0, scan.1)]
}

/// Checks that the folder of compiled code is private, and that its seals hold.
pub(crate) fn code(sandbox: &Sandbox) -> Finding {
    let begin = Instant::now();
    let (verdict, said) = match (sandbox.prove_code_cache(), sandbox.take_warnings().first()) {
        (Some(Ok(())), _) => (
            Verdict::Proven,
            "the folder is private; sealed code is taken again, changed code is not".to_owned(),
        ),
        (Some(Err(fault)), _) => (Verdict::Failed, fault),
        (None, Some(warning)) => (Verdict::Failed, warning.clone()),
        (None, None) => (Verdict::Noted, "none is used: each process compiles anew".to_owned()),
    };
    Finding::new(About::Code, "sealed code", verdict, said).within(begin.elapsed())
}

/// Checks that hostile components end at the compiler's limits.
pub(crate) fn compiler(workshop: &CompilePool) -> Vec<Finding> {
    let bounded = |bounds: Bounds| CompilePool { bounds, ..workshop.clone() };
    let usual = workshop.bounds;
    let slow = Bounds { time: TIME, ..usual };
    let small = Bounds { memory: MEMORY, ..usual };
    let is_time: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Time(_));
    let is_memory: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Memory(_));
    let is_count: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Count { .. });
    vec![
        explode(
            &Bomb { name: "function of 200,000 steps", text: guests::long(200_000), is_right: is_time },
            bounded(slow),
        ),
        explode(
            &Bomb { name: "data of 32 MiB", text: guests::filled(32 << 20), is_right: is_memory },
            bounded(small),
        ),
        explode(
            &Bomb { name: "components inside of each other", text: guests::nested(100), is_right: is_count },
            bounded(usual),
        ),
    ]
}

/// A component that is hostile to the compiler, and a check for the right limit.
struct Bomb {
    name: &'static str,
    text: String,
    is_right: fn(&Exceeded) -> bool,
}

/// Compiles the component under limits, and repeats the attempt if its end came too late.
fn explode(bomb: &Bomb, workshop: CompilePool) -> Finding {
    let time = workshop.bounds.time;
    let prepared = wat::parse_str(&bomb.text).map_err(|error| error.to_string()).and_then(|binary| {
        let sandbox = Sandbox::new(Settings { calls: 1, code_cache: None }).map_err(|error| whole(&error))?;
        Ok((sandbox.with_workshop(workshop), binary.into()))
    });
    let (sandbox, binary) = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => return Finding::new(About::Compiler, bomb.name, Verdict::Failed, fault),
    };
    let once = || explode_once(bomb, &sandbox, &binary, time);
    let mut finding = once();
    for _ in 1..TRIALS {
        if finding.late.is_none_or(is_prompt) {
            break;
        }
        finding = once();
    }
    finding
}

fn explode_once(bomb: &Bomb, sandbox: &Sandbox, binary: &Bytes, time: Duration) -> Finding {
    let yardstick = (time == TIME).then(|| LatencyBaseline::begin(time));
    let begin = Instant::now();
    let refused = sandbox.load(binary.clone()).err();
    let took = begin.elapsed();
    let late =
        yardstick.map(|yardstick| Late { by: took.saturating_sub(time), machine: yardstick.lateness() });
    let (verdict, said) = match refused {
        Some(LoadError::Beyond(exceeded)) if !(bomb.is_right)(&exceeded) => {
            (Verdict::Failed, format!("it was refused for another reason: {exceeded}"))
        }
        Some(LoadError::Beyond(exceeded)) if late.is_none_or(is_prompt) => {
            (Verdict::Proven, exceeded.to_string())
        }
        Some(LoadError::Beyond(exceeded)) => {
            (Verdict::Failed, format!("{exceeded}, and it was ended too late"))
        }
        Some(other) => (Verdict::Failed, format!("it was refused for another reason: {}", whole(&other))),
        None => (Verdict::Failed, "it was compiled".to_owned()),
    };
    Finding { late, ..Finding::new(About::Compiler, bomb.name, verdict, said).within(took) }
}

fn is_prompt(late: Late) -> bool {
    late.own() <= MOST_LATE
}
