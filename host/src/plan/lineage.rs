//! What each task calls, under which grants and settings, and the tasks that its arguments come from: what explains a run
//! later, without the manifest.
//! `record` stores it with the digests of the plan. No value of an argument, a variable or a secret is in it.

use crate::manifest::{CachePolicy, Grants, Policy, Preopen, Retry, RetryClass};
use crate::model::{Limits, Spanned, TaskIdx, excerpt, show_duration};
use crate::plan::{Binding, Code, Function, Plan, Task};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Maximum length of one text, in characters: a manifest may grant a thousand folders.
const MAX_TEXT: usize = 300;

/// What the tasks of a plan call and read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// What is called.
    functions: Vec<Callee>,
    /// Settings that several tasks share, by name.
    settings: Vec<BTreeMap<String, String>>,
    /// By position in the plan.
    tasks: Vec<TaskLineage>,
}

/// A function with its component and grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callee {
    /// Name of the component in its manifest; `std` for tasks of the host.
    pub component: String,
    /// The first 12 hexadecimal digits of the digest of its bytes; empty for tasks of the host.
    pub digest: String,
    /// The function, with its interface.
    pub function: String,
    /// What is granted, by key: `{"http": "https://example.com/"}`. Of variables only the names, of arguments only their number.
    pub grants: BTreeMap<String, String>,
}

/// What one task calls and reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TaskLineage {
    function: u32,
    settings: u32,
    /// The parameters, each with the tasks that its argument comes from.
    params: Vec<(String, Vec<u32>)>,
    /// The tasks that it waits for.
    waits_for: Vec<u32>,
}

impl Lineage {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut settings = Vec::new();
        let mut known: HashMap<BTreeMap<String, String>, u32> = HashMap::new();
        let tasks = plan.tasks().iter().map(|task| {
            let own = settings_of(task);
            let position = *known.entry(own.clone()).or_insert_with(|| {
                settings.push(own);
                u32::try_from(settings.len() - 1).unwrap_or(u32::MAX)
            });
            TaskLineage {
                function: u32::try_from(task.function).unwrap_or(u32::MAX),
                settings: position,
                params: params_of(plan, task),
                waits_for: task.waits_for.iter().map(|task| task.get()).collect(),
            }
        });
        let tasks = tasks.collect();
        Self { functions: plan.functions().iter().map(callee).collect(), settings, tasks }
    }

    /// Returns what a task calls.
    #[must_use]
    pub fn callee(&self, task: TaskIdx) -> Option<&Callee> {
        let position = self.tasks.get(task.index())?.function;
        self.functions.get(usize::try_from(position).ok()?)
    }

    /// Returns the settings of a task that do not change its result: limits, retries, resources, cache.
    #[must_use]
    pub fn settings(&self, task: TaskIdx) -> Option<&BTreeMap<String, String>> {
        let position = self.tasks.get(task.index())?.settings;
        self.settings.get(usize::try_from(position).ok()?)
    }

    /// Returns the parameters of a task, in order, each with the tasks that its argument comes from.
    pub fn params(&self, task: TaskIdx) -> impl Iterator<Item = (&str, Vec<TaskIdx>)> {
        let params = self.tasks.get(task.index()).into_iter().flat_map(|task| &task.params);
        params.map(|(name, tasks)| (name.as_str(), tasks.iter().copied().map(TaskIdx::new).collect()))
    }

    /// Returns the tasks that a task waits for, whole.
    pub fn waits_for(&self, task: TaskIdx) -> impl Iterator<Item = TaskIdx> {
        let task = self.tasks.get(task.index());
        task.into_iter().flat_map(|task| task.waits_for.iter().copied().map(TaskIdx::new))
    }
}

/// Returns the parameters of a task with the tasks that their arguments come from. An argument made of an element comes from
/// the lists.
fn params_of(plan: &Plan, task: &Task) -> Vec<(String, Vec<u32>)> {
    let around = task.around.iter().filter_map(|pipeline| plan.pipelines().get(*pipeline));
    let lists: Vec<&Binding> =
        around.flat_map(|pipeline| &pipeline.for_each).chain(&task.for_each).map(|list| &list.list).collect();
    let names =
        plan.function_of(task).map(|function| function.signature.params.as_slice()).unwrap_or_default();
    let params = names.iter().zip(&task.args).map(|((name, _), arg)| {
        let lists = lists.iter().copied().filter(|_| arg.uses_items(0));
        (name.to_string(), sources_of(std::iter::once(arg).chain(lists)))
    });
    params.collect()
}

fn sources_of<'b>(bindings: impl Iterator<Item = &'b Binding>) -> Vec<u32> {
    let mut found = Vec::new();
    bindings.for_each(|binding| binding.each_task(&mut |task| found.push(task.get())));
    found.sort_unstable();
    found.dedup();
    found
}

fn callee(function: &Function) -> Callee {
    match &function.code {
        Code::Component(component) => Callee {
            component: component.component_name.to_string(),
            digest: component.digest.to_string().chars().take(12).collect(),
            function: match &component.export.interface {
                Some(interface) => format!("{interface}.{}", component.export.function),
                None => component.export.function.to_string(),
            },
            grants: grants(&component.grants),
        },
        Code::Builtin { builtin, messages: _ } => Callee {
            component: "std".to_owned(),
            digest: String::new(),
            function: builtin.row().name.to_owned(),
            grants: BTreeMap::new(),
        },
    }
}

fn grants(granted: &Grants) -> BTreeMap<String, String> {
    let Grants {
        span: _,
        is_partial: _,
        env,
        args,
        read,
        write,
        http,
        tcp,
        dns,
        clock,
        random,
        context,
        keyvalue,
    } = granted;
    let folder =
        |folder: &Spanned<Preopen>| format!("{}:{}", folder.value.host.display(), folder.value.guest);
    let name = |entry: &Spanned<String>| {
        let name = entry.value.split_once('=').map_or(entry.value.as_str(), |(name, _)| name);
        name.to_owned()
    };
    let count = if args.is_empty() { Vec::new() } else { vec![args.len().to_string()] };
    let flag = |is_granted: bool| is_granted.then(|| "true".to_owned()).into_iter().collect();
    let all: [(&str, Vec<String>); 11] = [
        ("env", env.iter().map(name).collect()),
        ("args", count),
        ("read", read.iter().map(folder).collect()),
        ("write", write.iter().map(folder).collect()),
        ("http", http.iter().map(|prefix| prefix.value.to_string()).collect()),
        ("tcp", tcp.iter().map(|endpoint| endpoint.value.to_string()).collect()),
        ("dns", flag(*dns)),
        ("clock", flag(*clock)),
        ("random", flag(*random)),
        ("context", flag(*context)),
        ("keyvalue", keyvalue.iter().map(|bucket| bucket.value.clone()).collect()),
    ];
    let written = all.into_iter().filter(|(_, values)| !values.is_empty());
    written
        .map(|(key, values)| (key.to_owned(), excerpt(&values.join(", "), MAX_TEXT).into_owned()))
        .collect()
}

fn settings_of(task: &Task) -> BTreeMap<String, String> {
    let Policy {
        retry,
        max_lost_hosts,
        timeout,
        longer_timeouts,
        limits: _, // those in force are the task's
        larger_memory,
        resources,
        cache,
    } = &*task.policy;
    let Limits { memory, fuel, output, logs, stack, disk } = task.limits;
    let several = |values: Vec<String>| values.join(", ");
    let memory = std::iter::once(memory).chain(larger_memory.iter().copied());
    let timeouts = std::iter::once(*timeout).chain(longer_timeouts.iter().copied());
    let resources = resources.iter().map(|(name, amount)| format!("{name} = {}", amount.value));
    let all = [
        ("limits.memory", several(memory.map(|size| size.to_string()).collect())),
        ("limits.fuel", fuel.map(|fuel| fuel.to_string()).unwrap_or_default()),
        ("limits.output", output.to_string()),
        ("limits.logs", logs.to_string()),
        ("limits.stack", stack.size().to_string()),
        ("limits.disk", disk.to_string()),
        ("timeout", several(timeouts.map(show_duration).collect())),
        ("deadline", task.deadline.map(show_duration).unwrap_or_default()),
        ("retry", shown_retry(retry)),
        ("max-lost-hosts", max_lost_hosts.to_string()),
        ("resources", several(resources.collect())),
        ("priority", task.priority.to_string()),
        ("cache", shown_cache(*cache)),
    ];
    let set = all.into_iter().filter(|(_, value)| !value.is_empty());
    set.map(|(key, value)| (key.to_owned(), excerpt(&value, MAX_TEXT).into_owned())).collect()
}

fn shown_retry(retry: &Retry) -> String {
    let on: Vec<&str> = retry.on.iter().map(|class| class_word(*class)).collect();
    match retry.attempts.get() {
        1 => "1 attempt".to_owned(),
        attempts => {
            format!("{attempts} attempts, on {}, after {}", on.join(", "), show_duration(retry.delay))
        }
    }
}

const fn class_word(class: RetryClass) -> &'static str {
    match class {
        RetryClass::Error => "error",
        RetryClass::Trap => "trap",
        RetryClass::Timeout => "timeout",
        RetryClass::Limit => "limit",
    }
}

fn shown_cache(cache: CachePolicy) -> String {
    match cache {
        CachePolicy::IfPure => "if pure".to_owned(),
        CachePolicy::Always => "true".to_owned(),
        CachePolicy::Never => "false".to_owned(),
        CachePolicy::For(ttl) => show_duration(ttl),
    }
}
