//! The users of the load: registered, logged in, in their groups.

use std::rc::Rc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::wire::Wire;
use crate::bench::error::BenchError;
use crate::client::Login;
use crate::domain::Secret;
use crate::protocol::Request;

/// The password of every user of a load.
const PASSWORD: &str = "a password for benchmarks";

/// People who register or log in at once: more would wait in the server, whose hashing takes as many as it has cores.
const AT_ONCE: usize = 16;

/// Users that nobody else has.
#[derive(Debug, Clone)]
pub(crate) struct People {
    pub(crate) address: String,
    /// Of the wire.
    pub(crate) version: u8,
    /// In every name of this run.
    run: String,
}

/// Somebody who is logged in.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) wire: Wire,
    pub(crate) login: Login,
}

impl People {
    pub(crate) fn new(address: String, version: u8) -> Self {
        let run = Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { address, version, run }
    }

    /// The name of a user. All names have the same length.
    pub(crate) fn username(&self, index: usize) -> String {
        format!("bench-{}-{index:06}", self.run)
    }

    /// The name of a group. All names have the same length.
    pub(crate) fn group_name(&self, index: usize) -> String {
        format!("bench {} {index:06}", self.run)
    }

    /// Registers users and logs each in on a connection of its own.
    pub(crate) async fn arrive(&self, count: usize) -> Result<Vec<Present>, BenchError> {
        let people = Rc::new(self.clone());
        in_parallel(count, move |index| {
            let people = Rc::clone(&people);
            async move {
                people.register(index).await?;
                people.log_in(index).await
            }
        })
        .await
    }

    /// Registers one user.
    pub(crate) async fn register(&self, index: usize) -> Result<(), BenchError> {
        let request = Request::Register { username: self.username(index).into(), password: Secret::new(PASSWORD) };
        self.connect().await?.ask(&request).await.map(drop)
    }

    /// A connection on which nobody is logged in.
    pub(crate) async fn connect(&self) -> Result<Wire, BenchError> {
        let mut wire = Wire::connect(&self.address).await?;
        if self.version > 1 {
            wire.hello().await?;
        }
        Ok(wire)
    }

    /// A connection on which a user is logged in by password.
    pub(crate) async fn log_in(&self, index: usize) -> Result<Present, BenchError> {
        let mut wire = self.connect().await?;
        let request = Request::LogIn { username: self.username(index).into(), password: Secret::new(PASSWORD) };
        let login = wire.log_in(&request).await?;
        Ok(Present { wire, login })
    }
}

impl Present {
    pub(crate) async fn create_group(&mut self, group_name: String) -> Result<(), BenchError> {
        let group_name = group_name.into();
        let (username, token) = self.login.credentials();
        self.wire.ask(&Request::CreateGroup { username, token, group_name }).await.map(drop)
    }

    pub(crate) async fn join_group(&mut self, group_name: String) -> Result<(), BenchError> {
        let group_name = group_name.into();
        let (username, token) = self.login.credentials();
        self.wire.ask(&Request::JoinGroup { username, token, group_name }).await.map(drop)
    }
}

/// Does something `count` times, some at once, and returns the results in order.
pub(crate) async fn in_parallel<T, W>(count: usize, work: impl Fn(usize) -> W) -> Result<Vec<T>, BenchError>
where
    T: 'static,
    W: Future<Output = Result<T, BenchError>> + 'static,
{
    in_parallel_by(AT_ONCE, count, work).await
}

/// The same, so many at once.
pub(crate) async fn in_parallel_by<T, W>(
    at_once: usize,
    count: usize,
    work: impl Fn(usize) -> W,
) -> Result<Vec<T>, BenchError>
where
    T: 'static,
    W: Future<Output = Result<T, BenchError>> + 'static,
{
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let mut running = JoinSet::new();
    let mut waiting = 0..count;
    loop {
        while running.len() < at_once
            && let Some(index) = waiting.next()
        {
            let work = work(index);
            running.spawn_local(async move { (index, work.await) });
        }
        let Some(joined) = running.join_next().await else { break };
        let (index, result) = joined.expect("nobody aborts these, and a panic is passed on");
        results[index] = Some(result?);
    }
    Ok(results.into_iter().flatten().collect())
}
