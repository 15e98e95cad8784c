//! Whispers: who receives them, and who does not.

use chinwag::protocol::Framing;

use crate::helpers::{TestServer, whisper, within};

#[tokio::test]
async fn a_whisper_reaches_every_device_of_the_recipient_and_nobody_else() {
    let server = TestServer::start().await;
    let mut ada = server.register("Ada").await;
    let mut phone = server.register_framed("bob", Framing::Bare).await;
    let mut laptop = server.log_in("bob").await;
    let mut eve = server.register("eve").await;

    ada.whisper("BOB", "hello").await;

    assert_eq!(phone.next_update().await, whisper("Ada", "hello"));
    assert_eq!(laptop.next_update().await, whisper("Ada", "hello"));
    assert_eq!(eve.updates_so_far().await, []);
    assert_eq!(ada.updates_so_far().await, []);
}

/// To few, who delivers writes itself, so these are more than that.
#[tokio::test]
async fn a_whisper_reaches_more_connections_than_are_written_to_in_their_place() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let bob = server.register_2("bob").await;
    let login = bob.login();
    let mut devices = vec![bob];
    while devices.len() < 150 {
        let mut device = server.resume(&login).await;
        device.sync(login.head.as_deref()).await.unwrap();
        assert!(device.updates_until_synced().await.is_empty());
        devices.push(device);
    }

    ada.whisper("bob", "hello").await;

    for device in &mut devices {
        assert_eq!(device.next_content().await, "hello");
    }
}

#[tokio::test]
async fn a_whisper_to_oneself_reaches_all_of_ones_devices() {
    let server = TestServer::start().await;
    let mut phone = server.register("ada").await;
    let mut laptop = server.log_in("ada").await;

    phone.whisper("ada", "note").await;

    assert_eq!(phone.next_update().await, whisper("ada", "note"));
    assert_eq!(laptop.next_update().await, whisper("ada", "note"));
}

#[tokio::test]
async fn content_is_kept_byte_for_byte() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let longest = "x".repeat(16 * 1024);

    for text in
        ["\0", "a\0b\0", " spaces ", "\r\n", "cafe\u{301}", "\u{feff}", "'); drop table users; --", "\"\\", &longest]
    {
        ada.whisper("ada", text).await;
        assert_eq!(ada.next_content().await, text);
    }
    drop(ada.log_out().await);
    let mut other = server.connect().await;
    other.register("bob").await.unwrap();
    let mut bob = server.log_in("bob").await;
    for text in ["\0", "a\0b\0", "\u{feff}", &longest] {
        bob.whisper("ada", text).await;
    }
    ada.log_in("ada").await;
    assert_eq!(ada.contents_so_far().await, ["\0", "a\0b\0", "\u{feff}", &longest]);
}

#[tokio::test]
async fn whispers_that_cannot_be_are_refused_with_the_reason() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    assert_eq!(ada.try_whisper("bob", "hello").await, Err("there is no such user".to_owned()));
    assert_eq!(ada.try_whisper("ada", "").await, Err("content is empty".to_owned()));
    let too_long = "x".repeat(16 * 1024 + 1);
    assert_eq!(ada.try_whisper("ada", &too_long).await, Err("content is over 16384 bytes".to_owned()));
    assert_eq!(ada.updates_so_far().await, []);
}

#[tokio::test]
async fn two_hundred_connections_of_one_user_all_receive() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut devices = vec![server.register("bob").await];
    for _ in 1..200 {
        devices.push(server.log_in("bob").await);
    }

    for text in ["one", "two", "three"] {
        ada.whisper("bob", text).await;
    }

    for device in &mut devices {
        for text in ["one", "two", "three"] {
            assert_eq!(device.next_content().await, text);
        }
    }
}

#[tokio::test]
async fn receivers_agree_on_the_order() {
    const EACH: usize = 50;
    let server = TestServer::start().await;
    let mut phone = server.register("bob").await;
    let mut laptop = server.log_in("bob").await;
    let mut senders = Vec::new();
    for name in ["ada", "eve", "joe", "kim"] {
        let mut sender = server.register(name).await;
        senders.push(tokio::spawn(async move {
            for n in 0..EACH {
                sender.whisper("bob", &format!("{n}")).await;
            }
        }));
    }

    let mut orders = [Vec::new(), Vec::new()];
    for (device, order) in [&mut phone, &mut laptop].into_iter().zip(&mut orders) {
        for _ in 0..EACH * senders.len() {
            order.push(format!("{:?}", device.next_update().await));
        }
    }
    for sender in senders {
        within("a sender", sender).await.unwrap();
    }

    assert_eq!(orders[0], orders[1]);
}
