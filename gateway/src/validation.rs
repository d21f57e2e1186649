//! The contract's field constraints, checked before a request leaves the edge.
//!
//! Fields are annotated in the vocabulary of `buf.validate`. [`Rules::new`] makes flat tables of the annotations once,
//! for the messages that a request can hold; a check then walks the request's wire bytes, builds no message and
//! allocates nothing unless something is wrong. So it is the same for every protocol: whatever a request came as, its
//! message is bytes here. Services keep their own checks, which know more than a field's value.
//!
//! A rule that is not known here, or does not fit its field, keeps the edge from starting: a constraint that is
//! written down and not enforced would be believed.

mod check;
mod compile;
pub(crate) mod number;
mod path;
pub(crate) mod rule;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::DescriptorPool;
use tonic::Status;

use self::check::{Check, Unreadable};
use self::rule::{MessageIndex, MessageRules};
use crate::refusal::invalid_request;

/// The constraints of a whole contract.
#[derive(Debug, Default)]
pub struct Rules {
    messages: Vec<MessageRules>,
    /// By gRPC path; methods whose requests have no constraints are absent.
    inputs: HashMap<String, MessageIndex>,
}

/// The constraints of one method's requests.
#[derive(Debug, Clone)]
pub struct RequestRules {
    rules: Arc<Rules>,
    input: MessageIndex,
}

/// Why a contract's constraints cannot be enforced.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A rule that is not known here.
    #[error("{field}: the edge does not support the rule {rule}")]
    Unsupported {
        /// The field's full name.
        field: String,
        /// The rule, as in `string.uri`; by its number where the contract does not declare it.
        rule: String,
    },
    /// A rule for another type than the field's.
    #[error("{field}: the rule {rule} does not fit the field's type")]
    Unfit {
        /// The field's full name.
        field: String,
        /// The rule's name.
        rule: String,
    },
    /// A pattern that is no regular expression.
    #[error("{field}: the pattern {source}")]
    Pattern {
        /// The field's full name.
        field: String,
        /// What is wrong with it.
        source: regex::Error,
    },
}

impl Rules {
    /// Reads the constraints of every message that is, or can be part of, a request of `pool`'s methods.
    pub fn new(pool: &DescriptorPool) -> Result<Self, Error> {
        compile::rules(pool)
    }

    /// Checks the wire bytes of one request message of the method at a gRPC path, `/package.Service/Method`.
    ///
    /// The status names each field that is wrong by its path in the contract's names, up to a limit.
    pub fn check(&self, method: &str, message: &[u8]) -> Result<(), Status> {
        match self.inputs.get(method) {
            Some(&input) => self.check_message(input, message),
            None => Ok(()),
        }
    }

    /// The constraints of one method, for those who check often; `None` if its requests have none.
    pub fn of_method(self: &Arc<Self>, method: &str) -> Option<RequestRules> {
        let input = *self.inputs.get(method)?;
        Some(RequestRules { rules: Arc::clone(self), input })
    }

    /// The rules of each message that has some, for those who tell clients of them.
    pub(crate) fn messages(&self) -> &[MessageRules] {
        &self.messages
    }

    fn check_message(&self, input: MessageIndex, message: &[u8]) -> Result<(), Status> {
        let mut check = Check::new(&self.messages);
        if let Err(Unreadable) = check.run(input, message) {
            let name = &self.messages[input.0].name;
            return Err(invalid_request(String::new(), format!("the message is no {name}")));
        }
        check.verdict()
    }
}

impl RequestRules {
    /// Checks the wire bytes of one request message, as [`Rules::check`] does.
    pub fn check(&self, message: &[u8]) -> Result<(), Status> {
        self.rules.check_message(self.input, message)
    }
}
