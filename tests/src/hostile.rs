//! Breaking sound files at random, the same way for the same seed.
//!
//! `HOSTILE_FILES` says how often (`docs/reference/security.md`); `HOSTILE_SEED` is the first seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

/// Numbers at which arithmetic breaks.
pub const EXTREMES: [i64; 12] =
    [0, 1, -1, 2, 7, 255, 65_536, i32::MAX as i64, u32::MAX as i64, 1 << 40, i64::MAX, i64::MIN];

/// Calls `attempt` with a random generator for each seed; a panic in it names the seed that shows it alone.
pub fn for_each_seed(attempt: impl Fn(&mut fastrand::Rng)) {
    let (first, count) = (setting("HOSTILE_SEED", 0), setting("HOSTILE_FILES", 40));
    for seed in first..first + count {
        let mut random = fastrand::Rng::with_seed(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&mut random)));
        assert!(outcome.is_ok(), "a panic: HOSTILE_SEED={seed} HOSTILE_FILES=1 shows it alone");
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

/// Changes one value somewhere inside a JSON value.
pub fn change_somewhere(random: &mut fastrand::Rng, value: &mut Value) {
    use Value::{Array, Null, Object};

    match value {
        Array(values) if !values.is_empty() && random.u8(..8) > 0 => {
            let index = random.usize(..values.len());
            change_somewhere(random, &mut values[index]);
        }
        Object(fields) if !fields.is_empty() && random.u8(..8) > 0 => {
            let index = random.usize(..fields.len());
            change_somewhere(random, fields.values_mut().nth(index).expect("it is within"));
        }
        value => {
            *value = match random.u8(..8) {
                0 => Null,
                1 => "".into(),
                2 => "\u{0}(a|a)*$".into(),
                3 => Array(vec![]),
                4 => f64::MAX.into(),
                5 => serde_json::json!({}),
                _ => (*random.choice(&EXTREMES).expect("some")).into(),
            };
        }
    }
}
