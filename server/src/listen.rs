//! Answering connections, with limits on what a client may hold: how many there are, and how long one may take over its
//! headers. Else clients that send half a request would use up the process's file descriptors.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Descriptors that are left for all but connections: files, libraries, what the runtime holds.
const OTHER_DESCRIPTORS: u64 = 64;
/// How long to wait where the system gives no connection, as for want of descriptors that others took.
const PAUSE: Duration = Duration::from_millis(100);

/// What clients may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at one time; more wait until one ends. No more than the process may open.
    pub connections: NonZeroUsize,
    /// How long a connection may be without a whole request's headers: before the first, or between two.
    pub headers: Duration,
}

impl Limits {
    /// The limits, with no more connections than the system lets the process have descriptors for: it is asked for as
    /// many as are wanted.
    fn within_descriptors(self) -> Limits {
        let wanted = self.connections.get() as u64 + OTHER_DESCRIPTORS;
        let Ok(most) = rlimit::increase_nofile_limit(wanted) else { return self };
        let room = usize::try_from(most.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX);
        let room = NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN);
        Limits { connections: self.connections.min(room), ..self }
    }
}

/// Answers connections until `stop` is there, then what was begun.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let limits = limits.within_descriptors();
    let room = Arc::new(Semaphore::new(limits.connections.get()));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.headers);
    let running = GracefulShutdown::new();
    let accepting = async {
        loop {
            let place = room.clone().acquire_owned().await.expect("nobody closes it");
            let service = TowerToHyperService::new(router.clone());
            let connection = http.serve_connection(TokioIo::new(next(&listener).await), service);
            let connection = running.watch(connection);
            tokio::spawn(async move {
                // An error is the client's: it went, or was too slow.
                let _ = connection.await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = stop => {}
        () = accepting => {}
    }
    drop(listener);
    running.shutdown().await;
}

/// The next connection.
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small: one must not wait for the next.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}
