//! The kitchen contract, and shorthands for it.

use std::sync::LazyLock;

use focusflow_gateway::transcode::{EncodeError, Incoming, Lookup, Match, MessageIndex, RequestError, Transcoder};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

pub(crate) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let includes = [format!("{manifest}/tests/gateway/transcoding"), format!("{manifest}/../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("kitchen.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
});

pub(crate) static TRANSCODER: LazyLock<Transcoder> = LazyLock::new(|| Transcoder::new(&POOL).unwrap());

pub(crate) fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("kitchen.v1.{name}")).unwrap()
}

pub(crate) fn index(name: &str) -> MessageIndex {
    TRANSCODER.plan().message_index(&format!("kitchen.v1.{name}")).unwrap()
}

/// Our JSON of wire bytes.
pub(crate) fn encoded(name: &str, wire: &[u8]) -> Value {
    try_encoded(name, wire).unwrap()
}

pub(crate) fn try_encoded(name: &str, wire: &[u8]) -> Result<Value, EncodeError> {
    let mut out = Vec::new();
    TRANSCODER.plan().encode(index(name), wire, &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out))))
}

/// What our wire bytes of a JSON text hold.
pub(crate) fn decoded(name: &str, json: &str) -> DynamicMessage {
    let wire = TRANSCODER.plan().decode(index(name), json.as_bytes()).unwrap();
    DynamicMessage::decode(descriptor(name), wire.as_slice()).unwrap()
}

/// Why we refuse a JSON text, as `path: description`.
pub(crate) fn refused(name: &str, json: &str) -> String {
    TRANSCODER.plan().decode(index(name), json.as_bytes()).unwrap_err().to_string()
}

/// The JSON that prost-reflect makes, with the same fields shown.
pub(crate) fn oracle(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().skip_default_fields(false);
    // Through text, as a float becomes a double, with the noise this brings, on its way into a `Value`.
    let mut text = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// As [`oracle`], but only what is set.
pub(crate) fn set_fields(message: &DynamicMessage) -> Value {
    serde_json::to_value(message).unwrap()
}

/// The route of a verb and path, which must exist.
pub(crate) fn found(verb: &str, path: &str) -> Match {
    match TRANSCODER.find(verb, path) {
        Lookup::Found(matched) => matched,
        other => panic!("{verb} {path}: {other:?}"),
    }
}

/// A request as curl would name it: `found` on its path, its query and its body.
pub(crate) fn request(line: &str, body: &str) -> Result<DynamicMessage, RequestError> {
    let (verb, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let matched = found(verb, path);
    let incoming = Incoming { query, content_type: None, body: body.as_bytes() };
    let wire = TRANSCODER.request(&matched, incoming)?;
    let method = &TRANSCODER.route(&matched).method;
    let method_name = method.rsplit('/').next().unwrap();
    let service = POOL.get_service_by_name("kitchen.v1.Kitchen").unwrap();
    let input = service.methods().find(|method| method.name() == method_name).unwrap().input();
    Ok(DynamicMessage::decode(input, wire).unwrap())
}

/// The fields that a request sets.
pub(crate) fn bound(line: &str, body: &str) -> Value {
    set_fields(&request(line, body).unwrap_or_else(|error| panic!("{line}: {error}")))
}

/// Why a request is refused, as `field: description`.
pub(crate) fn unbound(line: &str, body: &str) -> String {
    request(line, body).unwrap_err().to_string()
}
