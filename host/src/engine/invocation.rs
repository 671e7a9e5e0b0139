//! The call that a job asks an invoker to make: function, arguments, limits, and what the guest learns of its attempt.
//! `job` decides whether it is made, and settles what it returns.

use crate::engine::growth::Step;
use crate::engine::guest_output::AttemptListener;
use crate::engine::verdicts::Job;
use crate::events::Subject;
use crate::invoke;
use bytes::Bytes;
use std::sync::Arc;

impl Job<'_> {
    pub(crate) fn listener(&self, subject: Subject) -> Arc<dyn invoke::Listener> {
        Arc::new(AttemptListener { recorder: self.ctx.recorder.clone(), subject })
    }

    pub(crate) fn invocation(
        &self,
        args: Vec<Bytes>,
        listener: Arc<dyn invoke::Listener>,
    ) -> Arc<invoke::Call> {
        let Subject { task, item, .. } = self.subject(None);
        let step = Step::of(self.claim);
        Arc::new(invoke::Call {
            function: invoke::FunctionId(self.task.function),
            args,
            limits: step.limits(self.task),
            timeout: self.timeout(step.timeout(self.task)),
            run_deadline: self.ctx.shared.run_deadline.get(),
            attempt: invoke::Attempt {
                run: self.ctx.run.clone(),
                task,
                item,
                iteration: self.ctx.iteration(self.claim),
                number: self.claim.attempt,
                epoch: self.ctx.epoch,
            },
            listener,
        })
    }
}
