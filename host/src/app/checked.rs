//! Checks a manifest and its components without running anything.
//! The inputs of a run (params, variables, files) are checked in `inputs`.

use crate::app::build::BUILD_LEFT_NO_FILE;
use crate::app::component_file::read_component;
use crate::app::imports::Supply;
use crate::app::parallel_map::parallel_map;
use crate::app::pinned::{accepting, not_pinned};
use crate::app::remote_components::{Arrival, RemoteComponent, fetch_all};
use crate::app::wit_files::read_wit;
use crate::app::{Error, Refusal, grant_check, grants, imports, inputs};
use crate::config::{Environment, Settings, cores, memory_budget, program};
use crate::fetch::Fetcher;
use crate::graph::{Graph, Manifests, Resolved};
use crate::manifest;
use crate::manifest::ComponentSource;
use crate::model::{Digest, Fault, Faults, Name, Shortage, Size, Spanned};
use crate::plan;
use crate::plan::{Interface, InvalidPlan, Plan};
use crate::sandbox;
use crate::sandbox::{
    Bounds, CompilePool, Component, Exceeded, GuestKind, LoadError, LoadRequest, Sandbox, Wit,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A fully typed manifest with its components loaded.
#[derive(Clone)]
pub(crate) struct Checked {
    /// The manifests.
    pub manifests: Arc<Manifests>,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The components, in manifest order, each with what it imports from others.
    pub components: Vec<Component>,
    /// The imports of each that the manifest satisfies.
    pub(crate) supplies: Vec<Vec<Supply>>,
}

/// Opens the sandbox of this host. Components are compiled by child processes of `compiler`, or else in this process.
pub(crate) fn open_sandbox(settings: &Settings, compiler: Option<PathBuf>) -> Result<Sandbox, Error> {
    let code = sandbox::Settings { calls: settings.jobs, code_cache: settings.code_cache.clone() };
    let sandbox = Sandbox::new(code)?.with_budget(settings.memory).with_scratch(settings.scratch.clone());
    Ok(match compiler {
        Some(program) => sandbox.with_compile_pool(compile_pool(settings, program)),
        None => sandbox,
    })
}

/// Returns the path of this program, which compiles components in child processes of its own.
pub(crate) fn own_compiler() -> Result<PathBuf, Refusal> {
    program().map_err(|error| {
        Refusal::new("this host cannot find its own program, which compiles components").caused_by(error)
    })
}

/// Creates the pool of compiler processes: one per core, each with a memory limit.
pub(crate) fn compile_pool(settings: &Settings, program: PathBuf) -> CompilePool {
    let default = Bounds::default();
    let bounds = Bounds {
        component: settings.compile.component.unwrap_or(default.component),
        memory: settings.compile.memory(default.memory),
        time: settings.compile.timeout.unwrap_or(default.time),
    };
    let fitting = memory_budget().as_bytes() / bounds.memory.as_bytes().max(1);
    let max_processes = usize::try_from(fitting.clamp(1, u64::from(cores()))).unwrap_or(1);
    CompilePool { program, bounds, max_processes, cores: cores() }
}

/// Whether the components' build commands have just run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builds {
    /// The commands ran.
    Run,
    /// The commands did not run.
    NotRun,
}

/// Loads the components, checks the grants and types every edge. Returns all faults together, including those of the
/// text.
pub(crate) fn check(
    resolved: Resolved,
    (sandbox, fetcher): (&Sandbox, &Fetcher),
    environment: &Environment,
    builds: Builds,
) -> Result<Checked, Error> {
    let Resolved { graph, mut faults } = resolved;
    grants::check(graph.manifests(), environment, &mut faults);
    let guests = guests(&graph);
    let components = graph.manifests().components().zip(&guests);
    let sources: Vec<Option<Source<'_>>> =
        components.map(|(component, guest)| Source::new(component, *guest)).collect();
    let components = loaded(&sources, (builds, sandbox, fetcher), &mut faults);
    let linked = imports::link(&graph, (&components, &guests), sandbox, &mut faults);
    let components: Vec<Option<Component>> =
        linked.iter().map(|linked| linked.as_ref().map(|linked| linked.component.clone())).collect();
    grant_check::check(&graph, &components, &mut faults);
    let interfaces: Vec<Option<Interface>> =
        components.iter().map(|component| component.as_ref().map(interface)).collect();
    let plan = plan::compile_all(&graph, &interfaces, faults).map_err(|invalid| {
        let InvalidPlan { mut faults, inputs } = invalid;
        inputs::find_faults(&inputs, environment, &mut faults);
        faults.sort();
        faults
    })?;
    // Without faults every component was loaded.
    let (components, supplies) =
        linked.into_iter().flatten().map(|linked| (linked.component, linked.supplies)).unzip();
    Ok(Checked { manifests: Arc::new(graph.into_manifests()), plan: Arc::new(plan), components, supplies })
}

/// Checks inputs before a run has params: files must be readable as their types, and variables without a default must
/// be set.
pub(crate) fn check_inputs(checked: &Checked, environment: &Environment) -> Result<(), Error> {
    let mut faults = Faults::none(checked.manifests.sources().clone());
    inputs::find_faults(checked.plan.inputs(), environment, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// Returns a kind of guest for each component that tasks call it with: if all tasks have a fuel limit, no code without is
/// compiled.
fn guests(graph: &Graph) -> Vec<GuestKind> {
    let mut guests: Vec<Option<GuestKind>> = vec![None; graph.manifests().components().count()];
    for (node, task) in graph.tasks() {
        if let Some(guest) = node.component.and_then(|at| guests.get_mut(at)) {
            let kind = GuestKind::of(&task.policy.limits);
            *guest = Some(guest.map_or(kind, |known| known.min(kind)));
        }
    }
    guests.into_iter().map(|guest| guest.unwrap_or(GuestKind::PLAIN)).collect()
}

fn interface(component: &Component) -> Interface {
    Interface { digest: *component.identity(), exports: component.exports().to_vec() }
}

/// A component as the manifest declares it.
struct Source<'a> {
    name: &'a Name,
    component: &'a manifest::Component,
    from: &'a Spanned<ComponentSource>,
    guest: GuestKind,
}

impl<'a> Source<'a> {
    /// Returns `None` if the manifest has no readable source, which was reported.
    fn new((name, component): (&'a Name, &'a manifest::Component), guest: GuestKind) -> Option<Self> {
        Some(Self { name, component, from: component.source.as_ref()?, guest })
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        let fault = Fault::spanned(self.from.span.clone(), message);
        if self.remote().is_some_and(|remote| remote.from.is_secret()) { fault.secret() } else { fault }
    }

    /// Returns the component, if it comes from elsewhere.
    fn remote(&self) -> Option<RemoteComponent<'a>> {
        let ComponentSource::Remote(from) = &self.from.value else { return None };
        let pin = self.component.sha256.as_ref();
        Some(RemoteComponent { name: self.name, from, span: &self.from.span, pin })
    }
}

/// Loads all components, in parallel. Manifests that declare the same component share it.
fn loaded(
    sources: &[Option<Source<'_>>],
    (builds, sandbox, fetcher): (Builds, &Sandbox, &Fetcher),
    faults: &mut Faults,
) -> Vec<Option<Component>> {
    let mut first: HashMap<Declared<'_>, usize> = HashMap::new();
    let mut same: Vec<Option<usize>> = Vec::with_capacity(sources.len());
    for (position, source) in sources.iter().enumerate() {
        let declared = source.as_ref().map(Declared::new);
        same.push(declared.map(|declared| *first.entry(declared).or_insert(position)));
    }
    let is_first = |position: usize| same.get(position).copied().flatten() == Some(position);
    let distinct: Vec<Option<&Source<'_>>> = sources
        .iter()
        .enumerate()
        .map(|(position, source)| source.as_ref().filter(|_| is_first(position)))
        .collect();
    let remote: Vec<RemoteComponent<'_>> =
        distinct.iter().flatten().filter_map(|source| source.remote()).collect();
    let mut arrivals = fetch_all(&remote, fetcher).into_iter();
    let origins = distinct.into_iter().map(|source| {
        let source = source?;
        Some((source, source.remote().and_then(|_| arrivals.next())))
    });
    let origins: Vec<Option<(&Source<'_>, Option<Arrival>)>> = origins.collect();
    let loaded = parallel_map(sandbox.max_parallel_loads(), &origins, |origin| {
        let (source, arrival) = origin.as_ref()?;
        Some(load((source, arrival.as_ref()), builds, sandbox))
    });
    let loaded: Vec<Option<Component>> =
        loaded.into_iter().map(|loaded| loaded?.map_err(|fault| faults.push(*fault)).ok()).collect();
    same.into_iter().map(|first| loaded.get(first?)?.clone()).collect()
}

/// All that a loaded component depends on.
#[derive(PartialEq, Eq, Hash)]
struct Declared<'a> {
    name: &'a Name,
    source: ComponentSource,
    sha256: Option<&'a Digest>,
    wit: Option<(PathBuf, Option<&'a str>)>,
    guest: GuestKind,
}

impl<'a> Declared<'a> {
    fn new(source: &Source<'a>) -> Self {
        // A file that is missing has only the path that is written.
        let identity = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let component = source.component;
        Self {
            name: source.name,
            source: match &source.from.value {
                ComponentSource::File(path) => ComponentSource::File(identity(path)),
                remote @ ComponentSource::Remote(_) => remote.clone(),
            },
            sha256: component.sha256.as_ref().map(|sha256| &sha256.value),
            wit: component.wit.as_ref().map(|wit| (identity(&wit.path.value), wit.world.as_deref())),
            guest: source.guest,
        }
    }
}

fn load(
    (source, arrival): (&Source<'_>, Option<&Arrival>),
    builds: Builds,
    sandbox: &Sandbox,
) -> Result<Component, Box<Fault>> {
    let bytes = match (&source.from.value, arrival) {
        (ComponentSource::File(path), _) => read((source, path), builds, sandbox.max_component_size())?,
        (ComponentSource::Remote(_), Some(fetched)) => {
            let fetched = fetched.as_ref().map_err(Clone::clone)?;
            fetched.read().map_err(|error| Box::new(unreadable(source, &error)))?
        }
        // Each of them was fetched, or has a fault.
        (ComponentSource::Remote(_), None) => Bytes::new(),
    };
    let wit = source.component.wit.as_ref().map(|wit| wit_of(source, wit)).transpose()?;
    let request = LoadRequest { name: source.name.as_str(), wit: wit.as_ref(), guest: source.guest };
    let loaded = sandbox.load_as(bytes, &request);
    loaded.map_err(|error| Box::new(not_loaded(source, &error)))
}

/// Reads the WIT that the manifest names for a core module.
fn wit_of(source: &Source<'_>, wit: &manifest::WitSource) -> Result<Wit, Box<Fault>> {
    let manifest::WitSource { path, world } = wit;
    match read_wit(&path.value) {
        Ok(packages) => Ok(Wit { packages, world: world.clone() }),
        Err(error) => {
            let message = format!("cannot read the WIT of the component `{}`", source.name);
            let fault = Fault::spanned(path.span.clone(), message)
                .note(format!("`{}`: {error}", path.value.display()));
            let help = Shortage::from_error(&error)
                .map_or("name a folder with `.wit` files, or one such file", Shortage::help);
            Err(Box::new(fault.help(help)))
        }
    }
}

fn unreadable(source: &Source<'_>, error: &std::io::Error) -> Fault {
    let fault = source.fault(format!("cannot read the component `{}`", source.name)).note(error.to_string());
    match Shortage::from_error(error) {
        Some(shortage) => fault.help(shortage.help()),
        None => fault,
    }
}

fn read((source, path): (&Source<'_>, &Path), builds: Builds, max: Size) -> Result<Bytes, Box<Fault>> {
    let Source { name, component, .. } = source;
    let bytes = read_component(path, max).map_err(|error| {
        let fault = source
            .fault(format!("cannot read the component `{name}`"))
            .note(format!("`{}`: {error}", path.display()));
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            return Box::new(fault.help(Exceeded::Component(max).help()));
        }
        if let Some(shortage) = Shortage::from_error(&error) {
            return Box::new(fault.help(shortage.help()));
        }
        Box::new(match (&component.build, builds) {
            (Some(_), Builds::NotRun) => {
                fault.help("run with `--build`, or `cascade-host build`, to run its build command first")
            }
            (Some(_), Builds::Run) => fault.help(BUILD_LEFT_NO_FILE),
            (None, _) => fault
                .help("paths are relative to the manifest's folder")
                .help("build the component first; with a `build` key beside `path`, `--build` does it"),
        })
    })?;
    let found = Digest::of_bytes(&bytes);
    match &component.sha256 {
        Some(pin) if pin.value != found => {
            let fault = not_pinned(name, pin, (&path.display().to_string(), &found));
            Err(Box::new(fault.help(accepting(&found))))
        }
        _ => Ok(bytes), // the digest matches, or none is pinned
    }
}

fn not_loaded(source: &Source<'_>, error: &LoadError) -> Fault {
    let span = match (error, &source.component.wit) {
        (LoadError::Adapt(_) | LoadError::WitOfComponent, Some(wit)) => &wit.path.span,
        _ => &source.from.span, // every other error is about the file
    };
    let mut fault = source.fault(format!("cannot load the component `{}`", source.name));
    fault.location = Fault::spanned(span.clone(), "").location;
    imports::with_causes(fault.note(error.to_string()), error)
}
