//! Random messages: our JSON against prost-reflect's, there and back.

use focusflow_gateway::transcode::EncodeError;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost_reflect::DynamicMessage;
use serde_json::Value;

use super::generator::{Tape, message};
use crate::transcoding::contract::{TRANSCODER, decoded, descriptor, encoded, index, oracle, try_encoded};

fn tape() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..3_000)
}

fn sink(tape: &mut Tape<'_>) -> DynamicMessage {
    message(&descriptor("Sink"), tape, 0)
}

/// Where two values first differ, and how.
fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(mine), Value::Object(other)) if mine.keys().eq(other.keys()) => {
            let mut members = mine.iter().zip(other.values());
            members.find_map(|((key, mine), other)| Some(format!(".{key}{}", difference(mine, other)?)))
        }
        (Value::Array(mine), Value::Array(other)) if mine.len() == other.len() => {
            let mut elements = mine.iter().zip(other).enumerate();
            elements.find_map(|(place, (mine, other))| Some(format!("[{place}]{}", difference(mine, other)?)))
        }
        _ => (ours != theirs).then(|| format!(": ours {ours}, theirs {theirs}")),
    }
}

/// The top-level records of a message, tags included.
fn records(wire: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire_type) = decode_key(&mut rest).unwrap();
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).unwrap();
        records.push(&start[..start.len() - rest.remaining()]);
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_look_as_prost_reflect_shows_them(bytes in tape()) {
        let sink = sink(&mut Tape::new(&bytes));
        prop_assert_eq!(difference(&encoded("Sink", &sink.encode_to_vec()), &oracle(&sink)), None);
    }

    #[test]
    fn messages_come_back_from_our_json(bytes in tape()) {
        let sink = sink(&mut Tape::new(&bytes));
        let json = encoded("Sink", &sink.encode_to_vec()).to_string();
        prop_assert_eq!(difference(&oracle(&decoded("Sink", &json)), &oracle(&sink)), None);
        let as_sent = DynamicMessage::decode(descriptor("Sink"), sink.encode_to_vec().as_slice()).unwrap();
        prop_assert!(decoded("Sink", &json) == as_sent, "they differ where JSON does not show it");
    }

    #[test]
    fn the_order_of_records_changes_only_what_protobuf_says(bytes in tape(), order in vec(any::<u8>(), 0..400)) {
        let wire = sink(&mut Tape::new(&bytes)).encode_to_vec();
        let mut records = records(&wire);
        let mut order = Tape::new(&order);
        for place in (1..records.len()).rev() {
            records.swap(place, order.below(place + 1));
        }
        let shuffled = records.concat();
        let expected = DynamicMessage::decode(descriptor("Sink"), shuffled.as_slice()).unwrap();
        prop_assert_eq!(difference(&encoded("Sink", &shuffled), &oracle(&expected)), None);
    }

    #[test]
    fn messages_in_pieces_are_merged(bytes in tape(), more in tape()) {
        let mut wire = sink(&mut Tape::without_any(&bytes)).encode_to_vec();
        sink(&mut Tape::without_any(&more)).encode(&mut wire).unwrap();
        let expected = DynamicMessage::decode(descriptor("Sink"), wire.as_slice()).unwrap();
        match try_encoded("Sink", &wire) {
            Ok(ours) => prop_assert_eq!(difference(&ours, &oracle(&expected)), None),
            // The seconds of one piece and the nanoseconds of another may differ in sign.
            Err(error) => {
                let message = "google.protobuf.Duration".to_owned();
                prop_assert_eq!(error, EncodeError::NoJsonForm { message });
            }
        }
    }

    #[test]
    fn no_bytes_make_the_encoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        if TRANSCODER.plan().encode(index("Sink"), &bytes, &mut out).is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in "[\\[\\]{}\":,a-z@0-9.\\-enul ]{0,60}") {
        if let Ok(wire) = TRANSCODER.plan().decode(index("Sink"), text.as_bytes()) {
            prop_assert!(DynamicMessage::decode(descriptor("Sink"), wire.as_slice()).is_ok());
        }
    }
}
