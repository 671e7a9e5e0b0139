//! `plan`: shows what a run would do with each task, and why.
//! `app` makes the forecast; `print/plan_table` lays out the table.

use crate::app;
use crate::app::{Backends, Builds, Error, Forecast, Hook, Refusal, Session, SessionRequest};
use crate::cli::args::PlanArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::{NotifyRow, PlanTable, plan_row};
use crate::cli::process::{Exit, health_monitor, stdout_style, wait_for};
use crate::model::{Clock as _, Random, RunId, SystemClock};

/// Shows the forecast of a run.
pub(crate) fn plan(ctx: &Context, arguments: &PlanArguments) -> Result<Exit, Error> {
    let mut resolved = app::read(&arguments.scope.manifest)?;
    let backends = Backends::default();
    backends.check(&mut resolved, &ctx.settings, &ctx.environment);
    Hook::check(&mut resolved, &ctx.environment);
    let sandbox = ctx.open_sandbox()?;
    let checked = app::check(resolved, (&sandbox, &ctx.fetcher(&sandbox)), &ctx.environment, Builds::NotRun);
    ctx.print_warnings(&sandbox);
    let checked = checked?;
    let run = match &arguments.run_id {
        Some(run) => run.clone(),
        None => RunId::generate(SystemClock.now(), &mut Random::from_system()),
    };
    let request = SessionRequest {
        params: &arguments.params.texts(),
        targets: &arguments.scope.targets,
        run,
        environment: &ctx.environment,
        memory: ctx.settings.memory,
    };
    let session = Session::new(checked, &request)?;
    let Forecast { tasks, differences } = forecast(ctx, (&session, &arguments.scope.rerun), &backends)?;
    if !differences.is_empty() {
        let message = format!(
            "run `{}` exists with another plan: `run` needs `--update`, which does this, or `--fresh`",
            session.run
        );
        let list = differences.iter().map(|difference| format!("\n  {difference}"));
        ctx.console.note("other-plan", &(message + &list.collect::<String>()));
    }
    let rows = (1..).zip(&tasks).filter_map(|(order, planned)| plan_row::row(order, planned, &session));
    let pipelines = session.pipelines().map(|pipeline| plan_row::pipeline(pipeline, &session)).collect();
    let table = PlanTable::new(session.manifests.root().name.as_str(), rows.collect(), pipelines);
    let hook = Hook::of(&session.manifests, &ctx.environment)?;
    let table =
        table.with_deadline(session.bound.plan().deadline()).with_notify(hook.as_ref().map(NotifyRow::new));
    let text = if arguments.json {
        let json = table.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the plan as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    } else {
        table.render(stdout_style())
    };
    print(text.as_bytes())
}

fn forecast(
    ctx: &Context,
    (session, rerun): (&Session, &[String]),
    backends: &Backends,
) -> Result<Forecast, Error> {
    let state = backends.state(&ctx.settings, &session.manifests.root().state, &ctx.environment)?;
    session.check_limits(&state.uri)?;
    let cache = backends.cache(&ctx.settings, &session.manifests.root().cache, &ctx.environment)?;
    let mut monitor =
        health_monitor(&ctx.console, "the cache", cache.as_ref().and_then(|cache| cache.health()));
    let forecast = app::forecast(session, rerun, state.backend.as_ref(), cache.as_deref());
    wait_for(&ctx.console, state.backend.as_ref(), monitor.beside(forecast))
}
