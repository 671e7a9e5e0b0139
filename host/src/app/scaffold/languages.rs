//! The files of `host/templates` for each language.
//! `templates` fills them in.

use crate::app::build::Language;

/// The files of one language, beside those that all have.
pub(crate) struct Template {
    /// Path of the component.
    pub(crate) component: &'static str,
    /// Paths and contents; the first is the source of the task.
    pub(crate) sources: &'static [(&'static str, &'static str)],
    /// The interface.
    pub(crate) wit: &'static str,
    /// The lines of `.gitignore`.
    pub(crate) ignored: &'static str,
}

const WIT: &str = include_str!("../../../templates/task.wit");

/// What builds of Python leave, and what those that use its packages do.
const OF_PYTHON: &str = "/.venv\n__pycache__\n/task.wasm\n";
const OF_NODE: &str = "/node_modules\n/task.wasm\n";
const OF_BINDINGS: &str = "/.venv\n/bindings\n/task.wasm\n";

const RUST: Template = Template {
    component: "target/wasm32-wasip2/release/task.wasm",
    sources: &[
        ("src/lib.rs", include_str!("../../../templates/rust/src/lib.rs")),
        ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.template")),
    ],
    wit: WIT,
    ignored: "/target\n",
};

const PYTHON: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.py", include_str!("../../../templates/python/task.py")),
        ("requirements.txt", include_str!("../../../templates/python/requirements.txt")),
    ],
    wit: WIT,
    ignored: OF_PYTHON,
};

const JAVASCRIPT: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.js", include_str!("../../../templates/javascript/task.js")),
        ("package.json", include_str!("../../../templates/javascript/package.json")),
    ],
    wit: WIT,
    ignored: OF_NODE,
};

const TYPESCRIPT: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.ts", include_str!("../../../templates/typescript/task.ts")),
        ("package.json", include_str!("../../../templates/typescript/package.json")),
    ],
    wit: WIT,
    ignored: OF_NODE,
};

const C: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.c", include_str!("../../../templates/c/task.c")),
        ("requirements.txt", include_str!("../../../templates/c/requirements.txt")),
    ],
    wit: WIT,
    ignored: OF_BINDINGS,
};

const CPP: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.cpp", include_str!("../../../templates/cpp/task.cpp")),
        ("requirements.txt", include_str!("../../../templates/c/requirements.txt")),
    ],
    wit: WIT,
    ignored: OF_BINDINGS,
};

const ZIG: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.zig", include_str!("../../../templates/zig/task.zig")),
        ("requirements.txt", include_str!("../../../templates/c/requirements.txt")),
    ],
    wit: WIT,
    ignored: OF_BINDINGS,
};

const GO: Template = Template {
    component: "task.wasm",
    sources: &[
        (
            "export_my_task_words/words.go",
            include_str!("../../../templates/go/export_my_task_words/words.go"),
        ),
        ("main.go", include_str!("../../../templates/go/main.go")),
        ("go.mod", include_str!("../../../templates/go/go.mod.template")),
        ("requirements.txt", include_str!("../../../templates/go/requirements.txt")),
    ],
    wit: WIT,
    ignored: OF_BINDINGS,
};

const ASSEMBLYSCRIPT: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.ts", include_str!("../../../templates/assemblyscript/task.ts")),
        ("abi.ts", include_str!("../../../templates/assemblyscript/abi.ts")),
        ("package.json", include_str!("../../../templates/assemblyscript/package.json")),
    ],
    wit: include_str!("../../../templates/assemblyscript/task.wit"),
    ignored: OF_NODE,
};

const NIM: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.nim", include_str!("../../../templates/nim/task.nim")),
        ("requirements.txt", include_str!("../../../templates/c/requirements.txt")),
    ],
    wit: WIT,
    ignored: "/.venv\n/.nimcache\n/bindings\n/task.wasm\n",
};

/// Returns the files of a language.
pub(crate) const fn template(language: Language) -> Template {
    match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::JavaScript => JAVASCRIPT,
        Language::TypeScript => TYPESCRIPT,
        Language::C => C,
        Language::Cpp => CPP,
        Language::Zig => ZIG,
        Language::Go => GO,
        Language::AssemblyScript => ASSEMBLYSCRIPT,
        Language::Nim => NIM,
    }
}
