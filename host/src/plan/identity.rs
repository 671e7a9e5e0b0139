//! Digests of the shape of a command, and of a built-in task: of all that decides a result beside component and values.
//! The key of a cached result and the digest of a run include them.

use crate::builtin::Builtin;
use crate::model::{Digest, Digester};
use crate::value::{Collected, Command, CommandOutput, Feed, Signature};

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
