//! The Rust guests that tests call, checked against the existing folders.
//! Their exports are in `wit/` of each guest.

use cascade_host_tests::repository;
use std::collections::BTreeSet;

/// A guest. An unused one is dead code, which does not compile here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guest {
    Attempt,
    Basic,
    Flows,
    HostCalls,
    Keyvalue,
    Network,
    Paths,
    Payment,
    Preview1,
    Purity,
    Repeat,
    TwoFaces,
    Unsupported,
    UnknownImport,
}

impl Guest {
    const ALL: [(&str, Option<Self>); 20] = [
        ("attempt", Some(Self::Attempt)),
        ("basic", Some(Self::Basic)),
        ("flows", Some(Self::Flows)),
        ("host-calls", Some(Self::HostCalls)),
        ("keyvalue", Some(Self::Keyvalue)),
        ("network", Some(Self::Network)),
        ("paths", Some(Self::Paths)),
        ("payment", Some(Self::Payment)),
        ("preview1", Some(Self::Preview1)),
        ("purity", Some(Self::Purity)),
        ("repeat", Some(Self::Repeat)),
        ("two-faces", Some(Self::TwoFaces)),
        ("unsupported", Some(Self::Unsupported)),
        ("unknown-import", Some(Self::UnknownImport)),
        // Three guests that import each other, called in `imports`.
        ("links", None),
        // Called in `languages`, in three languages.
        ("shapes", None),
        // Imported by published components, in the target `components`.
        ("supplies", None),
        // Built by other toolchains, and called in `languages`.
        ("python", None),
        ("javascript", None),
        // One interface in every language: `polyglot`.
        ("polyglot", None),
    ];

    /// Returns the guest's folder in `tests/guests`.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Basic => "basic",
            Self::Flows => "flows",
            Self::HostCalls => "host-calls",
            Self::Keyvalue => "keyvalue",
            Self::Network => "network",
            Self::Paths => "paths",
            Self::Payment => "payment",
            Self::Preview1 => "preview1",
            Self::Purity => "purity",
            Self::Repeat => "repeat",
            Self::TwoFaces => "two-faces",
            Self::Unsupported => "unsupported",
            Self::UnknownImport => "unknown-import",
        }
    }
}

#[test]
fn guests_match_the_existing_folders() {
    let listed: BTreeSet<String> = Guest::ALL.iter().map(|(folder, _)| (*folder).to_owned()).collect();
    let entries = std::fs::read_dir(repository().join("tests/guests")).expect("the guests are there");
    let folders = entries.flatten().filter(|entry| entry.path().join("wit").is_dir());
    let found: BTreeSet<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(listed, found);
    for (folder, guest) in Guest::ALL {
        assert!(guest.is_none_or(|guest| guest.folder() == folder));
    }
}
