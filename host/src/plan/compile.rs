//! A graph and the interfaces of its components to a [`Plan`], or to every type fault at once.
//! Each kind of expression is typed beside; here is what belongs to a task as a whole.

use crate::graph::Graph;
use crate::graph::Node;
use crate::manifest;
use crate::manifest::CachePolicy;
use crate::manifest::Grants;
use crate::manifest::OnError;
use crate::manifest::Scope as ResourceScope;
use crate::model::Datum;
use crate::model::Digest;
use crate::model::Fault;
use crate::model::Faults;
use crate::model::Name;
use crate::model::Spanned;
use crate::model::TaskIdx;
use crate::plan::Binding;
use crate::plan::CacheRule;
use crate::plan::Condition;
use crate::plan::ForEach;
use crate::plan::Function;
use crate::plan::Output;
use crate::plan::Plan;
use crate::plan::Resource;
use crate::plan::Task;
use crate::plan::binding::Target;
use crate::plan::binding::bind;
use crate::plan::demand::Demands;
use crate::plan::function;
use crate::plan::infer::infer;
use crate::plan::inputs::Inputs;
use crate::plan::scope::ItemType;
use crate::plan::scope::OutputType;
use crate::plan::scope::Scope;
use crate::value::Export;
use crate::value::ResultType;
use crate::value::Signature;
use crate::value::Type;
use crate::value::encode;
use std::collections::HashMap;
use std::sync::Arc;

/// What a component exports, and the digest of its bytes.
#[derive(Debug, Clone)]
pub struct Interface {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// Its functions.
    pub exports: Vec<Export>,
}

/// Types every edge of `graph`.
///
/// `interfaces` has an entry per component of the manifest, none where loading it failed; those failures come in
/// `faults`, and nothing more is said of tasks that call them. All faults are given back together.
pub fn compile(graph: &Graph, interfaces: &[Option<Interface>], faults: Faults) -> Result<Plan, Faults> {
    let mut compiler = Compiler::new(graph, interfaces, faults);
    let tasks: Vec<Option<Task>> = (0..graph.nodes().len()).map(|at| compiler.task(at)).collect();
    let outputs = compiler.outputs();
    compiler.finish(tasks, outputs)
}

/// The function of a task, found before any edge is typed: types of outputs depend on nothing else.
struct Callee<'a> {
    function: usize,
    signature: &'a Signature,
}

struct Compiler<'a> {
    scope: Scope<'a>,
    callees: Vec<Option<Callee<'a>>>,
    functions: Vec<Function>,
    lists: HashMap<usize, Vec<Option<Type>>>,
    demands: Demands,
}

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, interfaces: &'a [Option<Interface>], mut faults: Faults) -> Self {
        let inputs = Inputs::of_params(&graph.manifest().params, &mut faults);
        let mut functions = Functions::default();
        let callees: Vec<Option<Callee<'a>>> = graph
            .manifest()
            .tasks
            .values()
            .zip(graph.nodes())
            .enumerate()
            .map(|(at, (task, node))| {
                let interface = interfaces.get(node.component)?.as_ref()?;
                functions.callee(graph, at, task, node, interface).map_err(|fault| faults.push(*fault)).ok()
            })
            .collect();
        let outputs = callees
            .iter()
            .zip(graph.manifest().tasks.values())
            .map(|(callee, task)| match callee {
                None => OutputType::Unknown,
                Some(callee) => output_type(callee.signature, task),
            })
            .collect();
        let scope = Scope { graph, outputs, inputs, items: Vec::new(), faults };
        Self { scope, callees, functions: functions.list, lists: HashMap::new(), demands: Demands::default() }
    }

    fn task(&mut self, at: usize) -> Option<Task> {
        let graph = self.scope.graph;
        let node = graph.nodes().get(at)?;
        let (name, written) = graph.manifest().tasks.get_index(at)?;
        let callee = self.callees.get(at)?.as_ref()?;
        let (function, signature) = (callee.function, callee.signature);
        let for_each = self.for_each(at, node, signature);
        self.scope.items = self.items_of(at);
        let when = self.condition(written, node);
        let args = self.args(written, node, signature);
        let demand = self.demand(node);
        self.check_policy(written, signature);
        let output = match self.scope.outputs.get(at)? {
            OutputType::Known(ty) => Some(ty.clone()),
            OutputType::Unknown | OutputType::Nothing => None,
        };
        let (value, error) = sides(signature);
        Some(Task {
            name: name.clone(),
            function,
            args: args?,
            when: when?,
            for_each: for_each?,
            max_parallel: written.max_parallel,
            waits_for: node.waits_for.clone(),
            after: node.after.clone(),
            demand: demand?,
            output,
            value,
            error,
            retry: written.policy.retry.clone(),
            timeout: written.policy.timeout,
            limits: written.policy.limits,
            resources: node.resources.clone(),
            priority: written.priority,
            height: node.height,
            cache: cache_rule(written.policy.cache, self.grants(node, written)),
            on_error: written.on_error,
            is_consumed: node.is_consumed,
        })
    }

    fn grants(&self, node: &Node, task: &'a manifest::Task) -> &'a Grants {
        let components = &self.scope.graph.manifest().components;
        grants_of(components, node, task)
    }

    fn for_each(&mut self, at: usize, node: &Node, signature: &Signature) -> Option<Vec<ForEach>> {
        self.scope.items = Vec::new();
        let mut lists = Vec::with_capacity(node.for_each.len());
        let mut elements = Vec::with_capacity(node.for_each.len());
        for (position, (item, list)) in node.for_each.iter().enumerate() {
            let ty = self.list_type(node, position, list, signature);
            elements.push(match &ty {
                Some(Type::List(element)) => Some((**element).clone()),
                _ => None, // reported by `list_type`
            });
            lists.push(ty.and_then(|ty| {
                let name = format!("`for-each.{item}`");
                let binding = bind(&mut self.scope, list, &Target { name: &name, ty: &ty })?;
                Some(ForEach { item: item.clone(), list: binding, ty })
            }));
        }
        if !elements.is_empty() {
            self.lists.insert(at, elements);
        }
        lists.into_iter().collect()
    }

    /// The type of a list of `for-each`: its own, or for a literal the one that its item is used with.
    fn list_type(
        &mut self,
        node: &Node,
        position: usize,
        list: &Spanned<crate::graph::Expr>,
        signature: &Signature,
    ) -> Option<Type> {
        if let crate::graph::Expr::Literal(_) | crate::graph::Expr::Array(_) = &list.value {
            return self.literal_list_type(node, position, list, signature);
        }
        match infer(&mut self.scope, list)? {
            ty @ Type::List(_) => Some(ty),
            other => {
                let fault = Fault::at(list.span.clone(), "`for-each` runs over a list")
                    .note(format!("this has the type `{other}`"));
                self.scope.fault(fault);
                None
            }
        }
    }

    fn literal_list_type(
        &mut self,
        node: &Node,
        position: usize,
        list: &Spanned<crate::graph::Expr>,
        signature: &Signature,
    ) -> Option<Type> {
        let used = node.args.iter().find_map(|(name, arg)| match &arg.value {
            crate::graph::Expr::Item { item, path } if *item == position && path.steps().is_empty() => {
                let param = signature.params.iter().find(|(param, _)| **param == *name.value)?;
                Some(Type::List(Arc::new(param.1.clone())))
            }
            _ => None, // any other use does not tell the element's type
        });
        if used.is_none() {
            let fault = Fault::at(list.span.clone(), "cannot tell the type of this list")
                .help("make it a param with a `type`, or pass the item as it is to a parameter");
            self.scope.fault(fault);
        }
        used
    }

    fn items_of(&self, at: usize) -> Vec<ItemType> {
        items_of(&self.lists, at)
    }

    /// The outer option is about faults.
    fn condition(&mut self, task: &manifest::Task, node: &Node) -> Option<Option<Condition>> {
        let (Some(when), Some(subject)) = (&task.when, &node.when) else {
            return Some(None);
        };
        let (ty, equals) = match &when.equals {
            None => (Type::Bool, Datum::Bool(true)),
            Some(equals) => (infer(&mut self.scope, subject)?, equals.value.clone()),
        };
        let target = Target { name: "`when`", ty: &ty };
        let binding = bind(&mut self.scope, subject, &target);
        let equals = match encode(&ty, &equals) {
            Ok(bytes) => bytes,
            Err(fault) => {
                let span = when.equals.as_ref().map_or(&when.span, |equals| &equals.span);
                self.scope.misfit(span, &ty, &fault);
                return None;
            }
        };
        Some(Some(Condition { subject: binding?, equals, is_negated: when.is_negated }))
    }

    fn args(&mut self, task: &manifest::Task, node: &Node, signature: &Signature) -> Option<Vec<Binding>> {
        let names = || signature.params.iter().map(|(name, _)| &**name);
        for (name, _) in &node.args {
            if !names().any(|param| param == name.value) {
                let fault = Fault::at(name.span.clone(), format!("`{}` is not a parameter of `{}`", name.value, task.call.value.function))
                    .suggest(&name.value, names())
                    .note(format!("its signature is `{signature}`"));
                self.scope.fault(fault);
            }
        }
        let bound: Vec<Option<Binding>> = signature
            .params
            .iter()
            .map(|(param, ty)| match node.args.iter().find(|(name, _)| *name.value == **param) {
                Some((_, arg)) => bind(&mut self.scope, arg, &Target { name: &format!("parameter `{param}`"), ty }),
                None => self.left_out(task, param, ty, signature),
            })
            .collect();
        bound.into_iter().collect()
    }

    fn left_out(&mut self, task: &manifest::Task, param: &str, ty: &Type, signature: &Signature) -> Option<Binding> {
        if let (Type::Option(_), Ok(none)) = (ty, encode(ty, &Datum::Null)) {
            return Some(Binding::Constant(none));
        }
        let fault = Fault::at(task.call.span.clone(), format!("parameter `{param}` gets no value"))
            .note(format!("the signature is `{signature}`"))
            .help(format!("add `args.{param} = …` of type `{ty}`"));
        self.scope.fault(fault);
        None
    }

    /// The outer option is about faults.
    fn demand(&mut self, node: &Node) -> Option<Option<Arc<crate::plan::Demand>>> {
        let Some(demand) = &node.demand else {
            return Some(None);
        };
        let graph = self.scope.graph;
        for clause in &demand.any {
            for task in clause.gates.iter().filter_map(|gate| gate.within) {
                self.ensure_items(graph, task.index());
            }
        }
        let lists = &self.lists;
        self.demands.compile(&mut self.scope, demand, &|at| items_of(lists, at)).map(Some)
    }

    /// Types the lists of a task whose items a gate may name, if that was not done yet.
    fn ensure_items(&mut self, graph: &Graph, at: usize) {
        let Some((node, callee)) = graph.nodes().get(at).zip(self.callees.get(at).and_then(Option::as_ref)) else {
            return;
        };
        if !node.for_each.is_empty() && !self.lists.contains_key(&at) {
            let signature = callee.signature;
            self.for_each(at, node, signature);
        }
    }

    fn check_policy(&mut self, task: &manifest::Task, signature: &Signature) {
        let result = match &signature.result {
            Some(Type::Result(result)) => Some(result),
            _ => None, // every other type of result has no `err`
        };
        if task.on_error == OnError::Value && result.is_none() {
            let fault = Fault::at(task.call.span.clone(), "`on-error = \"value\"` needs a function that returns a `result`")
                .note(format!("the signature is `{signature}`"));
            self.scope.fault(fault);
        }
        let cases: Vec<&str> = match result.and_then(|result| result.err.as_ref()) {
            Some(Type::Variant(cases)) => cases.iter().map(|case| &*case.name).collect(),
            Some(Type::Enum(names)) => names.iter().map(|name| &**name).collect(),
            _ => Vec::new(), // errors of other types have no cases
        };
        for permanent in &task.policy.retry.permanent {
            if !cases.contains(&&*permanent.value) {
                let fault = Fault::at(permanent.span.clone(), format!("the function's error has no case `{}`", permanent.value))
                    .suggest(&permanent.value, cases.iter().copied())
                    .note(format!("the signature is `{signature}`"));
                self.scope.fault(fault);
            }
        }
    }

    fn outputs(&mut self) -> Vec<Option<Output>> {
        self.scope.items = Vec::new();
        let graph = self.scope.graph;
        let is_explicit = graph.manifest().outputs.is_some();
        let mut outputs = Vec::with_capacity(graph.outputs().len());
        for (name, expr) in graph.outputs() {
            if is_explicit || self.has_output(&expr.value) {
                outputs.push(self.output(name, expr));
            }
        }
        outputs
    }

    fn output(&mut self, name: &str, expr: &Spanned<crate::graph::Expr>) -> Option<Output> {
        let ty = infer(&mut self.scope, expr)?;
        let label = format!("output `{name}`");
        let binding = bind(&mut self.scope, expr, &Target { name: &label, ty: &ty })?;
        Some(Output { name: name.to_owned(), binding, ty })
    }

    /// By default every unconsumed task is an output, if it has one.
    fn has_output(&self, expr: &crate::graph::Expr) -> bool {
        match expr {
            crate::graph::Expr::Task { task, .. } => {
                !matches!(self.scope.outputs.get(task.index()), Some(OutputType::Nothing))
            }
            _ => true, // written by the user: to be typed, and reported if it cannot be
        }
    }

    fn finish(self, tasks: Vec<Option<Task>>, outputs: Vec<Option<Output>>) -> Result<Plan, Faults> {
        let manifest = self.scope.graph.manifest();
        let mut faults = self.scope.faults;
        let tasks: Option<Vec<Task>> = tasks.into_iter().collect();
        let outputs: Option<Vec<Output>> = outputs.into_iter().collect();
        if let (true, Some(tasks), Some(outputs)) = (faults.is_empty(), tasks, outputs) {
            return Ok(Plan {
                name: manifest.name.clone(),
                tasks,
                order: self.scope.graph.order().to_vec(),
                functions: self.functions,
                inputs: self.scope.inputs.finish(),
                outputs,
                resources: manifest.resources.iter().map(resource).collect(),
            });
        }
        if faults.is_empty() {
            faults.push(Fault::of_file("a value has no type that can be told; give it one by a param with a `type`"));
        }
        faults.sort();
        faults.list.dedup();
        Err(faults)
    }
}

/// Functions that tasks call, each listed once per component and set of grants.
#[derive(Default)]
struct Functions {
    list: Vec<Function>,
    known: HashMap<(usize, usize, Option<TaskIdx>), usize>,
}

impl Functions {
    fn callee<'a>(
        &mut self,
        graph: &Graph,
        at: usize,
        task: &manifest::Task,
        node: &Node,
        interface: &'a Interface,
    ) -> Result<Callee<'a>, Box<Fault>> {
        let (export, signature) = function::find(&task.call.value, &task.call.span, &interface.exports)?;
        let own_grants = task.grants.as_ref().and(u32::try_from(at).ok()).map(TaskIdx::new);
        let key = (node.component, export, own_grants);
        if let Some(function) = self.known.get(&key) {
            return Ok(Callee { function: *function, signature });
        }
        let components = &graph.manifest().components;
        let (Some((name, _)), Some(export)) = (components.get_index(node.component), interface.exports.get(export)) else {
            return Err(Box::new(Fault::at(task.call.span.clone(), "the component is not known")));
        };
        self.list.push(Function {
            component: node.component,
            component_name: name.clone(),
            digest: interface.digest,
            export: export.clone(),
            grants: grants_of(components, node, task).clone(),
        });
        let function = self.list.len() - 1;
        self.known.insert(key, function);
        Ok(Callee { function, signature })
    }
}

static NOTHING_GRANTED: std::sync::LazyLock<Grants> = std::sync::LazyLock::new(Grants::default);

fn grants_of<'a>(
    components: &'a indexmap::IndexMap<Name, manifest::Component>,
    node: &Node,
    task: &'a manifest::Task,
) -> &'a Grants {
    let of_component = || components.get_index(node.component).map(|(_, component)| &component.grants);
    task.grants.as_ref().or_else(of_component).unwrap_or(&NOTHING_GRANTED)
}

fn items_of(lists: &HashMap<usize, Vec<Option<Type>>>, at: usize) -> Vec<ItemType> {
    let types = lists.get(&at).map_or(&[][..], Vec::as_slice);
    types.iter().map(|ty| ItemType { ty: ty.clone() }).collect()
}

fn resource((name, resource): (&Name, &manifest::Resource)) -> Resource {
    Resource {
        name: name.clone(),
        amount: resource.amount,
        is_shared: resource.scope == ResourceScope::Run,
    }
}

/// The payloads of a function's result: the plain value or that of `ok`, and that of `err`.
fn sides(signature: &Signature) -> (Option<Type>, Option<Type>) {
    match &signature.result {
        Some(Type::Result(sides)) => (sides.ok.clone(), sides.err.clone()),
        other => (other.clone(), None), // whatever is no `result` is a plain value
    }
}

fn output_type(signature: &Signature, task: &manifest::Task) -> OutputType {
    let (ok, err) = sides(signature);
    let single = match (task.on_error, &signature.result) {
        (OnError::Value, Some(Type::Result(_))) => Some(Type::Result(Arc::new(ResultType { ok, err }))),
        _ => ok, // an `err` fails the task, or there is none
    };
    match single {
        None => OutputType::Nothing,
        Some(ty) if task.for_each.is_empty() => OutputType::Known(ty),
        Some(ty) => OutputType::Known(Type::List(Arc::new(ty))),
    }
}

fn cache_rule(policy: CachePolicy, grants: &Grants) -> CacheRule {
    match policy {
        CachePolicy::Never => CacheRule::Off,
        CachePolicy::Always => CacheRule::Shared(None),
        CachePolicy::For(ttl) => CacheRule::Shared(Some(ttl)),
        CachePolicy::IfPure if grants.is_pure() => CacheRule::Shared(None),
        CachePolicy::IfPure => CacheRule::Impure,
    }
}
