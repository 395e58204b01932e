use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::Date;
use serde::Serialize;
use sparsecbm::explain::Progress;
use wasm_bindgen::prelude::*;

use crate::error::wrong_input;
use crate::report::plain;

/// Something that takes seconds, step by step: so the scripts can hear messages between two steps.
#[wasm_bindgen]
pub struct RawWork {
    future: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>,
    pauses: Rc<Pauses>,
}

/// What the work and its owner tell each other.
#[derive(Default)]
pub(crate) struct Pauses {
    progress: RefCell<JsValue>,
    is_ended: Cell<bool>,
}

/// When work is to end at its next pause: the crate itself has no clock here.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(f64);

/// How many runs are done, or classes of concepts.
#[derive(Serialize)]
struct Done {
    done: usize,
    total: usize,
}

impl RawWork {
    /// The work of a future that tells the pauses how far it is.
    pub(crate) fn new<F>(work: impl FnOnce(Rc<Pauses>) -> F) -> RawWork
    where
        F: Future<Output = Result<JsValue, JsValue>> + 'static,
    {
        let pauses = Rc::new(Pauses::default());
        RawWork { future: Box::pin(work(pauses.clone())), pauses }
    }
}

#[wasm_bindgen]
impl RawWork {
    /// Works to the next pause, which gives undefined, or to the end, which gives the result and comes once. Where not
    /// `go_on`, it ends as soon as it can.
    pub fn step(&mut self, go_on: bool) -> Result<JsValue, JsValue> {
        self.pauses.is_ended.set(!go_on);
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(JsValue::UNDEFINED),
        }
    }

    /// How far it was at the last pause.
    pub fn progress(&self) -> JsValue {
        self.pauses.progress.borrow().clone()
    }
}

impl Deadline {
    /// That of a `timeLimit` in milliseconds; never where none is given.
    pub(crate) fn after(limit: Option<f64>) -> Result<Deadline, JsValue> {
        let limit = limit.unwrap_or(f64::INFINITY);
        if limit.is_nan() || limit < 0.0 {
            return Err(wrong_input("timeLimit", &limit.to_string(), "milliseconds, 0 or more"));
        }
        Ok(Deadline(Date::now() + limit))
    }

    /// Whether there is time left.
    pub(crate) fn look(self) -> ControlFlow<()> {
        if Date::now() < self.0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Pauses {
    /// [`Pauses::tell`] of what an explanation tells.
    pub(crate) async fn explained(&self, progress: Progress) -> ControlFlow<()> {
        self.tell(&Done { done: progress.done, total: progress.total }).await
    }

    /// Pauses; whether to go on then.
    pub(crate) async fn tell(&self, progress: &impl Serialize) -> ControlFlow<()> {
        let Ok(progress) = plain(progress) else { return ControlFlow::Break(()) };
        self.progress.replace(progress);
        let mut is_over = false;
        let pause = poll_fn(|_| match std::mem::replace(&mut is_over, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        pause.await;
        if self.is_ended.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
