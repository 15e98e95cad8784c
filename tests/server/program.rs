//! A server as a process of its own: started, signalled, and killed with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use chinwag::client::Client;
use chinwag::protocol::Framing;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::helpers::{PASSWORD, within};

/// `chinwag serve` in a directory of its own, without the environment's settings.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(arguments).current_dir(directory);
    command.env_remove("DATABASE_URL").env_remove("CHINWAG_LISTEN").env_remove("RUST_LOG");
    command
}

/// `chinwag serve` on a free port, with `flags`, for clients that say more in a second than people do in a day, but not as much as
/// makes a segment of the index.
pub(crate) fn serve(directory: &Path, flags: &[&str]) -> Command {
    let mut command = serve_with_long_segments(directory);
    command.args(["--message-rate", "off", "--segment-messages", "50"]).args(flags);
    command
}

/// `chinwag serve` on a free port, as people start it.
pub(crate) fn serve_with_long_segments(directory: &Path) -> Command {
    command(directory, &["serve", "--listen", "127.0.0.1:0"])
}

/// A running server; killed with the test.
pub(crate) struct Process {
    child: Child,
    /// What it says on stdout once it listens.
    pub(crate) line: String,
    pub(crate) stderr: PathBuf,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(directory: &Path) -> Self {
        Self::spawn(serve(directory, &[]), directory)
    }

    pub(crate) fn spawn(command: Command, directory: &Path) -> Self {
        let process = Self::launch(command, directory);
        assert!(process.listens(), "the server did not start: {}", process.logged());
        process
    }

    /// Starts a server that may end before it listens.
    pub(crate) fn launch(command: Command, directory: &Path) -> Self {
        let file = File::create(directory.join("stderr")).unwrap();
        Self::launch_logging(command, directory, file)
    }

    /// Starts a server whose stderr is `log`.
    pub(crate) fn launch_logging(mut command: Command, directory: &Path, log: File) -> Self {
        let stderr = directory.join("stderr");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, line, stderr, stdout }
    }

    /// Whether it came as far as saying where it listens.
    pub(crate) fn listens(&self) -> bool {
        !self.line.is_empty()
    }

    /// What it says on stdout after its first line, up to its end.
    pub(crate) fn said_to_the_end(&mut self) -> String {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        said
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
    }

    pub(crate) async fn connect(&self) -> Client {
        within("a connection", Client::connect(self.addresses()[0], Framing::Array)).await.unwrap()
    }

    pub(crate) async fn register(&self, name: &str) -> Client {
        let mut client = self.connect().await;
        client.register(name, PASSWORD).await.unwrap();
        client.log_in(name, PASSWORD).await.unwrap();
        client
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until its log says `words`.
    pub(crate) async fn has_logged(&self, words: &str) {
        let logged = async {
            while !self.logged().contains(words) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(&format!("the log to say {words:?}"), logged).await;
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("the process to end", ended).await
    }

    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.logged());
    }

    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Units: KiB of resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}
