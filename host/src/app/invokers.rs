//! One invoker of the functions of a plan: guests go to the sandbox, built-in tasks to the host's own code.
//! `session` prepares the functions of components.

use crate::builtin;
use crate::builtin::Builtins;
use crate::invoke::{Call, Failure, Invoker, Returned};
use crate::plan::{Function, Plan};
use crate::sandbox::Sandbox;
use std::sync::Arc;

/// Returns the invoker of a plan whose functions of components are prepared in `sandbox`.
pub(crate) fn invoker(plan: &Plan, sandbox: Arc<Sandbox>) -> Arc<dyn Invoker> {
    let builtins: Vec<builtin::Function> = plan.functions().iter().filter_map(Function::builtin).collect();
    if builtins.is_empty() {
        return sandbox;
    }
    let first = plan.functions().len() - builtins.len();
    Arc::new(Invokers { sandbox, builtins: Builtins::new(first, builtins) })
}

struct Invokers {
    sandbox: Arc<Sandbox>,
    builtins: Builtins,
}

#[async_trait::async_trait]
impl Invoker for Invokers {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        if self.builtins.serves(&call) {
            self.builtins.invoke(call).await
        } else {
            self.sandbox.invoke(call).await
        }
    }
}
