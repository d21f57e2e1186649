//! Where a stream's messages say how far its client has come, and where a request says so.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use super::RequestError;
use super::field_path::{FieldPath, PathError};
use super::plan::{Kind, MessageIndex, Plan};

const EXTENSION: &str = "focusflow.mesh.v1.resumption";

/// The two fields of one method.
#[derive(Debug)]
pub(super) struct Resumption {
    /// Of the response.
    position: FieldPath,
    /// Of the request.
    after: FieldPath,
}

/// Why a method's stream cannot be resumed as the contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumptionError {
    /// A path that leads to no field.
    #[error("the field {name:?} {source}")]
    Field {
        /// As declared.
        name: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A position that is neither an integer nor a string.
    #[error("the field {0:?} is neither an integer nor a string")]
    NoPosition(String),
}

/// The option, if the contract knows it.
pub(super) fn extension(pool: &DescriptorPool) -> Option<ExtensionDescriptor> {
    pool.get_extension_by_name(EXTENSION)
}

impl Resumption {
    /// `None` if the method does not say how.
    pub(super) fn new(
        plan: &Plan,
        extension: Option<&ExtensionDescriptor>,
        method: &MethodDescriptor,
        (input, output): (MessageIndex, MessageIndex),
    ) -> Result<Option<Self>, ResumptionError> {
        let options = method.options();
        let Some(extension) = extension.filter(|extension| options.has_extension(extension)) else { return Ok(None) };
        let declared = options.get_extension(extension);
        let name = |field: &str| {
            let value = declared.as_message().and_then(|message| message.get_field_by_name(field));
            value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (position, after) = (name("position"), name("after"));
        let resumption = Self { position: resolve(plan, output, &position)?, after: resolve(plan, input, &after)? };
        let is_position = |field: &FieldPath| field.leaf(plan).is_some_and(|leaf| is_position(leaf.kind));
        if is_position(&resumption.position) {
            Ok(Some(resumption))
        } else {
            Err(ResumptionError::NoPosition(position))
        }
    }

    /// The position that a response tells, fit for a line of text; `None` if it tells none.
    pub(super) fn position_of(&self, plan: &Plan, message: &[u8]) -> Option<String> {
        let (kind, payload) = self.position.find(plan, message)?;
        let text = super::scalar::position_text(kind, payload)?;
        Some(text).filter(|text| !text.contains(['\n', '\r', '\0']))
    }

    /// Appends the position after which the client wants to go on, which takes the place of one given before.
    pub(super) fn put_after(&self, plan: &Plan, out: &mut Vec<u8>, position: &str) -> Result<(), RequestError> {
        self.after.put(plan, out, position).map_err(|description| RequestError::new("last-event-id", description))
    }
}

fn resolve(plan: &Plan, root: MessageIndex, name: &str) -> Result<FieldPath, ResumptionError> {
    FieldPath::resolve(plan, root, name.split('.'))
        .map_err(|source| ResumptionError::Field { name: name.to_owned(), source })
}

fn is_position(kind: Kind) -> bool {
    matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::String)
}
