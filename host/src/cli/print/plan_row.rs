//! Describes a task of a plan and its forecast, in the words of the table.
//! The layout of the table is in `plan_table`.

use crate::app::{Missing, Needs, Parts, Planned, Session, Supply};
use crate::cli::print::command_row::command_row;
use crate::cli::print::missing_row::{MissingRow, Weight};
use crate::cli::print::pipeline_row::{ForEachRow, PipelineRow};
use crate::cli::print::plan_table::{Fate as Shown, PlanRow, Purity, SupplyRow};
use crate::cli::print::repeat_row::RepeatRow;
use crate::cli::print::source_row::SourceRow;
use crate::engine::{Fate, Reason};
use crate::manifest::{Grants, Preopen};
use crate::model::{Limits, Name, SkipReason, Spanned, TaskIdx, TaskName, show_duration};
use crate::plan::{Code, Function, InputKind, Pipeline, Plan, ResourceScope, Task};
use crate::value::Export;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The default timeout of a task.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The default number of hosts that a task may lose in a row.
const MAX_LOST_HOSTS: u32 = 3;

/// Maximum number of tasks that a reason names.
const MAX_NAMED: usize = 4;

/// Builds one row of the table.
pub(crate) fn row(
    order: u32,
    Planned { task: idx, fate, is_compared, parts }: &Planned,
    session: &Session,
) -> Option<PlanRow> {
    let plan = session.bound.plan();
    let task = plan.task(*idx)?;
    let name = |task: &TaskIdx| task_name(plan, *task);
    let around = task.around.iter().filter_map(|pipeline| plan.pipelines().get(*pipeline));
    let elements_of: Vec<String> = around.map(|pipeline| pipeline.name.to_string()).collect();
    let function = plan.function_of(task);
    let component = function.and_then(Function::component);
    let (fate, mut why) = describe(fate, &elements_of, &|tasks| list(tasks, &name));
    match parts {
        Some(Parts::Elements { stored, total }) => {
            let are = if *stored == 1 { "is" } else { "are" };
            why = format!("{stored} of its {total} elements {are} stored; of the others: {why}");
        }
        Some(Parts::Iterations(stored)) => {
            why = format!("it goes on after iteration {}, which is stored: {why}", stored.saturating_sub(1));
        }
        None => {}
    }
    if *is_compared {
        why.push_str("; a result of the same call is kept");
    }
    let Needs { unused, missing } = session.needs(task);
    Some(PlanRow {
        order,
        name: task.name.to_string(),
        call: function.map_or_else(String::new, call),
        command: component.and_then(|component| command_row(task, component, &session.manifests)),
        source: component.and_then(|function| {
            let (_, component) = session.manifests.component(function.component)?;
            SourceRow::of(component)
        }),
        fate,
        why,
        // A task that flows from another needs it, too, though it does not wait for all of it.
        needs: plan.upstream(*idx).iter().filter(|needed| !task.after.contains(needed)).map(name).collect(),
        after: task.after.iter().map(name).collect(),
        for_each: task.for_each.iter().map(|list| for_each(list, plan, &name)).collect(),
        repeat: task.repeat.as_deref().map(RepeatRow::new),
        elements_of,
        purity: component.map_or(Purity::Pure, |component| purity(&component.grants)),
        grants: component.map_or_else(Vec::new, |component| grants(&component.grants, session)),
        manifest: session.manifests.included_name(task.place.manifest).map(str::to_owned),
        imports: session.supplies(task).map_or_else(Vec::new, supplies),
        finally: plan.is_finally(*idx),
        limits: limits(task),
        resources: resources(task, plan),
        outside: component.map_or_else(Vec::new, |component| outside(&component.grants, session)),
        unused_grants: unused.iter().map(|grant| grant.key().to_owned()).collect(),
        missing_grants: missing.into_iter().map(missing_row).collect(),
    })
}

fn task_name(plan: &Plan, task: TaskIdx) -> String {
    plan.task(task).map_or_else(|| task.to_string(), |task| task.name.to_string())
}

/// Builds the row of a pipeline with its tasks.
pub(crate) fn pipeline((pipeline, tasks): (&Pipeline, Vec<&TaskName>), session: &Session) -> PipelineRow {
    let plan = session.bound.plan();
    let name = |task: &TaskIdx| task_name(plan, *task);
    PipelineRow {
        name: pipeline.name.to_string(),
        manifest: pipeline.manifest.clone(),
        tasks: tasks.into_iter().map(ToString::to_string).collect(),
        for_each: pipeline.for_each.iter().map(|list| for_each(list, plan, &name)).collect(),
        deadline: pipeline.deadline.map(show_duration),
    }
}

fn supplies((component, supplies): (&Name, &[Supply])) -> Vec<SupplyRow> {
    let row = |supply: &Supply| SupplyRow {
        import: supply.import.to_string(),
        of: supply.importer.to_string(),
        from: supply.supplier.as_ref().map(ToString::to_string),
        is_own: supply.importer == *component,
    };
    supplies.iter().map(row).collect()
}

fn missing_row(missing: Missing) -> MissingRow {
    let Missing { grant, imports, is_optional, toml } = missing;
    let weight = if is_optional { Weight::Optional } else { Weight::Needed };
    let toml = toml.lines();
    MissingRow { grant: grant.key(), without: grant.row().without.text(), weight, imports, toml }
}

fn describe(fate: &Fate, elements_of: &[String], names: &dyn Fn(&[TaskIdx]) -> String) -> (Shown, String) {
    match fate {
        Fate::Stored => (Shown::Stored, "an earlier session of this run stored its result".to_owned()),
        Fate::Cached => (Shown::Cached, "the cache has the result of this call".to_owned()),
        Fate::Skipped(reason) => (Shown::Skip, describe_skip(*reason)),
        Fate::Runs(reason) => describe_run(reason, elements_of, names),
        Fate::Fails(message) => (Shown::Run, format!("and fails: {message}")),
        Fate::DependsOn(tasks) => {
            (Shown::Unknown, format!("whether it runs depends on the results of {}", names(tasks)))
        }
    }
}

fn describe_skip(reason: SkipReason) -> String {
    let why = match reason {
        SkipReason::ConditionFalse => "its `when` is false",
        SkipReason::UpstreamSkipped => "a task that it needs is skipped",
        SkipReason::UpstreamFailed => "a task that it needs has failed",
        SkipReason::Pruned => "no chosen case of a `select` needs it",
        SkipReason::ElementFailed => "it failed",
        SkipReason::UpstreamElementFailed => "an element that it needs has failed",
    };
    format!("{reason}: {why}")
}

fn describe_run(
    reason: &Reason,
    elements_of: &[String],
    names: &dyn Fn(&[TaskIdx]) -> String,
) -> (Shown, String) {
    match reason {
        Reason::Ending => (Shown::Run, "at the end of the run, however it ends".to_owned()),
        Reason::NoCache => (Shown::Run, "there is no cache".to_owned()),
        Reason::CacheOff => (Shown::Run, "the manifest says `cache = false`".to_owned()),
        Reason::Impure => {
            (Shown::Run, "it is impure, and the manifest does not set `cache = true`".to_owned())
        }
        Reason::Builtin => (Shown::Run, "built-in tasks are not cached".to_owned()),
        Reason::NotCached => (Shown::Run, "the cache has no result of this call".to_owned()),
        Reason::Iterations { cached, max } => {
            (Shown::Run, format!("the cache has {cached} of its iterations, of at most {max}"))
        }
        Reason::Elements { cached, total } => {
            (Shown::Run, format!("the cache has {cached} of its {total} elements"))
        }
        Reason::Rerun { elements: None } => (Shown::Run, "it runs again, by `--rerun`".to_owned()),
        Reason::Rerun { elements: Some(1) } => {
            (Shown::Run, "one of its elements runs again, by `--rerun`".to_owned())
        }
        Reason::Rerun { elements: Some(count) } => {
            (Shown::Run, format!("{count} of its elements run again, by `--rerun`"))
        }
        Reason::EachElement => {
            let pipeline = elements_of.last().map_or("its pipeline", String::as_str);
            (Shown::Unknown, format!("its inputs are unknown until the elements of `{pipeline}` are known"))
        }
        Reason::InputsRun(tasks) => {
            (Shown::Unknown, format!("its inputs are unknown until {} has run", names(tasks)))
        }
    }
}

fn list(tasks: &[TaskIdx], name: &dyn Fn(&TaskIdx) -> String) -> String {
    let mut names: Vec<String> =
        tasks.iter().take(MAX_NAMED).map(|task| format!("`{}`", name(task))).collect();
    if tasks.len() > MAX_NAMED {
        names.push(format!("{} more", tasks.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// Formats the call as a manifest writes it.
fn call(function: &Function) -> String {
    let component = match &function.code {
        Code::Component(component) => component,
        Code::Builtin { builtin, .. } => return builtin.to_string(),
    };
    let Export { interface, function: name, .. } = &component.export;
    match interface {
        Some(interface) => format!("{}#{interface}.{name}", component.component_name),
        None => format!("{}.{name}", component.component_name),
    }
}

fn for_each(list: &crate::plan::ForEach, plan: &Plan, name: &dyn Fn(&TaskIdx) -> String) -> ForEachRow {
    let mut tasks = Vec::new();
    list.list.each_task(&mut |task| tasks.push(format!("task {}", name(&task))));
    let mut patterns = Vec::new();
    list.list.each_input(&mut |input| {
        if let Some(InputKind::Files { pattern, .. }) = plan.inputs().get(input).map(|input| &input.kind) {
            patterns.push(format!("`{pattern}`"));
        }
    });
    let over = match &*tasks {
        [] if !patterns.is_empty() => format!("the files {}", patterns.join(", ")),
        [] if list.list.uses_items(1) => "a list of each element of its pipeline".to_owned(),
        [] => "a list of the manifest or its params".to_owned(),
        tasks => tasks.join(", "),
    };
    ForEachRow { item: list.item.clone(), over }
}

/// Returns the purity of a task, with the keys of the grants that make it impure.
fn purity(grants: &Grants) -> Purity {
    let impure = grants.granted().into_iter().filter(|grant| !grant.row().is_pure);
    let because: Vec<String> = impure.map(|grant| grant.key().to_owned()).collect();
    if because.is_empty() { Purity::Pure } else { Purity::Impure(because) }
}

/// Lists the grants without the values of variables. Folders outside the manifest's folder are marked.
fn grants(grants: &Grants, session: &Session) -> Vec<String> {
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
    } = grants;
    let variables =
        env.iter().map(|entry| format!("env {}", entry.value.split('=').next().unwrap_or_default()));
    let mut shown: Vec<String> = variables.collect();
    if !args.is_empty() {
        shown.push(format!("args {}", args.join(" ")));
    }
    let folder = |key: &str, folder: &Spanned<Preopen>| {
        let Preopen { host, guest } = &folder.value;
        let is_outside = is_outside(host, &session.manifests.root().folder);
        let mark = if is_outside { " (outside the manifest's folder)" } else { "" };
        format!("{key} {} as {guest}{mark}", host.display())
    };
    shown.extend(read.iter().map(|granted| folder("read", granted)));
    shown.extend(write.iter().map(|granted| folder("write", granted)));
    shown.extend(http.iter().map(|prefix| format!("http {}", prefix.value)));
    shown.extend(tcp.iter().map(|address| format!("tcp {}", address.value)));
    let switches = [("dns", dns), ("clock", clock), ("random", random), ("context", context)];
    shown.extend(switches.iter().filter(|(_, given)| **given).map(|(key, _)| (*key).to_owned()));
    shown.extend(keyvalue.iter().map(|bucket| format!("keyvalue {}", bucket.value)));
    shown
}

/// Lists the granted folders outside the manifest's folder.
fn outside(grants: &Grants, session: &Session) -> Vec<String> {
    let hosts = grants.read.iter().chain(&grants.write).map(|granted| &granted.value.host);
    let outside = hosts.filter(|host| is_outside(host, &session.manifests.root().folder));
    outside.map(|host| host.display().to_string()).collect()
}

/// Returns whether a folder lies outside the manifest's folder, after resolving links.
fn is_outside(host: &Path, folder: &Path) -> bool {
    let real = |path: &Path| -> std::io::Result<PathBuf> {
        std::fs::canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path })
    };
    // Missing folders are never granted: `check` refuses them.
    real(host).is_ok_and(|host| real(folder).is_ok_and(|folder| !host.starts_with(folder)))
}

/// Formats the entries of a limit, one an attempt.
fn by_attempt(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(" then ")
}

/// Lists limits, timeout, attempts and lost hosts that differ from the defaults.
/// Returns what a task takes of resources, and who shares them.
fn resources(task: &Task, plan: &Plan) -> Vec<String> {
    let taken = |(position, amount): &(usize, u32)| {
        let resource = plan.resources().get(*position)?;
        let scope = match resource.scope {
            ResourceScope::Host => "on each host",
            ResourceScope::Run => "in the run",
            ResourceScope::Backend => "over all runs",
        };
        Some(format!("{amount} {} ({} {scope})", resource.name, resource.capacity))
    };
    task.resources.iter().filter_map(taken).collect()
}

fn limits(task: &Task) -> Vec<String> {
    let defaults = Limits::default();
    let Limits { memory, fuel, output, logs, stack, disk } = task.limits;
    let mut shown = Vec::new();
    let further = &task.policy.longer_timeouts;
    if task.policy.timeout != TIMEOUT || !further.is_empty() {
        let all = [task.policy.timeout].into_iter().chain(further.iter().copied());
        shown.push(format!("timeout {}", by_attempt(all.map(show_duration))));
    }
    shown.extend(task.deadline.map(|deadline| format!("deadline {}", show_duration(deadline))));
    if task.policy.retry.attempts.get() > 1 {
        shown.push(format!("{} attempts", task.policy.retry.attempts));
    }
    if task.policy.max_lost_hosts != MAX_LOST_HOSTS {
        shown.push(format!("max-lost-hosts {}", task.policy.max_lost_hosts));
    }
    let further = &task.policy.larger_memory;
    if memory != defaults.memory || !further.is_empty() {
        let all = [memory].into_iter().chain(further.iter().copied());
        shown.push(format!("memory {}", by_attempt(all.map(|size| size.to_string()))));
    }
    for (name, size, default) in [
        ("output", output, defaults.output),
        ("logs", logs, defaults.logs),
        ("stack", stack.size(), defaults.stack.size()),
        ("disk", disk, defaults.disk),
    ] {
        if size != default {
            shown.push(format!("{name} {size}"));
        }
    }
    if let Some(fuel) = fuel {
        shown.push(format!("fuel {fuel}"));
    }
    shown
}
