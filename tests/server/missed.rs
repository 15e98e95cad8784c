//! What was missed: delivered at the next login, in order, once after a connection that ended well.

use crate::database;
use crate::helpers::{TestServer, content, group_message, whisper};

#[tokio::test]
async fn whispers_and_group_messages_that_were_missed_come_in_one_order_after_the_login() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.create_group("rust").await.unwrap();
    bob.join_group("rust").await.unwrap();
    ada.create_group("go").await.unwrap();
    bob.join_group("go").await.unwrap();
    bob.close().await;

    ada.whisper("bob", "one").await;
    ada.message_group("rust", "two").await;
    ada.message_group("go", "three").await;
    ada.whisper("ada", "not for bob").await;
    ada.whisper("bob", "four").await;
    let mut bob = server.log_in("bob").await;

    let missed = [
        whisper("ada", "one"),
        group_message("rust", "ada", "two"),
        group_message("go", "ada", "three"),
        whisper("ada", "four"),
    ];
    assert_eq!(bob.updates_so_far().await, missed);
}

#[tokio::test]
async fn what_a_well_ended_connection_received_is_not_delivered_again() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;

    for round in 0..20 {
        ada.whisper("bob", &format!("online {round}")).await;
        assert_eq!(bob.next_content().await, format!("online {round}"));
        bob.close().await;
        ada.whisper("bob", &format!("offline {round}")).await;
        bob = server.log_in("bob").await;
        assert_eq!(bob.contents_so_far().await, [format!("offline {round}")]);
    }
}

#[tokio::test]
async fn what_was_received_is_not_delivered_again_after_a_restart() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.whisper("bob", "before").await;
    assert_eq!(bob.next_content().await, "before");

    let server = server.restart().await;
    let mut ada = server.log_in("ada").await;
    ada.whisper("bob", "after").await;
    let mut bob = server.log_in("bob").await;

    assert_eq!(bob.contents_so_far().await, ["after"]);
}

#[tokio::test]
async fn what_is_said_before_a_restart_is_delivered_after_it() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    server.register("bob").await.close().await;
    ada.whisper("bob", "before").await;

    let server = server.restart().await;
    let mut bob = server.log_in("bob").await;

    assert_eq!(bob.contents_so_far().await, ["before"]);
}

#[tokio::test]
async fn a_second_device_is_not_told_again_what_the_first_has_received() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut phone = server.register("bob").await;
    ada.whisper("bob", "for the phone").await;
    assert_eq!(phone.next_content().await, "for the phone");

    // The phone's next request carries the acknowledgement of what it has received.
    assert_eq!(phone.contents_so_far().await, Vec::<String>::new());
    phone.add_contact("ada").await.unwrap();
    let mut laptop = server.log_in("bob").await;

    assert_eq!(laptop.contents_so_far().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_login_that_was_logged_out_has_missed_what_comes_later() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.create_group("rust").await.unwrap();
    bob.join_group("rust").await.unwrap();

    for round in 0..5 {
        bob.log_out().await.unwrap();
        ada.message_group("rust", &format!("{round}")).await;
        bob.log_in("bob").await;
        assert_eq!(bob.contents_so_far().await, [format!("{round}")]);
    }
}

#[tokio::test]
async fn what_was_received_before_a_logout_is_not_delivered_again_anywhere() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut phone = server.register("bob").await;
    let mut laptop = server.connect().await;

    for round in 0..10 {
        ada.whisper("bob", &format!("{round}")).await;
        assert_eq!(phone.next_content().await, format!("{round}"));
        phone.log_out().await.unwrap();
        laptop.log_in("bob").await;
        assert_eq!(laptop.contents_so_far().await, Vec::<String>::new());
        laptop.log_out().await.unwrap();
        phone.log_in("bob").await;
        assert_eq!(phone.contents_so_far().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_connection_may_serve_one_user_after_another() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    server.register("bob").await.close().await;
    let mut shared = server.register("eve").await;
    ada.whisper("bob", "for bob").await;
    ada.whisper("eve", "for eve").await;

    assert_eq!(shared.contents_so_far().await, ["for eve"]);
    shared.log_out().await.unwrap();
    shared.log_in("bob").await;
    assert_eq!(shared.contents_so_far().await, ["for bob"]);
    shared.close().await;

    assert_eq!(server.log_in("bob").await.contents_so_far().await, Vec::<String>::new());
    assert_eq!(server.log_in("eve").await.contents_so_far().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_slow_reader_that_ends_well_is_not_told_again() {
    const MESSAGES: usize = 60;
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    server.register("bob").await.close().await;
    for n in 0..MESSAGES {
        ada.whisper("bob", &format!("{n} {}", "x".repeat(16_000))).await;
    }
    let mut slow = server.connect_with_small_buffer().await;
    slow.log_in("bob").await;

    slow.next_update().await;
    slow.shut_down().await;
    let mut received = 1;
    while slow.try_next_update().await.is_some() {
        received += 1;
        // So slow that the last is acknowledged seconds after it was written.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }

    let missed = server.log_in("bob").await.contents_so_far().await;
    assert!(received > 4, "only {received} were on their way");
    assert_eq!(received + missed.len(), MESSAGES);
}

#[tokio::test]
async fn a_long_absence_is_made_up_for_page_by_page() {
    const MESSAGES: usize = 3000;
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    for group in ["rust", "go", "zig"] {
        ada.create_group(group).await.unwrap();
        bob.join_group(group).await.unwrap();
    }
    bob.close().await;
    let mut said = Vec::new();
    for n in 0..MESSAGES {
        let text = format!("{n} {}", "x".repeat(n % 700));
        let request = match n % 5 {
            0 | 1 => ada.whisper_request("bob", &text),
            2 => ada.message_group_request("rust", &text),
            3 => ada.message_group_request("go", &text),
            _ => ada.whisper_request("ada", &text),
        };
        ada.send(&request).await;
        if n % 5 != 4 {
            said.push(text);
        }
        if n % 50 == 49 {
            for _ in 0..50 {
                ada.next_response().await;
            }
        }
    }

    let mut bob = server.log_in("bob").await;

    assert_eq!(bob.contents_so_far().await, said);
}

#[tokio::test]
async fn a_user_starts_with_what_is_said_after_registration() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    ada.whisper("ada", "before bob").await;

    let mut bob = server.register("bob").await;

    assert_eq!(bob.updates_so_far().await, []);
}

#[tokio::test]
async fn a_broken_connection_loses_no_message_that_its_tcp_had_not_acknowledged() {
    const MESSAGES: usize = 2000;
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    // The client that will break takes this one, and nothing more.
    ada.whisper("bob", "taken").await;
    assert_eq!(bob.next_content().await, "taken");

    let text = "x".repeat(8 * 1024);
    for n in 0..MESSAGES {
        ada.send(&ada.whisper_request("bob", format!("{n} {text}"))).await;
        if n % 50 == 49 {
            for _ in 0..50 {
                ada.next_response().await;
            }
        }
    }
    drop(bob);
    let mut bob = server.log_in("bob").await;

    let numbers: Vec<usize> = bob
        .updates_so_far()
        .await
        .into_iter()
        .map(|update| content(update).split(' ').next().unwrap().parse().unwrap())
        .collect();
    let first = *numbers.first().expect("16 MB do not fit into the buffers of one socket");
    assert_eq!(numbers, (first..MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn marks_are_in_the_database_soon_after_delivery() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    ada.whisper("ada", "one").await;
    ada.next_update().await;

    let saved = async {
        while database::number(&server.database(), "select max(message_id) from delivery_marks").await != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    crate::helpers::within("the mark to be saved", saved).await;
}
