use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Waits until it is polled again.
pub async fn pause() {
    let mut is_over = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut is_over, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// What `work` gives, polled until it does, and how often it paused.
pub fn with_pauses<T>(work: impl Future<Output = T>) -> (T, usize) {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    let mut pauses = 0;
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(value) => return (value, pauses),
            Poll::Pending => pauses += 1,
        }
    }
}
