//! Errors of loading a component and of preparing its functions.
//! `failure` covers the failures of calls.

use crate::model::{Shortage, Size};
use crate::sandbox::compile::{Exceeded, Misfit, Proposal};
use std::io;
use std::sync::Arc;

/// Cause of an error, as the library below reports it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Reasons why a component cannot be loaded, or a function cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file has no bytes.
    #[error("the component is empty")]
    Empty,
    /// The file is WebAssembly text.
    #[error("this is the text of a component, not its binary form")]
    Text,
    /// The file is a core module without the interface of its functions.
    #[error("this is a core WebAssembly module that does not carry its interface")]
    NoInterface,
    /// The file is a core module with an import that no host has.
    #[error("this core WebAssembly module imports `{name}` from `{module}`, which is not WASI preview 1")]
    ModuleImport {
        /// The module of the import.
        module: Arc<str>,
        /// The name of the import.
        name: Arc<str>,
    },
    /// No component can be made of the core module.
    #[error("the host cannot make a component of the module")]
    Adapt(#[source] Cause),
    /// A component is to be made of a component.
    #[error("this is a component already")]
    AlreadyComponent,
    /// No sources can be written for a world.
    #[error("the host cannot write sources for this WIT")]
    Sources(#[source] Cause),
    /// WIT is named for a component.
    #[error("this is a component, which carries its interface itself")]
    WitOfComponent,
    /// The file is machine code, compiled by someone else.
    #[error("this is precompiled code, which is never accepted")]
    Precompiled,
    /// The file is anything else.
    #[error("this is not WebAssembly")]
    Foreign,
    /// The component is cut off or damaged.
    #[error("the component is cut off or damaged")]
    Damaged(#[source] Cause),
    /// The component imports a WASI version after 0.2.
    #[error("the component imports `{0}`, but this host supports only WASI 0.2")]
    LaterWasi(String),
    /// The component needs parts of the async ABI that few toolchains use.
    #[error("the component uses a part of the async ABI that this host does not have")]
    Async(#[source] Cause),
    /// The component uses a proposal of WebAssembly that no engine of this host has.
    #[error("the component uses {}, which this host does not run", .0.name())]
    Proposal(Proposal),
    /// The component is invalid, or needs a feature that the engine lacks.
    #[error("the component does not compile")]
    Compile(#[source] Cause),
    /// The component exceeds a bound of this host.
    #[error(transparent)]
    Beyond(#[from] Exceeded),
    /// The compiler itself failed, or was killed.
    #[error("the compiler failed on this host")]
    Compiler(#[source] Cause),
    /// The compiled code cannot be written to any folder.
    #[error("the compiled code could not be written")]
    Unwritten(#[source] Cause),
    /// An import that the host does not have.
    #[error("the component imports {}, which this host does not have", import_text(.interface, .function.as_deref()))]
    UnknownImport {
        /// The interface, `ns:pkg/iface@1.0.0`, or the plain name.
        interface: Arc<str>,
        /// The first function that is imported from it.
        function: Option<Arc<str>>,
    },
    /// The component imports a known interface with another type.
    #[error("the component imports `{interface}` with a type that differs from the host's")]
    ImportType {
        /// The interface.
        interface: String,
        /// Description of the difference.
        source: Cause,
    },
    /// The manifest lets an import trap that is no function and no interface of functions.
    #[error("the import `{0}` cannot trap: it is not an interface of functions")]
    NoTrap(String),
    /// Components do not fit together.
    #[error("the components do not fit together")]
    Misfit(#[source] Misfit),
    /// The component does not export the function.
    #[error("the component does not export `{0}`")]
    NoExport(String),
    /// A folder is granted at the place of a command's working directory.
    #[error("a folder is granted at `{0}`, which is the working directory of a command")]
    HidesWorkingDirectory(String),
    /// The function has a type that tasks cannot have.
    #[error("`{function}` cannot be a task")]
    Unsupported {
        /// The function.
        function: String,
        /// The type, and where the signature has it.
        source: crate::value::Unsupported,
    },
    /// The system allows less address space than guests reserve.
    #[error(
        "{calls} guest{} at the same time need {needed} of address space, but the system allows this process {allowed} \
         (`ulimit -v`), enough for {fitting}", if *.calls == 1 { "" } else { "s" }
    )]
    AddressSpace {
        /// Address space that the system allows.
        allowed: Size,
        /// Address space that would be enough.
        needed: Size,
        /// Number of guests that may run at the same time.
        calls: u32,
        /// Number of guests that fit.
        fitting: u64,
    },
    /// The engine cannot be created on this machine.
    #[error("the sandbox cannot be created on this machine")]
    Engine(#[source] Cause),
}

fn import_text(interface: &str, function: Option<&str>) -> String {
    match function {
        Some(function) => format!("`{interface}` (`{function}`)"),
        None => format!("`{interface}`"),
    }
}

impl LoadError {
    /// Returns a hint for the user, as one sentence, or `None` if nothing is known to help.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => "Build the component first: the file has no bytes.",
            Self::Text => "Convert the text to a binary with `wasm-tools parse`.",
            Self::NoInterface => {
                "Name the WIT that it was built by, with `wit = \"wit\"` in `[components.NAME]` or `inspect --wit wit`, or \
                 build for the target `wasm32-wasip2`."
            }
            Self::ModuleImport { .. } => {
                "Build it for `wasm32-wasip2` or `wasm32-wasip1`, without JavaScript, threads and dynamic linking."
            }
            Self::Adapt(_) => {
                "Check that the module was built by its WIT, or build it for the target `wasm32-wasip2`."
            }
            Self::AlreadyComponent => "Use it as it is.",
            Self::Sources(_) => {
                "Correct the WIT, or leave out what the generator lacks; an interface can be split into several components."
            }
            Self::WitOfComponent => "Remove `wit` and `world`.",
            Self::Precompiled => "Pass the component itself: the host compiles it and caches the code.",
            Self::Foreign => {
                "Pass a WebAssembly component, such as the output of a build for `wasm32-wasip2`."
            }
            Self::Damaged(_) => "Build or copy the component again.",
            Self::LaterWasi(_) => {
                "Build for WASI 0.2, in Rust for the target `wasm32-wasip2`; async functions need no later version."
            }
            Self::Async(_) => {
                "Build it with callbacks, as wit-bindgen and componentize-py do by themselves: without `error-context`, \
                 threads, and async functions that keep a stack of their own."
            }
            Self::Proposal(proposal) => proposal.help(),
            Self::UnknownImport { .. } => {
                "Build the component without that import, or compose it with a component that exports the interface."
            }
            Self::ImportType { .. } => {
                "Build against the WIT of this host, or against a WASI 0.2 version that is not newer."
            }
            Self::NoTrap(_) => {
                "Satisfy it with `{ component = \"NAME\" }`, or build the component without it."
            }
            Self::Misfit(_) => "Build the components against the same WIT.",
            Self::NoExport(_) => "List the functions of the component with `inspect`.",
            Self::HidesWorkingDirectory(_) => {
                "Grant the folder under another path for the guest, such as `\"data:/data\"`."
            }
            Self::Unsupported { .. } => {
                "Use only plain values as the parameters and the result of the function."
            }
            Self::Beyond(exceeded) => exceeded.help(),
            Self::AddressSpace { fitting: 0, .. } => "Raise `ulimit -v`.",
            Self::AddressSpace { .. } => "Raise `ulimit -v`, or use a smaller `-j`.",
            Self::Compiler(cause) | Self::Unwritten(cause) | Self::Engine(cause)
                if Shortage::from_error(cause.as_ref()).is_some() =>
            {
                return Shortage::from_error(cause.as_ref()).map(Shortage::help);
            }
            Self::Compiler(_) => {
                "Try again; if that fails too, check the free memory and disk space of this machine."
            }
            Self::Unwritten(_) => {
                "Set `CASCADE_CODE_CACHE`, or `TMPDIR` for temporary files, to a writable folder."
            }
            Self::Compile(_) | Self::Engine(_) => return None,
        })
    }
}

/// Builds the error for an import of the wrong type from wasmtime's error.
pub(crate) fn import_type(error: &wasmtime::Error) -> LoadError {
    let message = error.to_string();
    let interface = message.split('`').nth(1).unwrap_or(&message).to_owned();
    let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    LoadError::ImportType { interface, source: causes.join(": ").into() }
}

/// Builds the error for a component that passed the precheck but does not compile, from the compiler's text.
pub(crate) fn compile_error(text: String) -> LoadError {
    // The validator has a single kind of error: only its text distinguishes a disabled feature from a mistake.
    let is_async = ["async", "stream", "future", "error-context"].iter().any(|word| text.contains(word));
    if is_async && text.contains("feature") {
        LoadError::Async(text.into())
    } else {
        LoadError::Compile(text.into())
    }
}

/// Builds the error for code that cannot be written anywhere.
pub(crate) fn write_error(error: io::Error) -> LoadError {
    LoadError::Unwritten(error.into())
}
