//! How much of what was written to a socket its peer's TCP has not acknowledged: a request to the system.

use tokio::net::TcpStream;

/// Units: bytes, counting one for an end of stream that was sent and not acknowledged. `None` where it cannot be told.
///
/// Source: tcp(7), SIOCOUTQ.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "SIOCOUTQ has no safe wrapper in the standard library")]
pub(super) fn unacknowledged_bytes(stream: &TcpStream) -> Option<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `stream` is borrowed, and SIOCOUTQ (TIOCOUTQ for a terminal: one number)
    // writes one int to where it is pointed.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (result == 0).then(|| u64::try_from(bytes).ok()).flatten()
}

/// Elsewhere what is written counts as acknowledged.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged_bytes(_: &TcpStream) -> Option<u64> {
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_the_peer_has_read_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        assert_eq!(unacknowledged_bytes(&server), Some(0));

        server.write_all(&[7; 1000]).await.unwrap();
        client.read_exact(&mut [0; 1000]).await.unwrap();

        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while unacknowledged_bytes(&server) != Some(0) {
            assert!(tokio::time::Instant::now() < deadline, "the acknowledgement never came");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_no_buffer_of_the_peer_holds_is_not_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();

        while server.try_write(&[7; 65_536]).is_ok() {}

        assert!(unacknowledged_bytes(&server).is_some_and(|bytes| bytes > 0));
    }
}
