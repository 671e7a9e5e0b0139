//! Toolchains that pack a language's runtime into a component: its imports and exports, used or not, and its flags.
//! `imports` has the host's offers; `app` compares imports with grants.

use crate::model::Grant;
use crate::value::Export;

/// A toolchain that was recognised by what it leaves in a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// componentize-py.
    Python,
    /// componentize-js.
    StarlingMonkey,
    /// componentize-qjs.
    QuickJs,
}

impl Toolchain {
    /// Recognises a toolchain by its name in the producers section of a component.
    pub(crate) fn of_producer(name: &str) -> Option<Self> {
        (name == "ComponentizeJS").then_some(Self::StarlingMonkey)
    }

    /// Recognises a toolchain by the function that it exports for itself.
    pub(crate) fn of_exports(exports: &[Export]) -> Option<Self> {
        let known = [Self::Python, Self::QuickJs];
        known.into_iter().find(|toolchain| exports.iter().any(|export| toolchain.owns(export)))
    }

    /// Returns the name of the toolchain.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Python => "componentize-py",
            Self::StarlingMonkey => "componentize-js",
            Self::QuickJs => "componentize-qjs",
        }
    }

    /// Returns whether the runtime imports what a grant serves, whether the program uses it or not.
    #[must_use]
    pub const fn always_imports(self, grant: Grant) -> bool {
        match self {
            Self::Python => matches!(grant, Grant::Tcp | Grant::Dns),
            Self::StarlingMonkey => matches!(grant, Grant::Http),
            Self::QuickJs => false,
        }
    }

    /// Returns whether an export is the toolchain's own: it calls the function while it builds the component.
    #[must_use]
    pub fn owns(self, export: &Export) -> bool {
        let has_first_param = |name: &str| {
            let signature = export.signature.as_ref().ok();
            signature.is_some_and(|it| it.params.first().is_some_and(|(first, _)| **first == *name))
        };
        match self {
            Self::Python => {
                export.interface.as_deref() == Some("exports")
                    && &*export.function == "init"
                    && has_first_param("app-name")
            }
            Self::StarlingMonkey => false,
            Self::QuickJs => {
                export.interface.is_none() && &*export.function == "init" && has_first_param("shim")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Signature, Type};

    fn export(interface: Option<&str>, function: &str, param: &str) -> Export {
        let signature = Signature { params: vec![(param.into(), Type::String)], result: None };
        let signature = Ok(signature);
        Export {
            interface: interface.map(Into::into),
            function: function.into(),
            signature,
            passing: Box::default(),
        }
    }

    #[test]
    fn toolchains_are_recognised_by_their_own_export() {
        let python = export(Some("exports"), "init", "app-name");
        let quick = export(None, "init", "shim");
        let task = export(None, "run", "x");
        let of = |exports: &[&Export]| {
            Toolchain::of_exports(&exports.iter().map(|export| (*export).clone()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[&task, &python]), Some(Toolchain::Python));
        assert_eq!(of(&[&quick, &task]), Some(Toolchain::QuickJs));
        assert!(!Toolchain::Python.owns(&task) && !Toolchain::Python.owns(&quick));
        for own in [export(None, "init", "x"), export(Some("a:b/c"), "init", "app-name"), task.clone()] {
            assert_eq!(of(&[&own]), None, "{own:?}");
        }
    }

    #[test]
    fn toolchains_are_recognised_by_producers() {
        assert_eq!(Toolchain::of_producer("ComponentizeJS"), Some(Toolchain::StarlingMonkey));
        assert_eq!(Toolchain::of_producer("wit-component"), None);
    }
}
