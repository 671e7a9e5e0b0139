//! What every command works with: environment, settings, signals, and the voice on stderr.
//! It is made in `start`, once the arguments are understood.

use crate::cli::process::Signals;
use crate::cli::voice::Voice;
use crate::config::{Environment, Settings};
use crate::sandbox::Sandbox;

/// The context of every command.
pub(crate) struct Host {
    /// The environment variables of this process.
    pub(crate) environment: Environment,
    /// The settings, before those of a manifest.
    pub(crate) settings: Settings,
    /// The signal handler.
    pub(crate) signals: Signals,
    /// Says what is to be said beside the log.
    pub(crate) voice: Voice,
}

impl Host {
    /// Says what an operator should know of the sandbox of a command that has no log of its own, or none yet.
    pub(crate) fn say_warnings(&self, sandbox: &Sandbox) {
        sandbox.take_warnings().iter().for_each(|warning| self.voice.warn("code-cache", warning));
    }
}
