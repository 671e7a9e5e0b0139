//! Digests of what a task calls: of the function alone, and with what it is granted.
//! `bound` adds the arguments, and `identity` has the parts of commands and built-in tasks.

use crate::model::{Digest, Digester, RunId};
use crate::plan::identity::{builtin_identity, output_digest};
use crate::plan::{Code, ComponentFunction, Function};
use crate::value::{Command, CommandOutput, Export};

/// Digests by the key that a manifest has for them.
pub(crate) type Keys = Vec<(String, Digest)>;

/// Returns the digest of all that a call depends on beside its arguments. Keyed by the run, as arguments may be secret.
pub(crate) fn callee_digest(function: &Function, grants: &Digest, run: &RunId) -> Digest {
    let mut digester = Digester::new("cascade callee 1");
    digester.field(run.as_str().as_bytes()).digest(grants);
    for (key, digest) in callee_keys(function) {
        digester.field(key.as_bytes()).digest(&digest);
    }
    if let Some(component) = function.component() {
        digester.field(component.program().map_or(&[][..], |program| program.as_str().as_bytes()));
        component.command_identity().iter().for_each(|command| {
            digester.digest(command);
        });
    }
    for (_, ty) in &function.signature.params {
        digester.digest(&ty.fingerprint());
    }
    digester.finish()
}

/// Returns the digests of what a function is beside its arguments and grants.
pub(crate) fn callee_keys(function: &Function) -> Keys {
    let component = match &function.code {
        Code::Component(component) => component,
        Code::Builtin { builtin, messages: _ } => {
            let call = ("call".to_owned(), builtin_identity(*builtin, &function.signature));
            let ty = function.signature.result.as_ref().filter(|_| builtin.has_type_key());
            let ty = ty.map(|ty| ("type".to_owned(), ty.fingerprint()));
            return std::iter::once(call).chain(ty).collect();
        }
    };
    // The grants have a key of their own. A component is known by its digest, not by its name in the manifest. The
    // digest determines the signature of a function, and the values determine that of a command.
    let ComponentFunction { digest, export, command, grants: _, component: _, component_name: _ } =
        &**component;
    let Export { interface, function, signature: _, passing: _ } = export;
    let mut digester = Digester::new("cascade call 1");
    digester
        .digest(digest)
        .field(interface.as_deref().unwrap_or_default().as_bytes())
        .field(function.as_bytes());
    let call = digester.finish();
    let Some(command) = command.as_deref() else {
        return vec![("call".to_owned(), call)];
    };
    // The feeds are the parameters, and the program is `argv[0]`.
    let Command { program: _, feeds: _, output, ok_status } = command;
    let output_key = match output {
        CommandOutput::One(_) => "output",
        CommandOutput::Several(_) => "outputs",
    };
    vec![
        ("command".to_owned(), call),
        (output_key.to_owned(), output_digest(output)),
        ("ok-status".to_owned(), Digest::of_bytes(ok_status)),
    ]
}
