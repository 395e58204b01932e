//! Work over threads.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::Result;

/// How many threads are used where nobody said: one per core, or one where the platform has none or does not tell.
pub(crate) fn or_all_cores(threads: Option<NonZeroUsize>) -> usize {
    let all =
        || if cfg!(target_family = "wasm") { None } else { thread::available_parallelism().ok() };
    threads.or_else(all).map_or(1, NonZeroUsize::get)
}

/// What `run` gives for each of `items`, in their order, or the error of the first that has one. Each of this many
/// `threads` takes an item at a time, the largest by `size` first, so that they end together.
pub(crate) fn spread<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    size: impl Fn(&T) -> usize,
    run: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = if cfg!(target_family = "wasm") { 1 } else { threads.min(items.len()) };
    if threads <= 1 {
        return items.iter().map(run).collect();
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(size(&items[i])));
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::with_capacity(items.len() / threads + 1);
        while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((i, run(&items[i])));
        }
        done
    };
    let mut results: Vec<Option<Result<R>>> = Vec::new();
    results.resize_with(items.len(), || None);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let own = take();
        let others =
            others.into_iter().map(|other| other.join().unwrap_or_else(|p| resume_unwind(p)));
        for (i, result) in others.flatten().chain(own) {
            results[i] = Some(result);
        }
    });
    results.into_iter().map(|result| result.expect("every item was taken")).collect()
}

/// What `run` gives for each of `items`, in their order: all at the same time, since they may wait for each other, the
/// first on this thread and each other on one of its own.
pub(crate) fn side_by_side<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 {
        return items.into_iter().map(run).collect();
    }
    let run = &run;
    thread::scope(|scope| {
        let mut items = items.into_iter();
        let first = items.next();
        let others: Vec<_> = items.map(|item| scope.spawn(move || run(item))).collect();
        let own = first.into_iter().map(run);
        let others =
            others.into_iter().map(|other| other.join().unwrap_or_else(|p| resume_unwind(p)));
        own.chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).map(|i| i * 7919 % 1000).collect();
        for threads in [1, 2, 7, 5000] {
            let doubled = spread(&items, threads, |&i| i, |&i| Ok(2 * i)).expect("none fails");
            assert!(doubled.iter().zip(&items).all(|(double, item)| *double == 2 * item));
        }
        assert!(spread(&[], 4, |&i: &usize| i, |&i| Ok(i)).expect("nothing to do").is_empty());
    }

    #[test]
    fn the_first_error_is_told_whichever_comes_sooner() {
        let items: Vec<usize> = (0..100).collect();
        let odd = |&i: &usize| match i > 40 && i % 2 == 1 {
            true => Err(Error::new(ErrorKind::Input, "item", i.to_string(), "an even one")),
            false => Ok(i),
        };
        for threads in [1, 3] {
            let error = spread(&items, threads, |&i| i, odd).expect_err("some fail");
            assert_eq!(error.found(), "41");
        }
    }
}
