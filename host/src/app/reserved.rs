//! The session in which a run reserves resources: at the backend, or within the host if nobody else shares them.
//! `engine` reserves.

use crate::app::{Error, Session};
use crate::config::is_gone;
use crate::engine::ReservedResources;
use crate::plan::{Resource, ResourceScope};
use crate::state;
use crate::state::{Backend, ErrorKind, HostId, MemoryReservations, Reservations, SessionRequest};
use std::sync::Arc;
use std::time::Duration;

/// Opens the session of a run whose tasks reserve resources; none for other runs.
pub(crate) async fn reserved(
    session: &Session,
    backend: &dyn Backend,
    (host, lease): (&HostId, Duration),
) -> Result<Option<ReservedResources>, Error> {
    let reserved: Vec<&Resource> = used(session).filter(|resource| resource.is_reserved()).collect();
    if reserved.is_empty() {
        return Ok(None);
    }
    let reservations: Arc<dyn Reservations> =
        match reserved.iter().find(|resource| resource.scope != ResourceScope::Host) {
            // Rates of this host alone need no backend.
            None => Arc::new(MemoryReservations::new()),
            Some(shared) => backend.reservations().ok_or_else(|| unsupported(shared))?,
        };
    let request = SessionRequest {
        run: session.run.clone(),
        host: host.clone(),
        lease,
        is_gone: |host| is_gone(&host.0),
    };
    let session = reservations.open(request).await?;
    Ok(Some(ReservedResources { session, host: host.clone() }))
}

/// Returns the resources that tasks of this run take.
fn used(session: &Session) -> impl Iterator<Item = &Resource> {
    let plan = session.bound.plan();
    let included =
        plan.tasks().iter().zip(&session.targets.is_included).filter(|(_, is_included)| **is_included);
    included.flat_map(|(task, _)| &task.resources).filter_map(|(position, _)| plan.resources().get(*position))
}

fn unsupported(resource: &Resource) -> state::Error {
    let doing =
        format!("reserving resource `{}`: this state backend has no resources of all runs", resource.name);
    let scope = match resource.scope {
        ResourceScope::Backend => "backend",
        ResourceScope::Run | ResourceScope::Host => "run",
    };
    state::Error::new(ErrorKind::Refused, doing).hint(format!(
        "Write `scope = \"host\"` instead of `\"{scope}\"`, or use the state `memory:` or `redis://…`."
    ))
}
