//! Bad input, row by row: what it is called, and whether the connection goes on.

use std::time::{Duration, Instant};

use super::*;

const TOO_LARGE: CodecError = CodecError::TooLarge { max_bytes: MAX_BYTES };

/// An object of every format that is neither `str` nor `bin`.
const NO_STRINGS: &[&[u8]] = &[
    &[0x00],
    &[0x7f],
    &[0xe0],
    &[0xff],
    &[0xc0],
    &[0xc2],
    &[0xc3],
    &[0xcc, 1],
    &[0xcd, 1, 2],
    &[0xce, 1, 2, 3, 4],
    &[0xcf, 0xff, 2, 3, 4, 5, 6, 7, 8],
    &[0xd0, 0x81],
    &[0xd1, 0x81, 2],
    &[0xd2, 0x81, 2, 3, 4],
    &[0xd3, 0x81, 2, 3, 4, 5, 6, 7, 8],
    &[0xca, 0x7f, 0xc0, 0, 0],
    &[0xcb, 0x40, 2, 3, 4, 5, 6, 7, 8],
    &[0x90],
    &[0x92, 1, 0xa1, b'a'],
    &[0xdc, 0, 1, 0xc0],
    &[0xdd, 0, 0, 0, 1, 0xc0],
    &[0x80],
    &[0x81, 0xa1, b'k', 0x90],
    &[0xde, 0, 1, 1, 0xca, 0, 0, 0, 0],
    &[0xdf, 0, 0, 0, 1, 0xc0, 0xc4, 1, 9],
    &[0xd4, 5, 1],
    &[0xd5, 5, 1, 2],
    &[0xd6, 0xff, 1, 2, 3, 4],
    &[0xd7, 0xff, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xd8, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    &[0xc7, 0, 5],
    &[0xc7, 2, 5, 0xc3, 0x28],
    &[0xc8, 0, 1, 5, 9],
    &[0xc9, 0, 0, 0, 1, 5, 9],
    &[0x92, 0xd4, 5, 0xff, 0x81, 0xd4, 5, 0xff, 0xc7, 0, 5],
];

/// Objects with strings inside that are not UTF-8.
const NOT_UTF8_INSIDE: &[&[u8]] = &[
    &[0x91, 0xa1, 0xff],
    &[0x91, 0xd9, 2, 0xc3, 0x28],
    &[0x91, 0xc4, 1, 0xff],
    &[0x81, 0xa1, 0xff, 0xa1, 0xfe],
    &[0x92, 0x81, 0xa1, 0xff, 0x91, 0xa1, 0xff, 1],
];

const NOT_UTF8: &[&[u8]] = &[
    &[0xa1, 0xff],
    &[0xa2, 0xc3, 0x28],
    &[0xa3, 0xed, 0xa0, 0x80],
    &[0xd9, 2, b'a', 0xc3],
    &[0xda, 0, 1, 0xff],
    &[0xdb, 0, 0, 0, 1, 0xff],
    &[0xc4, 2, 0xc3, 0x28],
    &[0xc5, 0, 1, 0xff],
    &[0xc6, 0, 0, 0, 1, 0xff],
];

const CLAIMS_OF_4_GIB: [u8; 5] = [0xdb, 0xc6, 0xc9, 0xdd, 0xdf];

fn log_out() -> Request<'static> {
    Request::LogOut { username: "ada".into() }
}

fn decode_with_one_more(framing: Framing, bytes: &[u8]) -> Vec<Result<Request<'static>, CodecError>> {
    decode_requests(framing, [bytes, &log_out().encode(framing)])
}

/// `bytes` are refused, and the request behind them is read.
fn is_refused_and_goes_on(framing: Framing, bytes: &[u8], err: CodecError) {
    assert_eq!(decode_with_one_more(framing, bytes), [Err(err), Ok(log_out())], "{framing:?} {bytes:02x?}");
}

/// `bytes` are refused, and nothing behind them is read.
fn is_refused_and_closed(framing: Framing, bytes: &[u8], err: CodecError) {
    let shown = &bytes[..bytes.len().min(80)];
    assert_eq!(decode_with_one_more(framing, bytes), [Err(err)], "{framing:?} {shown:02x?}");
    assert!(err.ends_connection(framing), "{framing:?} {err:?}");
}

/// Neither refused nor taken.
fn is_waited_for(framing: Framing, bytes: &[u8]) {
    assert_eq!(decode_requests(framing, [bytes]), [], "{framing:?} {bytes:02x?}");
}

#[test]
fn an_array_at_the_start_chooses_array_framing_and_nothing_else_does() {
    for byte in 0..=0xff {
        let is_array_head = (0x90..=0x9f).contains(&byte) || byte == 0xdc || byte == 0xdd;
        let expected = if is_array_head { Framing::Array } else { Framing::Bare };
        assert_eq!(Framing::of(byte), expected, "{byte:02x}");
    }
}

#[test]
fn an_argument_of_any_other_type_is_refused_and_the_connection_goes_on() {
    for framing in FRAMINGS {
        for object in NO_STRINGS {
            let first = frame(framing, &[&short_text("logout"), object]);
            let last = frame(framing, &[&short_text("register"), &short_text("ada"), object]);
            is_refused_and_goes_on(framing, &first, CodecError::WrongType);
            is_refused_and_goes_on(framing, &last, CodecError::WrongType);
        }
    }
}

#[test]
fn a_wrong_number_of_arguments_is_refused_and_the_connection_goes_on() {
    for action in Action::VERSION_1 {
        for count in (0..9).filter(|&count| count != action.arity()) {
            let mut objects = vec![short_text(action.name())];
            objects.resize(1 + count, short_text("a"));
            let objects: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
            is_refused_and_goes_on(Framing::Array, &frame(Framing::Array, &objects), CodecError::WrongCount);
        }
    }
}

#[test]
fn a_wrong_number_of_arguments_is_told_before_what_is_wrong_with_them() {
    for argument in [&[7][..], &[0xa1, 0xff]] {
        let request = frame(Framing::Array, &[&short_text("register"), argument]);
        is_refused_and_goes_on(Framing::Array, &request, CodecError::WrongCount);
    }
}

#[test]
fn the_first_wrong_argument_decides() {
    for framing in FRAMINGS {
        let type_first = frame(framing, &[&short_text("login"), &[7], &[0xa1, 0xff]]);
        let text_first = frame(framing, &[&short_text("login"), &[0xa1, 0xff], &[7]]);
        is_refused_and_goes_on(framing, &type_first, CodecError::WrongType);
        is_refused_and_closed(framing, &text_first, CodecError::NotUtf8);
    }
}

#[test]
fn an_unknown_action_ends_only_a_bare_connection() {
    for name in ["dance", "", "Login", "login ", "loginlogin"] {
        let objects: &[&[u8]] = &[&short_text(name), &short_text("ada")];
        is_refused_and_closed(Framing::Bare, &frame(Framing::Bare, objects), CodecError::UnknownAction);
        is_refused_and_goes_on(Framing::Array, &frame(Framing::Array, objects), CodecError::UnknownAction);
    }
}

#[test]
fn an_action_that_is_no_string_ends_only_a_bare_connection() {
    for object in NO_STRINGS.iter().chain(NOT_UTF8_INSIDE) {
        let objects: &[&[u8]] = &[object, &short_text("ada")];
        is_refused_and_closed(Framing::Bare, &frame(Framing::Bare, objects), CodecError::ActionNotString);
        is_refused_and_goes_on(Framing::Array, &frame(Framing::Array, objects), CodecError::ActionNotString);
    }
}

#[test]
fn an_empty_array_is_refused_and_the_connection_goes_on() {
    for empty in [&[0x90][..], &[0xdc, 0, 0], &[0xdd, 0, 0, 0, 0]] {
        is_refused_and_goes_on(Framing::Array, empty, CodecError::ActionNotString);
    }
}

#[test]
fn a_request_that_is_no_array_ends_an_array_framed_connection_at_its_first_byte() {
    for byte in (0..=0xff).filter(|&byte| Framing::of(byte) == Framing::Bare) {
        is_refused_and_closed(Framing::Array, &[byte], CodecError::NotAnArray);
    }
}

#[test]
fn text_that_is_not_utf8_ends_the_connection_where_it_is_used() {
    for framing in FRAMINGS {
        for object in NOT_UTF8 {
            is_refused_and_closed(framing, &frame(framing, &[object, &short_text("ada")]), CodecError::NotUtf8);
            is_refused_and_closed(framing, &frame(framing, &[&short_text("logout"), object]), CodecError::NotUtf8);
        }
    }
}

#[test]
fn text_that_is_not_utf8_does_not_matter_where_it_is_skipped() {
    for framing in FRAMINGS {
        for object in NOT_UTF8_INSIDE {
            let request = frame(framing, &[&short_text("logout"), object]);
            is_refused_and_goes_on(framing, &request, CodecError::WrongType);
        }
    }
}

#[test]
fn the_undefined_byte_ends_the_connection_wherever_an_object_begins() {
    for framing in FRAMINGS {
        for object in [&[0xc1][..], &[0x91, 0xc1], &[0x82, 1, 2, 3, 0xc1]] {
            is_refused_and_closed(framing, &frame(framing, &[object]), CodecError::NotMessagePack);
            is_refused_and_closed(
                framing,
                &frame(framing, &[&short_text("logout"), object]),
                CodecError::NotMessagePack,
            );
        }
    }
}

#[test]
fn a_claim_of_4_gib_is_refused_by_its_header() {
    for framing in FRAMINGS {
        for head in CLAIMS_OF_4_GIB {
            let claim = [head, 0xff, 0xff, 0xff, 0xff];
            is_refused_and_closed(framing, &frame(framing, &[&claim]), TOO_LARGE);
            is_refused_and_closed(framing, &frame(framing, &[&short_text("logout"), &claim]), TOO_LARGE);
            is_refused_and_closed(framing, &frame(framing, &[&short_text("logout"), &[0x91], &claim]), TOO_LARGE);
        }
    }
    is_refused_and_closed(Framing::Array, &[0xdd, 0xff, 0xff, 0xff, 0xff], TOO_LARGE);
}

/// A whisper of so many bytes, its content in a `str 16`.
fn whisper_of(framing: Framing, size_bytes: usize) -> Vec<u8> {
    let objects = [short_text("whisper"), short_text("ada"), short_text("token"), short_text("bob")].concat();
    let head: &[u8] = if framing == Framing::Array { &[0x95] } else { &[] };
    let content_bytes = size_bytes - head.len() - objects.len() - 3;
    let length = u16::try_from(content_bytes).unwrap().to_be_bytes();
    [head, &objects, &[0xda], &length, &vec![b'x'; content_bytes]].concat()
}

#[test]
fn a_request_of_the_limit_is_read_and_one_byte_more_is_refused() {
    for framing in FRAMINGS {
        let longest = whisper_of(framing, MAX_BYTES);
        let decoded = decode_with_one_more(framing, &longest);
        assert!(matches!(&decoded[..], [Ok(Request::Whisper { .. }), Ok(_)]), "{framing:?}");

        is_refused_and_closed(framing, &whisper_of(framing, MAX_BYTES + 1), TOO_LARGE);
    }
}

#[test]
fn a_length_within_the_limit_is_waited_for() {
    for framing in FRAMINGS {
        for claim in [[0xdb, 0, 0, 0xf0, 0], [0xc6, 0, 0, 0xf0, 0], [0xdd, 0, 0, 0xf0, 0], [0xdf, 0, 0, 0x70, 0]] {
            is_waited_for(framing, &frame(framing, &[&short_text("logout"), &claim]));
        }
    }
}

#[test]
fn a_truncated_request_is_waited_for() {
    let texts = ["ada", "token", "bob", "hi"].map(str::to_owned);
    for framing in FRAMINGS {
        for action in Action::VERSION_1 {
            let request = request(action, texts.clone()).encode(framing);
            for end in 0..request.len() {
                is_waited_for(framing, &request[..end]);
            }
        }
    }
}

/// `depth` arrays or maps within one another.
fn nested(head: u8, depth: usize) -> Vec<u8> {
    let opening: &[u8] = if head == 0x81 { &[0x81, 0xc0] } else { &[0x91] };
    [&opening.repeat(depth - 1)[..], &[head & 0xf0]].concat()
}

#[test]
fn eight_levels_are_skipped_and_nine_are_refused() {
    for head in [0x91, 0x81] {
        for (framing, own_levels) in [(Framing::Bare, 0), (Framing::Array, 1)] {
            let deepest = frame(framing, &[&short_text("logout"), &nested(head, 8 - own_levels)]);
            let too_deep = frame(framing, &[&short_text("logout"), &nested(head, 9 - own_levels)]);
            is_refused_and_goes_on(framing, &deepest, CodecError::WrongType);
            is_refused_and_closed(framing, &too_deep, CodecError::TooDeep);
        }
    }
}

#[test]
fn a_depth_bomb_is_refused() {
    for framing in FRAMINGS {
        for head in [0x91, 0x81] {
            let bomb = vec![head; MAX_BYTES];
            is_refused_and_closed(
                framing,
                &[frame(framing, &[&short_text("logout"), &bomb])].concat(),
                CodecError::TooDeep,
            );
        }
        is_refused_and_closed(framing, &vec![0x91; MAX_BYTES], CodecError::TooDeep);
    }
}

/// Far more than linear work takes, far less than quadratic work would.
const PATIENCE: Duration = Duration::from_secs(2);

/// A logout of the limit's size whose argument is an array of small objects.
fn many_objects(framing: Framing) -> Vec<u8> {
    let before = frame(framing, &[&short_text("logout"), &[0xdc]]);
    let count = MAX_BYTES - before.len() - 2;
    [&before, &u16::try_from(count).unwrap().to_be_bytes()[..], &vec![1; count]].concat()
}

#[test]
fn a_long_request_that_comes_a_byte_at_a_time_is_linear_work() {
    for framing in FRAMINGS {
        for request in [whisper_of(framing, MAX_BYTES), many_objects(framing)] {
            let begun = Instant::now();
            let decoded = decode_requests(framing, request.chunks(1));
            let took = begun.elapsed();

            assert_eq!(decoded, decode_requests(framing, [&*request]));
            assert_eq!(decoded.len(), 1);
            assert!(took < PATIENCE, "{framing:?}: {took:?}");
        }
    }
}
