//! The server under test: a child process on a file of its own, or one that is there already.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::directory::TemporaryDirectory;
use super::error::BenchError;
use super::preload::Filled;
use super::process::{Usage, memory_bytes, resident_bytes};
use super::told::{Committed, Told};

/// How long a server may take to listen: a large file may have to be migrated or recovered first.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// How long a server may take to end before it is killed; it gives its own connections 3 s.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// The file of a server of the benchmark's own.
const DATABASE: &str = "bench.db";

/// What the load takes of a server without being slowed: it is one machine that plays many people.
const FLAGS: [&str; 12] = [
    "--message-rate",
    "off",
    "--login-rate",
    "off",
    "--registration-rate",
    "off",
    "--max-connections",
    "1000000",
    "--max-strangers",
    "1000000",
    "--log-format",
    "json",
];

/// Where the load goes.
#[derive(Debug)]
pub(super) enum Target {
    /// A child process.
    Own(OwnServer),
    /// `HOST:PORT` of a server of which nothing else is known.
    Foreign(String),
}

impl Target {
    /// Starts `binary` on a file of its own in a directory of its own in `parent`: an empty one, or a copy.
    pub(super) async fn start(binary: &Path, parent: &Path, filled: Option<&Filled>) -> Result<Self, BenchError> {
        let directory = TemporaryDirectory::new(parent)?;
        if let Some(filled) = filled {
            filled.copy_to(&directory.path().join(DATABASE)).await?;
        }
        OwnServer::start(binary, directory).await.map(Self::Own)
    }

    /// Where the server's files are, if they are the benchmark's own.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Own(server) => Some(server.directory.path()),
            Self::Foreign(_) => None,
        }
    }

    pub(super) fn address(&self) -> String {
        match self {
            Self::Own(server) => server.address.to_string(),
            Self::Foreign(address) => address.clone(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.pid().map_or_else(Usage::default, Usage::of)
    }

    /// Files apart. Units: bytes.
    pub(super) fn memory_bytes(&self) -> Option<f64> {
        self.pid().and_then(memory_bytes).map(|bytes| bytes as f64)
    }

    /// Units: bytes.
    pub(super) fn resident_bytes(&self) -> Option<f64> {
        self.pid().and_then(resident_bytes).map(|bytes| bytes as f64)
    }

    /// Stops a server of the benchmark's own and starts it again, at another address. Returns how long it took to listen.
    pub(super) async fn restart(&mut self) -> Result<Duration, BenchError> {
        match self {
            Self::Own(server) => server.restart().await,
            Self::Foreign(_) => Err(BenchError::Impossible("only a server of its own can be started again")),
        }
    }

    /// What the writer has told so far.
    pub(super) fn committed(&self) -> Option<Committed> {
        match self {
            Self::Own(server) => lock(&server.told).committed(),
            Self::Foreign(_) => None,
        }
    }

    /// Why something failed: where a server of the benchmark's own has ended by itself, that is why.
    pub(super) async fn explain(&mut self, err: BenchError) -> BenchError {
        match self {
            Self::Own(server) => server.explain(err).await,
            Self::Foreign(_) => err,
        }
    }

    /// Ends a server of the benchmark's own.
    pub(super) async fn stop(self) -> Result<(), BenchError> {
        match self {
            Self::Own(mut server) => server.stop().await,
            Self::Foreign(_) => Ok(()),
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Own(server) => Some(server.child.id()),
            Self::Foreign(_) => None,
        }
    }
}

/// A server that this process has started; killed when this is dropped.
#[derive(Debug)]
pub(super) struct OwnServer {
    child: Child,
    binary: PathBuf,
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    directory: TemporaryDirectory,
}

impl OwnServer {
    /// Starts `binary` on a database in `directory`, which goes with it.
    async fn start(binary: &Path, directory: TemporaryDirectory) -> Result<Self, BenchError> {
        let told = Arc::new(Mutex::new(Told::default()));
        let (child, address) = launch(binary, directory.path(), &told)?;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, binary: binary.to_owned(), address: nowhere, told, directory };
        server.listens(address).await?;
        Ok(server)
    }

    async fn restart(&mut self) -> Result<Duration, BenchError> {
        self.stop().await?;
        let began = Instant::now();
        let (child, address) = launch(&self.binary, self.directory.path(), &self.told)?;
        self.child = child;
        self.listens(address).await?;
        Ok(began.elapsed())
    }

    /// Waits until it says where it listens.
    async fn listens(&mut self, address: oneshot::Receiver<SocketAddr>) -> Result<(), BenchError> {
        let said = match timeout(START_DEADLINE, address).await {
            Ok(Ok(address)) => {
                self.address = address;
                return Ok(());
            }
            Ok(Err(_)) => self.last_words().await,
            Err(_) => format!("it does not listen after {START_DEADLINE:?}"),
        };
        Err(BenchError::Server { what: "cannot start", binary: self.binary.clone(), said })
    }

    /// Ends the server in order, and by force where that takes too long.
    async fn stop(&mut self) -> Result<(), BenchError> {
        // Where it has ended by itself there is nobody to signal, and its status says how.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let began = Instant::now();
        while began.elapsed() < STOP_DEADLINE {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.failed(format!("{status}: {}", self.said()))),
                None => sleep(Duration::from_millis(5)).await,
            }
        }
        Err(self.failed(format!("it still runs {STOP_DEADLINE:?} after SIGTERM")))
    }

    async fn explain(&mut self, err: BenchError) -> BenchError {
        let is_broken = matches!(err, BenchError::Closed | BenchError::Io(_));
        if is_broken && let Some(status) = self.ended().await {
            let said = format!("{status}: {}", self.said());
            return BenchError::Server { what: "the server has ended by itself:", binary: self.binary.clone(), said };
        }
        err
    }

    fn failed(&self, said: String) -> BenchError {
        BenchError::Server { what: "the server did not end well:", binary: self.binary.clone(), said }
    }

    /// Why it does not listen: its last lines, which may come a moment after its stdout has ended.
    async fn last_words(&mut self) -> String {
        match self.ended().await {
            Some(status) => format!("{status}: {}", self.said()),
            None => self.said(),
        }
    }

    /// How it has ended, if it does so within a moment; its last lines are there by then.
    async fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..100 {
            let status = self.child.try_wait().ok().flatten();
            sleep(Duration::from_millis(10)).await;
            if status.is_some() {
                return status;
            }
        }
        None
    }

    fn said(&self) -> String {
        lock(&self.told).last_lines()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Starts `binary` on the database in `directory`. What comes back with it is where it will listen.
fn launch(
    binary: &Path,
    directory: &Path,
    told: &Arc<Mutex<Told>>,
) -> Result<(Child, oneshot::Receiver<SocketAddr>), BenchError> {
    let database_url = format!("sqlite://{}", directory.join(DATABASE).display());
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &database_url]).args(FLAGS);
    command.env("RUST_LOG", "warn,chinwag::store::tally=debug");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |err: std::io::Error| BenchError::Server {
        what: "cannot start",
        binary: binary.to_owned(),
        said: err.to_string(),
    };
    let mut child = command.spawn().map_err(failed)?;
    let address = listen_to(&mut child, Arc::clone(told));
    Ok((child, address))
}

/// Reads what a server says, on threads that end with it. The address comes with its first line.
fn listen_to(child: &mut Child, told: Arc<Mutex<Told>>) -> oneshot::Receiver<SocketAddr> {
    let (sender, address) = oneshot::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            if let Some(address) = lines.next().and_then(|line| address_in(&line)) {
                sender.send(address).ok();
            }
            lines.for_each(drop);
        });
    }
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| lock(&told).hear(line))
        });
    }
    address
}

/// The address in `chinwag VERSION listening on ADDRESS, database PATH`.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split([' ', ',']).find_map(|word| word.parse().ok())
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_where_it_listens() {
        let line = "chinwag 0.1.0 listening on 127.0.0.1:4242, database /tmp/a 1:2/b.db";

        assert_eq!(address_in(line), Some("127.0.0.1:4242".parse().unwrap()));
        assert_eq!(address_in("chinwag: the port is taken"), None);
    }
}
