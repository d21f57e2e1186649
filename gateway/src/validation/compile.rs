//! The contract's annotations to tables.

use std::collections::HashMap;

use prost_reflect::{Cardinality, DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor};
use prost_reflect::{Kind, MessageDescriptor, Value};

use super::number::{Bound, Encoding, Number, NumberRules};
use super::rule::{EnumRules, FieldRules, Form, MessageIndex, MessageRules, Range, TextForm, TextRules, ValueRules};
use super::{Error, Rules};
use crate::transcode::wire::WireType;

const FIELD_EXTENSION: &str = "buf.validate.field";

/// What may be said of a message or a oneof as a whole, none of which is known here.
const MESSAGE_EXTENSION: &str = "buf.validate.message";
const ONEOF_EXTENSION: &str = "buf.validate.oneof";

/// Names of values of `buf.validate.Ignore`.
const IF_ZERO_VALUE: i32 = 1;
const ALWAYS: i32 = 3;

/// The tables of all messages that requests can hold.
pub(super) fn rules(pool: &DescriptorPool) -> Result<Rules, Error> {
    // A contract that does not import the annotations has no constraints, which is no mistake.
    let Some(extension) = pool.get_extension_by_name(FIELD_EXTENSION) else { return Ok(Rules::default()) };
    let methods: Vec<_> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|m| (path_of(&m), m.input()))
        .collect();
    let compiler = Compiler::new(pool, extension, methods.iter().map(|(_, input)| input.clone()));
    let messages = compiler.messages.iter().map(|message| compiler.message(message)).collect::<Result<_, _>>()?;
    let inputs = methods.into_iter().filter_map(|(path, input)| Some((path, compiler.constrained(&input)?))).collect();
    Ok(Rules { messages, inputs })
}

fn path_of(method: &prost_reflect::MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

struct Compiler {
    extension: ExtensionDescriptor,
    message_extension: Option<ExtensionDescriptor>,
    oneof_extension: Option<ExtensionDescriptor>,
    /// Every message that a request can hold.
    messages: Vec<MessageDescriptor>,
    by_name: HashMap<String, MessageIndex>,
    /// Which of them have constraints, themselves or in what they hold.
    is_constrained: Vec<bool>,
}

impl Compiler {
    fn new(
        pool: &DescriptorPool,
        extension: ExtensionDescriptor,
        inputs: impl Iterator<Item = MessageDescriptor>,
    ) -> Self {
        let mut compiler = Self {
            extension,
            message_extension: pool.get_extension_by_name(MESSAGE_EXTENSION),
            oneof_extension: pool.get_extension_by_name(ONEOF_EXTENSION),
            messages: Vec::new(),
            by_name: HashMap::new(),
            is_constrained: Vec::new(),
        };
        compiler.collect(inputs.collect());
        compiler.find_constrained();
        compiler
    }

    fn collect(&mut self, mut found: Vec<MessageDescriptor>) {
        while let Some(message) = found.pop() {
            if self.by_name.contains_key(message.full_name()) {
                continue;
            }
            found.extend(message.fields().filter_map(|field| message_of(&field)));
            self.by_name.insert(message.full_name().to_owned(), MessageIndex(self.messages.len()));
            self.messages.push(message);
        }
    }

    /// A message has constraints if a field of it has, or holds a message that has.
    fn find_constrained(&mut self) {
        self.is_constrained =
            self.messages.iter().map(|message| message.fields().any(|field| self.is_annotated(&field))).collect();
        loop {
            let newly: Vec<usize> = (0..self.messages.len())
                .filter(|&place| !self.is_constrained[place])
                .filter(|&place| self.messages[place].fields().any(|field| self.holds_constrained(&field)))
                .collect();
            if newly.is_empty() {
                return;
            }
            for place in newly {
                self.is_constrained[place] = true;
            }
        }
    }

    fn is_annotated(&self, field: &FieldDescriptor) -> bool {
        field.options().has_extension(&self.extension)
    }

    fn holds_constrained(&self, field: &FieldDescriptor) -> bool {
        message_of(field).is_some_and(|message| self.constrained(&message).is_some())
    }

    /// The index of a message that has constraints.
    fn constrained(&self, message: &MessageDescriptor) -> Option<MessageIndex> {
        self.by_name.get(message.full_name()).copied().filter(|index| self.is_constrained[index.0])
    }

    fn message(&self, message: &MessageDescriptor) -> Result<MessageRules, Error> {
        let full_name = || message.full_name().to_owned();
        if self.message_extension.as_ref().is_some_and(|extension| message.options().has_extension(extension)) {
            return Err(Error::Unsupported { field: full_name(), rule: MESSAGE_EXTENSION.to_owned() });
        }
        let annotated = |oneof: &prost_reflect::OneofDescriptor| {
            self.oneof_extension.as_ref().is_some_and(|extension| oneof.options().has_extension(extension))
        };
        if let Some(oneof) = message.oneofs().find(annotated) {
            return Err(Error::Unsupported { field: oneof.full_name().to_owned(), rule: ONEOF_EXTENSION.to_owned() });
        }
        let fields = message.fields().filter(|field| self.is_annotated(field) || self.holds_constrained(field));
        let fields = fields.filter_map(|field| self.field(&field).transpose()).collect::<Result<_, _>>()?;
        Ok(MessageRules { name: full_name(), fields })
    }

    /// `None` where all rules of the field are left aside.
    fn field(&self, field: &FieldDescriptor) -> Result<Option<FieldRules>, Error> {
        let options = field.options();
        let annotation = options.get_extension(&self.extension);
        let annotation = annotation.as_message().filter(|_| self.is_annotated(field));
        let given = Annotation::read(field.full_name(), annotation)?;
        if given.ignore == ALWAYS {
            return Ok(None);
        }
        let siblings = field.containing_oneof().into_iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>());
        Ok(Some(FieldRules {
            number: field.number(),
            name: field.name().into(),
            is_required: given.is_required,
            has_presence: field.supports_presence(),
            ignores_zero: given.ignore == IF_ZERO_VALUE,
            siblings: siblings.map(|sibling| sibling.number()).filter(|number| *number != field.number()).collect(),
            form: self.form(field, given.typed)?,
        }))
    }

    fn form(&self, field: &FieldDescriptor, rules: Option<TypedRules<'_>>) -> Result<Form, Error> {
        let at = field.full_name();
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let mut rules = Counted::read(at, rules, "map", ["min_pairs", "max_pairs", "keys", "values"])?;
                let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
                Ok(Form::Map {
                    count: rules.count,
                    key_wire_type: wire_type(&key),
                    key: self.element(at, &key, rules.elements.remove(0))?,
                    value_wire_type: wire_type(&value),
                    value: self.element(at, &value, rules.elements.remove(0))?,
                })
            }
            kind if field.cardinality() == Cardinality::Repeated => {
                let mut rules = Counted::read(at, rules, "repeated", ["min_items", "max_items", "items"])?;
                let item = self.element(at, &kind, rules.elements.remove(0))?;
                Ok(Form::List { count: rules.count, wire_type: wire_type(&kind), item })
            }
            kind => Ok(Form::Single(self.value(at, &kind, rules)?)),
        }
    }

    /// The rules of a list's items, or of a map's keys or values.
    fn element(&self, at: &str, kind: &Kind, annotation: Option<&DynamicMessage>) -> Result<ValueRules, Error> {
        let given = Annotation::read(at, annotation)?;
        if given.is_required {
            return Err(unsupported(at, "required of an element"));
        }
        match given.ignore {
            0 => self.value(at, kind, given.typed),
            ALWAYS => Ok(ValueRules::Anything),
            _ => Err(unsupported(at, "ignore of an element")),
        }
    }

    fn value(&self, at: &str, kind: &Kind, rules: Option<TypedRules<'_>>) -> Result<ValueRules, Error> {
        let Some(rules) = rules else {
            let message = kind.as_message().and_then(|message| self.constrained(message));
            return Ok(message.map_or(ValueRules::Anything, ValueRules::Message));
        };
        match (kind, rules.name.as_str()) {
            (Kind::String, "string") => text(at, &rules).map(ValueRules::Text),
            (Kind::Bytes, "bytes") => bytes(at, &rules).map(ValueRules::Bytes),
            (Kind::Enum(descriptor), "enum") => {
                let declared = descriptor.values().map(|value| value.number()).collect();
                enumeration(at, &rules, declared).map(ValueRules::Enum)
            }
            (Kind::Int32, "int32") => number(at, &rules, Encoding::Int32).map(ValueRules::Number),
            (Kind::Int64, "int64") => number(at, &rules, Encoding::Int64).map(ValueRules::Number),
            (Kind::Uint32, "uint32") => number(at, &rules, Encoding::Uint32).map(ValueRules::Number),
            (Kind::Uint64, "uint64") => number(at, &rules, Encoding::Uint64).map(ValueRules::Number),
            (Kind::Float, "float") => number(at, &rules, Encoding::Float).map(ValueRules::Number),
            (Kind::Double, "double") => number(at, &rules, Encoding::Double).map(ValueRules::Number),
            (_, name) => Err(Error::Unfit { field: at.to_owned(), rule: name.to_owned() }),
        }
    }
}

/// A `buf.validate.FieldRules`.
#[derive(Default)]
struct Annotation<'a> {
    is_required: bool,
    ignore: i32,
    typed: Option<TypedRules<'a>>,
}

/// The rules of one type, such as `string`.
struct TypedRules<'a> {
    name: String,
    rules: &'a DynamicMessage,
}

impl<'a> Annotation<'a> {
    fn read(at: &str, annotation: Option<&'a DynamicMessage>) -> Result<Self, Error> {
        let mut read = Self::default();
        let Some(annotation) = annotation else { return Ok(read) };
        check_all_known(at, annotation, "")?;
        for (field, value) in annotation.fields() {
            match (field.name(), value) {
                ("required", Value::Bool(is_required)) => read.is_required = *is_required,
                ("ignore", Value::EnumNumber(ignore @ (0 | IF_ZERO_VALUE | ALWAYS))) => read.ignore = *ignore,
                (name, Value::Message(rules)) if field.containing_oneof().is_some() => {
                    check_all_known(at, rules, name)?;
                    read.typed = Some(TypedRules { name: name.to_owned(), rules });
                }
                (name, _) => return Err(unsupported(at, name)),
            }
        }
        Ok(read)
    }
}

impl TypedRules<'_> {
    fn unsupported(&self, at: &str, rule: &str) -> Error {
        unsupported(at, format!("{}.{rule}", self.name))
    }
}

/// The rules of a list or a map: how many elements, and what each must be.
struct Counted<'a> {
    count: Range,
    /// In the order of their names.
    elements: Vec<Option<&'a DynamicMessage>>,
}

impl<'a> Counted<'a> {
    /// `names` are those of the least and the largest count, and of the rules for elements.
    fn read<const N: usize>(
        at: &str,
        rules: Option<TypedRules<'a>>,
        type_name: &str,
        names: [&str; N],
    ) -> Result<Self, Error> {
        let mut counted = Self { count: Range::ANY, elements: vec![None; N - 2] };
        let Some(rules) = rules else { return Ok(counted) };
        if rules.name != type_name {
            return Err(Error::Unfit { field: at.to_owned(), rule: rules.name });
        }
        for (field, value) in rules.rules.fields() {
            match (names.iter().position(|name| *name == field.name()), value) {
                (Some(0), Value::U64(min)) => counted.count.min = as_count(*min),
                (Some(1), Value::U64(max)) => counted.count.max = as_count(*max),
                (Some(place), Value::Message(rules)) => counted.elements[place - 2] = Some(rules),
                _ => return Err(rules.unsupported(at, field.name())),
            }
        }
        Ok(counted)
    }
}

fn text(at: &str, rules: &TypedRules<'_>) -> Result<TextRules, Error> {
    let mut text = TextRules { length: Range::ANY, pattern: None, form: None };
    for (field, value) in rules.rules.fields() {
        match (field.name(), value) {
            ("min_len", Value::U64(min)) => text.length.min = as_count(*min),
            ("max_len", Value::U64(max)) => text.length.max = as_count(*max),
            ("email", Value::Bool(is_wanted)) => text.form = is_wanted.then_some(TextForm::Email),
            ("uuid", Value::Bool(is_wanted)) => text.form = is_wanted.then_some(TextForm::Uuid),
            ("pattern", Value::String(pattern)) => {
                let refused = |source| Error::Pattern { field: at.to_owned(), source };
                text.pattern = Some(pattern.parse().map_err(refused)?);
            }
            (name, _) => return Err(rules.unsupported(at, name)),
        }
    }
    Ok(text)
}

fn bytes(at: &str, rules: &TypedRules<'_>) -> Result<Range, Error> {
    let mut length = Range::ANY;
    for (field, value) in rules.rules.fields() {
        match (field.name(), value) {
            ("min_len", Value::U64(min)) => length.min = as_count(*min),
            ("max_len", Value::U64(max)) => length.max = as_count(*max),
            (name, _) => return Err(rules.unsupported(at, name)),
        }
    }
    Ok(length)
}

fn enumeration(at: &str, rules: &TypedRules<'_>, declared: Vec<i32>) -> Result<EnumRules, Error> {
    let mut given = EnumRules::default();
    let mut is_declared_only = false;
    for (field, value) in rules.rules.fields() {
        match (field.name(), value) {
            ("defined_only", Value::Bool(is_wanted)) => is_declared_only = *is_wanted,
            ("in", Value::List(numbers)) => given.allowed = Some(sorted(numbers.iter().filter_map(Value::as_i32))),
            ("not_in", Value::List(numbers)) => given.refused = sorted(numbers.iter().filter_map(Value::as_i32)),
            (name, _) => return Err(rules.unsupported(at, name)),
        }
    }
    if is_declared_only {
        let both = declared.into_iter().filter(|number| given.allowed.as_ref().is_none_or(|a| a.contains(number)));
        given.allowed = Some(sorted(both));
    }
    Ok(given)
}

fn sorted(numbers: impl Iterator<Item = i32>) -> Vec<i32> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn number(at: &str, rules: &TypedRules<'_>, encoding: Encoding) -> Result<NumberRules, Error> {
    let mut number = NumberRules { encoding, min: None, max: None };
    for (field, value) in rules.rules.fields() {
        let Some(value) = as_number(value) else { return Err(rules.unsupported(at, field.name())) };
        match field.name() {
            "gt" => number.min = Some(Bound { value, is_included: false }),
            "gte" => number.min = Some(Bound { value, is_included: true }),
            "lt" => number.max = Some(Bound { value, is_included: false }),
            "lte" => number.max = Some(Bound { value, is_included: true }),
            name => return Err(rules.unsupported(at, name)),
        }
    }
    // Bounds that cross would mean all that lies outside of them.
    if let (Some(min), Some(max)) = (number.min, number.max)
        && min.value.compare(max.value) == Some(std::cmp::Ordering::Greater)
    {
        return Err(rules.unsupported(at, "bounds that cross"));
    }
    Ok(number)
}

fn as_number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::I32(value) => Number::Integer((*value).into()),
        Value::I64(value) => Number::Integer((*value).into()),
        Value::U32(value) => Number::Integer((*value).into()),
        Value::U64(value) => Number::Integer((*value).into()),
        Value::F32(value) => Number::Float((*value).into()),
        Value::F64(value) => Number::Float(*value),
        _ => return None,
    })
}

fn as_count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Refuses rules that the contract's `buf.validate` does not declare, and whose names are therefore not known.
fn check_all_known(at: &str, rules: &DynamicMessage, type_name: &str) -> Result<(), Error> {
    match rules.unknown_fields().next() {
        Some(unknown) if type_name.is_empty() => Err(unsupported(at, unknown.number().to_string())),
        Some(unknown) => Err(unsupported(at, format!("{type_name}.{}", unknown.number()))),
        None => Ok(()),
    }
}

fn unsupported(at: &str, rule: impl Into<String>) -> Error {
    Error::Unsupported { field: at.to_owned(), rule: rule.into() }
}

/// The message that a field holds; of a map, its values'.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind().as_message().cloned(),
        kind => kind.as_message().cloned(),
    }
}

fn wire_type(kind: &Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Length,
        _ => WireType::Varint,
    }
}
