//! One connection: a loop that reads requests and a loop that writes what the outbox holds, in one task.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::acknowledged::Acknowledged;
use crate::outbox::{Chunk, Next, Outbox, OutboxLimits};
use crate::protocol::{Framing, RequestDecoder};
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

/// Serves a connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, address: IpAddr, service: Arc<Service>, mut shutdown: Shutdown) {
    // Answers are whole chunks; waiting for more to fill a packet would only delay them.
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!(error = %err, "a connection without TCP_NODELAY");
    }
    let first_byte = tokio::select! {
        first_byte = peek(&stream) => first_byte,
        () = shutdown.triggered() => return,
    };
    let Ok(Some(first_byte)) = first_byte else { return };
    let connection = Connection::new(stream, address, service, Framing::of(first_byte));
    let acknowledged = Arc::clone(&connection.acknowledged);
    if let Err(err) = connection.run(shutdown).await {
        tracing::debug!(error = %err, "a connection broke");
        acknowledged.check();
    }
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

    async fn run(self, shutdown: Shutdown) -> io::Result<()> {
        let probe = Arc::clone(&self.acknowledged);
        let probe = Box::new(move || {
            probe.check();
        });
        let mut session = Session::new(Arc::clone(&self.service), Arc::clone(&self.outbox), self.address, probe);
        let reading = async {
            let end = self.read_requests(&mut session, shutdown).await?;
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

    async fn read_requests(&self, session: &mut Session, mut shutdown: Shutdown) -> io::Result<End> {
        let limits = self.service.limits();
        let mut decoder = RequestDecoder::new(self.framing, limits.request_bytes);
        let mut input = BytesMut::new();
        let mut deadline = None;
        loop {
            while let Some((request, length)) = decoder.decode(&input) {
                input.advance(length);
                deadline = None;
                match request {
                    Ok(request) => session.handle(request).await,
                    Err(err) => {
                        session.refuse(&err.into()).await;
                        if err.ends_connection(self.framing) {
                            return Ok(End::Refused);
                        }
                    }
                }
            }
            if input.is_empty() {
                input = BytesMut::new();
            } else {
                deadline.get_or_insert_with(|| Instant::now() + limits.request_deadline);
            }
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Ok(End::Shutdown),
                read = self.read(&mut input, deadline) => match read? {
                    Some(0) => return Ok(End::Client),
                    Some(_) => {}
                    None => {
                        session.refuse(&ServiceError::TooSlow).await;
                        return Ok(End::Refused);
                    }
                }
            }
        }
    }

    async fn read(&self, input: &mut BytesMut, deadline: Option<Instant>) -> io::Result<Option<usize>> {
        let reading = read_some(&self.stream, input);
        match deadline {
            Some(deadline) => timeout_at(deadline, reading).await.ok().transpose(),
            None => reading.await.map(Some),
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
