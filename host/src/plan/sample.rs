//! Short interfaces and plans for tests of the plan.
//! The graphs behind them are written in the form of `graph::sample`.

use crate::graph::resolve;
use crate::graph::sample::sample;
use crate::manifest::Parsed;
use crate::model::{Digest, Fault, RunId};
use crate::plan::{BindRequest, Bound, Interface, Plan, bind, compile};
use crate::value::{Export, Signature, Type, Unsupported};
use std::sync::Arc;

/// Parses `run(x: u8; y: string) -> string`, `ns:p/iface#run()`, or `run!` for a function that no task can call.
pub(crate) fn export(text: &str) -> Export {
    let (interface, text) = match text.split_once('#') {
        Some((interface, text)) => (Some(Arc::from(interface)), text),
        None => (None, text),
    };
    let Some((function, rest)) = text.split_once('(') else {
        return Export {
            interface,
            function: text.trim_end_matches('!').into(),
            signature: Err(Unsupported::Element { position: "the result".to_owned(), ty: "stream" }),
            passing: Box::default(),
        };
    };
    let (params, result) = match rest.split_once("->") {
        Some((params, result)) => (params, Some(Type::parse(result.trim()).unwrap())),
        None => (rest, None),
    };
    let params = params.trim().strip_suffix(')').unwrap().split(';').filter(|param| !param.is_empty());
    let params = params.map(|param| {
        let (name, ty) = param.split_once(':').unwrap();
        (Arc::from(name.trim()), Type::parse(ty.trim()).unwrap())
    });
    Export {
        interface,
        function: function.into(),
        signature: Ok(Signature { params: params.collect(), result }),
        passing: Box::default(),
    }
}

/// Returns a component with these functions.
pub(crate) fn interface(functions: &[&str]) -> Interface {
    Interface { digest: Digest::of_bytes(b"c"), exports: functions.iter().map(|text| export(text)).collect() }
}

/// Compiles a graph whose component `c` has these functions.
pub(crate) fn compiled(functions: &[&str], text: &str) -> Result<Plan, Vec<Fault>> {
    compiled_with(functions, sample(text))
}

/// Compiles a manifest that a test has changed.
pub(crate) fn compiled_with(functions: &[&str], parsed: Parsed) -> Result<Plan, Vec<Fault>> {
    let resolved = resolve(parsed);
    let interfaces: Vec<_> =
        resolved.graph.manifests().components().map(|_| Some(interface(functions))).collect();
    compile(&resolved.graph, &interfaces, resolved.faults).map_err(|faults| faults.list)
}

/// Returns the plan of a graph without faults.
pub(crate) fn plan(functions: &[&str], text: &str) -> Plan {
    compiled(functions, text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Returns the plan of a graph without faults, bound to a run without inputs.
pub(crate) fn bound(functions: &[&str], text: &str) -> Bound {
    let plan = Arc::new(plan(functions, text));
    let run = RunId::new("r").unwrap();
    bind(&plan, BindRequest::without_inputs(Vec::new(), &run), &sample(text).manifest.sources).unwrap()
}

/// Returns each fault with the text that it points at, its label and notes, and its help after an arrow.
pub(crate) fn faults(functions: &[&str], text: &str) -> Vec<String> {
    let faults = compiled(functions, text).map(|_| ()).unwrap_err();
    faults.iter().map(|fault| described(text, fault)).collect()
}

fn described(text: &str, fault: &Fault) -> String {
    let at = fault.location.as_ref().map_or("", |location| &text[location.span.clone()]);
    let label = fault.location.as_ref().map_or("", |location| &location.label);
    let more: Vec<&str> = [label].into_iter().chain(fault.notes.iter().map(String::as_str)).collect();
    let helps = fault.helps.iter().map(|help| format!(" => {help}")).collect::<Vec<_>>().concat();
    let more = more.iter().filter(|more| !more.is_empty());
    let more = more.map(|more| format!("; {more}")).collect::<Vec<_>>().concat();
    format!("{at}: {}{more}{helps}", fault.message)
}
