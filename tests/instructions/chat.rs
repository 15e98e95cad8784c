//! From the bytes of a whisper to the bytes for its receiver, through all that is between two sockets.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chinwag::domain::Secret;
use chinwag::outbox::{Next, Outbox, OutboxLimits};
use chinwag::protocol::{Action, FromServer, ReplyDecoder, Request, RequestDecoder, RequestLimits, Response};
use chinwag::service::{Service, Session, Started};
use chinwag::shutdown::{self, Trigger};
use gungraun::{library_benchmark, library_benchmark_group};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::counting::{config_of_counted, counted};
use super::database::{runtime, settings};
use super::wire::{Wire, hello};

/// Bursts, and what is sent in one: as much as a connection may have under way.
const BURSTS: i64 = 8;
const BURST: i64 = 64;

/// Whispers of which each waits for the one before: many, for how threads hand over differs a little from one to the next.
const ALONE: i64 = 256;

/// A connection without a socket.
struct Device {
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    session: Session,
    decoder: RequestDecoder,
}

impl Device {
    fn connect(service: &Arc<Service>, wire: Wire) -> Self {
        let limits = service.limits();
        let outbox_limits = OutboxLimits { bytes: limits.outbox_bytes, in_flight: limits.in_flight };
        let outbox = Arc::new(Outbox::new(wire.framing(), outbox_limits, None));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let request_limits =
            RequestLimits { max_bytes: limits.request_bytes, stranger_max_bytes: limits.stranger_request_bytes };
        Self {
            service: Arc::clone(service),
            outbox: Arc::clone(&outbox),
            session: Session::new(Arc::clone(service), outbox, address, Arc::new(|| {})),
            decoder: RequestDecoder::new(wire.framing(), request_limits),
        }
    }

    /// Hands in requests, and returns once they are answered.
    async fn send(&mut self, mut bytes: &[u8]) {
        while let Some((request, length)) = self.decoder.decode(bytes, self.session.is_known()) {
            bytes = &bytes[length..];
            self.session.handle(request.unwrap()).await;
        }
        self.session.answered().await;
    }

    /// What there is for the socket.
    async fn receive(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let next = poll_fn(|cx| match pin!(self.outbox.next()).poll(cx) {
                Poll::Ready(next) => Poll::Ready(Some(next)),
                Poll::Pending => Poll::Ready(None),
            });
            match next.await {
                Some(Next::Write(chunk)) => bytes.extend(chunk.bytes),
                Some(Next::ReadOn(gap)) => self.service.read_on(&self.outbox, gap).await.unwrap(),
                Some(Next::End) => panic!("nobody ends it"),
                None => return bytes,
            }
        }
    }

    /// Registers and logs in; the token.
    async fn log_in(&mut self, username: &str, wire: Wire) -> Secret<'static> {
        let (username, password) = (username.to_owned(), Secret::new("correct horse"));
        let framing = wire.framing();
        if wire == Wire::Version2 {
            self.send(&hello()).await;
        }
        let register = Request::Register { username: username.clone().into(), password: password.clone() };
        self.send(&register.encode(framing)).await;
        self.receive().await;
        self.send(&Request::LogIn { username: username.clone().into(), password }.encode(framing)).await;
        let bytes = self.receive().await;
        let reply = ReplyDecoder::new(framing, bytes.len()).decode(&bytes, Some(Action::LogIn)).unwrap();
        let Some((FromServer::Response(Response::LoggedIn { token, .. }), _)) = reply else {
            panic!("{username} is not logged in: {reply:?}");
        };
        if wire == Wire::Version2 {
            self.send(&Request::Sync { username: username.into(), token: token.clone(), after: None }.encode(framing))
                .await;
        }
        self.receive().await;
        token
    }
}

/// Ada and Bob, who have whispered before.
struct Chat {
    runtime: Runtime,
    ada: Device,
    bob: Device,
    /// What Ada sends at once, each time.
    bursts: Vec<Vec<u8>>,
    _saving: Trigger,
    _directory: TempDir,
}

impl Chat {
    fn alone(wire: Wire) -> Self {
        Self::start(wire, ALONE, 1)
    }

    fn bursts(wire: Wire) -> Self {
        Self::start(wire, BURSTS, BURST)
    }

    fn start(wire: Wire, bursts: i64, burst: i64) -> Self {
        let (config, directory) = settings();
        let runtime = runtime();
        let (saving, saving_ends) = shutdown::channel();
        let Started { service, writer, .. } = runtime.block_on(Service::start(&config, saving_ends)).unwrap();
        runtime.spawn(writer.run());
        let mut ada = Device::connect(&service, wire);
        let mut bob = Device::connect(&service, wire);
        let token = runtime.block_on(ada.log_in("ada", wire));
        runtime.block_on(bob.log_in("bob", wire));
        let whispers = |burst_number| {
            let numbers = burst_number * burst..(burst_number + 1) * burst;
            numbers.flat_map(|number| wire.whisper(&token, number)).collect()
        };
        let mut chat = Self {
            runtime,
            ada,
            bob,
            bursts: (0..=bursts).map(whispers).collect(),
            _saving: saving,
            _directory: directory,
        };
        let first = chat.bursts.swap_remove(0);
        chat.whisper(&[first]);
        chat
    }

    fn whisper(&mut self, bursts: &[Vec<u8>]) {
        let Self { runtime, ada, bob, .. } = self;
        runtime.block_on(async {
            for burst in bursts {
                ada.send(burst).await;
                let (sent, received) = (ada.receive().await, bob.receive().await);
                assert!(!sent.is_empty() && received.len() > burst.len() / 3);
            }
        });
    }
}

#[library_benchmark(setup = Chat::alone)]
#[bench::bare(Wire::Bare)]
#[bench::version_2(Wire::Version2)]
fn whisper_256_times(mut chat: Chat) -> Chat {
    let bursts = std::mem::take(&mut chat.bursts);
    counted(|| chat.whisper(&bursts));
    chat
}

#[library_benchmark(setup = Chat::bursts)]
#[bench::bare(Wire::Bare)]
#[bench::version_2(Wire::Version2)]
fn whisper_8_bursts_of_64(mut chat: Chat) -> Chat {
    let bursts = std::mem::take(&mut chat.bursts);
    counted(|| chat.whisper(&bursts));
    chat
}

library_benchmark_group!(
    name = service,
    config = config_of_counted(),
    benchmarks = [whisper_256_times, whisper_8_bursts_of_64]
);
