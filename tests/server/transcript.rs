//! Version 1 of the wire, byte for byte as it was frozen. The transcripts were not made by this codec.

use std::collections::HashMap;

use crate::helpers::{RawClient, TestServer};

const TOKEN: &str = "{token}";
const TOKEN_BYTES: usize = 36;

struct Connection {
    raw: RawClient,
    token: Vec<u8>,
}

/// The bytes of a line, with the connection's token where it stands.
fn bytes(line: &str, token: &[u8]) -> Vec<u8> {
    let word = |word: &str| if word == TOKEN { token.to_vec() } else { hex(word) };
    line.split(' ').flat_map(word).collect()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

async fn receive(connection: &mut Connection, line: &str, number: usize) {
    if line == "closed" {
        assert!(connection.raw.receive_to_end().await.is_empty(), "line {number}");
        return;
    }
    // A login's response brings a new token, which stands at its end.
    let is_login = line.ends_with(TOKEN);
    let length = bytes(line, &[0; TOKEN_BYTES]).len();
    let received = connection.raw.receive(length).await;
    if is_login {
        connection.token = received[length - TOKEN_BYTES..].to_vec();
    }
    assert_eq!(received, bytes(line, &connection.token), "line {number}: {line}");
}

async fn replay(transcript: &str) {
    let server = TestServer::start().await;
    let mut connections: HashMap<&str, Connection> = HashMap::new();
    let mut lines = 0;
    for (index, line) in transcript.lines().enumerate() {
        let Some((name, line)) = line.split_once(' ').filter(|(name, _)| name.len() == 1 && *name != "#") else {
            continue;
        };
        lines += 1;
        if !connections.contains_key(name) {
            connections.insert(name, Connection { raw: server.raw().await, token: Vec::new() });
        }
        let connection = connections.get_mut(name).unwrap();
        match line.split_at(2) {
            ("> ", line) => connection.raw.send(&bytes(line, &connection.token)).await,
            ("< ", line) => receive(connection, line, index + 1).await,
            _ => panic!("line {} is neither sent nor received", index + 1),
        }
    }
    assert!(lines > 50, "the transcript has {lines} lines");
}

#[tokio::test]
async fn bare_framing_is_what_it_was() {
    replay(include_str!("transcripts/bare.txt")).await;
}

#[tokio::test]
async fn array_framing_is_what_it_was() {
    replay(include_str!("transcripts/array.txt")).await;
}
