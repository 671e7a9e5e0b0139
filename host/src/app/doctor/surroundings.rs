//! What is around guests: the pool, the folder of compiled code, and the bounds of the compiler.
//! Guests themselves are for `trial`.

use crate::app::doctor::finding::About;
use crate::app::doctor::finding::Finding;
use crate::app::doctor::finding::Verdict;
use crate::app::doctor::guests;
use crate::model::Size;
use crate::sandbox::Bounds;
use crate::sandbox::Exceeded;
use crate::sandbox::LoadError;
use crate::sandbox::Sandbox;
use crate::sandbox::Settings;
use crate::sandbox::Workshop;
use std::time::{Duration, Instant};

/// The time of a compiler that is given too much to do in it.
const TIME: Duration = Duration::from_millis(300);

/// The memory of a compiler that is given more than that.
const MEMORY: Size = Size::bytes(32 << 20);

/// How guests get their memory here, and how it is made clean again.
pub(crate) fn pool(sandbox: &Sandbox) -> Vec<Finding> {
    let pool = match sandbox.pool_refusal() {
        None => Finding::new(About::Machine, "pool of memory", Verdict::Proven, "guests run in a pool"),
        Some(why) => {
            let said = format!("there is no pool, so that each call takes longer: {why}");
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

/// Whether the folder of compiled code is private, and its seals hold.
pub(crate) fn code(sandbox: &Sandbox) -> Finding {
    let begin = Instant::now();
    let (verdict, said) = match (sandbox.prove_code_cache(), sandbox.warnings().first()) {
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

/// Whether components that are hostile to the compiler end at its bounds.
pub(crate) fn compiler(workshop: &Workshop) -> Vec<Finding> {
    let bounded = |bounds: Bounds| Workshop { bounds, ..workshop.clone() };
    let usual = workshop.bounds;
    let slow = Bounds { time: TIME, ..usual };
    let small = Bounds { memory: MEMORY, ..usual };
    let is_time: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Time(_));
    let is_memory: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Memory(_));
    let is_count: fn(&Exceeded) -> bool = |exceeded| matches!(exceeded, Exceeded::Count { .. });
    vec![
        bomb("function of 200,000 steps", &guests::long(200_000), bounded(slow), is_time),
        bomb("data of 32 MiB", &guests::filled(32 << 20), bounded(small), is_memory),
        bomb("components inside of each other", &guests::nested(100), bounded(usual), is_count),
    ]
}

fn bomb(name: &'static str, text: &str, workshop: Workshop, is_right: fn(&Exceeded) -> bool) -> Finding {
    let begin = Instant::now();
    let (verdict, said) = match refused(text, workshop) {
        Ok(Some(LoadError::Beyond(exceeded))) if is_right(&exceeded) => {
            (Verdict::Proven, exceeded.to_string())
        }
        Ok(Some(other)) => (Verdict::Failed, format!("it was refused for another reason: {other}")),
        Ok(None) => (Verdict::Failed, "it was compiled".to_owned()),
        Err(fault) => (Verdict::Failed, fault),
    };
    Finding::new(About::Compiler, name, verdict, said).within(begin.elapsed())
}

/// Why a component is refused by such a workshop; none if it is not.
fn refused(text: &str, workshop: Workshop) -> Result<Option<LoadError>, String> {
    let binary = wat::parse_str(text).map_err(|error| error.to_string())?;
    let sandbox = Sandbox::new(Settings { calls: 1, code_cache: None }).map_err(|error| error.to_string())?;
    Ok(sandbox.with_workshop(workshop).load(binary.into()).err())
}
