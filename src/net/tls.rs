//! TLS: certificates from files, read again when asked, and handshakes with a deadline.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;

/// Handshakes at once. Each costs a signature; the rest of a flood waits, and its deadline runs.
const HANDSHAKES: usize = 16;

/// What a server shows of itself. Clones share one certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    current: Arc<RwLock<Arc<ServerConfig>>>,
    handshakes: Arc<Semaphore>,
}

/// Where the certificate and its key are: PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Certificate and key cannot be used. Each text says which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds nothing that is needed.
    #[error("{} holds no {what} in PEM form", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// The two do not belong together, or are of a kind that is not known.
    #[error("the certificate {} and the key {} do not go together", certificate.display(), key.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = Arc::new(RwLock::new(read(&files)?));
        Ok(Self { files: Arc::new(files), current, handshakes: Arc::new(Semaphore::new(HANDSHAKES)) })
    }

    /// Reads them again, for connections from now on; those that are there go on.
    ///
    /// # Errors
    /// [`TlsError`]; what was shown so far is shown further on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let renewed = read(&self.files)?;
        *self.current.write().expect("nothing panics under this lock") = renewed;
        Ok(())
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, socket: Socket, deadline: Duration) -> io::Result<TlsStream<Socket>> {
        let shaking = async {
            let _turn = self.handshakes.acquire().await.expect("nobody closes this semaphore");
            let current = Arc::clone(&self.current.read().expect("nothing panics under this lock"));
            TlsAcceptor::from(current).accept(socket).await
        };
        timeout(deadline, shaking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let nothing = |path: &Path, what| TlsError::Nothing { path: path.to_owned(), what };
    let (certificate, key) = (bytes(&files.certificate)?, bytes(&files.key)?);
    let chain: Result<Vec<CertificateDer<'static>>, pem::Error> =
        CertificateDer::pem_slice_iter(&certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| nothing(&files.certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| nothing(&files.key, "private key"))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    config.map(Arc::new).map_err(|source| TlsError::Mismatch {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
