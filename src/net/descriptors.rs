//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections must leave alone: the database's, the listeners', and room for what is about to close.
const RESERVED: u64 = 64;

/// Raises the soft limit to the hard one, and returns how many connections that leaves room for.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = match raised {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let places =
        allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed.saturating_sub(RESERVED)).unwrap_or(usize::MAX));
    places.max(1)
}
