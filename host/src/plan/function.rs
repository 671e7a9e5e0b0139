//! Lookup of one export of a component from `component.function` in the manifest.
//! Arguments are typed in `binding`.

use crate::manifest::Call;
use crate::model::{Fault, MAX_LISTED, Span, resemblance, shortlist_by};
use crate::value::{Export, Signature};

/// Finds the export that a call names, or explains why there is none.
pub(crate) fn find<'e>(
    call: &Call,
    span: &Span,
    exports: &'e [Export],
) -> Result<(usize, &'e Signature), Box<Fault>> {
    let candidates: Vec<(usize, &Export)> = exports
        .iter()
        .enumerate()
        .filter(|(_, export)| *export.function == *call.function)
        .filter(|(_, export)| {
            call.interface.is_none() || export.interface.as_deref() == call.interface.as_deref()
        })
        .collect();
    let at_root = candidates.iter().find(|(_, export)| export.interface.is_none());
    let (position, export) = match (&*candidates, at_root) {
        ([], _) => return Err(Box::new(unknown(call, span, exports))),
        ([only], _) | (_, Some(only)) => *only,
        (candidates, None) => return Err(Box::new(ambiguous(call, span, candidates))),
    };
    match &export.signature {
        Ok(signature) => Ok((position, signature)),
        Err(unsupported) => {
            let fault = Fault::spanned(span.clone(), format!("`{}` cannot be a task", call.function));
            Err(Box::new(fault.note(unsupported.to_string())))
        }
    }
}

fn unknown(call: &Call, span: &Span, exports: &[Export]) -> Fault {
    let long: Vec<String> = exports.iter().map(|export| long_form(&call.component, export)).collect();
    let is_unique =
        |export: &Export| exports.iter().filter(|other| other.function == export.function).count() == 1;
    let shown = |export: &Export| match call.interface {
        None if is_unique(export) => format!("{}.{}", call.component, export.function),
        _ => long_form(&call.component, export),
    };
    let written = match &call.interface {
        Some(interface) => format!("{}#{interface}.{}", call.component, call.function),
        None => call.function.clone(),
    };
    let fault = if let Some(interface) = &call.interface {
        let message =
            format!("component `{}` exports no `{interface}` with `{}`", call.component, call.function);
        Fault::spanned(span.clone(), message).suggest(&written, long.iter().map(String::as_str))
    } else {
        let message = format!("component `{}` exports no function `{}`", call.component, call.function);
        let names = exports.iter().map(|export| &*export.function);
        Fault::spanned(span.clone(), message).suggest(&call.function, names)
    };
    if long.is_empty() {
        return fault.note("the component exports no functions");
    }
    let scored = exports.iter().zip(&long).map(|(export, long)| {
        let known = if call.interface.is_some() { long.as_str() } else { &*export.function };
        (resemblance(&written, known), shown(export))
    });
    let all = if long.len() > MAX_LISTED { "; `cascade-host inspect` shows all" } else { "" };
    fault.note(format!("the component exports {}{all}", shortlist_by(scored)))
}

fn ambiguous(call: &Call, span: &Span, candidates: &[(usize, &Export)]) -> Fault {
    let message = format!("several interfaces of `{}` export `{}`", call.component, call.function);
    candidates.iter().fold(Fault::spanned(span.clone(), message), |fault, (_, export)| {
        fault.help(format!("write `{}`", long_form(&call.component, export)))
    })
}

/// Returns the form of a call that is never ambiguous.
fn long_form(component: &str, export: &Export) -> String {
    match &export.interface {
        Some(interface) => format!("{component}#{interface}.{}", export.function),
        None => format!("{component}.{}", export.function),
    }
}
