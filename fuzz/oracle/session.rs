//! What holds for any bytes that a client sends: each request gets one response, and the connection ends in order.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chinwag::client::Client;
use chinwag::config::{Config, PasswordCost};
use chinwag::protocol::{
    Action, CodecError, Framing, FromServer, ReplyDecoder, Request, RequestDecoder, RequestLimits,
};
use chinwag::server::Server;
use chinwag::shutdown::{self, Trigger};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far longer than any connection takes whose client has shut down its side.
const DEADLINE: Duration = Duration::from_secs(20);

/// Units: bytes of one request. Small, so that the fuzzer finds what is too large.
const REQUEST_BYTES: usize = 4096;

const USERNAME: &str = "ada";
const PASSWORD: &str = "correct-horse";

/// Stands in the bytes for the token of the user, which is another each time.
const ANY_TOKEN: &[u8; 36] = b"6ba7b810-9dad-41d1-80b4-00c04fd430c8";

/// A running server with a user who is known by name, password and token.
pub(crate) struct Scene {
    address: SocketAddr,
    token: Vec<u8>,
    _trigger: Trigger,
    _directory: TempDir,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let in_memory = Path::new("/dev/shm");
        let directory = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
        let directory = directory.expect("a directory");
        let mut config = Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            database_url: format!("sqlite://{}", directory.path().join("fuzz.db").display()),
            password_cost: PasswordCost::FOR_TESTS,
            ..Config::default()
        };
        config.limits.request_bytes = REQUEST_BYTES;
        config.limits.message_rate = None;
        // What a stranger may send depends on what was carried out, which the bytes alone do not tell.
        config.limits.stranger_request_bytes = REQUEST_BYTES;
        let server = Server::start(&config).await.expect("a server");
        let address = server.addresses()[0];
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(server.run(shutdown));
        let mut client = Client::connect(address, Framing::Array).await.expect("a connection");
        client.register(USERNAME, PASSWORD).await.expect("a registration");
        let token = client.log_in(USERNAME, PASSWORD).await.expect("a login").token;
        client.close().await.expect("an end");
        Self { address, token: token.expose().as_bytes().to_vec(), _trigger: trigger, _directory: directory }
    }

    /// # Panics
    /// When something does not hold.
    pub(crate) async fn try_bytes(&self, bytes: &[u8]) {
        let Some(&first_byte) = bytes.first() else { return };
        let framing = Framing::of(first_byte);
        let bytes = self.with_token(bytes);
        let answers = tokio::time::timeout(DEADLINE, self.converse(&bytes)).await.expect("the server ends in time");
        let asked = actions(framing, &bytes);
        assert_eq!(responses(framing, &asked, &answers), asked.len(), "each request gets one response");
    }

    /// Sends all of it and reads to the end.
    async fn converse(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut reading, mut writing) = TcpStream::connect(self.address).await.expect("a connection").into_split();
        let sending = async {
            // A server that has refused what it was sent reads no more.
            writing.write_all(bytes).await.ok();
            writing.shutdown().await.ok();
        };
        let receiving = async {
            let mut answers = Vec::new();
            // The last answers may be lost where more was sent than a refusing server still reads.
            let read = reading.read_to_end(&mut answers).await;
            assert!(read.is_ok() || bytes.len() > REQUEST_BYTES, "a reset: {read:?}");
            answers
        };
        tokio::join!(sending, receiving).1
    }

    fn with_token(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let mut place = 0;
        while let Some(found) = bytes[place..].windows(ANY_TOKEN.len()).position(|window| window == ANY_TOKEN) {
            place += found;
            bytes[place..place + ANY_TOKEN.len()].copy_from_slice(&self.token);
        }
        bytes
    }
}

/// What was asked, one for each response that is due; `None` where it was no request.
fn actions(framing: Framing, bytes: &[u8]) -> Vec<Option<Action>> {
    let limits = RequestLimits { max_bytes: REQUEST_BYTES, stranger_max_bytes: REQUEST_BYTES };
    let mut decoder = RequestDecoder::new(framing, limits);
    let (mut start, mut asked) = (0, Vec::new());
    while let Some((request, length)) = decoder.decode(&bytes[start..], true) {
        start += length;
        asked.push(request.as_ref().ok().map(Request::action));
        if request.is_err_and(|err: CodecError| err.ends_connection(framing)) {
            break;
        }
    }
    asked
}

/// How many responses there are among `answers`, all of which must be responses and updates.
fn responses(framing: Framing, asked: &[Option<Action>], answers: &[u8]) -> usize {
    let mut decoder = ReplyDecoder::new(framing, 1024 * 1024);
    let (mut start, mut responses) = (0, 0);
    loop {
        // A refusal looks the same whatever was asked.
        let awaited = asked.get(responses).map(|action| action.unwrap_or(Action::Whisper));
        match decoder.decode(&answers[start..], awaited) {
            Ok(Some((FromServer::Response(_), length))) => (start, responses) = (start + length, responses + 1),
            Ok(Some((FromServer::Update(_), length))) => start += length,
            Ok(None) => break,
            Err(err) => panic!("the server sent what is not of this protocol: {err}"),
        }
    }
    assert_eq!(start, answers.len(), "the last answer is whole");
    responses
}
