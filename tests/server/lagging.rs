//! Readers that do not keep up: they cost their outbox, hold up nobody, and miss nothing.

use chinwag::protocol::{Framing, Request, Response};

use crate::helpers::{TestClient, TestServer};

/// Twice what fits into an outbox and a socket's buffers.
const MESSAGES: usize = 3000;

fn numbered(n: usize) -> String {
    format!("{n} {}", "x".repeat(4000))
}

async fn say(ada: &mut TestClient, numbers: std::ops::Range<usize>) {
    let mut open = 0;
    for n in numbers {
        ada.send(&ada.message_group_request("rust", numbered(n))).await;
        open += 1;
        if open == 50 {
            for _ in 0..std::mem::take(&mut open) {
                assert_eq!(ada.next_response().await, Response::Done);
            }
        }
    }
    for _ in 0..open {
        assert_eq!(ada.next_response().await, Response::Done);
    }
}

#[tokio::test]
async fn a_member_that_stops_reading_gets_everything_in_order_when_it_reads_again() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut slow = server.register("slow").await;
    let mut quick = server.register("quick").await;
    ada.create_group("rust").await.unwrap();
    slow.join_group("rust").await.unwrap();
    quick.join_group("rust").await.unwrap();

    let reading = tokio::spawn(async move {
        for n in 0..MESSAGES {
            assert_eq!(quick.next_content().await, numbered(n));
        }
    });
    say(&mut ada, 0..MESSAGES).await;
    reading.await.unwrap();

    for n in 0..MESSAGES {
        assert_eq!(slow.next_content().await, numbered(n));
    }
    // It has caught up, so what is said now reaches it as it is said.
    say(&mut ada, MESSAGES..MESSAGES + 10).await;
    for n in MESSAGES..MESSAGES + 10 {
        assert_eq!(slow.next_content().await, numbered(n));
    }
}

#[tokio::test]
async fn a_member_that_reads_now_and_then_misses_nothing_while_others_go_on_talking() {
    let server = TestServer::start_with(|config| config.limits.outbox_bytes = 96 * 1024).await;
    let mut ada = server.register("ada").await;
    let mut slow = server.register("slow").await;
    ada.create_group("rust").await.unwrap();
    slow.join_group("rust").await.unwrap();

    let talking = tokio::spawn(async move {
        say(&mut ada, 0..MESSAGES).await;
    });
    for n in 0..MESSAGES {
        assert_eq!(slow.next_content().await, numbered(n));
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    talking.await.unwrap();
}

#[tokio::test]
async fn a_lagging_connection_is_answered_all_the_same() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut slow = server.register("slow").await;
    ada.create_group("rust").await.unwrap();
    slow.join_group("rust").await.unwrap();
    say(&mut ada, 0..MESSAGES).await;

    slow.add_contact("ada").await.unwrap();

    for n in 0..MESSAGES {
        assert_eq!(slow.next_content().await, numbered(n));
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_responses_is_not_read_any_more_and_hurts_nobody() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut deaf = server.raw().await;
    let request = Request::LogIn { username: "nobody".into(), password: "x".into() }.encode(Framing::Bare);
    let burst = request.repeat(1000);

    let flood = async {
        loop {
            deaf.send(&burst).await;
        }
    };
    let stalled = tokio::time::timeout(std::time::Duration::from_secs(3), flood).await;

    assert!(stalled.is_err());
    ada.whisper("ada", "undisturbed").await;
    assert_eq!(ada.next_content().await, "undisturbed");
}
