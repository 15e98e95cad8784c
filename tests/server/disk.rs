//! Disks that fail, fill up or stall, under the program itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chinwag::client::{Client, ClientError};
use chinwag::protocol::{Request, Response};

use crate::helpers::{content, within};
use crate::program::{Process, scratch, serve};
use crate::strace::{Fault, SYNC, can_run, can_trace, serve_with_fault};
use crate::told::{Received, Told};

const BUSY: &str = "the server is busy and has done nothing; try again in a few seconds";

/// Refusals come after two seconds; what goes beyond is for a slow machine.
const IN_TIME: Duration = Duration::from_secs(4);

/// What a reader is owed who has not read: more than sockets and outbox take together.
const BACKLOG: usize = 600;

/// Ada whispers to herself until the connection breaks. No answer may be a refusal, for the outcome is unknown.
async fn whisper_until_broken(client: &mut Client, round: &str, told: &mut Told) {
    for n in 0..500 {
        let text = format!("{round} {n}");
        match within("an answer or an end", client.whisper("ada", &text)).await {
            Ok(()) => told.messages.push(text),
            Err(ClientError::Refused(refused)) => panic!("{refused:?}"),
            Err(_) => return,
        }
    }
    panic!("{round} did not break anything");
}

#[tokio::test]
async fn a_failing_write_or_sync_ends_the_server_and_nothing_answered_is_lost() {
    if !can_trace() {
        return;
    }
    let directory = scratch();
    let mut told = Told::default();
    let process = Process::start(directory.path());
    let login = process.register("ada").await.login().unwrap().clone();
    told.users.push("ada".to_owned());
    process.stop().await;

    for (call, error) in [(SYNC, "EIO"), ("pwrite64", "EIO"), (SYNC, "ENOSPC")] {
        // Not the 2nd: when the log is new that is the sync of the directory, whose failure SQLite passes over.
        for n in [1, 3, 4, 11] {
            let fault = format!("{call}:error={error}:when={n}");
            let mut process = Process::launch(serve_with_fault(directory.path(), &fault), directory.path());
            if process.listens() {
                let mut client = process.connect().await;
                client.use_login(login.clone());
                whisper_until_broken(&mut client, &fault, &mut told).await;
            }
            let status = process.ended().await;
            let logged = process.logged();
            assert_eq!(status.code(), Some(1), "{fault}: {logged}");
            assert!(logged.contains("chinwag: ") && logged.contains("disk I/O error"), "{fault}: {logged}");
            told.check(&directory.path().join("chinwag.db")).await;
        }
    }

    assert!(told.messages.len() > 10, "{}", told.messages.len());
    let process = Process::start(directory.path());
    told.check(&directory.path().join("chinwag.db")).await;
    process.stop().await;
}

/// Ada, who talks, and Bob, who has a connection but has read nothing of all that ada has said to him.
struct Talk {
    process: Process,
    ada: Client,
    bob: Client,
    told: Told,
}

impl Talk {
    async fn start(process: Process) -> Self {
        let ada = process.register("ada").await;
        let bob = process.register("bob").await;
        let mut talk = Self { process, ada, bob, told: Told::default() };
        for n in (0..BACKLOG).step_by(50) {
            talk.whisper_many(n..n + 50).await;
        }
        talk
    }

    async fn whisper_many(&mut self, numbers: std::ops::Range<usize>) {
        let (username, token) = self.ada.login().unwrap().credentials();
        let text = |n: usize| format!("{n:05}{}", "-".repeat(15_000));
        for n in numbers.clone() {
            let (username, token) = (username.clone(), token.clone());
            let (recipient, content) = ("bob".into(), text(n).into());
            let whisper = Request::Whisper { username, token, recipient, content, nonce: None };
            self.ada.send(&whisper).await.unwrap();
        }
        for n in numbers {
            assert_eq!(within("an answer", self.ada.next_response()).await.unwrap(), Response::Done);
            self.told.messages.push(text(n));
        }
    }

    /// Whispers once; says whether that was done, and fails where the answer is late or another refusal than `busy`.
    async fn try_whisper(&mut self, text: String) -> bool {
        let asked = Instant::now();
        let answered = within("an answer", self.ada.whisper("bob", &text)).await;
        assert!(asked.elapsed() < IN_TIME, "answered after {:?}", asked.elapsed());
        match answered {
            Ok(()) => self.told.messages.push(text),
            Err(ClientError::Refused(ref refused)) => assert_eq!(refused.why, BUSY),
            Err(err) => panic!("{err:?}: {}", self.process.logged()),
        }
        answered.is_ok()
    }

    /// What fits into space that the log has already may still be taken; then it is refused, again and again.
    async fn whisper_until_refused(&mut self) {
        let mut refused = 0;
        for n in 0..2000 {
            let text = format!("while there is no room {n} {}", "-".repeat(10_000));
            refused += usize::from(!self.try_whisper(text).await);
            if refused == 5 {
                return;
            }
        }
        panic!("a full disk took everything");
    }

    async fn whisper_until_done(&mut self) {
        let done = async {
            let mut n = 0;
            while !self.try_whisper(format!("there is room again {n}")).await {
                n += 1;
            }
        };
        within("room to be noticed", done).await;
    }

    /// Bob reads what he is owed: all that was answered so far.
    async fn read_up(&mut self) {
        let mut contents = Vec::new();
        let before = self.told.received.iter().map(|received| received.contents.len()).sum::<usize>();
        while before + contents.len() < self.told.messages.len() {
            let update = within("what bob is owed", self.bob.next_update()).await.unwrap();
            contents.push(content(update));
        }
        self.told.received.push(Received { user: "bob".to_owned(), contents });
    }

    async fn end(self, database: &Path) {
        drop((self.ada, self.bob));
        self.process.stop().await;
        self.told.check(database).await;
    }
}

#[tokio::test]
async fn while_writes_find_no_space_sends_are_refused_in_time_and_deliveries_go_on() {
    if !can_trace() {
        return;
    }
    let directory = scratch();
    let mut talk = Talk::start(Process::start(directory.path())).await;

    let fault = Fault::inject(talk.process.id(), directory.path(), "pwrite64:error=ENOSPC").await;
    talk.whisper_until_refused().await;
    talk.read_up().await;
    drop(fault);
    talk.whisper_until_done().await;
    talk.read_up().await;

    talk.end(&directory.path().join("chinwag.db")).await;
}

/// A small file system in memory; unmounted with the test.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(directory: &Path) -> Self {
        let path = directory.join("small");
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(&path).status();
        assert!(mounted.unwrap().success());
        Self { path }
    }

    /// Takes all the space that is left.
    fn fill(&self) -> PathBuf {
        let filler = self.path.join("filler");
        let filled = std::fs::write(&filler, vec![0; 32 * 1024 * 1024]).unwrap_err();
        assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The test's own server is gone by now; a lazy unmount works even if it is not.
        Command::new("umount").arg("-l").arg(&self.path).status().ok();
    }
}

#[tokio::test]
async fn on_a_full_disk_sends_are_refused_in_time_deliveries_go_on_and_all_is_well_once_there_is_room() {
    // In a mount namespace of its own, so that trying leaves nothing behind.
    if !can_run("unshare", &["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]) {
        return;
    }
    let directory = scratch();
    let disk = SmallDisk::mount(directory.path());
    let url = format!("sqlite://{}", disk.path.join("chinwag.db").display());
    let serve = serve(directory.path(), &["--database-url", &url]);
    let mut talk = Talk::start(Process::spawn(serve, directory.path())).await;

    let filler = disk.fill();
    talk.whisper_until_refused().await;
    talk.read_up().await;
    std::fs::remove_file(filler).unwrap();
    talk.whisper_until_done().await;
    talk.read_up().await;

    talk.end(&disk.path.join("chinwag.db")).await;
}

#[tokio::test]
async fn behind_a_disk_that_stalls_requests_are_refused_in_time_and_it_recovers_at_once() {
    if !can_trace() {
        return;
    }
    let directory = scratch();
    let process = Process::start(directory.path());
    let mut ada = process.register("ada").await;
    let mut eve = process.register("eve").await;

    let stall = Fault::inject(process.id(), directory.path(), &format!("{SYNC}:delay_enter=6000000")).await;
    let mut refused = false;
    // Should both be taken at once, both wait for one commit and are done.
    for round in 0..5 {
        ada.send(&whisper_to_oneself(&ada, &format!("stalled {round}"))).await.unwrap();
        // Takes some time, but not the writer's.
        within("a refusal", process.connect().await.log_in("ada", "a wrong password")).await.unwrap_err();
        let asked = Instant::now();
        refused = within("an answer", eve.whisper("eve", "refused or not")).await.is_err();
        let answered = asked.elapsed();
        assert_eq!(within("the stalled answer", ada.next_response()).await.unwrap(), Response::Done);
        if refused {
            assert!(answered < IN_TIME, "refused after {answered:?}");
            break;
        }
    }
    drop(stall);
    let recovered = Instant::now();
    for n in 0..20 {
        within("a whisper", eve.whisper("eve", &n.to_string())).await.unwrap();
    }

    assert!(refused);
    assert!(recovered.elapsed() < Duration::from_secs(10), "{:?}", recovered.elapsed());
    process.stop().await;
}

fn whisper_to_oneself<'a>(client: &Client, content: &'a str) -> Request<'a> {
    let (username, token) = client.login().unwrap().credentials();
    Request::Whisper { recipient: username.clone(), username, token, content: content.into(), nonce: None }
}
