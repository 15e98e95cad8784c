//! Which messages a connection's peer has acknowledged, told from what TCP says of its bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::socket::Socket;
use crate::outbox::{Chunk, Received, Sink};
use crate::service::{Probe, Service};

/// Chunks that may be unacknowledged before they are taken together, which only makes their acknowledgement later.
const MAX_PENDING: usize = 64;

/// When acknowledgements are looked for, after a write that has none yet. The first comes after a delayed one, 40 ms; and
/// what is looked for less often costs less, while marks gather for a second anyway.
const CHECK_AFTER: Duration = Duration::from_millis(200);
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Follows one connection: writes to it, and knows what of that is acknowledged. Shared by its writer, by who writes in its
/// place, and by whoever asks for it when its user logs in elsewhere.
#[derive(Debug)]
pub(super) struct Acknowledged {
    itself: Weak<Self>,
    awaited: Arc<Awaited>,
    socket: Socket,
    service: Arc<Service>,
    /// Held while something is written and until it is noted, so that who asks sees both or neither; never for longer than what is
    /// taken at once takes.
    written: Mutex<Written>,
}

/// Connections whose peers are still to acknowledge something.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// With when each is looked at next.
    connections: Mutex<Vec<(Instant, Weak<Acknowledged>)>>,
    /// Says that there are some.
    is_due: Notify,
}

impl Awaited {
    /// Looks at each from time to time, for as long as this runs.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            self.is_due.notified().await;
            while !self.lock().is_empty() {
                sleep(CHECK_AFTER).await;
                self.check_due(Instant::now());
            }
        }
    }

    /// Looks at those whose time has come, and keeps those that still await something.
    fn check_due(&self, now: Instant) {
        let mut connections = std::mem::take(&mut *self.lock());
        connections.retain_mut(|(due, connection)| {
            if *due > now {
                return true;
            }
            *due = now + CHECK_EVERY;
            connection.upgrade().is_some_and(|connection| connection.check_awaited())
        });
        self.lock().append(&mut connections);
    }

    fn begin(&self, connection: Weak<Acknowledged>) {
        let mut connections = self.lock();
        connections.push((Instant::now() + CHECK_AFTER, connection));
        if connections.len() == 1 {
            self.is_due.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Weak<Acknowledged>)>> {
        self.connections.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

#[derive(Debug, Default)]
struct Written {
    /// Whether it is among those that are looked at.
    is_awaited: bool,
    /// An end of stream counts as a byte until it is acknowledged.
    is_ended: bool,
    /// Positions in the stream, and what the peer has received when it has acknowledged up to there.
    pending: VecDeque<(u64, Received)>,
}

impl Acknowledged {
    pub(super) fn new(socket: Socket, service: Arc<Service>, awaited: Arc<Awaited>) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            awaited,
            socket,
            service,
            written: Mutex::default(),
        })
    }

    /// Writes a chunk, and flushes it. `writer` is that of this connection.
    pub(super) async fn write(&self, writer: &mut (impl AsyncWrite + Unpin), chunk: Chunk) -> io::Result<()> {
        let Chunk { bytes, received } = chunk;
        let mut writing = pin!(async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        poll_fn(|cx| {
            let mut written = self.lock();
            ready!(writing.as_mut().poll(cx))?;
            self.wrote(&mut written, received);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Notes that all of a chunk was handed to the system, and the newest message in it.
    fn wrote(&self, written: &mut Written, received: Option<Received>) {
        let Some(received) = received else { return };
        written.wrote(self.socket.written_bytes(), received);
        if !std::mem::replace(&mut written.is_awaited, true) {
            self.awaited.begin(Weak::clone(&self.itself));
        }
    }

    /// Notes that the stream was ended behind what was written.
    pub(super) fn ended(&self) {
        self.lock().is_ended = true;
    }

    /// Tells the service what is acknowledged by now; whether anything is still open.
    pub(super) fn check(&self) -> bool {
        self.check_written(&mut self.lock())
    }

    /// Does so for who looks again only where something is still open.
    fn check_awaited(&self) -> bool {
        let mut written = self.lock();
        written.is_awaited = self.check_written(&mut written);
        written.is_awaited
    }

    fn check_written(&self, written: &mut Written) -> bool {
        // Messages are written under this lock. What TLS writes of its own between these two makes this too little, never too much.
        let written_bytes = self.socket.written_bytes();
        if !written.pending.is_empty()
            && let Some(unacknowledged) = self.socket.unacknowledged_bytes()
        {
            for received in written.acknowledge(written_bytes, unacknowledged) {
                self.service.received(received);
            }
        }
        !written.pending.is_empty()
    }

    /// Units: bytes that the peer has not acknowledged, as far as the system tells.
    pub(super) fn open_bytes(&self) -> u64 {
        self.socket.unacknowledged_bytes().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        // A writer that panics has noted nothing yet, and what others have stays true.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for Acknowledged {
    fn probe(&self) {
        self.check();
    }
}

impl Sink for Acknowledged {
    fn try_write(&self, mut chunk: Chunk) -> Option<Chunk> {
        let mut written = self.lock();
        // What keeps it from being written, the connection's writer will see.
        let taken = self.socket.try_write(&chunk.bytes).unwrap_or(0);
        if taken < chunk.bytes.len() {
            chunk.bytes.drain(..taken);
            return Some(chunk);
        }
        self.wrote(&mut written, chunk.received);
        None
    }
}

impl Written {
    /// `position` is that of the stream behind the chunk.
    fn wrote(&mut self, position: u64, received: Received) {
        let of_same_user = |(_, last): &&mut (u64, Received)| last.user_id == received.user_id;
        if self.pending.len() >= MAX_PENDING
            && let Some(last) = self.pending.back_mut().filter(|last| of_same_user(last))
        {
            *last = (position, received);
        } else {
            self.pending.push_back((position, received));
        }
    }

    /// What is acknowledged when `unacknowledged` of `written` bytes are not, in order.
    fn acknowledge(&mut self, written: u64, unacknowledged: u64) -> Vec<Received> {
        let open = unacknowledged.saturating_sub(u64::from(self.is_ended));
        let position = written.saturating_sub(open);
        let acknowledged = self.pending.partition_point(|(end, _)| *end <= position);
        self.pending.drain(..acknowledged).map(|(_, received)| received).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::TryLockError;
    use std::task::Context;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::{Config, PasswordCost};
    use crate::domain::{MessageId, UserId};
    use crate::service::Started;
    use crate::shutdown;

    /// A connection's writer that takes a byte at a time, and notes whether anybody could look for acknowledgements meanwhile.
    struct Watched<'a> {
        written: &'a Mutex<Written>,
        was_open: Vec<bool>,
    }

    impl AsyncWrite for Watched<'_> {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            let is_open = !matches!(self.written.try_lock(), Err(TryLockError::WouldBlock));
            self.was_open.push(is_open);
            Poll::Ready(Ok(1))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn nobody_looks_for_acknowledgements_between_a_write_and_its_note() {
        let directory = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite://{}", directory.path().join("test.db").display());
        let config = Config { database_url, password_cost: PasswordCost::FOR_TESTS, ..Config::default() };
        let (_saving, saving_ends) = shutdown::channel();
        let Started { service, .. } = Service::start(&config, saving_ends).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = Socket::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let acknowledged = Acknowledged::new(socket, service, Arc::default());
        let mut writer = Watched { written: &acknowledged.written, was_open: Vec::new() };

        let chunk = Chunk { bytes: b"news".to_vec(), received: Some(received(1)) };
        acknowledged.write(&mut writer, chunk).await.unwrap();

        assert_eq!(writer.was_open, [false; 4]);
        assert_eq!(acknowledged.lock().pending, [(0, received(1))]);
    }

    fn received(message: i64) -> Received {
        Received { user_id: UserId(1), message_id: MessageId(message) }
    }

    #[test]
    fn a_message_is_acknowledged_with_its_last_byte() {
        let mut written = Written::default();
        written.wrote(100, received(1));
        written.wrote(210, received(2));

        assert_eq!(written.acknowledge(210, 111), []);
        assert_eq!(written.acknowledge(210, 110), [received(1)]);
        assert_eq!(written.acknowledge(210, 1), []);
        assert_eq!(written.acknowledge(210, 0), [received(2)]);
    }

    #[test]
    fn the_end_of_the_stream_is_no_byte_of_a_message() {
        let mut written = Written::default();
        written.wrote(100, received(1));
        written.is_ended = true;

        assert_eq!(written.acknowledge(100, 2), []);
        assert_eq!(written.acknowledge(100, 1), [received(1)]);
    }

    #[test]
    fn many_chunks_are_taken_together_and_never_acknowledged_early() {
        let mut written = Written::default();
        for message in 1..=200_i64 {
            written.wrote(10 * message.unsigned_abs(), received(message));
        }

        assert_eq!(written.pending.len(), MAX_PENDING);
        assert_eq!(written.acknowledge(2000, 10).last(), Some(&received(63)));
        assert_eq!(written.acknowledge(2000, 0), [received(200)]);
    }
}
