//! One connection: a loop that reads requests and a loop that writes what the outbox holds, in one task.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::acknowledged::Acknowledged;
use super::admission::Admitted;
use super::deadline::Deadlines;
use crate::config::Limits;
use crate::outbox::{Chunk, Next, Outbox, OutboxLimits};
use crate::protocol::{CodecError, Framing, Request, RequestDecoder, RequestLimits, Response};
use crate::service::{Service, ServiceError, Session};
use crate::shutdown::Shutdown;

/// Units: bytes that are read at once. The buffer is given back while nothing is under way.
const READ_BYTES: usize = 8 * 1024;

/// When acknowledgements are looked for, after a write that has none yet. The first comes after a delayed one, 40 ms.
const CHECK_AFTER: Duration = Duration::from_millis(50);
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How much of what a client still sends is read and dropped, and for how long: closing over unread input would send a
/// reset, which destroys the last responses on their way.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// How long a connection that was ended well waits for its last acknowledgements.
const ACKNOWLEDGE_FOR: Duration = Duration::from_secs(1);

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client has shut down its side.
    Client,
    /// What it sent cannot be followed any further.
    Refused,
    /// The server is stopping.
    Shutdown,
}

/// How long a connection that may not stay has to show which framing it would be told so in.
const TELL_FOR: Duration = Duration::from_secs(1);

/// A silent peer is asked whether it is there after a minute, and given up half a minute later.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Serves a connection until either side ends it.
pub(super) async fn serve(
    stream: TcpStream,
    address: IpAddr,
    admitted: Admitted,
    service: Arc<Service>,
    mut shutdown: Shutdown,
) {
    let began = Instant::now();
    let limits = service.limits();
    if let Err(err) = set_options(&stream, limits) {
        tracing::debug!(error = %err, "a connection without its options");
    }
    let first_byte = tokio::select! {
        first_byte = timeout_at(began + limits.first_request_deadline, peek(&stream)) => first_byte,
        () = shutdown.triggered() => return,
    };
    let Ok(Ok(Some(first_byte))) = first_byte else { return };
    let deadlines = Deadlines::new(began, limits);
    let connection = Connection::new(stream, address, service, Framing::of(first_byte));
    let acknowledged = Arc::clone(&connection.acknowledged);
    if let Err(err) = connection.run(admitted, deadlines, shutdown).await {
        tracing::debug!(error = %err, "a connection broke");
        acknowledged.check();
    }
}

/// Tells a connection that it may not stay.
pub(super) async fn turn_away(stream: TcpStream) {
    let Ok(Ok(Some(first_byte))) = timeout(TELL_FOR, peek(&stream)).await else { return };
    let why = Response::Refused(ServiceError::TooManyConnections.answer());
    // What does not fit into an empty socket's buffer is no loss.
    stream.try_write(&why.encode(Framing::of(first_byte))).ok();
    SockRef::from(&stream).shutdown(std::net::Shutdown::Write).ok();
    timeout(DRAIN_FOR, drain(&stream)).await.ok();
}

fn set_options(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    // Answers are whole chunks; waiting for more to fill a packet would only delay them.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    // Also ends a connection whose peer has closed its window for so long. Elsewhere the system's own patience ends it.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limits.acknowledge_deadline))?;
    Ok(())
}

/// The first byte, left where it is; `None` when the client ended the connection without one.
async fn peek(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((stream.peek(&mut byte).await? > 0).then_some(byte[0]))
}

struct Connection {
    stream: Arc<TcpStream>,
    address: IpAddr,
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    acknowledged: Arc<Acknowledged>,
    framing: Framing,
}

impl Connection {
    fn new(stream: TcpStream, address: IpAddr, service: Arc<Service>, framing: Framing) -> Self {
        let stream = Arc::new(stream);
        let limits = service.limits();
        let limits = OutboxLimits { bytes: limits.outbox_bytes, in_flight: limits.in_flight };
        let outbox = Arc::new(Outbox::new(framing, limits));
        let acknowledged = Arc::new(Acknowledged::new(Arc::clone(&stream), Arc::clone(&service)));
        Self { stream, address, service, outbox, acknowledged, framing }
    }

    async fn run(self, mut admitted: Admitted, mut deadlines: Deadlines, shutdown: Shutdown) -> io::Result<()> {
        let probe = Arc::clone(&self.acknowledged);
        let probe = Box::new(move || {
            probe.check();
        });
        let mut session = Session::new(Arc::clone(&self.service), Arc::clone(&self.outbox), self.address, probe);
        let reading = async {
            let end = self.read_requests(&mut session, &mut admitted, &mut deadlines, shutdown).await?;
            session.answered().await;
            self.outbox.close();
            Ok::<End, io::Error>(end)
        };
        let writing = self.write_outbox();
        tokio::pin!(reading, writing);
        let end = tokio::select! {
            end = &mut reading => end?,
            written = &mut writing => return written,
        };
        // From here on nothing new is put in, and a client that does not read may not keep the connection.
        match timeout(self.service.limits().drain_deadline, writing).await {
            Ok(written) => written?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        self.end(end).await
    }

    async fn read_requests(
        &self,
        session: &mut Session,
        admitted: &mut Admitted,
        deadlines: &mut Deadlines,
        mut shutdown: Shutdown,
    ) -> io::Result<End> {
        let limits = self.service.limits();
        let mut decoder = RequestDecoder::new(self.framing, request_limits(limits));
        let mut input = BytesMut::new();
        loop {
            while let Some((request, length)) = decoder.decode(&input, session.is_known()) {
                input.advance(length);
                deadlines.arrived();
                if !self.carry_out(session, request).await {
                    return Ok(End::Refused);
                }
            }
            if input.is_empty() {
                input = BytesMut::new();
            } else {
                deadlines.begun(limits);
            }
            if session.is_known() {
                admitted.is_known();
                deadlines.is_known();
            }
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Ok(End::Shutdown),
                read = read_some(&self.stream, &mut input) => if read? == 0 {
                    return Ok(End::Client);
                },
                missed = missed(deadlines) => {
                    // A token may have been accepted while this waited.
                    if !(session.is_known() && matches!(missed, ServiceError::Stranger)) {
                        session.refuse(&missed).await;
                        return Ok(End::Refused);
                    }
                }
            }
        }
    }

    /// Carries a request out, or refuses what is none; `false` when nothing can be read after it.
    async fn carry_out(&self, session: &mut Session, request: Result<Request, CodecError>) -> bool {
        match request {
            Ok(request) => {
                session.handle(request).await;
                true
            }
            Err(err) => {
                session.refuse(&err.into()).await;
                !err.ends_connection(self.framing)
            }
        }
    }

    async fn write_outbox(&self) -> io::Result<()> {
        let mut check_at = None;
        loop {
            match self.outbox.next() {
                Next::Write(Chunk { bytes, received }) => {
                    write_all(&self.stream, &bytes).await?;
                    self.acknowledged.wrote(bytes.len(), received);
                    if received.is_some() {
                        check_at.get_or_insert_with(|| Instant::now() + CHECK_AFTER);
                    }
                }
                Next::ReadOn(gap) => self.service.read_on(&self.outbox, gap).await.map_err(io::Error::other)?,
                Next::Wait => self.wait(&mut check_at).await,
                Next::End => return Ok(()),
            }
            // A socket that takes everything would otherwise keep the reading half waiting.
            tokio::task::consume_budget().await;
            if check_at.is_some_and(|at| at <= Instant::now()) {
                check_at = self.acknowledged.check().then(|| Instant::now() + CHECK_EVERY);
            }
        }
    }

    /// Waits for the outbox, or for the time to look for acknowledgements.
    async fn wait(&self, check_at: &mut Option<Instant>) {
        match *check_at {
            None => self.outbox.filled().await,
            Some(at) => {
                // Either way there is something to look at.
                timeout_at(at, self.outbox.filled()).await.ok();
            }
        }
    }

    /// Ends a connection of which nothing was lost: shuts down writing, and waits for what is still on its way.
    async fn end(&self, end: End) -> io::Result<()> {
        // Tells the client that nothing more comes, without closing over what it still sends.
        SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write)?;
        self.acknowledged.ended();
        if end != End::Client {
            timeout(DRAIN_FOR, drain(&self.stream)).await.ok();
        }
        let gives_up_at = Instant::now() + ACKNOWLEDGE_FOR;
        let mut pause = Duration::from_millis(1);
        while self.acknowledged.check() && Instant::now() < gives_up_at {
            sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }
}

fn request_limits(limits: &Limits) -> RequestLimits {
    RequestLimits { max_bytes: limits.request_bytes, stranger_max_bytes: limits.stranger_request_bytes }
}

/// Returns when the next deadline has passed, with what the client is told.
async fn missed(deadlines: &Deadlines) -> ServiceError {
    match deadlines.next() {
        Some((deadline, missed)) => {
            sleep_until(deadline).await;
            missed
        }
        None => std::future::pending().await,
    }
}

/// Reads what is there into `input`; 0 when the client has shut down its side.
///
/// Cancel safety: what was read is in `input`.
async fn read_some(stream: &TcpStream, input: &mut BytesMut) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        input.reserve(READ_BYTES);
        match stream.try_read_buf(input) {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

async fn drain(stream: &TcpStream) {
    let mut dropped = 0;
    let mut buffer = BytesMut::new();
    while dropped < DRAIN_BYTES {
        buffer.clear();
        match read_some(stream, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => dropped += read,
        }
    }
}
