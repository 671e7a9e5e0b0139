//! The flags about components from elsewhere, and the command that pins them.
//! `config` decides which setting wins; `commands/lock` runs the command.

use clap::Args;
use std::path::PathBuf;

/// Rules for components from elsewhere.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct SourceArguments {
    /// Refuse components from elsewhere without a pin
    #[arg(long)]
    pub(crate) locked: bool,

    /// Fetch no component: use those that are on this machine
    #[arg(long)]
    pub(crate) offline: bool,
}

impl SourceArguments {
    /// Returns the texts of the settings that the flags override: `offline` and `locked`.
    pub(crate) fn texts(self) -> (Option<String>, Option<String>) {
        let text = |is_set: bool| is_set.then(|| "true".to_owned());
        (text(self.offline), text(self.locked))
    }
}

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// The manifest
    pub(crate) manifest: PathBuf,

    /// Write nothing, and exit with 2 if a pin is missing
    #[arg(long, conflicts_with = "update")]
    pub(crate) check: bool,

    /// Replace the pins of tags and downloads by what their sources have now
    #[arg(long)]
    pub(crate) update: bool,
}
