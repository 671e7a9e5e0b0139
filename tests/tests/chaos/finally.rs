//! Tasks of `[finally]` in random graphs: they read whatever there is, once nothing else is left to run.
//! `checker` knows that they come last, and once an ending.

use crate::graph::{Draft, Next, Task, Which};

/// Adds up to four tasks of `[finally]` to some graphs.
pub(crate) fn add(draft: &mut Draft) {
    if draft.random.percent(40) {
        return;
    }
    let all: Vec<String> = draft.tasks.iter().map(|task| task.name.clone()).collect();
    let mut sum = Next::call("g.sum");
    let count = draft.random.within(1, 8);
    let parts: Vec<String> = (0..count).map(|_| draft.number(&mut sum)).collect();
    sum.line(&format!("args.xs = [{}]", parts.join(", ")));
    let sum = put(draft, sum, &all);
    let mut status = Next::call("g.echo-string");
    status.line("args.value = { run = \"status\" }");
    put(draft, status, &all);
    let mut failures = Next::call("std.to-json");
    failures.line("args.value = { run = \"failures\" }");
    put(draft, failures, &all);
    if let Some(list) = draft.recent(Which::Lists) {
        let mut each = Next::call("g.double");
        each.line(&format!("for-each.x = {{ task = \"{list}\", default = [1, 2] }}"));
        each.line("args.x = { item = \"x\" }");
        if draft.random.percent(50) {
            each.line(&format!("after = [\"{sum}\"]"));
            each.needs.push(sum);
        }
        put(draft, each, &all);
    }
}

/// Writes a task, which needs all others to have ended.
fn put(draft: &mut Draft, next: Next, all: &[String]) -> String {
    let name = draft.write_to("finally", &next);
    let needs = next.needs.into_iter().chain(all.iter().cloned()).collect();
    let task =
        Task { name: name.clone(), needs, is_nested: false, repeats: false, attempts: 1, is_finally: true };
    draft.tasks.push(task);
    name
}
