//! The rules for components from elsewhere: whether the network may be used, and whether each needs a pin.
//! `fetch` follows them.

use crate::config::SettingsFault;
use crate::config::setting_source::{Flag, Sources};

/// Whether components are fetched over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Access {
    /// Those that are not on this machine are.
    #[default]
    Online,
    /// None is.
    Offline,
}

/// Whether components from elsewhere need a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pinning {
    /// Downloads do; those that a tag names may change.
    #[default]
    Optional,
    /// All do.
    Required,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FetchSettings {
    /// `offline`.
    pub access: Access,
    /// `locked`.
    pub pinning: Pinning,
}

const ACCESS: [(&str, Access); 2] = [("true", Access::Offline), ("false", Access::Online)];

const PINNING: [(&str, Pinning); 2] = [("true", Pinning::Required), ("false", Pinning::Optional)];

impl FetchSettings {
    pub(crate) fn new(
        sources: &Sources<'_>,
        (offline, locked): (Flag<'_>, Flag<'_>),
    ) -> Result<Self, SettingsFault> {
        Ok(Self {
            access: sources.word("offline", offline, &ACCESS)?.unwrap_or_default(),
            pinning: sources.word("locked", locked, &PINNING)?.unwrap_or_default(),
        })
    }
}
