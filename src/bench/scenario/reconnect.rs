//! `reconnect`: a server starts again, and everybody comes back at once.

use std::rc::Rc;
use std::time::Instant;

use super::crowd::Crowd;
use super::{ANSWER, per_second, quantiles, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure;
use crate::bench::load::clock::whole_ns;
use crate::bench::load::people::in_parallel_by;
use crate::bench::load::stage::{Account, histogram};
use crate::bench::load::wire::Wire;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

/// Where nothing is said.
const CONNECTIONS: usize = 500;

/// People who are there.
#[derive(Debug)]
pub(in crate::bench) struct Reconnect {
    connections: usize,
    crowd: Rc<Crowd>,
    wires: Vec<Wire>,
}

impl Reconnect {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        if target.directory().is_none() {
            return Err(BenchError::Impossible("reconnect stops and starts the server, so it needs one of its own"));
        }
        let connections = load.connections.unwrap_or(CONNECTIONS);
        let crowd = Crowd::register(target, connections).await?;
        let wires = crowd.connect_all(connections).await?;
        Ok(Self { connections, crowd, wires })
    }

    pub(super) fn setting(&self) -> String {
        format!("{} connections, all at once", self.connections)
    }

    pub(super) async fn round(&mut self, target: &mut Target) -> Result<Round, BenchError> {
        let started = target.restart().await?;
        self.wires.clear();
        self.crowd = self.crowd.moved(target.address());
        let (began, usage) = (Instant::now(), target.usage());
        let back = in_parallel_by(self.connections, self.connections, |index| {
            let crowd = Rc::clone(&self.crowd);
            async move { Ok((crowd.connect(index).await?, whole_ns(began.elapsed()))) }
        })
        .await?;
        let (elapsed, usage_after) = (began.elapsed(), target.usage());
        let mut latencies = histogram();
        for (wire, latency_ns) in back {
            latencies.saturating_record(latency_ns);
            self.wires.push(wire);
        }
        let mut figures = vec![
            (&figure::START, Some(whole_ns(started) as f64)),
            (&figure::CONNECTIONS, Some(per_second(self.connections as u64, elapsed))),
        ];
        figures.extend(quantiles(&latencies, ANSWER));
        let cpu_ns = usage_after.cpu_ns_since(&usage);
        figures.extend([
            (&figure::CPU_PER_CONNECTION, quotient(cpu_ns, self.connections as f64)),
            (&figure::RESIDENT, target.resident_bytes()),
        ]);
        Ok(Round { figures, account: Account::default() })
    }
}
