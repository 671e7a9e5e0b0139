//! The pages of the manual, embedded in the binary: one table of names, titles and texts.
//! `commands::help` prints them.

/// A page of the manual: `host/docs/NAME.md`.
pub(crate) struct Topic {
    /// The argument of `help` that selects the page.
    pub(crate) name: &'static str,
    /// One line about the content.
    pub(crate) title: &'static str,
    /// The whole page.
    pub(crate) text: &'static str,
}

macro_rules! topics {
    ($($name:literal: $title:literal,)*) => {
        /// All pages, in reading order.
        pub(crate) const TOPICS: &[Topic] = &[$(Topic {
            name: $name,
            title: $title,
            text: include_str!(concat!("../../docs/", $name, ".md")),
        }),*];
    };
}

topics! {
    "getting-started": "how to install, run an example, and write a first manifest",
    "manifest": "every key of a manifest, with type, default and example",
    "builtins": "tasks of the host itself: lists, paths, templates, JSON and CSV",
    "plugins": "ready-made components: regex, JSON, CSV, SQL, HTML, images, charts, HTTP, S3",
    "examples": "ten small pipelines, and what they print",
    "values": "WIT types, MessagePack, JSON, and which types fit together",
    "sources": "components from registries and web servers: pins, logins, proxies",
    "grants": "what a guest may touch, security, secrets",
    "limits": "every limit, and what happens at it",
    "state": "state backends, URIs, Redis keys, time to live, durability",
    "hosts": "many hosts on one run: leases, heartbeats, takeover, fencing",
    "caching": "purity, the cache key, single-flight, `--verify`",
    "events": "all events, logs, error classes",
    "cli": "commands, flags, variables, settings, exit codes, signals",
    "schedule": "runs by cron and systemd timers",
    "writing-tasks": "a task in Rust, Python or JavaScript; the host's interfaces",
    "library": "running pipelines from a Rust program",
    "index": "this list, and terms that all pages use",
}

impl Topic {
    /// Finds a page by its name, or by the form that links use: `manifest` or `manifest.md`.
    pub(crate) fn find(word: &str) -> Option<&'static Self> {
        let name = word.strip_suffix(".md").unwrap_or(word);
        TOPICS.iter().find(|topic| topic.name == name)
    }
}
