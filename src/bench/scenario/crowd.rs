//! Many connections of a few users, who come by token: hashing a password for each would take longer than everything else.

use std::rc::Rc;

use crate::bench::error::BenchError;
use crate::bench::load::people::{People, in_parallel};
use crate::bench::load::wire::Wire;
use crate::bench::server::Target;
use crate::client::Login;
use crate::protocol::Request;

/// Users that the connections of a crowd belong to.
const USERS: usize = 20;

/// Users who are logged in, and need no password any more.
#[derive(Debug)]
pub(super) struct Crowd {
    people: People,
    logins: Vec<Login>,
}

impl Crowd {
    /// Registers the users. They speak version 2, which has `resume`.
    pub(super) async fn register(target: &Target, connections: usize) -> Result<Rc<Self>, BenchError> {
        let people = People::new(target.address(), 2);
        let present = people.arrive(USERS.min(connections)).await?;
        let logins = present.into_iter().map(|present| present.login).collect();
        Ok(Rc::new(Self { people, logins }))
    }

    /// The same users at a server that has another address by now.
    pub(super) fn moved(&self, address: String) -> Rc<Self> {
        let mut people = self.people.clone();
        people.address = address;
        Rc::new(Self { people, logins: self.logins.clone() })
    }

    /// One more connection, which receives what is said from now on.
    pub(super) async fn connect(&self, index: usize) -> Result<Wire, BenchError> {
        let (username, token) = self.logins[index % self.logins.len()].credentials();
        let mut wire = self.people.connect().await?;
        let login = wire.log_in(&Request::Resume { username, token }).await?;
        wire.sync(&login, login.head.clone()).await?;
        Ok(wire)
    }

    /// So many connections, a few of them made at once.
    pub(super) async fn connect_all(self: &Rc<Self>, count: usize) -> Result<Vec<Wire>, BenchError> {
        in_parallel(count, |index| {
            let crowd = Rc::clone(self);
            async move { crowd.connect(index).await }
        })
        .await
    }
}
