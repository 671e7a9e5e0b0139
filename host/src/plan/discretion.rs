//! Built-in tasks whose arguments may come from secrets: the messages of their failures show nothing of them.
//! `builtin` words the messages. A guest's messages are its own, and masked as all of its output.

use crate::builtin::Messages;
use crate::plan::{Code, Plan};
use std::collections::HashMap;

/// Gives each built-in task that may read a secret, or anything made of one, a function that is discreet.
pub(crate) fn apply(plan: &mut Plan) {
    if plan.functions.iter().all(|function| function.component().is_some()) {
        return;
    }
    let mut is_secret = vec![false; plan.tasks.len()];
    for index in plan.order.iter().map(|task| task.index()) {
        let Some(task) = plan.tasks.get(index) else { continue };
        let mut reads_secret = false;
        for binding in plan.bindings_of(task) {
            binding.each_task(&mut |read| {
                reads_secret |= is_secret.get(read.index()).copied().unwrap_or_default();
            });
            binding.each_input(&mut |input| {
                reads_secret |= plan.inputs.get(input).is_some_and(|input| input.is_secret);
            });
        }
        if let Some(slot) = is_secret.get_mut(index) {
            *slot = reads_secret;
        }
    }
    let mut known: HashMap<usize, usize> = HashMap::new();
    for (task, _) in plan.tasks.iter_mut().zip(is_secret).filter(|(_, is_secret)| *is_secret) {
        let Some(function) = plan.functions.get(task.function) else { continue };
        let Code::Builtin { builtin, messages: Messages::Full } = function.code else { continue };
        let mut discreet = function.clone();
        discreet.code = Code::Builtin { builtin, messages: Messages::Discreet };
        let functions = &mut plan.functions;
        task.function = *known.entry(task.function).or_insert_with(|| {
            functions.push(discreet);
            functions.len() - 1
        });
    }
}
