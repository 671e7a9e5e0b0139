//! A checked manifest with everything that one run of it needs: inputs, grants, targets, an id.
//! Nothing has started yet; `run` opens the run at its backend.

use crate::app::grant_check::Needs;
use crate::app::imports::Supply;
use crate::app::targets::{Targets, targets};
use crate::app::{Checked, Error, Hook, Params, grant_check, grants, inputs};
use crate::config::Environment;
use crate::engine;
use crate::graph::Manifests;
use crate::invoke;
use crate::manifest::Grants;
use crate::model::{Digest, Fault, Faults, Name, RunId, Secrets, Size, TaskName};
use crate::plan;
use crate::plan::{BindRequest, Bound, Plan};
use crate::sandbox::{Component, GuestKind, Sandbox};
use crate::state::{RunShape, StateUri};
use crate::value::{Type, leaves};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The settings of a run besides its manifest.
pub(crate) struct SessionRequest<'a> {
    /// Values of params.
    pub params: &'a Params,
    /// Tasks to restrict the run to; empty for all.
    pub targets: &'a [String],
    /// The run id.
    pub run: RunId,
    /// The environment variables of this host.
    pub environment: &'a Environment,
    /// The memory budget of all guests together.
    pub memory: Size,
}

/// Maximum size of a value in Redis (`proto-max-bulk-len`).
const MAX_REDIS_VALUE: Size = Size::bytes(512 << 20);

/// A run of a manifest, not yet started.
pub(crate) struct Session {
    /// The manifests.
    pub manifests: Arc<Manifests>,
    /// The run id.
    pub run: RunId,
    /// The plan bound to its inputs.
    pub bound: Arc<Bound>,
    /// The shape of the plan, as a ledger sees it.
    pub shape: Arc<RunShape>,
    pub(crate) targets: Targets,
    components: Vec<Component>,
    supplies: Vec<Vec<Supply>>,
    grants: Vec<invoke::Grants>,
    /// The webhook of `[notify]`; none without that section.
    pub(crate) hook: Option<Arc<Hook>>,
}

impl Session {
    /// Reads the inputs and fits them to the plan. Returns all faults together.
    pub(crate) fn new(checked: Checked, request: &SessionRequest<'_>) -> Result<Self, Error> {
        let Checked { manifests, plan, components, supplies } = checked;
        let targets = targets(&plan, request.targets)?;
        let mut faults = Faults::none(manifests.sources().clone());
        let inputs = inputs::gather(plan.inputs(), request.params, request.environment, &mut faults);
        let (grants, digests) = resolve_grants(&plan, &manifests, request.environment, &mut faults);
        let bind_request = BindRequest {
            inputs,
            grants: digests,
            variables: grants.iter().map(|granted| granted.env.as_slice()).collect(),
            folder: &manifests.root().folder,
            run: &request.run,
        };
        let bound = match plan::bind(&plan, bind_request, manifests.sources()) {
            Ok(bound) if faults.is_empty() => bound,
            Ok(_) => return Err(faults.into()),
            Err(mut more) => {
                // Report a malformed input once, not also as missing.
                let is_reported =
                    |fault: &Fault| faults.list.iter().any(|reported| reported.location == fault.location);
                more.list.retain(|fault| !is_reported(fault));
                faults.list.extend(more.list);
                faults.sort();
                return Err(faults.into());
            }
        };
        let shape = engine::shape(&bound, &targets.is_included, &targets.shown, request.memory);
        Ok(Self {
            manifests,
            run: request.run.clone(),
            bound: Arc::new(bound),
            shape: Arc::new(shape),
            targets,
            components,
            supplies,
            grants,
            hook: None,
        })
    }

    /// Returns this run with the webhook of `[notify]`. Runs of tests and of a watch have none.
    pub(crate) fn notifying(self, environment: &Environment) -> Result<Self, Error> {
        let hook = Hook::of(&self.manifests, environment)?.map(Arc::new);
        Ok(Self { hook, ..self })
    }

    /// Returns what must not be shown: all texts, bytes and numbers in secret params, and the values of variables that
    /// are granted or that `[notify]` names.
    #[must_use]
    pub(crate) fn secrets(&self) -> Secrets {
        let inputs = self.bound.plan().inputs().iter().zip(self.bound.inputs());
        let secret = inputs.filter(|(input, _)| input.is_secret);
        // A bound value always has the type of its input.
        let params = secret.flat_map(|(input, bytes)| leaves(&input.ty, bytes).unwrap_or_default());
        let functions = self.bound.plan().functions().iter().zip(&self.grants);
        let guests = functions.filter_map(|(function, granted)| Some((function.component()?, granted)));
        let variables = guests.flat_map(|(component, granted)| hidden_variables(&component.grants, granted));
        let hook = self.hook.iter().flat_map(|hook| hook.hidden()).map(|text| text.as_bytes().to_vec());
        Secrets::new(params.chain(variables.map(String::into_bytes)).chain(hook))
    }

    /// Returns the outputs that the run may have, with their types.
    #[must_use]
    pub(crate) fn outputs(&self) -> Vec<(String, Type)> {
        let plan = self.bound.plan();
        let shown = &self.targets.shown;
        let declared = plan.outputs().iter().zip(&shown.declared).filter(|(_, is_shown)| **is_shown);
        let declared = declared.map(|(output, _)| (output.name.clone(), output.ty.clone()));
        declared.chain(shown.named(plan).into_iter().map(|(name, _, ty)| (name, ty))).collect()
    }

    /// Returns the pipelines with tasks of this run, each with the names of these tasks.
    pub(crate) fn pipelines(&self) -> impl Iterator<Item = (&plan::Pipeline, Vec<&TaskName>)> {
        let included = &self.targets.is_included;
        let tasks = self.bound.plan().tasks();
        let of = move |pipeline: &plan::Pipeline| -> Vec<&TaskName> {
            let positions = pipeline.tasks.clone().filter(|task| included.get(*task) == Some(&true));
            positions.filter_map(|task| tasks.get(task)).map(|task| &task.name).collect()
        };
        let pipelines = self.bound.plan().pipelines().iter();
        pipelines.map(move |pipeline| (pipeline, of(pipeline))).filter(|(_, tasks)| !tasks.is_empty())
    }

    /// Compares a task's grants with its component's imports.
    #[must_use]
    pub(crate) fn needs(&self, task: &plan::Task) -> Needs {
        let component = self.bound.plan().function_of(task).and_then(plan::Function::component);
        let found = component.and_then(|function| Some((function, self.components.get(function.component)?)));
        let compare = |(function, component): (&plan::ComponentFunction, _)| {
            let place = (task.place, &function.grants);
            grant_check::needs(&self.manifests, place, function.component, component)
        };
        found.and_then(compare).unwrap_or_default()
    }

    /// Returns the imports that the manifest satisfies in the sandbox of a task, with the name of its component.
    pub(crate) fn supplies(&self, task: &plan::Task) -> Option<(&Name, &[Supply])> {
        let component = self.bound.plan().function_of(task)?.component()?;
        Some((&component.component_name, self.supplies.get(component.component)?))
    }

    /// Refuses limits above what the state backend can store: Redis would reject such a result after the work.
    pub(crate) fn check_limits(&self, uri: &StateUri) -> Result<(), Error> {
        let max = match uri {
            StateUri::Memory => return Ok(()),
            StateUri::Redis(_) => MAX_REDIS_VALUE,
        };
        let mut faults = Faults::none(self.manifests.sources().clone());
        for task in self.bound.plan().tasks() {
            let output = task.limits.output;
            if output > max {
                let message = format!(
                    "task `{}`: `limits.output` = {output} exceeds the maximum size of a Redis value",
                    task.name
                );
                let help = format!("write at most {max}, or use the state `memory:`");
                let written = self.manifests.task(task.place);
                let span = written.map_or(0..0, |(_, written)| written.span.clone());
                faults.push(Fault::spanned(span, message).help(help));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }

    /// Prepares every function of a component for calls, in the plan's order, which has them first. Call it before the run starts, since code
    /// that counts fuel may have to be compiled first.
    pub(crate) fn prepare(&self, sandbox: &Sandbox) -> Result<(), Error> {
        sandbox.require_address_space()?;
        let plan = self.bound.plan();
        for ((function, grants), guests) in plan.functions().iter().zip(&self.grants).zip(guests(plan)) {
            let Some(function) = function.component() else { continue };
            if let Some(component) = self.components.get(function.component) {
                let guests: Vec<GuestKind> = guests.into_iter().collect();
                let command = function.command.as_ref();
                sandbox.prepare(component, &function.export, command, grants.clone(), &guests)?;
            }
        }
        // Engines for larger stacks are created with the first function that needs one.
        Ok(sandbox.require_address_space()?)
    }
}

/// Minimum length at which values written in the manifest are hidden. A short value, as in `MODE=fast`, is no secret
/// and may be part of any word.
const MIN_HIDDEN_LENGTH: usize = 8;

/// Returns the values of granted variables to hide.
fn hidden_variables(written: &Grants, granted: &invoke::Grants) -> Vec<String> {
    let is_written = |name: &str| {
        let mut entries = written.env.iter().filter_map(|entry| entry.value.split_once('='));
        entries.any(|(written, _)| written == name)
    };
    let is_hidden = |(name, value): &&(String, String)| {
        !is_written(name) || Secrets::has_at_least(value, MIN_HIDDEN_LENGTH)
    };
    granted.env.iter().filter(is_hidden).map(|(_, value)| value.clone()).collect()
}

fn resolve_grants(
    plan: &Plan,
    manifests: &Manifests,
    environment: &Environment,
    faults: &mut Faults,
) -> (Vec<invoke::Grants>, Vec<Digest>) {
    let resolve = |function: &plan::Function| {
        let Some(component) = function.component() else {
            let none = grants::resolve(&Grants::default(), &manifests.root().folder, environment, faults);
            return (none.grants, none.digest);
        };
        let manifest =
            manifests.of_component(component.component).and_then(|position| manifests.get(position));
        let folder = &manifest.unwrap_or(manifests.root()).folder;
        let mut resolved = grants::resolve(&component.grants, folder, environment, faults);
        // The sandbox puts the name of a command before its arguments.
        let program = component.program().filter(|_| component.command.is_none());
        resolved.grants.args.splice(0..0, program.map(ToString::to_string));
        (resolved.grants, resolved.digest)
    };
    let resolved = plan.functions().iter().map(resolve).unzip();
    // Functions of one component share its grants, and so their faults.
    faults.sort_and_dedup();
    resolved
}

/// Returns the kinds of guests that call each function.
fn guests(plan: &Plan) -> Vec<BTreeSet<GuestKind>> {
    let mut guests = vec![BTreeSet::new(); plan.functions().len()];
    for task in plan.tasks() {
        if let Some(kinds) = guests.get_mut(task.function) {
            kinds.insert(GuestKind::of(&task.limits));
        }
    }
    guests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        Page::of("limits").section("Limits of a Redis state").says(&MAX_REDIS_VALUE.to_string());
        Page::of("state")
            .section("What the server needs")
            .line("values")
            .cell(1)
            .says(&MAX_REDIS_VALUE.to_string());
        Page::of("manifest").section("limits").row("output").says(&MAX_REDIS_VALUE.to_string());
    }
}
