//! A host inside of a Rust program: the sandbox, its budget, and the runtime that runs are executed on.
//! Pipelines are checked and run on it; the command line has its own setup in `cli`.

use crate::api::Error;
use crate::app;
use crate::app::{Backends, Refusal, runtime_for_guests};
use crate::config::{Environment, Overrides, Settings, SettingsFile, spare_files};
use crate::sandbox::Sandbox;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, Runtime};

/// Executes pipelines. Cheap to clone; all clones share slots, memory budget, compiled code, `memory:` state and
/// connections.
///
/// ```
/// # use cascade_host::Host;
/// let host = Host::builder().jobs(4).memory("2GiB").environment([("LANG", "C")]).build()?;
/// let another = host.clone();
/// # Ok::<(), cascade_host::Error>(())
/// ```
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    settings: Settings,
    environment: Environment,
    sandbox: Sandbox,
    backends: Backends,
    runtime: LazyRuntime,
}

/// Settings of a [`Host`]. Unlike the command line, a host reads no variable and no settings file unless asked.
///
/// ```no_run
/// # use cascade_host::Host;
/// let host = Host::builder()
///     .jobs(8)
///     .code_cache("/var/cache/reports/code")
///     .compiler("/usr/local/bin/cascade-host")
///     .inherit_environment()
///     .build()?;
/// let pipeline = host.open("report.toml")?;
/// # Ok::<(), cascade_host::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct HostBuilder {
    jobs: Option<u32>,
    memory: Option<String>,
    code_cache: Option<PathBuf>,
    compiler: Option<PathBuf>,
    environment: Environment,
}

impl HostBuilder {
    /// Sets the number of slots: guests that run at the same time. Default: one per core.
    #[must_use]
    pub fn jobs(mut self, jobs: u32) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// Sets the memory budget of all guests together, as a size such as `2GiB`. Default: three quarters of the
    /// machine's memory.
    #[must_use]
    pub fn memory(mut self, size: impl Into<String>) -> Self {
        self.memory = Some(size.into());
        self
    }

    /// Sets the folder for compiled code, which makes later starts faster. Default: none.
    ///
    /// The folder must belong to this user alone: the code in it is executed.
    #[must_use]
    pub fn code_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.code_cache = Some(folder.into());
        self
    }

    /// Compiles components in child processes of this `cascade-host` binary, with bounds on memory and time.
    ///
    /// By default components are compiled in this process, without those bounds. Set it if the components are not
    /// trusted.
    #[must_use]
    pub fn compiler(mut self, program: impl Into<PathBuf>) -> Self {
        self.compiler = Some(program.into());
        self
    }

    /// Sets the environment variables that manifests may read. Default: none.
    #[must_use]
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// Sets the environment variables of this process, those of `cascade-host` included, such as `CASCADE_STATE`.
    #[must_use]
    pub fn inherit_environment(mut self) -> Self {
        self.environment = Environment::of_process();
        self
    }

    /// Creates the host. Fails if a setting is invalid, or the sandbox cannot be created on this machine.
    pub fn build(self) -> Result<Host, Error> {
        let overrides = Overrides {
            jobs: self.jobs.map(|jobs| jobs.to_string()),
            memory: self.memory,
            ..Overrides::default()
        };
        let settings = Settings::new(&overrides, &self.environment, &SettingsFile::default());
        let mut settings = settings.map_err(app::Error::from)?;
        settings.code_cache = self.code_cache.or(settings.code_cache);
        let sandbox = app::open_sandbox(&settings, self.compiler)?.with_shared_budget();
        sandbox.share_files(spare_files());
        Ok(Host(Arc::new(Inner {
            settings,
            environment: self.environment,
            sandbox,
            backends: Backends::default(),
            runtime: LazyRuntime::default(),
        })))
    }
}

impl Host {
    /// Starts with the default settings.
    #[must_use]
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn variables(&self) -> &Environment {
        &self.0.environment
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.0.backends
    }

    pub(crate) fn runtime(&self) -> Result<Handle, Error> {
        let jobs = usize::try_from(self.0.settings.jobs).unwrap_or(1);
        Ok(self.0.runtime.get(jobs).map_err(app::Error::from)?)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("jobs", &self.0.settings.jobs)
            .field("memory", &self.0.settings.memory)
            .finish_non_exhaustive()
    }
}

/// The runtime of a host, created for its first run: connections belong to it, and outlive a run.
// A mutex because runs may start from several threads; its section creates the runtime once.
#[derive(Default)]
struct LazyRuntime(Mutex<Option<Runtime>>);

impl LazyRuntime {
    fn get(&self, jobs: usize) -> Result<Handle, Refusal> {
        let mut runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let made = runtime_for_guests(jobs.saturating_add(1))?; // one for the run loop
        Ok(runtime.insert(made).handle().clone())
    }
}

impl Drop for LazyRuntime {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where the last clone is dropped on an async runtime.
        let runtime = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        runtime.into_iter().for_each(Runtime::shutdown_background);
    }
}
