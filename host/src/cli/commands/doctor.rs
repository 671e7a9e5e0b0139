//! `doctor`: tests every limit on this machine and the state backend, and prints the findings.
//! The tests themselves are in `app/doctor`.

use crate::app;
use crate::app::{Backends, Error, Finding, Verdict, runtime_for_guests};
use crate::cli::args::DoctorArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::console::report;
use crate::cli::context::Context;
use crate::cli::print::{Ink, Style, escape_control};
use crate::cli::process::{Exit, health_monitor, stdout_style, while_stdout_is_read};
use crate::manifest::BackendSection;
use serde_json::json;
use std::time::Duration;

/// Worker threads. With a second one, a guest that never ends cannot block the timer of its own deadline.
const THREADS: usize = 2;

/// Tests this machine and the backend.
pub(crate) fn doctor(ctx: &Context, arguments: &DoctorArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let style = stdout_style();
    let mut write_error = None;
    let print_finding = |finding: &Finding| {
        if !arguments.json {
            write_error = print(line(finding, style).as_bytes()).err();
        }
    };
    let runtime = runtime_for_guests(THREADS)?;
    let mut monitor = health_monitor(&ctx.console, "the state backend", state.backend.health());
    let diagnosis = monitor.beside(app::diagnose(&ctx.settings, &state, print_finding));
    let Some(diagnosis) = runtime.block_on(while_stdout_is_read(diagnosis)) else {
        let message = "stdout was closed: the checks did not finish, and prove nothing";
        ctx.console.note("interrupted", message);
        return Ok(Exit::Interrupted);
    };
    let diagnosis = diagnosis?;
    if let Some(error) = write_error {
        return Err(error);
    }
    if arguments.json {
        let findings: Vec<_> = diagnosis.findings.iter().map(as_json).collect();
        let report = json!({ "proven": diagnosis.is_proven(), "findings": findings });
        print_json(format!("{report:#}\n").as_bytes())?;
    }
    // A limit that does not hold decides the exit code even if the backend is unavailable; both are reported.
    let refused = diagnosis.refused.as_ref().map(|error| report(error, &ctx.console));
    if diagnosis.holds() { Ok(refused.unwrap_or(Exit::Success)) } else { Ok(Exit::TaskFailed) }
}

/// Formats a finding as one line: verdict, name, message and figures.
fn line(finding: &Finding, style: Style) -> String {
    let ink = match finding.verdict {
        Verdict::Proven => Ink::Good,
        Verdict::Noted => Ink::Warn,
        Verdict::Failed => Ink::Bad,
    };
    let verdict = style.paint(ink, &format!("{:<6}", finding.verdict.word()));
    let name = format!("{:<10} {:<32}", finding.about.word(), finding.name);
    let figures = figures(finding);
    let figures = if figures.is_empty() { figures } else { format!(" ({figures})") };
    format!("{verdict} {name} {}{}\n", escape_control(&finding.text), style.paint(Ink::Faint, &figures))
}

fn figures(finding: &Finding) -> String {
    let took = finding.took.map(|took| format!("after {}", millis(took)));
    let late =
        finding.late.map(|late| format!("{} late, the machine {}", millis(late.total), millis(late.machine)));
    let memory = finding.memory.map(|memory| format!("+{} MiB", memory.as_bytes() >> 20));
    [took, late, memory].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn as_json(finding: &Finding) -> serde_json::Value {
    let millis = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1e3);
    json!({
        "about": finding.about.word(),
        "name": finding.name,
        "verdict": finding.verdict.word().to_lowercase(),
        "said": finding.text,
        "took_ms": millis(finding.took),
        "late_ms": millis(finding.late.map(|late| late.total)),
        "machine_late_ms": millis(finding.late.map(|late| late.machine)),
        "memory_bytes": finding.memory.map(crate::model::Size::as_bytes),
    })
}
