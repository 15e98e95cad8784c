//! What is due at an outbox whose writer sleeps.

use std::sync::Arc;
use std::task::Waker;

use super::Outbox;

/// There is something for a connection's writer, which sleeps, and nobody else has been told so. Dropped, it wakes the writer.
#[derive(Debug)]
#[must_use = "dropped, it wakes the connection's writer"]
pub struct Due {
    outbox: Arc<Outbox>,
    writer: Option<Waker>,
}

impl Due {
    pub(super) fn new(outbox: Arc<Outbox>, writer: Waker) -> Self {
        Self { outbox, writer: Some(writer) }
    }

    /// Writes what there is in the writer's place, as far as the socket takes it at once. Where that is not all, or there is
    /// something else to do, or it was woken for another reason meanwhile, the writer is left to it.
    pub fn write(mut self) {
        let Some(sink) = &self.outbox.sink else { return };
        let mut shared = self.outbox.lock();
        let Some(chunk) = shared.state.take_now() else { return };
        let reader = if shared.state.makes_room() { shared.reader.take() } else { None };
        if shared.state.wrote(sink.try_write(chunk)) {
            let writer = self.writer.take();
            shared.writer = shared.writer.take().or(writer);
        }
        drop(shared);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }
}
