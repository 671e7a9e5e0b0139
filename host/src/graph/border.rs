//! Checks the names at the borders of pipelines: the params that a task gives values to.
//! Outputs are looked up in `inline`, and types are checked by `plan`.

use crate::graph::template::Template;
use crate::manifest::Part;
use crate::model::{Fault, Name, shortlist};

/// Reports arguments for params that the included manifest does not have.
pub(crate) fn check(parts: &[Part], templates: &[Template], faults: &mut Vec<Fault>) {
    for (part, template) in parts.iter().zip(templates) {
        for (draft, included) in template.drafts.iter().zip(&part.included) {
            let Some((included, name)) = included.and_then(|at| Some((parts.get(at)?, name(parts, at))))
            else {
                continue;
            };
            for (arg, _) in &draft.body.args {
                let is_known = included.manifest.params.contains_key(arg.value.as_str())
                    || included.left_out.params.contains(&arg.value)
                    || included.left_out.is_unread("params");
                if !is_known {
                    let message = format!("`{}` is not a param of `{name}`", arg.value);
                    let fault = Fault::spanned(arg.span.clone(), message);
                    faults.push(with_params(fault, &arg.value, included));
                }
            }
        }
    }
}

fn with_params(fault: Fault, written: &str, included: &Part) -> Fault {
    let names = || included.manifest.params.keys().map(Name::as_str);
    if names().next().is_none() {
        return fault.note("the included manifest has no params");
    }
    fault.suggest(written, names()).note(format!("its params are {}", shortlist(written, names())))
}

fn name(parts: &[Part], at: usize) -> String {
    let text = parts.get(at).and_then(|part| part.manifest.sources.texts().nth(at));
    text.map_or_else(String::new, |text| text.name.clone())
}
