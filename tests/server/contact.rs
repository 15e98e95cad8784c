//! Contacts.

use crate::database;
use crate::helpers::TestServer;

#[tokio::test]
async fn a_contact_is_stored_once_however_often_it_is_added() {
    let server = TestServer::start().await;
    let mut ada = server.register("Ada").await;
    server.register("Bob").await;

    ada.add_contact("bob").await.unwrap();
    ada.add_contact("BOB").await.unwrap();

    let contacts = "select username || ' knows ' || contact from readable_contacts";
    assert_eq!(database::texts(&server.database(), contacts).await, ["Ada knows Bob"]);
}

#[tokio::test]
async fn nobody_adds_themselves_or_somebody_who_is_not_there() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    assert_eq!(ada.add_contact("Ada").await, Err("you cannot be your own contact".to_owned()));
    for name in ["bob", "", "two words", &"x".repeat(1000)] {
        assert_eq!(ada.add_contact(name).await, Err("there is no such user".to_owned()), "{name:?}");
    }
    assert_eq!(database::number(&server.database(), "select count(*) from contacts").await, 0);
}
