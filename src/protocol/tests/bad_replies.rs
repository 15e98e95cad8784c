//! What a client makes of a server that does not speak this wire.

use super::*;
use crate::protocol::Update;

#[test]
fn a_reply_that_is_none_is_told_from_one_that_is_not_whole() {
    let not_replies: &[&[&[u8]]] = &[
        &[&[7], &[0xc3]],
        &[&short_text("request"), &[0xc3]],
        &[&short_text("response"), &[0xc0]],
        &[&short_text("response"), &short_text("true")],
        &[&short_text("response"), &[0xc2], &[7]],
        &[&short_text("update"), &short_text("whisper"), &short_text("ada"), &[7]],
    ];
    for framing in FRAMINGS {
        for objects in not_replies {
            let decoded = decode_replies(framing, [Action::Whisper], [&*frame(framing, objects)]);
            assert_eq!(decoded, Err(CodecError::NotAReply), "{framing:?} {objects:02x?}");
        }
        let cut_off = &Response::Refused(Refused::because("why")).encode(framing)[..12];
        assert_eq!(decode_replies(framing, [Action::Whisper], [cut_off]), Ok(vec![]));
    }
}

#[test]
fn an_update_that_is_not_known_is_passed_over_where_an_array_says_where_it_ends() {
    let dance: &[&[u8]] = &[&short_text("update"), &short_text("dance"), &[7], &[0x80]];
    let unknown = FromServer::Update(Update::Unknown { action: "dance".to_owned() });

    let decoded = FRAMINGS.map(|framing| decode_replies(framing, [Action::Whisper], [&*frame(framing, dance)]));

    assert_eq!(decoded, [Err(CodecError::NotAReply), Ok(vec![unknown])]);
}

#[test]
fn an_array_with_too_few_or_too_many_objects_is_no_reply() {
    let response = short_text("response");
    let not_replies: &[&[&[u8]]] = &[
        &[],
        &[&response],
        &[&response, &[0xc2]],
        &[&response, &[0xc3], &short_text("ada"), &short_text("token")],
        &[&short_text("update"), &short_text("whisper"), &short_text("ada")],
        &[&short_text("update"), &short_text("whisper"), &short_text("ada"), &short_text("hi"), &short_text("there")],
    ];
    for objects in not_replies {
        let decoded = decode_replies(Framing::Array, [Action::Whisper], [&*frame(Framing::Array, objects)]);
        assert_eq!(decoded, Err(CodecError::NotAReply), "{objects:02x?}");
    }
}
