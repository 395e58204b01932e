use std::sync::LazyLock;
use std::time::Instant;

use cpu_time::ThreadTime;
use serde::Serialize;
use sparsecbm::Result;

/// What is measured: one way of doing something.
pub struct Case<'a> {
    /// Runs it once.
    pub run: Box<dyn FnMut() -> Result<()> + 'a>,
    /// How often it runs, each time measured, when it is its turn; for what takes microseconds.
    pub repeats: usize,
}

/// How long something took, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// The fastest run: what it takes where nothing else disturbs.
    pub fastest_us: f64,
    /// Half of the runs took at most this long.
    pub median_us: f64,
    /// 95 % of the runs took at most this long.
    pub p95_us: f64,
    /// How many runs were measured.
    pub runs: usize,
}

impl Timing {
    /// From the runs' durations in microseconds, in any order. There must be one at least.
    pub fn new(mut microseconds: Vec<f64>) -> Timing {
        microseconds.sort_by(f64::total_cmp);
        let runs = microseconds.len();
        // Nearest rank: the smallest duration that `share` of the runs do not exceed.
        let quantile =
            |share: f64| microseconds[((share * runs as f64).ceil() as usize).max(1) - 1];
        Timing {
            fastest_us: microseconds[0],
            median_us: quantile(0.5),
            p95_us: quantile(0.95),
            runs,
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The time that passes.
    Wall,
    /// The processor's time of the calling thread, for cases that do all their work on it: a busy machine
    /// that lets the thread wait does not count.
    Thread,
}

impl Clock {
    /// Microseconds since some moment.
    fn now(self) -> f64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let time = match self {
            Clock::Wall => START.elapsed(),
            Clock::Thread => ThreadTime::now().as_duration(),
        };
        time.as_secs_f64() * 1e6
    }
}

/// Measures all cases interleaved, `rounds` times around, after two rounds that are not counted. Taking
/// turns, they meet the same conditions, so that their ratios hold even where their times do not.
///
/// # Errors
/// Those of the cases.
pub fn take_turns(cases: &mut [Case], rounds: usize, clock: Clock) -> Result<Vec<Timing>> {
    const WARM_UP: usize = 2;
    let mut durations = vec![Vec::new(); cases.len()];
    for round in 0..WARM_UP + rounds.max(1) {
        for (case, durations) in cases.iter_mut().zip(&mut durations) {
            for _ in 0..case.repeats {
                let start = clock.now();
                (case.run)()?;
                let microseconds = clock.now() - start;
                if round >= WARM_UP {
                    durations.push(microseconds);
                }
            }
        }
    }
    Ok(durations.into_iter().map(Timing::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let timing = Timing::new((1..=100).rev().map(f64::from).collect());
        assert_eq!(timing, Timing { fastest_us: 1.0, median_us: 50.0, p95_us: 95.0, runs: 100 });
        let one = Timing::new(vec![7.0]);
        assert_eq!(one, Timing { fastest_us: 7.0, median_us: 7.0, p95_us: 7.0, runs: 1 });
    }

    #[test]
    fn cases_take_turns() {
        let order = &std::cell::RefCell::new(Vec::new());
        let case = |name, repeats| Case {
            run: Box::new(move || {
                order.borrow_mut().push(name);
                Ok(())
            }),
            repeats,
        };
        let timings = take_turns(&mut [case('a', 1), case('b', 2)], 1, Clock::Wall).unwrap();
        assert_eq!(timings.iter().map(|t| t.runs).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(order.borrow().iter().collect::<String>(), "abbabbabb");
    }
}
