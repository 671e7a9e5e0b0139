//! Calls the guest of a probe, and judges how the call ended, when, and at what memory.
//! The probes are in `probe`.

use crate::app::doctor::finding::{About, Finding, Late, Verdict, error_line};
use crate::app::doctor::latency_baseline::{LatencyBaseline, TRIALS};
use crate::app::doctor::probe::{Ending, Probe};
use crate::config::{forget_peak, peak, resident};
use crate::invoke::{Attempt, Call, Failure, FunctionId, Invoker as _, Listener, Returned, Stream};
use crate::model::{FailureClass, RunId, Size, TaskName};
use crate::sandbox::{GuestKind, Sandbox};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Maximum delay of a guest's stop after its deadline, beyond the machine's own latency.
const MAX_LATE: Duration = Duration::from_millis(50);

/// Memory that the host itself may use for a call: stack, code, and allocator overhead.
const SLACK: u64 = 48 << 20;

/// A listener that discards the guest's output.
struct IgnoreOutput;

impl Listener for IgnoreOutput {
    fn on_output(&self, _stream: Stream, _text: &str) {}

    fn on_progress(&self, _fraction: f64, _message: &str) {}
}

/// Runs a probe.
pub(crate) async fn run_probe(sandbox: &Sandbox, probe: &Probe) -> Finding {
    let function = match prepare(sandbox, probe) {
        Ok(function) => function,
        Err(error) => {
            return Finding::new(About::Guest, probe.name, Verdict::Failed, error_line(error.as_ref()));
        }
    };
    let mut finding = run_once(sandbox, probe, function).await;
    for _ in 1..TRIALS {
        if finding.late.is_none_or(|late| late.own() <= MAX_LATE) {
            break;
        }
        finding = run_once(sandbox, probe, function).await;
    }
    finding
}

fn prepare(sandbox: &Sandbox, probe: &Probe) -> Result<FunctionId, Box<dyn Error>> {
    let component = sandbox.load(wat::parse_str(&probe.guest)?.into())?;
    let export = component.exports().first().ok_or("the guest has no function")?;
    Ok(sandbox.prepare(&component, export, None, probe.grants.clone(), &[GuestKind::of(&probe.limits)])?)
}

async fn run_once(sandbox: &Sandbox, probe: &Probe, function: FunctionId) -> Finding {
    let call = match call(probe, function) {
        Ok(call) => call,
        Err(error) => return Finding::new(About::Guest, probe.name, Verdict::Failed, error.to_string()),
    };
    // Reset the peak, so that it measures this call alone.
    forget_peak();
    let before = resident();
    let is_deadline = matches!(probe.ending, Ending::Fails(FailureClass::Timeout, _));
    // The baseline runs beside the call: only the machine's latency at the same moment is comparable.
    let baseline = is_deadline.then(|| LatencyBaseline::start(probe.timeout));
    let begin = Instant::now();
    let ended = sandbox.invoke(Arc::new(call)).await;
    let took = begin.elapsed();
    let late = baseline
        .map(|baseline| Late { total: took.saturating_sub(probe.timeout), machine: baseline.lateness() });
    let memory = before
        .zip(peak())
        .map(|(before, peak)| Size::bytes(peak.as_bytes().saturating_sub(before.as_bytes())));
    judge(probe, &ended, &Figures { took, late, memory })
}

fn call(probe: &Probe, function: FunctionId) -> Result<Call, Box<dyn Error>> {
    let attempt = Attempt {
        run: RunId::new("doctor")?,
        task: TaskName::new("probe")?,
        item: None,
        iteration: None,
        number: 1,
        epoch: 1,
    };
    let (limits, timeout) = (probe.limits, probe.timeout);
    let (args, listener) = (Vec::new(), Arc::new(IgnoreOutput));
    Ok(Call { function, args, limits, timeout, run_deadline: None, attempt, listener })
}

/// The measurements of a call.
struct Figures {
    took: Duration,
    late: Option<Late>,
    memory: Option<Size>,
}

fn judge(probe: &Probe, ended: &Result<Returned, Failure>, figures: &Figures) -> Finding {
    let Figures { took, late, memory } = *figures;
    let (is_expected, text) = match (probe.ending, ended) {
        (Ending::Returns, Ok(_)) => (true, "returned without access".to_owned()),
        (Ending::Fails(class, limit), Err(failure)) => {
            (failure.class == class && failure.message.contains(limit), failure.message.clone())
        }
        (Ending::Returns, Err(failure)) => (false, failure.message.clone()),
        (Ending::Fails(_, limit), Ok(_)) => (false, format!("the call returned without hitting {limit}")),
    };
    let max = probe.limits.memory.as_bytes().saturating_add(SLACK);
    let is_small = memory.is_none_or(|memory| memory.as_bytes() <= max);
    let is_prompt = late.is_none_or(|late| late.own() <= MAX_LATE);
    let verdict = if is_expected && is_small && is_prompt { Verdict::Proven } else { Verdict::Failed };
    Finding { about: About::Guest, name: probe.name, verdict, text, took: Some(took), late, memory }
}
