//! Secret params of included manifests: what is passed into them is hidden as values of secret params of a run are.
//! The application masks the values of secret inputs, and `bound` keys their digests.

use crate::model::{Fault, Name, Path, Span};
use crate::plan::scope::Scope;
use crate::plan::{Binding, Plan, Task};
use crate::value::{Field, Type};
use bytes::Bytes;
use std::sync::Arc;

/// Hides a fault of a value that is passed into a secret param.
pub(crate) fn hide_fault(fault: &mut Fault, name: &Name) {
    fault.is_secret = true;
    fault.message = format!("the value of the secret param `{name}` does not fit");
    fault.notes.retain(|note| note.contains("has the type") || note.contains("the type here is"));
    if let Some(location) = &mut fault.location {
        location.label.clear();
    }
    fault.helps.clear();
}

/// The arguments of a task that are made of secret inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecretArgs(u64);

impl SecretArgs {
    /// Finds them. If a list that the task runs over is secret, all its arguments count as secret.
    pub(crate) fn of(plan: &Plan, task: &Task) -> Self {
        let is_secret = |binding: &Binding| {
            let mut is_secret = false;
            binding.each_input(&mut |input| {
                is_secret = is_secret || plan.inputs().get(input).is_some_and(|input| input.is_secret);
            });
            is_secret
        };
        let around = task.around.iter().filter_map(|pipeline| plan.pipelines().get(*pipeline));
        let mut lists = around.flat_map(|pipeline| &pipeline.for_each).chain(&task.for_each);
        if lists.any(|list| is_secret(&list.list)) {
            return Self(u64::MAX);
        }
        let args = task.args.iter().take(64).enumerate();
        Self(args.filter(|(_, arg)| is_secret(arg)).fold(0, |bits, (position, _)| bits | 1 << position))
    }

    /// Returns whether an argument is one. Those beyond the 64th count as secret.
    pub(crate) fn contains(self, position: usize) -> bool {
        position >= 64 || self.0 >> position & 1 == 1
    }
}

/// A secret param, and the place of a value that is passed into it.
#[derive(Clone, Copy)]
pub(crate) struct Secret<'s> {
    pub(crate) name: &'s Name,
    pub(crate) span: &'s Span,
    /// The pipelines whose items the value may refer to, by level.
    pub(crate) levels: &'s [usize],
}

/// Hides all that a value is made of: its inputs become secret, and its literals secret inputs. Of an item, the whole list
/// is hidden. Values of tasks are results, which are stored and shown as results are.
pub(crate) fn hidden(scope: &mut Scope<'_>, of: Secret<'_>, value: Binding, ty: &Type) -> Binding {
    match (value, ty) {
        (Binding::Constant(bytes), _) => literal(scope, of, bytes, ty),
        (Binding::Wrapped(part), Type::Option(inner)) => {
            Binding::Wrapped(Box::new(hidden(scope, of, *part, inner)))
        }
        (Binding::List(element, parts), _) => {
            let parts = parts.into_iter().map(|part| hidden(scope, of, part, &element)).collect();
            Binding::List(element, parts)
        }
        (value, Type::Option(inner)) if is_composed(&value) => hidden(scope, of, value, inner),
        (Binding::Tuple(parts), Type::Tuple(types)) => Binding::Tuple(
            parts.into_iter().zip(types.iter()).map(|(part, ty)| hidden(scope, of, part, ty)).collect(),
        ),
        (Binding::Map(pairs), Type::Map(types)) => {
            let pair = Type::Tuple([types.key.clone(), types.value.clone()].into());
            Binding::Map(pairs.into_iter().map(|part| hidden(scope, of, part, &pair)).collect())
        }
        (Binding::Record(parts), Type::Record(fields)) => {
            let part = |(name, part): (Arc<str>, Binding)| {
                let ty = fields.iter().find(|field: &&Field| field.name == name).map(|field| &field.ty);
                let part = match ty {
                    Some(ty) => hidden(scope, of, part, ty),
                    None => part, // every field has a type
                };
                (name, part)
            };
            Binding::Record(parts.into_iter().map(part).collect())
        }
        (Binding::Case(name, part), Type::Variant(cases)) => {
            let ty = cases.iter().find(|case| case.name == name).and_then(|case| case.ty.as_ref());
            let part = match ty {
                Some(ty) => hidden(scope, of, *part, ty),
                None => *part, // a part belongs to a case with a payload
            };
            Binding::Case(name, Box::new(part))
        }
        (Binding::Case(name, part), Type::Result(sides)) => {
            let ty = if &*name == "ok" { sides.ok.as_ref() } else { sides.err.as_ref() };
            let part = match ty {
                Some(ty) => hidden(scope, of, *part, ty),
                None => *part, // as above
            };
            Binding::Case(name, Box::new(part))
        }
        (Binding::Select { selector, ty: of_selector, cases, default }, _) => {
            let cases = cases.into_iter().map(|(name, case)| (name, hidden(scope, of, case, ty))).collect();
            default.iter().for_each(|bytes| drop(literal(scope, of, bytes.clone(), ty)));
            selector.each_input(&mut |input| scope.inputs.hide(input));
            Binding::Select { selector, ty: of_selector, cases, default }
        }
        (Binding::Part { value, ty: whole, path, conversion, default }, _) => {
            default.iter().for_each(|bytes| drop(literal(scope, of, bytes.clone(), ty)));
            let value = Arc::new(hidden(scope, of, Binding::clone(&value), &whole));
            Binding::Part { value, ty: whole, path, conversion, default }
        }
        (Binding::Item { level, item, path, ty: of_item, conversion }, _) => {
            let pipeline = level.checked_sub(1).and_then(|level| of.levels.get(level));
            pipeline.into_iter().for_each(|pipeline| hide_list(scope, of, *pipeline, item));
            Binding::Item { level, item, path, ty: of_item, conversion }
        }
        (Binding::Each { pipeline, lists, element, value }, _) => {
            lists.iter().for_each(|list| list.each_input(&mut |input| scope.inputs.hide(input)));
            let inside = Secret { levels: &levels(scope, pipeline), ..of };
            let value = Arc::new(hidden(scope, inside, Binding::clone(&value), &element));
            Binding::Each { pipeline, lists, element, value }
        }
        (value, _) => {
            value.each_input(&mut |input| scope.inputs.hide(input));
            if let Binding::Task { default: Some(bytes), .. } = &value {
                drop(literal(scope, of, bytes.clone(), ty));
            }
            value
        }
    }
}

/// Hides a list that a pipeline runs over.
fn hide_list(scope: &mut Scope<'_>, of: Secret<'_>, pipeline: usize, item: usize) {
    let lists = scope.fan_outs.get(pipeline).and_then(Option::as_ref).and_then(|found| found.lists.as_ref());
    let Some((list, ty)) =
        lists.and_then(|lists| lists.get(item)).map(|list| (list.list.clone(), list.ty.clone()))
    else {
        return; // a fault was reported
    };
    let list = hidden(scope, of, list, &ty);
    let lists =
        scope.fan_outs.get_mut(pipeline).and_then(Option::as_mut).and_then(|found| found.lists.as_mut());
    lists.and_then(|lists| lists.get_mut(item)).into_iter().for_each(|slot| slot.list = list.clone());
}

/// Returns the pipelines whose items a value in a pipeline may refer to, by level.
pub(crate) fn levels(scope: &Scope<'_>, pipeline: usize) -> Vec<usize> {
    let Some(found) = scope.graph.pipelines().get(pipeline) else { return Vec::new() };
    let own = (!found.for_each.is_empty()).then_some(pipeline);
    found.around.iter().copied().chain(own).collect()
}

fn literal(scope: &mut Scope<'_>, of: Secret<'_>, bytes: Bytes, ty: &Type) -> Binding {
    match scope.inputs.literal((of.name, of.span), bytes.clone(), ty) {
        Some((input, conversion)) => Binding::Input { input, path: Path::root(), conversion },
        None => Binding::Constant(bytes), // every type fits itself
    }
}

/// Returns whether a value of an option type may have been composed as one of the inner type.
const fn is_composed(value: &Binding) -> bool {
    matches!(value, Binding::Tuple(_) | Binding::Map(_) | Binding::Record(_) | Binding::Case(..))
}
