//! The locks where going online, publishing and lagging meet: the registry's and the outboxes'.
//!
//! They are the standard library's, but for one build of the tests, with `--cfg chinwag_shuttle`, in which shuttle decides who
//! runs when a lock is taken or given back. `.ci/rustc-shuttle` sets that for this package alone, so nothing else is rebuilt.

#[cfg(all(test, chinwag_shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, chinwag_shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};
