//! Checks whether the state backend can hold runs: its permissions, durability and version.
//! A refusal is returned as an error, since it decides the exit code.

use crate::app::doctor::finding::{About, Finding, Verdict};
use crate::state::{Backend, Error, Notice};
use std::time::Instant;

/// Queries the backend, and checks that this user has all permissions that a run needs.
pub(crate) async fn check_backend(uri: &str, backend: &dyn Backend) -> Result<Vec<Finding>, Error> {
    let start = Instant::now();
    let notices = backend.preflight().await?;
    let message = format!("`{uri}` is reachable and grants all permissions that a run needs");
    let mut findings =
        vec![Finding::new(About::State, "rights", Verdict::Proven, message).within(start.elapsed())];
    for (name, value) in backend.describe().await? {
        findings.push(Finding::new(About::State, name, Verdict::Proven, value));
    }
    for Notice { code, message } in notices {
        findings.push(Finding::new(About::State, code, Verdict::Noted, message));
    }
    if !backend.outlives_process() {
        let message = "runs are kept in memory, and are lost when this process ends";
        findings.push(Finding::new(About::State, "durability", Verdict::Noted, message));
    }
    Ok(findings)
}
