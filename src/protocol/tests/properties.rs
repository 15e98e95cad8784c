//! What holds for any strings, any bytes, and any pieces in which they arrive.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::protocol::Update;

/// Texts of any characters, and long ones, whose headers differ.
fn any_text() -> impl Strategy<Value = String> {
    let long = (any::<char>(), 0..700_usize).prop_map(|(letter, times)| letter.to_string().repeat(times));
    prop_oneof![3 => any::<String>(), 1 => long]
}

fn any_request() -> impl Strategy<Value = Request<'static>> {
    (select(&Action::VERSION_1[..]), [any_text(), any_text(), any_text(), any_text()])
        .prop_map(|(action, texts)| request(action, texts))
}

fn any_reply() -> impl Strategy<Value = FromServer> {
    prop_oneof![
        Just(FromServer::Response(Response::Done)),
        any_text().prop_map(|why| FromServer::Response(Response::Refused(Refused::because(why)))),
        (any_text(), any_text()).prop_map(|(username, token)| {
            FromServer::Response(Response::LoggedIn { username, token: token.into(), head: None })
        }),
        (any_text(), any_text()).prop_map(|(sender, content)| FromServer::Update(Update::Whisper {
            sender,
            content,
            stamp: None
        })),
        (any_text(), any_text(), any_text()).prop_map(|(group_name, sender, content)| {
            FromServer::Update(Update::GroupMessage { group_name, sender, content, stamp: None })
        }),
    ]
}

fn any_framing() -> impl Strategy<Value = Framing> {
    select(&FRAMINGS[..])
}

fn any_cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// Bytes of any kind: noise, noise of short objects and heads, and requests of which one byte is wrong.
fn any_bytes() -> impl Strategy<Value = (Framing, Vec<u8>)> {
    let noise = vec(any::<u8>(), 0..200);
    let heads = vec(prop_oneof![0x80..=0xa3_u8, 0xc0..=0xdf_u8, 0x00..=0x03_u8], 0..200);
    prop_oneof![
        (any_framing(), noise),
        (any_framing(), heads),
        (any_framing(), vec(any_request(), 1..4), any::<Index>(), any::<u8>()).prop_map(spoil),
    ]
}

fn spoil((framing, requests, place, byte): (Framing, Vec<Request>, Index, u8)) -> (Framing, Vec<u8>) {
    let mut bytes: Vec<u8> = requests.iter().flat_map(|request| request.encode(framing)).collect();
    *place.get_mut(&mut bytes) = byte;
    (framing, bytes)
}

pub(super) fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}

/// How a text may be written: `bin` or `str`, with a length in so many bytes.
#[derive(Debug, Clone, Copy)]
struct Format {
    is_bin: bool,
    width: usize,
}

fn any_format() -> impl Strategy<Value = Format> {
    (any::<bool>(), select(vec![1, 2, 4])).prop_map(|(is_bin, width)| Format { is_bin, width })
}

fn write_text(text: &str, format: Format) -> Vec<u8> {
    let (head, width) = match (format.width, text.len()) {
        (1, 0..=0xff) => (0, 1),
        (1 | 2, 0..=0xffff) => (1, 2),
        _ => (2, 4),
    };
    let family = if format.is_bin { 0xc4 } else { 0xd9 };
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[family + head], &length[4 - width..], text.as_bytes()].concat()
}

fn write_array_head(count: u8, width: usize) -> Vec<u8> {
    match width {
        1 => vec![0x90 | count],
        2 => vec![0xdc, 0, count],
        _ => vec![0xdd, 0, 0, 0, count],
    }
}

/// `action` and its arguments in the given formats, whose last is that of the array's head.
fn write_request(framing: Framing, action: Action, texts: &[String; 4], formats: &[Format; 6]) -> Vec<u8> {
    let objects = std::iter::once(action.name()).chain(texts.iter().map(String::as_str)).take(1 + action.arity());
    let objects: Vec<u8> = objects.zip(formats).flat_map(|(text, format)| write_text(text, *format)).collect();
    match framing {
        Framing::Bare => objects,
        Framing::Array => {
            let count = u8::try_from(1 + action.arity()).unwrap();
            [write_array_head(count, formats[5].width), objects].concat()
        }
    }
}

proptest! {
    #[test]
    fn a_request_of_any_strings_is_read_as_it_was_written(request in any_request(), framing in any_framing()) {
        let bytes = request.encode(framing);

        let decoded = RequestDecoder::new(framing, LIMITS).decode(&bytes, true);

        prop_assert_eq!(decoded, Some((Ok(request), bytes.len())));
    }

    #[test]
    fn requests_that_arrive_in_pieces_are_the_requests_that_were_sent(
        requests in vec(any_request(), 0..6),
        framing in any_framing(),
        cuts in any_cuts(),
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| request.encode(framing)).collect();

        let decoded = decode_requests(framing, cut(&bytes, &cuts));

        prop_assert_eq!(decoded, requests.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_byte_of_a_request_chooses_its_framing(request in any_request(), framing in any_framing()) {
        prop_assert_eq!(Framing::of(request.encode(framing)[0]), framing);
    }

    #[test]
    fn any_bytes_are_the_same_in_pieces_as_at_once((framing, bytes) in any_bytes(), cuts in any_cuts()) {
        let at_once = decode_requests(framing, [&*bytes]);

        let in_pieces = decode_requests(framing, cut(&bytes, &cuts));
        let byte_by_byte = decode_requests(framing, bytes.chunks(1));

        prop_assert_eq!(&in_pieces, &at_once);
        prop_assert_eq!(&byte_by_byte, &at_once);
    }

    #[test]
    fn any_bytes_of_a_stranger_are_the_same_in_pieces_as_at_once((framing, bytes) in any_bytes(), cuts in any_cuts()) {
        let limits = RequestLimits { max_bytes: 400, stranger_max_bytes: 30 };
        let decode = |pieces: Vec<&[u8]>| decode_requests_within(framing, limits, false, pieces);

        let at_once = decode(vec![&*bytes]);

        prop_assert_eq!(&decode(cut(&bytes, &cuts)), &at_once);
        prop_assert_eq!(&decode(bytes.chunks(1).collect()), &at_once);
    }

    #[test]
    fn nothing_is_called_no_messagepack_but_the_byte_that_is_none((framing, bytes) in any_bytes()) {
        let decoded = decode_requests(framing, [&*bytes]);

        let is_undefined = decoded.last() == Some(&Err(CodecError::NotMessagePack));
        prop_assert!(!is_undefined || bytes.contains(&0xc1), "{:02x?}", bytes);
    }

    #[test]
    fn a_decoder_takes_no_more_than_it_is_given((framing, bytes) in any_bytes()) {
        if let Some((_, length)) = RequestDecoder::new(framing, LIMITS).decode(&bytes, true) {
            prop_assert!((1..=bytes.len()).contains(&length));
        }
    }

    #[test]
    fn the_format_of_a_text_does_not_matter(
        action in select(&Action::VERSION_1[..]),
        texts in [any_text(), any_text(), any_text(), any_text()],
        formats in [any_format(), any_format(), any_format(), any_format(), any_format(), any_format()],
        framing in any_framing(),
    ) {
        let bytes = write_request(framing, action, &texts, &formats);

        let decoded = decode_requests(framing, [&*bytes]);

        prop_assert_eq!(decoded, [Ok(request(action, texts))]);
    }

    #[test]
    fn replies_that_arrive_in_pieces_are_the_replies_that_were_sent(
        replies in vec(any_reply(), 0..6),
        framing in any_framing(),
        cuts in any_cuts(),
    ) {
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| encode_reply(reply, framing)).collect();
        let awaited: Vec<Action> = replies.iter().filter_map(asked_for).collect();

        let decoded = decode_replies(framing, awaited, cut(&bytes, &cuts));

        prop_assert_eq!(decoded, Ok(replies));
    }

    #[test]
    fn a_login_may_be_refused_and_updates_may_come_before_its_response(
        replies in vec(any_reply(), 0..4),
        framing in any_framing(),
    ) {
        let is_answer = |reply: &FromServer| *reply != FromServer::Response(Response::Done);
        let replies: Vec<FromServer> = replies.into_iter().filter(is_answer).collect();
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| encode_reply(reply, framing)).collect();

        let decoded = decode_replies(framing, [Action::LogIn; 4], [&*bytes]);

        prop_assert_eq!(decoded, Ok(replies));
    }

    #[test]
    fn any_bytes_of_a_server_are_the_same_in_pieces_as_at_once(
        bytes in vec(any::<u8>(), 0..60),
        replies in vec(any_reply(), 0..3),
        framing in any_framing(),
        cuts in any_cuts(),
    ) {
        let bytes = [replies.iter().flat_map(|reply| encode_reply(reply, framing)).collect(), bytes].concat();
        let awaited: Vec<Action> = replies.iter().filter_map(asked_for).collect();

        let at_once = decode_replies(framing, awaited.clone(), [&*bytes]);
        let in_pieces = decode_replies(framing, awaited, cut(&bytes, &cuts));

        prop_assert_eq!(in_pieces, at_once);
    }
}
