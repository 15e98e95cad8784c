//! `login`: people who come with their passwords, and go.

use std::rc::Rc;

use super::repeating::{Repeated, repeat};
use super::{ANSWER, cores, per_second, quantiles, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure;
use crate::bench::load::people::{People, in_parallel};
use crate::bench::load::stage::Account;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

/// Where nothing is said: more than a server hashes at once.
const CONNECTIONS: usize = 16;

/// People who are registered.
#[derive(Debug)]
pub(in crate::bench) struct Login {
    count: usize,
    people: Rc<People>,
}

impl Login {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        let count = load.connections.unwrap_or(CONNECTIONS);
        let people = Rc::new(People::new(target.address(), load.version));
        in_parallel(count, |index| {
            let people = Rc::clone(&people);
            async move { people.register(index).await }
        })
        .await?;
        Ok(Self { count, people })
    }

    pub(super) fn setting(&self) -> String {
        format!("{} at once, version {}", self.count, self.people.version)
    }

    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        let worker = |index: usize| {
            let people = Rc::clone(&self.people);
            async move || {
                people.log_in(index).await?;
                Ok(Account { sent: 1, answered: 1, ..Account::default() })
            }
        };
        let workers = (0..self.count).map(worker).collect();
        let repeated = repeat(load.timing(), workers, || target.usage()).await?;
        let Repeated { elapsed, done, latencies, load_cpu_ns, account, readings: (first, last), .. } = repeated;
        let cpu_ns = last.cpu_ns_since(&first);
        let mut figures = vec![(&figure::LOGINS, Some(per_second(done, elapsed)))];
        figures.extend(quantiles(&latencies, ANSWER));
        figures.extend([
            (&figure::CPU_PER_LOGIN, quotient(cpu_ns, done as f64)),
            (&figure::SERVER_CORES, cpu_ns.map(|cpu_ns| cores(cpu_ns, elapsed))),
            (&figure::LOAD_CORES, Some(cores(load_cpu_ns as f64, elapsed))),
        ]);
        Ok(Round { figures, account })
    }
}
