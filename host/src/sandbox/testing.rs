//! Fixtures of the sandbox's tests: a sandbox, components as text, calls, and a listener that records.
//! Only tests use it.

use crate::invoke::{
    Attempt, Call, Failure, FunctionId, Grants, Invoker, Listener, Outcome, Returned, Stream,
};
use crate::model::{Datum, FailureClass, Limits, RunId, Size, TaskName};
use crate::sandbox::{Component, GuestKind, LoadError, LoadRequest, Metering, Sandbox, Settings, Wit};
use crate::value::{Type, encode};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A listener that records everything.
#[derive(Default)]
pub(crate) struct RecordingListener(Mutex<Vec<String>>);

impl RecordingListener {
    pub(crate) fn recorded(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Listener for RecordingListener {
    fn on_output(&self, stream: Stream, text: &str) {
        self.0.lock().unwrap().push(format!("{stream:?} {text}"));
    }

    fn on_progress(&self, fraction: f64, message: &str) {
        self.0.lock().unwrap().push(format!("{fraction} {message}"));
    }
}

/// Returns a sandbox for four guests, without a code cache.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(Settings { calls: 4, code_cache: None }).unwrap()
}

pub(crate) fn binary(text: &str) -> Bytes {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")).into()
}

/// Returns the request for a module of this WIT.
pub(crate) fn with_wit(wit: &Wit) -> LoadRequest<'_> {
    LoadRequest { wit: Some(wit), ..LoadRequest::PLAIN }
}

/// Prepares the first export of a component.
pub(crate) fn prepare(
    sandbox: &Sandbox,
    component: &Component,
    grants: Grants,
    metering: Metering,
) -> Result<FunctionId, LoadError> {
    let guest = GuestKind { metering, ..GuestKind::PLAIN };
    sandbox.prepare(component, component.exports().first().unwrap(), None, grants, &[guest])
}

/// Returns a call with default limits and a timeout that only slow tests reach.
pub(crate) fn call(function: FunctionId, args: Vec<Bytes>) -> Call {
    Call {
        function,
        args,
        limits: Limits::default(),
        timeout: Duration::from_mins(1),
        run_deadline: None,
        attempt: Attempt {
            run: RunId::new("run").unwrap(),
            task: TaskName::new("task").unwrap(),
            item: None,
            iteration: None,
            number: 1,
            epoch: 1,
        },
        listener: Arc::new(RecordingListener::default()),
    }
}

/// Calls the first export of a component once, after `change` has adjusted the call.
pub(crate) async fn run(
    text: &str,
    args: Vec<Bytes>,
    change: impl FnOnce(&mut Call),
) -> Result<Returned, Failure> {
    granted(text, Grants::default(), args, change).await
}

/// Calls the first export of a component once, with grants.
pub(crate) async fn granted(
    text: &str,
    grants: Grants,
    args: Vec<Bytes>,
    change: impl FnOnce(&mut Call),
) -> Result<Returned, Failure> {
    let sandbox = sandbox();
    let component = sandbox.load(binary(text)).unwrap();
    let mut call = call(FunctionId(0), args);
    change(&mut call);
    let export = component.exports().first().unwrap();
    sandbox.prepare(&component, export, None, grants, &[GuestKind::of(&call.limits)]).unwrap();
    sandbox.invoke(Arc::new(call)).await
}

/// Calls a component that must fail, and returns the class and the message.
pub(crate) async fn run_failing(text: &str, change: impl FnOnce(&mut Call)) -> (FailureClass, String) {
    let failure = run(text, Vec::new(), change).await.unwrap_err();
    (failure.class, failure.message)
}

pub(crate) fn value(ty: &str, json: &str) -> Bytes {
    let datum: Datum = serde_json::from_str(json).unwrap();
    encode(&Type::parse(ty).unwrap(), &datum).unwrap()
}

pub(crate) fn returned(returned: Result<Returned, Failure>) -> Bytes {
    match returned.unwrap().outcome {
        Outcome::Value(bytes) => bytes,
        Outcome::Error(bytes) => panic!("an err: {bytes:?}"),
    }
}

pub(crate) fn mebibytes(number: u64) -> Size {
    Size::bytes(number << 20)
}

/// Returns a component of one module with a memory, whose function `run` has the given type and body.
pub(crate) fn component(definitions: &str, core_type: &str, body: &str, ty: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (global $top (mut i32) (i32.const 1024))
                {definitions}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and
                        (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get 2))))
                    (global.set $top (i32.add (local.get $at) (local.get 3)))
                    (block $fits
                        (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
                        (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1)))))
                    (local.get $at))
                (func $run (export "run") {core_type} {body}))
            (core instance $i (instantiate $m))
            (func (export "run") {ty}
                (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}
