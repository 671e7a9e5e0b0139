//! The commands that build a component of each language, for the shell, in the folder of its sources.
//! `language` has what else is known of each.

use crate::app::build::language::Language;
use crate::app::build::tools::{Tool, quoted};

/// Returns the script that builds a component in the folder of its sources, or says which tool is missing.
pub(crate) fn script(language: Language, component: &str) -> String {
    let checks = language.tools().iter().map(Tool::check);
    let commands = commands(language, &quoted(component));
    checks.chain([commands]).fold("set -e".to_owned(), |script, line| format!("{script}\n{line}"))
}

fn commands(language: Language, component: &str) -> String {
    match language {
        Language::Rust => "cargo build --release --target wasm32-wasip2".to_owned(),
        Language::Python => dated(
            &pip_installed(),
            VENV,
            &format!(".venv/bin/componentize-py --quiet -d wit -w task componentize task -o {component}"),
            component,
        ),
        Language::JavaScript => by_componentize_js("", "task.js", component),
        Language::TypeScript => by_componentize_js(
            "npx --no-install esbuild task.ts --bundle --format=esm --log-level=warning \
             --outfile=node_modules/.task.js\n",
            "node_modules/.task.js",
            component,
        ),
        Language::C => by_zig("c", &format!("{ZIG_CC} task.c bindings/task.c {TYPE_OBJECT}"), component),
        Language::Cpp => by_zig("cpp", ZIG_CPP, component),
        Language::Zig => by_zig("zig", ZIG, component),
        Language::Nim => by_zig("nim", NIM, component),
        Language::Go => go(component),
        Language::AssemblyScript => dated(
            &npm_installed(),
            NODE_MODULES,
            &format!(
                "{ASC}\n\"$CASCADE_HOST\" wrap {ASC_MODULE} --wit wit --encoding utf16 --out {component}"
            ),
            component,
        ),
    }
}

const VENV: &str = ".venv";

const NODE_MODULES: &str = "node_modules";

const PIP_INSTALL: &str =
    "python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt";

const NPM_INSTALL: &str = "npm install --loglevel=error --no-fund --no-audit";

/// The object of the bindings that has the interface.
const TYPE_OBJECT: &str = "bindings/task_component_type.o";

/// The module before it is wrapped.
const MODULE: &str = "bindings/core.wasm";

/// A reactor: functions that are called, and no `main`. Assertions stay, which Zig would leave out of optimised code.
const ZIG_CC: &str =
    ".venv/bin/python-zig cc -target wasm32-wasi -O2 -UNDEBUG -mexec-model=reactor -o bindings/core.wasm";

/// The bindings are C, which a compiler of C++ refuses.
const ZIG_CPP: &str = ".venv/bin/python-zig cc -target wasm32-wasi -O2 -c -o bindings/task.o bindings/task.c
.venv/bin/python-zig c++ -target wasm32-wasi -std=c++23 -fno-exceptions -O2 -UNDEBUG -mexec-model=reactor \
 -o bindings/core.wasm task.cpp bindings/task.o bindings/task_component_type.o";

/// Zig's own stack of 16 MiB would be memory of every call.
const ZIG: &str = ".venv/bin/python-zig translate-c bindings/task.h -target wasm32-wasi -lc > bindings/task.zig
.venv/bin/python-zig build-exe task.zig bindings/task.c bindings/task_component_type.o -target wasm32-wasi -lc \
 -O ReleaseSafe -fno-entry -rdynamic -mexec-model=reactor --stack 524288 -femit-bin=bindings/core.wasm";

/// Nim writes C, which Zig compiles.
const NIM: &str = "printf '#!/bin/sh\\nexec .venv/bin/python-zig cc -target wasm32-wasi \"$@\"\\n' > .venv/bin/wasm-cc
chmod +x .venv/bin/wasm-cc
nim c --hints:off --cpu:wasm32 --os:linux --cc:clang --clang.exe:wasm-cc --clang.linkerexe:wasm-cc \
 --clang.path:\"$PWD/.venv/bin\" --mm:arc --threads:off --panics:on -d:useMalloc -d:release -d:noSignalHandler \
 --noMain:on --passC:\"-w -I.\" --passL:\"-O2 -mexec-model=reactor\" --nimcache:.nimcache -o:bindings/core.wasm task.nim";

const ASC_MODULE: &str = "node_modules/.core.wasm";

const ASC: &str =
    "npx --no-install asc task.ts -o node_modules/.core.wasm --runtime stub --use abort=abi/abort -O";

/// Go of this machine if it is new enough, and else the one of PyPI.
const CHOOSE_GO: &str = "case $(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) in go1.2[5-9]*|go1.[3-9][0-9]*|go[2-9]*) go=go ;; *) go=.venv/bin/go ;; esac";

fn go(component: &str) -> String {
    let install = format!("{CHOOSE_GO}\nif [ $go != go ]; then {}; fi", pip_installed());
    let build = format!(
        "{}\nGOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local $go build -buildmode=c-shared \
         -ldflags='-checklinkname=0 -s -w' -o {MODULE} .\n\
         \"$CASCADE_HOST\" wrap {MODULE} --wit wit --world task --out {component}",
        bindings("go")
    );
    dated(&install, "bindings", &build, component)
}

/// Returns the line that writes the bindings.
fn bindings(language: &str) -> String {
    format!("\"$CASCADE_HOST\" bindings --lang {language} wit --world task --out bindings")
}

/// Builds a module that carries its interface by Zig's compilers, which come with the libraries of C and C++.
fn by_zig(language: &str, compile: &str, component: &str) -> String {
    let wrap = format!("\"$CASCADE_HOST\" wrap {MODULE} --out {component}");
    dated(&pip_installed(), VENV, &format!("{}\n{compile}\n{wrap}", bindings(language)), component)
}

fn by_componentize_js(bundle: &str, source: &str, component: &str) -> String {
    let build = format!(
        "{bundle}npx --no-install componentize-js {source} --wit wit --world-name task --disable fetch-event \
         --out {component} >/dev/null"
    );
    dated(&npm_installed(), NODE_MODULES, &build, component)
}

fn pip_installed() -> String {
    installed(VENV, "requirements.txt", PIP_INSTALL)
}

fn npm_installed() -> String {
    installed(NODE_MODULES, "package.json", NPM_INSTALL)
}

/// Returns the line that installs packages into a folder, if that is older than the list of them.
fn installed(folder: &str, list: &str, install: &str) -> String {
    format!("[ {folder}/.installed -nt {list} ] || {{ {install} && touch {folder}/.installed; }}")
}

/// Returns lines that give a component the date at which its build began: a source that is saved meanwhile is newer.
fn dated(install: &str, folder: &str, build: &str, component: &str) -> String {
    format!(
        "{install}\nmkdir -p {folder}\ntouch {folder}/.begun\n{build}\ntouch -r {folder}/.begun {component}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn scripts_of_all_languages_are_shell() {
        for language in Language::ALL {
            let script = script(language, "my task.wasm");
            let checked = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success(), "{script}: {}", String::from_utf8_lossy(&checked.stderr));
            assert!(language == Language::Rust || script.contains("'my task.wasm'"), "{script}");
        }
    }
}
