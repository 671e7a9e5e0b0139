//! What runs over lists in random graphs: chains of elements, ranges, products, built-in tasks, and pipelines that run once
//! per element, within others.
//! `graph` has the other tasks.

use crate::graph::{Draft, Next, Task, Which};

/// Maximum number of elements that a list of this file adds.
const MAX_ADDED: u32 = 8;

/// Three elements that flow on, tasks that some elements skip, and one that repeats. In some graphs an odd `n` fails, and so
/// does a repetition without an end.
const LEAF: &str = r#"
[params.n]
type = "u32"
[params.plus]
type = "u32"
default = 1
[tasks.list]
call = "g.numbers"
args.n = 3
[tasks.checked]
call = "g.FUNCTION"
for-each.x = { task = "list" }
args.x = { param = "n" }
[tasks.next]
call = "g.add"
for-each.x = { task = "checked" }
for-each.y = { task = "list" }
args = { a = { item = "x" }, b = { item = "y" } }
[tasks.sum]
call = "g.sum"
args.xs = [{ task = "next", path = "[0]", default = 2 }, { param = "plus" }]
[tasks.text]
call = "std.to-json"
args.value = { param = "n" }
[tasks.lines]
call = "std.lines"
args.text = { task = "text" }
[tasks.same]
call = "std.first"
args.items = [{ task = "sum" }]
[tasks.even]
call = "g.is-even"
args.x = { param = "plus" }
[tasks.only]
call = "g.double"
args.x = { task = "same", path = "some" }
when = { task = "even" }
[tasks.copes]
call = "g.add"
args = { a = { task = "only", default = 7 }, b = { param = "plus" } }
[tasks.halve]
call = "r.halve"
args.state = { number = { task = "sum" }, steps = 0 }
args.until = { param = "plus" }
args.attempts = 2
retry = { attempts = 3, delay = "5ms", jitter = false }
repeat = { feed = "state", until = "done", max = MAX }
[outputs]
sum = { task = "copes" }
only = { task = "only", default = 3 }
lines = { task = "lines" }
steps = { task = "halve", path = "steps" }
"#;

/// `LEAF` for each of two numbers, and what flows from it.
const MIDDLE: &str = r#"
[params.n]
type = "u64"
[params.plus]
type = "u32"
default = 1
[tasks.leaf]
manifest = "leaf.toml"
for-each.n = { range = 2 }
for-each.plus = [4, 7]
args = { n = { item = "n" }, plus = { item = "plus" } }
[tasks.doubled]
call = "g.double"
for-each.leaf = { task = "leaf" }
args.x = { item = "leaf", path = "sum" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "doubled" }
[tasks.text]
call = "std.to-json"
args.value = { task = "leaf" }
[outputs]
sum = { task = "sum" }
only = { param = "plus" }
lines = [{ task = "text" }]
"#;

/// What the tasks of `LEAF` need inside of it, in the order of the manifest.
pub(crate) const LEAF_TASKS: [(&str, &[&str]); 11] = [
    ("list", &[]),
    ("checked", &["list"]),
    ("next", &["checked[*]", "list"]),
    ("sum", &["next"]),
    ("text", &[]),
    ("lines", &["text"]),
    ("same", &["sum"]),
    ("even", &[]),
    ("only", &["same", "even"]),
    ("copes", &["only"]),
    ("halve", &["sum"]),
];

/// What the own tasks of `MIDDLE` need inside of it. Whatever reads an element of `leaf` needs all of its outputs.
const MIDDLE_TASKS: [(&str, &[&str]); 3] = [
    ("doubled", &["leaf[*]/copes", "leaf[*]/only", "leaf[*]/lines", "leaf[*]/halve"]),
    ("sum", &["doubled"]),
    ("text", &["leaf/copes", "leaf/only", "leaf/lines", "leaf/halve"]),
];

/// Whether tasks of included manifests fail for some numbers.
#[derive(Clone, Copy)]
pub(crate) enum Inside {
    Sound,
    Fragile,
}

/// Returns the manifests that graphs include, by file name.
pub(crate) fn included(inside: Inside) -> Vec<(&'static str, String)> {
    let head = "cascade = 1\nname = \"included\"\n[defaults]\nmax-lost-hosts = 100\n[components.g]\npath = \"{guest:basic}\"\n\
        [components.r]\npath = \"{guest:repeat}\"\ngrants.context = true\n";
    let (function, max) = match inside {
        Inside::Sound => ("double", "40"),
        Inside::Fragile => ("maybe-fail", "4"),
    };
    let text = |body: &str| format!("{head}{}", body.replace("FUNCTION", function).replace("MAX", max));
    vec![("leaf.toml", text(LEAF)), ("middle.toml", text(MIDDLE))]
}

/// A list that something runs over: as the manifest has it, and the nodes that an element waits for.
struct Source {
    list: String,
    needs: Vec<String>,
}

impl Draft {
    /// Adds something that runs over lists.
    pub(crate) fn fan_out(&mut self) {
        match self.random.within(0, 10) {
            0..=4 => self.chain(),
            5..=6 => self.product(),
            7 => self.built_in(),
            8 => self.pipeline_once(),
            9 => self.pipeline("leaf.toml"),
            _ => self.pipeline("middle.toml"),
        }
    }

    /// Returns a short list.
    fn source(&mut self) -> Source {
        let small = self.random.within(0, MAX_ADDED);
        let list = self.recent(Which::Lists);
        match (self.random.within(0, 3), list) {
            (0, Some(list)) => {
                let need = if self.flowing.contains(&list) { format!("{list}[*]") } else { list.clone() };
                Source { list: format!("{{ task = \"{list}\" }}"), needs: vec![need] }
            }
            (1, Some(list)) => {
                Source { list: format!("{{ task = \"{list}\", default = [1, 4] }}"), needs: vec![list] }
            }
            (2, Some(list)) => {
                let mut length = Next::call("std.length");
                length.needs.push(list.clone());
                length.line(&format!("args.items = {{ task = \"{list}\", default = [] }}"));
                let length = self.put(length);
                Source { list: format!("{{ range = {{ task = \"{length}\" }} }}"), needs: vec![length] }
            }
            _ => Source { list: format!("{{ range = [{small}, {}] }}", small + 4), needs: Vec::new() },
        }
    }

    /// Adds steps whose elements flow from one another. Each may read an earlier one too.
    fn chain(&mut self) {
        let Source { list, needs } = self.source();
        let mut first = Next::call("g.double");
        first.needs = needs;
        first.line(&format!("for-each.x = {list}\nargs.x = {{ item = \"x\" }}"));
        self.step(&mut first);
        let mut steps = vec![self.put(first)];
        for _ in 0..self.random.within(1, 4) {
            let mut next = self.link(&steps);
            self.step(&mut next);
            steps.push(self.put(next));
        }
        let last = steps.last().expect("there is a first").clone();
        self.put_sum(&last, std::slice::from_ref(&last));
        if self.random.percent(30) {
            self.lists.push(last.clone());
            self.flowing.insert(last);
        }
    }

    /// Returns the next step after these.
    fn link(&mut self, steps: &[String]) -> Next {
        let last = steps.last().expect("there is a first");
        let earlier = self.random.pick(steps).clone();
        let of = |task: &str| format!("{{ task = \"{task}\" }}");
        let mut next = match self.random.within(0, 5) {
            0 | 1 => {
                let mut next = Next::call("g.add");
                next.line(&format!("for-each.y = {}", of(&earlier)));
                next.line("args = { a = { item = \"x\" }, b = { item = \"y\" } }");
                next.needs.push(format!("{earlier}[*]"));
                next
            }
            2 if self.fails => {
                let mut next = Next::call("g.maybe-fail");
                next.line("args.x = { item = \"x\" }");
                next
            }
            3 => {
                let mut next = Next::call("h.flaky");
                next.attempts = self.random.within(1, 3);
                next.line(&format!("args.until = {}", next.attempts));
                next.line("retry = { attempts = 4, delay = \"10ms\", jitter = false }");
                next
            }
            4 => {
                let mut next = Next::call("std.unwrap-or");
                next.line("args = { value = { item = \"x\" }, default = 5 }");
                next
            }
            _ => {
                let mut next = Next::call("g.sum");
                let number = self.number(&mut next);
                next.line(&format!("args.xs = [{{ item = \"x\" }}, {number}]"));
                next
            }
        };
        next.line(&format!("for-each.x = {}", of(last)));
        next.needs.push(format!("{last}[*]"));
        next
    }

    fn step(&mut self, next: &mut Next) {
        if self.random.percent(20) {
            next.line(&format!("max-parallel = {}", self.random.within(1, 3)));
        }
        if self.random.percent(10) {
            next.line(&format!("priority = {}", self.random.within(1, 100)));
        }
    }

    /// Adds all combinations of two lists, and what flows from them.
    fn product(&mut self) {
        let (x, y) = (self.source(), self.random.within(0, 3));
        let mut next = Next::call("g.add");
        // A product waits for whole lists.
        next.needs = x.needs.iter().map(|need| need.replace("[*]", "")).collect();
        next.line(&format!("for-each.x = {}\nfor-each.y = {{ range = {y} }}\nproduct = true", x.list));
        next.line("args = { a = { item = \"x\" }, b = { item = \"y\" } }");
        self.ask_for_room(&mut next, 10);
        self.step(&mut next);
        let all = self.put(next);
        let mut doubled = Next::call("g.double");
        doubled.needs.push(format!("{all}[*]"));
        doubled.line(&format!("for-each.x = {{ task = \"{all}\" }}\nargs.x = {{ item = \"x\" }}"));
        let doubled = self.put(doubled);
        self.put_sum(&doubled, std::slice::from_ref(&doubled));
    }

    /// Adds built-in tasks over a list.
    fn built_in(&mut self) {
        let Some(list) = self.recent(Which::Lists) else { return self.list() };
        let of = |task: &str| format!("{{ task = \"{task}\", default = [3, 1, 1] }}");
        let mut chunks = Next::call("std.chunk");
        chunks.needs.push(list.clone());
        chunks.line(&format!("args = {{ items = {}, size = {} }}", of(&list), self.random.within(1, 4)));
        let chunks = self.put(chunks);
        let mut sums = Next::call("g.sum");
        sums.needs.push(chunks.clone());
        sums.line(&format!("for-each.part = {{ task = \"{chunks}\" }}\nargs.xs = {{ item = \"part\" }}"));
        let sums = self.put(sums);
        let mut flat = Next::call("std.flatten");
        flat.needs.extend([chunks.clone(), sums.clone()]);
        flat.line(&format!("args.lists = [{{ task = \"{sums}\" }}, {}]", of(&list)));
        flat.needs.push(list);
        let flat = self.put(flat);
        let mut unique = Next::call("std.unique-by");
        unique.needs.push(flat.clone());
        unique.line(&format!("args = {{ items = {{ task = \"{flat}\" }}, path = \"\" }}"));
        let unique = self.put(unique);
        self.put_sum(&unique, std::slice::from_ref(&unique));
        let mut texts = Next::call("std.to-json");
        texts.needs.push(format!("{sums}[*]"));
        texts.line(&format!("for-each.value = {{ task = \"{sums}\" }}\nargs.value = {{ item = \"value\" }}"));
        let texts = self.put(texts);
        let mut join = Next::call("std.join");
        join.needs.push(texts.clone());
        join.line(&format!("args = {{ items = {{ task = \"{texts}\" }}, separator = \", \" }}"));
        let joined = self.put(join);
        self.texts.push(joined);
    }

    /// Adds a pipeline that runs once per element, with what flows into it and out of it.
    fn pipeline(&mut self, manifest: &str) {
        let Source { list, needs } = self.source();
        let mut before = Next::call("g.echo-u32");
        before.needs = needs;
        before.line(&format!("for-each.x = {list}\nargs.value = {{ item = \"x\" }}"));
        let before = self.put(before);
        let mut next = Next::manifest(manifest);
        next.line(&format!("for-each.n = {{ task = \"{before}\" }}\nargs.n = {{ item = \"n\" }}"));
        let plus = self.number(&mut next);
        let plus_needs = std::mem::take(&mut next.needs);
        next.line(&format!("args.plus = {plus}"));
        if self.random.percent(50) {
            self.after(&mut next);
        }
        self.step(&mut next);
        next.needs.push(format!("{before}[*]"));
        let name = self.write(&next);
        let own = |task: &str| format!("{name}[*]/{task}");
        let mut outputs: Vec<String> = if manifest == "leaf.toml" {
            self.inner(&format!("{name}[*]"), (&LEAF_TASKS, &next.needs));
            ["copes", "only", "lines", "halve"].map(own).into()
        } else {
            self.inner(&format!("{name}[*]/leaf[*]"), (&LEAF_TASKS, &next.needs));
            self.inner(&format!("{name}[*]"), (&MIDDLE_TASKS, &next.needs));
            ["sum", "text"].map(own).into()
        };
        outputs.extend(plus_needs);
        let mut after = Next::call("g.sum");
        after.needs.clone_from(&outputs);
        after.line(&format!("for-each.made = {{ task = \"{name}\" }}"));
        after.line("args.xs = [{ item = \"made\", path = \"sum\" }, { item = \"made\", path = \"only\" }]");
        let after = self.put(after);
        self.put_sum(&after, std::slice::from_ref(&after));
        let mut one = Next::call("g.double");
        one.needs = outputs.iter().map(|output| output.replace("[*]", "")).collect();
        one.line(&format!("args.x = {{ task = \"{name}\", path = \"[1].sum\", default = 8 }}"));
        self.put_number(one);
    }

    /// Adds the tasks of a pipeline, of which each needs `from` too.
    pub(crate) fn inner(&mut self, name: &str, (tasks, from): (&[(&str, &[&str])], &[String])) {
        for (task, needs) in tasks {
            let needs = needs.iter().map(|need| format!("{name}/{need}"));
            let needs = needs.chain(from.iter().cloned()).collect();
            let (is_nested, repeats) = (name.contains('['), *task == "halve");
            let name = format!("{name}/{task}").replace("[*]", "");
            let attempts = if repeats { 2 } else { 1 };
            self.tasks.push(Task { name, needs, is_nested, repeats, attempts, is_finally: false });
        }
    }
}
