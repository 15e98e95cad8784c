//! Fills a file before a server starts on it: what is quick on an empty file need not be on a large one.
//!
//! The messages go through the store's own writer, in its own batches, so that the file is as one that a server has filled. That
//! takes longer than most rounds, so it is done once, and each server has a copy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::sync::watch;

use super::directory::TemporaryDirectory;
use super::error::BenchError;
use crate::config::Config;
use crate::domain::{Content, GroupName, Token, TokenHash, Username};
use crate::store::{Author, Committed, Draft, Opened, Origin, Outcome, Store, StoreError};

/// What is in a file before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preload {
    /// Half of them whispers, half of them said in groups.
    pub messages: u32,
    /// Each has a token and is in one group.
    pub users: u32,
}

/// Members of each group.
const MEMBERS: u32 = 20;

/// How many others each user whispers with.
const FRIENDS: u32 = 5;

/// Stands for a hash: nobody logs in as one of these users.
const NO_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A file that was filled; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Filled {
    directory: TemporaryDirectory,
    /// Of the file, when nobody uses it.
    pub(super) bytes: u64,
}

impl Filled {
    /// Fills a file in a directory of its own in `parent`, where one is asked for.
    pub(super) async fn make(
        parent: &Path,
        preload: Option<Preload>,
        content_bytes: usize,
    ) -> Result<Option<Self>, BenchError> {
        let Some(preload) = preload else { return Ok(None) };
        let directory = TemporaryDirectory::new(parent)?;
        let path = directory.path().join(FILE);
        fill(&path, preload, content_bytes).await?;
        let bytes = on_disk(path, |path| File::open(path)).await?;
        Ok(Some(Self { directory, bytes }))
    }

    /// Makes a copy of it.
    pub(super) async fn copy_to(&self, path: &Path) -> Result<(), BenchError> {
        let (from, to) = (self.directory.path().join(FILE), path.to_owned());
        on_disk(to, move |to| fs::copy(from, to).and_then(|_| File::open(to))).await.map(drop)
    }
}

/// The name of a file in its directory.
const FILE: &str = "filled.db";

/// Has a file on the disk, by a thread of its own: what the kernel still had to write would be written while something is
/// measured. Returns its length. Units: bytes.
async fn on_disk(
    path: PathBuf,
    make: impl FnOnce(&Path) -> std::io::Result<File> + Send + 'static,
) -> Result<u64, BenchError> {
    let made = tokio::task::spawn_blocking(move || {
        let length = |file: File| file.sync_all().and_then(|()| file.metadata()).map(|metadata| metadata.len());
        make(&path).and_then(length).map_err(|err| BenchError::File(path, err))
    });
    made.await.map_err(|_| BenchError::Impossible("copying a file has panicked"))?
}

/// Makes a file at `path` with this in it. `content_bytes` is the length of each message.
async fn fill(path: &Path, preload: Preload, content_bytes: usize) -> Result<(), BenchError> {
    let mut config = Config { database_url: format!("sqlite://{}", path.display()), ..Config::default() };
    config.limits.message_rate = None;
    let Opened { store, writer, .. } = Store::open(&config).await?;
    let (taken, mut outcomes) = watch::channel(Taken::default());
    let take = move |committed: Committed<()>| taken.send_modify(|taken| taken.take(&committed));
    let mut writing = writer.start(take).map_err(BenchError::Thread)?;
    let Preload { messages, users } = preload;
    let content = Content::parse(&".".repeat(content_bytes), content_bytes).expect("it is as long as may be");
    let tokens: Vec<TokenHash> = (0..users).map(|_| Token::random().hash()).collect();
    submit(&store, &mut outcomes, (0..users).map(register)).await?;
    let mut logins = Vec::new();
    for (user, token_hash) in (0..users).zip(&tokens) {
        let found = store.find_credentials(username(user).key().as_str(), Instant::now()).await?;
        let user_id = found.expect("this user has just been registered").user_id;
        let origin = Origin { address: "127.0.0.1".to_owned(), client: None };
        logins.push(Draft::LogIn { user_id, token_hash: *token_hash, new_password_hash: None, origin });
    }
    submit(&store, &mut outcomes, logins.into_iter()).await?;
    submit(&store, &mut outcomes, (0..users).map(|user| enter(user, tokens[user as usize]))).await?;
    let said = (0..messages).map(|number| say(number, users, &tokens, content.clone()));
    submit(&store, &mut outcomes, said).await?;
    drop(store);
    Ok(writing.ended().await?)
}

/// What the writer has said so far.
#[derive(Debug, Default)]
struct Taken {
    outcomes: usize,
    has_refused: bool,
}

impl Taken {
    fn take(&mut self, committed: &Committed<()>) {
        self.outcomes += committed.len();
        self.has_refused |= committed.iter().any(|(outcome, ())| matches!(outcome, Outcome::Refused(_)));
    }
}

/// Queues all of them, and waits until all are committed.
async fn submit(
    store: &Store<()>,
    outcomes: &mut watch::Receiver<Taken>,
    drafts: impl ExactSizeIterator<Item = Draft>,
) -> Result<(), BenchError> {
    let all = outcomes.borrow().outcomes + drafts.len();
    for draft in drafts {
        store.submit(draft, (), Instant::now()).await.map_err(|()| StoreError::Busy)?;
    }
    let taken = outcomes.wait_for(|taken| taken.outcomes >= all || taken.has_refused).await;
    let has_refused = taken.map_err(|_| BenchError::Impossible("the writer has ended"))?.has_refused;
    if has_refused {
        return Err(BenchError::Impossible("the store has refused what a file was to be filled with"));
    }
    Ok(())
}

fn username(user: u32) -> Username {
    Username::parse(&format!("preloaded-{user}")).expect("this is a name")
}

fn group_name(group: u32) -> GroupName {
    GroupName::parse(&format!("preloaded {group}")).expect("this is a name")
}

fn author(user: u32, token_hash: TokenHash) -> Author {
    Author { username: Some(username(user)), token_hash, is_own_login: true }
}

fn register(user: u32) -> Draft {
    Draft::Register { username: username(user), password_hash: NO_PASSWORD.to_owned() }
}

/// The first of each group creates it, the others join.
fn enter(user: u32, token_hash: TokenHash) -> Draft {
    let (author, group_name) = (author(user, token_hash), group_name(user / MEMBERS));
    if user.is_multiple_of(MEMBERS) {
        Draft::CreateGroup { author, group_name }
    } else {
        Draft::JoinGroup { author, group_name: Some(group_name) }
    }
}

/// Everybody in turn says something to a friend, and in the next turn to their group.
fn say(number: u32, users: u32, tokens: &[TokenHash], content: Content) -> Draft {
    let (user, turn) = (number % users, number / users);
    let author = author(user, tokens[user as usize]);
    if turn.is_multiple_of(2) {
        let friend = (user + 1 + turn / 2 % FRIENDS) % users;
        return Draft::Whisper { author, recipient: Some(username(friend)), content, nonce: None };
    }
    Draft::MessageGroup { author, group_name: Some(group_name(user / MEMBERS)), content, nonce: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_filled_file_is_sound_and_has_all_that_was_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filled.db");

        fill(&path, Preload { messages: 1000, users: 45 }, 100).await.unwrap();

        let conn = rusqlite::Connection::open(&path).unwrap();
        let count =
            |table| -> i64 { conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap() };
        assert_eq!(["messages", "users", "groups", "sessions"].map(count), [1000, 45, 3, 45]);
        assert_eq!(count("messages where group_id is null"), 505);
    }

    #[tokio::test]
    async fn copies_of_a_filled_file_are_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let preload = Some(Preload { messages: 100, users: 5 });

        let filled = Filled::make(directory.path(), preload, 100).await.unwrap().unwrap();
        let copies = ["one.db", "other.db"].map(|name| directory.path().join(name));
        for copy in &copies {
            filled.copy_to(copy).await.unwrap();
        }

        let [one, other] = copies.map(|copy| std::fs::read(copy).unwrap());
        assert_eq!((one.len() as u64, one == other), (filled.bytes, true));
        let conn = rusqlite::Connection::open(directory.path().join("one.db")).unwrap();
        let count: i64 = conn.query_row("select count(*) from messages", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 100);
        drop(conn);
        drop(filled);
        assert_eq!(directory.path().read_dir().unwrap().count(), 2);
    }
}
