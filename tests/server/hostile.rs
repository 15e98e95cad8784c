//! Bad input: answered or closed, and nobody else notices.

use std::time::Duration;

use chinwag::protocol::{Framing, Request, Response};

use crate::helpers::{PASSWORD, RawClient, TestClient, TestServer, refused};

const WRONG_TYPE: &str = "every argument of this action is a string";
const WRONG_COUNT: &str = "this action takes another number of arguments";
const UNKNOWN_ACTION: &str = "there is no such action";
const ACTION_NOT_STRING: &str = "a request begins with its action, a string";
const NOT_AN_ARRAY: &str = "on this connection every request is an array, as the first one was";
const NOT_UTF8: &str = "strings are UTF-8";
const NOT_MESSAGE_PACK: &str = "this is not MessagePack";
/// What a stranger is told; who is known may send more.
const TOO_LARGE: &str = "a request has at most 4096 bytes";
const TOO_DEEP: &str = "objects are nested too deeply";

/// A server on which somebody is online who must not notice anything.
struct Scene {
    server: TestServer,
    witness: TestClient,
    over_tls: bool,
}

impl Scene {
    /// One on which bytes travel as they are, and one on which they travel over TLS.
    async fn both() -> [Self; 2] {
        [Self::new(false).await, Self::new(true).await]
    }

    async fn new(over_tls: bool) -> Self {
        let server = TestServer::start_tls(|_| ()).await;
        let witness = server.register("witness").await;
        Self { server, witness, over_tls }
    }

    async fn raw(&self) -> RawClient {
        if self.over_tls { self.server.raw_tls().await } else { self.server.raw().await }
    }

    async fn undisturbed(&mut self) {
        self.witness.whisper("witness", "still here").await;
        assert_eq!(self.witness.contents_so_far().await, ["still here"]);
    }

    /// Sends `bytes` on a connection of their own, which must be refused and closed.
    async fn is_refused_and_closed(&mut self, framing: Framing, bytes: &[u8], why: &str) {
        let mut raw = self.raw().await;
        raw.send(bytes).await;
        assert_eq!(raw.receive_to_end().await, refused(framing, why), "{why}: {:02x?}", &bytes[..bytes.len().min(80)]);
        self.undisturbed().await;
    }

    /// Sends `bytes`, which must be refused on a connection that goes on.
    async fn is_refused_and_goes_on(&mut self, framing: Framing, bytes: &[u8], why: &str) {
        let mut raw = self.raw().await;
        raw.send(bytes).await;
        let expected = refused(framing, why);
        assert_eq!(raw.receive(expected.len()).await, expected, "{why}: {bytes:02x?}");
        goes_on(&mut raw, framing).await;
        self.undisturbed().await;
    }
}

async fn goes_on(raw: &mut RawClient, framing: Framing) {
    let request = Request::LogOut { username: "witness".into() };
    raw.send(&request.encode(framing)).await;
    let expected = refused(framing, "this connection is not logged in as that user");
    assert_eq!(raw.receive(expected.len()).await, expected);
}

fn array(objects: &[&[u8]]) -> Vec<u8> {
    let head = 0x90 | u8::try_from(objects.len()).unwrap();
    [&[head], objects.concat().as_slice()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

#[tokio::test]
async fn an_argument_of_the_wrong_type_is_refused_and_the_connection_goes_on() {
    for mut scene in Scene::both().await {
        let others: &[&[u8]] = &[
            &[7],
            &[0xc0],
            &[0xc3],
            &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x92, 1, 0xa1, 0xff],
            &[0x81, 0xa1, b'k', 0x90],
            &[0xd4, 1, 2],
            &[0xc7, 2, 5, 1, 2],
        ];
        for other in others {
            let (action, name) = (text("register"), text("ada"));
            scene.is_refused_and_goes_on(Framing::Bare, &[&action, &name, *other].concat(), WRONG_TYPE).await;
            scene.is_refused_and_goes_on(Framing::Array, &array(&[&action, &name, other]), WRONG_TYPE).await;
        }
    }
}

#[tokio::test]
async fn in_an_array_what_is_not_an_action_or_has_not_its_arguments_is_refused_and_the_connection_goes_on() {
    for mut scene in Scene::both().await {
        for (request, why) in [
            (array(&[&text("logout")]), WRONG_COUNT),
            (array(&[&text("logout"), &text("a"), &text("b")]), WRONG_COUNT),
            (array(&[&text("logout"), &[1], &[2], &[3], &[4], &[5], &[6], &[7]]), WRONG_COUNT),
            (array(&[&text("dance"), &text("a")]), UNKNOWN_ACTION),
            (array(&[&[7], &text("a")]), ACTION_NOT_STRING),
            (array(&[]), ACTION_NOT_STRING),
            (array(&[&[0x92, 1, 2]]), ACTION_NOT_STRING),
        ] {
            scene.is_refused_and_goes_on(Framing::Array, &request, why).await;
        }
    }
}

#[tokio::test]
async fn in_bare_framing_what_is_no_action_ends_the_connection() {
    for mut scene in Scene::both().await {
        scene.is_refused_and_closed(Framing::Bare, &[text("dance"), text("a")].concat(), UNKNOWN_ACTION).await;
        scene.is_refused_and_closed(Framing::Bare, &[7], ACTION_NOT_STRING).await;
        scene
            .is_refused_and_closed(Framing::Bare, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", ACTION_NOT_STRING)
            .await;
        let tls_hello = [0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x00];
        scene.is_refused_and_closed(Framing::Bare, &tls_hello, ACTION_NOT_STRING).await;
    }
}

#[tokio::test]
async fn a_password_is_never_read_as_an_action() {
    for mut scene in Scene::both().await {
        let request = [text("regster"), text("ada"), text("logout"), text("witness")].concat();

        scene.is_refused_and_closed(Framing::Bare, &request, UNKNOWN_ACTION).await;
    }
}

#[tokio::test]
async fn after_an_array_every_request_is_an_array() {
    for mut scene in Scene::both().await {
        let request = array(&[&text("logout"), &text("a")]);
        let mut raw = scene.raw().await;

        raw.send(&[request, text("logout")].concat()).await;

        let expected = [
            refused(Framing::Array, "this connection is not logged in as that user"),
            refused(Framing::Array, NOT_AN_ARRAY),
        ];
        assert_eq!(raw.receive_to_end().await, expected.concat());
        scene.undisturbed().await;
    }
}

#[tokio::test]
async fn what_cannot_be_followed_ends_the_connection_in_both_framings() {
    for mut scene in Scene::both().await {
        let bad_arguments: &[(&[u8], &str)] = &[
            (&[0xa2, 0xc3, 0x28], NOT_UTF8),
            (&[0xc4, 2, 0xc3, 0x28], NOT_UTF8),
            (&[0xc1], NOT_MESSAGE_PACK),
            (&[0x91, 0xc1], NOT_MESSAGE_PACK),
            (&[0xdb, 0xff, 0xff, 0xff, 0xff], TOO_LARGE),
            (&[0xc6, 0xff, 0xff, 0xff, 0xff], TOO_LARGE),
            (&[0xc9, 0xff, 0xff, 0xff, 0xff], TOO_LARGE),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], TOO_LARGE),
            (&[0xdf, 0xff, 0xff, 0xff, 0xff], TOO_LARGE),
            (&[0x91; 9], TOO_DEEP),
            (&[0x81; 20], TOO_DEEP),
        ];
        for (argument, why) in bad_arguments {
            let bare = [&text("logout"), *argument].concat();
            scene.is_refused_and_closed(Framing::Bare, &bare, why).await;
            scene.is_refused_and_closed(Framing::Array, &array(&[&text("logout"), argument]), why).await;
        }
        scene.is_refused_and_closed(Framing::Array, &[0xdd, 0xff, 0xff, 0xff, 0xff], TOO_LARGE).await;
        scene.is_refused_and_closed(Framing::Array, &vec![0x91; 64 * 1024], TOO_DEEP).await;
        scene.is_refused_and_closed(Framing::Bare, &[0xc1], NOT_MESSAGE_PACK).await;
    }
}

#[tokio::test]
async fn a_refusal_arrives_although_the_client_goes_on_sending() {
    for mut scene in Scene::both().await {
        let mut flood = vec![0xc1];
        flood.extend(vec![0; 60_000]);

        for _ in 0..20 {
            scene.is_refused_and_closed(Framing::Bare, &flood, NOT_MESSAGE_PACK).await;
        }
    }
}

#[tokio::test]
async fn text_in_a_bin_is_text() {
    for scene in Scene::both().await {
        let bin = |text: &str| [&[0xc4, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let mut raw = scene.raw().await;

        raw.send(&[bin("register"), bin("ada"), bin(PASSWORD)].concat()).await;

        let done = Response::Done.encode(Framing::Bare);
        assert_eq!(raw.receive(done.len()).await, done);
    }
}

#[tokio::test]
async fn a_request_that_comes_a_byte_at_a_time_is_answered() {
    for scene in Scene::both().await {
        for (framing, name) in [(Framing::Bare, "ada"), (Framing::Array, "bob")] {
            let mut raw = scene.raw().await;
            let request = Request::Register { username: name.into(), password: PASSWORD.into() };

            for byte in request.encode(framing) {
                raw.send(&[byte]).await;
            }

            let done = Response::Done.encode(framing);
            assert_eq!(raw.receive(done.len()).await, done);
        }
    }
}

#[tokio::test]
async fn a_request_that_does_not_arrive_in_time_ends_the_connection() {
    let server = TestServer::start_with(|config| config.limits.request_deadline = Duration::from_secs(1)).await;
    let mut witness = server.register("witness").await;
    for (framing, start) in [(Framing::Bare, text("logout")), (Framing::Array, vec![0x92, 0xa6])] {
        let mut raw = server.raw().await;

        raw.send(&start).await;

        assert_eq!(raw.receive_to_end().await, refused(framing, "the request took too long to arrive"));
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    witness.whisper("witness", "idle is not slow").await;
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let server = TestServer::start_with(|config| config.limits.drain_deadline = Duration::from_secs(3600)).await;
    let witness = server.register("witness").await;
    let mut scene = Scene { server, witness, over_tls: false };
    for n in 0..200 {
        let mut raw = scene.raw().await;
        match n % 4 {
            0 => {}
            1 => raw.send(&[0x95]).await,
            2 => raw.send(&text("whisper")).await,
            _ => raw.shut_down().await,
        }
    }
    scene.undisturbed().await;
    drop(scene.witness);
    // Were one of them left, stopping would wait for it for longer than this test waits for anything.
    scene.server.stop().await;
}
