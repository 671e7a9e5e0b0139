//! The keys of a run and of all runs, as SPEC §7 names them.
//! What stands under them is for the scripts.

use crate::model::RunId;
use crate::state::RedisTopology;

/// All runs by their last activity.
pub(crate) const RUNS: &str = "cascade:runs";

/// How a server places keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// One server has all keys.
    Single,
    /// Keys with the same text in braces lie together.
    Cluster,
}

impl Placing {
    /// How the servers at a place do it.
    pub(crate) const fn for_place(place: &RedisTopology) -> Self {
        match place {
            RedisTopology::Server(_) | RedisTopology::Socket(_) | RedisTopology::Sentinel { .. } => {
                Self::Single
            }
            RedisTopology::Cluster(_) => Self::Cluster,
        }
    }
}

/// The keys of one run; in a cluster they lie in one slot.
#[derive(Debug, Clone)]
pub(crate) struct RunKeys {
    all: Vec<String>,
    prefix: String,
}

/// In the order in which scripts know them.
const NAMES: [&str; 15] = [
    "meta", "results", "skipped", "failed", "events", "tasks", "edges", "coord", "ready", "times", "hosts",
    "wake", "prints", "notes", "logs",
];

impl RunKeys {
    /// The keys of a run.
    pub(crate) fn new(run: &RunId, placing: Placing) -> Self {
        let prefix = match placing {
            Placing::Single => format!("cascade:run:{run}:"),
            Placing::Cluster => format!("cascade:run:{{{run}}}:"),
        };
        Self { all: NAMES.iter().map(|name| format!("{prefix}{name}")).collect(), prefix }
    }

    /// All of them, as scripts take them.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    /// One of them, by the end of its name.
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
        assert_eq!(RunKeys::new(&run, Placing::Single).key("results"), "cascade:run:abc:results");
        assert_eq!(RunKeys::new(&run, Placing::Cluster).all()[1], "cascade:run:{abc}:results");
    }
}
