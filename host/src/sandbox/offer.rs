//! What the host offers to components, by the names of interfaces, and which grant puts something behind each.
//! How an interface is linked is for `wasi`.

use std::sync::Arc;

/// Something that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name: `ns:pkg/iface@1.0.0`, or a plain one.
    pub name: Arc<str>,
    /// The functions that are imported from the interface.
    pub functions: Vec<Arc<str>>,
    /// What the host has for it.
    pub offer: Offer,
}

/// What the host has for an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: a component that imports it cannot be called.
    Unknown,
    /// All of it, granted or not.
    Always,
    /// It can be called, and refuses: no grant puts anything behind it.
    Refused,
    /// It can be called, and has something behind it once one of these grants is given.
    Granted(&'static [&'static str]),
}

/// Interfaces by name and the beginning of their version; what is not here is unknown.
pub(crate) const OFFERS: [(&str, &str, Offer); 35] = [
    ("wasi:cli/environment", "0.2.", Offer::Granted(&["env", "args"])),
    ("wasi:cli/exit", "0.2.", Offer::Always),
    ("wasi:cli/stdin", "0.2.", Offer::Always),
    ("wasi:cli/stdout", "0.2.", Offer::Always),
    ("wasi:cli/stderr", "0.2.", Offer::Always),
    ("wasi:cli/terminal-input", "0.2.", Offer::Always),
    ("wasi:cli/terminal-output", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stdin", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stdout", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stderr", "0.2.", Offer::Always),
    ("wasi:clocks/wall-clock", "0.2.", Offer::Granted(&["clock"])),
    ("wasi:clocks/monotonic-clock", "0.2.", Offer::Granted(&["clock"])),
    ("wasi:filesystem/types", "0.2.", Offer::Granted(&["read", "write"])),
    ("wasi:filesystem/preopens", "0.2.", Offer::Granted(&["read", "write"])),
    ("wasi:http/types", "0.2.", Offer::Granted(&["http"])),
    ("wasi:http/outgoing-handler", "0.2.", Offer::Granted(&["http"])),
    ("wasi:io/error", "0.2.", Offer::Always),
    ("wasi:io/poll", "0.2.", Offer::Always),
    ("wasi:io/streams", "0.2.", Offer::Always),
    ("wasi:random/random", "0.2.", Offer::Granted(&["random"])),
    ("wasi:random/insecure", "0.2.", Offer::Granted(&["random"])),
    ("wasi:random/insecure-seed", "0.2.", Offer::Granted(&["random"])),
    ("wasi:sockets/network", "0.2.", Offer::Granted(&["tcp"])),
    ("wasi:sockets/instance-network", "0.2.", Offer::Granted(&["tcp"])),
    ("wasi:sockets/tcp", "0.2.", Offer::Granted(&["tcp"])),
    ("wasi:sockets/tcp-create-socket", "0.2.", Offer::Granted(&["tcp"])),
    ("wasi:sockets/udp", "0.2.", Offer::Refused),
    ("wasi:sockets/udp-create-socket", "0.2.", Offer::Refused),
    ("wasi:sockets/ip-name-lookup", "0.2.", Offer::Granted(&["dns"])),
    ("wasi:keyvalue/store", "0.2.0-draft", Offer::Granted(&["keyvalue"])),
    ("wasi:keyvalue/atomics", "0.2.0-draft", Offer::Granted(&["keyvalue"])),
    ("wasi:keyvalue/batch", "0.2.0-draft", Offer::Granted(&["keyvalue"])),
    ("wasi:logging/logging", "", Offer::Always),
    ("cascade:task/context", "0.1.", Offer::Granted(&["context"])),
    ("cascade:task/progress", "0.1.", Offer::Always),
];

/// What the host has for the interface of that name.
pub(crate) fn offer(import: &str) -> Offer {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    OFFERS
        .iter()
        .find(|(known, of_version, _)| name == *known && version.starts_with(of_version))
        .map_or(Offer::Unknown, |(_, _, offer)| *offer)
}

/// Whether it is an interface of a WASI that this host does not speak: one that came after 0.2.
pub(crate) fn is_later_wasi(import: &str) -> bool {
    let version =
        import.strip_prefix("wasi:").and_then(|import| import.split_once('@')).map(|(_, version)| version);
    version.is_some_and(|version| version.starts_with("0.3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_name_and_version() {
        for (import, known) in [
            ("wasi:cli/stdout@0.2.6", Offer::Always),
            ("wasi:clocks/wall-clock@0.2.0", Offer::Granted(&["clock"])),
            ("wasi:sockets/udp-create-socket@0.2.0", Offer::Refused),
            ("wasi:clocks/timezone@0.2.0", Offer::Unknown),
            ("wasi:cli/run@0.2.0", Offer::Unknown),
            ("wasi:logging/logging", Offer::Always),
            ("wasi:logging/logging@0.1.0-draft", Offer::Always),
            ("cascade:task/context@0.1.0", Offer::Granted(&["context"])),
            ("wasi:keyvalue/store@0.2.0-draft", Offer::Granted(&["keyvalue"])),
            ("wasi:keyvalue/atomics@0.2.0-draft2", Offer::Granted(&["keyvalue"])),
            ("wasi:keyvalue/watcher@0.2.0-draft2", Offer::Unknown),
            ("wasi:keyvalue/store@0.1.0", Offer::Unknown),
            ("wasi:cli/stdout@0.3.0", Offer::Unknown),
            ("wasi:http/incoming-handler@0.2.0", Offer::Unknown),
            ("acme:tools/hammer@1.0.0", Offer::Unknown),
            ("plain", Offer::Unknown),
        ] {
            assert_eq!(offer(import), known, "{import}");
        }
        assert!(is_later_wasi("wasi:cli/stdout@0.3.0"));
        assert!(!is_later_wasi("wasi:cli/stdout@0.2.9"));
    }
}
