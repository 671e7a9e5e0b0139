//! The context of a command: environment, settings, signals, and the console on stderr.
//! `start` creates it after parsing the arguments.

use crate::cli::console::Console;
use crate::cli::process::Signals;
use crate::config::{Environment, Settings};
use crate::sandbox::Sandbox;

/// The context of every command.
pub(crate) struct Context {
    /// The environment variables of this process.
    pub(crate) environment: Environment,
    /// The settings, before those of a manifest.
    pub(crate) settings: Settings,
    /// The signal handler.
    pub(crate) signals: Signals,
    /// Prints messages outside the log.
    pub(crate) console: Console,
}

impl Context {
    /// Prints the warnings of the sandbox, for a command without a log, or before its log is open.
    pub(crate) fn print_warnings(&self, sandbox: &Sandbox) {
        sandbox.take_warnings().iter().for_each(|warning| self.console.warn("code-cache", warning));
    }
}
