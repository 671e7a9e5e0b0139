//! The context of a command: environment, settings, signals, and the console on stderr.
//! `start` creates it after parsing the arguments.

use crate::app;
use crate::app::Error;
use crate::cli::compilations::Compilations;
use crate::cli::console::Console;
use crate::cli::log::show_bytes;
use crate::cli::process::{Signals, stderr_reader};
use crate::config::{Environment, LogFormat, LogLevel, Settings};
use crate::fetch::Fetcher;
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
    /// Opens the sandbox of this host.
    pub(crate) fn open_sandbox(&self) -> Result<Sandbox, Error> {
        let sandbox = app::open_sandbox(&self.settings, Some(app::own_compiler()?))?;
        Ok(self.reporting(sandbox))
    }

    /// Returns the fetcher of components from elsewhere, with a line on stderr, for people, for each.
    pub(crate) fn fetcher(&self, sandbox: &Sandbox) -> Fetcher {
        let fetcher = Fetcher::new(&self.settings, &self.environment, sandbox);
        if self.is_quiet() {
            return fetcher;
        }
        let console = self.console.clone();
        fetcher.with_notice(move |from, size| {
            let size = size.map(|size| format!(" ({})", show_bytes(size.as_bytes())));
            console.note("fetching", &format!("fetching {from}{}", size.unwrap_or_default()));
        })
    }

    /// Returns whether lines about the progress of a command are left out.
    fn is_quiet(&self) -> bool {
        self.console.format() == LogFormat::Json || self.settings.log_level < LogLevel::Info
    }

    /// Returns the sandbox with lines on stderr, for people, about each component whose compilation takes long.
    pub(crate) fn reporting(&self, sandbox: Sandbox) -> Sandbox {
        if self.is_quiet() {
            return sandbox;
        }
        let compilations = Compilations::new(self.console.clone(), stderr_reader());
        sandbox.with_slow_compile(move |report| compilations.follow(report))
    }

    /// Prints the warnings of the sandbox, for a command without a log, or before its log is open.
    pub(crate) fn print_warnings(&self, sandbox: &Sandbox) {
        sandbox.take_warnings().iter().for_each(|warning| self.console.warn("code-cache", warning));
    }
}
