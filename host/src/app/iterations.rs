//! Counts the stored iterations of a node, of which a backend has names only.
//! `archive` and `node_name` show the counts.

use crate::manifest::MAX_ITERATIONS;
use crate::model::RunId;
use crate::state::{Backend, End, Error};

/// Number of names to ask for in one request.
const PROBES: u32 = 32;

/// Returns the number of stored iterations of a node. They have no gaps, so a few requests find the last one.
pub(crate) async fn count_iterations(backend: &dyn Backend, run: &RunId, node: &str) -> Result<u32, Error> {
    // All below `low` are stored, and none from `high` on.
    let (mut low, mut high) = (0, MAX_ITERATIONS);
    while low < high {
        let step = (high - low).div_ceil(PROBES);
        let probes: Vec<u32> =
            (1..=PROBES).map(|probe| low + probe * step - 1).filter(|at| *at < high).collect();
        let names: Vec<String> = probes.iter().map(|at| format!("{node}@{at}")).collect();
        let views = backend.nodes(run, &names).await?;
        for (at, view) in probes.into_iter().zip(views) {
            match view.end {
                End::Done { .. } => low = low.max(at + 1),
                End::Open | End::Skipped(_) | End::Failed(_) => high = high.min(at),
            }
        }
    }
    Ok(low)
}
