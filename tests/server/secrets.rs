//! Secrets: a password or a token is in no file, and what people say is in no log, however the program ends.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use chinwag::client::{Client, ClientError, Login};
use chinwag::domain::Secret;
use chinwag::protocol::{Framing, Request};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::helpers::within;
use crate::program::{Process, command, scratch};

const PASSWORD: &str = "planted-password-of-ada-and-bob";
const WRONG: &str = "planted-password-that-is-wrong";
const NOT_ALLOWED: &str = "planted-password-with-a-tab";
const FOR_TAKEN_NAME: &str = "planted-password-for-a-taken-name";
const ONE_ARGUMENT_MORE: &str = "planted-password-before-another-argument";
const NOT_UTF8: &str = "planted-password-not-utf-8";
const UNKNOWN_ACTION: &str = "planted-password-of-an-unknown-action";
const TOO_LONG: &str = "planted-password-too-long";
const CUT_OFF: &str = "planted-password-cut-off";
const NO_TOKEN: &str = "planted-token-that-is-no-uuid";

const WHISPERED: &str = "planted-content-whispered";
const FOR_GROUP: &str = "planted-content-for-a-group";
const AFTER_CRASH: &str = "planted-content-after-the-crash";

/// What is refused is stored nowhere.
const REFUSED: [&str; 3] = ["planted-content-for-nobody", "planted-content-by-nobody", "planted-content-too-long"];

/// What the files of a server are searched for.
struct Planted {
    secrets: Vec<Vec<u8>>,
    /// What has to be in the database, for otherwise the search finds nothing anywhere.
    stored: Vec<Vec<u8>>,
}

impl Planted {
    fn new() -> Self {
        let passwords = [
            PASSWORD,
            WRONG,
            NOT_ALLOWED,
            FOR_TAKEN_NAME,
            ONE_ARGUMENT_MORE,
            NOT_UTF8,
            UNKNOWN_ACTION,
            TOO_LONG,
            CUT_OFF,
            NO_TOKEN,
        ];
        let secrets = passwords.map(|password| password.as_bytes().to_vec()).to_vec();
        Self { secrets, stored: vec![b"$argon2id$v=19$".to_vec()] }
    }

    /// The text of the token, and its 16 bytes.
    fn add_token(&mut self, token: &str) {
        assert_eq!(token.len(), 36);
        let bytes = Uuid::parse_str(token).unwrap().into_bytes();
        self.secrets.extend([token.as_bytes().to_vec(), token.to_uppercase().into_bytes(), bytes.to_vec()]);
    }

    /// The token of somebody who stays logged in: its hash is stored.
    fn add_login(&mut self, login: &Login) {
        let token = login.token.expose();
        self.add_token(token);
        self.stored.push(Sha256::digest(Uuid::parse_str(token).unwrap().as_bytes()).to_vec());
    }

    fn add_content(&mut self, content: &str) {
        self.stored.push(content.as_bytes().to_vec());
    }
}

#[tokio::test]
async fn passwords_and_tokens_are_in_no_file_and_contents_in_no_log_however_the_program_ends() {
    // A core dump would hold what the memory held.
    setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) }).unwrap();
    for (format, debug) in [("text", " DEBUG "), ("json", r#""level":"DEBUG""#)] {
        let directory = scratch();
        let directory = directory.path();
        let mut planted = Planted::new();

        back_up_and_abort(directory, format, &mut planted).await;
        kill(directory, format, &mut planted).await;
        serve(directory, format, "stopped.log").stop().await;

        let files = Files::read(directory);
        files.assert_give_nothing_away(&planted);
        files.assert_hold(&["chinwag.db"], &planted.stored);
        // Nothing is said below DEBUG so far; what is said there is what sqlx has to say of statements.
        for log in ["aborted.log", "killed.log"] {
            files.assert_hold(&[log], &[debug, "insert into sessions"].map(|text| text.as_bytes().to_vec()));
        }
        let logs_and_databases =
            ["aborted.log", "backup.db", "backup.log", "chinwag.db", "chinwag.db.lock", "killed.log", "stopped.log"];
        assert_eq!(files.names(), logs_and_databases);
    }
}

async fn back_up_and_abort(directory: &Path, format: &str, planted: &mut Planted) {
    let mut process = serve(directory, format, "aborted.log");
    let _cut_off = talk(&process, planted).await;
    back_up(directory);
    process.signal(Signal::ABORT);
    assert_eq!(process.ended().await.signal(), Some(Signal::ABORT.as_raw()));

    let files = Files::read(directory);
    files.assert_give_nothing_away(planted);
    files.assert_hold(&["backup.db"], &planted.stored);
    files.assert_hold(&["chinwag.db", "chinwag.db-wal"], &planted.stored);
}

async fn kill(directory: &Path, format: &str, planted: &mut Planted) {
    let process = serve(directory, format, "killed.log");
    let mut ada = process.connect().await;
    planted.add_login(&ada.log_in("ada", PASSWORD).await.unwrap());
    ada.whisper("bob", AFTER_CRASH).await.unwrap();
    planted.add_content(AFTER_CRASH);
    process.kill().await;

    let files = Files::read(directory);
    files.assert_give_nothing_away(planted);
    files.assert_hold(&["chinwag.db", "chinwag.db-wal"], &planted.stored);
    files.assert_hold(&["chinwag.db-wal"], &[AFTER_CRASH.as_bytes().to_vec()]);
}

fn serve(directory: &Path, format: &str, log: &str) -> Process {
    let mut command = command(directory, &["serve", "--listen", "127.0.0.1:0", "--log-format", format]);
    command.env("RUST_LOG", "trace");
    let process = Process::launch_logging(command, directory, File::create(directory.join(log)).unwrap());
    assert!(process.listens());
    process
}

fn back_up(directory: &Path) {
    let log = File::create(directory.join("backup.log")).unwrap();
    let mut command = command(directory, &["backup", "backup.db"]);
    command.env("RUST_LOG", "trace").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    assert!(command.status().unwrap().success());
}

/// Shows the server every kind of secret and of content, in requests that are done, refused and no requests at all. Returns
/// a connection on which half a request has arrived.
async fn talk(process: &Process, planted: &mut Planted) -> TcpStream {
    let mut ada = process.connect().await;
    let mut bob = process.connect().await;
    for (name, client) in [("ada", &mut ada), ("bob", &mut bob)] {
        client.register(name, PASSWORD).await.unwrap();
        assert_refused(&client.register(&format!("{name}s-friend"), &format!("{NOT_ALLOWED}\t")).await);
        assert_refused(&client.register(name, FOR_TAKEN_NAME).await);
        assert_refused(&client.log_in(name, WRONG).await);
        client.log_in(name, PASSWORD).await.unwrap();
    }
    planted.add_login(ada.login().unwrap());
    say(&mut ada, planted).await;
    say_by_no_token(&mut bob, planted).await;
    send_what_is_no_request(process, ada.login().unwrap()).await;
    begin_and_wait(process).await
}

/// Sends a whole request and a half together, so that once the first is answered the second was read.
async fn begin_and_wait(process: &Process) -> TcpStream {
    let mut stream = within("a connection", TcpStream::connect(process.addresses()[0])).await.unwrap();
    let [mut bytes, cut_off] = [WRONG, &format!("{CUT_OFF}x")].map(|password| log_in(password).encode(Framing::Array));
    bytes.extend(&cut_off[..cut_off.len() - 1]);
    within("bytes to be sent", stream.write_all(&bytes)).await.unwrap();
    within("the answer to the first", stream.read_u8()).await.unwrap();
    stream
}

async fn say(ada: &mut Client, planted: &mut Planted) {
    ada.create_group("tea").await.unwrap();
    ada.whisper("bob", WHISPERED).await.unwrap();
    ada.message_group("tea", FOR_GROUP).await.unwrap();
    planted.add_content(WHISPERED);
    planted.add_content(FOR_GROUP);
    let [for_nobody, _, too_long] = REFUSED;
    assert_refused(&ada.whisper("nobody", for_nobody).await);
    assert_refused(&ada.whisper("bob", &format!("{too_long}{}", "x".repeat(16 * 1024))).await);
}

/// Tries a token that was never given out, something that is none, and one that has ended.
async fn say_by_no_token(bob: &mut Client, planted: &mut Planted) {
    let login = bob.login().unwrap().clone();
    let bogus = Uuid::new_v4().to_string();
    planted.add_token(&bogus);
    planted.add_token(login.token.expose());
    bob.log_out().await.unwrap();
    for token in [&bogus, NO_TOKEN, login.token.expose()] {
        bob.use_login(Login { token: token.to_owned().into(), ..login.clone() });
        assert_refused(&bob.whisper("ada", REFUSED[1]).await);
    }
}

/// Sends passwords and a token in what is refused before it is a request.
async fn send_what_is_no_request(process: &Process, ada: &Login) {
    let mut one_more = log_in(ONE_ARGUMENT_MORE).encode(Framing::Array);
    one_more[0] += 1;
    one_more.extend(b"\xa4more");
    let mut not_utf8 = log_in(&format!("{NOT_UTF8}x")).encode(Framing::Bare);
    not_utf8.pop();
    not_utf8.push(0xff);
    let mut unknown = log_in(UNKNOWN_ACTION).encode(Framing::Bare);
    unknown[1..6].copy_from_slice(b"logon");
    let too_long = log_in(&format!("{TOO_LONG}{}", "x".repeat(4096))).encode(Framing::Bare);
    let (username, token) = ada.credentials();
    let mut without_contact =
        Request::AddContact { username, token, contact: String::new().into() }.encode(Framing::Array);
    without_contact[0] -= 1;
    without_contact.pop();
    for (bytes, why) in [
        (one_more, "this action takes another number of arguments"),
        (not_utf8, "strings are UTF-8"),
        (unknown, "there is no such action"),
        (too_long, "a request has at most 4096 bytes"),
        (without_contact, "this action takes another number of arguments"),
    ] {
        let mut stream = within("a connection", TcpStream::connect(process.addresses()[0])).await.unwrap();
        within("bytes to be sent", stream.write_all(&bytes)).await.unwrap();
        within("shutting down", stream.shutdown()).await.unwrap();
        let mut answer = Vec::new();
        within("the server to end the connection", stream.read_to_end(&mut answer)).await.unwrap();
        assert!(contains(&answer, why.as_bytes()), "{why}: {}", answer.escape_ascii());
    }
}

fn log_in(password: &str) -> Request<'_> {
    Request::LogIn { username: "ada".into(), password: Secret::new(password) }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: &Result<T, ClientError>) {
    assert!(matches!(result, Err(ClientError::Refused(_))), "{result:?}");
}

/// All that a server, a backup and their logs have left.
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn read(directory: &Path) -> Self {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let read =
            |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        let mut files: Vec<_> = entries.map(read).collect();
        files.sort();
        Self(files)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// No secret is in a file, no content in a log, and what was refused in neither.
    fn assert_give_nothing_away(&self, planted: &Planted) {
        let contents = [WHISPERED, FOR_GROUP, AFTER_CRASH].map(str::as_bytes);
        for (name, bytes) in &self.0 {
            for secret in planted.secrets.iter().map(Vec::as_slice).chain(REFUSED.map(str::as_bytes)) {
                assert_not_in(bytes, secret, name);
            }
            if name.ends_with(".log") {
                contents.iter().for_each(|content| assert_not_in(bytes, content, name));
            }
        }
    }

    /// All of `needles` are in these files, in one or another.
    #[track_caller]
    fn assert_hold(&self, names: &[&str], needles: &[Vec<u8>]) {
        let files: Vec<&Vec<u8>> =
            self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, bytes)| bytes).collect();
        for needle in needles {
            let is_there = files.iter().any(|bytes| contains(bytes, needle));
            assert!(is_there, "{} is not in {names:?}", needle.escape_ascii());
        }
    }
}

/// Neither as it is, nor in hexadecimal, nor as Rust shows bytes.
fn assert_not_in(bytes: &[u8], planted: &[u8], name: &str) {
    let hexadecimal: String = planted.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper_case = hexadecimal.to_uppercase();
    let shown = format!("{planted:?}");
    let forms = [planted, hexadecimal.as_bytes(), upper_case.as_bytes(), shown.trim_matches(['[', ']']).as_bytes()];
    for form in forms {
        assert!(!contains(bytes, form), "{} is in {name} as {}", planted.escape_ascii(), form.escape_ascii());
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
