//! Ctrl-C and SIGTERM: the first lets running tasks finish, the second stops them.
//! What stopping means is for the engine.

use crate::cli::terminal::say;
use crate::engine::Interrupt;
use std::future::Future;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

/// Drives `work` to its end, and hands each signal on to it.
pub(crate) async fn until_done<T>(work: impl Future<Output = T>, stop: watch::Sender<Interrupt>) -> T {
    let listening = listen(stop);
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done,
        () = listening => work.await,
    }
}

/// Hands signals on for as long as the process lives; ends only where it cannot listen.
async fn listen(stop: watch::Sender<Interrupt>) {
    let (Ok(mut interrupts), Ok(mut terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    next(&mut interrupts, &mut terminations).await;
    say("stopping: running tasks are finished and committed; again to stop them now\n");
    stop.send_replace(Interrupt::Drain);
    next(&mut interrupts, &mut terminations).await;
    say("stopping running tasks\n");
    stop.send_replace(Interrupt::Abort);
    std::future::pending::<()>().await;
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}
