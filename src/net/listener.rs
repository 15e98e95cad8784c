//! Accepting connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::acknowledged::Awaited;
use super::admission::Admission;
use super::connection::{self, Context};
use super::tls::Tls;
use crate::service::Service;
use crate::shutdown::Shutdown;

/// How long accepting rests after it failed, as it does without descriptors or memory: doubling from the first to the last.
const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted; the system may allow fewer. After a restart all come back at once, and who finds no
/// room is tried again by their TCP only a second later.
const BACKLOG: u32 = 4096;

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds `address`; port 0 takes any free port. With `tls`, connections begin with a handshake.
    ///
    /// # Errors
    /// The system's, when the address is not ours or in use.
    pub fn bind(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // What is left of the connections of an earlier server does not count.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls })
    }

    /// Whether connections here are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The address, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until `shutdown`; then waits for them to flush, at most as long as the limits say.
    pub async fn run(self, service: Arc<Service>, admission: Arc<Admission>, mut shutdown: Shutdown) {
        let awaited = Arc::new(Awaited::default());
        let context = Context {
            service: Arc::clone(&service),
            shutdown: shutdown.clone(),
            awaited: Arc::clone(&awaited),
            tls: self.tls.clone(),
        };
        // Ends with this.
        let mut watching = JoinSet::new();
        watching.spawn(awaited.watch());
        let mut connections = JoinSet::new();
        let mut rest = FIRST_REST;
        loop {
            tokio::select! {
                () = shutdown.triggered() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.accept(&mut rest) => if let Some((stream, address)) = accepted {
                    receive(stream, address, &admission, &context, &mut connections);
                },
            }
        }
        drop((self.listener, context));
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

/// Serves a connection if there is a place for it. One that there is none for is told so, but not over TLS: a handshake is
/// what a flood would be after.
fn receive(
    stream: TcpStream,
    address: IpAddr,
    admission: &Admission,
    context: &Context,
    connections: &mut JoinSet<()>,
) {
    if let Some(admitted) = admission.admit(address) {
        connections.spawn(connection::serve(stream, address, admitted, context.clone()));
    } else if context.tls.is_none()
        && let Some(telling) = admission.tell()
    {
        connections.spawn(async move {
            connection::turn_away(stream).await;
            drop(telling);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hundreds_may_wait_to_be_accepted() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();

        let mut waiting = Vec::new();
        for n in 0..500 {
            let connected = timeout(Duration::from_secs(5), TcpStream::connect(listener.address())).await;
            waiting.push(connected.unwrap_or_else(|_| panic!("no room for connection {n}")).unwrap());
        }
    }
}
