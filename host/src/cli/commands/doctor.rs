//! `doctor`: tests every limit on this machine and the state backend, and prints the findings.
//! The tests themselves are in `app/doctor`.

use crate::app;
use crate::app::{Backends, Error, Finding, Verdict};
use crate::cli::args::DoctorArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Host;
use crate::cli::print::{Ink, Style, harmless};
use crate::cli::process::{Exit, runtime_for_guests, stdout_style, vigil, while_read};
use crate::cli::voice::report;
use crate::manifest::BackendSection;
use serde_json::json;
use std::time::Duration;

/// Worker threads. With a second one, a guest that never ends cannot block the timer of its own deadline.
const THREADS: usize = 2;

/// Tests this machine and the backend.
pub(crate) fn doctor(host: &Host, arguments: &DoctorArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let style = stdout_style();
    let mut gone = None;
    let tell = |finding: &Finding| {
        if !arguments.json {
            gone = print(line(finding, style).as_bytes()).err();
        }
    };
    let runtime = runtime_for_guests(THREADS)?;
    let mut of_state = vigil(&host.voice, "the state backend", state.backend.health());
    let examination = of_state.beside(app::examine(&host.settings, &state, tell));
    let Some(examination) = runtime.block_on(while_read(examination)) else {
        let unread = "nobody reads the findings: the examination has not ended, and proves nothing";
        host.voice.note("interrupted", unread);
        return Ok(Exit::Interrupted);
    };
    let examination = examination?;
    if let Some(gone) = gone {
        return Err(gone);
    }
    if arguments.json {
        let findings: Vec<_> = examination.findings.iter().map(as_json).collect();
        let whole = json!({ "proven": examination.is_proven(), "findings": findings });
        print_json(format!("{whole:#}\n").as_bytes())?;
    }
    // A limit that does not hold is worse than a backend that is away; both are told.
    let refused = examination.refused.as_ref().map(|error| report(error, &host.voice));
    if examination.holds() { Ok(refused.unwrap_or(Exit::Success)) } else { Ok(Exit::TaskFailed) }
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
    format!("{verdict} {name} {}{}\n", harmless(&finding.said), style.paint(Ink::Faint, &figures))
}

fn figures(finding: &Finding) -> String {
    let took = finding.took.map(|took| format!("after {}", millis(took)));
    let late =
        finding.late.map(|late| format!("{} late, the machine {}", millis(late.by), millis(late.machine)));
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
        "said": finding.said,
        "took_ms": millis(finding.took),
        "late_ms": millis(finding.late.map(|late| late.by)),
        "machine_late_ms": millis(finding.late.map(|late| late.machine)),
        "memory_bytes": finding.memory.map(crate::model::Size::as_bytes),
    })
}
