//! Seeds: how many, and which.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `test` with `count` seeds, or with what the environment says: `DOMICILE_SEEDS=N` that many, `DOMICILE_SEED=S`
/// only this one.
///
/// # Panics
/// As the test does, after having told the seed.
pub fn for_each_seed(count: u64, test: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match (number("DOMICILE_SEED"), number("DOMICILE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, many) => 0..many.unwrap_or(count),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("seed {seed} failed; DOMICILE_SEED={seed} runs it alone");
            resume_unwind(panic);
        }
    }
}

/// Runs `future` and all it spawns in this thread; what is not done at its end is dropped, as a program is that ends.
pub fn in_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing of the system").block_on(future)
}
