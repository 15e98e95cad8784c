//! A server and clients that are easy to test with. Whatever waits here has a deadline that says what it waited for.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chinwag::client::{Client, ClientError, Endpoint, Login};
use chinwag::config::{Clock, Config, PasswordCost, TlsConfig};
use chinwag::domain::Secret;
use chinwag::net::Tls;
use chinwag::protocol::{Framing, Refused, Request, Response, Stamp, Update, Welcome};
use chinwag::server::{ServeError, Server};
use chinwag::shutdown::{self, Trigger};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub(crate) const PASSWORD: &str = "a password for tests";

/// Long enough for the slowest machine; reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `future`, which should take far less than the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(DEADLINE, what, future).await
}

/// The same for what may take longer.
pub(crate) async fn within_time<T>(deadline: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} for {what}"),
    }
}

/// A running server; stops with the test.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    /// Where it speaks TLS, if it does, as it was started by [`TestServer::start_tls`].
    pub(crate) tls: Option<TestTls>,
    pub(crate) clock: Clock,
    config: Config,
    directory: Arc<TempDir>,
    trigger: Option<Trigger>,
    running: JoinHandle<Result<(), ServeError>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mut config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            database_url: format!("sqlite://{}", directory.path().join("test.db").display()),
            password_cost: PasswordCost::FOR_TESTS,
            clock: Clock::manual(),
            // Few enough for tests to find some messages in the index and some in memory.
            segment_messages: 7,
            ..Config::default()
        };
        // Tests say more in a second than people do.
        config.limits.message_rate = None;
        adjust(&mut config);
        Self::run(config, directory).await
    }

    async fn run(config: Config, directory: Arc<TempDir>) -> Self {
        let server = within("the server to start", Server::start(&config)).await.unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let address = *server.addresses().last().unwrap();
        let tls = server.certificate().map(|certificate| TestTls { address, certificate });
        Self {
            address: server.addresses()[0],
            tls,
            clock: config.clock.clone(),
            config,
            directory,
            trigger: Some(trigger),
            running: tokio::spawn(server.run(shutdown)),
        }
    }

    /// A server that speaks TLS too, with a certificate of its own making.
    pub(crate) async fn start_tls(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(|config| {
            let database = config.database_url.strip_prefix("sqlite://").unwrap();
            config.tls = Some(write_certificate(Path::new(database).parent().unwrap()));
            adjust(config);
        })
        .await
    }

    /// A connection over TLS, trusting whatever certificate is in the file now.
    pub(crate) async fn connect_tls(&self, framing: Framing) -> Result<TestClient, ClientError> {
        let address = self.tls.as_ref().unwrap().address;
        let trusted = self.trusted();
        let client = within("a handshake", Client::connect_tls(address, "localhost", trusted, framing)).await?;
        Ok(TestClient { client, name: String::new() })
    }

    /// A socket over TLS that speaks no protocol by itself.
    pub(crate) async fn raw_tls(&self) -> RawClient {
        let config = ClientConfig::builder().with_root_certificates(self.trusted()).with_no_client_auth();
        let stream = TcpStream::connect(self.tls.as_ref().unwrap().address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = within("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap();
        RawClient { stream: Box::new(stream) }
    }

    /// Where it speaks TLS, for a client that stays connected.
    pub(crate) fn tls_endpoint(&self) -> Endpoint {
        Endpoint::tls(self.tls.as_ref().unwrap().address.to_string(), "localhost", self.trusted()).unwrap()
    }

    fn trusted(&self) -> RootCertStore {
        let path = &self.config.tls.as_ref().unwrap().certificate;
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
        trusted
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// Ends the server in order.
    pub(crate) async fn stop(mut self) -> StoppedServer {
        self.trigger.take().unwrap().trigger();
        within("the server to stop", &mut self.running).await.unwrap().unwrap();
        StoppedServer { config: self.config.clone(), directory: Arc::clone(&self.directory) }
    }

    pub(crate) async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// A connection on which nobody is logged in.
    pub(crate) async fn connect(&self) -> TestClient {
        self.connect_framed(Framing::Array).await
    }

    pub(crate) async fn connect_framed(&self, framing: Framing) -> TestClient {
        let client = within("a connection", Client::connect(self.address, framing)).await.unwrap();
        TestClient { client, name: String::new() }
    }

    /// A connection from another address of this machine.
    pub(crate) async fn connect_from(&self, address: &str) -> TestClient {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let stream = within("a connection", socket.connect(self.address)).await.unwrap();
        TestClient { client: Client::over(stream, Framing::Array), name: String::new() }
    }

    /// A connection whose reader has room for little at a time.
    pub(crate) async fn connect_with_small_buffer(&self) -> TestClient {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let stream = within("a connection", socket.connect(self.address)).await.unwrap();
        TestClient { client: Client::over(stream, Framing::Array), name: String::new() }
    }

    /// A new user, logged in.
    pub(crate) async fn register(&self, name: &str) -> TestClient {
        self.register_framed(name, Framing::Array).await
    }

    pub(crate) async fn register_framed(&self, name: &str, framing: Framing) -> TestClient {
        let mut client = self.connect_framed(framing).await;
        client.register(name).await.unwrap();
        client.log_in(name).await;
        client
    }

    /// Another connection of a user who is registered.
    pub(crate) async fn log_in(&self, name: &str) -> TestClient {
        let mut client = self.connect().await;
        client.log_in(name).await;
        client
    }

    /// A connection that speaks version 2, on which nobody is logged in.
    pub(crate) async fn hello(&self) -> TestClient {
        let mut client = self.connect().await;
        client.hello().await;
        client
    }

    /// A new user, logged in and following the log in version 2.
    pub(crate) async fn register_2(&self, name: &str) -> TestClient {
        let mut client = self.hello().await;
        client.register(name).await.unwrap();
        client.log_in(name).await;
        client.sync(None).await.unwrap();
        assert!(matches!(client.next_update().await, Update::Synced { .. }));
        client
    }

    /// Another connection with the token of one that there was.
    pub(crate) async fn resume(&self, login: &Login) -> TestClient {
        let mut client = self.hello().await;
        client.resume(login).await.unwrap();
        client
    }

    /// What this server was started with.
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// A socket to a certain address of this server.
    pub(crate) async fn raw_at(&self, address: SocketAddr) -> RawClient {
        RawClient { stream: Box::new(within("a connection", TcpStream::connect(address)).await.unwrap()) }
    }

    /// A socket that speaks no protocol by itself.
    pub(crate) async fn raw(&self) -> RawClient {
        self.raw_at(self.address).await
    }
}

/// A server's files between two runs.
pub(crate) struct StoppedServer {
    config: Config,
    directory: Arc<TempDir>,
}

impl StoppedServer {
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    pub(crate) async fn start(self) -> TestServer {
        self.start_with(|_| ()).await
    }

    pub(crate) async fn start_with(mut self, adjust: impl FnOnce(&mut Config)) -> TestServer {
        adjust(&mut self.config);
        TestServer::run(self.config, self.directory).await
    }
}

/// A client that fails the test where the server does not do what it is asked.
pub(crate) struct TestClient {
    client: Client,
    name: String,
}

/// What a sentinel says, so that other devices of the same user can leave it out.
const SENTINEL: &str = "sentinel ";

impl TestClient {
    pub(crate) async fn register(&mut self, name: &str) -> Result<(), String> {
        self.register_with(name, PASSWORD).await
    }

    pub(crate) async fn register_with(&mut self, name: &str, password: &str) -> Result<(), String> {
        refusal(within("a registration", self.client.register(name, password)).await)
    }

    pub(crate) async fn log_in(&mut self, name: &str) -> Login {
        self.try_log_in(name, PASSWORD).await.unwrap()
    }

    pub(crate) async fn try_log_in(&mut self, name: &str, password: &str) -> Result<Login, String> {
        let login = refusal(within("a login", self.client.log_in(name, password)).await)?;
        self.name.clone_from(&login.username);
        Ok(login)
    }

    pub(crate) async fn hello(&mut self) -> Welcome {
        within("a welcome", self.client.hello("tests/1.0")).await.unwrap()
    }

    pub(crate) async fn resume(&mut self, login: &Login) -> Result<Login, String> {
        let resumed = within("a login", self.client.resume(&login.username, login.token.clone())).await;
        let login = refusal(resumed)?;
        self.name.clone_from(&login.username);
        Ok(login)
    }

    pub(crate) async fn sync(&mut self, after: Option<&str>) -> Result<(), String> {
        refusal(within("a sync's response", self.client.sync(after)).await)
    }

    /// Sends a request of which version 2 says more than that it is done, or refuses it with a code.
    pub(crate) async fn ask(&mut self, request: &Request<'_>) -> Result<Response, Refused> {
        match within("a response", self.client.ask(request)).await {
            Ok(response) => Ok(response),
            Err(ClientError::Refused(refused)) => Err(refused),
            Err(err) => panic!("the connection failed: {err:?}"),
        }
    }

    /// The id of a message that was accepted.
    pub(crate) async fn accepted(&mut self, request: &Request<'_>) -> String {
        match self.ask(request).await {
            Ok(Response::Accepted { id, .. }) => id,
            other => panic!("{other:?} is not the answer to a message in version 2"),
        }
    }

    /// Updates up to the one that says that all before it were there.
    pub(crate) async fn updates_until_synced(&mut self) -> Vec<Update> {
        let mut updates = Vec::new();
        loop {
            match self.next_update().await {
                Update::Synced { .. } => return updates,
                update => updates.push(update),
            }
        }
    }

    pub(crate) async fn log_out(&mut self) -> Result<(), String> {
        refusal(within("a logout", self.client.log_out()).await)
    }

    pub(crate) async fn add_contact(&mut self, contact: &str) -> Result<(), String> {
        refusal(within("a contact", self.client.add_contact(contact)).await)
    }

    pub(crate) async fn try_whisper(&mut self, recipient: &str, content: &str) -> Result<(), String> {
        refusal(within("a whisper's response", self.client.whisper(recipient, content)).await)
    }

    pub(crate) async fn whisper(&mut self, recipient: &str, content: &str) {
        self.try_whisper(recipient, content).await.unwrap();
    }

    pub(crate) async fn create_group(&mut self, name: &str) -> Result<(), String> {
        refusal(within("a new group", self.client.create_group(name)).await)
    }

    pub(crate) async fn join_group(&mut self, name: &str) -> Result<(), String> {
        refusal(within("a membership", self.client.join_group(name)).await)
    }

    pub(crate) async fn try_message_group(&mut self, group: &str, content: &str) -> Result<(), String> {
        refusal(within("a group message's response", self.client.message_group(group, content)).await)
    }

    pub(crate) async fn message_group(&mut self, group: &str, content: &str) {
        self.try_message_group(group, content).await.unwrap();
    }

    pub(crate) async fn request(&mut self, request: &Request<'_>) -> Result<(), String> {
        refusal(within("a response", self.client.request(request)).await)
    }

    pub(crate) async fn send(&mut self, request: &Request<'_>) {
        within("a request to be sent", self.client.send(request)).await.unwrap();
    }

    pub(crate) async fn next_response(&mut self) -> Response {
        within("a response", self.client.next_response()).await.unwrap()
    }

    pub(crate) async fn next_update(&mut self) -> Update {
        within("an update", self.client.next_update()).await.unwrap()
    }

    /// The next update, or `None` once the connection has ended, well or not.
    pub(crate) async fn try_next_update(&mut self) -> Option<Update> {
        within("an update or the end", self.client.next_update()).await.ok()
    }

    /// The next message, whatever else is told before it.
    pub(crate) async fn next_message(&mut self) -> Update {
        loop {
            let update = self.next_update().await;
            if update.content().is_some() {
                return update;
            }
        }
    }

    /// The text of the next update.
    pub(crate) async fn next_content(&mut self) -> String {
        content(self.next_update().await)
    }

    pub(crate) fn login(&self) -> Login {
        self.client.login().unwrap().clone()
    }

    pub(crate) fn use_login(&mut self, login: Login) {
        self.name.clone_from(&login.username);
        self.client.use_login(login);
    }

    /// Everything this user's connection is owed by now: proves what did not come, too. A whisper to oneself comes after it.
    pub(crate) async fn updates_so_far(&mut self) -> Vec<Update> {
        static SENTINELS: AtomicU64 = AtomicU64::new(0);
        let sentinel = format!("{SENTINEL}{}", SENTINELS.fetch_add(1, Ordering::Relaxed));
        let name = self.name.clone();
        self.whisper(&name, &sentinel).await;
        let mut updates = Vec::new();
        loop {
            match self.next_update().await {
                Update::Whisper { content, .. } if content == sentinel => return updates,
                Update::Whisper { sender, content, .. } if sender == name && content.starts_with(SENTINEL) => {}
                update => updates.push(update),
            }
        }
    }

    pub(crate) async fn contents_so_far(&mut self) -> Vec<String> {
        self.updates_so_far().await.into_iter().map(content).collect()
    }

    /// Tells the server that nothing more comes, and goes on receiving.
    pub(crate) async fn shut_down(&mut self) {
        within("shutting down", self.client.shut_down()).await.unwrap();
    }

    /// Ends the connection well.
    pub(crate) async fn close(self) -> Vec<Update> {
        within("the server to end the connection", self.client.close()).await.unwrap()
    }

    /// Asks for something with this client's name and token.
    pub(crate) async fn ask_as<'a>(
        &mut self,
        request: impl FnOnce(Cow<'static, str>, Secret<'static>) -> Request<'a>,
    ) -> Result<Response, Refused> {
        let (username, token) = self.login().credentials();
        self.ask(&request(username, token)).await
    }

    /// Has something done with this client's name and token.
    pub(crate) async fn done_as<'a>(
        &mut self,
        request: impl FnOnce(Cow<'static, str>, Secret<'static>) -> Request<'a>,
    ) {
        assert_eq!(self.ask_as(request).await, Ok(Response::Done));
    }

    /// The code of a refusal.
    pub(crate) async fn code_as<'a>(
        &mut self,
        request: impl FnOnce(Cow<'static, str>, Secret<'static>) -> Request<'a>,
    ) -> String {
        self.ask_as(request).await.unwrap_err().code.unwrap()
    }

    /// What this client would send to whisper, as a request of its own.
    pub(crate) fn whisper_request<'a>(&self, recipient: &'a str, content: impl Into<Cow<'a, str>>) -> Request<'a> {
        let (username, token) = self.login().credentials();
        Request::Whisper { username, token, recipient: recipient.into(), content: content.into(), nonce: None }
    }

    /// What this client would send to say something to a group.
    pub(crate) fn message_group_request<'a>(
        &self,
        group_name: &'a str,
        content: impl Into<Cow<'a, str>>,
    ) -> Request<'a> {
        let (username, token) = self.login().credentials();
        Request::MessageGroup { username, token, group_name: group_name.into(), content: content.into(), nonce: None }
    }
}

pub(crate) fn content(update: Update) -> String {
    match update {
        Update::Whisper { content, .. } | Update::GroupMessage { content, .. } => content,
        other => panic!("{other:?} is no message"),
    }
}

pub(crate) fn whisper(sender: &str, content: &str) -> Update {
    Update::Whisper { sender: sender.to_owned(), content: content.to_owned(), stamp: None }
}

/// What version 2 says of a message.
pub(crate) fn stamp(update: &Update) -> &Stamp {
    match update {
        Update::Whisper { stamp: Some(stamp), .. } | Update::GroupMessage { stamp: Some(stamp), .. } => stamp,
        other => panic!("{other:?} is no message of version 2"),
    }
}

/// The same request with a nonce.
pub(crate) fn with_nonce<'a>(mut request: Request<'a>, text: impl Into<Cow<'a, str>>) -> Request<'a> {
    match &mut request {
        Request::Whisper { nonce, .. } | Request::MessageGroup { nonce, .. } => *nonce = Some(text.into()),
        other => panic!("{other:?} has no nonce"),
    }
    request
}

pub(crate) fn group_message(group_name: &str, sender: &str, content: &str) -> Update {
    let [group_name, sender, content] = [group_name, sender, content].map(str::to_owned);
    Update::GroupMessage { group_name, sender, content, stamp: None }
}

/// The sentence of a refusal; anything else that goes wrong fails the test.
fn refusal<T>(result: Result<T, ClientError>) -> Result<T, String> {
    match result {
        Ok(value) => Ok(value),
        Err(ClientError::Refused(refused)) => Err(refused.why),
        Err(err) => panic!("the connection failed: {err:?}"),
    }
}

/// Where a server speaks TLS.
pub(crate) struct TestTls {
    pub(crate) address: SocketAddr,
    /// To have it read its files again.
    pub(crate) certificate: Tls,
}

/// Writes a new certificate for `localhost` and its key into `directory`.
pub(crate) fn write_certificate(directory: &Path) -> TlsConfig {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
    };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    files
}

/// A socket, encrypted or not.
pub(crate) trait RawStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> RawStream for S {}

/// Bytes in, bytes out.
pub(crate) struct RawClient {
    pub(crate) stream: Box<dyn RawStream>,
}

impl RawClient {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("bytes to be sent", self.stream.write_all(bytes)).await.unwrap();
        within("bytes to be sent", self.stream.flush()).await.unwrap();
    }

    pub(crate) async fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        within("bytes from the server", self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// All that comes until the server ends the connection; a reset fails the test.
    pub(crate) async fn receive_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        within("the server to end the connection", self.stream.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }

    /// Waits for the connection to end, well or not.
    pub(crate) async fn ends(&mut self) {
        let mut rest = Vec::new();
        within("the connection to end", self.stream.read_to_end(&mut rest)).await.ok();
    }

    pub(crate) async fn shut_down(&mut self) {
        within("shutting down", self.stream.shutdown()).await.unwrap();
    }
}

/// The bytes of a refusal.
pub(crate) fn refused(framing: Framing, why: &str) -> Vec<u8> {
    Response::Refused(Refused::because(why)).encode(framing)
}
