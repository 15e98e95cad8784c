//! From drafts to outcomes, through the writer and SQLite.

use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits, PasswordCost};
use chinwag::domain::{Content, Token, Username};
use chinwag::store::{Author, Committed, Draft, Opened, Origin, Store};
use gungraun::{library_benchmark, library_benchmark_group};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::counting::{config_of_counted, counted};
use super::wire::CONTENT;

const BATCHES: usize = 16;
const BATCH_DRAFTS: usize = 64;

/// A server as it is by default, except that nothing depends on how fast the machine is.
pub(crate) fn settings() -> (Config, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let database_url = format!("sqlite://{}", directory.path().join("counted.db").display());
    let limits = Limits {
        busy_after: Duration::from_secs(3600),
        message_rate: Some(Limits::message_rate(1e6)),
        ..Limits::default()
    };
    (Config { database_url, limits, password_cost: PasswordCost::FOR_TESTS, ..Config::default() }, directory)
}

/// One thread for all tasks, so that they take turns in one order.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

struct Database {
    runtime: Runtime,
    store: Store<()>,
    committed: mpsc::Receiver<Committed<()>>,
    batches: Vec<Vec<Draft>>,
    _directory: TempDir,
}

impl Database {
    /// A database that Ada and Bob are in, and that has stored before.
    fn open() -> Self {
        let (config, directory) = settings();
        let runtime = runtime();
        let Opened { store, writer, .. } = runtime.block_on(Store::open(&config)).unwrap();
        let (outcomes, mut committed) = mpsc::channel(1);
        runtime.spawn(writer.run(move |batch| outcomes.try_send(batch).unwrap()));
        let token_hash = Token::random().hash();
        runtime.block_on(async {
            for name in ["ada", "bob"] {
                let username = Username::parse(name).unwrap();
                let password_hash = "$argon2id$".to_owned();
                commit(&store, &mut committed, [Draft::Register { username, password_hash }]).await;
            }
            let user_id = store.find_credentials("ada", Instant::now()).await.unwrap().unwrap().user_id;
            let origin = Origin { address: "127.0.0.1".to_owned(), client: None };
            commit(&store, &mut committed, [Draft::LogIn { user_id, token_hash, new_password_hash: None, origin }])
                .await;
        });
        let whisper = || Draft::Whisper {
            author: Author { username: Username::parse("ada").ok(), token_hash, is_own_login: true },
            recipient: Username::parse("bob").ok(),
            content: Content::parse(CONTENT, 1024).unwrap(),
            nonce: None,
        };
        let mut batches = (0..=BATCHES).map(|_| (0..BATCH_DRAFTS).map(|_| whisper()).collect());
        runtime.block_on(commit(&store, &mut committed, batches.next().unwrap_or_else(Vec::new)));
        Self { runtime, store, committed, batches: batches.collect(), _directory: directory }
    }
}

/// All of them in one batch, for the writer has its turn only once this waits.
async fn commit(
    store: &Store<()>,
    committed: &mut mpsc::Receiver<Committed<()>>,
    drafts: impl IntoIterator<Item = Draft>,
) -> Committed<()> {
    for draft in drafts {
        store.submit(draft, (), Instant::now()).await.unwrap();
    }
    committed.recv().await.unwrap()
}

#[library_benchmark(setup = Database::open)]
#[bench::of_64()]
fn commit_16_batches(mut database: Database) -> Database {
    let batches = std::mem::take(&mut database.batches);
    counted(|| {
        for drafts in batches {
            let committed = database.runtime.block_on(commit(&database.store, &mut database.committed, drafts));
            assert_eq!(committed.len(), BATCH_DRAFTS);
        }
    });
    database
}

library_benchmark_group!(name = store, config = config_of_counted(), benchmarks = commit_16_batches);
