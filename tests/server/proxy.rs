//! Between clients and a server: a TCP proxy that cuts, stalls and dribbles.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chance::Chance;
use crate::helpers::within;

/// Units: bytes that wait on their way to a client that does not read, beside its own buffer.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// What becomes of the connections through a proxy, besides what a test does to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Everything passes, and what has passed to clients is known.
    Calm,
    /// Both directions are cut in the middle of anything, and whatever is on its way then is lost.
    Rough,
    /// Requests are cut in the middle. What the server has sent still passes, for to version 1 a peer's TCP is its user.
    Gentle,
}

/// A proxy; gone with the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    manners: Manners,
    target: Mutex<SocketAddr>,
    chance: Mutex<Chance>,
    /// Whether chance leaves everything alone by now.
    is_calm: AtomicBool,
    /// Connections that were cut.
    cuts: watch::Sender<usize>,
    /// Connections that are carried.
    open: watch::Sender<usize>,
    /// Raised when a test cuts everything.
    cut: watch::Sender<usize>,
    /// Whether nothing passes to clients.
    is_holding: watch::Sender<bool>,
    /// What has passed to clients.
    passed: watch::Sender<Vec<u8>>,
}

/// Hears of a cut.
type Told = watch::Receiver<usize>;

/// A connection is to be cut.
struct Cut;

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr, manners: Manners, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manners,
            target: Mutex::new(target),
            chance: Mutex::new(Chance::new(seed)),
            is_calm: AtomicBool::new(manners == Manners::Calm),
            cuts: watch::Sender::new(0),
            open: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            is_holding: watch::Sender::new(false),
            passed: watch::Sender::new(Vec::new()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Further connections go there.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// From now on everything passes.
    pub(crate) fn calm_down(&self) {
        self.shared.is_calm.store(true, Ordering::Relaxed);
    }

    /// Connections that were cut.
    pub(crate) fn cuts(&self) -> usize {
        *self.shared.cuts.borrow()
    }

    /// Cuts every connection that there is.
    pub(crate) async fn cut(&self) {
        let mut cuts = self.shared.cuts.subscribe();
        let all = *cuts.borrow_and_update() + *self.shared.open.borrow();
        self.shared.cut.send_modify(|times| *times += 1);
        within("connections to be cut", cuts.wait_for(|cuts| *cuts >= all)).await.unwrap();
    }

    /// Lets nothing pass to clients, or everything again.
    pub(crate) fn hold(&self, is_holding: bool) {
        self.shared.is_holding.send_replace(is_holding);
    }

    /// Waits until `words` have passed to a client.
    pub(crate) async fn passes(&self, words: &str) {
        let mut passed = self.shared.passed.subscribe();
        let found = passed.wait_for(|passed| passed.windows(words.len()).any(|window| window == words.as_bytes()));
        within(&format!("{words:?} to pass"), found).await.unwrap();
    }

    /// Waits until no connection is left.
    pub(crate) async fn all_end(&self) {
        let mut open = self.shared.open.subscribe();
        within("the connections to end", open.wait_for(|open| *open == 0)).await.unwrap();
    }

    /// Units: bytes that have passed to clients.
    pub(crate) fn passed_bytes(&self) -> usize {
        self.shared.passed.borrow().len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        shared.open.send_modify(|open| *open += 1);
        let told = shared.cut.subscribe();
        tokio::spawn(async move {
            carry(client, &shared, told).await;
            shared.open.send_modify(|open| *open -= 1);
        });
    }
}

/// Carries one connection to its end.
async fn carry(mut client: TcpStream, shared: &Arc<Shared>, told: Told) {
    let target = *shared.target.lock().unwrap();
    // Between two servers there is none.
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok();
    }
    SockRef::from(&client).set_send_buffer_size(SEND_BUFFER_BYTES).unwrap();
    let is_cut = match shared.manners {
        Manners::Gentle => gently(&mut client, &mut server, shared, told).await,
        Manners::Calm | Manners::Rough => roughly(&mut client, &mut server, shared, told).await,
    };
    if !is_cut {
        return;
    }
    shared.cuts.send_modify(|cuts| *cuts += 1);
    if shared.manners != Manners::Gentle && shared.chance.lock().unwrap().coin() {
        for stream in [&client, &server] {
            // A reset instead of an end.
            SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
        }
    }
}

/// Carries a connection until both directions have ended, or it is cut, which it says.
async fn roughly(client: &mut TcpStream, server: &mut TcpStream, shared: &Arc<Shared>, mut told: Told) -> bool {
    let ((mut client_reader, mut client_writer), (mut server_reader, mut server_writer)) =
        (client.split(), server.split());
    let requests = Pump::new(shared, true).run(&mut client_reader, &mut server_writer);
    let answers = Pump::new(shared, false).run(&mut server_reader, &mut client_writer);
    tokio::select! {
        passed = async { tokio::try_join!(requests, answers) } => passed.is_err(),
        _ = told.changed() => true,
    }
}

/// The same, but a cut ends the requests alone, and whatever comes back passes to its end.
async fn gently(client: &mut TcpStream, server: &mut TcpStream, shared: &Arc<Shared>, mut told: Told) -> bool {
    let ((mut client_reader, mut client_writer), (mut server_reader, mut server_writer)) =
        (client.split(), server.split());
    let requests = async {
        let is_cut = tokio::select! {
            passed = Pump::new(shared, true).run(&mut client_reader, &mut server_writer) => passed.is_err(),
            _ = told.changed() => true,
        };
        server_writer.shutdown().await.ok();
        // Closing over what a client still sends would destroy what it has not read.
        tokio::io::copy(&mut client_reader, &mut tokio::io::sink()).await.ok();
        is_cut
    };
    let answers = async {
        Pump::new(shared, false).run(&mut server_reader, &mut client_writer).await.ok();
        client_writer.shutdown().await.ok();
    };
    tokio::join!(requests, answers).0
}

/// One direction of a connection.
struct Pump {
    shared: Arc<Shared>,
    chance: Chance,
    is_request: bool,
    /// Units: bytes after which it is cut.
    left: usize,
    dribbles: bool,
}

impl Pump {
    fn new(shared: &Arc<Shared>, is_request: bool) -> Self {
        let mut chance = shared.chance.lock().unwrap().fork();
        let left = match (shared.manners, is_request) {
            (Manners::Calm, _) | (Manners::Gentle, false) => usize::MAX,
            (_, true) => 1 + chance.below(12 * 1024),
            (_, false) => 1 + chance.below(96 * 1024),
        };
        let dribbles = chance.below(8) == 0;
        Self { shared: Arc::clone(shared), chance, is_request, left, dribbles }
    }

    /// Passes on what comes until its end, and that too.
    async fn run(mut self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Result<(), Cut> {
        let mut buffer = vec![0; 16 * 1024];
        let mut holding = self.shared.is_holding.subscribe();
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                to.shutdown().await?;
                return Ok(());
            }
            if !self.is_request {
                holding.wait_for(|is_holding| !is_holding).await.map_err(|_| Cut)?;
            }
            let is_calm = self.shared.is_calm.load(Ordering::Relaxed);
            let passing = if is_calm { read } else { read.min(self.left) };
            self.pass(&buffer[..passing], to, is_calm).await?;
            self.left = self.left.saturating_sub(passing);
            if passing < read || (self.left == 0 && !is_calm) {
                return Err(Cut);
            }
        }
    }

    async fn pass(&mut self, bytes: &[u8], to: &mut WriteHalf<'_>, is_calm: bool) -> io::Result<()> {
        if !is_calm && self.chance.below(64) == 0 {
            tokio::time::sleep(Duration::from_millis(1 + self.chance.below(200) as u64)).await;
        }
        if !is_calm && self.dribbles {
            for piece in bytes.chunks(1 + self.chance.below(40)) {
                to.write_all(piece).await?;
                tokio::task::yield_now().await;
            }
        } else {
            to.write_all(bytes).await?;
        }
        if !self.is_request && self.shared.manners == Manners::Calm {
            self.shared.passed.send_modify(|passed| passed.extend_from_slice(bytes));
        }
        Ok(())
    }
}

/// A server that says as much as it can, and whose clients ask without end.
async fn talk_through(manners: Manners, after: impl FnOnce(&Proxy)) -> (usize, usize) {
    const BYTES: usize = 1024 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), manners, 7).await;
    after(&proxy);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let answering = async {
            writer.write_all(&vec![0; BYTES]).await.ok();
            writer.shutdown().await.ok();
        };
        let mut nowhere = tokio::io::sink();
        tokio::join!(tokio::io::copy(&mut reader, &mut nowhere), answering).0.ok();
    });
    let mut client = within("a connection", TcpStream::connect(proxy.address)).await.unwrap();
    let (mut reader, mut writer) = client.split();
    let asking = async {
        writer.write_all(&vec![0; BYTES]).await.ok();
        writer.shutdown().await.ok();
    };
    let mut received = Vec::new();
    let hearing = async { reader.read_to_end(&mut received).await.ok() };
    within("an end", async { tokio::join!(asking, hearing) }).await;
    drop(client);
    within("the server's end", serving).await.unwrap();
    proxy.all_end().await;
    (BYTES - received.len(), proxy.cuts())
}

#[tokio::test]
async fn a_gentle_proxy_cuts_requests_and_loses_no_answer_and_a_rough_one_loses_some() {
    let gentle = talk_through(Manners::Gentle, |_| ()).await;
    let (lost_bytes, cuts) = talk_through(Manners::Rough, |_| ()).await;
    let calmed_down = talk_through(Manners::Rough, Proxy::calm_down).await;

    assert_eq!(gentle, (0, 1));
    assert!(lost_bytes > 0 && cuts == 1, "{lost_bytes} {cuts}");
    assert_eq!(calmed_down, (0, 0));
}
