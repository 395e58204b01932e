use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `run` gives, or what a panic in it said. Some libraries panic on files that contradict themselves, and a file
/// must not be able to end the program.
///
/// Only for calls that leave nothing half changed behind: what they were making is dropped with the panic.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("a panic: {}", message.unwrap_or("without a message"))
    })
}
