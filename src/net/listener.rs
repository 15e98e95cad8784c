//! Accepting connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::admission::Admission;
use super::connection;
use crate::service::Service;
use crate::shutdown::Shutdown;

/// How long accepting rests after it failed, as it does without descriptors or memory: doubling from the first to the last.
const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes any free port.
    ///
    /// # Errors
    /// The system's, when the address is not ours or in use.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until `shutdown`; then waits for them to flush, at most as long as the limits say.
    pub async fn run(self, service: Arc<Service>, admission: Arc<Admission>, mut shutdown: Shutdown) {
        let mut connections = JoinSet::new();
        let mut rest = FIRST_REST;
        loop {
            tokio::select! {
                () = shutdown.triggered() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.accept(&mut rest) => match accepted {
                    None => {}
                    Some((stream, address)) => match admission.admit(address) {
                        Some(admitted) => {
                            let (service, shutdown) = (Arc::clone(&service), shutdown.clone());
                            connections.spawn(connection::serve(stream, address, admitted, service, shutdown));
                        }
                        None => if let Some(telling) = admission.tell() {
                            connections.spawn(async move {
                                connection::turn_away(stream).await;
                                drop(telling);
                            });
                        },
                    }
                },
            }
        }
        drop(self.listener);
        let flushed =
            timeout(service.limits().drain_deadline, async { while connections.join_next().await.is_some() {} });
        if flushed.await.is_err() {
            tracing::info!(connections = connections.len(), "closing connections that do not read");
            connections.shutdown().await;
        }
    }

    async fn accept(&self, rest: &mut Duration) -> Option<(TcpStream, IpAddr)> {
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                *rest = FIRST_REST;
                Some((stream, peer.ip().to_canonical()))
            }
            Err(err) => {
                tracing::warn!(error = %err, "accepting a connection failed");
                sleep(*rest).await;
                *rest = (*rest * 2).min(LONGEST_REST);
                None
            }
        }
    }
}
