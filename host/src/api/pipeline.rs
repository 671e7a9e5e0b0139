//! A checked manifest, ready to be run any number of times.
//! `app/checked` checks it; `run` describes one run of it.

use crate::api::{Error, Host};
use crate::app;
use crate::app::{Builds, Checked};
use crate::fetch::Fetcher;
use crate::graph::Resolved;
use crate::plan::InputKind;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A manifest whose components are loaded and whose types are checked. Cheap to clone.
///
/// ```
/// # use cascade_host::Pipeline;
/// # let folder = tempfile::tempdir().unwrap();
/// # let adder = r#"(component
/// #     (core module $m (func (export "add") (param i32 i32) (result i32)
/// #         (i32.add (local.get 0) (local.get 1))))
/// #     (core instance $i (instantiate $m))
/// #     (func (export "add") (param "x" u32) (param "y" u32) (result u32) (canon lift (core func $i "add"))))"#;
/// # std::fs::write(folder.path().join("adder.wasm"), wat::parse_str(adder).unwrap()).unwrap();
/// let manifest = r#"
///     cascade = 1
///     name = "sum"
///     params.x.type = "u32"
///     components.adder.path = "adder.wasm"
///     tasks.sum = { call = "adder.add", args.x = { param = "x" }, args.y = 2 }
/// "#;
/// let pipeline = Pipeline::from_text(manifest, folder.path())?;
/// let report = pipeline.run().param("x", 40).wait()?;
/// assert_eq!(report.output::<u32>("sum")?, 42);
/// # Ok::<(), cascade_host::Error>(())
/// ```
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) host: Host,
    pub(crate) checked: Arc<Checked>,
}

impl Pipeline {
    /// Reads and checks the manifest at a path, on a [`Host`] of its own with default settings.
    ///
    /// Blocks while components are compiled. The error lists all faults of the manifest.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        Host::builder().build()?.open(path)
    }

    /// Checks a manifest in text, whose paths are relative to `folder`, as [`Pipeline::from_path`] does. Manifests that it
    /// includes are read from there too.
    pub fn from_text(text: &str, folder: impl AsRef<Path>) -> Result<Self, Error> {
        Host::builder().build()?.parse(text, folder)
    }

    pub(crate) fn check(host: &Host, resolved: Resolved) -> Result<Self, Error> {
        let fetcher = Fetcher::new(host.settings(), host.variables(), host.sandbox());
        let checked = app::check(resolved, (host.sandbox(), &fetcher), host.variables(), Builds::NotRun)?;
        Ok(Self { host: host.clone(), checked: Arc::new(checked) })
    }

    /// Returns the manifest's `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.checked.manifests.root().name
    }

    /// Returns the params that tasks or outputs use.
    pub fn params(&self) -> impl Iterator<Item = Param<'_>> {
        self.checked.plan.inputs().iter().filter_map(|input| match &input.kind {
            InputKind::Param { name, default, description } => Some(Param {
                name: name.as_str(),
                ty: input.ty.to_string(),
                is_required: default.is_none(),
                description: description.as_deref(),
            }),
            InputKind::Env { .. }
            | InputKind::File(_)
            | InputKind::Files { .. }
            | InputKind::Literal { .. } => None,
        })
    }

    /// Returns the outputs with their types, such as `("top", "list<tuple<string, u32>>")`.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, String)> {
        self.checked.plan.outputs().iter().map(|output| (output.name.as_str(), output.ty.to_string()))
    }
}

impl Host {
    /// Reads and checks the manifest at a path. Blocks while components are compiled.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Pipeline, Error> {
        Pipeline::check(self, app::read(path.as_ref())?)
    }

    /// Checks a manifest in text, whose paths are relative to `folder`. Blocks while components are compiled.
    pub fn parse(&self, text: &str, folder: impl AsRef<Path>) -> Result<Pipeline, Error> {
        Pipeline::check(self, app::parse("manifest", text, folder.as_ref()))
    }
}

/// A param of a pipeline, as its manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Param<'a> {
    /// Name.
    pub name: &'a str,
    /// WIT type, such as `list<string>`.
    pub ty: String,
    /// Whether a run needs a value, since there is no default.
    pub is_required: bool,
    /// `description`.
    pub description: Option<&'a str>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("name", &self.name()).finish_non_exhaustive()
    }
}
