//! Checks whether the state backend can hold runs: its permissions, durability and version.
//! A refusal is returned as an error, since it decides the exit code.

use crate::app::doctor::finding::{About, Finding, Verdict};
use crate::state::{Backend, Error, Notice};
use std::time::Instant;

/// Queries the backend, and checks that this user may do all that a run needs.
pub(crate) async fn backend(place: &str, backend: &dyn Backend) -> Result<Vec<Finding>, Error> {
    let begin = Instant::now();
    let notices = backend.preflight().await?;
    let said = format!("`{place}` answers and allows all that a run needs");
    let mut findings =
        vec![Finding::new(About::State, "rights", Verdict::Proven, said).within(begin.elapsed())];
    for (name, value) in backend.describe().await? {
        findings.push(Finding::new(About::State, name, Verdict::Proven, value));
    }
    for Notice { code, message } in notices {
        findings.push(Finding::new(About::State, code, Verdict::Noted, message));
    }
    if !backend.outlives_process() {
        let said = "runs are kept in this process, and are gone with it";
        findings.push(Finding::new(About::State, "durability", Verdict::Noted, said));
    }
    Ok(findings)
}
