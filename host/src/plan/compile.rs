//! Compiles a graph and the interfaces of its components to a [`Plan`], or reports every type fault at once.
//! This file types tasks; `binding`, `infer` and `lists` type their expressions.

use crate::builtin::Builtin;
use crate::graph;
use crate::graph::{Crossing, Expr, Graph, Node};
use crate::manifest;
use crate::manifest::{Action, OnError, Unread};
use crate::model::{Datum, Fault, Faults, Name, Span, Spanned, nearest};
use crate::plan::binding::{Target, bind};
use crate::plan::callee::Callees;
use crate::plan::command::Given;
use crate::plan::counting::{all_excesses, excess};
use crate::plan::crossings;
use crate::plan::crossings::Crossings;
use crate::plan::infer::{examine, infer};
use crate::plan::inputs::Inputs;
use crate::plan::known::Known;
use crate::plan::pruning::NeededConditions;
use crate::plan::repeat::{Repeated, repeat};
use crate::plan::scope::{Crossed, Lists, OutputType, Reported, Scope};
use crate::plan::{
    Binding, Condition, Input, Interface, LeavesOut, NeededIf, Output, Pipeline, Plan, Resource, Task,
    builtin, callee, command, discretion, expectation, fan_out, lists, policy,
};
use crate::value::{Signature, Type, encode, encode_all};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::sync::Arc;

/// A graph that cannot be compiled: its faults, and its known inputs, whose values may have faults too.
#[derive(Debug)]
pub struct InvalidPlan {
    /// The faults.
    pub faults: Faults,
    /// The inputs whose types are known.
    pub inputs: Vec<Input>,
}

/// Types every edge of `graph`.
///
/// `interfaces` has an entry per component of the manifest, none if loading it failed. Such failures are passed in
/// `faults`, and tasks that call those components cause no further faults. All faults are returned together.
#[cfg(any(test, feature = "internals"))]
pub fn compile(graph: &Graph, interfaces: &[Option<Interface>], faults: Faults) -> Result<Plan, Faults> {
    compile_all(graph, interfaces, faults).map_err(|invalid| invalid.faults)
}

/// Types every edge of `graph`, as [`compile`] does. On failure, returns the known inputs too.
pub fn compile_all(
    graph: &Graph,
    interfaces: &[Option<Interface>],
    faults: Faults,
) -> Result<Plan, InvalidPlan> {
    let mut compiler = Compiler::new(graph, interfaces, faults);
    let tasks: Vec<Option<Task>> = (0..graph.nodes().len()).map(|index| compiler.task(index)).collect();
    let outputs = compiler.outputs();
    let typed: Vec<&Output> = outputs.iter().flatten().collect();
    expectation::check(&mut compiler.scope, &typed);
    compiler.finish(tasks, outputs)
}

/// A task whose arguments are typed by a signature.
struct Called<'a> {
    task: &'a manifest::Task,
    /// The function's name, without that of its component.
    function: &'a str,
    span: &'a Span,
    builtin: Option<Builtin>,
}

struct Compiler<'a> {
    scope: Scope<'a>,
    callees: Callees<'a>,
    lists: Vec<Lists>,
    conditions: NeededConditions,
    /// Conditions already typed, by their address in the graph: the tasks of a pipeline share that of the pipeline.
    whens: HashMap<*const graph::Condition, Option<Arc<Condition>>>,
}

impl<'a> Compiler<'a> {
    /// Types what expressions refer to: inputs, outputs of tasks, and items.
    fn new(graph: &'a Graph, interfaces: &'a [Option<Interface>], mut faults: Faults) -> Self {
        let inputs = Inputs::of_params(&graph.manifests().root().params, &mut faults);
        let params = params_of_included(graph, &mut faults);
        let callees = Callees::find(graph, interfaces, &mut faults);
        let tasks = callees.of_tasks.iter().zip(graph.tasks());
        let outputs = tasks.map(|(callee, (_, task))| callee::output_type(callee.as_ref(), task)).collect();
        let fan_outs = vec![None; graph.pipelines().len()];
        let crossed = vec![Crossed::Unknown; graph.crossings().len()];
        let items = Vec::new();
        let scope = Scope { graph, outputs, inputs, items, level: 1, fan_outs, faults, params, crossed };
        let lists = (0..graph.nodes().len()).map(|_| Lists::default()).collect();
        let conditions = NeededConditions::default();
        let mut compiler = Self { scope, callees, lists, conditions, whens: HashMap::new() };
        // In this order, because the types of a built-in task follow from the outputs that it reads.
        let mut crossings = Crossings::new(graph);
        for (typed, task) in graph.order().iter().enumerate() {
            crossings.type_ready(&mut compiler.scope, typed);
            compiler.prepare(task.index());
        }
        crossings.type_ready(&mut compiler.scope, graph.order().len());
        (0..graph.pipelines().len()).for_each(|pipeline| lists::of_pipeline(&mut compiler.scope, pipeline));
        compiler
    }

    /// Types the lists of a task, and solves the types of a built-in task.
    fn prepare(&mut self, index: usize) {
        let graph = self.scope.graph;
        let Some(node) = graph.nodes().get(index) else { return };
        let Some((_, task)) = graph.manifests().task(node.place) else { return };
        let callee = self.callees.of_tasks.get(index).and_then(Option::as_ref);
        let lists = lists::lists(&mut self.scope, (task, node), callee);
        if let Some(Spanned { value: Action::Builtin(call), span }) = &task.action {
            self.scope.items.clone_from(&lists.items);
            let solved = builtin::solve(&mut self.scope, &builtin::Called { task, node, call, span });
            if let Some((builtin, signature)) = solved {
                self.callees.set_builtin(index, builtin, signature);
                let callee = self.callees.of_tasks.get(index).and_then(Option::as_ref);
                if let Some(output) = self.scope.outputs.get_mut(index) {
                    *output = callee::output_type(callee, task);
                }
            }
        }
        if let Some(slot) = self.lists.get_mut(index) {
            *slot = lists;
        }
    }

    fn task(&mut self, index: usize) -> Option<Task> {
        let graph = self.scope.graph;
        let node = graph.nodes().get(index)?;
        let (_, written) = graph.manifests().task(node.place)?;
        self.scope.items = Vec::new(); // `when` is evaluated once, without items
        let when: Vec<Option<Arc<Condition>>> =
            node.conditions.iter().map(|condition| self.shared_condition(condition)).collect();
        let lists = self.lists.get_mut(index)?;
        let for_each = lists.lists.take();
        let known = for_each.iter().filter_map(|lists| excess(&Known::of_literals(), (lists, node.product)));
        self.scope.faults.list.extend(known);
        (self.scope.items, self.scope.level) = (lists.items.clone(), node.around.len() + 1);
        let given = self.given(index, written, node);
        let needed_if = self.needed_if(node);
        let callee = self.callees.of_tasks.get(index)?.as_ref()?;
        let span = written.action.as_ref().map_or(&written.span, |action| &action.span);
        policy::check(&mut self.scope, written, (span, &callee.signature));
        let output = match self.scope.outputs.get(index)? {
            OutputType::Known(ty) => Some(ty.clone()),
            OutputType::Unknown | OutputType::Nothing => None,
        };
        let (value, error) = callee.sides();
        let is_command = written.action.as_ref().is_some_and(|action| action.value.command().is_some());
        // The parameters of a command are known once its values are typed.
        let params = match &given {
            Some((params, _)) if is_command => Some(params),
            None if is_command => None,
            Some(_) | None => Some(&callee.signature.params),
        };
        let repeat = params.map_or(Err(Reported), |params| {
            let repeated = Repeated { params, value: value.as_ref() };
            repeat(&mut self.scope, (written, node), &repeated)
        });
        let (params, args) = given?;
        Some(Task {
            name: node.name.clone(),
            place: node.place,
            function: self.callees.position((index, node, written), params)?,
            args,
            when: when.into_iter().collect::<Option<_>>()?,
            around: node.around.clone(),
            for_each: for_each?,
            product: node.product,
            repeat: repeat.ok()?.map(Box::new),
            flow: node.flow.clone().map(Box::new),
            max_parallel: written.max_parallel,
            waits_for: node.waits_for.clone(),
            after: node.after.clone(),
            needed_if: needed_if.ok()?,
            needed_level: node.needed_level,
            output,
            value,
            error,
            policy: Arc::clone(&written.policy),
            limits: policy::limits(written),
            resources: node.resources.clone(),
            priority: node.priority,
            deadline: written.deadline,
            height: node.height,
            cache: policy::cache_rule(written, callee::grants(graph, node, written)),
            on_error: written.on_error,
            leaves_out: self.leaves_out(node, written),
        })
    }

    /// Returns the lists that leave out an element if the task fails in it.
    fn leaves_out(&self, node: &Node, written: &manifest::Task) -> LeavesOut {
        let graph = self.scope.graph;
        let leaves_out = |pipeline: &usize| {
            let including =
                graph.pipelines().get(*pipeline).and_then(|found| graph.manifests().task(found.place));
            including.is_some_and(|(_, task)| task.on_error == OnError::Skip)
        };
        let is_own = written.on_error == OnError::Skip;
        LeavesOut::of_levels(node.around.iter().map(leaves_out).chain([is_own]))
    }

    /// Types the values of a task's parameters. Returns them with the parameters of a command.
    fn given(&mut self, index: usize, task: &manifest::Task, node: &Node) -> Option<Given> {
        if let Some(command) = task.action.as_ref().and_then(|action| action.value.command()) {
            return command::given(&mut self.scope, node, &command.feeds);
        }
        let callee = self.callees.of_tasks.get(index)?.as_ref();
        let signature = callee.map(|callee| callee.signature.clone().into_owned());
        let Some((signature, action)) = signature.zip(task.action.as_ref()) else {
            // The signature is unknown: check the arguments without target types.
            node.args.iter().for_each(|(_, arg)| examine(&mut self.scope, arg));
            return None;
        };
        let (function, builtin) = match &action.value {
            Action::Call(call) => (call.function.as_str(), None),
            Action::Builtin(call) => (call.function.as_str(), Builtin::find(&call.function)),
            Action::Command(_) | Action::Manifest(_) => return None, // was typed above, or is no node
        };
        let by_name = Called { task, function, span: &action.span, builtin };
        let args = self.args(&by_name, node, &signature)?;
        Some((Vec::new(), args))
    }

    fn shared_condition(&mut self, condition: &Arc<graph::Condition>) -> Option<Arc<Condition>> {
        let key = Arc::as_ptr(condition);
        if let Some(typed) = self.whens.get(&key) {
            return typed.clone();
        }
        let typed = self.condition(condition).ok().map(Arc::new);
        self.whens.insert(key, typed.clone());
        typed
    }

    fn condition(&mut self, condition: &graph::Condition) -> Result<Condition, Reported> {
        let subject = &condition.subject;
        let task = self.scope.graph.manifests().task(condition.place);
        let when = task.and_then(|(_, task)| task.when.as_ref()).ok_or(Reported)?;
        let ty = infer(&mut self.scope, subject).ok_or(Reported)?;
        if !when.is_complete {
            return Err(Reported);
        }
        let equals = match &when.equals {
            Some(equals) => encode_all(&ty, &equals.value).map_err(|faults| (&equals.span, faults)),
            None if ty == Type::Bool => {
                encode_all(&ty, &Datum::Bool(true)).map_err(|faults| (&when.span, faults))
            }
            None => {
                let fault = Fault::spanned(subject.span.clone(), "`when` needs a `bool`")
                    .note(format!("this has the type `{ty}`"))
                    .help("compare it with a literal: `equals = …` beside the reference");
                self.scope.fault(fault);
                return Err(Reported);
            }
        };
        let subject = bind(&mut self.scope, subject, &Target { name: "`when`", ty: &ty });
        match (subject, equals) {
            (Some(subject), Ok(equals)) => {
                Ok(Condition { level: condition.level, subject, equals, is_negated: when.is_negated })
            }
            (None, Ok(_)) => Err(Reported),
            (_, Err((span, faults))) => {
                self.scope.misfit(span, "`equals`", &ty, &faults);
                Err(Reported)
            }
        }
    }

    fn args(&mut self, called: &Called<'_>, node: &Node, signature: &Signature) -> Option<Vec<Binding>> {
        let names = || signature.params.iter().map(|(name, _)| &**name);
        let mut suggested: Vec<&str> = Vec::new();
        for (name, arg) in &node.args {
            if !names().any(|param| param == name.value) {
                let message = format!("`{}` is not a parameter of `{}`", name.value, called.function);
                let fault = Fault::spanned(name.span.clone(), message)
                    .suggest(&name.value, names())
                    .note(format!("its signature is `{signature}`"));
                self.scope.fault(fault);
                suggested.extend(nearest(&name.value, names()));
                examine(&mut self.scope, arg);
            }
        }
        let bound: Vec<Option<Binding>> = signature
            .params
            .iter()
            .map(|(param, ty)| match node.args.iter().find(|(name, _)| *name.value == **param) {
                Some((_, arg)) => self.argument(node, param, arg, ty),
                // A faulty or misspelt argument is not reported as missing too.
                None if called.task.is_unread(Unread::Args) || suggested.contains(&&**param) => None,
                None => self.omitted(called, param, ty, signature),
            })
            .collect();
        bound.into_iter().collect()
    }

    fn argument(&mut self, node: &Node, param: &str, arg: &Spanned<Expr>, ty: &Type) -> Option<Binding> {
        let before = self.scope.faults.list.len();
        let bound = bind(&mut self.scope, arg, &Target { name: &format!("parameter `{param}`"), ty });
        // A second list would be zipped with the first, which is another thing than the author wrote.
        if bound.is_none() && node.for_each.is_empty() {
            let advice = fan_out::advice(&self.scope, param, arg, ty);
            if let (Some(advice), Some(fault)) = (advice, self.scope.faults.list.get_mut(before)) {
                fault.helps.push(advice);
            }
        }
        bound
    }

    fn omitted(
        &mut self,
        called: &Called<'_>,
        param: &str,
        ty: &Type,
        signature: &Signature,
    ) -> Option<Binding> {
        let row = called.builtin.iter().flat_map(|builtin| builtin.row().params);
        let default = row.filter(|row| row.name == param).find_map(|row| row.default);
        if let Some(Ok(default)) = default.map(|default| encode(ty, &Datum::Bool(default))) {
            return Some(Binding::Constant(default));
        }
        if let (Type::Option(_), Ok(none)) = (ty, encode(ty, &Datum::Null)) {
            return Some(Binding::Constant(none));
        }
        let fault = Fault::spanned(called.span.clone(), format!("parameter `{param}` gets no value"))
            .note(format!("the signature is `{signature}`"))
            .help(format!("add `args.{param} = …` of type `{ty}`"));
        self.scope.fault(fault);
        None
    }

    fn needed_if(&mut self, node: &Node) -> Result<Option<Arc<NeededIf>>, Reported> {
        match &node.needed_if {
            None => Ok(None),
            Some(needed_if) => {
                let typed = self.conditions.compile(&mut self.scope, needed_if, &self.lists);
                typed.map(Some).ok_or(Reported)
            }
        }
    }

    fn outputs(&mut self) -> Vec<Option<Output>> {
        self.scope.items = Vec::new();
        let graph = self.scope.graph;
        let is_explicit = graph.manifests().root().outputs.is_some();
        let mut outputs = Vec::with_capacity(graph.outputs().len());
        for (name, expr) in graph.outputs() {
            if is_explicit || self.has_output(&expr.value) {
                outputs.push(self.output(name, expr));
            }
        }
        outputs
    }

    fn output(&mut self, name: &str, expr: &Spanned<Expr>) -> Option<Output> {
        let ty = infer(&mut self.scope, expr)?;
        let label = format!("output `{name}`");
        let binding = bind(&mut self.scope, expr, &Target { name: &label, ty: &ty })?;
        Some(Output { name: name.to_owned(), binding, ty })
    }

    /// Returns whether an unconsumed task has an output, so that it is an output of the run by default.
    fn has_output(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Task { task, .. } => {
                !matches!(self.scope.outputs.get(task.index()), Some(OutputType::Nothing))
            }
            Expr::Crossing { crossing, .. } => {
                !matches!(self.scope.crossed.get(crossing.id), Some(Crossed::Nothing))
            }
            _ => true, // written by the user: typed, or reported as a fault
        }
    }

    fn finish(self, tasks: Vec<Option<Task>>, outputs: Vec<Option<Output>>) -> Result<Plan, InvalidPlan> {
        let graph = self.scope.graph;
        let pipelines = pipelines(&self.scope);
        let mut faults = self.scope.faults;
        let known = Known::of_literals();
        faults
            .list
            .extend(pipelines.iter().filter_map(|each| excess(&known, (&each.for_each, each.product))));
        let tasks = (0..).zip(tasks).map(|(index, task)| match self.callees.builtin_position(index) {
            Some(function) => task.map(|task| Task { function, ..task }),
            None => task,
        });
        let tasks: Option<Vec<Task>> = tasks.collect();
        let outputs: Option<Vec<Output>> = outputs.into_iter().collect();
        if let (true, Some(mut tasks), Some(outputs)) = (faults.is_empty(), tasks, outputs) {
            // The vector has grown by doubling, because its length was not known.
            tasks.shrink_to_fit();
            let mut plan = Plan {
                tasks,
                order: self.scope.graph.order().to_vec(),
                functions: self.callees.finish(),
                inputs: self.scope.inputs.finish(),
                outputs,
                resources: graph.manifests().resources().map(resource).collect(),
                pipelines,
                deadline: graph.manifests().get(0).and_then(|outermost| outermost.deadline),
                first_finally: graph.first_finally(),
            };
            discretion::apply(&mut plan);
            faults.list.extend(all_excesses(&plan, &known));
            if faults.is_empty() {
                return Ok(plan);
            }
            faults.sort_and_dedup();
            return Err(InvalidPlan { faults, inputs: plan.inputs });
        }
        if faults.is_empty() {
            faults.push(Fault::of_file("the type of a value is unknown"));
        }
        faults.sort_and_dedup();
        Err(InvalidPlan { faults, inputs: self.scope.inputs.finish() })
    }
}

/// Returns the params of each included manifest, whose faults are reported once; none for the outermost.
fn params_of_included(graph: &Graph, faults: &mut Faults) -> Vec<Inputs> {
    let manifests = graph.manifests().all().iter().enumerate();
    let none = IndexMap::new();
    let params = manifests.map(|(position, manifest)| if position == 0 { &none } else { &manifest.params });
    params.map(|params| Inputs::of_params(params, faults)).collect()
}

fn pipelines(scope: &Scope<'_>) -> Vec<Pipeline> {
    let crossed = |crossing: Option<&Arc<Crossing>>| match scope.crossed.get(crossing?.id)? {
        Crossed::Known(ty, value) => Some((Arc::clone(value), ty.clone())),
        Crossed::Unknown | Crossed::Nothing => None,
    };
    let pipeline = |(position, pipeline): (usize, &graph::Pipeline)| {
        let record = crossed(pipeline.record.as_ref());
        let whole = |(value, ty): &(Arc<Binding>, Type)| {
            let each = crossings::each(scope, position, (Arc::clone(value), ty));
            (Arc::new(each), Type::List(Arc::new(ty.clone())))
        };
        let output = if pipeline.for_each.is_empty() { record.clone() } else { record.as_ref().map(whole) };
        let lists = scope.fan_outs.get(position).and_then(|lists| lists.as_ref()?.lists.clone());
        let manifests = scope.graph.manifests();
        let params = manifests.get(pipeline.manifest).into_iter().flat_map(|manifest| manifest.params.keys());
        let arguments = params.zip(&pipeline.arguments);
        let including = manifests.task(pipeline.place).map(|(_, task)| task);
        Pipeline {
            name: pipeline.name.clone(),
            manifest: manifests.included_name(pipeline.manifest).unwrap_or_default().to_owned(),
            tasks: pipeline.tasks.clone(),
            arguments: arguments
                .filter_map(|(name, argument)| Some((name.clone(), crossed(argument.as_ref())?.0)))
                .collect(),
            around: pipeline.around.clone(),
            for_each: lists.unwrap_or_default(),
            product: pipeline.product,
            max_parallel: including.and_then(|task| task.max_parallel),
            deadline: including.and_then(|task| task.deadline),
            flow: pipeline.flow.clone(),
            record,
            output,
        }
    };
    scope.graph.pipelines().iter().enumerate().map(pipeline).collect()
}

fn resource((name, resource): (&Name, &manifest::Resource)) -> Resource {
    Resource { name: name.clone(), capacity: resource.capacity, scope: resource.scope }
}
