//! Everything at once: kills, and connections that are cut, stall and dribble, under a hundred people who talk.
//!
//! Afterwards the database says who should have received what: in version 2 that once and in order, in version 1 at least once.

mod figures;
mod people;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinwag::client::{Client, ClientError, Login};
use chinwag::protocol::Framing;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, block_in_place};

use crate::chance::Chance;
use crate::helpers::{PASSWORD, within, within_time};
use crate::program::{Process, scratch};
use crate::proxy::{Manners, Proxy};
use figures::Figures;
use people::{Person, Talk};

/// People who speak version 1, and as many who speak version 2.
const PEOPLE: usize = 50;

/// Messages of each that are answered with success.
const MESSAGES: usize = 200;

const KILLS: usize = 20;

/// Each has ten members, of both versions.
const GROUPS: usize = 20;

/// How long the people may take from one kill to the next; a few seconds are usual.
const PATIENCE: Duration = Duration::from_secs(60);

const SEED: u64 = 4;

/// The two groups of the `n`-th person.
fn groups_of(n: usize) -> [String; 2] {
    [n % GROUPS, (n + n / 20 + 1) % GROUPS].map(|n| format!("group {n}"))
}

fn name_of(n: usize) -> String {
    if speaks_version_2(n) { format!("second-{n}") } else { format!("first-{n}") }
}

fn speaks_version_2(n: usize) -> bool {
    n >= PEOPLE
}

/// Registers everybody, who then are in their groups, and returns their logins.
async fn gather(address: SocketAddr) -> Vec<Login> {
    // More at once would be refused as busy on a slow machine.
    let door = Arc::new(Semaphore::new(4));
    let arriving: Vec<JoinHandle<Login>> = (0..2 * PEOPLE)
        .map(|n| {
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                let _open = door.acquire().await.unwrap();
                arrive(address, n).await.unwrap()
            })
        })
        .collect();
    let mut logins = Vec::new();
    for login in arriving {
        logins.push(within("somebody to arrive", login).await.unwrap());
    }
    logins
}

async fn arrive(address: SocketAddr, n: usize) -> Result<Login, ClientError> {
    let name = name_of(n);
    let mut client = Client::connect(address, Framing::Array).await?;
    client.register(&name, PASSWORD).await?;
    let login = client.log_in(&name, PASSWORD).await?;
    for group in groups_of(n) {
        // Whoever comes first creates it.
        if client.create_group(&group).await.is_err() {
            client.join_group(&group).await?;
        }
    }
    Ok(login)
}

/// A server that is killed again and again, and the ways to it.
struct Chaos {
    directory: tempfile::TempDir,
    process: Process,
    gentle: Proxy,
    rough: Proxy,
    talk: Arc<Talk>,
}

impl Chaos {
    async fn kill_and_restart(mut self) -> Self {
        self.process.kill().await;
        self.process = block_in_place(|| Process::start(self.directory.path()));
        for proxy in [&self.gentle, &self.rough] {
            proxy.lead_to(self.process.addresses()[0]);
        }
        self
    }

    /// Lets everybody live.
    fn people(&self, logins: Vec<Login>) -> Vec<JoinHandle<Person>> {
        let mut chance = Chance::new(SEED);
        let live = |(n, login)| {
            let speaks_version_2 = speaks_version_2(n);
            let proxy = if speaks_version_2 { &self.rough } else { &self.gentle };
            let person = Person {
                login,
                groups: groups_of(n),
                speaks_version_2,
                said: Vec::new(),
                received: Vec::new(),
                talk: Arc::clone(&self.talk),
                chance: chance.fork(),
            };
            tokio::spawn(person.live(proxy.address))
        };
        logins.into_iter().enumerate().map(live).collect()
    }

    /// Kills the server over and over while people talk, then lets them end in peace.
    async fn run(mut self, logins: Vec<Login>) -> (Self, Vec<Person>) {
        let people = self.people(logins);
        for kill in 1..=KILLS {
            self.talk.has_answered(kill * 2 * PEOPLE * MESSAGES / (KILLS + 1)).await;
            self = self.kill_and_restart().await;
        }
        self.talk.has_answered(2 * PEOPLE * MESSAGES).await;
        for proxy in [&self.gentle, &self.rough] {
            proxy.calm_down();
        }
        self.talk.is_over.send_replace(true);
        let mut lives = Vec::new();
        for (n, life) in people.into_iter().enumerate() {
            let what = format!("{} to receive what is owed", name_of(n));
            lives.push(within_time(PATIENCE, &what, life).await.unwrap());
        }
        (self, lives)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_kills_and_cuts_version_2_receives_each_message_once_and_version_1_at_least_once() {
    let directory = scratch();
    let started = Instant::now();
    let process = block_in_place(|| Process::start(directory.path()));
    let address = process.addresses()[0];
    let logins = gather(address).await;
    let gentle = Proxy::start(address, Manners::Gentle, SEED).await;
    let rough = Proxy::start(address, Manners::Rough, SEED + 1).await;
    let talk = Arc::new(Talk {
        names: (0..2 * PEOPLE).map(name_of).collect(),
        answered: watch::Sender::new(0),
        is_over: watch::Sender::new(false),
    });

    let (chaos, people) = Chaos { directory, process, gentle, rough, talk }.run(logins).await;
    let cuts = chaos.gentle.cuts() + chaos.rough.cuts();
    chaos.process.stop().await;

    let mut figures = Figures::of(&chaos.directory.path().join("chinwag.db"), &people).await;
    (figures.kills, figures.cuts, figures.duration) = (KILLS, cuts, started.elapsed());
    eprintln!("{figures}");
    assert!(figures.messages >= 2 * PEOPLE * MESSAGES && cuts >= 100, "too little has happened");
    assert!(figures.all_is_well(), "something is wrong");
}
