use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What `work` gives, which waits for nothing.
///
/// What tells how far it is exists once, as a future that awaits its `progress`; the function of that name without
/// pauses runs it at once.
pub(crate) fn without_pauses<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing in it waits"),
    }
}

/// `progress` as such a future is told of it.
pub(crate) fn at_once<P>(
    mut progress: impl FnMut(P) -> ControlFlow<()>,
) -> impl AsyncFnMut(P) -> ControlFlow<()> {
    async move |now| progress(now)
}
