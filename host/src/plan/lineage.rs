//! What each task calls, under which grants and settings, and the tasks that its arguments come from: what explains a run
//! later, without the manifest.
//! `record` stores it with the digests of the plan. No value of an argument, a variable or a secret is in it.

use crate::manifest::{CachePolicy, Grants, Policy, Preopen, Retry, RetryClass};
use crate::model::{Limits, Spanned, TaskIdx, excerpt, show_duration};
use crate::plan::sources::inputs_of;
use crate::plan::{Binding, Code, Function, Plan, Task};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Maximum length of one text, in characters: a manifest may grant a thousand folders.
const MAX_TEXT: usize = 300;

/// Maximum number of inputs that are named for one argument. A record may have a thousand fields.
const MAX_INPUTS: usize = 10;

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
    params: Vec<Param>,
    /// The tasks that it waits for.
    waits_for: Vec<TaskIdx>,
}

/// A parameter, and what its argument is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// The name.
    pub name: String,
    /// The tasks whose results are read.
    pub tasks: Vec<TaskIdx>,
    /// The inputs that are read: ``param `p` ``, ``the file `f` ``, ….
    pub inputs: Vec<String>,
}

impl Lineage {
    /// Finds what the tasks of a plan call and read. `names` are those of its inputs.
    pub(crate) fn of(plan: &Plan, names: &[String]) -> Self {
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
                params: params_of(plan, task, names),
                waits_for: task.waits_for.clone(),
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

    /// Returns the parameters of a task, in order.
    #[must_use]
    pub fn params(&self, task: TaskIdx) -> &[Param] {
        self.tasks.get(task.index()).map(|task| task.params.as_slice()).unwrap_or_default()
    }

    /// Returns the tasks that a task reads or waits for.
    #[must_use]
    pub fn inputs(&self, task: TaskIdx) -> BTreeSet<TaskIdx> {
        let read = self.params(task).iter().flat_map(|param| param.tasks.iter().copied());
        self.waits_for(task).chain(read).collect()
    }

    /// Returns the tasks that a task waits for, whole.
    pub fn waits_for(&self, task: TaskIdx) -> impl Iterator<Item = TaskIdx> {
        let task = self.tasks.get(task.index());
        task.into_iter().flat_map(|task| task.waits_for.iter().copied())
    }
}

/// Returns the parameters of a task with the tasks that their arguments come from. An argument made of an element comes from
/// the lists.
fn params_of(plan: &Plan, task: &Task, names: &[String]) -> Vec<Param> {
    let around = task.around.iter().filter_map(|pipeline| plan.pipelines().get(*pipeline));
    let lists: Vec<&Binding> =
        around.flat_map(|pipeline| &pipeline.for_each).chain(&task.for_each).map(|list| &list.list).collect();
    let params =
        plan.function_of(task).map(|function| function.signature.params.as_slice()).unwrap_or_default();
    let params = params.iter().zip(&task.args).map(|((name, _), arg)| {
        let lists = lists.iter().copied().filter(|_| arg.uses_items(0));
        let sources: Vec<&Binding> = std::iter::once(arg).chain(lists).collect();
        let mut tasks = BTreeSet::new();
        for source in &sources {
            source.each_task(&mut |task| {
                tasks.insert(task);
            });
        }
        let inputs = inputs_of(sources.into_iter(), names).into_iter().take(MAX_INPUTS).collect();
        Param { name: name.to_string(), tasks: tasks.into_iter().collect(), inputs }
    });
    params.collect()
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
