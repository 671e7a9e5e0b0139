//! The whole examination: machine, code, compiler, guests and backend, one after the other.
//! What each is asked stands beside.

use crate::app::checked::{open_sandbox, workshop};
use crate::app::doctor::backend::backend;
use crate::app::doctor::finding::{About, Finding, Verdict};
use crate::app::doctor::probe::probes;
use crate::app::doctor::surroundings;
use crate::app::doctor::trial::try_out;
use crate::app::{Error, StateBackend};
use crate::config::Settings;

/// What was found.
pub struct Examination {
    /// In the order in which it was tried.
    pub findings: Vec<Finding>,
    /// Why the backend cannot be used; none where it can.
    pub refused: Option<Error>,
}

impl Examination {
    /// Whether every limit held, and the backend can be used.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Failed)
    }

    /// Whether every limit held, whatever the backend says.
    #[must_use]
    pub fn holds(&self) -> bool {
        let is_backend = |finding: &Finding| finding.about == About::State;
        self.findings.iter().all(|finding| is_backend(finding) || finding.verdict != Verdict::Failed)
    }
}

/// Tries everything; `tell` hears of each finding when it is made.
pub async fn examine(
    settings: &Settings,
    state: &StateBackend,
    mut tell: impl FnMut(&Finding),
) -> Result<Examination, Error> {
    let sandbox = open_sandbox(settings)?;
    let mut findings = Vec::new();
    let mut add = |found: Vec<Finding>| {
        found.iter().for_each(&mut tell);
        findings.extend(found);
    };
    add(surroundings::pool(&sandbox));
    add(vec![surroundings::code(&sandbox)]);
    add(surroundings::compiler(&workshop(settings)?));
    for probe in probes() {
        add(vec![try_out(&sandbox, &probe).await]);
    }
    let refused = match backend(&state.uri.to_string(), state.backend.as_ref()).await {
        Ok(found) => {
            add(found);
            None
        }
        Err(error) => {
            add(vec![Finding::new(About::State, "use", Verdict::Failed, error.to_string())]);
            Some(Error::Backend(error))
        }
    };
    Ok(Examination { findings, refused })
}
