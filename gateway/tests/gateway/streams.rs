//! Streams over REST.

mod formats;
mod raw;
mod resumption;
mod uploads;

use serde_json::Value;

use crate::support::client::Answer;

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(notes: &[Value]) -> Vec<&str> {
    notes.iter().map(|note| note["name"].as_str().unwrap()).collect()
}
