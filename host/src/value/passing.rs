//! How the values of a function pass between host and guest: whole, or as a stream or a future of their elements.
//! A signature knows only the values: `sandbox` feeds and collects them, and `inspect` shows the function as it is in WIT.

use crate::value::{Export, Passing, Signature, Transfer, Type};
use std::fmt::Write as _;

impl Transfer {
    /// Returns whether a type can be that of the elements.
    #[must_use]
    pub fn takes(element: &Type) -> bool {
        match element {
            Type::List(inner) => **inner == Type::U8,
            other => other.is_primitive(),
        }
    }

    /// Returns the type in WIT of a value of type `ty`.
    fn wit(self, ty: &Type) -> String {
        match (self, ty) {
            (Self::Stream, Type::List(element)) => format!("stream<{element}>"),
            (Self::Future, value) => format!("future<{value}>"),
            (Self::Whole | Self::Stream, whole) => whole.to_string(),
        }
    }
}

impl Passing {
    /// Returns the passing of a parameter.
    #[must_use]
    pub fn param(&self, index: usize) -> Transfer {
        self.params.get(index).copied().unwrap_or_default()
    }

    /// Returns whether every value passes whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.params.iter().chain([&self.result]).all(|transfer| *transfer == Transfer::Whole)
    }
}

impl Export {
    /// Returns the function's type as it is in WIT, if that differs from the signature.
    #[must_use]
    pub fn wit(&self) -> Option<String> {
        let Signature { params, result } = self.signature.as_ref().ok()?;
        if !self.passing.is_async && self.passing.is_whole() {
            return None;
        }
        let mut text = String::from(if self.passing.is_async { "async func(" } else { "func(" });
        for (index, (name, ty)) in params.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let ty = self.passing.param(index).wit(ty);
            let _infallible = write!(text, "{separator}{name}: {ty}");
        }
        text.push(')');
        if let Some(ty) = result {
            let _infallible = write!(text, " -> {}", self.passing.result.wit(ty));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(params: &[&str], result: &str, passing: Passing) -> Export {
        let ty = |text: &str| Type::parse(text).unwrap();
        let params = params.iter().map(|text| ("x".into(), ty(text))).collect();
        let signature = Ok(Signature { params, result: Some(ty(result)) });
        Export { interface: None, function: "f".into(), signature, passing: Box::new(passing) }
    }

    #[test]
    fn streams_futures_and_async_functions_are_shown_as_in_wit() {
        let params = vec![Transfer::Stream, Transfer::Whole];
        let passing = Passing { is_async: true, params, result: Transfer::Future };
        let shown = export(&["list<string>", "u8", "list<u8>"], "string", passing).wit();
        let expected = "async func(x: stream<string>, x: u8, x: list<u8>) -> future<string>";
        assert_eq!(shown.as_deref(), Some(expected));
        let passing = Passing { result: Transfer::Stream, ..Passing::default() };
        assert_eq!(export(&[], "list<u8>", passing).wit().as_deref(), Some("func() -> stream<u8>"));
        let whole = Passing { params: vec![Transfer::Whole], ..Passing::default() };
        assert_eq!(export(&["u8"], "u8", whole).wit(), None);
    }
}
