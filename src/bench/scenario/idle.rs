//! `idle`: connections that are there and do nothing.

use std::rc::Rc;
use std::time::Instant;

use tokio::time::sleep;

use super::crowd::Crowd;
use super::{cores, per_second, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure;
use crate::bench::load::stage::Account;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

/// Where nothing is said.
const CONNECTIONS: usize = 1000;

/// So many come and go before any is counted.
const FIRST: usize = 100;

/// A server with nobody there yet.
#[derive(Debug)]
pub(in crate::bench) struct Idle {
    connections: usize,
    crowd: Rc<Crowd>,
    /// Of the server before anybody comes. Units: bytes.
    memory_before: Option<f64>,
}

impl Idle {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        let connections = load.connections.unwrap_or(CONNECTIONS);
        let crowd = Crowd::register(target, connections).await?;
        // What the server does once, for the first who come, is no connection's.
        drop(crowd.connect_all(connections.min(FIRST)).await?);
        Ok(Self { connections, crowd, memory_before: target.memory_bytes() })
    }

    pub(super) fn setting(&self) -> String {
        format!("{} connections", self.connections)
    }

    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        let (began, usage) = (Instant::now(), target.usage());
        let wires = self.crowd.connect_all(self.connections).await?;
        let (connected, connected_usage) = (began.elapsed(), target.usage());
        sleep(load.warm_up).await;
        let (began, idle_usage) = (Instant::now(), target.usage());
        sleep(load.measured).await;
        let (elapsed, usage_after) = (began.elapsed(), target.usage());
        let wake_ups = usage_after.wake_ups_since(&idle_usage);
        let memory = target.memory_bytes().zip(self.memory_before).map(|(now, before)| now - before);
        let resident = target.resident_bytes();
        drop(wires);
        let count = self.connections as f64;
        let figures = vec![
            (&figure::CONNECTIONS, Some(per_second(self.connections as u64, connected))),
            (&figure::CPU_PER_CONNECTION, quotient(connected_usage.cpu_ns_since(&usage), count)),
            (&figure::MEMORY, quotient(memory, count)),
            (&figure::IDLE_CORES, usage_after.cpu_ns_since(&idle_usage).map(|cpu_ns| cores(cpu_ns, elapsed))),
            (&figure::WAKE_UPS, quotient(wake_ups, elapsed.as_secs_f64())),
            (&figure::RESIDENT, resident),
        ];
        Ok(Round { figures, account: Account::default() })
    }
}
