//! The messages of `google.protobuf` whose JSON is not an object with a key for each field.

use serde_json::{Value, json};

/// How a well-known message looks as JSON; `None` for any other message.
pub(super) fn schema(full_name: &str) -> Option<Value> {
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({"type": "string", "format": "date-time"}),
        "Duration" => json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}),
        "Struct" => json!({"type": "object"}),
        "Value" => json!({}),
        "ListValue" => json!({"type": "array"}),
        "Any" => json!({
            "type": "object",
            "description": "A message of any type. `@type` names it; the other keys are its fields.",
            "properties": {"@type": {"type": "string"}},
        }),
        "DoubleValue" => double("double"),
        "FloatValue" => double("float"),
        "Int64Value" => int64(true),
        "UInt64Value" => int64(false),
        "Int32Value" => json!({"type": "integer", "format": "int32"}),
        "UInt32Value" => json!({"type": "integer", "format": "uint32", "minimum": 0}),
        "BoolValue" => json!({"type": "boolean"}),
        "FieldMask" | "StringValue" => json!({"type": "string"}),
        "BytesValue" => bytes(),
        _ => return None,
    })
}

/// Whether text can hold the message, so that it can be a parameter.
pub(super) fn is_text(full_name: &str) -> bool {
    !matches!(
        full_name.strip_prefix("google.protobuf."),
        None | Some("Struct" | "Value" | "ListValue" | "Any" | "Empty")
    ) && schema(full_name).is_some()
}

/// A number of which JSON cannot print all values as numbers.
pub(super) fn double(format: &str) -> Value {
    json!({"anyOf": [{"type": "number", "format": format}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
}

/// A string, because numbers of JSON are doubles to most readers.
pub(super) fn int64(is_signed: bool) -> Value {
    if is_signed {
        json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"})
    } else {
        json!({"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"})
    }
}

pub(super) fn bytes() -> Value {
    json!({"type": "string", "contentEncoding": "base64"})
}
