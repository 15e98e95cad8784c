//! Fills a file before a server starts on it: what is quick on an empty file need not be on a large one.
//!
//! The messages go through the store's own writer, in its own batches, so that the file is as one that a server has filled.

use std::path::Path;
use std::time::Instant;

use tokio::sync::mpsc;

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

/// Makes a file at `path` with this in it. `content_bytes` is the length of each message.
pub(super) async fn fill(path: &Path, preload: Preload, content_bytes: usize) -> Result<(), BenchError> {
    let mut config = Config { database_url: format!("sqlite://{}", path.display()), ..Config::default() };
    config.limits.message_rate = None;
    let Opened { store, mut committed, writer, .. } = Store::open(&config).await?;
    let Preload { messages, users } = preload;
    let content = Content::parse(".".repeat(content_bytes), content_bytes).expect("it is as long as may be");
    let tokens: Vec<TokenHash> = (0..users).map(|_| Token::random().hash()).collect();
    submit(&store, &mut committed, (0..users).map(register)).await?;
    let mut logins = Vec::new();
    for (user, token_hash) in (0..users).zip(&tokens) {
        let found = store.find_credentials(username(user).key().as_str(), Instant::now()).await?;
        let user_id = found.expect("this user has just been registered").user_id;
        let origin = Origin { address: "127.0.0.1".to_owned(), client: None };
        logins.push(Draft::LogIn { user_id, token_hash: *token_hash, new_password_hash: None, origin });
    }
    submit(&store, &mut committed, logins.into_iter()).await?;
    submit(&store, &mut committed, (0..users).map(|user| enter(user, tokens[user as usize]))).await?;
    let said = (0..messages).map(|number| say(number, users, &tokens, content.clone()));
    submit(&store, &mut committed, said).await?;
    drop(store);
    writer.await.map_err(|_| BenchError::Impossible("the writer has panicked"))??;
    Ok(())
}

/// Queues all of them, and waits until all are committed.
async fn submit(
    store: &Store<()>,
    committed: &mut mpsc::Receiver<Committed<()>>,
    drafts: impl ExactSizeIterator<Item = Draft>,
) -> Result<(), BenchError> {
    let count = drafts.len();
    let queueing = async {
        for draft in drafts {
            store.submit(draft, (), Instant::now()).await.map_err(|()| StoreError::Busy)?;
        }
        Ok(())
    };
    let taking = async {
        let mut taken = 0;
        while taken < count {
            let outcomes = committed.recv().await.ok_or(BenchError::Impossible("the writer has ended"))?;
            if outcomes.iter().any(|(outcome, ())| matches!(outcome, Outcome::Refused(_))) {
                return Err(BenchError::Impossible("the store has refused what a file was to be filled with"));
            }
            taken += outcomes.len();
        }
        Ok(())
    };
    tokio::try_join!(queueing, taking).map(drop)
}

fn username(user: u32) -> Username {
    Username::parse(&format!("preloaded-{user}")).expect("this is a name")
}

fn group_name(group: u32) -> GroupName {
    GroupName::parse(&format!("preloaded {group}")).expect("this is a name")
}

fn author(user: u32, token_hash: TokenHash) -> Author {
    Author { username: username(user).as_str().to_owned(), token_hash, is_own_login: true }
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
        let recipient = username(friend).as_str().to_owned();
        return Draft::Whisper { author, recipient, content, nonce: None };
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
}
