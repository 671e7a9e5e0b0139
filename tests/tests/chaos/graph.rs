//! Random graphs determined by a seed: deep or wide, with elements, conditions, choices, retries, failures,
//! resources.
//! Each task gives the same result whenever and wherever it runs. `fan_outs` adds what runs over lists, `repeats` what
//! repeats, `schedule` chooses the faults.

use crate::fan_outs;
use crate::fan_outs::Inside;
use crate::finally;
use crate::overdue;
use crate::random::Random;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Maximum distance of a task to its dependencies; a few depend on any earlier task.
const WINDOW: usize = 60;

/// Amount of the resource `seat`.
pub(crate) const SEATS: usize = 2;

/// A graph as a manifest, with the facts that the checker needs.
pub(crate) struct Graph {
    pub(crate) manifest: String,
    /// Manifests that it includes, by file name.
    pub(crate) included: Vec<(&'static str, String)>,
    pub(crate) tasks: Vec<Task>,
    /// Whether the graph contains tasks that fail.
    pub(crate) fails: bool,
    /// Tasks that take a seat, a resource of all runs.
    pub(crate) seated: BTreeSet<String>,
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Nodes that must end before it starts. `*` stands for an index of its own, the outermost first: `t1[*]/sum`.
    pub(crate) needs: Vec<String>,
    /// Whether it lies in a pipeline that runs once per element. The whole of it has no result.
    pub(crate) is_nested: bool,
    /// Whether it has iterations: `t1@0`.
    pub(crate) repeats: bool,
    /// Number of attempts if nothing is lost.
    pub(crate) attempts: u32,
    /// Whether it is a task of `[finally]`.
    pub(crate) is_finally: bool,
}

/// A graph being written.
pub(crate) struct Draft {
    pub(crate) random: Random,
    text: String,
    pub(crate) tasks: Vec<Task>,
    /// By type of their output: names of tasks, and of pipelines.
    pub(crate) numbers: Vec<String>,
    flags: Vec<String>,
    sides: Vec<String>,
    pub(crate) lists: Vec<String>,
    /// Those of the lists that something makes element by element.
    pub(crate) flowing: BTreeSet<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) fails: bool,
    seated: BTreeSet<String>,
}

impl Graph {
    /// Creates the graph of a seed, with about this many tasks.
    pub(crate) fn new(seed: u64, tasks: usize) -> Self {
        let mut random = Random::new(seed, "graph");
        let fails = random.percent(40);
        let mut draft = Draft {
            random,
            text: String::new(),
            tasks: Vec::new(),
            numbers: Vec::new(),
            flags: Vec::new(),
            sides: Vec::new(),
            lists: Vec::new(),
            flowing: BTreeSet::new(),
            texts: Vec::new(),
            fails,
            seated: BTreeSet::new(),
        };
        draft.root();
        draft.wide();
        while draft.tasks.len() < tasks {
            draft.any();
        }
        overdue::add(&mut draft, seed);
        finally::add(&mut draft);
        // More hosts than the default allows may be killed while they hold the same task.
        let head = "cascade = 1\nname = \"chaos\"\n[defaults]\nmax-lost-hosts = 100\n\
             [components.g]\npath = \"{guest:basic}\"\n\
             [components.r]\npath = \"{guest:repeat}\"\ngrants.context = true\n\
             [components.h]\npath = \"{guest:host-calls}\"\ngrants.context = true\n\
             [resources]\nlicence = { amount = 2, scope = \"run\" }\ndesk = 1\n\
             pace = { rate = \"400/s\", burst = 20, scope = \"backend\" }\n";
        let seats = format!("seat = {{ amount = {SEATS}, scope = \"backend\" }}\n");
        let may_fail = fails && draft.random.percent(50);
        let inside = if may_fail { Inside::Fragile } else { Inside::Sound };
        let included = fan_outs::included(inside);
        let Draft { text, tasks, seated, .. } = draft;
        Self { manifest: format!("{head}{seats}{text}"), included, tasks, fails, seated }
    }
}

/// A task being written.
pub(crate) struct Next {
    lines: String,
    pub(crate) needs: Vec<String>,
    pub(crate) repeats: bool,
    pub(crate) attempts: u32,
}

impl Next {
    /// Begins a task that calls a function.
    pub(crate) fn call(function: &str) -> Self {
        Self { lines: format!("call = \"{function}\"\n"), needs: Vec::new(), repeats: false, attempts: 1 }
    }

    /// Begins a task that includes a manifest.
    pub(crate) fn manifest(path: &str) -> Self {
        Self { lines: format!("manifest = \"{path}\"\n"), needs: Vec::new(), repeats: false, attempts: 1 }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }
}

impl Draft {
    fn any(&mut self) {
        match self.random.within(0, 99) {
            0..=7 => self.root(),
            8..=32 => self.add(),
            33..=47 => self.sum(),
            48..=56 => self.double(),
            57..=62 => self.is_even(),
            63..=66 => self.choose(),
            67..=70 => self.select(),
            71..=74 => self.list(),
            75..=77 => self.each(),
            78..=82 => self.flaky(),
            83..=87 => self.slow(),
            88..=89 => self.concat(),
            90..=91 => self.fragile(),
            92..=94 => self.repeat(),
            _ => self.fan_out(),
        }
    }

    fn root(&mut self) {
        let mut next = Next::call("g.double");
        next.line(&format!("args.x = {}", self.random.within(0, 1000)));
        let name = self.put(next);
        self.numbers.push(name);
    }

    fn add(&mut self) {
        let mut next = Next::call("g.add");
        let (a, b) = (self.number(&mut next), self.number(&mut next));
        next.line(&format!("args = {{ a = {a}, b = {b} }}"));
        self.put_number(next);
    }

    fn sum(&mut self) {
        let mut next = Next::call("g.sum");
        let count = self.random.within(2, 8);
        let parts: Vec<String> = (0..count).map(|_| self.number(&mut next)).collect();
        next.line(&format!("args.xs = [{}]", parts.join(", ")));
        self.put_number(next);
    }

    fn double(&mut self) {
        let mut next = Next::call("g.double");
        let x = self.number(&mut next);
        next.line(&format!("args.x = {x}"));
        self.put_number(next);
    }

    fn is_even(&mut self) {
        let mut next = Next::call("g.is-even");
        let x = self.number(&mut next);
        next.line(&format!("args.x = {x}"));
        let name = self.put(next);
        self.flags.push(name);
    }

    fn choose(&mut self) {
        let mut next = Next::call("g.choose");
        next.line(&format!("args.n = {}", self.random.within(0, 2)));
        self.after(&mut next);
        let name = self.put(next);
        self.sides.push(name);
    }

    /// Adds a `select` over two tasks that nothing else needs, so that one at most runs.
    fn select(&mut self) {
        let Some(side) = self.recent(Which::Sides) else { return self.choose() };
        let cases: Vec<String> = (0..2)
            .map(|_| {
                let mut next = Next::call("g.double");
                let x = self.number(&mut next);
                next.line(&format!("args.x = {x}"));
                self.put(next)
            })
            .collect();
        let mut next = Next::call("g.double");
        next.needs.push(side.clone());
        next.line(&format!(
            "args.x = {{ select = {{ task = \"{side}\", default = \"left\" }}, default = 9, \
             cases = {{ left = {{ task = \"{}\", default = 5 }}, right = {{ task = \"{}\", default = 6 }} }} }}",
            cases[0], cases[1]
        ));
        let name = self.put(next);
        self.numbers.push(name);
    }

    pub(crate) fn list(&mut self) {
        let count = self.random.within(0, 12);
        self.list_of(count);
    }

    fn list_of(&mut self, count: u32) {
        let mut next = Next::call("g.numbers");
        next.line(&format!("args.n = {count}"));
        self.after(&mut next);
        let name = self.put(next);
        self.lists.push(name);
    }

    fn each(&mut self) {
        let Some(list) = self.recent(Which::Lists) else { return self.list() };
        let mut next = Next::call("g.double");
        next.needs.push(list.clone());
        next.line(&format!("for-each.x = {{ task = \"{list}\", default = [1, 2] }}"));
        next.line("args.x = { item = \"x\" }");
        if self.random.percent(30) {
            next.line(&format!("max-parallel = {}", self.random.within(1, 3)));
        }
        self.ask_for_room(&mut next, 10);
        let name = self.put(next);
        self.lists.push(name.clone());
        self.flowing.insert(name.clone());
        self.put_sum(&name, std::slice::from_ref(&name));
    }

    /// Adds one list of many elements.
    fn wide(&mut self) {
        let count = self.random.within(100, 400);
        self.list_of(count);
        self.each();
        // Other tasks read short lists.
        self.lists.clear();
    }

    fn flaky(&mut self) {
        let mut next = Next::call("h.flaky");
        let until = self.random.within(1, 3);
        next.line(&format!("args.until = {until}"));
        let delay = self.random.pick(&["1ms", "20ms", "200ms"]);
        next.line(&format!("retry = {{ attempts = 4, delay = \"{delay}\", jitter = false }}"));
        next.attempts = until;
        self.after(&mut next);
        self.put_number(next);
    }

    fn slow(&mut self) {
        let mut next = Next::call("g.slow-echo");
        let milliseconds = self.random.within(1, 30);
        next.line(&format!("args = {{ text = \"x\", ms = {milliseconds} }}"));
        self.after(&mut next);
        self.ask_for_room(&mut next, 40);
        let name = self.put(next);
        self.texts.push(name);
    }

    fn concat(&mut self) {
        let mut next = Next::call("g.concat");
        let mut parts = Vec::new();
        for _ in 0..self.random.within(1, 5) {
            if let Some(text) = self.recent(Which::Texts) {
                parts.push(format!("{{ task = \"{text}\", default = \"y\" }}"));
                next.needs.push(text);
            }
        }
        next.line(&format!("args.parts = [{}]", parts.join(", ")));
        let name = self.put(next);
        self.texts.push(name);
    }

    /// Makes a task fail on odd numbers, in graphs with failures.
    fn fragile(&mut self) {
        if !self.fails {
            return self.double();
        }
        let mut next = Next::call("g.maybe-fail");
        let x = self.number(&mut next);
        next.line(&format!("args.x = {x}"));
        if self.random.percent(30) {
            next.line("retry = { attempts = 2, delay = \"10ms\" }");
            next.attempts = 2;
        }
        self.put_number(next);
    }

    /// Returns a reference to a number.
    pub(crate) fn number(&mut self, next: &mut Next) -> String {
        let task = self.recent(Which::Numbers).expect("there is one from the beginning");
        next.needs.push(task.clone());
        if self.random.percent(60) {
            format!("{{ task = \"{task}\", default = {} }}", self.random.within(0, 9))
        } else {
            format!("{{ task = \"{task}\" }}")
        }
    }

    /// Returns one of the last tasks with this type of output.
    pub(crate) fn recent(&mut self, which: Which) -> Option<String> {
        let all = match which {
            Which::Numbers => &self.numbers,
            Which::Flags => &self.flags,
            Which::Sides => &self.sides,
            Which::Lists => &self.lists,
            Which::Texts => &self.texts,
        };
        let first = if self.random.percent(10) { 0 } else { all.len().saturating_sub(WINDOW) };
        let recent = &all[first..];
        if recent.is_empty() { None } else { Some(self.random.pick(recent).clone()) }
    }

    pub(crate) fn after(&mut self, next: &mut Next) {
        if self.random.percent(60) {
            let task = self.recent(Which::Numbers).expect("there is one from the beginning");
            next.line(&format!("after = [\"{task}\"]"));
            next.needs.push(task);
        }
    }

    pub(crate) fn ask_for_room(&mut self, next: &mut Next, percent: u32) {
        if self.random.percent(percent) {
            let resource = self.random.pick(&["licence", "desk", "seat", "pace"]);
            next.line(&format!("resources = {{ {resource} = 1 }}"));
        }
    }

    /// Writes the task of a number, sometimes with a condition, or with a deadline that is watched and does not pass.
    pub(crate) fn put_number(&mut self, mut next: Next) {
        if self.random.percent(20) {
            next.line("deadline = \"1h\"");
        }
        if self.random.percent(10)
            && let Some(flag) = self.recent(Which::Flags)
        {
            let not = if self.random.percent(50) { ", not = true" } else { "" };
            next.line(&format!("when = {{ task = \"{flag}\"{not} }}"));
            next.needs.push(flag);
        }
        if self.random.percent(5) {
            next.line(&format!("priority = {}", self.random.within(1, 100)));
        }
        let name = self.put(next);
        self.numbers.push(name);
    }

    /// Writes a task, and returns its name.
    pub(crate) fn put(&mut self, next: Next) -> String {
        let name = self.write(&next);
        let Next { needs, repeats, attempts, .. } = next;
        self.tasks.push(Task {
            name: name.clone(),
            needs,
            is_nested: false,
            repeats,
            attempts,
            is_finally: false,
        });
        name
    }

    /// Writes a task under a new name. A pipeline is none of the graph's tasks: those inside of it are.
    pub(crate) fn write(&mut self, next: &Next) -> String {
        self.write_to("tasks", next)
    }

    /// Writes a task to a section.
    pub(crate) fn write_to(&mut self, section: &str, next: &Next) -> String {
        let name = format!("t{}", self.tasks.len());
        let _ = write!(self.text, "[{section}.{name}]\n{}", next.lines);
        if next.lines.contains("seat = 1") {
            self.seated.insert(name.clone());
        }
        name
    }

    /// Writes a task whose output is a number, sometimes with a condition.
    pub(crate) fn put_sum(&mut self, list: &str, needs: &[String]) {
        let mut sum = Next::call("g.sum");
        sum.needs.extend_from_slice(needs);
        sum.line(&format!("args.xs = {{ task = \"{list}\", default = [] }}"));
        self.put_number(sum);
    }
}

/// A type of output.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Numbers,
    Flags,
    Sides,
    Lists,
    Texts,
}
