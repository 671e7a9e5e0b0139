//! Tasks that repeat, and pipelines that run once, in random graphs.
//! `fan_outs` has the pipelines themselves, and those that run once per element.

use crate::fan_outs::LEAF_TASKS;
use crate::graph::{Draft, Next, Which};

/// `until` looks into the output of `r.halve`: a number has at most 32 halves.
const REPEAT: &str = "repeat = { feed = \"state\", until = \"done\"";

impl Draft {
    /// Adds a task that repeats, and one that reads its output.
    pub(crate) fn repeat(&mut self) {
        let mut next = Next::call("r.halve");
        let number = self.number(&mut next);
        next.line(&format!("args.state = {{ number = {number}, steps = {} }}", self.random.within(0, 9)));
        // Above most numbers: the first iteration is then the last.
        let until = self.random.pick(&[0, 0, 0, 9, 4_000_000]);
        next.line(&format!("args.until = {until}"));
        if self.random.percent(30) {
            next.attempts = self.random.within(2, 3);
            let delay = self.random.pick(&["1ms", "20ms"]);
            next.line(&format!("args.attempts = {}", next.attempts));
            next.line(&format!("retry = {{ attempts = 3, delay = \"{delay}\", jitter = false }}"));
        }
        let is_refused = self.fails && self.random.percent(40);
        if is_refused {
            next.line(&format!("args.refused = {}", self.random.within(0, 7)));
        }
        let is_value = self.random.percent(30);
        if is_value {
            next.line("on-error = \"value\"");
        }
        match (self.fails, self.random.within(0, 2)) {
            (true, 0) => next.line(&format!("{REPEAT}, max = {} }}", self.random.within(1, 6))),
            (_, 1) => next.line(&format!("{REPEAT}, max = 32 }}")),
            _ => next.line(&format!("{REPEAT} }}")),
        }
        if self.random.percent(20) {
            self.after(&mut next);
        }
        if self.random.percent(10)
            && let Some(flag) = self.recent(Which::Flags)
        {
            next.line(&format!("when = {{ task = \"{flag}\" }}"));
            next.needs.push(flag);
        }
        self.ask_for_room(&mut next, 10);
        next.repeats = true;
        let name = self.put(next);
        let part = |field: &str| if is_value { format!("ok.{field}") } else { field.to_owned() };
        let mut read = Next::call("g.add");
        read.needs.push(name.clone());
        read.line(&format!("args.a = {{ task = \"{name}\", path = \"{}\", default = 3 }}", part("steps")));
        read.line(&format!("args.b = {{ task = \"{name}\", path = \"{}\", default = 1 }}", part("number")));
        self.put_number(read);
    }

    /// Adds a pipeline that runs once, and tasks that read its outputs.
    pub(crate) fn pipeline_once(&mut self) {
        let mut next = Next::manifest("leaf.toml");
        let (n, plus) = (self.number(&mut next), self.number(&mut next));
        next.line(&format!("args = {{ n = {n}, plus = {plus} }}"));
        // Not all of its tasks need its params.
        next.needs.clear();
        if self.random.percent(50) {
            self.after(&mut next);
        }
        let name = self.write(&next);
        self.inner(&name, (&LEAF_TASKS, &next.needs));
        let mut both = Next::call("g.add");
        both.needs.extend(["halve", "copes"].map(|task| format!("{name}/{task}")));
        both.line(&format!("args.a = {{ task = \"{name}\", path = \"steps\", default = 8 }}"));
        both.line(&format!("args.b = {{ task = \"{name}\", path = \"sum\", default = 2 }}"));
        self.put_number(both);
    }
}
