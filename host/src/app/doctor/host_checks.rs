//! Checks the host's side of the sandbox: the memory pool, the code cache, the compiler's limits.
//! Guests are checked in `trial`.

use crate::app::doctor::finding::{About, Finding, Late, Verdict, error_line};
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
const MAX_LATE: Duration = Duration::from_millis(500);

/// Memory limit of a compiler that needs more.
const MEMORY: Size = Size::bytes(32 << 20);

/// Reports how guests get their memory on this machine, and how it is cleared between calls.
pub(crate) fn memory_pool(sandbox: &Sandbox) -> Vec<Finding> {
    let pool = match sandbox.pool_refusal() {
        None => Finding::new(About::Machine, "pool of memory", Verdict::Proven, "guests run in a pool"),
        Some(why) => {
            let text = format!("no pool is available, so each call takes longer: {why}");
            let text = match sandbox.require_address_space() {
                Ok(()) => text,
                Err(shortage) => format!("{text}; {}", error_line(&shortage)),
            };
            Finding::new(About::Machine, "pool of memory", Verdict::Noted, text)
        }
    };
    let scan = if Sandbox::may_scan_pagemap() {
        (Verdict::Proven, "no swap: the kernel reports which pages are dirty")
    } else {
        (Verdict::Noted, "swap is on, so memory is cleared without the kernel's report of dirty pages")
    };
    vec![pool, Finding::new(About::Machine, "cleaning of memory", scan.0, scan.1)]
}

/// Checks that the folder of compiled code is private, and that its seals hold.
pub(crate) fn code_cache(sandbox: &Sandbox) -> Finding {
    let begin = Instant::now();
    let (verdict, text) = match (sandbox.prove_code_cache(), sandbox.take_warnings().first()) {
        (Some(Ok(())), _) => (
            Verdict::Proven,
            "the folder is private; sealed code is reused, and changed code is rejected".to_owned(),
        ),
        (Some(Err(fault)), _) => (Verdict::Failed, fault),
        (None, Some(warning)) => (Verdict::Failed, warning.clone()),
        (None, None) => (Verdict::Noted, "no code cache: each process compiles its components".to_owned()),
    };
    Finding::new(About::Code, "sealed code", verdict, text).within(begin.elapsed())
}

/// Checks that hostile components end at the compiler's limits.
pub(crate) fn compiler(pool: &CompilePool) -> Vec<Finding> {
    let bounded = |bounds: Bounds| CompilePool { bounds, ..pool.clone() };
    let default = pool.bounds;
    let slow = Bounds { time: TIME, ..default };
    let small = Bounds { memory: MEMORY, ..default };
    let is_time: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Time(_));
    let is_memory: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Memory(_));
    let is_count: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Count { .. });
    vec![
        compile_bomb(
            &Bomb {
                name: "function of 200,000 steps",
                text: guests::long_function(200_000),
                is_expected: is_time,
            },
            bounded(slow),
        ),
        compile_bomb(
            &Bomb { name: "data of 32 MiB", text: guests::large_data(32 << 20), is_expected: is_memory },
            bounded(small),
        ),
        compile_bomb(
            &Bomb { name: "nested components", text: guests::nested_components(100), is_expected: is_count },
            bounded(default),
        ),
    ]
}

/// A component that is hostile to the compiler, and a check for the right limit.
struct Bomb {
    name: &'static str,
    text: String,
    is_expected: fn(&Exceeded) -> bool,
}

/// Compiles the component under limits, and repeats the attempt if its end came too late.
fn compile_bomb(bomb: &Bomb, pool: CompilePool) -> Finding {
    let time = pool.bounds.time;
    let prepared = wat::parse_str(&bomb.text).map_err(|error| error.to_string()).and_then(|binary| {
        let sandbox =
            Sandbox::new(Settings { calls: 1, code_cache: None }).map_err(|error| error_line(&error))?;
        Ok((sandbox.with_compile_pool(pool), binary.into()))
    });
    let (sandbox, binary) = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => return Finding::new(About::Compiler, bomb.name, Verdict::Failed, fault),
    };
    let once = || compile_once(bomb, &sandbox, &binary, time);
    let mut finding = once();
    for _ in 1..TRIALS {
        if finding.late.is_none_or(is_prompt) {
            break;
        }
        finding = once();
    }
    finding
}

fn compile_once(bomb: &Bomb, sandbox: &Sandbox, binary: &Bytes, time: Duration) -> Finding {
    let baseline = (time == TIME).then(|| LatencyBaseline::start(time));
    let begin = Instant::now();
    let refused = sandbox.load(binary.clone()).err();
    let took = begin.elapsed();
    let late =
        baseline.map(|baseline| Late { total: took.saturating_sub(time), machine: baseline.lateness() });
    let (verdict, text) = match refused {
        Some(LoadError::Beyond(exceeded)) if !(bomb.is_expected)(&exceeded) => {
            (Verdict::Failed, format!("refused for another reason: {exceeded}"))
        }
        Some(LoadError::Beyond(exceeded)) if late.is_none_or(is_prompt) => {
            (Verdict::Proven, exceeded.to_string())
        }
        Some(LoadError::Beyond(exceeded)) => {
            (Verdict::Failed, format!("{exceeded}, but the compiler was stopped too late"))
        }
        Some(other) => (Verdict::Failed, format!("refused for another reason: {}", error_line(&other))),
        None => (Verdict::Failed, "compiled without hitting a limit".to_owned()),
    };
    Finding { late, ..Finding::new(About::Compiler, bomb.name, verdict, text).within(took) }
}

fn is_prompt(late: Late) -> bool {
    late.own() <= MAX_LATE
}
