//! Digests of what is called: of a function, of the shape of a command, of a built-in task.
//! The key of a cached result and the digest of a run include them.

use crate::builtin::Builtin;
use crate::model::{Digest, Digester, RunId};
use crate::plan::{Code, ComponentFunction, Function};
use crate::value::{Collected, Command, CommandOutput, Export, Feed, Signature};

/// Returns the digest of everything that a command is beside its component and the values that it is given.
pub(crate) fn identity(command: &Command) -> Digest {
    let Command { program, feeds, output, ok_status } = command; // the compiler asks for a new part
    let mut digester = Digester::new("cascade command 1");
    digester.field(program.as_bytes()).number(u64::try_from(feeds.len()).unwrap_or(u64::MAX));
    for feed in feeds {
        match feed {
            Feed::Arg => digester.field(b"arg"),
            Feed::Stdin => digester.field(b"stdin"),
            Feed::Env(name) => digester.field(b"env").field(name.as_bytes()),
            Feed::File(path) => digester.field(b"file").field(path.as_bytes()),
        };
    }
    digester.digest(&output_digest(output)).field(ok_status);
    digester.finish()
}

/// Returns the digest of everything that a built-in task is beside its values: name, version and types.
pub(crate) fn builtin_identity(builtin: Builtin, signature: &Signature) -> Digest {
    let row = builtin.row();
    let mut digester = Digester::new("cascade builtin 1");
    digester.field(row.name.as_bytes()).number(row.version.into());
    for (_, ty) in &signature.params {
        digester.digest(&ty.fingerprint());
    }
    // With the key `type`, the result has a digest of its own.
    if let Some(result) = signature.result.as_ref().filter(|_| !builtin.has_type_key()) {
        digester.digest(&result.fingerprint());
    }
    digester.finish()
}

/// Returns the digest of what a command gives back.
pub(crate) fn output_digest(output: &CommandOutput) -> Digest {
    let mut digester = Digester::new("cascade command output 1");
    match output {
        CommandOutput::One(one) => add(&mut digester, one),
        CommandOutput::Several(named) => {
            for (name, one) in named {
                digester.field(b"named").field(name.as_bytes());
                add(&mut digester, one);
            }
        }
    }
    digester.finish()
}

fn add(digester: &mut Digester, collected: &Collected) {
    let text = |is_text: &bool| u64::from(*is_text);
    match collected {
        Collected::Text => digester.field(b"text"),
        Collected::Bytes => digester.field(b"bytes"),
        Collected::Json(ty) => digester.field(b"json").digest(&ty.fingerprint()),
        Collected::File { path, is_text } => {
            digester.field(b"file").field(path.as_bytes()).number(text(is_text))
        }
        Collected::Files { pattern, is_text } => {
            digester.field(b"files").field(pattern.as_bytes()).number(text(is_text))
        }
    };
}

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
