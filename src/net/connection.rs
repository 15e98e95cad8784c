//! One connection: a loop that reads requests and a loop that writes what the outbox holds, in one task.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::acknowledged::{Acknowledged, Awaited};
use super::admission::Admitted;
use super::deadline::Deadlines;
use super::socket::Socket;
use super::tls::Tls;
use crate::config::Limits;
use crate::outbox::{Next, Outbox, OutboxLimits, Sink};
use crate::protocol::{Framing, Refused, RequestDecoder, RequestLimits, Response};
use crate::service::{Probe, Service, ServiceError, Session};
use crate::shutdown::Shutdown;

/// Units: bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

thread_local! {
    /// What all bytes of a thread's connections pass through: one that waits for its next request holds no buffer for it.
    static READ: RefCell<[u8; READ_BYTES]> = const { RefCell::new([0; READ_BYTES]) };
}

/// How much of what a client still sends is read and dropped, and for how long: closing over unread input would send a
/// reset, which destroys the last responses on their way.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// How long a connection that was ended well waits for a further acknowledgement. A reader may be slow and still take all.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(2);

/// The longest pause between looking for acknowledgements of a connection that was ended.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

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

/// What a connection is served with.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) service: Arc<Service>,
    pub(super) shutdown: Shutdown,
    pub(super) awaited: Arc<Awaited>,
    /// For a listener whose connections begin with a TLS handshake.
    pub(super) tls: Option<Tls>,
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, address: IpAddr, admitted: Admitted, context: Context) {
    let Context { service, shutdown, awaited, tls } = context;
    let limits = service.limits();
    let deadlines = Deadlines::new(Instant::now(), limits);
    let socket = Socket::new(stream);
    if let Err(err) = socket.set_options(limits.acknowledge_deadline) {
        tracing::debug!(error = %err, "a connection without its options");
    }
    let acknowledged = Acknowledged::new(socket.clone(), Arc::clone(&service), awaited);
    let mut peer = Peer { address, admitted, deadlines, input: BytesMut::new() };
    let sink = tls.is_none().then(|| Arc::clone(&acknowledged) as Arc<dyn Sink>);
    let opening = Opening { service, acknowledged: Arc::clone(&acknowledged), sink, shutdown };
    let served = match tls {
        None => serve_stream(socket.clone(), socket, &mut peer, opening).await,
        // In a box, so that others keep no room for it.
        Some(tls) => Box::pin(serve_encrypted(tls, socket, &mut peer, opening)).await,
    };
    drop(peer);
    if let Err(err) = served {
        tracing::debug!(error = %err, "a connection broke");
        acknowledged.check();
    }
}

/// What is known of the other end, and what it has sent that is not decoded yet.
struct Peer {
    address: IpAddr,
    admitted: Admitted,
    deadlines: Deadlines,
    input: BytesMut,
}

/// A connection whose framing is not known yet.
struct Opening {
    service: Arc<Service>,
    acknowledged: Arc<Acknowledged>,
    sink: Option<Arc<dyn Sink>>,
    shutdown: Shutdown,
}

async fn serve_encrypted(tls: Tls, socket: Socket, peer: &mut Peer, mut opening: Opening) -> io::Result<()> {
    let handshake = tokio::select! {
        handshake = tls.accept(socket, opening.service.limits().first_request_deadline) => handshake,
        () = opening.shutdown.triggered() => return Ok(()),
    };
    let (reader, writer) = tokio::io::split(handshake?);
    serve_stream(reader, writer, peer, opening).await
}

async fn serve_stream(
    mut reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    peer: &mut Peer,
    mut opening: Opening,
) -> io::Result<()> {
    tokio::select! {
        read = read_some(&mut reader, &mut peer.input) => if read? == 0 {
            return Ok(());
        },
        _ = missed(&peer.deadlines) => return Ok(()),
        () = opening.shutdown.triggered() => return Ok(()),
    }
    let framing = Framing::of(peer.input[0]);
    let Opening { service, acknowledged, sink, shutdown } = opening;
    Connection::new(acknowledged, service, framing, sink).run(reader, writer, peer, shutdown).await
}

/// Tells a connection that it may not stay.
pub(super) async fn turn_away(stream: TcpStream) {
    let mut socket = Socket::new(stream);
    let mut input = BytesMut::new();
    let Ok(Ok(1..)) = timeout(TELL_FOR, read_some(&mut socket, &mut input)).await else { return };
    let why = Response::Refused(Refused::because(ServiceError::TooManyConnections.to_string()));
    // To whom this does not come through it makes no difference.
    let told = async {
        socket.write_all(&why.encode(Framing::of(input[0]))).await?;
        socket.shutdown().await
    };
    if let Ok(Ok(())) = timeout(TELL_FOR, told).await {
        timeout(DRAIN_FOR, drain(&mut socket)).await.ok();
    }
}

struct Connection {
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    acknowledged: Arc<Acknowledged>,
    framing: Framing,
}

impl Connection {
    fn new(
        acknowledged: Arc<Acknowledged>,
        service: Arc<Service>,
        framing: Framing,
        sink: Option<Arc<dyn Sink>>,
    ) -> Self {
        let limits = service.limits();
        let limits = OutboxLimits { bytes: limits.outbox_bytes, in_flight: limits.in_flight };
        let outbox = Arc::new(Outbox::new(framing, limits, sink));
        Self { service, outbox, acknowledged, framing }
    }

    async fn run(
        self,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        peer: &mut Peer,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        let probe = Arc::clone(&self.acknowledged) as Arc<dyn Probe>;
        let (service, outbox) = (Arc::clone(&self.service), Arc::clone(&self.outbox));
        let mut session = Session::new(service, outbox, peer.address, probe);
        let end = {
            let reading = async {
                let end = self.read_requests(&mut reader, &mut session, peer, shutdown).await?;
                session.answered().await;
                self.outbox.close();
                Ok::<End, io::Error>(end)
            };
            let writing = self.write_outbox(&mut writer);
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
            end
        };
        self.end(end, &mut reader, &mut writer).await
    }

    async fn read_requests(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        session: &mut Session,
        peer: &mut Peer,
        mut shutdown: Shutdown,
    ) -> io::Result<End> {
        let Peer { admitted, deadlines, input, .. } = peer;
        let limits = self.service.limits();
        let mut decoder = RequestDecoder::new(self.framing, request_limits(limits));
        loop {
            #[expect(
                clippy::while_let_loop,
                reason = "it would keep a second place for each request, in every connection"
            )]
            loop {
                let Some((request, length)) = decoder.decode(input, session.is_known()) else { break };
                deadlines.arrived();
                match request {
                    Ok(request) => session.handle(request).await,
                    Err(err) => {
                        let ends = err.ends_connection(self.framing);
                        session.refuse(&err.into()).await;
                        if ends {
                            return Ok(End::Refused);
                        }
                    }
                }
                input.advance(length);
            }
            if input.is_empty() {
                *input = BytesMut::new();
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
                () = session.ended() => return Ok(End::Refused),
                read = read_some(reader, input) => if read? == 0 {
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

    async fn write_outbox(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        loop {
            match self.outbox.next().await {
                Next::Write(chunk) => self.acknowledged.write(writer, chunk).await?,
                Next::ReadOn(gap) => {
                    Box::pin(self.service.read_on(&self.outbox, gap)).await.map_err(io::Error::other)?;
                }
                Next::End => return Ok(()),
            }
            // A socket that takes everything would otherwise keep the reading half waiting.
            tokio::task::consume_budget().await;
        }
    }

    /// Ends a connection of which nothing was lost: shuts down writing, and waits for what is still on its way.
    async fn end(
        &self,
        end: End,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        // Tells the client that nothing more comes, without closing over what it still sends.
        writer.shutdown().await?;
        self.acknowledged.ended();
        if end != End::Client {
            timeout(DRAIN_FOR, drain(reader)).await.ok();
        }
        let (mut open, mut gives_up_at) = (u64::MAX, Instant::now());
        let mut pause = Duration::from_millis(1);
        while self.acknowledged.check() {
            let still_open = self.acknowledged.open_bytes();
            if still_open < open {
                (open, gives_up_at) = (still_open, Instant::now() + ACKNOWLEDGE_WITHIN);
            } else if Instant::now() >= gives_up_at {
                break;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
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
            // In a box, for somebody known who sends nothing has no deadline.
            Box::pin(sleep_until(deadline)).await;
            missed
        }
        None => std::future::pending().await,
    }
}

/// Reads what is there into `input`; 0 when the client has shut down its side.
///
/// Cancel safety: what was read is in `input`.
async fn read_some(reader: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> io::Result<usize> {
    let read = poll_fn(|cx| {
        READ.with_borrow_mut(|bytes| {
            let mut read = ReadBuf::new(bytes);
            ready!(Pin::new(&mut *reader).poll_read(cx, &mut read))?;
            input.extend_from_slice(read.filled());
            Poll::Ready(io::Result::Ok(read.filled().len()))
        })
    });
    match read.await {
        // Over TLS: the client closed without saying so. Requests say themselves where they end, so nothing was cut off unseen.
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

async fn drain(reader: &mut (impl AsyncRead + Unpin)) {
    let mut dropped = 0;
    let mut buffer = BytesMut::new();
    while dropped < DRAIN_BYTES {
        buffer.clear();
        match read_some(reader, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => dropped += read,
        }
    }
}
