//! Making a connection to a server, encrypted or not.

use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::ClientError;

/// A silent server is asked whether it is there after half a minute, and given up half a minute later. Who only listens would
/// never learn otherwise that a machine is gone, or that a router has forgotten the connection.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// What a client talks over: TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

pub(super) async fn tcp(address: impl ToSocketAddrs) -> Result<TcpStream, ClientError> {
    let stream = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    Ok(stream)
}

pub(super) async fn tls(
    address: impl ToSocketAddrs,
    name: &str,
    trusted: RootCertStore,
) -> Result<TlsStream<TcpStream>, ClientError> {
    let name = server_name(name)?;
    let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let stream = tcp(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(ClientError::Connect)
}

/// Whether `name` is one that a server can have.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, ClientError> {
    ServerName::try_from(name.to_owned()).map_err(|_| ClientError::Name(name.to_owned()))
}
