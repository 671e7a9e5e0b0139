//! The names of Redis keys: those of one run, and the list of all runs.
//! The contents are left to `scripts`; `mod.rs` has the table.

use crate::model::RunId;
use crate::state::RedisTopology;

/// All runs by last activity.
pub(crate) const RUNS: &str = "cascade:runs";

/// Distribution of keys over servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// One server has all keys.
    Single,
    /// A cluster: keys with the same text in braces share a hash slot.
    Cluster,
}

impl Placement {
    /// Returns the placement of keys in a topology.
    pub(crate) const fn for_topology(topology: &RedisTopology) -> Self {
        match topology {
            RedisTopology::Server(_) | RedisTopology::Socket(_) | RedisTopology::Sentinel { .. } => {
                Self::Single
            }
            RedisTopology::Cluster(_) => Self::Cluster,
        }
    }
}

/// The keys of one run; in a cluster they share one hash slot.
#[derive(Debug, Clone)]
pub(crate) struct RunKeys {
    all: Vec<String>,
    prefix: String,
}

/// Key names in the order of the scripts' `KEYS`.
const NAMES: [&str; 17] = [
    "meta", "results", "skipped", "failed", "events", "tasks", "edges", "coord", "ready", "times", "hosts",
    "wake", "prints", "notes", "logs", "calls", "offers",
];

impl RunKeys {
    /// Creates the keys of a run.
    pub(crate) fn new(run: &RunId, placement: Placement) -> Self {
        let prefix = match placement {
            Placement::Single => format!("cascade:run:{run}:"),
            Placement::Cluster => format!("cascade:run:{{{run}}}:"),
        };
        Self { all: NAMES.iter().map(|name| format!("{prefix}{name}")).collect(), prefix }
    }

    /// Returns all keys, in the order that scripts expect.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    /// Returns one key by the end of its name.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_braces_in_a_cluster_only() {
        let run = RunId::new("abc").unwrap();
        assert_eq!(RunKeys::new(&run, Placement::Single).key("results"), "cascade:run:abc:results");
        assert_eq!(RunKeys::new(&run, Placement::Cluster).all()[1], "cascade:run:{abc}:results");
    }

    #[test]
    fn scripts_have_the_keys_in_the_same_order() {
        let names = NAMES.join(", ").to_uppercase();
        let text = include_str!("scripts/keys.lua").replace("\n  ", " ");
        assert!(text.contains(&format!("local {names} = unpack(KEYS)")), "{text}");
    }
}
