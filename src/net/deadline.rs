//! Until when a connection has to send what: time before patience.

use tokio::time::Instant;

use crate::config::Limits;
use crate::service::ServiceError;

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    first_request: Option<Instant>,
    stranger: Option<Instant>,
    request: Option<Instant>,
}

impl Deadlines {
    /// Those of a connection that began at `began`.
    pub(super) fn new(began: Instant, limits: &Limits) -> Self {
        Self {
            first_request: Some(began + limits.first_request_deadline),
            stranger: Some(began + limits.stranger_deadline),
            request: None,
        }
    }

    /// A request has arrived whole.
    pub(super) fn arrived(&mut self) {
        self.first_request = None;
        self.request = None;
    }

    /// A part of a request is there, and its rest is awaited.
    pub(super) fn begun(&mut self, limits: &Limits) {
        self.request.get_or_insert_with(|| Instant::now() + limits.request_deadline);
    }

    /// The client has shown who it is.
    pub(super) fn is_known(&mut self) {
        self.stranger = None;
    }

    /// The next deadline, if any, and what a client is told that misses it.
    pub(super) fn next(&self) -> Option<(Instant, ServiceError)> {
        let arrival = [self.request, self.first_request].into_iter().flatten().min();
        match (arrival, self.stranger) {
            (Some(arrival), Some(stranger)) if stranger < arrival => Some((stranger, ServiceError::Stranger)),
            (Some(arrival), _) => Some((arrival, ServiceError::TooSlow)),
            (None, stranger) => stranger.map(|stranger| (stranger, ServiceError::Stranger)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn seconds(deadlines: &Deadlines, began: Instant) -> Option<(u64, String)> {
        let (at, err) = deadlines.next()?;
        Some((at.duration_since(began).as_secs(), err.to_string()))
    }

    #[test]
    fn a_stranger_has_less_time_than_somebody_known() {
        let (limits, began) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(began, &limits);
        let too_slow = ServiceError::TooSlow.to_string();

        assert_eq!(seconds(&deadlines, began), Some((10, too_slow.clone())));
        deadlines.arrived();
        assert_eq!(seconds(&deadlines, began), Some((30, ServiceError::Stranger.to_string())));
        deadlines.is_known();
        assert_eq!(seconds(&deadlines, began), None);
        deadlines.begun(&limits);
        assert_eq!(deadlines.next().map(|(_, err)| err.to_string()), Some(too_slow));
    }

    #[test]
    fn a_request_that_dribbles_in_gets_no_more_time() {
        let (limits, began) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(began - Duration::from_secs(60), &limits);
        deadlines.arrived();
        deadlines.is_known();
        deadlines.begun(&limits);
        let first = deadlines.next().map(|(at, _)| at);
        deadlines.begun(&limits);

        assert_eq!(deadlines.next().map(|(at, _)| at), first);
    }
}
