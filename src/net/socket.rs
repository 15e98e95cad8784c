//! A TCP socket that is shared by those who read, write and watch it, and that counts what was written to it.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::unacknowledged::unacknowledged_bytes;

/// A silent peer is asked whether it is there after a minute, and given up half a minute later.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// What the system takes of a connection before any of it is on its way. A peer that does not read would otherwise cost
/// megabytes of the system's memory, beside an outbox that is bounded.
const UNSENT_BYTES: u32 = 128 * 1024;

/// One socket; clones are the same one. At most one task may read from it, and one at a time write.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    written_bytes: Arc<AtomicU64>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), written_bytes: Arc::default() }
    }

    /// Sets what every connection has: no delay, and an end once the peer has acknowledged nothing for `acknowledge_deadline`.
    pub(super) fn set_options(&self, acknowledge_deadline: Duration) -> io::Result<()> {
        // Answers are whole chunks; waiting for more to fill a packet would only delay them.
        self.stream.set_nodelay(true)?;
        let socket = SockRef::from(&*self.stream);
        let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
        socket.set_tcp_keepalive(&probes)?;
        // Also where the peer has closed its window for so long. Elsewhere the system's own patience ends the connection.
        #[cfg(target_os = "linux")]
        {
            socket.set_tcp_user_timeout(Some(acknowledge_deadline))?;
            socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
        }
        Ok(())
    }

    /// Units: bytes handed to the system so far, what TLS puts around them included.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Units: bytes of those that the peer has not acknowledged, and one for an end of stream that it has not.
    pub(super) fn unacknowledged_bytes(&self) -> Option<u64> {
        unacknowledged_bytes(&self.stream)
    }

    /// Reads once. What leaves room in `buffer` was all there was, and saying so spares the read that would only find that out.
    ///
    /// Source: epoll(7), on when to wait again after an edge.
    fn read_what_is_there(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = SockRef::from(&*self.stream);
        let mut read = 0;
        let tried = self.stream.try_io(Interest::READABLE, || {
            read = (&*socket).read(buffer)?;
            let is_all = 0 < read && read < buffer.len();
            if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match tried {
            Err(err) if read == 0 => Err(err),
            _ => Ok(read),
        }
    }

    /// Writes what the system takes without waiting.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.try_write(bytes)?;
        self.written_bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        match SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write) {
            // The peer has ended it already, which is as good.
            Err(err) if err.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.read_what_is_there(buf.initialize_unfilled()) {
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    buf.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.try_write(bytes) {
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_writing())
    }
}
