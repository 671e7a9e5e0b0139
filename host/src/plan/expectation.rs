//! Checks `[[tests]]` of a manifest: names of params and outputs, and values against their types.
//! `app` runs the tests.

use crate::manifest::{Expectation, Manifest, Test};
use crate::model::{Datum, Fault, Name, Spanned, shortlist};
use crate::plan::Output;
use crate::plan::scope::Scope;
use crate::value::{Type, encode_all};

/// Checks all tests. Unknown names are reported only if the manifest is sound otherwise: their definitions may be what is
/// not. `outputs` are those that are typed.
pub(crate) fn check(scope: &mut Scope<'_>, outputs: &[&Output]) {
    let graph = scope.graph;
    let manifest = graph.manifests().root();
    let of_tests: usize = graph.manifests().all().iter().map(|manifest| manifest.test_faults).sum();
    let is_sound = scope.faults.list.len() <= of_tests;
    for test in &manifest.tests {
        params(scope, manifest, test);
        if is_sound {
            unknown_params(scope, manifest, test);
        }
        let Expectation::Outputs(expected) = &test.expectation else { continue };
        for (name, value) in expected {
            let owner = format!("output `{}` of the test", name.value);
            match outputs.iter().find(|output| output.name == name.value) {
                Some(output) => fit(scope, &owner, value, &output.ty),
                None if is_sound => {
                    let known = || outputs.iter().map(|output| output.name.as_str());
                    let fault =
                        Fault::spanned(name.span.clone(), format!("there is no output `{}`", name.value));
                    let fault = fault.suggest(&name.value, known());
                    scope.fault(fault.note(format!("the outputs are {}", shortlist(&name.value, known()))));
                }
                None => {}
            }
        }
    }
}

fn params(scope: &mut Scope<'_>, manifest: &Manifest, test: &Test) {
    let before = scope.faults.list.len();
    for (name, value) in &test.params {
        let Some(index) = manifest.params.get_index_of(&*name.value) else { continue };
        let Some(ty) = scope.inputs.ty(index).cloned() else { continue };
        fit(scope, &format!("param `{}` of the test", name.value), value, &ty);
    }
    let is_secret = |(name, _): &(Spanned<String>, _)| {
        manifest.params.get(&*name.value).is_some_and(|param| param.secret)
    };
    if test.params.iter().any(is_secret) {
        // A fault quotes its line, which may hold secret values of the same test.
        for fault in scope.faults.list.iter_mut().skip(before) {
            let message =
                format!("a param of the test `{}` has no fitting value, or no such name", test.name);
            let span =
                fault.location.as_ref().map_or_else(|| test.span.clone(), |location| location.span.clone());
            *fault = Fault::spanned(span, message).note("the test gives a secret param a value").secret();
        }
    }
    for (index, (name, param)) in manifest.params.iter().enumerate() {
        let is_given = test.params.iter().any(|(given, _)| *given.value == *name.as_str());
        let is_optional = matches!(scope.inputs.ty(index), None | Some(Type::Option(_)));
        if param.default.is_none() && !is_given && !is_optional {
            let message = format!("the test `{}` gives param `{name}` no value", test.name);
            let fault = Fault::spanned(test.span.clone(), message);
            scope.fault(fault.help(format!("write `params.{name} = …`, or give the param a `default`")));
        }
    }
}

/// Reports params that the manifest does not have.
fn unknown_params(scope: &mut Scope<'_>, manifest: &Manifest, test: &Test) {
    for (name, _) in test.params.iter().filter(|(name, _)| !manifest.params.contains_key(&*name.value)) {
        let known = || manifest.params.keys().map(Name::as_str);
        let fault = Fault::spanned(name.span.clone(), format!("there is no param `{}`", name.value));
        let fault = fault.suggest(&name.value, known());
        scope.fault(if manifest.params.is_empty() {
            fault.note("the manifest has no params")
        } else {
            fault.note(format!("the params are {}", shortlist(&name.value, known())))
        });
    }
}

fn fit(scope: &mut Scope<'_>, owner: &str, value: &Spanned<Datum>, ty: &Type) {
    if let Err(faults) = encode_all(ty, &value.value) {
        scope.misfit(&value.span, owner, ty, &faults);
    }
}
