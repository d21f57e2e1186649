//! What converting between protobuf and JSON costs: the gateway's way, and by way of a message object.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use focusflow_gateway::transcode::{Incoming, Lookup, Match, Transcoder};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use crate::payload;
use crate::statistics::median;

/// How often each conversion is timed.
const ROUNDS: usize = 15;

/// How long one timing lasts at least.
const ROUND: Duration = Duration::from_millis(40);

/// One conversion, both ways of doing it.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// What is converted to what.
    pub(crate) what: &'static str,
    /// By the gateway's tables, in nanoseconds.
    pub(crate) gateway_ns: f64,
    /// By `prost_reflect::DynamicMessage` and `serde_json`, in nanoseconds.
    pub(crate) dynamic_ns: f64,
}

/// Times all conversions.
pub(crate) fn measure() -> anyhow::Result<Vec<Conversion>> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let transcoder = Transcoder::new(&pool)?;
    Ok(vec![
        Conversion {
            what: "a task to JSON",
            ..answer(&transcoder, &pool, "/api/v1/tasks/1", "Task", &payload::task().encode_to_vec())?
        },
        Conversion {
            what: "50 tasks to JSON",
            ..answer(&transcoder, &pool, "/api/v1/tasks", "ListTasksResponse", &payload::page().encode_to_vec())?
        },
        Conversion { what: "JSON to a task", ..request_of_one(&transcoder, &pool)? },
        Conversion { what: "JSON to 50 tasks", ..request_of_fifty(&transcoder, &pool)? },
    ])
}

fn answer(
    transcoder: &Transcoder,
    pool: &DescriptorPool,
    path: &str,
    message: &str,
    bytes: &[u8],
) -> anyhow::Result<Conversion> {
    let descriptor = descriptor(pool, message)?;
    let matched = found(transcoder, "GET", path)?;
    let route = transcoder.route(&matched);
    let ours = transcoder.response(route, bytes)?.body;
    ensure!(same_json(&ours, &dynamic_json(&descriptor, bytes)?)?, "the two ways to JSON disagree on {message}");
    Ok(Conversion {
        what: "",
        gateway_ns: nanoseconds(|| transcoder.response(route, black_box(bytes)).is_ok()),
        dynamic_ns: nanoseconds(|| dynamic_json(&descriptor, black_box(bytes)).is_ok()),
    })
}

fn request_of_one(transcoder: &Transcoder, pool: &DescriptorPool) -> anyhow::Result<Conversion> {
    let json = dynamic_json(&descriptor(pool, "Task")?, &payload::task().encode_to_vec())?;
    question(transcoder, "/api/v1/tasks", &descriptor(pool, "Task")?, &json)
}

fn request_of_fifty(transcoder: &Transcoder, pool: &DescriptorPool) -> anyhow::Result<Conversion> {
    let request = focusflow_proto::v1::BatchCreateTasksRequest {
        requests: payload::page()
            .tasks
            .into_iter()
            .map(|task| focusflow_proto::v1::CreateTaskRequest { task: Some(task), request_id: String::new() })
            .collect(),
    };
    let descriptor = descriptor(pool, "BatchCreateTasksRequest")?;
    let json = dynamic_json(&descriptor, &request.encode_to_vec())?;
    question(transcoder, "/api/v1/tasks:batchCreate", &descriptor, &json)
}

fn question(transcoder: &Transcoder, path: &str, body: &MessageDescriptor, json: &[u8]) -> anyhow::Result<Conversion> {
    let matched = found(transcoder, "POST", path)?;
    let incoming = Incoming { body: json, ..Incoming::default() };
    transcoder.request(&matched, incoming)?;
    Ok(Conversion {
        what: "",
        gateway_ns: nanoseconds(|| transcoder.request(black_box(&matched), black_box(incoming)).is_ok()),
        dynamic_ns: nanoseconds(|| dynamic_bytes(body, black_box(json)).is_ok()),
    })
}

fn dynamic_json(descriptor: &MessageDescriptor, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes)?;
    let mut json = serde_json::Serializer::new(Vec::with_capacity(bytes.len() * 2));
    message.serialize_with_options(&mut json, &SerializeOptions::new().skip_default_fields(false))?;
    Ok(json.into_inner())
}

fn dynamic_bytes(descriptor: &MessageDescriptor, json: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Ok(DynamicMessage::deserialize(descriptor.clone(), &mut deserializer)?.encode_to_vec())
}

fn descriptor(pool: &DescriptorPool, message: &str) -> anyhow::Result<MessageDescriptor> {
    pool.get_message_by_name(&format!("focusflow.v1.{message}")).with_context(|| format!("no message {message}"))
}

fn found(transcoder: &Transcoder, verb: &str, path: &str) -> anyhow::Result<Match> {
    match transcoder.find(verb, path) {
        Lookup::Found(matched) => Ok(matched),
        other => anyhow::bail!("{verb} {path} leads to {other:?}"),
    }
}

fn same_json(left: &[u8], right: &[u8]) -> anyhow::Result<bool> {
    let parse = serde_json::from_slice::<serde_json::Value>;
    Ok(parse(left)? == parse(right)?)
}

/// The median time of one call.
fn nanoseconds(mut call: impl FnMut() -> bool) -> f64 {
    let mut calls = 1_u32;
    while timed(&mut call, calls) < ROUND {
        calls *= 2;
    }
    median((0..ROUNDS).map(|_| timed(&mut call, calls).as_secs_f64() * 1e9 / f64::from(calls)))
}

fn timed(call: &mut impl FnMut() -> bool, calls: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed()
}
