//! Typing of `repeat`: the output of an iteration must fit the parameter, and the path must lead to a `bool`.
//! The engine feeds the values.

use crate::graph::Node;
use crate::manifest;
use crate::manifest::Unread;
use crate::model::Fault;
use crate::plan::Repeat;
use crate::plan::scope::{Reported, Scope};
use crate::value::{Conversion, Type, assign, type_at};
use std::sync::Arc;

/// What a task calls, as far as `repeat` is concerned.
pub(crate) struct Repeated<'a> {
    /// The parameters, with their types.
    pub(crate) params: &'a [(Arc<str>, Type)],
    /// The type of a result, without an `err`; none for a function that returns nothing.
    pub(crate) value: Option<&'a Type>,
}

/// Types the `repeat` of a task, if it has one. Reports every fault of it.
pub(crate) fn repeat(
    scope: &mut Scope<'_>,
    (task, node): (&manifest::Task, &Node),
    called: &Repeated<'_>,
) -> Result<Option<Repeat>, Reported> {
    let Some(written) = &task.repeat else { return Ok(None) };
    let Some(value) = called.value else {
        let fault = Fault::spanned(written.span.clone(), "`repeat` needs a function that returns a value");
        scope.fault(fault.note("the function returns nothing, or only an error"));
        return Err(Reported);
    };
    let until = until(scope, written, value);
    let (param, conversion) = feed(scope, (task, node, written), called.params, value)?;
    until?;
    Ok(Some(Repeat {
        param,
        feed: written.feed.value.clone(),
        conversion,
        until: written.until.value.clone(),
        max: written.max,
    }))
}

/// Finds the parameter that is fed, and the conversion of a value to its type.
fn feed(
    scope: &mut Scope<'_>,
    (task, node, written): (&manifest::Task, &Node, &manifest::Repeat),
    params: &[(Arc<str>, Type)],
    value: &Type,
) -> Result<(usize, Conversion), Reported> {
    let name = &written.feed;
    let is_command = task.action.as_ref().is_some_and(|action| action.value.command().is_some());
    let Some(position) = params.iter().position(|(param, _)| **param == *name.value) else {
        let message = if is_command {
            format!("the command is given no `{}`", name.value)
        } else {
            format!("`{}` is not a parameter of the function", name.value)
        };
        let fault = Fault::spanned(name.span.clone(), message);
        let names = || params.iter().map(|(param, _)| &**param);
        let known: Vec<String> = names().map(|param| format!("`{param}`")).collect();
        let choice = match &*known {
            [] => "there is nothing to feed".to_owned(),
            known => format!("`feed` can be {}", known.join(", ")),
        };
        scope.fault(fault.suggest(&name.value, names()).note(choice));
        return Err(Reported);
    };
    let ty = params.get(position).map_or(&Type::Bool, |(_, ty)| ty);
    let has_first = node.args.iter().any(|(arg, _)| arg.value == name.value);
    if !has_first && !task.is_unread(Unread::Args) {
        // An argument that cannot be left out is reported as missing already.
        if matches!(ty, Type::Option(_)) {
            let message = format!("parameter `{}` has no value for the first iteration", name.value);
            let help = format!("add `args.{} = …`", name.value);
            scope.fault(Fault::spanned(name.span.clone(), message).help(help));
        }
        return Err(Reported);
    }
    match assign(value, ty) {
        Ok(conversion) => Ok((position, conversion)),
        Err(mismatch) => {
            let message =
                format!("the output of an iteration does not fit parameter `{}` of the next", name.value);
            let fault = Fault::spanned(name.span.clone(), message)
                .label(mismatch.to_string())
                .note(format!("the output has the type `{value}`"))
                .note(format!("parameter `{}` has the type `{ty}`", name.value));
            scope.fault(fault);
            Err(Reported)
        }
    }
}

/// Checks that the path leads to a `bool`.
fn until(scope: &mut Scope<'_>, written: &manifest::Repeat, value: &Type) -> Result<(), Reported> {
    let path = &written.until;
    let fault = match type_at(value, &path.value) {
        Ok(part) if part.ty == Type::Bool => return Ok(()),
        Ok(part) => Fault::spanned(path.span.clone(), "`until` needs a `bool`")
            .note(format!("`{}` of the output has the type `{}`", path.value, part.ty)),
        Err(fault) => {
            Fault::spanned(path.span.clone(), format!("`until` leads to no part of the output: {fault}"))
                .note(format!("the output has the type `{value}`"))
        }
    };
    scope.fault(fault);
    Err(Reported)
}

#[cfg(test)]
mod tests {
    use crate::graph::sample::sample;
    use crate::manifest;
    use crate::model::{Path, Spanned};
    use crate::plan::sample::compiled_with;

    const FUNCTIONS: &[&str] = &[
        "flag() -> bool",
        "turn(state: option<bool>) -> bool",
        "step(state: tuple<u64, bool>) -> result<tuple<u32, bool>, string>",
        "ends(code: u8) -> result<_, string>",
    ];

    /// Returns the messages of the faults of a task `t` that repeats.
    fn faults(text: &str, feed: &str, until: Path) -> Vec<String> {
        let mut parsed = sample(text);
        let (feed, until) = (Spanned::new(feed.to_owned(), 0..0), Spanned::new(until, 0..0));
        parsed.manifest.tasks["t"].repeat =
            Some(Box::new(manifest::Repeat { span: 0..0, feed, until, max: 9 }));
        match compiled_with(FUNCTIONS, parsed) {
            Ok(plan) => {
                let repeat = plan.tasks().iter().find_map(|task| task.repeat.as_ref()).unwrap();
                assert_eq!((repeat.param, repeat.max), (0, 9));
                Vec::new()
            }
            Err(faults) => faults.iter().map(|fault| fault.message.clone()).collect(),
        }
    }

    #[test]
    fn output_is_fed_as_on_any_edge() {
        let second = Path::parse("[1]").unwrap();
        assert_eq!(faults("f: call=c.flag\nt: call=c.step state=[1, f]", "state", second.clone()), [""; 0]);
        assert_eq!(faults("f: call=c.flag\nt: call=c.turn state=f", "state", Path::root()), [""; 0]);
        let missing = "parameter `state` has no value for the first iteration";
        assert_eq!(faults("t: call=c.turn", "state", Path::root()), [missing]);
        let nothing = "`repeat` needs a function that returns a value";
        assert_eq!(faults("t: call=c.ends code=1", "code", second), [nothing]);
    }
}
