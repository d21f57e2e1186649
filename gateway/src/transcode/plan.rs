//! The contract's messages as flat tables, made once at start-up, so that transcoding looks nothing up by reflection.

use std::collections::HashMap;

use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor};

use super::wire::WireType;

/// Which message of a [`Plan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageIndex(usize);

/// Which enum of a [`Plan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnumIndex(usize);

/// The tables of a whole contract.
#[derive(Debug)]
pub struct Plan {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: HashMap<String, MessageIndex>,
}

/// A message's fields and how it looks as JSON.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// By field number, as encoders write them.
    pub(super) fields: Vec<Field>,
    /// Slot `n` holds the place in `fields` of field number `n`, for the small numbers that nearly all fields have.
    slots: Vec<Option<usize>>,
    by_name: HashMap<Box<str>, usize>,
    /// Brings an unusual encoding (split, repeated or interleaved records) into the usual form.
    pub(super) descriptor: MessageDescriptor,
}

/// How a message looks as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object with a key for each field.
    Plain,
    /// `google.protobuf.Empty`: an object, but special inside an `Any`.
    Empty,
    /// `google.protobuf.Timestamp`: RFC 3339.
    Timestamp,
    /// `google.protobuf.Duration`: decimal seconds and an `s`.
    Duration,
    /// `google.protobuf.FieldMask`: paths joined by commas.
    FieldMask,
    /// A wrapper such as `google.protobuf.Int64Value`: the value of its only field.
    Wrapper,
    /// `google.protobuf.Struct`: any object.
    Struct,
    /// `google.protobuf.Value`: any JSON.
    Value,
    /// `google.protobuf.ListValue`: any array.
    ListValue,
    /// `google.protobuf.Any`: a message with its type.
    Any,
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) number: u32,
    /// As declared.
    pub(super) name: Box<str>,
    pub(super) json_name: Box<str>,
    /// `"jsonName":`, escaped.
    pub(super) key: Box<[u8]>,
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// Place of its oneof among the message's, for members of a real oneof.
    pub(super) oneof: Option<usize>,
}

/// Whether a field holds one value or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One value, whose default cannot be told from absence and is therefore always printed.
    Implicit,
    /// One value, which is there or not.
    Explicit,
    /// Many values.
    List { packed: bool },
    /// Many values under keys; the field's kind is that of the values.
    Map { entry: MessageIndex, key: Kind },
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumIndex),
    /// `google.protobuf.NullValue`, which is JSON's null.
    Null,
    Message(MessageIndex),
}

/// An enum's names and numbers.
#[derive(Debug)]
pub(super) struct Enum {
    pub(super) name: String,
    by_number: HashMap<i32, Box<str>>,
    by_name: HashMap<Box<str>, i32>,
}

impl Plan {
    /// Makes the tables of every message in `pool`.
    pub fn new(pool: &DescriptorPool) -> Self {
        let by_name: HashMap<_, _> = pool
            .all_messages()
            .enumerate()
            .map(|(index, message)| (message.full_name().to_owned(), MessageIndex(index)))
            .collect();
        let enums_by_name: HashMap<_, _> =
            pool.all_enums().enumerate().map(|(index, e)| (e.full_name().to_owned(), EnumIndex(index))).collect();
        let names = Names { messages: &by_name, enums: &enums_by_name };
        let messages = pool.all_messages().map(|message| Message::new(message, &names)).collect();
        let enums = pool.all_enums().map(|descriptor| Enum::new(&descriptor)).collect();
        Self { messages, enums, by_name }
    }

    /// The message with this full name, if the contract has it.
    pub fn message_index(&self, full_name: &str) -> Option<MessageIndex> {
        self.by_name.get(full_name).copied()
    }

    pub(super) fn message(&self, index: MessageIndex) -> &Message {
        &self.messages[index.0]
    }

    pub(super) fn enumeration(&self, index: EnumIndex) -> &Enum {
        &self.enums[index.0]
    }

    /// Adds a message that knows only one field of another, which renders that field alone.
    pub(super) fn project(&mut self, index: MessageIndex, place: usize) -> MessageIndex {
        let message = self.message(index);
        let field = message.fields[place].clone();
        let projection =
            Message::from_fields(message.name.clone(), Shape::Plain, vec![field], message.descriptor.clone());
        self.messages.push(projection);
        MessageIndex(self.messages.len() - 1)
    }
}

impl Message {
    fn new(descriptor: MessageDescriptor, names: &Names<'_>) -> Self {
        let mut fields: Vec<_> = descriptor.fields().map(|field| Field::new(&field, names)).collect();
        fields.sort_by_key(|field| field.number);
        Self::from_fields(descriptor.full_name().to_owned(), Shape::of(descriptor.full_name()), fields, descriptor)
    }

    fn from_fields(name: String, shape: Shape, fields: Vec<Field>, descriptor: MessageDescriptor) -> Self {
        const SLOTS_MAX: u32 = 256;
        let slots_count = fields.iter().map(|field| field.number + 1).filter(|&n| n <= SLOTS_MAX).max().unwrap_or(0);
        let mut slots = vec![None; slots_count as usize];
        let mut by_name = HashMap::with_capacity(fields.len() * 2);
        for (place, field) in fields.iter().enumerate() {
            if let Some(slot) = slots.get_mut(field.number as usize) {
                *slot = Some(place);
            }
            by_name.entry(field.name.clone()).or_insert(place);
        }
        // Where one field's JSON name is another's declared name, the JSON name wins.
        for (place, field) in fields.iter().enumerate() {
            by_name.insert(field.json_name.clone(), place);
        }
        Self { name, shape, fields, slots, by_name, descriptor }
    }

    /// The place in `fields` of a field number.
    #[inline]
    pub(super) fn place_of_number(&self, number: u32) -> Option<usize> {
        match self.slots.get(number as usize) {
            Some(slot) => *slot,
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }

    /// The place in `fields` of a JSON or declared name.
    #[inline]
    pub(super) fn place_of_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

impl Shape {
    fn of(full_name: &str) -> Self {
        let Some(name) = full_name.strip_prefix("google.protobuf.") else { return Self::Plain };
        match name {
            "Empty" => Self::Empty,
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapper,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "Any" => Self::Any,
            _ => Self::Plain,
        }
    }
}

impl Field {
    fn new(descriptor: &FieldDescriptor, names: &Names<'_>) -> Self {
        let (kind, form) = match descriptor.kind() {
            prost_reflect::Kind::Message(entry) if descriptor.is_map() => (
                names.kind(&entry.map_entry_value_field().kind()),
                Form::Map { entry: names.message(&entry), key: names.kind(&entry.map_entry_key_field().kind()) },
            ),
            kind => (names.kind(&kind), Form::of(descriptor)),
        };
        let oneof = descriptor.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        Self {
            number: descriptor.number(),
            name: descriptor.name().into(),
            json_name: descriptor.json_name().into(),
            key: format!("{}:", serde_json::Value::from(descriptor.json_name())).into_bytes().into(),
            kind,
            form,
            oneof: oneof.and_then(|oneof| descriptor.parent_message().oneofs().position(|other| other == oneof)),
        }
    }

    /// Whether the field is a single message of this full name.
    pub(super) fn is_message_named(&self, plan: &Plan, full_name: &str) -> bool {
        self.form == Form::Explicit
            && matches!(self.kind, Kind::Message(index) if plan.message(index).name == full_name)
    }

    /// The field's message, if it is a single one with a key for each field.
    pub(super) fn as_plain_message(&self, plan: &Plan) -> Option<MessageIndex> {
        match (self.kind, self.form) {
            (Kind::Message(index), Form::Explicit) if plan.message(index).shape == Shape::Plain => Some(index),
            _ => None,
        }
    }

    /// Whether the field's absence shows, so that it is left out of JSON when it is not set.
    #[inline]
    pub(super) fn is_omitted_when_unset(&self) -> bool {
        self.form == Form::Explicit
    }
}

impl Form {
    fn of(descriptor: &FieldDescriptor) -> Self {
        match descriptor.cardinality() {
            Cardinality::Repeated => Self::List { packed: descriptor.is_packed() },
            _ if descriptor.supports_presence() => Self::Explicit,
            _ => Self::Implicit,
        }
    }
}

impl Kind {
    /// The wire type of one value.
    #[inline]
    pub(super) fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::Message(_) => WireType::Length,
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Bool
            | Self::Enum(_)
            | Self::Null => WireType::Varint,
        }
    }
}

impl Enum {
    fn new(descriptor: &EnumDescriptor) -> Self {
        let mut by_number = HashMap::new();
        let mut by_name = HashMap::new();
        for value in descriptor.values() {
            // Of aliases the first declared is the one that is printed.
            by_number.entry(value.number()).or_insert_with(|| value.name().into());
            by_name.insert(value.name().into(), value.number());
        }
        Self { name: descriptor.full_name().to_owned(), by_number, by_name }
    }

    pub(super) fn name_of(&self, number: i32) -> Option<&str> {
        self.by_number.get(&number).map(AsRef::as_ref)
    }

    pub(super) fn number_of(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }
}

/// Indices by full name, while the tables are made.
struct Names<'a> {
    messages: &'a HashMap<String, MessageIndex>,
    enums: &'a HashMap<String, EnumIndex>,
}

impl Names<'_> {
    fn message(&self, descriptor: &MessageDescriptor) -> MessageIndex {
        self.messages[descriptor.full_name()]
    }

    fn kind(&self, kind: &prost_reflect::Kind) -> Kind {
        match kind {
            prost_reflect::Kind::Double => Kind::Double,
            prost_reflect::Kind::Float => Kind::Float,
            prost_reflect::Kind::Int32 => Kind::Int32,
            prost_reflect::Kind::Int64 => Kind::Int64,
            prost_reflect::Kind::Uint32 => Kind::Uint32,
            prost_reflect::Kind::Uint64 => Kind::Uint64,
            prost_reflect::Kind::Sint32 => Kind::Sint32,
            prost_reflect::Kind::Sint64 => Kind::Sint64,
            prost_reflect::Kind::Fixed32 => Kind::Fixed32,
            prost_reflect::Kind::Fixed64 => Kind::Fixed64,
            prost_reflect::Kind::Sfixed32 => Kind::Sfixed32,
            prost_reflect::Kind::Sfixed64 => Kind::Sfixed64,
            prost_reflect::Kind::Bool => Kind::Bool,
            prost_reflect::Kind::String => Kind::String,
            prost_reflect::Kind::Bytes => Kind::Bytes,
            prost_reflect::Kind::Enum(e) if e.full_name() == "google.protobuf.NullValue" => Kind::Null,
            prost_reflect::Kind::Enum(e) => Kind::Enum(self.enums[e.full_name()]),
            prost_reflect::Kind::Message(message) => Kind::Message(self.message(message)),
        }
    }
}
