//! One nonce, one message: everything is sent five times over three connections, to a server that is killed meanwhile.

use std::collections::HashMap;
use std::net::SocketAddr;

use chinwag::client::{Client, ClientError, Login};
use chinwag::protocol::{Framing, Request, Response};
use tokio::sync::watch;

use crate::database;
use crate::helpers::within;
use crate::program::{Process, scratch};

const MESSAGES: usize = 200;

/// How often each message is sent over each of three connections, which take turns.
const TIMES: [usize; 3] = [2, 2, 1];

const KILLS: usize = 7;

/// Sends that are under way on a connection at once, so that many copies of one message are in one batch.
const BURST: usize = 16;

/// One of the connections, over all kills.
struct Line {
    /// The nonces to send, in order.
    nonces: Vec<String>,
    login: Login,
    /// Where the server is.
    address: watch::Receiver<SocketAddr>,
    /// How many sends were answered, on all connections.
    answered: watch::Sender<usize>,
    /// The answers to the first nonces.
    ids: Vec<String>,
}

impl Line {
    async fn send_everything(mut self) -> Vec<(String, String)> {
        while let Err(err) = self.send_the_rest().await {
            assert!(!matches!(err, ClientError::Refused(_) | ClientError::Codec(_)), "{err:?}");
            within("the server to be elsewhere", self.address.changed()).await.unwrap();
        }
        self.nonces.into_iter().zip(self.ids).collect()
    }

    async fn send_the_rest(&mut self) -> Result<(), ClientError> {
        let address = *self.address.borrow_and_update();
        let mut client = Client::connect(address, Framing::Array).await?;
        client.hello("tests/1.0").await?;
        for burst in self.nonces[self.ids.len()..].chunks(BURST) {
            for nonce in burst {
                client.send(&self.request(nonce)).await?;
            }
            for _ in burst {
                match client.next_response().await? {
                    Response::Accepted { id, .. } => self.ids.push(id),
                    other => panic!("{other:?} is not the answer to a message"),
                }
                self.answered.send_modify(|answered| *answered += 1);
            }
        }
        Ok(())
    }

    fn request<'a>(&self, nonce: &'a str) -> Request<'a> {
        let (username, token) = self.login.credentials();
        let (recipient, content) = (username.clone(), format!("with nonce {nonce}").into());
        Request::Whisper { username, token, recipient, content, nonce: Some(nonce.into()) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_five_times_over_three_connections_is_stored_once_through_kills() {
    let directory = scratch();
    let mut process = Process::start(directory.path());
    let login = process.register("ada").await.login().unwrap().clone();
    let address = watch::Sender::new(process.addresses()[0]);
    let answered = watch::Sender::new(0);
    let lines = [0, 1, 2].map(|line| {
        let nonces = (0..MESSAGES).flat_map(|n| std::iter::repeat_n(n.to_string(), TIMES[(n + line) % TIMES.len()]));
        let (address, answered) = (address.subscribe(), answered.clone());
        let line = Line { nonces: nonces.collect(), login: login.clone(), address, answered, ids: Vec::new() };
        tokio::spawn(line.send_everything())
    });

    let sends = MESSAGES * TIMES.iter().sum::<usize>();
    for kill in 1..=KILLS {
        let enough = kill * sends / (KILLS + 1);
        within("answers", answered.subscribe().wait_for(|answered| *answered >= enough)).await.unwrap();
        process.kill().await;
        process = tokio::task::block_in_place(|| Process::start(directory.path()));
        address.send_replace(process.addresses()[0]);
    }
    let mut ids: HashMap<String, Vec<String>> = HashMap::new();
    for line in lines {
        for (nonce, id) in within("all answers", line).await.unwrap() {
            ids.entry(nonce).or_default().push(id);
        }
    }
    process.stop().await;

    assert_eq!(ids.len(), MESSAGES);
    for (nonce, ids) in ids {
        assert!(ids.len() == 5 && ids.iter().all(|id| *id == ids[0]), "{nonce}: {ids:?}");
    }
    let rows = "select count(*) || ' rows, ' || count(distinct nonce) || ' nonces' from messages";
    let stored = database::texts(&directory.path().join("chinwag.db"), rows).await;
    assert_eq!(stored, [format!("{MESSAGES} rows, {MESSAGES} nonces")]);
}
