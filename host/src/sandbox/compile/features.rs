//! Features that a component needs: those of another engine, on which it is compiled instead, or those of no engine.
//! Runs where components are compiled; `kind` lists the features that engines have.

use crate::sandbox::kind::{CodeKind, Features};
use wasmparser::{Validator, WasmFeatures};
use wasmtime::Engine;
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// A proposal of WebAssembly that no engine of this host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposal {
    /// Exceptions in the form of before WebAssembly 3.0.
    LegacyExceptions,
    /// Shared memory and atomic instructions.
    Threads,
    /// Threads whose references and functions are shared too.
    SharedEverything,
    /// Stack switching.
    StackSwitching,
    /// 128-bit arithmetic.
    WideArithmetic,
    /// Pages of memory of another size than 64 KiB.
    CustomPageSizes,
    /// Control of single pages of memory.
    MemoryControl,
    /// Custom descriptors of types.
    CustomDescriptors,
}

impl Proposal {
    /// All proposals, in the order in which they are reported.
    const ALL: [Self; 8] = [
        Self::LegacyExceptions,
        Self::SharedEverything,
        Self::Threads,
        Self::StackSwitching,
        Self::WideArithmetic,
        Self::CustomPageSizes,
        Self::MemoryControl,
        Self::CustomDescriptors,
    ];

    /// Returns its name, as worker processes report it too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LegacyExceptions => "legacy exceptions",
            Self::Threads => "threads",
            Self::SharedEverything => "shared-everything threads",
            Self::StackSwitching => "stack switching",
            Self::WideArithmetic => "wide arithmetic",
            Self::CustomPageSizes => "custom page sizes",
            Self::MemoryControl => "memory control",
            Self::CustomDescriptors => "custom descriptors",
        }
    }

    /// Returns the proposal with that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proposal| proposal.name() == name)
    }

    /// Returns a hint for the user, as one sentence.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::LegacyExceptions => {
                "Build it with exceptions of WebAssembly 3.0, in LLVM by `-mllvm -wasm-use-legacy-eh=false`, or convert the \
                 module with `wasm-opt --translate-to-exnref`."
            }
            Self::Threads | Self::SharedEverything => {
                "Build it without threads: without `-pthread`, and without the target feature `atomics`."
            }
            Self::StackSwitching => "Build it without continuations of WebAssembly.",
            Self::WideArithmetic => "Build it without the target feature `wide-arithmetic`.",
            Self::CustomPageSizes => "Build it with pages of 64 KiB, in LLVM without `--page-size`.",
            Self::MemoryControl => "Build it without memory control.",
            Self::CustomDescriptors => "Build it without custom descriptors.",
        }
    }

    const fn flag(self) -> WasmFeatures {
        match self {
            Self::LegacyExceptions => WasmFeatures::LEGACY_EXCEPTIONS,
            Self::Threads => WasmFeatures::THREADS,
            Self::SharedEverything => WasmFeatures::SHARED_EVERYTHING_THREADS,
            Self::StackSwitching => WasmFeatures::STACK_SWITCHING,
            Self::WideArithmetic => WasmFeatures::WIDE_ARITHMETIC,
            Self::CustomPageSizes => WasmFeatures::CUSTOM_PAGE_SIZES,
            Self::MemoryControl => WasmFeatures::MEMORY_CONTROL,
            Self::CustomDescriptors => WasmFeatures::CUSTOM_DESCRIPTORS,
        }
    }
}

/// Reasons why a component has no code.
pub(crate) enum Refused {
    /// It needs a proposal that no engine has.
    Proposal(Proposal),
    /// The engine refuses it for another reason.
    Engine(wasmtime::Error),
}

/// Compiles a component for the engines of a kind, or with more features if it needs them. Returns the kind of the code.
///
/// Most components need no features: only one that does not compile is examined, and compiled once more.
pub(crate) fn precompile(
    kind: CodeKind,
    component: &[u8],
    engine: impl Fn(CodeKind) -> wasmtime::Result<Engine>,
) -> Result<(CodeKind, Vec<u8>), Refused> {
    let compile = |kind| engine(kind)?.precompile_component(component);
    let error = match compile(kind) {
        Ok(code) => return Ok((kind, code)),
        Err(error) => error,
    };
    match lack(component, kind.features) {
        Some(Lack::Engine(features)) if features != kind.features => {
            let kind = CodeKind { features, ..kind };
            compile(kind).map(|code| (kind, code)).map_err(Refused::Engine)
        }
        Some(Lack::Proposal(proposal)) => Err(Refused::Proposal(proposal)),
        Some(Lack::Engine(_)) | None => Err(Refused::Engine(error)),
    }
}

/// What an engine without further features lacks for a component.
#[derive(Debug, PartialEq, Eq)]
enum Lack {
    /// An engine with these features has it.
    Engine(Features),
    /// No engine has it.
    Proposal(Proposal),
}

/// Returns what a component needs beside the features of an engine; `None` if it would be valid nowhere.
fn lack(component: &[u8], features: Features) -> Option<Lack> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    let gc = WasmFeatures::WASM3
        .union(WasmFeatures::COMPONENT_MODEL)
        .union(WasmFeatures::CM_MAP)
        .union(WasmFeatures::GC_TYPES)
        .difference(WasmFeatures::THREADS);
    let gc = if features.concurrency { gc.union(WasmFeatures::CM_ASYNC) } else { gc };
    if is_valid(gc) {
        return Some(Lack::Engine(Features { gc: true, ..features }));
    }
    let all = Proposal::ALL.into_iter().fold(gc, |all, proposal| all.union(proposal.flag()));
    if !is_valid(all) {
        return None;
    }
    let is_needed = |proposal: &Proposal| !is_valid(all.difference(proposal.flag()));
    Proposal::ALL.into_iter().find(is_needed).map(Lack::Proposal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack_of(definitions: &str) -> Option<Lack> {
        let module = format!("(component (core module {definitions}))");
        lack(&wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}")), Features::NONE)
    }

    #[test]
    fn features_of_webassembly_3_are_those_of_another_engine() {
        for definitions in [
            "(tag) (func (throw 0))",
            "(func (block $caught (try_table (catch_all $caught))))",
            "(type (struct (field i32)))",
            "(type (array (mut i8)))",
            "(func (drop (ref.i31 (i32.const 1))))",
            "(table 1 externref)",
        ] {
            assert_eq!(
                lack_of(definitions),
                Some(Lack::Engine(Features { gc: true, ..Features::NONE })),
                "{definitions}"
            );
        }
    }

    #[test]
    fn proposals_that_no_engine_has_are_named() {
        let cases = [
            ("(func try catch_all end)", Proposal::LegacyExceptions),
            ("(memory 1 1 shared)", Proposal::Threads),
            ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", Proposal::Threads),
            ("(type (shared (struct)))", Proposal::SharedEverything),
            ("(type $f (func)) (type (cont $f))", Proposal::StackSwitching),
            (
                "(func (param i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 0) (local.get 0) (local.get 0)))",
                Proposal::WideArithmetic,
            ),
            ("(memory 1 (pagesize 1))", Proposal::CustomPageSizes),
            ("(memory 1) (func (memory.discard (i32.const 0) (i32.const 0)))", Proposal::MemoryControl),
        ];
        for (definitions, proposal) in cases {
            assert_eq!(lack_of(definitions), Some(Lack::Proposal(proposal)), "{definitions}");
        }
    }

    #[test]
    fn mistake_lacks_nothing() {
        assert_eq!(lack_of("(func (result i32))"), None);
    }

    #[test]
    fn names_lead_back_to_their_proposals() {
        for proposal in Proposal::ALL {
            assert_eq!(Proposal::from_name(proposal.name()), Some(proposal));
        }
    }
}
