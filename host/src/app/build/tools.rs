//! The tools that builds need: how to find out whether this machine has one, and the line that installs it.
//! `language` says which language needs which.

use std::process::{Command, Stdio};

/// A tool that a build needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its name, with the version that is needed.
    pub(crate) name: &'static str,
    /// A command of the shell that succeeds if it is there.
    probe: &'static str,
    /// The command that installs it, or an address.
    pub(crate) install: &'static str,
}

pub(crate) const CARGO: Tool =
    Tool { name: "Rust", probe: "command -v cargo", install: "install Rust: https://rustup.rs" };

pub(crate) const WASM_TARGET: Tool = Tool {
    name: "Rust's target wasm32-wasip2",
    probe: "test -d \"$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2\"",
    install: "rustup target add wasm32-wasip2",
};

pub(crate) const PYTHON: Tool = Tool {
    name: "Python 3.10 or later",
    probe: "python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'",
    install: "apt-get install python3 python3-venv",
};

pub(crate) const VENV: Tool = Tool {
    name: "Python's venv",
    probe: "python3 -c 'import venv, ensurepip'",
    install: "apt-get install python3-venv",
};

/// Go of the machine, or the one of PyPI.
pub(crate) const GO: Tool = Tool {
    name: "Go 1.25 or later, or Python 3.10 with venv, which installs one",
    probe: "case $(GOTOOLCHAIN=local go env GOVERSION) in go1.2[5-9]*|go1.[3-9][0-9]*|go[2-9]*) ;; *) \
            python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' ;; esac",
    install: "apt-get install python3 python3-venv",
};

pub(crate) const NODE: Tool = Tool {
    name: "Node 20 or later",
    probe: "node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'",
    install: "install Node: https://nodejs.org",
};

pub(crate) const NPM: Tool = Tool { name: "npm", probe: "command -v npm", install: "apt-get install npm" };

pub(crate) const NIM: Tool = Tool { name: "Nim", probe: "command -v nim", install: "apt-get install nim" };

impl Tool {
    /// Returns whether this machine has the tool.
    pub(crate) fn is_here(&self) -> bool {
        let mut probe = Command::new("sh");
        probe.args(["-c", self.probe]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    /// Returns the line of a script that ends it if the tool is missing.
    pub(crate) fn check(&self) -> String {
        let Self { name, probe, install } = self;
        let message = quoted(&format!("{name} is missing: {install}"));
        format!("{{ {probe}; }} >/dev/null 2>&1 || {{ printf '%s\\n' {message} >&2; exit 1; }}")
    }
}

/// Quotes a word for the shell.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        let word = "it's $HOME `x` \\ \"y\"";
        let printed =
            Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
        assert_eq!(printed.stdout, word.as_bytes());
    }

    #[test]
    fn a_missing_tool_is_named_with_its_remedy() {
        let tool = Tool { name: "Nothing 9", probe: "command -v no-such-program", install: "install it" };
        assert!(!tool.is_here());
        let ended = Command::new("sh").args(["-c", &tool.check()]).output().unwrap();
        assert_eq!(
            (ended.status.code(), &*ended.stderr),
            (Some(1), &b"Nothing 9 is missing: install it\n"[..])
        );
    }
}
