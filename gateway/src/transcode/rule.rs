//! The `google.api.http` annotations of a contract.

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor, Value};

const EXTENSION: &str = "google.api.http";

/// One binding of a method, as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The HTTP verb; `None` if the annotation names no path.
    pub(crate) pattern: Option<Pattern>,
    /// Empty, `*` or a field's name.
    pub(crate) body: String,
    /// Empty or a field's name.
    pub(crate) response_body: String,
}

/// A verb and its path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) verb: String,
    pub(crate) template: String,
}

/// All methods that carry the annotation, each with its bindings, the first declared first.
pub(crate) fn annotated_methods(pool: &DescriptorPool) -> Vec<(MethodDescriptor, Vec<Rule>)> {
    // A contract that imports no annotation has no REST routes, which is no mistake.
    let Some(extension) = pool.get_extension_by_name(EXTENSION) else { return Vec::new() };
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.filter_map(|method| Some((method.clone(), rules(&method, &extension)?))).collect()
}

fn rules(method: &MethodDescriptor, extension: &ExtensionDescriptor) -> Option<Vec<Rule>> {
    let options = method.options();
    if !options.has_extension(extension) {
        return None;
    }
    let value = options.get_extension(extension);
    let rule = value.as_message()?;
    let mut rules = vec![Rule::new(rule)];
    if let Some(additional) = rule.get_field_by_name("additional_bindings") {
        let bindings = additional.as_list().unwrap_or_default();
        rules.extend(bindings.iter().filter_map(Value::as_message).map(Rule::new));
    }
    Some(rules)
}

impl Rule {
    fn new(rule: &DynamicMessage) -> Self {
        Self {
            pattern: Pattern::new(rule),
            body: text(rule, "body").unwrap_or_default(),
            response_body: text(rule, "response_body").unwrap_or_default(),
        }
    }
}

impl Pattern {
    fn new(rule: &DynamicMessage) -> Option<Self> {
        let standard = ["get", "put", "post", "delete", "patch"].into_iter().find_map(|verb| {
            Some(Self { verb: verb.to_ascii_uppercase(), template: text(rule, verb).filter(|path| !path.is_empty())? })
        });
        standard.or_else(|| {
            let custom = rule.get_field_by_name("custom")?;
            let custom = custom.as_message()?;
            let template = text(custom, "path").filter(|path| !path.is_empty())?;
            Some(Self { verb: text(custom, "kind")?, template })
        })
    }
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    message.get_field_by_name(field)?.as_str().map(str::to_owned)
}
