//! Fixture of the tests of commands: a command of steps, its call, and what comes of it.
//! The guest `command` takes the steps that its arguments name.

use crate::invoke::{Call, Failure, Grants, Invoker, Outcome, Returned};
use crate::model::{FailureClass, Limits};
use crate::sandbox::testing::{call, sandbox, value};
use crate::sandbox::{Component, GuestKind, Sandbox};
use crate::value::{Collected, Command, CommandOutput, Feed, to_json_text};
use bytes::Bytes;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A command under test, with the arguments of one call.
pub(crate) struct Trial {
    pub(crate) command: Command,
    pub(crate) args: Vec<Bytes>,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

pub(crate) fn trial(output: Collected) -> Trial {
    let command = Command {
        program: "tool".into(),
        feeds: Vec::new(),
        output: CommandOutput::One(output),
        ok_status: vec![0],
    };
    Trial { command, args: Vec::new(), grants: Grants::default(), limits: Limits::default() }
}

/// Returns a command of some steps whose result is its stdout.
pub(crate) fn steps(steps: &[&str]) -> Trial {
    trial(Collected::Text).steps(steps)
}

pub(crate) fn file(path: &str) -> Collected {
    Collected::File { path: path.into(), is_text: true }
}

pub(crate) fn files(pattern: &str) -> Collected {
    Collected::Files { pattern: pattern.into(), is_text: true }
}

pub(crate) fn text(text: &str) -> Bytes {
    value("string", &serde_json::to_string(text).unwrap())
}

impl Trial {
    pub(crate) fn feed(mut self, feed: Feed, arg: Bytes) -> Self {
        self.command.feeds.push(feed);
        self.args.push(arg);
        self
    }

    pub(crate) fn steps(self, steps: &[&str]) -> Self {
        steps.iter().fold(self, |trial, step| trial.feed(Feed::Arg, text(step)))
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.feed(Feed::File(path.into()), text(content))
    }

    pub(crate) fn outputs(mut self, outputs: &[(&str, Collected)]) -> Self {
        let outputs = outputs.iter().map(|(name, collected)| ((*name).into(), collected.clone()));
        self.command.output = CommandOutput::Several(outputs.collect());
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) async fn run(self) -> Result<Returned, Failure> {
        self.run_with(|_| ()).await
    }

    pub(crate) async fn run_with(self, change: impl FnOnce(&mut Call)) -> Result<Returned, Failure> {
        self.run_in(command(), change).await
    }

    /// Runs another program than the guest `command`.
    pub(crate) async fn run_in(
        self,
        (sandbox, component): &(Sandbox, Component),
        change: impl FnOnce(&mut Call),
    ) -> Result<Returned, Failure> {
        let command = Arc::new(self.command);
        let export = component.exports().iter().find(|export| &*export.function == "run").unwrap();
        let function =
            sandbox.prepare(component, export, Some(&command), self.grants, &[GuestKind::PLAIN]).unwrap();
        let mut call = Call { limits: self.limits, ..call(function, self.args) };
        change(&mut call);
        sandbox.invoke(Arc::new(call)).await
    }

    /// Runs a command that succeeds, and returns its result as JSON.
    pub(crate) async fn json(self) -> String {
        let ty = self.command.output.ty();
        let returned = self.run().await.unwrap();
        match returned.outcome {
            Outcome::Value(bytes) => to_json_text(&ty, &bytes).unwrap(),
            Outcome::Error(bytes) => panic!("{}", to_json_text(&Command::error_type(), &bytes).unwrap()),
        }
    }

    /// Runs a command whose result is a text, and returns its lines.
    pub(crate) async fn lines(self) -> Vec<String> {
        let text: String = serde_json::from_str(&self.json().await).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs a command that ends with a wrong status, and returns the payload of its error.
    pub(crate) async fn error(self) -> String {
        error(&self.run().await.unwrap())
    }

    pub(crate) async fn failure(self) -> (FailureClass, String) {
        let failure = self.run().await.unwrap_err();
        (failure.class, failure.message)
    }
}

/// Returns the payload of the error of a program that ended with a wrong status.
pub(crate) fn error(returned: &Returned) -> String {
    match &returned.outcome {
        Outcome::Error(bytes) => to_json_text(&Command::error_type(), bytes).unwrap(),
        Outcome::Value(bytes) => panic!("a value: {bytes:?}"),
    }
}

/// Returns the guest, compiled once.
pub(crate) fn command() -> &'static (Sandbox, Component) {
    static LOADED: OnceLock<(Sandbox, Component)> = OnceLock::new();
    LOADED.get_or_init(|| load(&cascade_host_tests::build_rust_guests().join("command.wasm")))
}

/// Loads a program.
pub(crate) fn load(path: &Path) -> (Sandbox, Component) {
    let sandbox = sandbox();
    let component = sandbox.load(std::fs::read(path).unwrap().into()).unwrap();
    (sandbox, component)
}
