//! Checks on a core module before it is adapted: its kind, its interface, and imports that no host has.
//! `precheck` walks the sections, and `adapt` makes a component of the module in the process that compiles it.

use crate::model::{Digest, Digester};
use crate::sandbox::compile::bundle::{Bundle, TextEncoding, Wit};
use crate::sandbox::error::LoadError;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{BinaryReaderError, ExternalKind, Parser, Payload, TypeRef};
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// Name under which a module imports WASI preview 1.
pub(crate) const PREVIEW1: &str = WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;

/// Function that a command exports.
const START: &str = "_start";

/// Prefix of the custom sections in which toolchains embed an interface.
pub(crate) const INTERFACE_SECTION: &str = "component-type";

/// Form of a component's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A component.
    Component,
    /// A core module with a `main` function: it becomes a component that exports `wasi:cli/run`.
    Command,
    /// A core module whose functions are called one by one.
    Reactor,
}

impl Form {
    /// Returns the official adapter from WASI preview 1 for a module of this form.
    pub(crate) const fn adapter(self) -> Option<&'static [u8]> {
        match self {
            Self::Component => None,
            Self::Command => Some(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
            Self::Reactor => Some(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        }
    }

    fn adapter_digest(self) -> Option<Digest> {
        static COMMAND: LazyLock<Digest> =
            LazyLock::new(|| Digest::of_bytes(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER));
        static REACTOR: LazyLock<Digest> =
            LazyLock::new(|| Digest::of_bytes(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER));
        match self {
            Self::Component => None,
            Self::Command => Some(*COMMAND),
            Self::Reactor => Some(*REACTOR),
        }
    }
}

/// Returns the identity of a component: the digest of its bytes; of a module also those of adapter and WIT.
pub(crate) fn identity(form: Form, bytes: &[u8], wit: Option<&Wit>) -> Digest {
    let own = Digest::of_bytes(bytes);
    let Some(adapter) = form.adapter_digest() else { return own };
    let mut digester = Digester::new("cascade module 2");
    digester.digest(&own).digest(&adapter).number(u64::from(wit.is_some()));
    wit.into_iter().for_each(|wit| wit.digest_into(&mut digester));
    digester.finish()
}

/// Returns the input of a compiler: a component or module as it is, or a module in a bundle with its WIT.
pub(crate) fn payload(bytes: Bytes, wit: Option<&Wit>, encoding: TextEncoding) -> Bytes {
    match wit {
        None => bytes,
        Some(wit) => Bundle { module: &bytes, wit: wit.clone(), encoding }.to_bytes().into(),
    }
}

/// Facts about a module, read from its sections.
#[derive(Default)]
pub(crate) struct Facts {
    has_interface: bool,
    is_command: bool,
    /// Whether the module exports its memory, as the adapter needs it.
    pub(crate) has_memory: bool,
    /// Functions that it imports from neither preview 1 nor an interface, by the module that it names.
    strangers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The first such import that is no function: module and name.
    stranger: Option<(Arc<str>, Arc<str>)>,
    /// The first import from an interface.
    interface: Option<String>,
}

/// Reads the facts of a module. Its sections were read once before, so an error is rare.
pub(crate) fn facts(module: &[u8]) -> Result<Facts, BinaryReaderError> {
    let mut facts = Facts::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CustomSection(section) => {
                facts.has_interface |= section.name().starts_with(INTERFACE_SECTION);
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    facts.add_import(&import?);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    facts.is_command |= export.name == START;
                    facts.has_memory |= export.name == "memory" && export.kind == ExternalKind::Memory;
                }
            }
            _ => {} // no other section has a say
        }
    }
    Ok(facts)
}

impl Facts {
    fn add_import(&mut self, import: &wasmparser::Import<'_>) {
        if import.module == PREVIEW1 {
            return;
        }
        if !is_stranger(import.module) {
            self.interface.get_or_insert_with(|| import.module.to_owned());
        } else if matches!(import.ty, TypeRef::Func(_)) {
            let functions = self.strangers.entry(import.module.into()).or_default();
            functions.push(import.name.into());
        } else {
            self.stranger.get_or_insert_with(|| (import.module.into(), import.name.into()));
        }
    }

    /// Returns the functions that only stubs can satisfy, by the module that has them.
    pub(crate) fn into_strangers(self) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
        self.strangers
    }

    /// Returns the form of the module.
    pub(crate) const fn form(&self) -> Form {
        if self.is_command { Form::Command } else { Form::Reactor }
    }

    /// Fails if no component can be made of the module, as far as its names tell.
    pub(crate) fn check(&self, wit: Option<&Wit>) -> Result<Form, LoadError> {
        let refused = |(module, name): (&Arc<str>, &Arc<str>)| LoadError::ModuleImport {
            module: Arc::clone(module),
            name: Arc::clone(name),
        };
        if let Some((module, name)) = &self.stranger {
            return Err(refused((module, name)));
        }
        let form = if self.is_command { Form::Command } else { Form::Reactor };
        // A command without an interface of its own has one function: `run`.
        let is_plain_command = self.is_command && self.interface.is_none();
        if self.has_interface || wit.is_some() || is_plain_command {
            return Ok(form);
        }
        // A module that is made for another host says so by its imports first.
        let stranger = self.strangers.iter().find_map(|(module, names)| Some((module, names.first()?)));
        Err(stranger.map_or(LoadError::NoInterface, refused))
    }
}

/// Returns whether an import from a module of this name belongs neither to preview 1 nor to an interface.
pub(crate) fn is_stranger(module: &str) -> bool {
    module != PREVIEW1 && !is_interface(module)
}

/// Returns whether the module's name of an import is one of the component model: `ns:pkg/iface`, `$root`, `[export]…`,
/// or the newer `cm32p2|…`.
fn is_interface(module: &str) -> bool {
    module.contains(':') || module.starts_with(['$', '[']) || module.starts_with("cm32p2")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wit: Option<&Wit>) -> Result<Form, String> {
        facts(&wat::parse_str(text).unwrap()).unwrap().check(wit).map_err(|error| error.to_string())
    }

    #[test]
    fn modules_are_told_apart_by_their_names() {
        let wit = Wit { packages: Vec::new(), world: None };
        let start = r#"(func (export "_start"))"#;
        let preview1 = r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
        let shared = r#"(import "acme:tools/hammer" "hit" (func))"#;
        let foreign = r#"(import "env" "memory" (memory 1))"#;
        let function = r#"(import "env" "emscripten_notify" (func))"#;
        let interface = r#"(@custom "component-type:task" "")"#;
        assert_eq!(check(&format!("(module {preview1} {start})"), None), Ok(Form::Command));
        assert_eq!(check(&format!("(module {preview1} {interface})"), None), Ok(Form::Reactor));
        assert_eq!(check("(module)", Some(&wit)), Ok(Form::Reactor));
        let none = Err("this is a core WebAssembly module that does not carry its interface".to_owned());
        assert_eq!(check("(module)", None), none);
        assert_eq!(check(&format!("(module {shared} {start})"), None), none);
        assert_eq!(check(&format!("(module {shared} {start} {interface})"), None), Ok(Form::Command));
        for text in
            [format!("(module {foreign} {start})"), format!("(module {shared} {foreign} {interface})")]
        {
            let error = check(&text, Some(&wit)).unwrap_err();
            assert!(error.contains("imports `memory` from `env`"), "{error}");
        }
        // A stub satisfies a function, but does not replace an interface.
        assert_eq!(check(&format!("(module {function} {start})"), None), Ok(Form::Command));
        let error = check(&format!("(module {function})"), None).unwrap_err();
        assert!(error.contains("imports `emscripten_notify` from `env`"), "{error}");
    }

    #[test]
    fn identity_of_a_module_knows_form_and_wit() {
        let wit = Wit { packages: Vec::new(), world: None };
        let component = identity(Form::Component, b"x", None);
        assert_eq!(component, Digest::of_bytes(b"x"));
        let all = [
            component,
            identity(Form::Command, b"x", None),
            identity(Form::Reactor, b"x", None),
            identity(Form::Reactor, b"x", Some(&wit)),
            identity(Form::Reactor, b"y", None),
        ];
        let distinct: std::collections::HashSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
