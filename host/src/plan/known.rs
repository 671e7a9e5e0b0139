//! Values that are known before a run: those of literals, and of its inputs once they are read.
//! `counting` and `nesting` count elements by them, and `recipe` stores them with a run.

use crate::plan::{Binding, Input, InputKind};
use crate::value::wire::Reader;
use crate::value::{Type, pick, split};
use bytes::Bytes;

/// Maximum size of a value that is converted, in bytes.
pub(crate) const MAX_CONVERTED: usize = 64 << 20;

/// What is known of values.
#[derive(Clone, Copy)]
pub(crate) struct Known<'p> {
    inputs: &'p [Input],
    values: &'p [Bytes],
    which: Inputs,
}

/// The inputs whose values count as known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Inputs {
    /// All.
    All,
    /// Those that faults may tell of: all but secret ones.
    Shown,
    /// Those that may be stored with a run: not variables either, since what else reads them may take them for secrets.
    Storable,
}

impl Inputs {
    fn includes(self, input: &Input) -> bool {
        match (self, &input.kind) {
            (Self::All, _) => true,
            (Self::Storable, InputKind::Env { .. }) => false,
            (Self::Shown | Self::Storable, _) => !input.is_secret,
        }
    }
}

impl<'p> Known<'p> {
    /// What is known from the manifest alone.
    pub(crate) const fn of_literals() -> Self {
        Self { inputs: &[], values: &[], which: Inputs::Shown }
    }

    /// What is known once the inputs have these values.
    pub(crate) const fn new(inputs: &'p [Input], values: &'p [Bytes], which: Inputs) -> Self {
        Self { inputs, values, which }
    }

    /// Returns a value that depends on nothing but the manifest and the inputs.
    pub(crate) fn value(&self, binding: &Binding) -> Option<Bytes> {
        match binding {
            Binding::Constant(bytes) => Some(bytes.clone()),
            Binding::Input { input, path, conversion } => {
                let found = self.inputs.get(*input).filter(|input| self.which.includes(input))?;
                let part = pick(&found.ty, self.values.get(*input)?, path).ok()??;
                conversion.apply(&part, MAX_CONVERTED).ok()
            }
            Binding::Part { value, ty, path, conversion, .. } => {
                let part = pick(ty, &self.value(value)?, path).ok()??;
                conversion.apply(&part, MAX_CONVERTED).ok()
            }
            _ => None, // depends on results, or is put together of parts
        }
    }

    /// Returns the length of a list; none if it is not known, or no range.
    pub(crate) fn length(&self, list: &Binding, ty: &Type) -> Option<u64> {
        match list {
            Binding::Range { from, to } => {
                let end = |end: &Binding| Reader::new(&self.value(end)?).int().ok();
                u64::try_from(end(&to.0)?.checked_sub(end(&from.0)?)?).ok()
            }
            Binding::List(_, parts) => u64::try_from(parts.len()).ok(),
            _ => u64::try_from(split(ty, &self.value(list)?).ok()?.len()).ok(), // any other list is one value
        }
    }
}
