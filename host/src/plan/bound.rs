//! A plan with its inputs, and the digests that decide whether another run computes the same.
//! The application reads the inputs, and `fit` fits them to their types.

use crate::model::{Digest, Digester, Faults, Name, RunId, Sources, TaskIdx};
use crate::plan::callee_digests::{Keys, callee_digest, callee_keys};
use crate::plan::counting::all_excesses;
use crate::plan::known::{Inputs, Known};
use crate::plan::lineage::Lineage;
use crate::plan::recipe::Recipes;
use crate::plan::secrecy::SecretArgs;
use crate::plan::sources::Read;
use crate::plan::{
    Binding, ComponentFunction, Difference, Input, OnError, Output, Pipeline, PipelineRecord, Plan,
    PlanRecord, Repeat, Supplied, Task, fit, nesting, sources,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// The inputs, grants and identity of a run.
pub struct BindRequest<'a> {
    /// Values by position in [`Plan::inputs`]; `None` for an input without a value.
    pub inputs: Vec<Option<Supplied>>,
    /// Digests of the resolved grants, by position in [`Plan::functions`].
    pub grants: Vec<Digest>,
    /// Names and values of granted variables, by position in [`Plan::functions`].
    pub variables: Vec<&'a [(String, String)]>,
    /// The manifest's folder; displayed file names are relative to it.
    pub folder: &'a Path,
    /// The run; the digests of secrets are keyed by its id.
    pub run: &'a RunId,
}

#[cfg(any(test, feature = "internals"))]
impl<'a> BindRequest<'a> {
    /// Returns the values of a run without inputs.
    #[must_use]
    pub fn without_inputs(grants: Vec<Digest>, run: &'a RunId) -> Self {
        Self { inputs: Vec::new(), grants, variables: Vec::new(), folder: Path::new(""), run }
    }
}

/// A plan with its inputs.
#[derive(Debug)]
pub struct Bound {
    plan: Arc<Plan>,
    inputs: Vec<Bytes>,
    grants: Vec<Digest>,
    digest: Digest,
    fingerprints: Vec<Digest>,
    callees: Vec<Digest>,
    /// Per task, which arguments may be secret.
    secret_args: Vec<SecretArgs>,
    /// The names of the inputs, by position in the plan.
    names: Vec<String>,
    record: Bytes,
}

impl Bound {
    /// Returns the plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns the inputs' values, by position in [`Plan::inputs`], each of the input's type.
    #[must_use]
    pub fn inputs(&self) -> &[Bytes] {
        &self.inputs
    }

    /// Returns the digests of the resolved grants, by position in [`Plan::functions`].
    #[must_use]
    pub fn grants(&self) -> &[Digest] {
        &self.grants
    }

    /// Returns the digest of everything that determines the results of the run.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns, for each task, the digest of everything that determines its result.
    #[must_use]
    pub fn fingerprints(&self) -> &[Digest] {
        &self.fingerprints
    }

    /// Returns the digests of the functions with their grants, keyed by the run, by position in [`Plan::functions`].
    #[must_use]
    pub fn callees(&self) -> &[Digest] {
        &self.callees
    }

    /// Returns whether an argument of a task is made of a secret input.
    #[must_use]
    pub fn is_secret_arg(&self, task: TaskIdx, position: usize) -> bool {
        self.secret_args.get(task.index()).is_none_or(|args| args.contains(position))
    }

    /// Returns the stored form of the plan's [`PlanRecord`]: digests of its parts, which locate a later difference.
    #[must_use]
    pub const fn record(&self) -> &Bytes {
        &self.record
    }

    /// Returns the differences from a stored plan, in the order of this one.
    #[must_use]
    pub fn differences(&self, stored: &PlanRecord) -> Vec<Difference> {
        // Cannot fail: `bind` encoded the record.
        let Some(record) = PlanRecord::decode(&self.record) else { return Vec::new() };
        let tasks: HashMap<&str, &Task> =
            self.plan.tasks().iter().map(|task| (task.name.as_str(), task)).collect();
        let explained = record.differences(stored).into_iter().map(|difference| match difference {
            Difference::Changed { task, key, .. } => {
                let read = match tasks.get(&*task) {
                    Some(task) => sources::inputs_of_key(&self.plan, task, &key, &self.names),
                    None => self.inputs_of_argument(&task, &key),
                };
                let read = read.into_iter();
                let inputs = read.filter(|name| record.has_changed(name, stored)).collect();
                Difference::Changed { task, key, inputs }
            }
            other @ (Difference::Added(_) | Difference::Removed(_) | Difference::Reordered) => other,
        });
        explained.collect()
    }

    /// Returns the names of the secret inputs that an output is made of, without those that only tasks read.
    #[must_use]
    pub fn secrets_in(&self, output: &Output) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        output.binding.each_input(&mut |input| {
            if self.plan.inputs().get(input).is_some_and(|input| input.is_secret) {
                found.extend(self.names.get(input).cloned());
            }
        });
        found
    }

    /// Returns the names of the inputs that an argument of a pipeline reads.
    fn inputs_of_argument(&self, pipeline: &str, key: &str) -> BTreeSet<String> {
        let found = self.plan.pipelines().iter().find(|found| found.name.as_str() == pipeline);
        let arguments = found.into_iter().flat_map(|found| &found.arguments);
        let is_it = |name: &Name| key.strip_prefix("args.").is_some_and(|param| param == name.as_str());
        let values = arguments.filter(|(name, _)| is_it(name)).map(|(_, value)| &**value);
        sources::inputs_of(values, &self.names)
    }
}

/// Fits the given inputs to their types and computes all digests. Returns every fault at once.
pub fn bind(plan: &Arc<Plan>, request: BindRequest<'_>, sources: &Sources) -> Result<Bound, Faults> {
    let mut faults = Faults::none(sources.clone());
    let mut supplied = request.inputs.into_iter();
    let mut inputs = Vec::with_capacity(plan.inputs().len());
    for input in plan.inputs() {
        match fit(input, supplied.next().flatten()) {
            Ok(bytes) => inputs.push(bytes),
            Err(found) => faults.list.extend(found),
        }
    }
    if faults.is_empty() {
        faults.list.extend(all_excesses(plan, &Known::new(plan.inputs(), &inputs, Inputs::Shown)));
        faults.sort_and_dedup();
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let digests = plan
        .inputs()
        .iter()
        .zip(&inputs)
        .map(|(input, bytes)| input_digest(input, bytes, request.run))
        .collect();
    let parts = Parts { plan, inputs: digests, grants: &request.grants };
    let mut keys: Vec<Keys> = plan.tasks().iter().map(|task| parts.keys(task)).collect();
    for (task, _) in plan.finally() {
        let of_task = keys.get_mut(task.index());
        of_task.into_iter().for_each(|keys| keys.push(("finally".to_owned(), Digest::of_bytes(b"true"))));
    }
    let fingerprints = parts.fingerprints(&keys);
    let callees = plan.functions().iter().zip(&request.grants);
    let callees = callees.map(|(function, grants)| callee_digest(function, grants, request.run)).collect();
    let digest = run_digest(plan, &fingerprints);
    let tasks = plan.tasks().iter().map(|task| task.name.to_string()).zip(keys);
    let names = sources::names(plan, request.folder);
    let read = Read { inputs: &inputs, variables: &request.variables, run: request.run };
    let record = PlanRecord::new(tasks, sources::digests(&read, &names));
    let indexed = plan.tasks().iter().map(|task| plan.indexed(task)).collect();
    let record = record.with_pipelines(parts.pipelines(&inputs)).with_repeats(repeats(plan));
    let record = record.with_indexed(indexed).with_finally(plan.first_finally());
    let record = record.with_lineage(Lineage::of(plan, &names)).encode().into();
    Ok(Bound {
        plan: Arc::clone(plan),
        inputs,
        grants: request.grants,
        digest,
        fingerprints,
        callees,
        secret_args: plan.tasks().iter().map(|task| SecretArgs::of(plan, task)).collect(),
        names,
        record,
    })
}

/// Returns the digest of how a task repeats. `max` ends a task as a failure, which is stored by no run that is resumed.
pub(crate) fn repeat_digest(repeat: &Repeat) -> Digest {
    let mut digester = Digester::new("cascade repeat 1");
    digester.field(repeat.feed.as_bytes()).field(repeat.until.to_string().as_bytes());
    digester.finish()
}

/// Returns the maximum number of iterations of each task that repeats.
fn repeats(plan: &Plan) -> BTreeMap<String, u32> {
    let repeats =
        plan.tasks().iter().filter_map(|task| Some((task.name.to_string(), task.repeat.as_ref()?.max)));
    repeats.collect()
}

fn input_digest(input: &Input, bytes: &Bytes, run: &RunId) -> Digest {
    let mut digester = Digester::new("cascade input 1");
    if input.is_secret {
        digester.field(run.as_str().as_bytes());
    }
    digester.field(bytes);
    digester.finish()
}

/// Returns the digest of a run: names and fingerprints of its tasks.
fn run_digest(plan: &Plan, fingerprints: &[Digest]) -> Digest {
    let mut digester = Digester::new("cascade run 1");
    for (task, fingerprint) in plan.tasks().iter().zip(fingerprints) {
        digester.field(task.name.as_str().as_bytes()).digest(fingerprint);
    }
    digester.finish()
}

/// Everything that goes into the digests.
struct Parts<'a> {
    plan: &'a Plan,
    inputs: Vec<Digest>,
    grants: &'a [Digest],
}

impl Parts<'_> {
    /// Returns, for each task, the digest of what determines its result: its own keys, and the tasks that it reads or runs
    /// after. If one of them fails, there is no result.
    fn fingerprints(&self, keys: &[Keys]) -> Vec<Digest> {
        let tasks = self.plan.tasks();
        let mut fingerprints = vec![Digest::of_bytes(&[]); tasks.len()];
        for index in self.plan.order() {
            let (Some(task), Some(keys)) = (tasks.get(index.index()), keys.get(index.index())) else {
                continue;
            };
            let mut digester = Digester::new("cascade task 1");
            for (key, digest) in keys {
                digester.field(key.as_bytes()).digest(digest);
            }
            let mut add = |before: TaskIdx| {
                fingerprints.get(before.index()).into_iter().for_each(|fingerprint| {
                    digester.digest(fingerprint);
                });
            };
            self.plan.bindings_of(task).for_each(|binding| binding.each_task(&mut add));
            task.after.iter().for_each(|after| add(*after));
            if let Some(slot) = fingerprints.get_mut(index.index()) {
                *slot = digester.finish();
            }
        }
        fingerprints
    }

    fn keys(&self, task: &Task) -> Keys {
        // All fields are named, so that the compiler asks whether a new one decides the result.
        let Task {
            function,
            args,
            when,
            around,

            for_each,
            product,
            repeat,
            after,
            on_error,
            leaves_out,
            // The types follow from the function, and the name is the key's own.
            name: _,
            place: _,
            output: _,
            value: _,
            error: _,
            // Where, when and how often a task runs does not change its result.
            waits_for: _,
            flow: _,
            needed_if: _,
            needed_level: _,
            max_parallel: _,
            policy: _,
            limits: _,
            resources: _,
            priority: _,
            deadline: _,
            height: _,
            cache: _,
        } = task;
        let mut keys = Vec::new();
        if let Some(callee) = self.plan.function_of(task) {
            keys.extend(callee_keys(callee));
            for ((name, _), arg) in callee.signature.params.iter().zip(args) {
                // The parameters of a command are named as the manifest writes them.
                let key = if callee.command().is_some() { name.to_string() } else { format!("args.{name}") };
                keys.push((key, self.binding_digest(arg)));
            }
            let component = callee.component();
            if let (Some(_), Some(grants)) = (component, self.grants.get(*function)) {
                keys.push(("grants".to_owned(), *grants));
            }
            if let Some(program) = component.and_then(ComponentFunction::program) {
                keys.push(("argv[0]".to_owned(), Digest::of_bytes(program.as_str().as_bytes())));
            }
        }
        for list in for_each {
            keys.push((format!("for-each.{}", list.item), self.binding_digest(&list.list)));
        }
        // A task of a pipeline depends on what the pipeline runs over.
        for pipeline in around.iter().filter_map(|pipeline| self.plan.pipelines().get(*pipeline)) {
            for list in &pipeline.for_each {
                let key = format!("{}: for-each.{}", pipeline.name, list.item);
                keys.push((key, self.binding_digest(&list.list)));
            }
            if pipeline.product {
                keys.push((format!("{}: product", pipeline.name), Digest::of_bytes(b"true")));
            }
        }
        if *product {
            keys.push(("product".to_owned(), Digest::of_bytes(b"true")));
        }
        keys.extend(repeat.iter().map(|repeat| ("repeat".to_owned(), repeat_digest(repeat))));
        if !when.is_empty() {
            let mut digester = Digester::new("cascade when 1");
            for when in when {
                digester
                    .digest(&self.binding_digest(&when.subject))
                    .field(&when.equals)
                    .number(u64::from(when.is_negated));
            }
            keys.push(("when".to_owned(), digester.finish()));
        }
        if !after.is_empty() {
            let mut digester = Digester::new("cascade after 1");
            after.iter().for_each(|after| self.name(*after, &mut digester));
            keys.push(("after".to_owned(), digester.finish()));
        }
        let levels = leaves_out.levels().filter_map(|level| around.get(usize::from(level) - 1));
        let leaving = levels.filter_map(|pipeline| self.plan.pipelines().get(*pipeline));
        keys.extend(on_error_keys(*on_error, leaving));
        keys
    }

    fn pipelines(&self, inputs: &[Bytes]) -> Vec<PipelineRecord> {
        let pipelines = self.plan.pipelines().iter().enumerate();
        let recipes = Recipes::new(self.plan, inputs);
        let record = |(position, pipeline): (usize, &Pipeline)| {
            let args = pipeline.arguments.iter();
            let args = args.map(|(name, value)| (name.to_string(), self.binding_digest(value)));
            let outputs = recipes.outputs(position);
            let elements = nesting::elements((self.plan, inputs), &recipes, position);
            PipelineRecord::new(pipeline.name.to_string(), args.collect(), outputs, elements)
        };
        pipelines.map(record).collect()
    }

    fn binding_digest(&self, binding: &Binding) -> Digest {
        let mut digester = Digester::new("cascade binding 1");
        self.binding(binding, &mut digester);
        digester.finish()
    }

    fn binding(&self, binding: &Binding, digester: &mut Digester) {
        match binding {
            Binding::Constant(bytes) => {
                digester.field(b"constant").field(bytes);
            }
            Binding::Task { task, path, default, .. } => {
                digester.field(b"task").field(path.to_string().as_bytes());
                self.name(*task, digester);
                optional(default.as_ref(), digester);
            }
            Binding::Input { input, path, .. } => {
                digester.field(b"input").field(path.to_string().as_bytes());
                if let Some(digest) = self.inputs.get(*input) {
                    digester.digest(digest);
                }
            }
            Binding::Run { value, conversion: _ } => {
                digester.field(b"run").field(value.as_str().as_bytes());
            }
            Binding::Each { pipeline, lists, value, .. } => {
                let name = self.plan.pipelines().get(*pipeline).map_or("", |pipeline| pipeline.name.as_str());
                self.parts(b"each", lists.iter(), digester);
                digester.field(name.as_bytes());
                self.binding(value, digester);
            }
            Binding::Item { level, item, path, .. } => {
                let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
                digester
                    .field(b"item")
                    .number(number(*level))
                    .number(number(*item))
                    .field(path.to_string().as_bytes());
            }
            Binding::Range { from, to } => {
                self.parts(b"range", [&from.0, &to.0].into_iter(), digester);
            }
            Binding::List(_, parts) => self.parts(b"list", parts.iter(), digester),
            Binding::Tuple(parts) => self.parts(b"tuple", parts.iter(), digester),
            Binding::Map(parts) => self.parts(b"map", parts.iter(), digester),
            Binding::Record(fields) => self.parts(b"record", fields.iter().map(|(_, part)| part), digester),
            Binding::Case(name, part) => {
                digester.field(b"case").field(name.as_bytes());
                self.binding(part, digester);
            }
            Binding::Wrapped(part) => self.parts(b"some", std::iter::once(&**part), digester),
            // The type of the border decides what is left of the value. That of the target follows from the function.
            Binding::Part { value, ty, path, conversion: _, default } => {
                digester.field(b"part").field(path.to_string().as_bytes()).digest(&ty.fingerprint());
                self.binding(value, digester);
                optional(default.as_ref(), digester);
            }
            Binding::Select { selector, cases, default, .. } => {
                self.parts(b"select", std::iter::once(&**selector), digester);
                for (name, case) in cases {
                    digester.field(b"case").field(name.as_bytes());
                    self.binding(case, digester);
                }
                optional(default.as_ref(), digester);
            }
        }
    }

    fn parts<'b>(&self, kind: &[u8], parts: impl Iterator<Item = &'b Binding>, digester: &mut Digester) {
        digester.field(kind);
        parts.for_each(|part| self.binding(part, digester));
        digester.field(b"end");
    }

    fn name(&self, task: TaskIdx, digester: &mut Digester) {
        if let Some(task) = self.plan.task(task) {
            digester.field(task.name.as_str().as_bytes());
        }
    }
}

fn optional(bytes: Option<&Bytes>, digester: &mut Digester) {
    match bytes {
        Some(bytes) => digester.field(b"default").field(bytes),
        None => digester.field(b"none"),
    };
}

/// Returns the keys of what a failure becomes, for the task and for a pipeline that leaves out the elements in which it fails.
fn on_error_keys<'p>(
    own: OnError,
    leaving: impl Iterator<Item = &'p Pipeline>,
) -> impl Iterator<Item = (String, Digest)> {
    let own = match own {
        OnError::Fail => None,
        OnError::Value => Some(&b"value"[..]),
        OnError::Failure => Some(&b"failure"[..]),
        OnError::Skip => Some(&b"skip"[..]),
    };
    let own = own.map(|word| ("on-error".to_owned(), Digest::of_bytes(word)));
    let of_pipelines =
        leaving.map(|pipeline| (format!("{}: on-error", pipeline.name), Digest::of_bytes(b"skip")));
    own.into_iter().chain(of_pipelines)
}
