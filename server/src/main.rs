//! Serves an exported model over HTTP. `README.md` tells what it answers.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use sparsecbm_server::{Limits, Options, Service};
use tokio::net::TcpListener;
use tokio::sync::watch;

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let patience = Duration::from_secs(options.shutdown_seconds);
    let (place, limits) = (options.listen, options.limits());
    let Service { router, device } = sparsecbm_server::load(options)?;
    let listener = TcpListener::bind(place).await.map_err(|e| format!("{place}: {e}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    println!("running on {device}");
    std::io::stdout().flush()?;
    serve(listener, router, limits, patience).await
}

/// Serves until the process is told to stop, then answers what it has begun: for as long as `patience`.
async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    patience: Duration,
) -> Result<(), Box<dyn Error>> {
    let (tell, mut told) = watch::channel(false);
    let stop = async move {
        asked_to_stop().await;
        tell.send_replace(true);
    };
    let too_long = async {
        if told.wait_for(|stop| *stop).await.is_err() {
            // The server has ended without being told, which the other branch reports.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        () = sparsecbm_server::serve(listener, router, limits, stop) => Ok(()),
        () = too_long => Err(format!("requests were not answered within {patience:?}").into()),
    }
}

/// Ctrl-C, or SIGTERM where there is one.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
