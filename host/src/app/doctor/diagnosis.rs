//! Runs all checks of `doctor` in order: machine, code cache, compiler, guests, backend.
//! Each check is in its own file.

use crate::app::checked::{compile_pool, open_sandbox, own_compiler};
use crate::app::doctor::backend::check_backend;
use crate::app::doctor::finding::{About, Finding, Verdict};
use crate::app::doctor::host_checks;
use crate::app::doctor::probe::probes;
use crate::app::doctor::trial::run_probe;
use crate::app::{Error, StateBackend};
use crate::config::Settings;

/// The outcome of all checks.
pub(crate) struct Diagnosis {
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
    /// The reason why the backend cannot be used; `None` if it can.
    pub refused: Option<Error>,
}

impl Diagnosis {
    /// Returns whether every limit held and the backend can be used.
    #[must_use]
    pub(crate) fn is_proven(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Failed)
    }

    /// Returns whether every limit held, regardless of the backend.
    #[must_use]
    pub(crate) fn holds(&self) -> bool {
        let is_backend = |finding: &Finding| finding.about == About::State;
        self.findings.iter().all(|finding| is_backend(finding) || finding.verdict != Verdict::Failed)
    }
}

/// Runs all checks. `report` receives each finding at once.
pub(crate) async fn diagnose(
    settings: &Settings,
    state: &StateBackend,
    mut report: impl FnMut(&Finding),
) -> Result<Diagnosis, Error> {
    let compiler = own_compiler()?;
    let sandbox = open_sandbox(settings, Some(compiler.clone()))?;
    let mut findings = Vec::new();
    let mut add = |found: Vec<Finding>| {
        found.iter().for_each(&mut report);
        findings.extend(found);
    };
    add(host_checks::memory_pool(&sandbox));
    add(vec![host_checks::code_cache(&sandbox)]);
    add(host_checks::compiler(&compile_pool(settings, compiler)));
    for probe in probes() {
        add(vec![run_probe(&sandbox, &probe).await]);
    }
    let refused = match check_backend(&state.uri.to_string(), state.backend.as_ref()).await {
        Ok(found) => {
            add(found);
            None
        }
        Err(error) => {
            add(vec![Finding::new(About::State, "use", Verdict::Failed, error.to_string())]);
            Some(Error::Backend(error))
        }
    };
    Ok(Diagnosis { findings, refused })
}
