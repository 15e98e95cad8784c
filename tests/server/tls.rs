//! The same wire, encrypted.

use std::time::Duration;

use chinwag::client::{Client, ClientError};
use chinwag::protocol::Framing;
use chinwag::server::Server;
use tokio_rustls::rustls::RootCertStore;

use crate::helpers::{PASSWORD, TestServer, group_message, whisper, within, write_certificate};

#[tokio::test]
async fn people_talk_over_tls_as_they_do_without() {
    let server = TestServer::start_tls(|_| ()).await;
    let mut ada = server.connect_tls(Framing::Array).await.unwrap();
    let mut bob = server.connect_tls(Framing::Bare).await.unwrap();
    let mut eve = server.register("eve").await;
    for (client, name) in [(&mut ada, "ada"), (&mut bob, "bob")] {
        client.register(name).await.unwrap();
        client.log_in(name).await;
    }
    ada.create_group("rust").await.unwrap();
    bob.join_group("rust").await.unwrap();
    eve.join_group("rust").await.unwrap();

    let long = "x".repeat(16 * 1024);
    ada.whisper("bob", &long).await;
    bob.message_group("rust", "hello").await;

    assert_eq!(bob.next_update().await, whisper("ada", &long));
    for client in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(client.next_update().await, group_message("rust", "bob", "hello"));
    }
}

#[tokio::test]
async fn what_was_received_over_tls_is_not_delivered_again() {
    let server = TestServer::start_tls(|_| ()).await;
    let mut ada = server.register("ada").await;
    let mut bob = server.connect_tls(Framing::Array).await.unwrap();
    bob.register("bob").await.unwrap();
    bob.log_in("bob").await;

    for round in 0..10 {
        ada.whisper("bob", &format!("online {round}")).await;
        assert_eq!(bob.next_content().await, format!("online {round}"));
        bob.close().await;
        ada.whisper("bob", &format!("offline {round}")).await;
        bob = server.connect_tls(Framing::Array).await.unwrap();
        bob.log_in("bob").await;
        assert_eq!(bob.contents_so_far().await, [format!("offline {round}")]);
    }
}

#[tokio::test]
async fn a_client_talks_to_nobody_whose_certificate_it_does_not_trust() {
    let server = TestServer::start_tls(|_| ()).await;
    let address = server.tls.as_ref().unwrap().address;

    let distrusted =
        within("a handshake", Client::connect_tls(address, "localhost", RootCertStore::empty(), Framing::Bare)).await;

    assert!(matches!(distrusted, Err(ClientError::Connect(_))), "{distrusted:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_then_on_and_nobody_is_dropped() {
    let server = TestServer::start_tls(|_| ()).await;
    let mut before = server.connect_tls(Framing::Array).await.unwrap();
    before.register("ada").await.unwrap();
    before.log_in("ada").await;
    write_certificate(server.database().parent().unwrap());
    assert!(server.connect_tls(Framing::Array).await.is_err(), "the old certificate is still shown");

    server.tls.as_ref().unwrap().certificate.reload().unwrap();

    let mut after = server.connect_tls(Framing::Array).await.unwrap();
    after.log_in("ada").await;
    after.whisper("ada", "hello").await;
    assert_eq!(before.next_content().await, "hello");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_again_leaves_the_old_one() {
    let server = TestServer::start_tls(|_| ()).await;
    let key = server.database().with_file_name("key.pem");
    let good = std::fs::read(&key).unwrap();

    for bad in [&b"no key at all"[..], b""] {
        std::fs::write(&key, bad).unwrap();
        assert!(server.tls.as_ref().unwrap().certificate.reload().is_err());
    }
    std::fs::write(&key, good).unwrap();

    let mut client = server.connect_tls(Framing::Array).await.unwrap();
    client.register_with("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn bad_files_are_refused_at_the_start_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let good = write_certificate(directory.path());
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty.pem"), "").unwrap();
    std::fs::create_dir(path("other")).unwrap();
    let other = write_certificate(&path("other"));

    for (certificate, key, expected) in [
        (path("missing.pem"), good.key.clone(), "cannot read"),
        (path("empty.pem"), good.key.clone(), "holds no certificate in PEM form"),
        (good.certificate.clone(), path("empty.pem"), "holds no private key in PEM form"),
        (good.certificate.clone(), other.key, "do not go together"),
    ] {
        let mut config = TestServer::start().await.config();
        config.tls = Some(chinwag::config::TlsConfig { certificate, key, ..good.clone() });
        let refused = Server::start(&config).await.unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up_and_plain_bytes_are_no_handshake() {
    let server = TestServer::start_tls(|config| config.limits.first_request_deadline = Duration::from_secs(1)).await;
    let address = server.tls.as_ref().unwrap().address;
    let mut witness = server.connect_tls(Framing::Array).await.unwrap();
    witness.register("ada").await.unwrap();
    witness.log_in("ada").await;

    for bytes in [&b""[..], b"\x16\x03\x01", b"\xa6logout\xa3ada", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut raw = server.raw_at(address).await;
        raw.send(bytes).await;
        // Whatever TLS says of it, the connection ends.
        raw.ends().await;
    }

    witness.whisper("ada", "undisturbed").await;
}
