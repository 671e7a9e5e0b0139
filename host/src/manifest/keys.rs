//! The keys of a manifest, table by table. A key that is not listed here is unknown, so no key is ignored silently.
//! The values of keys are read in the files of their tables; keys beside references are in `reference`.

/// The keys of one table, in the order in which messages list them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section(&'static [&'static str]);

impl Section {
    /// Returns the keys.
    pub(crate) const fn keys(self) -> &'static [&'static str] {
        self.0
    }
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident: $($key:literal)*;)*) => {
        $($(#[$doc])* pub(crate) const $name: Section = Section(&[$($key),*]);)*

        /// All tables by name, for the tests that compare the manual with them.
        #[cfg(test)]
        pub(crate) const SECTIONS: &[(&str, Section)] = &[$((stringify!($name), $name)),*];
    };
}

sections! {
    /// The top of the file.
    TOP: "cascade" "name" "description" "deadline" "state" "cache" "params" "resources" "defaults" "components" "tasks" "finally" "outputs" "notify" "tests";
    /// `[state]` and `[cache]`.
    BACKEND: "ttl" "uri";
    /// `uri` of a backend, as a table; `url` and `secret` of `[notify]` too.
    URI: "env";
    /// `[notify]`.
    NOTIFY: "url" "on" "secret";
    /// `[params.NAME]`.
    PARAM: "type" "default" "description" "secret";
    /// `[resources] NAME`, as a table.
    RESOURCE: "amount" "rate" "burst" "scope";
    /// `[defaults]`.
    DEFAULTS: "retry" "max-lost-hosts" "timeout" "limits" "resources" "cache";
    /// `[components.NAME]`.
    COMPONENT: "path" "oci" "url" "sha256" "wit" "world" "build" "build-dir" "imports" "grants";
    /// A value of `[components.NAME.imports]`, as a table.
    IMPORT: "component";
    /// `[tasks.NAME]` and `[finally.NAME]`.
    TASK: "call" "command" "manifest" "args" "stdin" "env" "files" "output" "type" "outputs" "ok-status" "for-each" "product"
        "repeat" "on-error" "after" "when" "max-parallel" "retry" "max-lost-hosts" "timeout" "limits" "resources" "cache" "priority"
        "deadline" "grants";
    /// `output` of a command, as a table, and each value of `outputs`.
    OUTPUT: "file" "files" "json" "text";
    /// `[[tests]]`.
    TEST: "name" "params" "expect" "fails";
    /// `repeat`.
    REPEAT: "feed" "until" "max";
    /// `retry`, as a table.
    RETRY: "attempts" "delay" "backoff" "max-delay" "jitter" "on" "permanent";
    /// `limits`.
    LIMITS: "memory" "fuel" "output" "logs" "stack" "disk";
    /// `grants`.
    GRANTS: "env" "args" "read" "write" "http" "tcp" "dns" "clock" "random" "context" "keyvalue";
}
